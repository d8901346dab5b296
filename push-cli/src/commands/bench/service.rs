//! `push bench service`: a service of ours on a thread of its own, under load from this one.

use bytes::Bytes;
use clap::{Args, ValueEnum};
use push_crypto::{EncryptJob, EncryptOptions, Subscription, UserAgentKeys, provider, vapid::VapidKey};
use push_mock_server::{
    Config, Limits, SpaceName,
    service::subscription::{KeyChoice, NewSubscription},
};
use serde_json::json;
use tokio::{runtime, sync::mpsc, task::LocalSet};

use super::{
    OCTETS, ROUNDS,
    clock::{self, Whose},
    failed,
    load::{self, Fox, Requests},
    report::{Figure, Report},
    side::Side,
};
use crate::{
    diagnostic::{Diagnostic, Result},
    output::Output,
    text,
};

/// User agents that messages are spread over (our choice: a busy service has many, and a start should be short).
const RECEIVERS: usize = 64;

/// A service of ours under load, alone on a thread.
///
/// Messages of 1 KiB over 32 connections of HTTP/1.1 on loopback, with one
/// VAPID token.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push bench service
  push bench service --mode sockets --messages 50000 --json")]
pub(super) struct ServiceArgs {
    /// What becomes of the messages
    #[arg(long, value_enum, value_name = "M", default_value = "connected")]
    mode: Mode,
    /// Messages in all
    #[arg(long, value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u32).range(5..=1_000_000))]
    messages: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Opened, recorded, handed to simulated user agents
    Connected,
    /// Opened, recorded, queued
    Offline,
    /// Queued in a durable store
    Durable,
    /// Accepted, written to WebSockets, acknowledged
    Sockets,
}

impl Mode {
    const fn meaning(self) -> &'static str {
        match self {
            Self::Connected => {
                "A message is accepted, its VAPID token checked, decrypted, recorded and handed over."
            }
            Self::Offline | Self::Durable => {
                "A message is accepted, its VAPID token checked, decrypted, recorded and queued."
            }
            Self::Sockets => {
                "A message is accepted, recorded, written to its user agent's WebSocket and acknowledged."
            }
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Runs the command.
pub(super) fn run(args: &ServiceArgs, out: Output) -> Result<()> {
    if args.mode == Mode::Durable {
        return Err(Diagnostic::usage("there is no durable store to measure")
            .why("this version keeps messages in memory only")
            .fix("push bench service --mode offline"));
    }
    let count = usize::try_from(args.messages).unwrap_or(usize::MAX) / ROUNDS;
    let side = Side::start(config(count), 1)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("the load does not start", text::io_error(&error)))?;
    let mut figure = Figure::new(format!("messages, {}", args.mode.name()));
    LocalSet::new().block_on(&runtime, async {
        let mut load = Load::prepare(&side, args.mode).await?;
        for round in 0..=ROUNDS {
            let requests = load.requests(count)?;
            let (process, thread) = (clock::processor(Whose::Process), clock::processor(Whose::Thread));
            let wall = std::time::Instant::now();
            load.drive(requests).await?;
            let spent = |whose, before: Option<u64>| {
                clock::processor(whose).zip(before).map(|(after, before)| after.saturating_sub(before))
            };
            // Everything but this thread is the service.
            let service = spent(Whose::Process, process).zip(spent(Whose::Thread, thread));
            let wall = u64::try_from(wall.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if round > 0 {
                figure.add(service.map_or(wall, |(all, ours)| all.saturating_sub(ours)), count);
            }
        }
        Ok(())
    })?;
    let report = Report {
        bench: "service",
        what: format!("{} messages of {OCTETS} octets · {}", args.messages, args.mode.name()),
        settings: json!({ "mode": args.mode.name(), "messages": args.messages, "octets": OCTETS }),
        figures: vec![figure],
        meaning: vec![
            args.mode.meaning().to_owned(),
            format!(
                "Per second: what one core of the service does, by {}; the load is not counted.",
                clock::name()
            ),
        ],
    };
    report.show(out)
}

/// Limits that a load may not meet; those of a message stay.
fn config(count: usize) -> Config {
    let all = count * (ROUNDS + 1);
    let default = Limits::default();
    let limits = Limits {
        queue_messages: default.queue_messages.max(all),
        queue_octets: default.queue_octets.max(all * 4096),
        agent_octets: default.agent_octets.max(all * 4096),
        store_octets: default.store_octets.max(all * 4096),
        ..default
    };
    Config { limits, ..Config::default() }
}

/// Who sends what to whom.
struct Load {
    port: u16,
    key: VapidKey,
    to: To,
}

enum To {
    /// Subscriptions of simulated user agents.
    Simulated(Vec<Subscription>),
    /// Push resources of connected WebSockets, what is sent to them, and a word for each message that arrives.
    Sockets(Vec<String>, Bytes, mpsc::UnboundedReceiver<()>),
}

impl Load {
    async fn prepare(side: &Side, mode: Mode) -> Result<Self> {
        let (port, service) =
            side.services.first().ok_or_else(|| failed("nothing is measured", "there is no service"))?;
        let wrong = |error: String| failed("the service takes no subscription", error);
        let key = VapidKey::generate(&provider::best()).map_err(|error| wrong(error.to_string()))?;
        if mode == Mode::Sockets {
            return Ok(Self { port: *port, key, to: sockets(*port).await? });
        }
        let mut targets = Vec::with_capacity(RECEIVERS);
        for _ in 0..RECEIVERS {
            let new = NewSubscription {
                online: Some(mode == Mode::Connected),
                application_server_key: KeyChoice::Key(*key.public().point()),
                ..NewSubscription::default()
            };
            let view = service.subscribe(&SpaceName::default(), new).await;
            let text = view.map_err(|error| wrong(error.to_string()))?.subscription_json();
            targets.push(Subscription::from_json(&text).map_err(|error| wrong(error.to_string()))?);
        }
        Ok(Self { port: *port, key, to: To::Simulated(targets) })
    }

    fn requests(&self, count: usize) -> Result<Requests> {
        match &self.to {
            To::Simulated(targets) => load::requests(targets, &self.key, count),
            To::Sockets(paths, sealed, _) => load::sealed_requests(paths, self.port, sealed, count),
        }
    }

    /// Sends them, and waits until they have arrived where they go further.
    async fn drive(&mut self, requests: Requests) -> Result<()> {
        let count = requests.len();
        load::drive(self.port, requests).await?;
        if let To::Sockets(_, _, arrived) = &mut self.to {
            for number in 0..count {
                arrived.recv().await.ok_or_else(|| {
                    failed("messages were not delivered", format!("{number} of {count} came"))
                })?;
            }
        }
        Ok(())
    }
}

/// User agents on WebSockets, connected.
async fn sockets(port: u16) -> Result<To> {
    let wrong = |error: String| failed("the load cannot be made", error);
    let keys = UserAgentKeys::generate(&provider::best()).map_err(|error| wrong(error.to_string()))?;
    let job = EncryptJob { keys: &keys.subscription_keys(), plaintext: &[b'x'; OCTETS] };
    let sealed = push_crypto::encrypt(&provider::best(), &EncryptOptions::default(), job)
        .map_err(|error| wrong(error.to_string()))?;
    let (done, arrived) = mpsc::unbounded_channel();
    let mut paths = Vec::with_capacity(RECEIVERS);
    for number in 0..RECEIVERS {
        let fox = Fox::connect(port, number).await?;
        paths.push(fox.path.clone());
        tokio::task::spawn_local(fox.acknowledge(done.clone()));
    }
    Ok(To::Sockets(paths, sealed.into_body().into(), arrived))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_holds_whatever_is_sent_offline() {
        let Limits { queue_messages, queue_octets, store_octets, .. } = config(1000).limits;
        assert_eq!((queue_messages, queue_octets), (6000, 6000 * 4096));
        assert!(store_octets >= 6000 * 4096);

        let small = config(1).limits;
        assert_eq!(small, Limits::default(), "the usual limits are not lowered");
    }
}
