//! `push send`: one message to one or several receivers.

use clap::Args;
use push_client::Registry;

use self::{identity::Identity, receivers::Receiver, report::Report};
use crate::{
    api::Api,
    cli::ServiceArgs,
    commands::{
        encrypt::{Coding, FormArgs},
        recipient::{self, RegistryArgs},
    },
    diagnostic::{Diagnostic, Result},
    environment,
    exit_code::ExitCode,
    output::Output,
};

mod attempt;
pub(super) mod identity;
pub(super) mod message;
pub(super) mod receivers;
mod report;
mod request;
pub(super) mod way;

/// Send one message to one or several receivers.
///
/// TO is the label or id of a subscription of the service, a recipient of the
/// address book, a file with a subscription's JSON, - for stdin, or an endpoint
/// URL with --key and --auth. sub:NAME and rcp:NAME choose when both exist.
/// Without a payload it is a tickle: a message without a body.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push send demo \"Hello\"
  push send alice.json --title 'Goal!' --body '1:0' --topic score --ttl 600
  push send demo Hello --coding aesgcm128 --method PUT --path-2016")]
pub(crate) struct SendArgs {
    /// Receivers, and the payload as text
    #[arg(value_name = "TO… [PAYLOAD]")]
    words: Vec<String>,
    #[command(flatten)]
    content: message::Content,
    #[command(flatten)]
    options: message::MessageOptions,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    signing: identity::IdentityArgs,
    #[command(flatten)]
    way: way::WayArgs,
    #[command(flatten)]
    compatible: Compatible,
    /// Build the request and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a curl command instead of sending
    #[arg(long, conflicts_with = "show_request")]
    curl: bool,
    /// Print the request as it is sent
    #[arg(long)]
    show_request: bool,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Keys of an endpoint URL, and the options of npm web-push's command.
#[derive(Args, Debug)]
struct Compatible {
    /// p256dh of an endpoint URL
    #[arg(long, value_name = "P256DH")]
    key: Option<String>,
    /// auth of an endpoint URL
    #[arg(long, value_name = "AUTH")]
    auth: Option<String>,
    #[arg(long, hide = true)]
    endpoint: Option<String>,
    #[arg(long, hide = true)]
    payload: Option<String>,
    #[arg(long, hide = true)]
    vapid_pubkey: Option<String>,
    #[arg(long, hide = true)]
    vapid_pvtkey: Option<String>,
    #[arg(long, hide = true)]
    encoding: Option<String>,
    #[arg(long, hide = true)]
    gcm_api_key: Option<String>,
}

/// Runs the command.
pub(crate) async fn run(mut args: SendArgs, out: Output) -> Result<ExitCode> {
    args.take_over_aliases()?;
    let (to, payload) = args.words()?;
    let payload_given = payload.is_none();
    let octets = args.content.octets(payload)?;
    let message = args.options.message(octets, &args.form);
    let api = Api::new(&args.service)?;
    let book = args.registry.open_read_only()?;
    let all_receivers = to.len() > 1 && payload_given;
    let receivers = receivers::resolve(&to, &args, &api, &book).await.map_err(|error| {
        if all_receivers && error.code() == "send/unknown" {
            error.detail(
                "The payload comes from --data, --title or --empty, so that every word is a receiver.",
            )
        } else {
            error
        }
    })?;
    let mut identity = Identity::new(&args.signing, &api);
    let mut reports = Vec::new();
    for receiver in &receivers {
        let report = attempt::send(&args, receiver, &message, &mut identity, &api, out).await?;
        if let Some(report) = report {
            report.tell(receivers.len() > 1, out)?;
            reports.push(report);
        }
    }
    remember(&args.registry, &book, &receivers, &reports)?;
    conclude(reports, receivers.len(), out)
}

/// Notes the outcomes of those who are in the address book.
fn remember(args: &RegistryArgs, book: &Registry, receivers: &[Receiver], reports: &[Report]) -> Result<()> {
    if !receivers.iter().any(|receiver| book.by_endpoint(&receiver.subscription.endpoint).is_some()) {
        return Ok(());
    }
    let (now, path) = (environment::now(), args.path()?);
    let mut registry = args.open()?;
    for (receiver, report) in receivers.iter().zip(reports) {
        let recorded = registry.record(&receiver.subscription.endpoint, &report.outcome, now);
        recorded.map_err(|error| recipient::unusable(&error, &path))?;
    }
    registry.sync().map_err(|error| recipient::unusable(&error, &path))
}

/// The exit code: that of the only outcome, or of all when they are alike.
fn conclude(reports: Vec<Report>, number: usize, out: Output) -> Result<ExitCode> {
    let codes: Vec<ExitCode> = reports.iter().map(Report::exit).collect();
    let Some(first) = codes.first().copied() else { return Ok(ExitCode::SUCCESS) };
    if number == 1 {
        return match reports.into_iter().next() {
            Some(report) if first != ExitCode::SUCCESS && !out.is_json() => Err(report.diagnostic()),
            _ => Ok(first),
        };
    }
    Ok(if codes.iter().all(|code| *code == first) { first } else { ExitCode::MIXED })
}

impl SendArgs {
    /// Options of npm web-push's command become ours.
    fn take_over_aliases(&mut self) -> Result<()> {
        if self.compatible.gcm_api_key.is_some() {
            return Err(Diagnostic::input(
                "vapid/gcm-key",
                "--gcm-api-key is not supported: GCM was switched off in 2019",
            )
            .why("endpoints at android.googleapis.com and keys of the old GCM no longer work anywhere")
            .fix("identify with VAPID instead: push keys new, then --vapid FILE")
            .see("push help vapid/gcm-key"));
        }
        if let Some(endpoint) = self.compatible.endpoint.take() {
            self.words.insert(0, endpoint);
        }
        if let Some(payload) = self.compatible.payload.take() {
            self.content.data.get_or_insert(payload);
        }
        if let Some(encoding) = self.compatible.encoding.take() {
            let coding = encoding.parse().map_err(|error: push_crypto::UnknownCoding| {
                Diagnostic::usage("--encoding is not known").why(error.to_string())
            })?;
            self.form.coding = Coding::Named(coding);
        }
        if let Some(key) = self.compatible.vapid_pvtkey.take() {
            self.signing.vapid.get_or_insert(key);
        }
        if let (Some(public), Some(private)) = (&self.compatible.vapid_pubkey, &self.signing.vapid) {
            identity::check_pair(public, private)?;
        }
        Ok(())
    }

    /// The last of several words is the payload, unless the payload is given in another way.
    fn words(&self) -> Result<(Vec<String>, Option<String>)> {
        let other = &self.content;
        let elsewhere = other.data.is_some() || other.title.is_some() || other.empty;
        match self.words.as_slice() {
            [] => Err(Diagnostic::usage("there is no receiver")
                .fix("push send demo \"Hello\", or push send --help")),
            [to] => Ok((vec![to.clone()], None)),
            all if elsewhere => Ok((all.to_vec(), None)),
            [to @ .., payload] => Ok((to.to_vec(), Some(payload.clone()))),
        }
    }
}
