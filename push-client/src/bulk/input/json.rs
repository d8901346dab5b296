//! One line of JSON as a receiver.
//!
//! Most lines are what a browser gives: they are read in one pass without copies. Whatever that pass does not like
//! is read again by the tolerant reader, which knows the reason.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;
use push_crypto::{AuthSecret, PublicKey, Subscription, SubscriptionError, SubscriptionKeys, Ttl, base64url};
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Reason, Receiver};
use crate::bulk::template::Template;

/// What a line may hold that is not a field of the application's own.
#[derive(Deserialize)]
struct Known<'a> {
    #[serde(borrow)]
    endpoint: Option<Cow<'a, str>>,
    #[serde(borrow)]
    keys: Option<Keys<'a>>,
    #[serde(borrow)]
    subscription: Option<Inner<'a>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
    #[serde(borrow)]
    topic: Option<&'a RawValue>,
    #[serde(borrow)]
    urgency: Option<&'a RawValue>,
    #[serde(rename = "expirationTime")]
    expiration_time: Option<u64>,
}

#[derive(Deserialize)]
struct Inner<'a> {
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    keys: Option<Keys<'a>>,
    #[serde(rename = "expirationTime")]
    expiration_time: Option<u64>,
}

#[derive(Deserialize)]
struct Keys<'a> {
    p256dh: &'a str,
    auth: &'a str,
}

/// The receiver on a line.
pub(super) fn read(line: &[u8], index: u64, template: Option<&Template>) -> Result<Receiver, Reason> {
    let text = std::str::from_utf8(line).map_err(|_| Reason::NotUtf8)?;
    if text.trim_ascii().is_empty() {
        return Err(Reason::Blank);
    }
    if template.is_none()
        && let Some(receiver) = quickly(text, index)
    {
        return Ok(receiver);
    }
    thoroughly(text, index, template)
}

/// A line in the usual form; `None` for any other, right or wrong.
fn quickly(text: &str, index: u64) -> Option<Receiver> {
    let known: Known<'_> = serde_json::from_str(text).ok()?;
    let subscription = match (known.subscription, known.endpoint) {
        (Some(inner), None) => subscription(&inner.endpoint, inner.keys.as_ref(), inner.expiration_time)?,
        (None, Some(endpoint)) => subscription(&endpoint, known.keys.as_ref(), known.expiration_time)?,
        _ => return None,
    };
    let fields = Fields {
        id: known.id.map(RawValue::get),
        payload: known.payload.map(RawValue::get),
        ttl: known.ttl.map(RawValue::get),
        topic: known.topic.map(RawValue::get),
        urgency: known.urgency.map(RawValue::get),
    };
    fields.receiver(index, subscription).ok()
}

fn subscription(
    endpoint: &str,
    keys: Option<&Keys<'_>>,
    expiration_time: Option<u64>,
) -> Option<Subscription> {
    let keys = match keys {
        None => None,
        Some(keys) => {
            let auth = Zeroizing::new(base64url::decode(keys.auth).ok()?);
            let auth = AuthSecret::from_octets(&auth).ok()?;
            let p256dh = PublicKey::from_octets(&base64url::decode(keys.p256dh).ok()?).ok()?;
            Some(SubscriptionKeys { p256dh, auth: Some(auth) })
        }
    };
    let expiration_time = expiration_time.map(push_crypto::Timestamp::from_unix_millis);
    Some(Subscription { endpoint: endpoint.parse().ok()?, expiration_time, keys })
}

fn thoroughly(text: &str, index: u64, template: Option<&Template>) -> Result<Receiver, Reason> {
    let members: HashMap<Cow<'_, str>, &RawValue> = match serde_json::from_str(text) {
        Ok(members) => members,
        Err(error) if error.is_data() || is_json(text) => return Err(Reason::NotObject),
        Err(error) => return Err(Reason::NotJson { column: error.column().max(1) }),
    };
    let raw = |name: &str| members.get(name).map(|value| value.get());
    let text = match raw("subscription") {
        Some(inner) => Some(inner),
        None => raw("endpoint").is_some().then_some(text),
    };
    let subscription =
        Subscription::from_json(text.ok_or(Reason::NoSubscription)?).map_err(Reason::Subscription)?;
    let names = ["id", "payload", "ttl", "topic", "urgency"];
    let [id, payload, ttl, topic, urgency] = names.map(raw);
    let mut receiver = Fields { id, payload, ttl, topic, urgency }.receiver(index, subscription)?;
    if let (None, Some(template)) = (&receiver.payload, template) {
        receiver.payload = Some(template.fill(raw).map_err(Reason::Fill)?);
    }
    Ok(receiver)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The members beside the subscription, as JSON.
struct Fields<'a> {
    id: Option<&'a str>,
    payload: Option<&'a str>,
    ttl: Option<&'a str>,
    topic: Option<&'a str>,
    urgency: Option<&'a str>,
}

impl Fields<'_> {
    fn receiver(&self, index: u64, subscription: Subscription) -> Result<Receiver, Reason> {
        Ok(Receiver {
            index,
            id: given(self.id).map(id).transpose()?,
            subscription,
            payload: given(self.payload).map(payload).transpose()?,
            ttl: given(self.ttl).map(ttl).transpose()?,
            topic: text_of("topic", self.topic)?
                .map(|text| text.parse())
                .transpose()
                .map_err(Reason::Topic)?,
            urgency: text_of("urgency", self.urgency)?
                .map(|text| text.parse())
                .transpose()
                .map_err(Reason::Urgency)?,
        })
    }
}

/// `null` is as good as absent.
fn given(raw: Option<&str>) -> Option<&str> {
    raw.filter(|raw| *raw != "null")
}

/// An id stays as it is written, so that it comes back so.
pub(super) fn id(raw: &str) -> Result<Box<str>, Reason> {
    let is_id = raw.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
    if is_id { Ok(raw.into()) } else { Err(Reason::Field { name: "id" }) }
}

/// A string is its text; anything else is sent as the JSON it is.
fn payload(raw: &str) -> Result<Bytes, Reason> {
    if !raw.starts_with('"') {
        return Ok(Bytes::copy_from_slice(raw.as_bytes()));
    }
    serde_json::from_str::<String>(raw).map(Bytes::from).map_err(|_| Reason::Field { name: "payload" })
}

fn ttl(raw: &str) -> Result<Ttl, Reason> {
    let text = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    text.parse().map_err(Reason::Ttl)
}

fn text_of<'a>(name: &'static str, raw: Option<&'a str>) -> Result<Option<Cow<'a, str>>, Reason> {
    let Some(raw) = given(raw) else { return Ok(None) };
    let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match plain {
        Some(plain) if !plain.contains('\\') => Ok(Some(Cow::Borrowed(plain))),
        Some(_) => serde_json::from_str(raw)
            .map(|text: String| Some(Cow::Owned(text)))
            .map_err(|_| Reason::Field { name }),
        None => Err(Reason::Field { name }),
    }
}

/// A subscription in columns of its own: `endpoint`, and `p256dh` with `auth` or neither.
pub(super) fn of_columns(
    endpoint: &str,
    p256dh: &str,
    auth: &str,
) -> Result<Subscription, SubscriptionError> {
    let keys = Keys { p256dh, auth };
    let has_keys = !p256dh.is_empty() || !auth.is_empty();
    if let Some(subscription) = subscription(endpoint, has_keys.then_some(&keys), None) {
        return Ok(subscription);
    }
    let mut value = serde_json::json!({"endpoint": endpoint});
    if let (true, Some(members)) = (has_keys, value.as_object_mut()) {
        members.insert("keys".to_owned(), serde_json::json!({"p256dh": p256dh, "auth": auth}));
    }
    Subscription::from_value(&value).map(|parsed| parsed.subscription)
}
