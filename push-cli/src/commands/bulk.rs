//! `push bulk`: one message to each receiver of a list, with a ledger from which an interrupted run goes on.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use clap::{Args, ValueEnum};
use push_client::{
    BulkOptions, Timestamp,
    bulk::{
        input::summarize,
        ledger::{Digest, Ledger, LedgerError, Run},
        template::Template,
    },
    transport::HyperTransport,
};

use self::{
    books::Books,
    feed::{Feed, Messages},
    source::Source,
};
use crate::{
    api::Api,
    cli::ServiceArgs,
    commands::{
        encrypt::FormArgs,
        recipient::RegistryArgs,
        send::{
            identity::{Identity, IdentityArgs, Signer},
            message::{Content, MessageOptions},
            receivers::is_own,
            way::{self, WayArgs},
        },
    },
    diagnostic::{Diagnostic, Result},
    environment,
    exit_code::ExitCode,
    input,
    output::Output,
    signals::Signals,
    text,
};

mod books;
mod feed;
mod paths;
mod progress;
mod run;
mod source;
mod tally;

/// Messages that wait for their push service beside what is under way (our choice: as many as are under way; after a
/// stop they are given back unsent). With --at-most-once there are none, since whoever waits in a crash gets nothing.
const PARKED: usize = 512;

/// Send one message to each receiver of a list.
///
/// FILE has one JSON object per line: a subscription as the browser gives it, or
/// {"id":…,"subscription":{…},"payload":…,"ttl":…,"topic":…,"urgency":…}; or it is
/// CSV with a header of these names (endpoint, p256dh and auth do as well). All
/// but the subscription may be missing. {{field}} in the payload is filled from
/// the line.
///
/// The same command again goes on where it ended: who has an outcome in the
/// ledger is skipped; what was never tried, or lacked a key or a flag, is tried
/// again. After a crash only messages that were under way can come twice; a topic
/// makes that harmless. stdin and --recipients need --ledger for
/// that. Remove the ledger, or name another, to send to everybody again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push bulk users.jsonl --payload @news.json --out r.jsonl --gone-out gone.jsonl
  push bulk users.csv --payload 'Hello {{name}}' --topic hello --rate 500/s
  push bulk --recipients --tag news --title 'Goal!' --body '1:0'")]
pub(crate) struct BulkArgs {
    /// Receivers, or - for stdin
    #[arg(value_name = "FILE|-", required_unless_present = "recipients", conflicts_with = "recipients")]
    input: Option<String>,
    /// To the address book instead
    #[arg(long)]
    recipients: bool,
    /// Only to recipients with this tag
    #[arg(long, value_name = "T")]
    tag: Option<String>,
    /// jsonl or csv [default: by name, else by content]
    #[arg(long, value_name = "F", value_enum, hide_possible_values = true)]
    format: Option<InputFormat>,
    #[command(flatten)]
    content: BulkContent,
    #[command(flatten)]
    options: MessageOptions,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    results: Results,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    signing: IdentityArgs,
    #[command(flatten)]
    way: WayArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    service: ServiceArgs,
}

/// The form of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputFormat {
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object per line.
    Jsonl,
}

/// The payload of those who have none of their own.
#[derive(Args, Debug)]
#[command(next_help_heading = "Payload")]
struct BulkContent {
    /// The payload as text, or from @FILE; {{field}} is filled from the line
    #[arg(long, value_name = "@FILE|TEXT", conflicts_with_all = ["data", "title", "body", "navigate", "empty"])]
    payload: Option<String>,
    #[command(flatten)]
    content: Content,
}

/// What is written where.
#[derive(Args, Debug)]
#[command(next_help_heading = "Results")]
struct Results {
    /// One JSON line per receiver; - for stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Those to delete from your database, as JSON lines
    #[arg(long, value_name = "FILE")]
    gone_out: Option<PathBuf>,
    /// Lines that cannot be used, with number and reason, as JSON lines
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Where to keep what was done [default: INPUT.ledger]
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// After a crash, list those who may have got it instead of sending again
    #[arg(long)]
    at_most_once: bool,
    /// gone: exit 6 when somebody is gone
    #[arg(long, value_name = "WHAT", value_enum, hide_possible_values = true)]
    fail_on: Option<FailOn>,
}

/// What else than failures decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Somebody is gone.
    Gone,
}

/// How much at once.
#[derive(Args, Debug)]
#[command(next_help_heading = "Bounds")]
struct Bounds {
    /// Messages under way at once
    #[arg(long, value_name = "N", default_value = "512", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_in_flight: u32,
    /// The same for each push service; the working value adapts below
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    per_origin: u32,
    /// Requests per second, such as 500/s
    #[arg(long, value_name = "N/s", value_parser = parse_rate)]
    rate: Option<u32>,
    /// Try again for so long, instead of --retry times
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    retry_for: Option<Duration>,
    /// Stop when so many were refused: a wrong key refuses all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    stop_after_refused: Option<u64>,
}

fn parse_rate(text: &str) -> std::result::Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    number
        .parse()
        .ok()
        .filter(|rate| *rate > 0)
        .ok_or_else(|| "it is a whole number per second; write it as 500/s".to_owned())
}

/// Runs the command.
pub(crate) async fn run(args: BulkArgs, out: Output) -> Result<ExitCode> {
    if args.tag.is_some() && !args.recipients {
        return Err(Diagnostic::usage("--tag needs --recipients").why("only the address book has tags"));
    }
    if args.input.as_deref() == Some("-") && args.content.is_stdin() {
        return Err(Diagnostic::usage("list and payload cannot both come from stdin").fix("--payload @FILE"));
    }
    paths::check(&args)?;
    let api = Api::new(&args.service)?;
    let payload = args.content.octets()?;
    let template = Template::parse(payload.as_deref().unwrap_or_default()).map_err(|error| {
        Diagnostic::input("bulk/template", "the payload cannot be filled from the lines")
            .because(&error.to_string())
    })?;
    let mut source = Source::open(&args, &template)?;
    // Without anybody to send to, the rejects say why.
    let first = source.first()?;
    let is_local = first.as_ref().is_some_and(|first| is_own(first.endpoint.origin(), api.origin()));
    let signers = if first.is_some() { signers(&args, &api, is_local).await? } else { Vec::new() };
    run_all(&args, Prepared { source, payload, signers, is_local, api }, out).await
}

/// What a run begins with.
struct Prepared {
    source: Source,
    /// Of those who have none of their own; none: a tickle.
    payload: Option<Vec<u8>>,
    signers: Vec<Signer>,
    /// The list begins with a subscription of the local service.
    is_local: bool,
    api: Api,
}

/// The key for the service's own subscriptions when the first one is such, and the one that was told.
async fn signers(args: &BulkArgs, api: &Api, first_is_own: bool) -> Result<Vec<Signer>> {
    let mut identity = Identity::new(&args.signing, api);
    let mut signers: Vec<_> = identity.of(first_is_own).await?.into_iter().collect();
    let has_other = environment::variable("PUSH_VAPID_PRIVATE_KEY").is_some();
    if first_is_own && args.signing.vapid.is_none() && has_other {
        signers.extend(identity.of(false).await?);
    }
    Ok(signers)
}

async fn run_all(args: &BulkArgs, prepared: Prepared, out: Output) -> Result<ExitCode> {
    let Prepared { source, payload, signers, is_local, api } = prepared;
    // From here on Ctrl-C means: finish what is under way, and say how to go on.
    let signals = Signals::install("the run")?;
    let now = environment::now();
    let ledger = match args.ledger_path() {
        None => None,
        Some(path) => {
            let run = Run {
                input: source.digest(),
                options: args.digest(payload.as_deref())?,
                lines: source.lines(),
            };
            Some(Ledger::open(&path, &run, now).map_err(|error| ledger_error(&error, &path))?)
        }
    };
    let books = Arc::new(Mutex::new(Books::open(args, ledger, out)?));
    let stop = Arc::new(AtomicBool::new(false));
    let client = args.client(&signers, is_local)?;
    let messages = Messages::new(args, client.clone(), &signers, is_local.then_some(&api), payload.is_some());
    let feed = Feed { books: books.clone(), stop: stop.clone(), at_most_once: args.results.at_most_once };
    let feed = feed.start(source.receivers()?, source.lines(), messages)?;
    let running = run::Running { client, options: args.bulk_options(), books, stop, signals, out, noted: 0 };
    running.run(feed, &source, args).await
}

/// Why the ledger cannot be used, with its path.
fn ledger_error(error: &LedgerError, path: &std::path::Path) -> Diagnostic {
    let exit = match error {
        LedgerError::Io { .. } | LedgerError::InUse | LedgerError::Stopped => ExitCode::UNEXPECTED,
        _ => ExitCode::INPUT,
    };
    let code = match error {
        LedgerError::OtherInput => "bulk/other-input",
        LedgerError::OtherOptions => "bulk/other-options",
        _ => "bulk/ledger",
    };
    Diagnostic::new(exit, code, format!("the ledger {} cannot be used", path.display()))
        .because(&error.to_string())
        .caused_by(error)
}

impl BulkContent {
    fn is_stdin(&self) -> bool {
        let given = self.payload.as_deref().or(self.content.data.as_deref());
        matches!(given, Some("-" | "@-"))
    }

    fn octets(&self) -> Result<Option<Vec<u8>>> {
        match &self.payload {
            Some(payload) => input::value(payload).map(Some),
            None => self.content.octets(None),
        }
    }
}

impl BulkArgs {
    /// Where the ledger is; only a file has a default.
    fn ledger_path(&self) -> Option<PathBuf> {
        let default = || {
            let input = Path::new(self.input.as_deref().filter(|input| *input != "-")?);
            let mut name = input.file_name()?.to_owned();
            name.push(".ledger");
            Some(input.with_file_name(name))
        };
        self.results.ledger.clone().or_else(default)
    }

    /// Of all that decides what is sent, beside the input: a ledger belongs to it.
    fn digest(&self, payload: Option<&[u8]>) -> Result<Digest> {
        let options = &self.options;
        let mut text = b"push bulk 1\n".to_vec();
        let mut part = |octets: &[u8]| {
            text.extend((octets.len() as u64).to_be_bytes());
            text.extend(octets);
        };
        part(&[u8::from(payload.is_some())]);
        part(payload.unwrap_or_default());
        part(&options.ttl.as_seconds().to_be_bytes());
        part(options.topic.as_ref().map_or("", |topic| topic.as_str()).as_bytes());
        part(options.urgency.map_or("", |urgency| urgency.as_str()).as_bytes());
        part(&[u8::from(options.receipt), u8::from(options.path_2016)]);
        part(format!("{:?} {:?} {:?}", options.method, self.form.coding, self.form.pad).as_bytes());
        part(format!("{:?}", self.format).as_bytes());
        summarize(text.as_slice()).map(|summary| summary.digest).map_err(|error| {
            Diagnostic::new(ExitCode::UNEXPECTED, "bulk/digest", "the options cannot be summed up")
                .why(text::io_error(&error))
        })
    }

    fn client(&self, signers: &[Signer], is_local: bool) -> Result<push_client::PushClient> {
        let transport = HyperTransport::new(self.way.options_for_list(is_local)?);
        let mut builder = push_client::PushClient::builder().limits(self.way.limits()).transport(transport);
        builder = match self.bounds.retry_for {
            Some(time) => builder.retry_within(time),
            None => builder.retries(self.way.retry),
        };
        if self.results.at_most_once {
            builder = builder.repeat_unanswered(push_client::RepeatUnanswered::Never);
        }
        way::built(way::signed(builder, signers))
    }

    fn bulk_options(&self) -> BulkOptions {
        let chunk = self.bounds.chunk();
        let most = usize::try_from(self.bounds.max_in_flight).unwrap_or(usize::MAX);
        BulkOptions {
            // Outcomes that are not yet written down would be sent again after a crash: they count as under way.
            max_in_flight: most - (chunk - 1),
            per_origin: usize::try_from(self.bounds.per_origin).unwrap_or(usize::MAX),
            rate: self.bounds.rate,
            parked: if self.results.at_most_once { 0 } else { PARKED },
        }
    }
}

impl Bounds {
    /// Outcomes written down together: at most an eighth of what is under way (our choice: one system call for
    /// many, while most places go on working).
    fn chunk(&self) -> usize {
        usize::try_from(self.max_in_flight / 8).unwrap_or(1).clamp(1, 64)
    }
}

/// Time as the ledger wants it.
fn now() -> Timestamp {
    environment::now()
}
