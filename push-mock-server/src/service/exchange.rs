//! `Exchange`: one recorded request with its answer, its findings and all that happened to its message.
//!
//! This is the message object of the API, the line of a run file, and what the test harness hands out; there are
//! no mirrors of it. Serialising needs a [`View`](crate::view::View), which says how much to show.

use std::{ops::Deref, sync::Arc};

use push_crypto::{ContentCoding, Timestamp, Topic, Ttl, Urgency};
use serde::{Deserialize, Serialize};

use super::{
    finding::{Finding, Payload, VapidView},
    request::Via,
};
use crate::ids::UserAgentId;

/// State of a message; final ones accept no transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Accepted; waits for its user agent.
    Queued,
    /// Handed to a connected user agent, not yet acknowledged.
    Delivered,
    /// Received.
    Acknowledged,
    /// Acknowledged, but thrown away: it could not be decrypted or not be delivered.
    Discarded,
    /// Its time ran out while queued or delivered.
    Expired,
    /// A newer message of the same topic and subscription was accepted.
    Replaced,
    /// The sender deleted the message resource in time.
    Withdrawn,
    /// Given up.
    Dropped,
    /// Never accepted.
    Refused,
}

impl State {
    /// All states, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Delivered,
        Self::Acknowledged,
        Self::Discarded,
        Self::Expired,
        Self::Replaced,
        Self::Withdrawn,
        Self::Dropped,
        Self::Refused,
    ];

    /// The name in JSON, command line and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Delivered => "delivered",
            Self::Acknowledged => "acknowledged",
            Self::Discarded => "discarded",
            Self::Expired => "expired",
            Self::Replaced => "replaced",
            Self::Withdrawn => "withdrawn",
            Self::Dropped => "dropped",
            Self::Refused => "refused",
        }
    }

    /// True for states without a way out.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Delivered)
    }
}

impl core::fmt::Display for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step in the life of a message, on both clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// `accepted`, `refused`, or the name of the state entered; also `redelivered`.
    pub event: &'static str,
    /// Simulated time.
    pub clock: Timestamp,
    /// Why, in words, where there is something to say.
    pub why: Option<String>,
    /// Id of the message that caused it.
    pub by: Option<String>,
}

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Simulated time.
    pub clock: Timestamp,
    /// The user agent.
    pub user_agent: UserAgentId,
    /// The browser's own code: 100, 101 or 102.
    pub ack_code: Option<u16>,
    /// 301 to 303, when the handler failed.
    pub nack_code: Option<u16>,
    /// Milliseconds of wall time until it was acknowledged.
    pub ms: Option<u64>,
}

/// The request as it is shown. `Debug` gives neither its URL nor its fields: both hold capabilities.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownRequest {
    /// The way in.
    pub via: Via,
    /// `1.1` or `2`.
    pub http_version: &'static str,
    /// Method.
    pub method: String,
    /// URL as received.
    pub url: String,
    /// Fields in the order received, names in lower case, tokens in full (cut when shown without secrets).
    pub headers: Vec<(String, String)>,
    /// Size of the body as received or declared.
    pub body_bytes: u64,
    /// The body; of one that was refused for its size no more than one octet over the limit, or nothing.
    pub body: bytes::Bytes,
}

impl core::fmt::Debug for ShownRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "ShownRequest({} by {:?}, {} octets)",
            self.method.escape_debug(),
            self.via,
            self.body_bytes
        )
    }
}

/// The answer that was given. `Debug` gives no fields: `location` is a capability.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ShownResponse {
    /// Status; none while a fault keeps the request unanswered.
    pub status: Option<u16>,
    /// Fields, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Milliseconds of wall time from arrival to answer.
    pub ms: u64,
}

impl core::fmt::Debug for ShownResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ShownResponse({:?} in {} ms)", self.status, self.ms)
    }
}

/// What the worker of a page told of a push. `Debug` shows sizes only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What `event.data` held; none for null.
    pub data: Option<bytes::Bytes>,
    /// Whether a notification was shown, where it is told.
    pub shown: Option<bool>,
    /// The title of that notification.
    pub title: Option<String>,
}

impl core::fmt::Debug for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Seen({:?} octets, shown: {:?})", self.data.as_ref().map(bytes::Bytes::len), self.shown)
    }
}

/// What is known of a request when it is answered, and never changes: all states of an exchange share it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// `msg_` and 26 characters, sortable by time.
    pub id: String,
    /// Space.
    pub space: String,
    /// `sub_…`, when the request named a known subscription.
    pub subscription: Option<String>,
    /// Label of the subscription.
    pub to: Option<String>,
    /// Wall time of arrival.
    pub at: Timestamp,
    /// Simulated time of arrival.
    pub clock: Timestamp,
    /// Simulated time of expiry; none when refused.
    pub expires_at: Option<Timestamp>,
    /// TTL granted.
    pub ttl: Option<Ttl>,
    /// TTL asked for.
    pub ttl_requested: Option<Ttl>,
    /// Topic.
    pub topic: Option<Topic>,
    /// Urgency.
    pub urgency: Urgency,
    /// Coding named by the request; none for a tickle or an unknown coding.
    pub coding: Option<ContentCoding>,
    /// The request.
    pub request: ShownRequest,
    /// The answer.
    pub response: ShownResponse,
    /// The payload.
    pub payload: Payload,
    /// VAPID.
    pub vapid: Option<VapidView>,
}

/// One recorded request and everything that came of it. What never changes is read through it: `exchange.id` is that
/// of its [`Arrival`].
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What never changes; shared with earlier states, which events keep.
    pub arrival: Arc<Arrival>,
    /// Position in its space, from 1.
    pub seq: u64,
    /// State now.
    pub state: State,
    /// Why the state is what it is: `offline`, `urgency`, `topic`, `ttl-0`, …; a finding's code when refused.
    pub reason: Option<&'static str>,
    /// Id of the message that replaced this one.
    pub replaced_by: Option<String>,
    /// Findings, also those that came with delivery.
    pub findings: Vec<Finding>,
    /// What happened, in order.
    pub timeline: Vec<Step>,
    /// Attempts to deliver.
    pub deliveries: Vec<DeliveryAttempt>,
    /// What the worker of a browser told of it.
    pub seen: Option<Seen>,
}

impl Deref for Exchange {
    type Target = Arrival;
    fn deref(&self) -> &Arrival {
        &self.arrival
    }
}

/// Tests make exchanges of all kinds.
#[cfg(test)]
impl std::ops::DerefMut for Exchange {
    fn deref_mut(&mut self) -> &mut Arrival {
        Arc::make_mut(&mut self.arrival)
    }
}
