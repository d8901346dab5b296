//! `push clock`: the clock of a space.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    api::{Api, encode},
    cli::ServiceArgs,
    diagnostic::Result,
    message::{member, pointer},
    output::{DIM, Output, state_style, styled},
    text,
};

/// The clock of a space: freeze it, move it, let it run. Without a command it
/// is shown.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ClockArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the clock and what is due next
    #[command(after_help = "Examples:\n  push clock show\n  push clock show --space air --json")]
    Show(ShowArgs),
    /// Stop the clock where it is
    #[command(after_help = "Examples:\n  push clock freeze\n  push clock freeze --space air")]
    Freeze(Common),
    /// Move the clock forward; prints in order everything that fired
    #[command(after_help = "Examples:\n  push clock advance 1h\n  push clock advance 59.999s --space air")]
    Advance(AdvanceArgs),
    /// Move the clock to a time
    #[command(
        after_help = "Examples:\n  push clock set 2026-11-24T08:00:00Z\n  push clock set 2026-11-24T08:00:00Z --space air"
    )]
    Set(SetArgs),
    /// Let the clock run, at a speed
    #[command(
        after_help = "Examples:\n  push clock run 60        # one minute in a second\n  push clock run --space air"
    )]
    Run(RunArgs),
    /// Follow wall time again
    #[command(after_help = "Examples:\n  push clock real\n  push clock real --space air")]
    Real(Common),
}

#[derive(Args, Debug)]
struct ShowArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct Common {
    /// Judge exp of VAPID tokens by this clock
    #[arg(long, value_name = "wall|space", value_parser = ["wall", "space"])]
    vapid_clock: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct AdvanceArgs {
    /// How far, e.g. 90s, 2h30m, 1d
    #[arg(value_name = "DUR", value_parser = text::parse_duration)]
    by: Duration,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct SetArgs {
    /// The time, e.g. 2026-11-24T08:00:00Z; not before now
    #[arg(value_name = "TIME", value_parser = text::time_argument)]
    to: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args, Debug)]
struct RunArgs {
    /// Simulated seconds in one second
    #[arg(value_name = "SPEED", default_value = "1")]
    speed: f64,
    #[command(flatten)]
    common: Common,
}

async fn show(service: &ServiceArgs, out: Output) -> Result<()> {
    let clock = Api::new(service)?.get("/clock", &[]).await?;
    if out.is_json() { out.object(clock) } else { out.line(describe(&clock, true)) }
}

/// Runs the command.
pub(crate) async fn run(args: ClockArgs, out: Output) -> Result<()> {
    let (common, mut change) = match args.action {
        None => return show(&args.service, out).await,
        Some(Action::Show(args)) => return show(&args.service, out).await,
        Some(Action::Freeze(common)) => (common, json!({"freeze": true})),
        Some(Action::Real(common)) => (common, json!({"real": true})),
        Some(Action::Advance(args)) => (args.common, json!({"advance": text::api_duration(args.by)})),
        Some(Action::Set(args)) => (args.common, json!({"set": args.to})),
        Some(Action::Run(args)) => (args.common, json!({"run": args.speed})),
    };
    let api = Api::new(&common.service)?;
    if let (Some(which), Some(members)) = (common.vapid_clock, change.as_object_mut()) {
        members.insert("vapidClock".into(), which.into());
    }
    let advanced = change.get("advance").is_some() || change.get("set").is_some();
    let clock = api.post("/clock", &change).await?;
    show_change(&api, &clock, advanced, out).await
}

async fn show_change(api: &Api, clock: &Value, advanced: bool, out: Output) -> Result<()> {
    if out.is_json() {
        return out.object(clock.clone());
    }
    let fired = clock.get("fired").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in &fired {
        out.line(fired_line(api, item).await)?;
    }
    let quiet = if advanced && fired.is_empty() { ", nothing was due" } else { "" };
    out.line(format!("{}{quiet}", describe(clock, false)))
}

/// `08:01:59.999  expired  phone  M3WD  ttl 60`
async fn fired_line(api: &Api, item: &Value) -> String {
    let what = member(item, "what");
    let time = text::time_of_day(member(item, "at"), true);
    let id = member(item, "message");
    // The TTL is in the message; it may have been forgotten since, then the line does without.
    let message =
        if id.is_empty() { None } else { api.get(&format!("/messages/{}", encode(id)), &[]).await.ok() };
    let ttl = message.as_ref().and_then(|message| message.get("ttl")).and_then(Value::as_u64);
    let mut line = format!("{time}  {}", styled(state_style(what), what));
    for part in [text::escape(member(item, "to")), text::short_id(id).to_owned()] {
        if !part.is_empty() {
            line.push_str("  ");
            line.push_str(&part);
        }
    }
    if let Some(ttl) = ttl {
        line.push_str(&format!("  ttl {ttl}"));
    }
    line
}

/// `air: frozen at 2026-11-23T08:00:59.999Z`
pub(crate) fn describe(clock: &Value, with_next: bool) -> String {
    let now = member(clock, "now");
    let now = text::parse_time(now).map_or_else(|_| text::escape(now), text::rfc3339);
    let space = text::escape(member(clock, "space"));
    let mut line = match member(clock, "mode") {
        "frozen" => format!("{space}: frozen at {now}"),
        "real" => format!("{space}: wall time, {now}"),
        mode => {
            let speed = clock.get("speed").and_then(Value::as_f64).unwrap_or(1.0);
            format!("{space}: {} at {speed} seconds a second, {now}", text::escape(mode))
        }
    };
    if with_next {
        let what = pointer(clock, "/next/what");
        if what.is_empty() {
            line.push_str(&styled(DIM, ", nothing is due"));
        } else {
            let id = text::short_id(pointer(clock, "/next/message"));
            line.push_str(&format!(
                ", next: {} {id} at {}",
                text::escape(what),
                text::time_of_day(pointer(clock, "/next/at"), true)
            ));
        }
    }
    line
}
