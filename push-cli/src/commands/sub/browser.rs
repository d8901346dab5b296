//! What `push sub show` tells of a stock browser.

use serde_json::Value;

use crate::{diagnostic::Result, message::member, output::Output, text};

/// The user agent behind a subscription: its connection and what it answered.
pub(super) fn describe(agent: &Value, out: Output) -> Result<()> {
    for (name, value) in rows(agent) {
        out.line(format!("{name:<11}{value}"))?;
    }
    Ok(())
}

fn rows(agent: &Value) -> Vec<(&'static str, String)> {
    let version = text::escape(member(agent, "version"));
    let connection = match member(agent, "connection") {
        "" => "none: what comes waits".to_owned(),
        kind => text::escape(kind),
    };
    let label = text::escape(member(agent, "label"));
    let mut rows = vec![
        ("browser", if version.is_empty() { label } else { format!("{label}, {version}") }),
        ("connection", connection),
    ];
    let acks = agent.get("acks").and_then(Value::as_object);
    let acks: Vec<_> = acks
        .into_iter()
        .flatten()
        .filter_map(|(code, number)| {
            number.as_u64().filter(|number| *number > 0).map(|number| (code, number))
        })
        .map(|(code, number)| format!("{}: {number}", meaning(code)))
        .collect();
    if !acks.is_empty() {
        rows.push(("answers", acks.join(", ")));
    }
    rows
}

/// What the codes of Firefox say.
fn meaning(code: &str) -> String {
    let words = match code {
        "100" => "delivered",
        "101" => "not decrypted",
        "102" => "not delivered",
        "301" => "handler failed",
        "302" => "handler rejected",
        "303" => "internal error of the browser",
        // Chromium says no more than that it has the message.
        "stream" => return "received".to_owned(),
        _ => return text::escape(code),
    };
    format!("{code} {words}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_browser_tells_its_connection_and_its_codes() {
        let agent = json!({"label": "firefox-1", "version": "Firefox/153.0", "connection": "autopush",
            "acks": {"100": 12, "101": 1, "102": 0}});

        assert_eq!(
            rows(&agent),
            [
                ("browser", "firefox-1, Firefox/153.0".to_owned()),
                ("connection", "autopush".to_owned()),
                ("answers", "100 delivered: 12, 101 not decrypted: 1".to_owned()),
            ]
        );
    }

    #[test]
    fn without_a_connection_everything_waits() {
        let rows = rows(&json!({"label": "chromium-1", "version": null, "connection": null, "acks": {}}));

        assert_eq!(rows.len(), 2);
        assert!(rows[1].1.starts_with("none"), "{rows:?}");
    }
}
