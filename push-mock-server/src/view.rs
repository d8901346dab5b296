//! `Exchange` as JSON: the message object of the API, of `--json`, and of a line in a run file.
//!
//! Secrets are cut unless they are asked for. Reproductions as commands and code are in `reproduce`.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use push_crypto::{Declarative, DeclarativeReading, Timestamp};
use serde_json::{Map, Value, json};

use crate::service::{
    exchange::{DeliveryAttempt, Exchange, Seen, Step},
    finding::{Finding, Level, Payload, VapidView},
};

mod objects;

pub use objects::{clock_json, event_json, fired_json, notice_json, subscription_json, user_agent_json};

/// Characters of a payload's text that a summary shows; our choice, a line on a wide screen.
const SUMMARY_TEXT: usize = 200;

/// Characters of a payload that are guessed to be a notification's title; our choice, more is never shown.
const GUESSED_TITLE: usize = 120;

/// Characters of a token that are shown when it is cut; the start of a JOSE header, the same in all tokens.
const TOKEN_SHOWN: usize = 8;

/// How much of an exchange is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View<'a> {
    /// Origin under which the user interface is reached, e.g. `http://localhost:8030`; without a final slash.
    pub base_url: &'a str,
    /// Show VAPID tokens and other credentials in full.
    pub secrets: bool,
    /// Only what a list needs: no headers, no timeline, payload text cut. A subset of the full members.
    pub summary: bool,
}

impl<'a> View<'a> {
    /// All members, secrets cut.
    #[must_use]
    pub const fn new(base_url: &'a str) -> Self {
        Self { base_url, secrets: false, summary: false }
    }
}

/// The message object.
///
/// Members are always in the same order; one without a value is null, except those of the payload, which depend
/// on its kind: `text` for text and JSON, `json` for JSON, `base64` for other octets.
#[must_use]
pub fn message_json(exchange: &Exchange, view: &View<'_>) -> Value {
    let mut members = head(exchange);
    if view.summary {
        members.insert("request".into(), summary_request(exchange));
        members.insert(
            "response".into(),
            json!({"status": exchange.response.status, "ms": exchange.response.ms}),
        );
        members.insert("payload".into(), payload_json(exchange, Some(SUMMARY_TEXT)));
        let findings = exchange.findings.iter().map(|f| json!({"code": f.code, "level": f.level})).collect();
        members.insert("findings".into(), Value::Array(findings));
    } else {
        members.insert("request".into(), request_json(exchange, view));
        members.insert("response".into(), response_json(exchange));
        members.insert("payload".into(), payload_json(exchange, None));
        members.insert("vapid".into(), exchange.vapid.as_ref().map_or(Value::Null, vapid_json));
        members.insert("notification".into(), notification(exchange));
        members.insert("findings".into(), exchange.findings.iter().map(finding_json).collect());
        members.insert("timeline".into(), exchange.timeline.iter().map(step_json).collect());
        members.insert("deliveries".into(), exchange.deliveries.iter().map(attempt_json).collect());
    }
    members.insert("links".into(), json!({"ui": ui_link(exchange, view.base_url)}));
    Value::Object(members)
}

/// A line of a run file: the message object with `type` in front, secrets cut.
#[must_use]
pub fn pushlog_line(exchange: &Exchange, base_url: &str) -> Value {
    let mut line = Map::new();
    line.insert("type".into(), "message".into());
    if let Value::Object(members) = message_json(exchange, &View::new(base_url)) {
        line.extend(members);
    }
    Value::Object(line)
}

/// The first line of a run file.
#[must_use]
pub fn pushlog_header(space: &str) -> Value {
    json!({"pushlog": 1, "version": env!("CARGO_PKG_VERSION"), "space": space})
}

fn head(exchange: &Exchange) -> Map<String, Value> {
    let value = json!({
        "id": exchange.id,
        "seq": exchange.seq,
        "space": exchange.space,
        "subscription": exchange.subscription,
        "to": exchange.to,
        "state": exchange.state,
        "reason": exchange.reason,
        "replacedBy": exchange.replaced_by,
        "fault": null,
        "at": time(exchange.at),
        "clock": time(exchange.clock),
        "expiresAt": exchange.expires_at.map(time),
        "ttl": exchange.ttl.map(push_crypto::Ttl::as_seconds),
        "ttlRequested": exchange.ttl_requested.map(push_crypto::Ttl::as_seconds),
        "topic": exchange.topic.as_ref().map(push_crypto::Topic::as_str),
        "urgency": exchange.urgency.as_str(),
        "coding": exchange.coding.map(push_crypto::ContentCoding::as_str),
        "receipt": null,
    });
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn summary_request(exchange: &Exchange) -> Value {
    let request = &exchange.request;
    json!({"via": request.via, "method": request.method, "bodyBytes": request.body_bytes})
}

fn request_json(exchange: &Exchange, view: &View<'_>) -> Value {
    let request = &exchange.request;
    let headers: Vec<Value> = request
        .headers
        .iter()
        .map(|(name, value)| json!([name, shown_field(name, value, view.secrets)]))
        .collect();
    json!({
        "via": request.via,
        "httpVersion": request.http_version,
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "bodyBytes": request.body_bytes,
    })
}

fn response_json(exchange: &Exchange) -> Value {
    let headers: Vec<Value> =
        exchange.response.headers.iter().map(|(name, value)| json!([name, value])).collect();
    json!({"status": exchange.response.status, "headers": headers, "ms": exchange.response.ms})
}

fn vapid_json(vapid: &VapidView) -> Value {
    json!({
        "scheme": vapid.scheme,
        "aud": vapid.aud,
        "sub": vapid.sub,
        "exp": vapid.exp.and_then(representable).map(|at| {
            if at.subsec_millisecond() == 0 { format!("{at:.0}") } else { format!("{at:.3}") }
        }),
        "key": vapid.key,
        "signature": vapid.signature,
        "boundKey": vapid.bound_key,
    })
}

/// The finding as JSON.
#[must_use]
pub fn finding_json(finding: &Finding) -> Value {
    // Only texts, numbers and lists of them: serialising those cannot fail.
    serde_json::to_value(finding).unwrap_or(Value::Null)
}

fn step_json(step: &Step) -> Value {
    let mut members = Map::new();
    members.insert("event".into(), step.event.into());
    members.insert("clock".into(), time(step.clock).into());
    if let Some(why) = &step.why {
        members.insert("why".into(), why.as_str().into());
    }
    if let Some(by) = &step.by {
        members.insert("by".into(), by.as_str().into());
    }
    Value::Object(members)
}

fn attempt_json(attempt: &DeliveryAttempt) -> Value {
    json!({
        "clock": time(attempt.clock),
        "userAgent": attempt.user_agent.to_string(),
        "ackCode": attempt.ack_code,
        "nackCode": attempt.nack_code,
        "ms": attempt.ms,
    })
}

fn ui_link(exchange: &Exchange, base_url: &str) -> String {
    format!("{}/ui/m/{}", base_url.trim_end_matches('/'), short_id(&exchange.id))
}

/// The last four characters of an id, which people read and type.
pub(crate) fn short_id(id: &str) -> &str {
    id.char_indices().rev().nth(3).and_then(|(at, _)| id.get(at..)).unwrap_or(id)
}

/// A time as RFC 3339 in UTC with milliseconds; a time after the year 9999 is shown as the last one before.
#[must_use]
pub fn time(at: Timestamp) -> String {
    format!("{:.3}", representable(at).unwrap_or(jiff::Timestamp::MAX))
}

fn representable(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(at.as_unix_millis()).ok()?).ok()
}

/// The value of a request field as it is shown: credentials cut unless `secrets`.
pub(crate) fn shown_field<'a>(name: &str, value: &'a str, secrets: bool) -> Cow<'a, str> {
    if secrets {
        return Cow::Borrowed(value);
    }
    match name {
        "authorization" | "proxy-authorization" => Cow::Owned(cut_credentials(value)),
        "cookie" => Cow::Owned(cut(value, 0)),
        _ => Cow::Borrowed(value),
    }
}

/// Keeps scheme and public key of an authorization, and the first characters of everything else.
fn cut_credentials(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once([' ', '\t']) else {
        return match value.split_once('=') {
            Some((name, secret)) if name.eq_ignore_ascii_case("key") => {
                format!("{name}={}", cut(secret, TOKEN_SHOWN))
            }
            _ => cut(value, TOKEN_SHOWN),
        };
    };
    if !scheme.eq_ignore_ascii_case("vapid") {
        return format!("{scheme} {}", cut(rest.trim_start(), TOKEN_SHOWN));
    }
    let shown: Vec<String> = rest.split(',').map(cut_parameter).collect();
    format!("{scheme} {}", shown.join(","))
}

fn cut_parameter(part: &str) -> String {
    match part.split_once('=') {
        Some((name, _)) if name.trim().eq_ignore_ascii_case("k") => part.to_owned(),
        Some((name, secret)) => {
            let bare = secret.trim().trim_matches('"');
            format!("{name}={}", cut(bare, TOKEN_SHOWN))
        }
        None => cut(part, TOKEN_SHOWN),
    }
}

/// The first characters, and a mark when there are more.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What kind of content a readable payload has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content<'a> {
    /// JSON, and the text it was read from.
    Json(Value, &'a str),
    /// UTF-8 that is not JSON.
    Text(&'a str),
    /// Anything else.
    Bytes(&'a [u8]),
}

impl<'a> Content<'a> {
    /// Looks at the octets: JSON if they parse, else text if they are UTF-8.
    pub(crate) fn of(octets: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(octets) else { return Self::Bytes(octets) };
        match serde_json::from_str(text) {
            Ok(value) => Self::Json(value, text),
            Err(_) => Self::Text(text),
        }
    }

    /// `json`, `text` or `bytes`.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Json(..) => "json",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }

    /// The text, where there is one.
    pub(crate) const fn text(&self) -> Option<&'a str> {
        match self {
            Self::Json(_, text) | Self::Text(text) => Some(text),
            Self::Bytes(_) => None,
        }
    }
}

/// The octets a reader may see: the plaintext, or the body of a message that was never encrypted.
pub(crate) fn readable(exchange: &Exchange) -> Option<&Bytes> {
    match &exchange.payload {
        Payload::Decrypted(opened) => Some(&opened.plaintext),
        Payload::Unencrypted => Some(&exchange.request.body),
        Payload::Empty | Payload::Opaque | Payload::Undecryptable => None,
    }
}

/// `payload.state`.
pub(crate) const fn payload_state(payload: &Payload) -> &'static str {
    match payload {
        Payload::Decrypted(_) => "decrypted",
        Payload::Empty => "empty",
        Payload::Opaque => "opaque",
        Payload::Undecryptable => "undecryptable",
        Payload::Unencrypted => "unencrypted",
    }
}

fn payload_json(exchange: &Exchange, text_limit: Option<usize>) -> Value {
    let content = readable(exchange).map(|octets| Content::of(octets));
    let bytes = match (&exchange.payload, readable(exchange)) {
        (Payload::Empty, _) => Some(0),
        (_, octets) => octets.map(Bytes::len),
    };
    let mut members = Map::new();
    members.insert("state".into(), payload_state(&exchange.payload).into());
    members.insert("kind".into(), content.as_ref().map(Content::kind).into());
    members.insert("bytes".into(), json!(bytes));
    if let (Payload::Decrypted(opened), None) = (&exchange.payload, text_limit) {
        members.insert("padding".into(), opened.padding.into());
        members.insert("records".into(), opened.records.into());
        members.insert("rs".into(), opened.rs.into());
    }
    if let Some(text) = content.as_ref().and_then(Content::text) {
        members.insert(
            "text".into(),
            text_limit.map_or_else(|| text.to_owned(), |limit| cut(text, limit)).into(),
        );
    }
    if let (None, Some(seen)) = (text_limit, &exchange.seen) {
        members.insert("reported".into(), reported_json(seen));
    }
    if text_limit.is_none() {
        match content {
            Some(Content::Json(value, _)) => drop(members.insert("json".into(), value)),
            Some(Content::Bytes(octets)) => {
                members.insert("base64".into(), Base64::encode_string(octets).into());
            }
            Some(Content::Text(_)) | None => {}
        }
    }
    Value::Object(members)
}

/// What the worker of a browser saw: the only look there is into a message whose keys the browser holds.
fn reported_json(seen: &Seen) -> Value {
    let Some(octets) = &seen.data else { return json!({"kind": null, "bytes": 0}) };
    let content = Content::of(octets);
    let mut members = Map::new();
    members.insert("kind".into(), content.kind().into());
    members.insert("bytes".into(), octets.len().into());
    match content {
        Content::Json(_, text) | Content::Text(text) => members.insert("text".into(), text.into()),
        Content::Bytes(octets) => members.insert("base64".into(), Base64::encode_string(octets).into()),
    };
    Value::Object(members)
}

/// What a browser shows for a declarative message, or would probably show; null when there is nothing to go by.
fn notification(exchange: &Exchange) -> Value {
    if let Some(Seen { shown: Some(shown), title, .. }) = &exchange.seen {
        return if *shown { json!({"source": "browser", "title": title}) } else { Value::Null };
    }
    let Payload::Decrypted(opened) = &exchange.payload else { return Value::Null };
    if let DeclarativeReading::Declarative(message) = Declarative::read(&opened.plaintext) {
        return declarative_json(&message);
    }
    match Content::of(&opened.plaintext) {
        Content::Json(Value::Object(payload), _) => guess(&payload),
        Content::Json(Value::String(text), _) if !text.is_empty() => guessed_title(&text),
        Content::Text(text) if !text.is_empty() => guessed_title(text),
        Content::Json(..) | Content::Text(_) | Content::Bytes(_) => Value::Null,
    }
}

fn declarative_json(message: &Declarative) -> Value {
    let shown = &message.notification;
    let mut members = Map::new();
    members.insert("source".into(), "declarative".into());
    members.insert("title".into(), shown.title.as_str().into());
    members.insert("navigate".into(), shown.navigate.as_str().into());
    let optional = [
        ("lang", &shown.lang),
        ("body", &shown.body),
        ("tag", &shown.tag),
        ("image", &shown.image),
        ("icon", &shown.icon),
        ("badge", &shown.badge),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            members.insert(name.into(), text.as_str().into());
        }
    }
    if let Some(silent) = shown.silent {
        members.insert("silent".into(), silent.into());
    }
    if !shown.actions.is_empty() {
        let actions = shown.actions.iter().map(|action| {
            json!({"action": action.action, "title": action.title, "navigate": action.navigate, "icon": action.icon})
        });
        members.insert("actions".into(), actions.collect());
    }
    members.insert("mutable".into(), message.mutable.into());
    Value::Object(members)
}

fn guessed_title(text: &str) -> Value {
    json!({"source": "guess", "title": cut(text, GUESSED_TITLE)})
}

/// Takes the members that workers commonly hand to `showNotification`, from the payload or a member of it.
fn guess(payload: &Map<String, Value>) -> Value {
    let inner = ["notification", "data"].iter().filter_map(|name| payload.get(*name)?.as_object());
    let Some(source) = std::iter::once(payload)
        .chain(inner)
        .find(|object| object.get("title").is_some_and(Value::is_string))
    else {
        return Value::Null;
    };
    let mut shown = Map::new();
    shown.insert("source".into(), "guess".into());
    for name in ["title", "body", "icon", "image", "badge", "tag", "url", "navigate"] {
        if let Some(Value::String(text)) = source.get(name) {
            shown.insert(name.into(), text.as_str().into());
        }
    }
    Value::Object(shown)
}

/// The findings at or above a level.
pub(crate) fn findings_from(exchange: &Exchange, level: Level) -> impl Iterator<Item = &Finding> {
    exchange.findings.iter().filter(move |finding| finding.level >= level)
}

/// One message in one line, as the terminal shows it: `7F3K  alice  201 acknowledged  ttl 60  "Hello"`.
#[must_use]
pub fn one_line(exchange: &Exchange) -> String {
    let mut parts = vec![short_id(&exchange.id).to_owned()];
    parts.push(printable(exchange.to.as_deref().unwrap_or("(unknown)")));
    let status = exchange.response.status.map_or_else(|| "–".to_owned(), |status| status.to_string());
    let reason = exchange.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    parts.push(format!("{status} {}{reason}", exchange.state));
    if let Some(ttl) = exchange.ttl {
        parts.push(format!("ttl {ttl}"));
    }
    if let Some(topic) = &exchange.topic {
        parts.push(format!("topic {topic}"));
    }
    parts.push(match readable(exchange).map(|octets| Content::of(octets)) {
        Some(Content::Json(_, text)) => printable(&cut(text, 60)),
        Some(Content::Text(text)) => Value::from(cut(text, 60)).to_string(),
        Some(Content::Bytes(octets)) => format!("{} octets", octets.len()),
        None => format!("({})", payload_state(&exchange.payload)),
    });
    parts.join("  ")
}

/// The text with control characters escaped, so that it cannot steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests;
