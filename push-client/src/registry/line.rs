//! One line of the registry: an entry, or the removal of one.

use std::fmt;

use push_crypto::{PushResource, Subscription, SubscriptionError, Timestamp};
use serde_json::{Map, Value, json};

use super::{LastOutcome, Recipient};

pub(super) enum Line {
    Recipient(Box<Recipient>),
    Removed(PushResource),
}

pub(super) fn write(recipient: &Recipient) -> String {
    let Recipient { name, tags, subscription, added_at, last_outcome, gone_at } = recipient;
    let subscription: Value = serde_json::from_str(&subscription.to_json()).unwrap_or_default();
    json!({
        "name": name,
        "tags": tags,
        "subscription": subscription,
        "addedAt": time_text(*added_at),
        "lastOutcome": last_outcome.as_ref().map(|last| json!({"outcome": last.outcome, "at": time_text(last.at)})),
        "goneAt": gone_at.map(time_text),
    })
    .to_string()
}

pub(super) fn write_removed(endpoint: &PushResource) -> String {
    json!({"removed": endpoint.expose()}).to_string()
}

/// Reads a line; an entry without `addedAt` was added `now`.
pub(super) fn read(text: &str, now: Timestamp) -> Result<Line, LineError> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return Err(LineError::NotJson) };
    if let Some(Value::String(endpoint)) = members.get("removed") {
        return endpoint.parse().map(Line::Removed).map_err(|_| LineError::NotARecipient);
    }
    let Some(Value::String(name)) = members.get("name") else { return Err(LineError::NotARecipient) };
    let subscription = members.get("subscription").ok_or(LineError::NotARecipient)?;
    let subscription = Subscription::from_value(subscription).map_err(LineError::Subscription)?.subscription;
    let tags = match members.get("tags") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(tags)) => {
            let texts = tags.iter().map(|tag| tag.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().ok_or(LineError::Tags)?
        }
        Some(_) => return Err(LineError::Tags),
    };
    Ok(Line::Recipient(Box::new(Recipient {
        name: name.clone(),
        tags,
        subscription,
        added_at: time(&members, "addedAt")?.unwrap_or(now),
        last_outcome: match members.get("lastOutcome") {
            Some(Value::Object(last)) => read_last(last)?,
            _ => None,
        },
        gone_at: time(&members, "goneAt")?,
    })))
}

fn read_last(members: &Map<String, Value>) -> Result<Option<LastOutcome>, LineError> {
    let (Some(Value::String(outcome)), Some(at)) = (members.get("outcome"), time(members, "at")?) else {
        return Ok(None);
    };
    Ok(Some(LastOutcome { outcome: outcome.clone(), at }))
}

/// RFC 3339 in UTC with milliseconds; what lies beyond the year 9999 is written as its end.
fn time_text(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_unix_millis()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

fn time(members: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, LineError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            let time: jiff::Timestamp = text.parse().map_err(|_| LineError::Time)?;
            let millis = u64::try_from(time.as_millisecond()).map_err(|_| LineError::Time)?;
            Ok(Some(Timestamp::from_unix_millis(millis)))
        }
        Some(_) => Err(LineError::Time),
    }
}

/// Why a line is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineError {
    /// No `name` or no `subscription`.
    NotARecipient,
    /// Not one JSON object of at most 16 KiB.
    NotJson,
    /// The subscription is not usable.
    Subscription(SubscriptionError),
    /// `tags` is not a list of texts.
    Tags,
    /// A time is not RFC 3339, or lies before 1970.
    Time,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecipient => f.write_str("it has no name or no subscription"),
            Self::NotJson => f.write_str("it is not one JSON object of at most 16 KiB"),
            Self::Subscription(error) => error.fmt(f),
            Self::Tags => f.write_str("tags is not a list of texts"),
            Self::Time => f.write_str("a time is not RFC 3339, such as 2026-11-24T12:00:00Z, since 1970"),
        }
    }
}

impl std::error::Error for LineError {}
