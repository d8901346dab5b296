//! `push browser`: a stock browser, wired to the service, started and ended by this command.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::{
    find::Found,
    process::Browser,
    profile::Profile,
    story::{Sought, Story, Told},
};
use crate::{
    api::{Api, Lines},
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    message::member,
    output::Output,
    signals::Signals,
    text,
};

mod bidi;
mod find;
mod print;
mod process;
mod profile;
mod story;
mod wiring;

/// Start a stock browser that subscribes to this service. Runs until the
/// browser ends, or Ctrl-C, and prints what its user agent does.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push browser firefox
  push browser chromium http://localhost:3000
  push browser firefox --headless 'http://localhost:8030/try?auto'
  push browser chromium --print json")]
pub(crate) struct BrowserArgs {
    /// Which browser
    #[arg(value_enum, value_name = "firefox|chromium", hide_possible_values = true)]
    kind: Kind,
    /// The page to open [default: /try of the service]
    #[arg(value_name = "URL")]
    page: Option<String>,
    /// Show what your own driver has to set, and start nothing
    #[arg(long, value_enum, value_name = "json|shell", num_args = 0..=1, default_missing_value = "shell", hide_possible_values = true)]
    print: Option<Form>,
    /// No window
    #[arg(long)]
    headless: bool,
    /// Keep and use this profile again [default: a fresh one, deleted at the
    /// end]
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,
    /// The browser to start [default: PUSH_FIREFOX or PUSH_CHROMIUM, else
    /// the one that is installed]
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Label of the user agent [default: firefox-1, chromium-1, …]
    #[arg(long, value_name = "L")]
    label: Option<String>,
    /// Exit 4 when no page has subscribed after this time
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    expect_subscription: Option<Duration>,
    /// Passed on to the browser
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Firefox,
    Chromium,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Firefox => "firefox",
            Self::Chromium => "chromium",
        }
    }
}

/// How `--print` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Json,
    Shell,
}

/// Runs the command.
pub(crate) async fn run(args: BrowserArgs, out: Output) -> Result<ExitCode> {
    let api = Api::new(&args.service)?;
    if let Some(form) = args.print {
        let setup = wiring::setup(&api, &args, args.label.as_deref()).await?;
        if out.is_json() {
            return out.object(setup).map(|()| ExitCode::SUCCESS);
        }
        let text = match form {
            Form::Json => serde_json::to_string_pretty(&setup).unwrap_or_default(),
            Form::Shell => {
                print::shell(args.kind, &setup, &page(&args, &api), args.headless, &args.arguments)
            }
        };
        return out.line(text.trim_end()).map(|()| ExitCode::SUCCESS);
    }
    let label = match &args.label {
        Some(label) => label.clone(),
        None => free_label(&api, args.kind).await?,
    };
    let setup = wiring::setup(&api, &args, Some(&label)).await?;
    let found = find::find(args.kind, args.binary.as_deref())?;
    let signals = Signals::install("the browser")?;
    let profile = Profile::prepare(args.kind, args.profile.as_deref(), &setup)?;
    // Before the browser, so that nothing is missed.
    let events = api.stream("/events", &[]).await?;
    let sought = Sought::new(&api, args.kind.as_str(), label, args.profile.is_some()).await?;
    let version = find::version(&found).await;
    let result =
        drive(&args, &api, Start { sought, setup, found, version, profile: &profile }, events, signals, out)
            .await;
    profile.remove(out).await;
    result
}

/// Everything that is known before the browser starts.
struct Start<'a> {
    sought: Sought,
    setup: Value,
    found: Found,
    version: Option<String>,
    profile: &'a Profile,
}

/// From the start of the browser to its end, whichever comes first of it and ours.
async fn drive(
    args: &BrowserArgs,
    api: &Api,
    start: Start<'_>,
    events: Lines,
    signals: Signals,
    out: Output,
) -> Result<ExitCode> {
    let page = page(args, api);
    let by_bidi = args.kind == Kind::Firefox && args.headless;
    let mut line = process::line(args.kind, &start.setup, start.profile.path());
    line.extend(args.arguments.iter().cloned());
    if !by_bidi {
        line.push(page.clone());
    }
    let mut browser = Browser::start(&start.found, &line, &start.setup)?;
    if let Err(error) = announce(args, &start, &page, browser.id(), out) {
        browser.end().await;
        return Err(error);
    }
    let story = Story::new(api, &start.sought, out);
    let result = tokio::select! {
        ended = follow(args, story, events) => ended,
        ended = open(&mut browser, by_bidi.then_some(page.as_str())) => ended,
        () = signals.wait() => Ok(ExitCode::SUCCESS),
    };
    browser.end().await;
    result
}

/// Opens the page where the command line does not, and waits for the end of the browser.
async fn open(browser: &mut Browser, page: Option<&str>) -> Result<ExitCode> {
    let Some(page) = page else { return browser.wait().await };
    let address = browser.bidi_address().await?;
    let session = bidi::open(&address, page).await?;
    let ended = browser.wait().await;
    drop(session);
    ended
}

/// Tells the events of this user agent; ends when the service does, or when nobody subscribed in time.
async fn follow(args: &BrowserArgs, mut story: Story<'_>, mut events: Lines) -> Result<ExitCode> {
    let late = async {
        match args.expect_subscription {
            Some(within) => {
                tokio::time::timeout(within, std::future::pending::<()>()).await.unwrap_or_default()
            }
            None => std::future::pending().await,
        }
    };
    tokio::pin!(late);
    let mut is_subscribed = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event?,
            () = &mut late, if !is_subscribed => return Err(not_subscribed(args)),
        };
        let Some(event) = event else {
            return Err(Diagnostic::new(
                ExitCode::UNREACHABLE,
                "browser/service-ended",
                "the push service has ended",
            )
            .why("its stream of events closed, so nothing can reach the browser any more")
            .fix("start push serve, then push browser again"));
        };
        is_subscribed |= story.tell(&event).await? == Told::Subscribed;
    }
}

fn not_subscribed(args: &BrowserArgs) -> Diagnostic {
    let within = text::human_duration(args.expect_subscription.unwrap_or_default());
    Diagnostic::new(
        ExitCode::EXPECTATION,
        "browser/not-subscribed",
        format!("no page subscribed within {within}"),
    )
    .why("pages subscribe in a secure context (localhost or https), often only after a click")
    .fix("open /try?auto to see whether the browser itself is fine; docs/browsers.md tells which step broke")
}

fn page(args: &BrowserArgs, api: &Api) -> String {
    args.page.clone().unwrap_or_else(|| match &args.service.space {
        Some(space) => format!("{}/try?space={}", api.origin(), crate::api::encode(space)),
        None => format!("{}/try", api.origin()),
    })
}

/// `firefox-1`, or the first number that nobody has.
async fn free_label(api: &Api, kind: Kind) -> Result<String> {
    let items = api.items("/user-agents", &[]).await?;
    let taken: Vec<_> = items.iter().map(|item| member(item, "label")).collect();
    let free = (1..).map(|number: u32| format!("{}-{number}", kind.as_str()));
    let mut free = free.filter(|label| !taken.contains(&label.as_str()));
    Ok(free.next().unwrap_or_else(|| kind.as_str().to_owned()))
}

fn announce(args: &BrowserArgs, start: &Start<'_>, page: &str, id: u32, out: Output) -> Result<()> {
    let service = member(&start.setup, "service");
    if out.is_json() {
        return out.record(&json!({
            "type": "browser.started", "kind": args.kind.as_str(), "label": start.sought.label, "version": start.version,
            "pid": id, "profile": start.profile.path(), "page": page, "service": service,
        }));
    }
    let name = start.version.clone().unwrap_or_else(|| start.found.path.display().to_string());
    let profile = match &args.profile {
        Some(directory) => format!("the profile {}", directory.display()),
        None => "a fresh profile".to_owned(),
    };
    let service = service.split('?').next().unwrap_or(service);
    out.line(format!("  {} with {profile}, push service {service}", text::escape(&name)))?;
    for note in start.setup.get("notes").and_then(Value::as_array).into_iter().flatten() {
        // The only note that asks for something which this command does not do itself.
        if let Some(note) = note.as_str().filter(|note| note.contains("certutil")) {
            out.note(format!("  {}", text::escape(note)));
        }
    }
    Ok(())
}
