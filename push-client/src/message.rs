//! `PushMessage`: what is sent, to one subscription or to many. Cloning is cheap, the payload is shared.

use std::fmt;

use bytes::Bytes;
use push_crypto::{
    ContentCoding, Padding, Schedule, SubscriptionKeys, Timestamp, Topic, Ttl, Urgency,
    vapid::{AuthorizationScheme, VapidPublicKey},
};
use serde::Serialize;

use crate::{error::MessageError, outcome::Invalid};

/// A push message.
///
/// The TTL is an argument of every constructor, because a message without one is refused everywhere
/// (RFC 8030 §5.2, AS-008).
///
/// ```
/// use push_client::{PushMessage, Topic, Ttl, Urgency};
/// let message = PushMessage::text(Ttl::seconds(3600), "2 : 1")
///     .topic("scores".parse()?)
///     .urgency(Urgency::High);
/// assert_eq!(format!("{message:?}"), "PushMessage { ttl: 3600, octets: Some(5), topic: true }");
/// # Ok::<(), push_crypto::TopicError>(())
/// ```
#[derive(Clone)]
pub struct PushMessage {
    pub(crate) ttl: Ttl,
    pub(crate) deadline: Option<Timestamp>,
    /// `None` is a tickle, which an empty text is not.
    pub(crate) payload: Option<Bytes>,
    pub(crate) topic: Option<Topic>,
    pub(crate) urgency: Option<Urgency>,
    coding: Coding,
    pub(crate) padding: Padding,
    pub(crate) plaintext_limit: Option<usize>,
    pub(crate) receipt: bool,
    pub(crate) method: DeliveryMethod,
    scheme: Option<AuthorizationScheme>,
    pub(crate) key: Option<VapidPublicKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Of(ContentCoding),
    Exactly(Schedule),
}

/// The method of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryMethod {
    /// `POST`, the standard's (RFC 8030 §5).
    #[default]
    Post,
    /// `PUT`, as senders of 2015 and 2016 used it.
    Put,
}

impl PushMessage {
    fn new(ttl: Ttl, payload: Option<Bytes>) -> Self {
        Self {
            ttl,
            deadline: None,
            payload,
            topic: None,
            urgency: None,
            coding: Coding::Of(ContentCoding::Aes128gcm),
            padding: Padding::None,
            plaintext_limit: None,
            receipt: false,
            method: DeliveryMethod::Post,
            scheme: None,
            key: None,
        }
    }

    /// A message without a body: it wakes the worker, which fetches what it needs.
    ///
    /// For data over the limit, or fresher than the push. An empty text is a different thing.
    #[must_use]
    pub fn tickle(ttl: Ttl) -> Self {
        Self::new(ttl, None)
    }

    /// A text.
    #[must_use]
    pub fn text(ttl: Ttl, text: impl Into<String>) -> Self {
        Self::new(ttl, Some(text.into().into()))
    }

    /// Octets of any kind.
    #[must_use]
    pub fn bytes(ttl: Ttl, octets: impl Into<Bytes>) -> Self {
        Self::new(ttl, Some(octets.into()))
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// [`MessageError`] when the value cannot be written as JSON.
    pub fn json(ttl: Ttl, value: &impl Serialize) -> Result<Self, MessageError> {
        let octets = serde_json::to_vec(value).map_err(|_| MessageError)?;
        Ok(Self::new(ttl, Some(octets.into())))
    }

    /// Another TTL than that of the constructor, as when the same message goes to several.
    #[must_use]
    pub const fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// While undelivered, a later message with the same topic replaces this one (RFC 8030 §5.4).
    #[must_use]
    pub fn topic(mut self, topic: Topic) -> Self {
        self.topic = Some(topic);
        self
    }

    /// How soon it matters; without, the push service takes it as normal (RFC 8030 §5.3).
    #[must_use]
    pub const fn urgency(mut self, urgency: Urgency) -> Self {
        self.urgency = Some(urgency);
        self
    }

    /// An instant after which it is worthless: the TTL sent is at most what is left until then (AS-009).
    #[must_use]
    pub const fn deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Another coding than aes128gcm.
    ///
    /// `aesgcm` and `aesgcm128` need the feature `legacy`; aesgcm128 is "bare" for subscriptions without a secret.
    #[must_use]
    pub const fn coding(mut self, coding: ContentCoding) -> Self {
        self.coding = Coding::Of(coding);
        self
    }

    /// Another coding, with exactly this key schedule.
    #[must_use]
    pub const fn schedule(mut self, schedule: Schedule) -> Self {
        self.coding = Coding::Exactly(schedule);
        self
    }

    /// Padding, which hides the length of the payload (RFC 8291 §7).
    #[must_use]
    pub const fn padding(mut self, padding: Padding) -> Self {
        self.padding = padding;
        self
    }

    /// More octets of plaintext than the client's limit, for push services that take larger bodies.
    #[must_use]
    pub const fn plaintext_limit(mut self, octets: usize) -> Self {
        self.plaintext_limit = Some(octets);
        self
    }

    /// Asks for a delivery receipt (RFC 8030 §5.1); no large push service offers them.
    #[must_use]
    pub const fn receipt(mut self) -> Self {
        self.receipt = true;
        self
    }

    /// `PUT` instead of `POST`, as in 2016.
    #[must_use]
    pub const fn method(mut self, method: DeliveryMethod) -> Self {
        self.method = method;
        self
    }

    /// How the VAPID token is written; without, `WebPush` for the older codings and `vapid` for all else.
    #[must_use]
    pub const fn authorization_scheme(mut self, scheme: AuthorizationScheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// Signs with the client's VAPID key of this public half: the one the subscription was restricted to
    /// (RFC 8292 §4). Without, the client's first key signs.
    #[must_use]
    pub const fn application_server_key(mut self, key: VapidPublicKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Octets of the payload; `None` for a tickle.
    #[must_use]
    pub fn payload_octets(&self) -> Option<usize> {
        self.payload.as_ref().map(Bytes::len)
    }

    /// The key schedule for a subscription with these keys.
    pub(crate) fn schedule_for(&self, keys: &SubscriptionKeys) -> Result<Schedule, Invalid> {
        match self.coding {
            Coding::Exactly(schedule) => Ok(schedule),
            Coding::Of(coding) => Schedule::for_keys(coding, keys).map_err(|error| match error {
                push_crypto::Unsuited::NoAuth => Invalid::NoAuth,
                _ => Invalid::Unsuited,
            }),
        }
    }

    /// How the token of a message in this schedule is written; `None` for a tickle.
    pub(crate) fn scheme_for(&self, schedule: Option<Schedule>) -> AuthorizationScheme {
        self.scheme.unwrap_or(match schedule.map(Schedule::coding) {
            None | Some(ContentCoding::Aes128gcm) => AuthorizationScheme::Vapid,
            Some(ContentCoding::Aesgcm | ContentCoding::Aesgcm128) => AuthorizationScheme::WebPush,
        })
    }
}

impl fmt::Debug for PushMessage {
    /// Sizes only: the payload is secret, and a topic may say more than it should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushMessage")
            .field("ttl", &self.ttl.as_seconds())
            .field("octets", &self.payload_octets())
            .field("topic", &self.topic.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_empty_text_is_no_tickle() {
        assert_eq!(PushMessage::tickle(Ttl::ZERO).payload_octets(), None);
        assert_eq!(PushMessage::text(Ttl::ZERO, "").payload_octets(), Some(0));
    }

    #[test]
    fn json_is_written_compactly() {
        let message = PushMessage::json(Ttl::ZERO, &BTreeMap::from([("title", "Goal!")])).unwrap();

        assert_eq!(message.payload.as_deref(), Some(&br#"{"title":"Goal!"}"#[..]));
        assert_eq!(PushMessage::json(Ttl::ZERO, &BTreeMap::from([(vec![1], 1)])).err(), Some(MessageError));
    }

    #[cfg(feature = "legacy")]
    #[test]
    fn the_older_codings_go_with_the_older_scheme() {
        let message = PushMessage::text(Ttl::ZERO, "x");

        assert_eq!(message.scheme_for(None), AuthorizationScheme::Vapid);
        assert_eq!(message.scheme_for(Some(Schedule::Aes128gcm)), AuthorizationScheme::Vapid);
        assert_eq!(message.scheme_for(Some(Schedule::Aesgcm)), AuthorizationScheme::WebPush);
        let message = message.authorization_scheme(AuthorizationScheme::Vapid);
        assert_eq!(message.scheme_for(Some(Schedule::Aesgcm)), AuthorizationScheme::Vapid);
    }
}
