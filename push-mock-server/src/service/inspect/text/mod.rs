//! `explain`: what `push inspect` says about something that was pasted; pure.
//!
//! Guesses or is told the kind of the input, takes it apart, and marks each part. How the parts are laid out on a
//! terminal is the command line's affair.

mod curl;
mod endpoint;
mod guess;
mod http_dump;
mod key;
mod lines;
mod payload;
mod request;
mod subscription;
#[cfg(test)]
pub(crate) mod tests;
mod vapid;

use push_crypto::Timestamp;
use serde::Serialize;

use crate::service::finding::Finding;

/// What an input can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// The URL of a push resource.
    Endpoint,
    /// A VAPID token alone.
    Jwt,
    /// A public or private key in any format.
    Key,
    /// A payload before encryption.
    Payload,
    /// A raw HTTP request or a `curl` command line.
    Request,
    /// The JSON of a subscription.
    Subscription,
    /// The value of an `Authorization` field.
    Vapid,
}

impl Kind {
    /// All kinds, as `--as` lists them.
    pub const ALL: [Self; 7] =
        [Self::Subscription, Self::Vapid, Self::Jwt, Self::Request, Self::Endpoint, Self::Key, Self::Payload];

    /// The word of `--as` and of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Jwt => "jwt",
            Self::Key => "key",
            Self::Payload => "payload",
            Self::Request => "request",
            Self::Subscription => "subscription",
            Self::Vapid => "vapid",
        }
    }
}

impl core::str::FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// The word names no kind of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl core::fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the kind is none of subscription, vapid, jwt, request, endpoint, key, payload; use one, or leave it out to have it guessed")
    }
}

impl core::error::Error for UnknownKind {}

/// How a part did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// `✗`: an error.
    Error,
    /// Worth knowing, nothing wrong.
    Info,
    /// `ok`.
    Ok,
    /// `?`: could not be checked.
    Unknown,
    /// `⚠`: a warning.
    Warning,
}

/// One line of the explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it is: `TTL`, `aud`, `Encryption`, …
    pub name: String,
    /// Its value as shown: cut, and without secrets.
    pub value: String,
    /// How it did.
    pub mark: Mark,
    /// The finding about it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// One line: what it means, or what is wrong.
    pub note: String,
}

/// An input taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// What it was taken for.
    pub kind: Kind,
    /// First line: what it is.
    pub title: String,
    /// Its parts, in their own order.
    pub parts: Vec<Part>,
    /// All findings, errors first.
    pub findings: Vec<Finding>,
}

/// The input is nothing that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotRecognised {
    /// There is nothing.
    Empty,
    /// It looks like none of the kinds.
    Unlike,
    /// It is not what it was said to be.
    NotThe(Kind),
}

impl core::fmt::Display for NotRecognised {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Empty => f.write_str("the input is empty; paste a subscription, a request, an Authorization value, a token, an endpoint, a key or a payload"),
            Self::NotThe(kind) => write!(f, "the input is no {}; leave the kind out to have it guessed", kind.as_str()),
            Self::Unlike => f.write_str("the input looks like no subscription, request, Authorization value, token, endpoint, key or payload; say with --as what it is"),
        }
    }
}

impl core::error::Error for NotRecognised {}

/// What an explanation may lean on besides the input.
#[derive(Clone, Copy, Debug)]
struct Around<'a> {
    for_url: Option<&'a str>,
    now: Timestamp,
}

/// Takes an input apart: as the kind it is said to be, else as the kind it looks like. `for_url` is the push resource
/// that it is meant for, or its origin; `now` is the time that tokens are judged by.
///
/// # Errors
/// [`NotRecognised`] when it is nothing that can be explained.
///
/// ```
/// use push_crypto::Timestamp;
/// use push_mock_server::service::inspect::text::{Kind, Mark, explain};
/// let now = Timestamp::from_unix_seconds(1_795_000_000);
/// let explained = explain(b"https://push.example.net/p/JzLQ3raZ", None, None, now)?;
/// assert_eq!(explained.kind, Kind::Endpoint);
/// assert!(explained.parts.iter().all(|part| part.mark == Mark::Ok));
/// # Ok::<(), push_mock_server::service::inspect::text::NotRecognised>(())
/// ```
pub fn explain(
    input: &[u8],
    kind: Option<Kind>,
    for_url: Option<&str>,
    now: Timestamp,
) -> Result<Explained, NotRecognised> {
    let around = &Around { for_url, now };
    let trimmed = input.trim_ascii();
    if trimmed.is_empty() {
        return Err(NotRecognised::Empty);
    }
    let kind = match kind {
        Some(kind) => kind,
        None => guess::kind_of(trimmed).ok_or(NotRecognised::Unlike)?,
    };
    let text = || core::str::from_utf8(trimmed).map_err(|_| NotRecognised::NotThe(kind));
    match kind {
        Kind::Endpoint => Ok(endpoint::explain(text()?)),
        Kind::Jwt => Ok(vapid::explain_token(text()?, around)),
        Kind::Key => Ok(key::explain(trimmed)),
        Kind::Payload => Ok(payload::explain(input)),
        Kind::Request => {
            let pasted = request::read(input).ok_or(NotRecognised::NotThe(kind))?;
            Ok(request::explain(&pasted, around))
        }
        Kind::Subscription => Ok(subscription::explain(text()?)),
        Kind::Vapid => Ok(vapid::explain_field(text()?, around)),
    }
}
