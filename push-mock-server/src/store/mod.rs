//! What outlives a request: subscriptions and the messages that wait for them.
//!
//! `Store` is a set of atomic operations; `now` is always an argument, and nothing below reads a clock. Rules about
//! user agents, answers and findings live in `service`.
//!
//! # Laws
//! Each is a test of `store::conformance`.
//!
//! 1. Every operation happens as a whole or not at all.
//! 2. No operation shows a message or subscription whose deadline is at or before `now`, whether or not
//!    `Store::expire` has run.
//! 3. What was accepted stays until it is acknowledged, withdrawn, replaced, expired, or dropped by name.
//! 4. `Store::accept` replaces the message of the same subscription and topic and gives the new one the next
//!    sequence number in one step; sequence numbers of a user agent only grow; a message of TTL 0 replaces but is not
//!    kept.
//! 5. `Store::accept` on a missing subscription changes nothing and says so; on a full queue it refuses the newest
//!    or drops the oldest which is not held, as it is told, and names what it dropped.
//! 6. `Store::queue` returns messages after the cursor in order, at or above the urgency, within both limits; it
//!    changes nothing.
//! 7. `Store::register` is idempotent for the same key; `Store::acknowledge` and `Store::withdraw` are
//!    idempotent and scoped to one user agent; unknown keys are ignored.
//! 8. `Store::unregister` and `Store::drop_all` leave no message and no topic behind.
//! 9. `Store::expire` removes at most as many items of one space as it is told, earliest first, names them, and
//!    returns the next deadline.

mod any;
#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod failing;
mod memory;

use std::{fmt, sync::Arc};

pub(crate) use any::AnyStore;
use bytes::Bytes;
pub(crate) use memory::MemoryStore;
use push_crypto::{
    ContentCoding, PublicKey, SubscriptionKeys, Timestamp, Topic, Ttl, Urgency, UserAgentKeys, base64url,
};

use crate::{
    config::{QueuePolicy, Style},
    ids::{MessageId, SubscriptionId, UserAgentId},
    profile::Profile,
    service::{
        inspect::Gone,
        subscription::{AckMode, AgentKind},
    },
    space::SpaceId,
};

/// Which subscription of which user agent in which space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) space: SpaceId,
    pub(crate) agent: UserAgentId,
    pub(crate) subscription: SubscriptionId,
}

impl Address {
    pub(crate) fn owner(&self) -> AgentKey {
        AgentKey { space: self.space, agent: self.agent }
    }
}

/// Which user agent in which space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AgentKey {
    pub(crate) space: SpaceId,
    pub(crate) agent: UserAgentId,
}

/// Which message of which user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MessageKey {
    pub(crate) of: AgentKey,
    pub(crate) seq: u64,
}

/// All that is kept of a subscription.
#[derive(Clone)]
pub(crate) struct SubscriptionRecord {
    pub(crate) at: Address,
    pub(crate) label: String,
    pub(crate) profile: Profile,
    pub(crate) application_server_key: Option<PublicKey>,
    /// SHA-256 of the application server key; it is in the token too.
    pub(crate) key_digest: Option<[u8; 32]>,
    pub(crate) receiver: Receiver,
    pub(crate) codings: Vec<ContentCoding>,
    pub(crate) min_urgency: Urgency,
    pub(crate) ack: AckMode,
    pub(crate) style: Style,
    /// The token as it was handed out.
    pub(crate) token: Box<str>,
    /// Wall time.
    pub(crate) created_at: Timestamp,
    /// When it ends by itself.
    pub(crate) expires_at: Option<Timestamp>,
    /// Set when it is no longer in use; then it has no messages and accepts none.
    pub(crate) gone: Option<Gone>,
}

/// Who opens the messages of a subscription.
#[cfg_attr(not(feature = "browsers"), allow(dead_code, reason = "only browsers attach"))]
#[derive(Clone)]
pub(crate) enum Receiver {
    /// A simulated user agent: the service holds its keys.
    Simulated {
        keys: UserAgentKeys,
        /// Keys before it was rotated, newest first.
        stale: Vec<UserAgentKeys>,
    },
    /// A browser: its keys never leave it.
    Browser {
        kind: AgentKind,
        channel: Arc<Channel>,
        /// What the page told of its subscription, if it did.
        told: Option<SubscriptionKeys>,
    },
}

/// How a browser knows a subscription, and what it wants to hear with each message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Channel {
    /// autopush: `channelID`; Chromium: `X-subtype`.
    pub(crate) name: String,
    /// Chromium: `app` of the registration.
    pub(crate) app: String,
    /// Chromium: `sender` of the registration.
    pub(crate) sender: String,
}

impl SubscriptionRecord {
    /// The path of its push resource, as it is handed out.
    pub(crate) fn resource_path(&self) -> String {
        let (token, restricted) = (&self.token, self.application_server_key.is_some());
        match (self.kind(), restricted) {
            (AgentKind::Simulated, _) => format!("/p/{token}"),
            (AgentKind::Firefox, false) => format!("/wpush/v1/gAAAAA{token}"),
            (AgentKind::Firefox, true) => format!("/wpush/v2/gAAAAA{token}"),
            (AgentKind::Chromium, _) => {
                // Like the instance id in Google's; it says nothing.
                let instance = base64url::encode(&self.at.subscription.octets());
                format!("/fcm/send/{}:APA91b{token}", instance.get(..11).unwrap_or_default())
            }
        }
    }

    /// Keys of a simulated user agent.
    pub(crate) const fn keys(&self) -> Option<&UserAgentKeys> {
        match &self.receiver {
            Receiver::Simulated { keys, .. } => Some(keys),
            Receiver::Browser { .. } => None,
        }
    }

    pub(crate) fn stale_keys(&self) -> &[UserAgentKeys] {
        match &self.receiver {
            Receiver::Simulated { stale, .. } => stale,
            Receiver::Browser { .. } => &[],
        }
    }

    /// What a sender encrypts with, where it is known.
    pub(crate) fn sender_keys(&self) -> Option<SubscriptionKeys> {
        match &self.receiver {
            Receiver::Simulated { keys, .. } => Some(keys.subscription_keys()),
            Receiver::Browser { told, .. } => told.clone(),
        }
    }

    pub(crate) const fn channel(&self) -> Option<&Arc<Channel>> {
        match &self.receiver {
            Receiver::Simulated { .. } => None,
            Receiver::Browser { channel, .. } => Some(channel),
        }
    }

    pub(crate) const fn kind(&self) -> AgentKind {
        match &self.receiver {
            Receiver::Simulated { .. } => AgentKind::Simulated,
            Receiver::Browser { kind, .. } => *kind,
        }
    }

    fn shown(&self, now: Timestamp) -> bool {
        self.gone.is_some() || self.expires_at.is_none_or(|deadline| now < deadline)
    }
}

impl fmt::Debug for SubscriptionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubscriptionRecord({}, {})", self.at.subscription, self.label.escape_debug())
    }
}

/// What [`Store::register`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Registered {
    /// It is new.
    Created,
    /// It is there, with the same key.
    Same,
    /// It is there, with another key; nothing was changed.
    OtherKey,
}

/// One change of a subscription.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Label(String),
    Profile(Profile),
    MinUrgency(Urgency),
    Ack(AckMode),
    /// The page of a browser's subscription told its keys.
    Told(SubscriptionKeys),
    /// It is no longer in use; its messages are dropped in the same step.
    End(Gone),
}

/// What [`Store::update`] did.
#[derive(Clone, Debug)]
pub(crate) struct Updated {
    pub(crate) record: Arc<SubscriptionRecord>,
    pub(crate) dropped: Vec<Arc<StoredMessage>>,
}

/// What a queue may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    /// Messages of one subscription.
    pub(crate) messages: usize,
    /// Octets of one subscription.
    pub(crate) octets: usize,
    /// Octets of one user agent.
    pub(crate) agent_octets: usize,
    pub(crate) policy: QueuePolicy,
}

/// A message to be accepted.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) at: Address,
    pub(crate) id: MessageId,
    pub(crate) body: Bytes,
    pub(crate) coded: Option<Coded>,
    pub(crate) ttl: Ttl,
    pub(crate) urgency: Urgency,
    pub(crate) topic: Option<Topic>,
    pub(crate) caps: Caps,
    /// Sequence numbers that the user agent holds already, in order; they make no room for this one.
    pub(crate) held: Vec<u64>,
}

/// What is handed on with a body so that a browser can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coded {
    pub(crate) coding: ContentCoding,
    /// `Encryption`, several values joined by a comma.
    pub(crate) encryption: Option<String>,
    /// `Crypto-Key`, likewise.
    pub(crate) crypto_key: Option<String>,
}

/// A message that was accepted.
#[derive(Clone)]
pub(crate) struct StoredMessage {
    pub(crate) key: MessageKey,
    pub(crate) id: MessageId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) body: Bytes,
    /// None for a tickle, and for a body in no known coding.
    pub(crate) coded: Option<Coded>,
    pub(crate) ttl: Ttl,
    /// It may be delivered before this time only.
    pub(crate) expires_at: Timestamp,
    pub(crate) urgency: Urgency,
    pub(crate) topic: Option<Topic>,
}

impl fmt::Debug for StoredMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredMessage({}, {} octets)", self.id, self.body.len())
    }
}

/// What [`Store::accept`] did.
#[derive(Clone, Debug)]
pub(crate) enum Acceptance {
    /// The message has its sequence number; with a TTL above 0 it waits in the store.
    Accepted {
        message: Arc<StoredMessage>,
        replaced: Option<Arc<StoredMessage>>,
        /// Older messages that made room, in order.
        dropped: Vec<Arc<StoredMessage>>,
    },
    /// The queue is full; nothing was changed.
    Full(Fullness),
    /// There is no such subscription in use; nothing was changed.
    Missing,
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fullness {
    Messages(usize),
    Octets(usize),
    AgentOctets(usize),
}

/// Which waiting messages of a user agent are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueQuery {
    pub(crate) of: AgentKey,
    /// Sequence number of the last one that is not wanted.
    pub(crate) after: u64,
    pub(crate) least: Urgency,
    pub(crate) at_most: usize,
    /// Octets; the first message is returned whatever its size.
    pub(crate) octets: usize,
}

/// What [`Store::expire`] removed: messages, and subscriptions that reached their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expired {
    /// Earliest first; with each the time at which it expired is its `expires_at`.
    pub(crate) messages: Vec<Arc<StoredMessage>>,
    /// Gone now, with reason `expired`.
    pub(crate) subscriptions: Vec<Arc<SubscriptionRecord>>,
    /// Messages of those subscriptions.
    pub(crate) dropped: Vec<Arc<StoredMessage>>,
    /// The next deadline of the space.
    pub(crate) next: Option<Timestamp>,
}

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) after: Option<SubscriptionId>,
    pub(crate) at_most: usize,
}

/// Whose things are dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    Agent(AgentKey),
    Space(SpaceId),
}

/// The operations of a store; the laws are in the module's documentation.
pub(crate) trait Store: Send + Sync + 'static {
    fn register(
        &self,
        now: Timestamp,
        record: SubscriptionRecord,
    ) -> impl Future<Output = Result<Registered, StoreError>> + Send;
    fn update(
        &self,
        now: Timestamp,
        at: &Address,
        change: Change,
    ) -> impl Future<Output = Result<Option<Updated>, StoreError>> + Send;
    /// Returns the messages that waited; none when there is no such subscription.
    fn unregister(
        &self,
        now: Timestamp,
        at: &Address,
    ) -> impl Future<Output = Result<Option<Vec<Arc<StoredMessage>>>, StoreError>> + Send;
    fn find(
        &self,
        now: Timestamp,
        at: &Address,
    ) -> impl Future<Output = Result<Option<Arc<SubscriptionRecord>>, StoreError>> + Send;
    /// In order of creation.
    fn list(
        &self,
        now: Timestamp,
        space: SpaceId,
        page: Page,
    ) -> impl Future<Output = Result<Vec<Arc<SubscriptionRecord>>, StoreError>> + Send;
    fn accept(
        &self,
        now: Timestamp,
        message: NewMessage,
    ) -> impl Future<Output = Result<Acceptance, StoreError>> + Send;
    fn queue(
        &self,
        now: Timestamp,
        query: QueueQuery,
    ) -> impl Future<Output = Result<Vec<Arc<StoredMessage>>, StoreError>> + Send;
    /// Removes them; returns those that were there.
    fn acknowledge(
        &self,
        now: Timestamp,
        keys: &[MessageKey],
    ) -> impl Future<Output = Result<Vec<Arc<StoredMessage>>, StoreError>> + Send;
    /// Removes the message if it is that one.
    fn withdraw(
        &self,
        now: Timestamp,
        key: &MessageKey,
        id: MessageId,
    ) -> impl Future<Output = Result<Option<Arc<StoredMessage>>, StoreError>> + Send;
    fn expire(
        &self,
        now: Timestamp,
        space: SpaceId,
        at_most: usize,
    ) -> impl Future<Output = Result<Expired, StoreError>> + Send;
    /// Removes everything of the owner; returns the messages that waited.
    fn drop_all(
        &self,
        now: Timestamp,
        of: Owner,
    ) -> impl Future<Output = Result<Vec<Arc<StoredMessage>>, StoreError>> + Send;
}

/// Why the store could not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The store has no room for another message.
    Full {
        /// Octets that are allowed.
        limit: usize,
    },
    /// The store does not answer.
    Unavailable,
}

impl StoreError {
    /// What to do about it.
    #[must_use]
    pub const fn fix(&self) -> &'static str {
        match self {
            Self::Full { .. } => "reset spaces that are not needed, or raise store_octets",
            Self::Unavailable => "try again later",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { limit } => {
                write!(f, "the store is full: {limit} octets are allowed for all waiting messages")
            }
            Self::Unavailable => f.write_str("the store does not answer"),
        }
    }
}

impl std::error::Error for StoreError {}
