//! `push watch`: follows what happens, one line or one JSON object per event.

use clap::Args;
use serde_json::Value;

use crate::{
    api::Api,
    cli::ServiceArgs,
    commands::wait::{self, Filters},
    diagnostic::{Diagnostic, Result},
    happening,
    message::{self, Columns, member},
    output::{DIM, Output, styled},
    text,
};

/// Follow events until Ctrl-C. Filters choose among messages; without one,
/// other events are shown, too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push watch
  push watch --to alice --state refused --json")]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    filters: Filters,
    /// Start after this cursor; events that are still kept come first
    #[arg(long, value_name = "CURSOR")]
    since: Option<u64>,
    /// Stop after so many events
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: WatchArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    if args.filters.payload_mode.as_deref() == Some("regex") {
        return Err(Diagnostic::usage("push watch compares payloads with includes and equals only")
            .fix("push wait takes --payload-mode regex"));
    }
    let condition = wait::to_match(&args.filters)?;
    let since = args.since.map(|since| since.to_string());
    let query: Vec<_> = since.iter().map(|since| ("since", since.as_str())).collect();
    let mut lines = api.stream("/events", &query).await?;
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(event) = lines.next().await? else { break };
        if !wanted(&condition, &event) {
            continue;
        }
        left -= 1;
        if out.is_json() { out.record(&event)? } else { out.line(line(&event))? }
    }
    Ok(())
}

fn line(event: &Value) -> String {
    let kind = member(event, "type");
    if kind == "message.noted" || happening::is_of_browser(event) {
        let space = styled(DIM, &text::escape(member(event, "space")));
        return format!("{}  {space}", happening::line(event).unwrap_or_default());
    }
    if let Some(message) = event.get("message").filter(|_| kind.starts_with("message.")) {
        let mut message = message.clone();
        if let (Some(members), Some(clock)) = (message.as_object_mut(), event.get("clock")) {
            members.insert("clock".into(), clock.clone());
        }
        let line = message::list_line(&message, Columns::STREAM);
        return if kind == "message.redelivered" { format!("{line}  again") } else { line };
    }
    let time = text::time_of_day(member(event, "clock"), false);
    let about = ["subscription", "userAgent"].into_iter().find_map(|name| event.get(name));
    let about = about.map(|about| text::escape(member(about, "label"))).unwrap_or_default();
    let space = styled(DIM, &text::escape(member(event, "space")));
    format!("{time}  {}  {about}{}{space}", text::escape(kind), if about.is_empty() { "" } else { "  " })
}

/// Does the event's message meet the conditions of the filters? Other events pass only where there are none.
fn wanted(condition: &Value, event: &Value) -> bool {
    let Some(conditions) = condition.as_object().filter(|conditions| !conditions.is_empty()) else {
        return true;
    };
    let Some(message) = event.get("message") else { return false };
    conditions.iter().all(|(name, expected)| match name.as_str() {
        "to" => any_of(expected, message.get("to")) || any_of(expected, message.get("subscription")),
        "status" => any_of(expected, message.pointer("/response/status")),
        "ttl" => in_range(expected, message.get("ttl")),
        "payload" => payload_fits(expected, message),
        "findings" => findings_fit(expected, message),
        other => any_of(expected, message.get(other)),
    })
}

fn any_of(expected: &Value, seen: Option<&Value>) -> bool {
    let seen = seen.unwrap_or(&Value::Null);
    match expected {
        Value::Array(several) => several.contains(seen),
        one => one == seen,
    }
}

fn in_range(expected: &Value, seen: Option<&Value>) -> bool {
    let Some(seen) = seen.and_then(Value::as_u64) else { return false };
    if let Some(exact) = expected.as_u64() {
        return exact == seen;
    }
    let bound = |name: &str| expected.get(name).and_then(Value::as_u64);
    bound("gte").is_none_or(|least| seen >= least) && bound("lte").is_none_or(|most| seen <= most)
}

fn payload_fits(expected: &Value, message: &Value) -> bool {
    let equals = member(expected, "mode") == "equals";
    if let Some(json) = expected.get("json") {
        let seen = message.pointer("/payload/json").unwrap_or(&Value::Null);
        return if equals { json == seen } else { includes(json, seen) };
    }
    let (wanted, seen) = (member(expected, "text"), message::pointer(message, "/payload/text"));
    if equals { wanted == seen } else { seen.contains(wanted) }
}

/// Members that are named must be equal, others are ignored; arrays in full.
fn includes(expected: &Value, seen: &Value) -> bool {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            expected.iter().all(|(name, value)| seen.get(name).is_some_and(|seen| includes(value, seen)))
        }
        (expected, seen) => expected == seen,
    }
}

fn findings_fit(expected: &Value, message: &Value) -> bool {
    let found: Vec<&Value> =
        message.get("findings").and_then(Value::as_array).into_iter().flatten().collect();
    let has = |pattern: &str| {
        found.iter().any(|finding| {
            let code = member(finding, "code");
            pattern.strip_suffix('*').map_or(code == pattern, |prefix| code.starts_with(prefix))
        })
    };
    let all = expected.get("all").and_then(Value::as_array);
    let all = all.is_none_or(|all| all.iter().filter_map(Value::as_str).all(has));
    let bad: &[&str] = match member(expected, "none") {
        "error" => &["error"],
        "warning" => &["error", "warning"],
        _ => &[],
    };
    all && !found.iter().any(|finding| bad.contains(&member(finding, "level")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({"type": "message.queued", "message": {"to": "alice", "state": "queued", "topic": null, "ttl": 60,
            "response": {"status": 201}, "payload": {"text": "{\"a\":1,\"b\":2}", "json": {"a": 1, "b": 2}},
            "findings": [{"code": "vapid/absent", "level": "warning"}]}})
    }

    #[test]
    fn each_condition_can_let_pass_and_stop() {
        let check = |condition: Value, expected: bool| {
            assert_eq!(wanted(&condition, &event()), expected, "{condition}")
        };

        check(json!({}), true);
        check(json!({"to": ["bob", "alice"]}), true);
        check(json!({"to": "bob"}), false);
        check(json!({"topic": null}), true);
        check(json!({"ttl": {"gte": 61}}), false);
        check(json!({"status": 201}), true);
        check(json!({"payload": {"json": {"a": 1}}}), true);
        check(json!({"payload": {"json": {"a": 1}, "mode": "equals"}}), false);
        check(json!({"payload": {"text": "\"b\"", "mode": "includes"}}), true);
        check(json!({"findings": {"all": ["vapid/*"]}}), true);
        check(json!({"findings": {"none": "warning"}}), false);
        check(json!({"findings": {"none": "error"}}), true);
    }

    #[test]
    fn other_events_pass_only_without_filters() {
        let event = json!({"type": "clock.changed", "space": "t1"});

        assert!(wanted(&json!({}), &event));
        assert!(!wanted(&json!({"to": "alice"}), &event));
    }
}
