//! `push send`: one message to one or several receivers.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, ValueEnum};
use push_client::{DeliveryMethod, PushMessage, Registry};
use push_crypto::{Topic, Ttl, Urgency};
use serde_json::{Map, Value};

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
    input,
    output::Output,
    text,
};

mod attempt;
mod identity;
mod receivers;
mod report;
mod request;

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
    content: Content,
    #[command(flatten)]
    options: MessageOptions,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    signing: identity::IdentityArgs,
    #[command(flatten)]
    way: WayArgs,
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

/// What is in the message.
#[derive(Args, Debug)]
#[command(next_help_heading = "Payload")]
struct Content {
    /// The payload from @FILE, or - for stdin, or as it is
    #[arg(long, value_name = "@FILE|-", conflicts_with_all = ["title", "body", "navigate", "empty"])]
    data: Option<String>,
    /// Title of a notification
    #[arg(long, value_name = "T")]
    title: Option<String>,
    /// Its text
    #[arg(long, value_name = "B", requires = "title")]
    body: Option<String>,
    /// Its URL (--url is the service's)
    #[arg(long, value_name = "U", requires = "title")]
    navigate: Option<String>,
    /// Declarative: shown without a worker
    #[arg(long, requires = "title")]
    declarative: bool,
    /// No payload: a tickle
    #[arg(long, conflicts_with = "title")]
    empty: bool,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Message")]
struct MessageOptions {
    /// Seconds for which the service tries to deliver
    #[arg(long, value_name = "N", default_value = "60", value_parser = parse_ttl)]
    ttl: Ttl,
    /// Replaces an undelivered message of the same topic
    #[arg(long, value_name = "T", value_parser = parse_topic)]
    topic: Option<Topic>,
    /// very-low, low, normal or high
    #[arg(long, value_name = "U", value_parser = parse_urgency)]
    urgency: Option<Urgency>,
    /// Ask for a delivery receipt
    #[arg(long)]
    receipt: bool,
    /// POST or PUT
    #[arg(
        long,
        value_name = "M",
        value_enum,
        ignore_case = true,
        default_value = "post",
        hide_possible_values = true,
        hide_default_value = true
    )]
    method: Method,
    /// The path of the 2016 page, of a local endpoint
    #[arg(long)]
    path_2016: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// The standard's.
    Post,
    /// As in 2016.
    Put,
}

/// How the request gets there.
#[derive(Args, Debug)]
#[command(next_help_heading = "Connection")]
struct WayArgs {
    /// How often to try again
    #[arg(long, value_name = "N", default_value = "3")]
    retry: u32,
    /// Time for one request
    #[arg(long, value_name = "DUR", default_value = "10s", value_parser = text::parse_duration)]
    timeout: Duration,
    /// HTTP/1.1 only
    #[arg(long, conflicts_with = "http2")]
    http1: bool,
    /// HTTP/2 only
    #[arg(long)]
    http2: bool,
    /// Proxy, never for loopback [default: HTTPS_PROXY]
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Connect to another address: HOST:PORT:ADDR:PORT
    #[arg(long, value_name = "H:P:H:P")]
    connect_to: Vec<String>,
    /// Accept any certificate
    #[arg(long)]
    insecure: bool,
    /// Permit endpoints at private addresses
    #[arg(long)]
    allow_private: bool,
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

fn parse_ttl(text: &str) -> std::result::Result<Ttl, String> {
    match Ttl::parse(text) {
        Ok((ttl, _)) => Ok(ttl),
        Err(error) => {
            text::parse_duration(text).map(|time| Ttl::seconds(time.as_secs())).map_err(|_| error.to_string())
        }
    }
}

fn parse_topic(text: &str) -> std::result::Result<Topic, String> {
    text.parse().map_err(|error: push_crypto::TopicError| error.to_string())
}

fn parse_urgency(text: &str) -> std::result::Result<Urgency, String> {
    text.parse().map_err(|error: push_crypto::UrgencyError| error.to_string())
}

/// Runs the command.
pub(crate) async fn run(mut args: SendArgs, out: Output) -> Result<ExitCode> {
    args.take_over_aliases()?;
    let (to, payload) = args.words()?;
    let payload_given = payload.is_none();
    let message = args.message(payload)?;
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

    fn message(&self, payload: Option<String>) -> Result<PushMessage> {
        let (content, options) = (&self.content, &self.options);
        let octets = match (payload, &content.data) {
            (Some(text), _) => Some(text.into_bytes()),
            (None, Some(data)) => Some(input::value(data)?),
            (None, None) => content.notification()?.map(|json| json.to_string().into_bytes()),
        };
        let mut message = match octets {
            None => PushMessage::tickle(options.ttl),
            Some(octets) => PushMessage::bytes(options.ttl, octets),
        };
        if let Some(topic) = &options.topic {
            message = message.topic(topic.clone());
        }
        if let Some(urgency) = options.urgency {
            message = message.urgency(urgency);
        }
        if options.receipt {
            message = message.receipt();
        }
        if options.method == Method::Put {
            message = message.method(DeliveryMethod::Put);
        }
        if let Some(padding) = self.form.pad {
            message = message.padding(padding);
        }
        Ok(match self.form.coding {
            Coding::Bare => message.schedule(push_crypto::Schedule::Aesgcm128Bare),
            Coding::Named(coding) => message.coding(coding),
        })
    }
}

impl Content {
    /// The JSON of `--title` and its kin.
    fn notification(&self) -> Result<Option<Value>> {
        let Some(title) = &self.title else { return Ok(None) };
        let mut members = Map::new();
        members.insert("title".into(), title.as_str().into());
        if let Some(body) = &self.body {
            members.insert("body".into(), body.as_str().into());
        }
        if !self.declarative {
            if let Some(url) = &self.navigate {
                members.insert("url".into(), url.as_str().into());
            }
            return Ok(Some(Value::Object(members)));
        }
        let Some(url) = &self.navigate else {
            return Err(Diagnostic::usage("--declarative needs a URL to open")
                .why("without navigate a browser takes it for an ordinary message")
                .fix("add --navigate https://…")
                .see("push help declarative/navigate"));
        };
        members.insert("navigate".into(), url.as_str().into());
        Ok(Some(serde_json::json!({"web_push": 8030, "notification": members})))
    }
}

impl WayArgs {
    /// `HOST:PORT:ADDR:PORT` as host and address.
    fn connections(&self) -> Result<Vec<(String, SocketAddr)>> {
        self.connect_to
            .iter()
            .map(|text| {
                let wrong = || {
                    Diagnostic::usage(format!("--connect-to {} is not usable", text::quote(text, 60)))
                        .fix("--connect-to fcm.googleapis.com:443:127.0.0.1:8030")
                };
                let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
                let (_, address) = rest.split_once(':').ok_or_else(wrong)?;
                let address = address.replacen("localhost:", "127.0.0.1:", 1);
                Ok((host.to_owned(), address.parse().map_err(|_| wrong())?))
            })
            .collect()
    }
}
