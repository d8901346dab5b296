//! `push wait`: blocks until messages match, or explains why nothing did.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    api::Api,
    cli::ServiceArgs,
    commands::help,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input,
    message::{self, Columns, member},
    output::Output,
    text,
};

/// Filters on messages, the same words as in the API.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filters {
    /// Label or id of the subscription; repeat for any of several
    #[arg(long, value_name = "LABEL")]
    pub(crate) to: Vec<String>,
    /// State: queued, delivered, acknowledged, …
    #[arg(long, value_name = "STATE", value_parser = clap::builder::PossibleValuesParser::new(STATES), hide_possible_values = true)]
    pub(crate) state: Vec<String>,
    /// Topic; none: without one
    #[arg(long, value_name = "T")]
    pub(crate) topic: Vec<String>,
    /// Urgency
    #[arg(long, value_name = "U", value_parser = ["very-low", "low", "normal", "high"], hide_possible_values = true)]
    pub(crate) urgency: Vec<String>,
    /// TTL in seconds: 60, '>=60', '<=3600', '60..120'
    #[arg(long, value_name = "N")]
    pub(crate) ttl: Option<String>,
    /// Content coding; none: without one
    #[arg(long, value_name = "C", value_parser = ["aes128gcm", "aesgcm", "aesgcm128", "none"], hide_possible_values = true)]
    pub(crate) coding: Vec<String>,
    /// Payload: JSON whose members must be there, or text
    #[arg(long, value_name = "JSON|TEXT")]
    pub(crate) payload: Option<String>,
    /// How the payload is compared
    #[arg(long, value_name = "MODE", value_parser = ["includes", "equals", "regex"], requires = "payload")]
    pub(crate) payload_mode: Option<String>,
    /// Has this finding, e.g. 'vapid/*'
    #[arg(long, value_name = "CODE", value_parser = help::parse_finding)]
    pub(crate) finding: Vec<String>,
    /// Has no finding of this level or worse
    #[arg(long, value_name = "LEVEL", value_parser = ["error", "warning"])]
    pub(crate) no_finding: Option<String>,
    /// Status of the answer
    #[arg(long, value_name = "N")]
    pub(crate) status: Vec<u16>,
}

/// The states of a message.
pub(crate) const STATES: [&str; 9] = [
    "queued",
    "delivered",
    "acknowledged",
    "discarded",
    "expired",
    "replaced",
    "withdrawn",
    "dropped",
    "refused",
];

/// Wait until messages match. Messages that arrived before count, so there is
/// no race; refused ones count only with --state refused.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push wait --to alice --payload '{\"title\":\"Goal\"}' --timeout 10s
  push wait --count 0 --to bob --timeout 2s       # asserts silence")]
pub(crate) struct WaitArgs {
    #[command(flatten)]
    filters: Filters,
    /// A match of the API as JSON, instead of filters
    #[arg(long, value_name = "JSON", conflicts_with_all = ["to", "state", "topic", "urgency", "ttl", "coding", "payload", "finding", "no_finding", "status"])]
    r#match: Option<String>,
    /// Exactly so many [default: 1 or more]
    #[arg(long, value_name = "N", conflicts_with_all = ["min", "max"])]
    count: Option<u64>,
    /// At least so many
    #[arg(long, value_name = "N")]
    min: Option<u64>,
    /// At most so many
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// How long to wait; 0s looks once
    #[arg(long, value_name = "DUR", default_value = "5s", value_parser = text::parse_duration)]
    timeout: Duration,
    /// Ignore what is already there
    #[arg(long, conflicts_with = "since")]
    new: bool,
    /// Only messages after this cursor
    #[arg(long, value_name = "CURSOR")]
    since: Option<u64>,
    /// With --count or --max: wait so long for surplus
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    settle: Option<Duration>,
    /// Tell the differences of the next nearest messages, too
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: WaitArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let mut body = request(&args)?;
    if args.new {
        let newest = api.list("/messages", &[("view", "summary")], 1).await?;
        let seq = newest.first().and_then(|message| message.get("seq")).and_then(Value::as_u64).unwrap_or(0);
        body.insert("since".into(), seq.into());
    }
    let reply = api.call(http::Method::POST, "/wait", &[], Some(&Value::Object(body))).await?;
    let answer = reply.json()?;
    if reply.status.is_success() {
        return show(&answer, out);
    }
    if member(&answer, "code") == "api/not-met" {
        return Err(not_met(&answer, &args));
    }
    Err(crate::api::problem(&reply))
}

fn request(args: &WaitArgs) -> Result<Map<String, Value>> {
    let matching = match &args.r#match {
        None => to_match(&args.filters)?,
        Some(text) => {
            let text = input::value_text(text)?;
            serde_json::from_str(&text).map_err(|error| {
                Diagnostic::input("wait/match", "--match is not JSON")
                    .why(error.to_string())
                    .fix("push wait --match '{\"to\":\"alice\",\"state\":\"queued\"}'")
            })?
        }
    };
    let mut body = Map::new();
    body.insert("match".into(), matching);
    body.insert("timeout".into(), text::api_duration(args.timeout).into());
    let count = match (args.count, args.min, args.max) {
        (Some(0), ..) => json!({"max": 0}),
        (Some(count), ..) => json!({"min": count, "max": count}),
        (None, None, None) => json!({"min": 1}),
        (None, Some(min), None) => json!({"min": min}),
        (None, None, Some(max)) => json!({"max": max}),
        (None, Some(min), Some(max)) if min <= max => json!({"min": min, "max": max}),
        (None, Some(min), Some(max)) => {
            return Err(Diagnostic::usage(format!("--min {min} is more than --max {max}")));
        }
    };
    body.insert("count".into(), count);
    if let Some(since) = args.since {
        body.insert("since".into(), since.into());
    }
    if let Some(settle) = args.settle {
        body.insert("settle".into(), text::api_duration(settle).into());
    }
    Ok(body)
}

/// The filters as the API's `match` object.
pub(crate) fn to_match(filters: &Filters) -> Result<Value> {
    let mut object = Map::new();
    let lists = [
        ("to", &filters.to),
        ("state", &filters.state),
        ("topic", &filters.topic),
        ("urgency", &filters.urgency),
        ("coding", &filters.coding),
    ];
    for (name, values) in lists {
        let absent = matches!(name, "topic" | "coding");
        let mut values: Vec<Value> = values
            .iter()
            .map(|value| if absent && value == "none" { Value::Null } else { value.as_str().into() })
            .collect();
        match values.len() {
            0 => {}
            1 => {
                object.insert(name.into(), values.swap_remove(0));
            }
            _ => {
                object.insert(name.into(), Value::Array(values));
            }
        }
    }
    match filters.status.as_slice() {
        [] => {}
        [one] => {
            object.insert("status".into(), (*one).into());
        }
        several => {
            object.insert("status".into(), json!(several));
        }
    }
    if let Some(ttl) = &filters.ttl {
        object.insert("ttl".into(), number_range(ttl)?);
    }
    if let Some(payload) = &filters.payload {
        object.insert("payload".into(), payload_match(payload, filters.payload_mode.as_deref())?);
    }
    if !filters.finding.is_empty() || filters.no_finding.is_some() {
        let mut findings = Map::new();
        if !filters.finding.is_empty() {
            findings.insert("all".into(), json!(filters.finding));
        }
        if let Some(level) = &filters.no_finding {
            findings.insert("none".into(), level.as_str().into());
        }
        object.insert("findings".into(), Value::Object(findings));
    }
    Ok(Value::Object(object))
}

/// `60`, `>=60`, `<=60`, `>60`, `<60`, `60..120`
fn number_range(text: &str) -> Result<Value> {
    let wrong = || {
        Diagnostic::usage(format!("--ttl {} is no number of seconds", text::quote(text, 40)))
            .fix("write 60, '>=60', '<=3600' or '60..120'")
    };
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
    if let Some((from, to)) = text.split_once("..") {
        return Ok(json!({"gte": number(from)?, "lte": number(to)?}));
    }
    Ok(if let Some(rest) = text.strip_prefix(">=") {
        json!({"gte": number(rest)?})
    } else if let Some(rest) = text.strip_prefix("<=") {
        json!({"lte": number(rest)?})
    } else if let Some(rest) = text.strip_prefix('>') {
        json!({"gte": number(rest)?.saturating_add(1)})
    } else if let Some(rest) = text.strip_prefix('<') {
        json!({"lte": number(rest)?.checked_sub(1).ok_or_else(wrong)?})
    } else {
        json!(number(text)?)
    })
}

/// JSON objects and arrays are compared as JSON, all else as text.
fn payload_match(payload: &str, mode: Option<&str>) -> Result<Value> {
    let text = if payload.starts_with('@') { input::value_text(payload)? } else { payload.to_owned() };
    let json =
        serde_json::from_str::<Value>(&text).ok().filter(|value| value.is_object() || value.is_array());
    let mut object = match (json, mode) {
        (Some(json), mode) if mode != Some("regex") => json!({"json": json}),
        _ => json!({"text": text}),
    };
    // An argument that is text means "contains it" unless told otherwise, as members of JSON do.
    let mode = mode.or_else(|| object.get("text").map(|_| "includes"));
    if let (Some(mode), Some(members)) = (mode, object.as_object_mut()) {
        members.insert("mode".into(), mode.into());
    }
    Ok(object)
}

fn show(answer: &Value, out: Output) -> Result<()> {
    if out.is_json() {
        return out.object(answer.clone());
    }
    let messages = answer.get("messages").and_then(Value::as_array).cloned().unwrap_or_default();
    let columns = Columns::of(&messages);
    for message in &messages {
        out.line(message::list_line(message, columns))?;
    }
    Ok(())
}

/// The report of the service, in the shape of all errors.
fn not_met(answer: &Value, args: &WaitArgs) -> Diagnostic {
    let report = member(answer, "report");
    let mut lines = report.lines();
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let first = if first.is_empty() { member(answer, "detail").to_owned() } else { first };
    let mut diagnostic = Diagnostic::new(ExitCode::EXPECTATION, "api/not-met", first);
    let (mut advice, mut further) = (None, false);
    for line in lines {
        if let Some(fix) = line.trim_start().strip_prefix("do ") {
            advice = Some(fix.trim().to_owned());
            continue;
        }
        // The closest message is told; the next ones only when asked for.
        further |= line.trim_start().starts_with("Next: ");
        if args.explain || !further {
            diagnostic = diagnostic.detail(line.strip_prefix("  ").unwrap_or(line));
        }
    }
    if let Some(advice) = advice {
        diagnostic = diagnostic.fix(advice);
    }
    let json: Map<String, Value> = ["matched", "nearMisses", "report"]
        .into_iter()
        .filter_map(|name| answer.get(name).map(|value| (name.to_owned(), value.clone())))
        .collect();
    diagnostic.with_json(Value::Object(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_become_the_match_of_the_api() {
        let filters = Filters {
            to: vec!["alice".to_owned()],
            state: vec!["queued".to_owned(), "delivered".to_owned()],
            topic: vec!["none".to_owned()],
            ttl: Some(">=60".to_owned()),
            payload: Some("{\"title\":\"1:0\"}".to_owned()),
            no_finding: Some("error".to_owned()),
            status: vec![201],
            ..Filters::default()
        };

        assert_eq!(
            to_match(&filters).unwrap(),
            json!({"to": "alice", "state": ["queued", "delivered"], "topic": null, "status": 201, "ttl": {"gte": 60},
                "payload": {"json": {"title": "1:0"}}, "findings": {"none": "error"}})
        );
    }

    #[test]
    fn ranges_are_read() {
        let check = |text: &str, value: Value| assert_eq!(number_range(text).unwrap(), value, "{text}");

        check("60", json!(60));
        check(">60", json!({"gte": 61}));
        check("<60", json!({"lte": 59}));
        check("60..120", json!({"gte": 60, "lte": 120}));
        assert!(number_range("<0").is_err());
        assert!(number_range("soon").is_err());
    }

    #[test]
    fn text_is_looked_for_inside() {
        assert_eq!(payload_match("Goal", None).unwrap(), json!({"text": "Goal", "mode": "includes"}));
        assert_eq!(payload_match("Goal", Some("equals")).unwrap(), json!({"text": "Goal", "mode": "equals"}));
        assert_eq!(
            payload_match("{\"a\":1}", Some("regex")).unwrap(),
            json!({"text": "{\"a\":1}", "mode": "regex"})
        );
    }
}
