//! `push msg` and `push show`: look at messages.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use push_mock_server::reproduce::{self, Language};
use serde_json::{Value, json};

use crate::{
    api::{Api, encode},
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    message::{self, Columns, member, pointer},
    output::{BOLD, DIM, Output, level_mark, level_style, state_style, styled},
    text,
};

/// Look at messages.
#[derive(Args, Debug)]
pub(crate) struct MsgArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List messages, the newest last
    #[command(after_help = "Examples:\n  push msg ls\n  push msg ls -q 'to:alice state:refused' --limit 20")]
    Ls(ListArgs),
    /// Show one message with everything the service knows of it
    Show(ShowArgs),
    /// Forget messages; this withdraws nothing
    #[command(after_help = "Examples:\n  push msg rm 7F3K\n  push msg rm -q state:refused")]
    Rm(RemoveArgs),
    /// Write the space as a .pushlog file
    #[command(
        after_help = "Examples:\n  push msg export run.pushlog\n  push msg export - --space t1 > t1.pushlog"
    )]
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    /// Query: words, to: state: topic: finding: ttl:>60 …
    #[arg(short = 'q', long = "query", value_name = "QUERY")]
    query: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value = "100")]
    limit: usize,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Show one message with everything the service knows of it.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push show 7F3K\n  push show 7F3K --payload | jq .title")]
pub(crate) struct ShowArgs {
    /// Id, or its last four characters
    id: String,
    /// The body's octets, as received
    #[arg(long, group = "form")]
    raw: bool,
    /// The plaintext's octets
    #[arg(long, group = "form")]
    payload: bool,
    /// A curl command that sends it again
    #[arg(long, group = "form")]
    curl: bool,
    /// The request as HTTP/1.1 text
    #[arg(long, group = "form")]
    http: bool,
    /// An assertion for a test
    #[arg(long, group = "form", value_name = "rust|js|python", value_parser = parse_language)]
    as_test: Option<Language>,
    /// With the VAPID token in full
    #[arg(long)]
    secrets: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

fn parse_language(text: &str) -> std::result::Result<Language, String> {
    text.parse::<Language>().map_err(|error| error.to_string())
}

#[derive(Args, Debug)]
struct RemoveArgs {
    /// Ids
    #[arg(required_unless_present = "query", conflicts_with = "query")]
    id: Vec<String>,
    /// All that match this query
    #[arg(short = 'q', long = "query", value_name = "QUERY")]
    query: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// The file, or - for stdout
    file: PathBuf,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: MsgArgs, out: Output) -> Result<()> {
    match args.action {
        Action::Ls(args) => list(&args, out).await,
        Action::Show(args) => show(&args, out).await,
        Action::Rm(args) => remove(&args, out).await,
        Action::Export(args) => export(&args, out).await,
    }
}

async fn list(args: &ListArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let query: Vec<_> = args.query.iter().map(|query| ("q", query.as_str())).collect();
    let mut messages = api.list("/messages", &query, args.limit).await?;
    // The API gives the newest first; a terminal is read downwards.
    messages.reverse();
    if messages.is_empty() && !out.is_json() {
        out.note(format!("no messages in space {}", text::escape(api.space())));
    }
    let columns = Columns::of(&messages);
    for message in &messages {
        if out.is_json() { out.record(message)? } else { out.line(message::list_line(message, columns))? }
    }
    Ok(())
}

async fn remove(args: &RemoveArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let mut removed = 0;
    if let Some(query) = &args.query {
        let answer = api.delete("/messages", &[("q", query)]).await?;
        removed = answer.get("removed").and_then(Value::as_u64).unwrap_or(0);
    }
    for id in &args.id {
        api.delete(&format!("/messages/{}", encode(id)), &[]).await?;
        removed += 1;
    }
    if out.is_json() {
        return out.object(json!({"removed": removed}));
    }
    out.line(format!("{} removed", text::count(usize::try_from(removed).unwrap_or(usize::MAX), "message")))
}

async fn export(args: &ExportArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let octets = log_file(&api).await?;
    if args.file.as_os_str() == "-" {
        return out.octets(&octets);
    }
    input::write_private(&args.file, &octets)?;
    let lines = octets.iter().filter(|octet| **octet == b'\n').count();
    if out.is_json() {
        return out.object(json!({"file": args.file, "lines": lines}));
    }
    out.line(format!("{} in {}", text::count(lines, "line"), args.file.display()))
}

/// The space as a `.pushlog`: a line of its own kind first, then one object per line.
async fn log_file(api: &Api) -> Result<Vec<u8>> {
    let mut lines =
        vec![json!({"pushlog": 1, "version": env!("CARGO_PKG_VERSION"), "space": api.space()}).to_string()];
    let subscriptions = api.items("/subscriptions", &[]).await?;
    let mut messages = api.items("/messages", &[("limit", "1000")]).await?;
    messages.reverse();
    let kinds = [("subscription", subscriptions), ("message", messages)];
    for (kind, items) in kinds {
        for item in items {
            let mut line = serde_json::Map::new();
            line.insert("type".into(), kind.into());
            line.extend(item.as_object().cloned().unwrap_or_default());
            lines.push(Value::Object(line).to_string());
        }
    }
    Ok((lines.join("\n") + "\n").into_bytes())
}

/// Runs `push show`.
pub(crate) async fn show(args: &ShowArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let path = format!("/messages/{}", encode(&args.id));
    let form = [(args.raw, "raw"), (args.payload, "payload"), (args.curl, "curl"), (args.http, "http")];
    let query: &[(&str, &str)] = if args.secrets { &[("secrets", "1")] } else { &[] };
    if let Some((_, form)) = form.into_iter().find(|(wanted, _)| *wanted) {
        // Octets have no secrets that could be cut.
        let query = if matches!(form, "curl" | "http") { query } else { &[] };
        let octets = api.get_octets(&format!("{path}/{form}"), query).await?;
        let octets = with_flags(octets.to_vec(), form);
        if out.is_json() {
            return out.object(match std::str::from_utf8(&octets) {
                Ok(text) => json!({"form": form, "text": text}),
                Err(_) => json!({"form": form, "base64": push_crypto::base64url::encode(&octets)}),
            });
        }
        return if out.is_terminal() { on_terminal(&octets, form, out) } else { out.octets(&octets) };
    }
    let message = api.get(&path, query).await?;
    if let Some(language) = args.as_test {
        let code = reproduce::as_test(&message, language);
        return if out.is_json() {
            out.object(json!({"form": "as-test", "text": code}))
        } else {
            out.line(code.trim_end())
        };
    }
    if out.is_json() { out.object(message) } else { describe(&message, out) }
}

/// The API's remark on secrets, in words of the command line.
fn with_flags(octets: Vec<u8>, form: &str) -> Vec<u8> {
    if !matches!(form, "curl" | "http") {
        return octets;
    }
    String::from_utf8(octets).map_or_else(
        |error| error.into_bytes(),
        |text| text.replace("ask again with ?secrets=1", "ask again with --secrets").into_bytes(),
    )
}

/// Text is shown escaped; octets that are no text are not sent to a terminal.
fn on_terminal(octets: &[u8], form: &str, out: Output) -> Result<()> {
    match std::str::from_utf8(octets) {
        Ok(text) => out.line(text::escape_block(text.trim_end_matches('\n'))),
        Err(_) => Err(Diagnostic::new(
            ExitCode::USAGE,
            "terminal",
            format!("{} that are no text are not sent to a terminal", text::count(octets.len(), "octet")),
        )
        .fix(format!("push show … --{form} > FILE"))),
    }
}

fn describe(message: &Value, out: Output) -> Result<()> {
    let state = member(message, "state");
    let style = state_style(state);
    let to = match member(message, "to") {
        "" => "an unknown subscription".to_owned(),
        to => text::escape(to),
    };
    let reason = match member(message, "reason") {
        "" => String::new(),
        reason => format!(" ({})", text::escape(reason)),
    };
    let id = member(message, "id");
    out.line(format!(
        "{} → {to}   {}{reason}   {}",
        styled(BOLD, text::short_id(id)),
        styled(style, state),
        styled(DIM, id)
    ))?;
    for (name, value) in rows(message) {
        if !value.is_empty() {
            out.line(format!("  {name:<11}{value}"))?;
        }
    }
    for (index, line) in deliveries(message).into_iter().enumerate() {
        out.line(format!("  {:<11}{line}", if index == 0 { "browser" } else { "" }))?;
    }
    for (index, line) in timeline(message).into_iter().enumerate() {
        out.line(format!("  {:<11}{line}", if index == 0 { "timeline" } else { "" }))?;
    }
    findings(message, out)
}

fn rows(message: &Value) -> Vec<(&'static str, String)> {
    let request = message.get("request").unwrap_or(&Value::Null);
    let number = |at: &str| message.pointer(at).and_then(Value::as_u64);
    let octets = number("/request/bodyBytes").unwrap_or(0);
    let body = if octets == 0 {
        "no body".to_owned()
    } else {
        text::count(usize::try_from(octets).unwrap_or(0), "octet")
    };
    let sent = format!(
        "{} {}   HTTP/{}, {}, {body}",
        text::escape(member(request, "method")),
        text::escape(member(request, "url")),
        text::escape(member(request, "httpVersion")),
        text::escape(member(request, "via"))
    );
    let answered = match number("/response/status") {
        Some(status) => format!("{status} in {} ms", number("/response/ms").unwrap_or(0)),
        None => "not answered".to_owned(),
    };
    let ttl = match (number("/ttl"), number("/ttlRequested")) {
        (Some(granted), Some(asked)) if granted != asked => format!("{granted} of {asked} asked for"),
        (Some(granted), _) => granted.to_string(),
        (None, Some(asked)) => format!("{asked} asked for"),
        (None, None) => String::new(),
    };
    let expires = member(message, "expiresAt");
    let ttl = if expires.is_empty() { ttl } else { format!("{ttl}, expires {expires}") };
    vec![
        ("request", sent),
        ("answered", answered),
        (
            "arrived",
            format!("{} on the space's clock, wall {}", member(message, "clock"), member(message, "at")),
        ),
        ("ttl", ttl),
        ("topic", text::escape(member(message, "topic"))),
        ("urgency", text::escape(member(message, "urgency"))),
        ("coding", coding(message)),
        ("payload", payload(message)),
        ("vapid", vapid(message)),
    ]
}

fn coding(message: &Value) -> String {
    let number = |at: &str| message.pointer(at).and_then(Value::as_u64);
    let name = text::escape(member(message, "coding"));
    match (number("/payload/records"), number("/payload/rs"), number("/payload/padding")) {
        (Some(records), Some(rs), Some(padding)) => {
            let records = text::count(usize::try_from(records).unwrap_or(0), "record");
            format!("{name}, {records}, rs {rs}, {padding} octets of padding")
        }
        _ => name,
    }
}

fn payload(message: &Value) -> String {
    let octets = message.pointer("/payload/bytes").and_then(Value::as_u64);
    match (pointer(message, "/payload/state"), octets) {
        ("empty", _) => "none: a tickle".to_owned(),
        ("decrypted", octets) => {
            let octets = text::count(usize::try_from(octets.unwrap_or(0)).unwrap_or(0), "octet");
            let kind = pointer(message, "/payload/kind");
            let shown = pointer(message, "/payload/text");
            if kind == "bytes" {
                format!("{octets}, not text (push show … --payload gives them)")
            } else {
                format!("{octets} {kind}: {}", text::cut(&text::escape(shown), 400))
            }
        }
        ("opaque", _) => opaque(message),
        ("undecryptable", _) => "undecryptable, see the findings".to_owned(),
        (other, _) => text::escape(other),
    }
}

/// Only the browser can open it; its worker may have told what it read.
fn opaque(message: &Value) -> String {
    let told = message.pointer("/payload/reported").filter(|told| told.is_object());
    let Some(told) = told else { return "opaque: the browser holds the key".to_owned() };
    let octets = told.get("bytes").and_then(Value::as_u64).unwrap_or(0);
    let octets = text::count(usize::try_from(octets).unwrap_or(0), "octet");
    let shown = text::cut(&text::escape(member(told, "text")), 400);
    format!("{octets} {}, as the worker told: {shown}", text::escape(member(told, "kind")))
}

/// One line per attempt at a browser: what it answered.
fn deliveries(message: &Value) -> Vec<String> {
    let attempts = message.get("deliveries").and_then(Value::as_array).into_iter().flatten();
    attempts.filter_map(message::attempt).collect()
}

fn vapid(message: &Value) -> String {
    let Some(view) = message.get("vapid").filter(|view| view.is_object()) else { return "none".to_owned() };
    let mut parts = vec![text::escape(member(view, "scheme"))];
    for name in ["aud", "sub", "exp"] {
        if !member(view, name).is_empty() {
            parts.push(format!("{name} {}", text::escape(member(view, name))));
        }
    }
    parts.push(format!("signature {}", text::escape(member(view, "signature"))));
    parts.push(format!(
        "key {} ({})",
        text::middle_cut(member(view, "key"), 4, 3),
        text::escape(member(view, "boundKey"))
    ));
    parts.join(", ")
}

fn timeline(message: &Value) -> Vec<String> {
    let steps = message.get("timeline").and_then(Value::as_array).into_iter().flatten();
    steps
        .map(|step| {
            let event = member(step, "event");
            let mut line = format!(
                "{} {}",
                text::time_of_day(member(step, "clock"), true),
                styled(state_style(event), event)
            );
            if !member(step, "why").is_empty() {
                line.push_str(&format!(" ({})", text::escape(member(step, "why"))));
            }
            if !member(step, "by").is_empty() {
                line.push_str(&format!(" by {}", text::short_id(member(step, "by"))));
            }
            line
        })
        .collect()
}

fn findings(message: &Value, out: Output) -> Result<()> {
    for finding in message.get("findings").and_then(Value::as_array).into_iter().flatten() {
        finding_lines(finding).into_iter().try_for_each(|line| out.line(format!("  {line}")))?;
    }
    Ok(())
}

/// A finding as the lines of a listing: mark, code, place, seen; why; do; who else refuses.
pub(crate) fn finding_lines(finding: &Value) -> Vec<String> {
    let level = member(finding, "level");
    let mark = styled(level_style(level), level_mark(level));
    let mut lines = vec![format!(
        "{mark} {}   {}",
        styled(BOLD, member(finding, "code")),
        text::escape(member(finding, "place"))
    )];
    let (seen, expected) = (member(finding, "seen"), member(finding, "expected"));
    if !seen.is_empty() || !expected.is_empty() {
        let seen = if seen.is_empty() { "nothing".to_owned() } else { text::cut(&text::escape(seen), 120) };
        let expected = if expected.is_empty() {
            String::new()
        } else {
            format!(", expected {}", text::escape(expected))
        };
        lines.push(format!("    seen   {seen}{expected}"));
    }
    for (name, label) in [("why", "why"), ("fix", "do")] {
        for (index, line) in
            text::wrap(member(finding, name), 96).into_iter().filter(|line| !line.is_empty()).enumerate()
        {
            lines.push(format!("    {:<7}{}", if index == 0 { label } else { "" }, text::escape(&line)));
        }
    }
    for vendor in finding.get("vendors").and_then(Value::as_array).into_iter().flatten() {
        let status = vendor
            .get("status")
            .and_then(Value::as_u64)
            .map(|status| format!("{status} "))
            .unwrap_or_default();
        lines.push(format!(
            "    {:<7}{}: {status}{} ({})",
            "vendor",
            text::escape(member(vendor, "profile")),
            text::escape(member(vendor, "body")),
            text::escape(member(vendor, "evidence"))
        ));
    }
    lines
}
