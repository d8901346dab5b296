//! How a message is told in one line, from its JSON form (the message object of the API).

use serde_json::Value;

use crate::{
    output::{DIM, level_mark, state_style, styled},
    text,
};

/// Column of the short id (our choice: 80 columns are not enough for label, state, payload and id).
const WIDTH: usize = 97;
/// Most characters of a payload in a line.
const PAYLOAD: usize = 48;

/// A member that is text, or nothing.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member deeper inside that is text, or nothing.
pub(crate) fn pointer<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Columns of a list of messages: as wide as its widest entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    label: usize,
    state: usize,
}

impl Columns {
    /// For a list that is known in full; no narrower than `delivered`.
    pub(crate) fn of(messages: &[Value]) -> Self {
        let widest = |name: &str, least: usize| {
            messages.iter().map(|message| member(message, name).chars().count()).fold(least, usize::max)
        };
        Self { label: widest("to", 1), state: widest("state", 9) }
    }

    /// For lines that come one by one.
    pub(crate) const STREAM: Self = Self { label: 6, state: 12 };
}

/// One line of a list: time of the space's clock, label, status, state, facts, short id.
pub(crate) fn list_line(message: &Value, columns: Columns) -> String {
    let (plain, styled) = head(message, columns);
    let facts = facts(message, false);
    let id = text::short_id(member(message, "id"));
    let used = plain + facts.chars().count();
    let gap = WIDTH.saturating_sub(used).max(2);
    format!("{styled}{facts}{:gap$}{}", "", self::styled(DIM, id)).trim_end().to_owned()
}

/// One line of the running service: as a list's, with the coding and the time the answer took.
pub(crate) fn live_line(message: &Value) -> String {
    let (plain, styled) = head(message, Columns::STREAM);
    let mut facts = facts(message, true);
    let id = text::short_id(member(message, "id"));
    if member(message, "state") == "refused" {
        facts.push_str(&format!("   → push show {id}"));
        return format!("{styled}{facts}");
    }
    let used = plain + facts.chars().count();
    let took = message
        .pointer("/response/ms")
        .and_then(Value::as_u64)
        .map(|ms| format!("{ms} ms"))
        .unwrap_or_default();
    let gap = WIDTH.saturating_sub(used).max(2);
    format!("{styled}{facts}{:gap$}{}", "", self::styled(DIM, &took)).trim_end().to_owned()
}

/// A line of the demo: label, status, state and facts, since its title says the rest.
pub(crate) fn demo_line(message: &Value) -> String {
    let (plain, styled) = head(message, Columns::STREAM);
    let at = text::time_of_day(member(message, "clock"), false);
    let styled = styled.strip_prefix(at).map(str::trim_start).unwrap_or(&styled);
    let facts = facts(message, true);
    let id = text::short_id(member(message, "id"));
    let gap = WIDTH.saturating_sub(plain + facts.chars().count()).max(2);
    format!("{styled}{facts}{:gap$}{}", "", self::styled(DIM, id))
}

fn head(message: &Value, columns: Columns) -> (usize, String) {
    let time = text::time_of_day(member(message, "clock"), false);
    let label = match member(message, "to") {
        "" => "?".to_owned(),
        label => text::escape(label),
    };
    let status = message.pointer("/response/status").and_then(Value::as_u64);
    let status = status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let state = member(message, "state");
    let (label_pad, state_pad) = (pad(&label, columns.label), pad(state, columns.state));
    let plain = format!("{time}  {label}{label_pad}  {status} {state}{state_pad}  ").chars().count();
    let style = state_style(state);
    (plain, format!("{time}  {label}{label_pad}  {style}{status} {state}{style:#}{state_pad}  "))
}

fn pad(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count()))
}

/// What distinguishes this message: TTL, topic, expiry, payload or reason.
fn facts(message: &Value, with_coding: bool) -> String {
    let state = member(message, "state");
    if state == "refused" {
        return refusal(message);
    }
    let mut facts = Vec::new();
    let queued = state == "queued";
    if with_coding && !queued {
        facts.extend(message.get("coding").and_then(Value::as_str).map(str::to_owned));
    }
    if let Some(ttl) = message.get("ttl").and_then(Value::as_u64) {
        facts.push(format!("ttl {ttl}"));
    }
    if let Some(topic) = message.get("topic").and_then(Value::as_str) {
        facts.push(format!("topic {topic}"));
    }
    if queued && !with_coding {
        facts.push(format!("expires {}", text::time_of_day(member(message, "expiresAt"), false)));
    }
    match reason(message) {
        Some(reason) => facts.push(format!("({reason})")),
        None => facts.push(payload(message, PAYLOAD)),
    }
    facts.extend(answer(message));
    facts.extend(warning(message));
    facts.retain(|fact| !fact.is_empty());
    facts.join("  ")
}

/// How a browser answered: its code and the time it took; none for simulated user agents, which answer at once.
fn answer(message: &Value) -> Option<String> {
    let last = message.get("deliveries").and_then(Value::as_array)?.last()?;
    let is_taken =
        member(message, "state") == "acknowledged" && pointer(message, "/payload/state") == "opaque";
    attempt(last).or_else(|| is_taken.then(|| format!("received{}", took(last))))
}

/// `code 100 after 9 ms`, of one attempt; none where the user agent gives no codes.
pub(crate) fn attempt(attempt: &Value) -> Option<String> {
    let number = |name: &str| attempt.get(name).and_then(Value::as_u64);
    let code = number("nackCode").map(|code| format!("nack {code}"));
    let code = code.or_else(|| number("ackCode").map(|code| format!("code {code}")))?;
    Some(format!("{code}{}", took(attempt)))
}

fn took(attempt: &Value) -> String {
    attempt.get("ms").and_then(Value::as_u64).map(|ms| format!(" after {ms} ms")).unwrap_or_default()
}

/// The first finding which is more than information, of a message that was accepted.
fn warning(message: &Value) -> Option<String> {
    let findings = message.get("findings").and_then(Value::as_array)?;
    let found = findings.iter().find(|finding| member(finding, "level") != "info")?;
    Some(format!("{} {}", level_mark(member(found, "level")), text::escape(member(found, "code"))))
}

/// Why a message is where it is, in words; none for what simply arrived.
fn reason(message: &Value) -> Option<String> {
    match member(message, "state") {
        "delivered" | "acknowledged" => None,
        "replaced" => {
            let by = member(message, "replacedBy");
            Some(if by.is_empty() { "replaced".to_owned() } else { format!("by {}", text::short_id(by)) })
        }
        "expired" => Some(format!("at {}", text::time_of_day(member(message, "expiresAt"), true))),
        state => {
            let steps = message.get("timeline").and_then(Value::as_array);
            let last = steps.and_then(|steps| steps.iter().rev().find(|step| member(step, "event") == state));
            let why = last.map(|step| member(step, "why")).unwrap_or_default();
            let why = if why.is_empty() { member(message, "reason") } else { why };
            (!why.is_empty()).then(|| text::escape(why))
        }
    }
}

fn refusal(message: &Value) -> String {
    let findings = message.get("findings").and_then(Value::as_array);
    let code = member(message, "reason");
    let found = findings.and_then(|findings| {
        findings.iter().find(|finding| member(finding, "code") == code).or_else(|| findings.first())
    });
    match found {
        None => text::escape(code),
        Some(finding) => {
            let (seen, expected) = (member(finding, "seen"), member(finding, "expected"));
            let mut line = text::escape(member(finding, "code"));
            if !seen.is_empty() {
                line.push_str(&format!(": {}", text::cut(&text::escape(seen), 80)));
            }
            if !expected.is_empty() {
                line.push_str(&format!(", expected {}", text::cut(&text::escape(expected), 60)));
            }
            line
        }
    }
}

/// The payload in a few characters: the notification's title, the text, or what is known of it.
pub(crate) fn payload(message: &Value, most: usize) -> String {
    let state = pointer(message, "/payload/state");
    match state {
        "empty" => "(tickle)".to_owned(),
        "decrypted" => {
            let title = pointer(message, "/notification/title");
            let text = pointer(message, "/payload/text");
            if !title.is_empty() {
                text::quote(title, most)
            } else if pointer(message, "/payload/kind") == "bytes" {
                let octets = message.pointer("/payload/bytes").and_then(Value::as_u64).unwrap_or(0);
                format!("({octets} octets)")
            } else {
                text::quote(text, most)
            }
        }
        // The browser holds the keys; its worker may have told what it showed.
        "opaque" if !pointer(message, "/notification/title").is_empty() => {
            text::quote(pointer(message, "/notification/title"), most)
        }
        other => format!("({other})"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(line).to_string()
    }

    fn queued() -> Value {
        json!({
            "id": "msg_01M8Z3KQ4VM2V7N6T0XW9BK7Q2", "to": "phone", "state": "queued", "reason": "offline",
            "clock": "2026-11-23T08:00:00.000Z", "expiresAt": "2026-11-23T08:01:00.000Z", "ttl": 60,
            "coding": "aes128gcm", "response": {"status": 201, "ms": 2},
            "timeline": [{"event": "accepted"}, {"event": "queued", "why": "phone is offline"}],
        })
    }

    #[test]
    fn a_queued_message_tells_when_it_expires_and_why_it_waits() {
        let line = plain(&list_line(&queued(), Columns::of(&[queued()])));

        assert_eq!(
            line,
            "08:00:00  phone  201 queued     ttl 60  expires 08:01:00  (phone is offline)                     K7Q2"
        );
    }

    #[test]
    fn an_acknowledged_message_tells_what_arrived() {
        let mut message = queued();
        message["state"] = "acknowledged".into();
        message["payload"] = json!({"state": "decrypted", "kind": "text", "text": "Hello"});

        let line = plain(&list_line(&message, Columns::of(&[message.clone()])));

        assert_eq!(
            line,
            "08:00:00  phone  201 acknowledged  ttl 60  \"Hello\"                                               K7Q2"
        );
    }

    #[test]
    fn a_payload_cannot_steer_the_terminal() {
        let mut message = queued();
        message["state"] = "acknowledged".into();
        message["payload"] = json!({"state": "decrypted", "kind": "text", "text": "\u{1b}[2J"});

        assert!(plain(&live_line(&message)).contains("\"\\u{1b}[2J\""));
    }

    #[test]
    fn a_refused_message_names_its_finding() {
        let message = json!({
            "id": "msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K", "to": "bob", "state": "refused", "reason": "vapid/aud-mismatch",
            "clock": "2026-11-23T07:31:15Z", "response": {"status": 403},
            "findings": [{"code": "ttl/zero", "seen": "0"},
                {"code": "vapid/aud-mismatch", "seen": "https://fcm.googleapis.com", "expected": "http://localhost:8030"}],
        });

        assert_eq!(
            plain(&live_line(&message)),
            "07:31:15  bob     403 refused       vapid/aud-mismatch: https://fcm.googleapis.com, \
             expected http://localhost:8030   → push show 7F3K"
        );
    }
}
