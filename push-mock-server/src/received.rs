//! What arrived, as a test sees it: `ReceivedMessage` with its payload and its findings.

use core::fmt;
use std::sync::Arc;

use push_crypto::{ContentCoding, Timestamp, Ttl, Urgency};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    matcher::level_name,
    service::{
        exchange::{Exchange, State, Step},
        finding::{Finding, Level, Payload, VapidView},
    },
    view::{View, findings_from, message_json, one_line, payload_state},
};

/// A message as it was when it was looked at; a later change of its state needs another look.
#[derive(Clone)]
pub struct ReceivedMessage {
    exchange: Arc<Exchange>,
}

impl ReceivedMessage {
    pub(crate) const fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }

    /// `msg_` and 26 characters.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.exchange.id
    }

    /// Position in its space, from 1.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.exchange.seq
    }

    /// Label of the subscription, when the request named a known one.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        self.exchange.to.as_deref()
    }

    /// State.
    #[must_use]
    pub fn state(&self) -> State {
        self.exchange.state
    }

    /// Why the state is what it is, e.g. `offline`; a finding's code when refused.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.exchange.reason
    }

    /// Status of the answer.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.exchange.response.status
    }

    /// TTL granted; none when refused.
    #[must_use]
    pub fn ttl(&self) -> Option<Ttl> {
        self.exchange.ttl
    }

    /// TTL asked for.
    #[must_use]
    pub fn ttl_requested(&self) -> Option<Ttl> {
        self.exchange.ttl_requested
    }

    /// Topic.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.exchange.topic.as_ref().map(push_crypto::Topic::as_str)
    }

    /// Urgency; `Normal` when the request named none.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        self.exchange.urgency
    }

    /// Content coding; none for a tickle.
    #[must_use]
    pub fn coding(&self) -> Option<ContentCoding> {
        self.exchange.coding
    }

    /// Wall time of arrival.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.exchange.at
    }

    /// Simulated time of arrival.
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.exchange.clock
    }

    /// The first value of a request field; the name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.exchange.request.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What the VAPID fields say.
    #[must_use]
    pub fn vapid(&self) -> Option<&VapidView> {
        self.exchange.vapid.as_ref()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> PayloadView<'_> {
        PayloadView { payload: &self.exchange.payload }
    }

    /// All findings.
    #[must_use]
    pub fn findings(&self) -> Findings<'_> {
        Findings { exchange: &self.exchange }
    }

    /// What happened, in order.
    #[must_use]
    pub fn timeline(&self) -> &[Step] {
        &self.exchange.timeline
    }

    /// Everything that was recorded.
    #[must_use]
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// The message object of the API, secrets cut.
    #[must_use]
    pub fn to_json(&self, base_url: &str) -> Value {
        message_json(&self.exchange, &View::new(base_url))
    }
}

/// Id, addressee, state and sizes; never the payload.
impl fmt::Debug for ReceivedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedMessage")
            .field("id", &self.exchange.id)
            .field("to", &self.exchange.to)
            .field("state", &self.exchange.state)
            .field("body_bytes", &self.exchange.request.body_bytes)
            .finish_non_exhaustive()
    }
}

/// The payload as the user agent gets it.
#[derive(Clone, Copy)]
pub struct PayloadView<'a> {
    payload: &'a Payload,
}

impl<'a> PayloadView<'a> {
    /// `decrypted`, `empty`, `undecryptable`, `opaque` or `unencrypted`.
    #[must_use]
    pub const fn state(self) -> &'static str {
        payload_state(self.payload)
    }

    /// True for a tickle; an encrypted empty text is something else.
    #[must_use]
    pub fn is_empty(self) -> bool {
        *self.payload == Payload::Empty
    }

    /// The plaintext.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Closed`] when there is none.
    pub fn octets(self) -> Result<&'a [u8], PayloadError> {
        match self.payload {
            Payload::Decrypted(opened) => Ok(&opened.plaintext),
            other => Err(PayloadError::Closed { state: payload_state(other) }),
        }
    }

    /// The plaintext as text.
    ///
    /// # Errors
    ///
    /// [`PayloadError::NotText`] when it is not UTF-8; [`PayloadError::Closed`] when there is none.
    pub fn text(self) -> Result<&'a str, PayloadError> {
        let octets = self.octets()?;
        std::str::from_utf8(octets).map_err(|error| PayloadError::NotText { at: error.valid_up_to() })
    }

    /// The plaintext, read as JSON into a type of the test.
    ///
    /// # Errors
    ///
    /// [`PayloadError::NotJson`] when it is no JSON or of another shape; [`PayloadError::Closed`] when there is
    /// none.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, PayloadError> {
        serde_json::from_slice(self.octets()?).map_err(|error| PayloadError::NotJson {
            line: error.line(),
            column: error.column(),
            shape: error.is_data(),
        })
    }
}

/// State and size only.
impl fmt::Debug for PayloadView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadView({}", self.state())?;
        match self.octets() {
            Ok(octets) => write!(f, ", {} octets)", octets.len()),
            Err(_) => f.write_str(")"),
        }
    }
}

/// A payload that cannot be read in the way that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadError {
    /// There is no plaintext.
    Closed {
        /// `empty`, `undecryptable`, `opaque` or `unencrypted`.
        state: &'static str,
    },
    /// Not JSON, or JSON of another shape.
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// True when it is JSON, but not what the type needs.
        shape: bool,
    },
    /// Not UTF-8.
    NotText {
        /// Offset of the first octet that is wrong.
        at: usize,
    },
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { state: "empty" } => f.write_str(
                "the message has no payload (a tickle); expect one with .empty(), or send a payload",
            ),
            Self::Closed { state } => {
                write!(f, "the payload is {state}, so there is no plaintext; see the findings of the message")
            }
            Self::NotJson { line, column, shape: true } => {
                write!(f, "the payload is JSON of another shape than the type (line {line}, column {column})")
            }
            Self::NotJson { line, column, shape: false } => {
                write!(
                    f,
                    "the payload is not JSON (line {line}, column {column}); read it with text() or octets()"
                )
            }
            Self::NotText { at } => {
                write!(f, "the payload is not UTF-8 at octet {at}; read it with octets()")
            }
        }
    }
}

impl core::error::Error for PayloadError {}

/// The findings of one message.
#[derive(Clone, Copy)]
pub struct Findings<'a> {
    exchange: &'a Exchange,
}

impl<'a> Findings<'a> {
    /// All of them, errors first.
    pub fn iter(self) -> impl Iterator<Item = &'a Finding> {
        self.exchange.findings.iter()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.exchange.findings.is_empty()
    }

    /// The finding with that code.
    #[must_use]
    pub fn find(self, code: &str) -> Option<&'a Finding> {
        self.exchange.findings.iter().find(|finding| finding.code == code)
    }

    /// The codes, in order.
    #[must_use]
    pub fn codes(self) -> Vec<&'static str> {
        self.exchange.findings.iter().map(|finding| finding.code).collect()
    }

    /// # Panics
    ///
    /// When there is a finding of that level or a worse one; the text names each with its fix. Never while the
    /// thread is panicking already.
    #[track_caller]
    pub fn assert_none(self, level: Level) {
        if let Some(text) = self.complaint(level) {
            if std::thread::panicking() {
                tracing::error!("a message has findings while its test is failing already");
                return;
            }
            #[expect(clippy::panic, reason = "this is an assertion of the test harness")]
            {
                panic!("{text}");
            }
        }
    }

    /// What [`Self::assert_none`] panics with.
    fn complaint(self, level: Level) -> Option<String> {
        let found: Vec<&Finding> = findings_from(self.exchange, level).collect();
        if found.is_empty() {
            return None;
        }
        let mut text = format!(
            "expected no finding of level {} or worse: {}",
            level_name(level),
            one_line(self.exchange)
        );
        for finding in found {
            let Finding { code, place, seen, expected, fix, .. } = finding;
            let level = level_name(finding.level);
            text.push_str(&format!(
                "\n    {level}  {code}  at {place}: {seen}, expected {expected}\n      do  {fix}"
            ));
        }
        Some(text)
    }
}

impl fmt::Debug for Findings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.codes()).finish()
    }
}

#[cfg(test)]
mod tests;
