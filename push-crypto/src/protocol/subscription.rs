//! `Subscription`: the JSON object which the Push API's `toJSON()` gives, read tolerantly and written canonically.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    AuthSecret, PointError, PublicKey, PushResource, PushResourceError, SubscriptionKeys, Timestamp,
};
use crate::base64url::{self, Base64Error};

/// A push message subscription as the application server keeps it (Push API, `PushSubscriptionJSON`).
///
/// Without `keys` it is valid, but only for messages without a payload (tickles).
///
/// ```
/// use push_crypto::Subscription;
/// let subscription = Subscription::from_json(
///     r#"{"endpoint": "https://push.example.net/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV", "expirationTime": null,
///         "keys": {"p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
///                  "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}"#,
/// )?;
/// assert_eq!(subscription.endpoint.origin().to_string(), "https://push.example.net");
/// assert!(subscription.keys.is_some());
/// # Ok::<(), push_crypto::SubscriptionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The push resource.
    pub endpoint: PushResource,
    /// When the subscription ends by itself, if the user agent knows.
    pub expiration_time: Option<Timestamp>,
    /// What a payload is encrypted with; absent where the browser supports no payloads.
    pub keys: Option<SubscriptionKeys>,
}

/// A subscription, and what was unusual about its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The subscription.
    pub subscription: Subscription,
    /// Departures that were tolerated.
    pub remarks: Vec<SubscriptionRemark>,
}

/// Something tolerated in a subscription's text that other programs refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionRemark {
    /// `auth` has the 12 octets of pre-release Firefox 46 to 48.
    AuthPreRelease,
    /// Padding, or the standard alphabet, in the named member of `keys`.
    Base64Form {
        /// `p256dh` or `auth`.
        member: &'static str,
    },
    /// No `keys`: tickles only.
    KeysMissing,
}

impl SubscriptionRemark {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AuthPreRelease => "subscription/auth-length",
            Self::Base64Form { .. } => "subscription/base64-padded",
            Self::KeysMissing => "subscription/keys-missing",
        }
    }
}

impl Subscription {
    /// Reads the JSON form: keys in base64url or standard base64, padded or not; unknown members are ignored.
    ///
    /// # Errors
    /// [`SubscriptionError`], which says what was seen, why it is wrong and what to do.
    pub fn from_json(text: &str) -> Result<Self, SubscriptionError> {
        Self::parse_json(text).map(|parsed| parsed.subscription)
    }

    /// Like [`Subscription::from_json`], and tells what was tolerated.
    ///
    /// # Errors
    /// As [`Subscription::from_json`].
    pub fn parse_json(text: &str) -> Result<Parsed, SubscriptionError> {
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            if text.contains("\\_") {
                SubscriptionError::Backslash
            } else {
                SubscriptionError::NotJson { line: error.line(), column: error.column() }
            }
        })?;
        Self::from_value(&value)
    }

    /// Reads an already parsed JSON value.
    ///
    /// # Errors
    /// As [`Subscription::from_json`].
    pub fn from_value(value: &Value) -> Result<Parsed, SubscriptionError> {
        let Value::Object(members) = value else {
            // A subscription that was stringified twice is a JSON string which holds the object.
            let double = value.as_str().is_some_and(|inner| inner.trim_start().starts_with('{'));
            return Err(if double {
                SubscriptionError::StringifiedTwice
            } else {
                SubscriptionError::NotObject
            });
        };
        let mut remarks = Vec::new();
        let endpoint = match members.get("endpoint") {
            Some(Value::String(text)) => text.parse().map_err(SubscriptionError::Endpoint)?,
            Some(_) => return Err(SubscriptionError::EndpointNotText),
            None => return Err(SubscriptionError::EndpointMissing),
        };
        let expiration_time = match members.get("expirationTime") {
            None | Some(Value::Null) => None,
            Some(time) => Some(read_time(time).ok_or(SubscriptionError::ExpirationTime)?),
        };
        let keys = match members.get("keys") {
            None | Some(Value::Null) => {
                remarks.push(SubscriptionRemark::KeysMissing);
                None
            }
            Some(Value::Object(keys)) => Some(read_keys(keys, &mut remarks)?),
            Some(_) => return Err(SubscriptionError::KeysNotObject),
        };
        Ok(Parsed { subscription: Self { endpoint, expiration_time, keys }, remarks })
    }

    /// The canonical JSON form, member for member what a browser's `JSON.stringify(subscription)` gives.
    ///
    /// It contains the endpoint and the authentication secret: it is as secret as they are.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::from("{\"endpoint\":");
        text.push_str(&Value::String(self.endpoint.expose().to_owned()).to_string());
        text.push_str(",\"expirationTime\":");
        match self.expiration_time {
            None => text.push_str("null"),
            Some(time) => text.push_str(&alloc::format!("{}", time.as_unix_millis())),
        }
        if let Some(keys) = &self.keys {
            text.push_str(",\"keys\":{\"p256dh\":\"");
            text.push_str(&keys.p256dh.to_base64url());
            text.push('"');
            if let Some(auth) = &keys.auth {
                text.push_str(",\"auth\":\"");
                text.push_str(&base64url::encode(auth.expose()));
                text.push('"');
            }
            text.push('}');
        }
        text.push('}');
        text
    }
}

/// Milliseconds since 1970, whole or fractional, not negative.
fn read_time(value: &Value) -> Option<Timestamp> {
    let millis = value.as_u64().or_else(|| {
        // Exact below 2^53 ms, the range of a JavaScript number.
        value
            .as_f64()
            .filter(|millis| (0.0..9_007_199_254_740_992.0).contains(millis))
            .map(|millis| millis as u64)
    })?;
    Some(Timestamp::from_unix_millis(millis))
}

fn read_keys(
    keys: &Map<String, Value>,
    remarks: &mut Vec<SubscriptionRemark>,
) -> Result<SubscriptionKeys, SubscriptionError> {
    let Some(point) = read_member(keys, "p256dh", remarks)? else {
        return Err(SubscriptionError::KeyMissing { member: "p256dh" });
    };
    let secret = read_member(keys, "auth", remarks)?;
    if let (16, Some(65)) = (point.len(), secret.as_ref().map(|octets| octets.len())) {
        return Err(SubscriptionError::KeysSwapped);
    }
    let p256dh = PublicKey::from_octets(&point).map_err(SubscriptionError::P256dh)?;
    let auth = match secret {
        None => None,
        Some(octets) => {
            let length = octets.len();
            let auth = AuthSecret::from_octets(&octets);
            Some(auth.map_err(|_| SubscriptionError::AuthLength { octets: length })?)
        }
    };
    if auth.as_ref().is_some_and(AuthSecret::is_pre_release) {
        remarks.push(SubscriptionRemark::AuthPreRelease);
    }
    Ok(SubscriptionKeys { p256dh, auth })
}

fn read_member(
    keys: &Map<String, Value>,
    member: &'static str,
    remarks: &mut Vec<SubscriptionRemark>,
) -> Result<Option<Zeroizing<Vec<u8>>>, SubscriptionError> {
    let text = match keys.get(member) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(SubscriptionError::KeyNotText { member }),
    };
    if text.trim_start().starts_with("-----BEGIN") {
        return Err(SubscriptionError::P256dh(PointError::Pem));
    }
    if text.ends_with("...") || text.ends_with('…') {
        return Err(SubscriptionError::KeyCut { member });
    }
    let read =
        base64url::decode_tolerant(text).map_err(|error| SubscriptionError::Base64 { member, error })?;
    if !read.form.is_canonical() {
        remarks.push(SubscriptionRemark::Base64Form { member });
    }
    Ok(Some(Zeroizing::new(read.octets)))
}

/// Why a text is no usable subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// `keys.auth` has another length than 16 octets.
    AuthLength {
        /// How many octets there are.
        octets: usize,
    },
    /// `\_` in the text, from rendered Markdown.
    Backslash,
    /// A member of `keys` is not base64.
    Base64 {
        /// `p256dh` or `auth`.
        member: &'static str,
        /// Why not.
        error: Base64Error,
    },
    /// `endpoint` is not a usable URL.
    Endpoint(PushResourceError),
    /// No `endpoint`.
    EndpointMissing,
    /// `endpoint` is not a string.
    EndpointNotText,
    /// `expirationTime` is neither null nor a number of milliseconds.
    ExpirationTime,
    /// A member of `keys` ends in dots: an example that was cut for print.
    KeyCut {
        /// `p256dh` or `auth`.
        member: &'static str,
    },
    /// `keys` without `p256dh`.
    KeyMissing {
        /// `p256dh`.
        member: &'static str,
    },
    /// A member of `keys` is not a string.
    KeyNotText {
        /// `p256dh` or `auth`.
        member: &'static str,
    },
    /// `keys` is not an object.
    KeysNotObject,
    /// `auth` holds the point and `p256dh` the secret.
    KeysSwapped,
    /// The text is not JSON.
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// JSON, but no object.
    NotObject,
    /// `keys.p256dh` is not a point of P-256.
    P256dh(PointError),
    /// A JSON string that holds the object as text.
    StringifiedTwice,
}

impl SubscriptionError {
    /// The code of the finding which explains this.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AuthLength { .. } => "subscription/auth-length",
            Self::Backslash | Self::Base64 { error: Base64Error::Backslash { .. }, .. } => {
                "subscription/backslash"
            }
            Self::Base64 { error: Base64Error::MixedAlphabets | Base64Error::WhiteSpace { .. }, .. } => {
                "subscription/base64-mixed"
            }
            Self::Base64 { .. } | Self::KeyCut { .. } | Self::KeyNotText { .. } => match self.member() {
                Some("auth") => "subscription/auth-length",
                _ => "subscription/p256dh-length",
            },
            Self::Endpoint(error) => error.code(),
            Self::EndpointMissing | Self::EndpointNotText => "subscription/endpoint-missing",
            Self::ExpirationTime | Self::NotJson { .. } | Self::NotObject | Self::StringifiedTwice => {
                "subscription/not-json"
            }
            Self::KeyMissing { .. } | Self::KeysNotObject => "subscription/keys-missing",
            Self::KeysSwapped => "subscription/keys-swapped",
            Self::P256dh(PointError::Der { .. } | PointError::Pem) => "subscription/p256dh-der",
            Self::P256dh(PointError::OffCurve) => "subscription/p256dh-off-curve",
            Self::P256dh(_) => "subscription/p256dh-length",
        }
    }

    /// The member of `keys` at fault, or none.
    #[must_use]
    pub const fn member(self) -> Option<&'static str> {
        match self {
            Self::Base64 { member, .. }
            | Self::KeyCut { member }
            | Self::KeyMissing { member }
            | Self::KeyNotText { member } => Some(member),
            Self::AuthLength { .. } => Some("auth"),
            Self::P256dh(_) => Some("p256dh"),
            _ => None,
        }
    }
}

impl fmt::Display for SubscriptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthLength { octets } => {
                write!(f, "subscription.keys.auth has {octets} octets, 16 are needed; pass it on unchanged")
            }
            Self::Backslash => f.write_str(
                "the subscription contains \\_, as in text copied from rendered Markdown; remove the backslashes",
            ),
            Self::Base64 { member, error } => write!(f, "subscription.keys.{member} is not base64url: {error}"),
            Self::Endpoint(error) => error.fmt(f),
            Self::EndpointMissing => f.write_str(
                "the subscription has no endpoint; pass the whole object that the browser's toJSON() gives",
            ),
            Self::EndpointNotText => f.write_str("subscription.endpoint is not a string; it is the URL as text"),
            Self::ExpirationTime => {
                f.write_str("subscription.expirationTime is neither null nor a number of milliseconds since 1970")
            }
            Self::KeyCut { member } => {
                write!(f, "subscription.keys.{member} ends in dots: it was cut for print; use the whole value")
            }
            Self::KeyMissing { member } => write!(
                f,
                "subscription.keys has no {member}; without keys only a tickle is possible, so give both or no keys"
            ),
            Self::KeyNotText { member } => {
                write!(f, "subscription.keys.{member} is not a string; it is base64url text")
            }
            Self::KeysNotObject => f.write_str("subscription.keys is not an object with p256dh and auth"),
            Self::KeysSwapped => f.write_str(
                "subscription.keys.auth holds 65 octets and p256dh 16: the two values are swapped; exchange them",
            ),
            Self::NotJson { line, column } => write!(
                f,
                "the subscription is not JSON (line {line}, column {column}); send what JSON.stringify(subscription) gives"
            ),
            Self::NotObject => {
                f.write_str("the subscription is JSON, but no object; send what JSON.stringify(subscription) gives")
            }
            Self::P256dh(error) => write!(f, "subscription.keys.p256dh is not a P-256 point: {error}"),
            Self::StringifiedTwice => {
                f.write_str("the subscription is a JSON string that holds the object: it was stringified twice")
            }
        }
    }
}

impl core::error::Error for SubscriptionError {}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const P256DH: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

    fn with_keys(p256dh: &str, auth: &str) -> Result<Parsed, SubscriptionError> {
        Subscription::parse_json(&format!(
            r#"{{"endpoint":"https://a.example/p","keys":{{"p256dh":"{p256dh}","auth":"{auth}"}},"new":[1]}}"#
        ))
    }

    /// UA-037
    #[test]
    fn canonical_form_survives_a_round_trip() {
        let text = format!(
            r#"{{"endpoint":"https://a.example/p","expirationTime":null,"keys":{{"p256dh":"{P256DH}","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}}"#
        );

        let parsed = Subscription::parse_json(&text).unwrap();

        assert!(parsed.remarks.is_empty());
        assert_eq!(parsed.subscription.to_json(), text);
    }

    #[test]
    fn forms_found_in_the_wild_are_read_with_a_remark() {
        let standard = P256DH.replace('-', "+").replace('_', "/");
        let check = |p256dh: &str, auth: &str, remarks: &[SubscriptionRemark]| {
            assert_eq!(with_keys(p256dh, auth).unwrap().remarks, remarks, "{p256dh} {auth}");
        };
        let form = |member| SubscriptionRemark::Base64Form { member };

        check(P256DH, "qLAYRzG9TnUwbprns6H2Ew", &[]);
        check(P256DH, "qLAYRzG9TnUwbprns6H2Ew==", &[form("auth")]);
        check(&format!("{standard}="), "qLAYRzG9TnUwbprns6H2Ew", &[form("p256dh")]);
        check(&standard, "qLAYRzG9TnUwbprns6H2Ew==", &[form("p256dh"), form("auth")]);
        check(P256DH, "AAAAAAAAAAAAAAAA", &[SubscriptionRemark::AuthPreRelease]);
        let none = Subscription::parse_json(r#"{"endpoint":"https://a.example/p"}"#).unwrap();
        assert_eq!(none.remarks, [SubscriptionRemark::KeysMissing]);
        let time =
            Subscription::from_json(r#"{"endpoint":"https://a.example/p","expirationTime":1500.7}"#).unwrap();
        assert_eq!(time.expiration_time, Some(Timestamp::from_unix_millis(1500)));
    }

    #[test]
    fn each_fault_has_its_code_and_says_what_to_do() {
        let code = |text: &str| Subscription::from_json(text).unwrap_err().code();

        assert_eq!(code("x"), "subscription/not-json");
        assert_eq!(code("[]"), "subscription/not-json");
        assert_eq!(code(r#""{\"endpoint\":1}""#), "subscription/not-json");
        assert_eq!(code("{}"), "subscription/endpoint-missing");
        assert_eq!(code(r#"{"endpoint":1}"#), "subscription/endpoint-missing");
        assert_eq!(code(r#"{"endpoint":"/p"}"#), "subscription/endpoint-missing");
        assert_eq!(code(r#"{"endpoint":"ftp://a/p"}"#), "subscription/endpoint-scheme");
        assert_eq!(
            code(r#"{"endpoint":"https://a.example/p","keys":{"p256dh":"a\_b"}}"#),
            "subscription/backslash"
        );
        assert_eq!(code(r#"{"endpoint":"https://a.example/p","keys":{}}"#), "subscription/keys-missing");
        assert_eq!(
            code(r#"{"endpoint":"https://a.example/p","expirationTime":-1}"#),
            "subscription/not-json"
        );

        let code = |p256dh: &str, auth: &str| with_keys(p256dh, auth).unwrap_err().code();
        assert_eq!(code("qLAYRzG9TnUwbprns6H2Ew", P256DH), "subscription/keys-swapped");
        assert_eq!(code(&P256DH[..86], "qLAYRzG9TnUwbprns6H2Ew"), "subscription/p256dh-length");
        assert_eq!(code(&P256DH.replace('-', "+"), "AA"), "subscription/base64-mixed");
        assert_eq!(code(P256DH, "AAAA"), "subscription/auth-length");
        assert_eq!(code(&base64url::encode(&[0x30; 91]), "AA"), "subscription/p256dh-der");
        assert_eq!(code(&P256DH.replace("iw4", "iwY"), "AA"), "subscription/p256dh-off-curve");
        assert_eq!(code("BILXd-c1-...", "AA"), "subscription/p256dh-length");
    }

    #[test]
    fn messages_name_the_member() {
        let error = with_keys(&base64url::encode(&[0x30; 91]), "AA").unwrap_err();

        assert_eq!(
            error.to_string(),
            "subscription.keys.p256dh is not a P-256 point: it has 91 octets that start with 30: a DER structure; \
             browsers give the 65 raw octets (04 …)"
        );
    }
}
