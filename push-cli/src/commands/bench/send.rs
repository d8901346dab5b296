//! `push bench send`: our sender into a sink of ours, over TLS and HTTP/2, both timed.

use clap::Args;
use futures_util::{StreamExt as _, stream};
use push_client::{Outcome, PushClient, PushMessage, Subscription, Ttl, transport::HttpVersion};
use push_crypto::{EncryptJob, EncryptOptions, SubscriptionKeys, UserAgentKeys, provider, vapid::VapidKey};
use push_mock_server::Config;
use serde_json::json;
use tokio::runtime;

use super::{
    BATCH, OCTETS, ROUNDS,
    clock::{self, Whose},
    failed,
    report::{Figure, Report},
    side::Side,
};
use crate::{diagnostic::Result, output::Output, text};

/// Different receivers, at most; more lists of a million have, and fewer would fit a cache (our choice).
const RECEIVERS: usize = 1024;

/// Our sender into a sink of ours, both timed.
///
/// Messages of 1 KiB, encrypted for receivers with keys of their own, go over
/// TLS and HTTP/2 on loopback to one or several push services that only count.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push bench send
  push bench send --messages 100000 --origins 5 --json")]
pub(super) struct SendArgs {
    /// Messages in all
    #[arg(long, value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u32).range(5..=10_000_000))]
    messages: u32,
    /// Push services that they go to in turn
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=100))]
    origins: u16,
}

/// Runs the command.
pub(super) fn run(args: &SendArgs, out: Output) -> Result<()> {
    let sink = Side::start(Config { sink: true, ..Config::default() }, usize::from(args.origins))?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("the sender does not start", text::io_error(&error)))?;
    let client = client(&sink)?;
    let receivers = receivers(&sink)?;
    let keys: Vec<_> = receivers.iter().filter_map(|receiver| receiver.keys.clone()).collect();
    let mut sender = Figure::new("sender, encryption included");
    let mut encryption = Figure::new(format!("encryption alone, batches of {BATCH}"));
    let mut other = Figure::new("sink");
    let count = usize::try_from(args.messages).unwrap_or(usize::MAX) / ROUNDS;
    // Before the first round: connections, handshakes, a token for each origin.
    runtime.block_on(send(&client, &receivers, BATCH.min(count)))?;
    for _ in 0..ROUNDS {
        let before = sink.spent();
        let (sent, spent) =
            clock::time(Whose::Process, || runtime.block_on(send(&client, &receivers, count)));
        sent?;
        let by_sink = sink.spent().zip(before).map(|(after, before)| after.saturating_sub(before));
        sender.add(spent.saturating_sub(by_sink.unwrap_or_default()), count);
        if let Some(by_sink) = by_sink {
            other.add(by_sink, count);
        }
        let (encrypted, spent) = clock::time(Whose::Thread, || encrypt(&keys, count));
        encryption.add(spent, encrypted?);
    }
    let share = encryption.median() / sender.median();
    let mut figures = vec![sender, encryption];
    figures.extend(Some(other).filter(|sink| !sink.samples.is_empty()));
    let report = Report {
        bench: "send",
        what: format!(
            "{} messages of {OCTETS} octets · {} · TLS, HTTP/2, loopback",
            args.messages,
            text::count(usize::from(args.origins), "origin"),
        ),
        settings: json!({ "messages": args.messages, "origins": args.origins, "octets": OCTETS }),
        figures,
        meaning: vec![
            format!(
                "Per second: what one core does, by {}; sender and sink are counted apart.",
                clock::name()
            ),
            format!(
                "{:.0} % of the sender's time is encryption, which no sender can do without.",
                share * 100.0
            ),
        ],
    };
    report.show(out)
}

fn client(sink: &Side) -> Result<PushClient> {
    let wrong = |error: String| failed("the sender does not start", error);
    let key = VapidKey::generate(&provider::best()).map_err(|error| wrong(error.to_string()))?;
    PushClient::builder()
        .provider(provider::best())
        .vapid_without_subject(key)
        .allow_loopback()
        .http_version(HttpVersion::Http2)
        .add_root_pem(sink.certificates.as_bytes())
        .build()
        .map_err(|error| wrong(error.to_string()))
}

/// Receivers at each origin in turn.
fn receivers(sink: &Side) -> Result<Vec<Subscription>> {
    let wrong = |error: String| failed("a receiver cannot be made", error);
    let each = sink.services.iter().cycle().zip(0..RECEIVERS);
    each.map(|((port, _), number)| {
        let keys = UserAgentKeys::generate(&provider::best()).map_err(|error| wrong(error.to_string()))?;
        let endpoint = format!("https://127.0.0.1:{port}/p/{number:022}");
        Ok(Subscription {
            endpoint: endpoint
                .parse()
                .map_err(|error: push_crypto::PushResourceError| wrong(error.to_string()))?,
            expiration_time: None,
            keys: Some(keys.subscription_keys()),
        })
    })
    .collect()
}

async fn send(client: &PushClient, receivers: &[Subscription], count: usize) -> Result<()> {
    let message = PushMessage::bytes(Ttl::seconds(60), vec![b'x'; OCTETS]);
    let items = receivers.iter().cycle().take(count).map(|receiver| ((), receiver.clone(), message.clone()));
    let mut outcomes = client.send_all(stream::iter(items));
    while let Some(((), outcome)) = outcomes.next().await {
        if !matches!(outcome, Outcome::Accepted(_)) {
            return Err(failed("the sink did not accept a message", outcome.to_string()));
        }
    }
    Ok(())
}

/// Encrypts at least so many; how many it was.
fn encrypt(keys: &[SubscriptionKeys], count: usize) -> Result<usize> {
    let wrong = |error: String| failed("encryption did not work", error);
    let text = vec![b'x'; OCTETS];
    let mut done = 0;
    for batch in keys.chunks(BATCH).cycle() {
        if done >= count {
            break;
        }
        let jobs: Vec<_> = batch.iter().map(|keys| EncryptJob { keys, plaintext: &text }).collect();
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::encrypt_batch(&provider::best(), &EncryptOptions::default(), &jobs, &mut out)
            .map_err(|error| wrong(error.to_string()))?;
        done += out.len();
    }
    Ok(done)
}
