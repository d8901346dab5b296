//! `Frame`: what a user agent says, read from JSON; what it means is left to `connection`.
//!
//! Strict where the service of Mozilla closes with 1011, lenient where clients differ: `messageType` without regard to
//! case, members in any order, unknown ones ignored, a hello with nothing in it.

use std::fmt;

use push_crypto::{PublicKey, base64url};
use serde_json::{Map, Value};

use crate::ids::UserAgentId;

/// What a user agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Messages were taken; in any order, several at once.
    Ack(Vec<Update>),
    /// It would like to hear of broadcasts; there are none (AP-037).
    BroadcastSubscribe,
    /// Who it is; none: nobody that we know by that name.
    Hello(Option<UserAgentId>),
    /// The worker failed with a message.
    Nack {
        /// None: a message without a version, or none at all.
        version: Option<String>,
        /// 301, 302 or 303.
        code: u16,
    },
    /// `{}`, or with a type.
    Ping,
    /// A subscription is wanted.
    Register {
        /// Its name.
        channel: ChannelId,
        /// The application server key as it was written.
        key: Option<String>,
    },
    /// A subscription is given up.
    Unregister {
        /// Its name, whatever it looks like: it is answered in any case.
        channel: String,
        /// 200, 201, 202 or nothing.
        code: Option<u64>,
    },
}

impl Frame {
    /// The `messageType`, for the log: what a frame names opens things.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Ack(_) => "ack",
            Self::BroadcastSubscribe => "broadcast_subscribe",
            Self::Hello(_) => "hello",
            Self::Nack { .. } => "nack",
            Self::Ping => "ping",
            Self::Register { .. } => "register",
            Self::Unregister { .. } => "unregister",
        }
    }
}

/// One message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    /// The version of its notification.
    pub(crate) version: String,
    /// 100 delivered, 101 not decrypted, 102 not delivered.
    pub(crate) code: u16,
}

/// A UUID in lower case with dashes (AP-020).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelId(String);

impl ChannelId {
    fn read(text: &str) -> Option<Self> {
        /// 8-4-4-4-12 digits.
        const DASHES: [usize; 4] = [8, 13, 18, 23];
        let fits = |(at, octet): (usize, u8)| match DASHES.contains(&at) {
            true => octet == b'-',
            false => matches!(octet, b'0'..=b'9' | b'a'..=b'f'),
        };
        (text.len() == 36 && text.bytes().enumerate().all(fits)).then(|| Self(text.to_owned()))
    }

    /// The 36 characters.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no frame. Nothing of the text is shown but its type: the rest may be a capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// `channelID` of a register is no UUID in lower case with dashes.
    ChannelId,
    /// No JSON.
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A member is missing or of another kind.
    Member {
        /// Its name.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// JSON, but no object.
    NotAnObject,
    /// A type that is not known.
    Type {
        /// Its first characters, escaped.
        seen: String,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChannelId => f.write_str("channelID is no UUID in lower case with dashes; make one"),
            Self::Json { line, column } => {
                write!(f, "the frame is no JSON: reading stopped at line {line}, column {column}")
            }
            Self::Member { name, expected } => write!(f, "{name} must be {expected}; see the frame's type"),
            Self::NotAnObject => f.write_str("the frame is no JSON object; send one"),
            Self::Type { seen } => {
                write!(
                    f,
                    "messageType \"{seen}\" is not known; hello, register, unregister, ack, nack, ping and \
                     broadcast_subscribe are"
                )
            }
        }
    }
}

impl std::error::Error for FrameError {}

impl Frame {
    /// Reads one text frame. The caller bounds its length, the reader its depth (127 levels).
    ///
    /// # Errors
    /// [`FrameError`]; the connection then ends with 1011 (AP-013).
    pub(crate) fn read(text: &str) -> Result<Self, FrameError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| FrameError::Json { line: error.line(), column: error.column() })?;
        let Value::Object(map) = value else { return Err(FrameError::NotAnObject) };
        if map.is_empty() {
            return Ok(Self::Ping);
        }
        let members = Members(map);
        let kind = members.text("messageType")?.to_ascii_lowercase();
        match kind.as_str() {
            "ack" => Ok(Self::Ack(updates(&members)?)),
            "broadcast_subscribe" => Ok(Self::BroadcastSubscribe),
            "hello" => Ok(Self::Hello(members.optional_text("uaid")?.and_then(UserAgentId::from_uaid))),
            "nack" => Ok(Self::Nack {
                version: members.optional_text("version")?.map(str::to_owned),
                code: members.code(HANDLER_INTERNAL)?,
            }),
            "ping" => Ok(Self::Ping),
            "register" => Ok(Self::Register {
                channel: ChannelId::read(members.text("channelID")?).ok_or(FrameError::ChannelId)?,
                key: members.optional_text("key")?.map(str::to_owned),
            }),
            "unregister" => Ok(Self::Unregister {
                channel: members.text("channelID")?.to_owned(),
                code: members.number("code")?,
            }),
            _ => Err(FrameError::Type { seen: kind.chars().take(32).flat_map(char::escape_debug).collect() }),
        }
    }
}

/// A nack that does not say why: the internal error of Firefox.
const HANDLER_INTERNAL: u16 = 303;
/// An ack that does not say how: delivered.
const DELIVERED: u16 = 100;

fn updates(members: &Members) -> Result<Vec<Update>, FrameError> {
    let wrong = FrameError::Member { name: "updates", expected: "a list of objects" };
    let Some(Value::Array(list)) = members.0.get("updates") else { return Err(wrong) };
    let mut updates = Vec::new();
    for one in list {
        let Value::Object(map) = one else { return Err(wrong) };
        // A message without a version is acknowledged without one; there is nothing to look up.
        let Some(version) = optional_text(map, "version")? else { continue };
        updates.push(Update { version: version.to_owned(), code: code(map, DELIVERED)? });
    }
    Ok(updates)
}

/// The members of a frame.
struct Members(Map<String, Value>);

impl Members {
    fn text(&self, name: &'static str) -> Result<&str, FrameError> {
        self.optional_text(name)?.ok_or(FrameError::Member { name, expected: "a text" })
    }

    fn optional_text(&self, name: &'static str) -> Result<Option<&str>, FrameError> {
        optional_text(&self.0, name)
    }

    fn number(&self, name: &'static str) -> Result<Option<u64>, FrameError> {
        number(&self.0, name)
    }

    fn code(&self, default: u16) -> Result<u16, FrameError> {
        code(&self.0, default)
    }
}

fn optional_text<'a>(map: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, FrameError> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(FrameError::Member { name, expected: "a text" }),
    }
}

fn number(map: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, FrameError> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let expected = "a whole number of 0 or more";
            value.as_u64().map(Some).ok_or(FrameError::Member { name, expected })
        }
    }
}

/// Codes have three digits; whatever is greater than 65 535 is a code that nobody knows.
fn code(map: &Map<String, Value>, default: u16) -> Result<u16, FrameError> {
    Ok(number(map, "code")?.map_or(default, |code| u16::try_from(code).unwrap_or(u16::MAX)))
}

/// Why a `key` is no application server key (AP-018).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyProblem {
    /// Not base64url.
    Base64,
    /// Not 65 octets, or not a point of the curve.
    Point,
}

impl KeyProblem {
    /// What the log says.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Base64 => "key is not base64url",
            Self::Point => "key is no uncompressed point of P-256 in 65 octets",
        }
    }
}

/// Reads a key with and without padding (AP-017).
pub(crate) fn application_server_key(text: &str) -> Result<PublicKey, KeyProblem> {
    let read = base64url::decode_tolerant(text).map_err(|_| KeyProblem::Base64)?;
    PublicKey::from_octets(&read.octets).map_err(|_| KeyProblem::Point)
}

/// What the fuzzer calls: every text is read, and what was read has the form that the rest relies on.
#[cfg(any(test, feature = "__fuzz"))]
pub(crate) fn fuzz(text: &str) {
    match Frame::read(text) {
        Ok(Frame::Register { channel, key }) => {
            assert_eq!(channel.as_str().len(), 36);
            if let Some(Ok(key)) = key.as_deref().map(application_server_key) {
                assert_eq!(key.as_octets().first(), Some(&4));
            }
        }
        Ok(Frame::Hello(Some(agent))) => {
            assert_eq!(UserAgentId::from_uaid(&agent.uaid()), Some(agent));
        }
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests;
