//! `Reply`: what a push request is answered with, before it becomes a response of HTTP.

use std::fmt;

use bytes::Bytes;
use push_crypto::{Timestamp, Ttl};

use super::finding::Finding;
use crate::error::ServiceError;

/// The answer to a push request, as it is recorded. `Debug` gives no fields: `location` is a capability.
#[derive(Clone)]
pub struct Reply {
    /// Id of the exchange, `msg_…`.
    pub exchange: String,
    /// Status.
    pub status: u16,
    /// All fields that belong to the answer, names in lower case: `location`, `ttl`, `link`, `retry-after`, `allow`,
    /// `www-authenticate`. Those of the body are the wire's.
    pub headers: Vec<(&'static str, String)>,
    /// What happened.
    pub outcome: Outcome,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} for {}, {:?})", self.status, self.exchange, self.outcome)
    }
}

/// What became of a push request.
#[derive(Clone)]
pub enum Outcome {
    /// The message was taken.
    Accepted {
        /// Path of the message resource, `/m/…`.
        location: String,
        /// TTL granted.
        ttl: Ttl,
    },
    /// The request was refused because of this finding.
    Refused(Box<Finding>),
    /// The service could not do its work.
    Unavailable(ServiceError),
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { ttl, .. } => write!(f, "accepted with TTL {ttl}"),
            Self::Refused(finding) => write!(f, "refused by {}: {}", finding.code, finding.seen),
            Self::Unavailable(error) => write!(f, "unavailable: {error}"),
        }
    }
}

/// A message resource as it is read.
#[derive(Clone)]
pub struct MessageView {
    /// The body as it was sent.
    pub body: Bytes,
    /// `content-type`, `content-encoding`, `encryption`, `crypto-key` and `encryption-key` as they were sent.
    pub headers: Vec<(String, String)>,
    /// When delivery was requested.
    pub last_modified: Timestamp,
    /// Path of the push resource it was sent to.
    pub push_resource: String,
}

impl fmt::Debug for MessageView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageView({} octets)", self.body.len())
    }
}

/// There is no such message, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing;
