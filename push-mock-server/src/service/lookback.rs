//! `Lookback`: what a space remembers of earlier requests, so that inspection can compare with it.
//!
//! Everything is bounded; the oldest is forgotten first. Nothing of an invalid VAPID token is kept (PS-107).

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use push_crypto::{PublicKey, Timestamp};

use super::{finding::Inspected, inspect::KnownToken};
use crate::ids::SubscriptionId;

/// Sender keys, salts and resources that are remembered in a space (our choice).
const REMEMBERED: usize = 10_000;
/// Tokens that are kept taken apart: a sender has one per origin and half a day, and each takes about 2 KiB (our
/// choice).
const READ: usize = 256;
/// Plaintexts that are remembered of a subscription; they matter for ten seconds only (our choice).
const PLAINTEXTS: usize = 32;

/// What one space remembers.
#[derive(Debug)]
pub(crate) struct Lookback {
    senders: Bounded<u128, ()>,
    salts: Bounded<(u128, [u8; 16]), ()>,
    tokens: Bounded<[u8; 32], Token>,
    /// Verified ones by the whole text of their field, taken apart.
    read: Bounded<Box<str>, Arc<KnownToken>>,
    /// Tokens by key, in the order in which they were first seen.
    by_key: HashMap<Box<str>, VecDeque<(Timestamp, [u8; 32])>>,
    subscriptions: HashMap<SubscriptionId, Remembered>,
    gone: Bounded<u64, usize>,
    hasher: RandomState,
}

/// A VAPID token whose signature is valid.
#[derive(Debug)]
struct Token {
    key: Box<str>,
    audience: Box<str>,
    /// Origin of the first request that was accepted with it.
    accepted_for: Option<Box<str>>,
}

#[derive(Debug, Default)]
struct Remembered {
    payloads_are_signed: bool,
    plaintexts: VecDeque<([u8; 32], Timestamp)>,
}

/// What became of a request, for later ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted<'a> {
    pub(crate) at: Timestamp,
    pub(crate) inspected: &'a Inspected,
    /// Origin of the request.
    pub(crate) origin: Option<&'a push_crypto::Origin>,
    pub(crate) has_body: bool,
}

impl Lookback {
    pub(crate) fn new(tokens: usize) -> Self {
        Self {
            senders: Bounded::new(REMEMBERED),
            salts: Bounded::new(REMEMBERED),
            tokens: Bounded::new(tokens),
            read: Bounded::new(tokens.min(READ)),
            by_key: HashMap::new(),
            subscriptions: HashMap::new(),
            gone: Bounded::new(REMEMBERED),
            hasher: RandomState::new(),
        }
    }

    /// Remembers a message that was accepted.
    pub(crate) fn accepted(&mut self, of: SubscriptionId, noted: Noted<'_>) {
        let traces = &noted.inspected.traces;
        if let Some(key) = &traces.sender_key {
            let sender = short(key);
            self.senders.insert(sender, ());
            if let Some(salt) = traces.salt {
                self.salts.insert((sender, salt), ());
            }
        }
        let signed = self.verified(noted, true);
        let plaintext = traces.plaintext.filter(|_| noted.inspected.topic.is_none());
        if !(signed && noted.has_body) && plaintext.is_none() {
            return;
        }
        let remembered = self.subscriptions.entry(of).or_default();
        remembered.payloads_are_signed |= signed && noted.has_body;
        if let Some(digest) = plaintext {
            if remembered.plaintexts.len() >= PLAINTEXTS {
                remembered.plaintexts.pop_front();
            }
            remembered.plaintexts.push_back((digest, noted.at));
        }
    }

    /// Remembers a request that was refused; only the signature of its token is of use.
    pub(crate) fn refused(&mut self, noted: Noted<'_>) {
        self.verified(noted, false);
    }

    /// Remembers a request that was answered 404 or 410.
    pub(crate) fn answered_gone(&mut self, resource: &str) {
        let key = self.hasher.hash_one(resource);
        let times = self.gone.get(&key).copied().unwrap_or_default();
        self.gone.insert(key, times.saturating_add(1));
    }

    /// Remembers a token with a valid signature; false when there is none.
    fn verified(&mut self, noted: Noted<'_>, accepted: bool) -> bool {
        let Some(vapid) = noted.inspected.vapid.as_ref().filter(|vapid| vapid.signature == "valid") else {
            return false;
        };
        let Some(digest) = noted.inspected.traces.token else { return false };
        let origin = || noted.origin.filter(|_| accepted).map(|origin| origin.to_string().into());
        if let Some(known) = self.tokens.get_mut(&digest) {
            if known.accepted_for.is_none() {
                known.accepted_for = origin();
            }
            return true;
        }
        let key: Box<str> = vapid.key.as_deref().unwrap_or_default().into();
        self.by_key.entry(key.clone()).or_default().push_back((noted.at, digest));
        let audience = vapid.aud.as_deref().unwrap_or_default().into();
        let token = Token { key, audience, accepted_for: origin() };
        if let Some(oldest) = self.tokens.insert(digest, token)
            && let Some(of_key) = self.by_key.get_mut(&oldest.key)
        {
            // The oldest of all is the oldest of its key.
            of_key.pop_front();
            if of_key.is_empty() {
                self.by_key.remove(&oldest.key);
            }
        }
        true
    }

    pub(crate) fn sender_key_seen(&self, key: &PublicKey) -> bool {
        self.senders.get(&short(key)).is_some()
    }

    pub(crate) fn salt_seen(&self, key: &PublicKey, salt: &[u8; 16]) -> bool {
        self.salts.get(&(short(key), *salt)).is_some()
    }

    pub(crate) fn token_verified(&self, digest: &[u8; 32]) -> bool {
        self.tokens.get(digest).is_some()
    }

    pub(crate) fn known_token(&self, authorization: &str) -> Option<Arc<KnownToken>> {
        self.read.get(authorization).map(Arc::clone)
    }

    pub(crate) fn keep_token(&mut self, authorization: &str, token: Arc<KnownToken>) {
        self.read.insert(authorization.into(), token);
    }

    pub(crate) fn token_used_for(&self, digest: &[u8; 32]) -> Option<String> {
        self.tokens.get(digest)?.accepted_for.as_deref().map(Into::into)
    }

    pub(crate) fn token_renewed(
        &self,
        key: &PublicKey,
        audience: &str,
        digest: &[u8; 32],
        since: Timestamp,
    ) -> bool {
        self.tokens.get(digest).is_none()
            && self
                .recent(key, since)
                .rev()
                .filter_map(|digest| self.tokens.get(digest))
                .any(|token| *token.audience == *audience)
    }

    pub(crate) fn fresh_tokens(&self, key: &PublicKey, since: Timestamp) -> usize {
        self.recent(key, since).len()
    }

    pub(crate) fn payloads_are_signed(&self, of: SubscriptionId) -> bool {
        self.subscriptions.get(&of).is_some_and(|remembered| remembered.payloads_are_signed)
    }

    pub(crate) fn plaintext_seen(&self, of: SubscriptionId, digest: &[u8; 32], since: Timestamp) -> bool {
        self.subscriptions
            .get(&of)
            .is_some_and(|seen| seen.plaintexts.iter().any(|(other, at)| other == digest && *at >= since))
    }

    pub(crate) fn refused_as_gone(&self, resource: &str) -> usize {
        self.gone.get(&self.hasher.hash_one(resource)).copied().unwrap_or_default()
    }

    pub(crate) fn forget(&mut self, of: SubscriptionId) {
        self.subscriptions.remove(&of);
    }

    /// The tokens of a key that were first seen since then, oldest first. They are asked for with every message, and a
    /// sender may make a token for each, so their number costs its logarithm.
    fn recent(
        &self,
        key: &PublicKey,
        since: Timestamp,
    ) -> impl DoubleEndedIterator<Item = &[u8; 32]> + ExactSizeIterator {
        static NONE: VecDeque<(Timestamp, [u8; 32])> = VecDeque::new();
        let of_key = self.by_key.get(&*key.to_base64url()).unwrap_or(&NONE);
        of_key.range(of_key.partition_point(|(at, _)| *at < since)..).map(|(_, digest)| digest)
    }
}

/// Half of the X coordinate. Points of honest senders are random, so that two of them agree in it by chance alone.
fn short(key: &PublicKey) -> u128 {
    let octets = key.as_octets().get(1..17).and_then(|half| half.try_into().ok());
    u128::from_be_bytes(octets.unwrap_or_default())
}

/// A map that forgets what was put in first.
#[derive(Debug)]
struct Bounded<K, V> {
    map: HashMap<K, V>,
    order: VecDeque<K>,
    capacity: usize,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    fn new(capacity: usize) -> Self {
        Self { map: HashMap::new(), order: VecDeque::new(), capacity }
    }

    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.map.get(key)
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.map.get_mut(key)
    }

    /// Returns what was forgotten for it.
    fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.map.insert(key.clone(), value).is_some() {
            return None;
        }
        self.order.push_back(key);
        if self.order.len() <= self.capacity {
            return None;
        }
        self.order.pop_front().and_then(|oldest| self.map.remove(&oldest))
    }
}

#[cfg(test)]
mod tests {
    use push_crypto::{UserAgentKeys, provider::aws_lc_rs};

    use super::*;
    use crate::service::{
        finding::{Payload, Traces, VapidView},
        inspect::{self, NoRecall, Target},
        request::{DeliveryRequest, RequestBody, Via},
    };

    fn key() -> PublicKey {
        *UserAgentKeys::generate(&aws_lc_rs::PROVIDER).unwrap().public()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn inspected(traces: Traces, vapid: Option<VapidView>) -> Inspected {
        let request = DeliveryRequest {
            method: "POST".into(),
            via: Via::Http,
            http_version: "1.1",
            url: String::new(),
            origin: None,
            headers: Vec::new(),
            streamed: false,
            body: RequestBody::Whole(bytes::Bytes::new()),
            at: at(0),
        };
        let settings = inspect::Settings::default();
        let inspected = inspect::inspect(&settings, &request, &Target::Unknown, at(0), at(0), &NoRecall);
        Inspected { traces, vapid, payload: Payload::Empty, ..inspected }
    }

    fn signed(key: &PublicKey, token: u8, signature: &'static str) -> Inspected {
        let vapid = VapidView {
            aud: Some("https://a.example".into()),
            key: Some(key.to_base64url()),
            signature,
            ..VapidView::default()
        };
        inspected(Traces { token: Some([token; 32]), ..Traces::default() }, Some(vapid))
    }

    fn noted(inspected: &Inspected, seconds: u64) -> Noted<'_> {
        Noted { at: at(seconds), inspected, origin: None, has_body: true }
    }

    #[test]
    fn the_cache_forgets_the_oldest_at_its_capacity() {
        let mut bounded = Bounded::new(2);

        assert_eq!(bounded.insert(1, "a"), None);
        assert_eq!(bounded.insert(2, "b"), None);
        assert_eq!(bounded.insert(2, "c"), None);
        assert_eq!(bounded.insert(3, "d"), Some("a"));
        assert_eq!((bounded.get(&1), bounded.get(&2), bounded.get(&3)), (None, Some(&"c"), Some(&"d")));
    }

    /// PS-107: only valid tokens are remembered, and `vapid_cache` bounds them.
    #[test]
    fn valid_tokens_are_remembered_up_to_the_limit() {
        let mut lookback = Lookback::new(2);
        let key = key();

        lookback.refused(noted(&signed(&key, 9, "invalid"), 1));
        assert!(!lookback.token_verified(&[9; 32]));
        for token in 1..=3 {
            lookback.refused(noted(&signed(&key, token, "valid"), u64::from(token)));
        }

        let known = |token: u8| lookback.token_verified(&[token; 32]);
        assert_eq!((known(1), known(2), known(3)), (false, true, true));
        assert_eq!(lookback.fresh_tokens(&key, at(0)), 2);
        assert_eq!(lookback.fresh_tokens(&key, at(3)), 1);
    }

    #[test]
    fn a_renewed_token_is_one_of_the_same_key_and_audience() {
        let mut lookback = Lookback::new(9);
        let (ours, other) = (key(), key());
        lookback.refused(noted(&signed(&ours, 1, "valid"), 100));
        let renewed = |key, audience: &str, token: u8, since| {
            lookback.token_renewed(key, audience, &[token; 32], at(since))
        };

        assert!(renewed(&ours, "https://a.example", 2, 100));
        assert!(!renewed(&ours, "https://a.example", 1, 100), "the same token");
        assert!(!renewed(&ours, "https://a.example", 2, 101), "too long ago");
        assert!(!renewed(&ours, "https://b.example", 2, 100));
        assert!(!renewed(&other, "https://a.example", 2, 100));
    }

    /// A sender that makes a token for each message is counted without looking at each.
    #[test]
    fn fresh_tokens_are_counted_from_a_time_on() {
        let mut lookback = Lookback::new(9);
        let (ours, other) = (key(), key());
        for (token, seconds) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
            lookback.refused(noted(&signed(&ours, token, "valid"), seconds));
        }
        let check = |key, since, expected| {
            assert_eq!(lookback.fresh_tokens(key, at(since)), expected, "since {since}");
        };

        check(&ours, 0, 4);
        check(&ours, 10, 4);
        check(&ours, 11, 3);
        check(&ours, 20, 3);
        check(&ours, 21, 1);
        check(&ours, 31, 0);
        check(&other, 0, 0);
    }

    #[test]
    fn sender_keys_salts_and_plaintexts_are_recognised() {
        let mut lookback = Lookback::new(9);
        let (sender, other) = (key(), key());
        let traces = Traces {
            sender_key: Some(sender),
            salt: Some([1; 16]),
            plaintext: Some([2; 32]),
            ..Traces::default()
        };
        lookback.accepted(SubscriptionId(1), noted(&inspected(traces, None), 100));

        assert!(lookback.sender_key_seen(&sender) && !lookback.sender_key_seen(&other));
        assert!(lookback.salt_seen(&sender, &[1; 16]) && !lookback.salt_seen(&sender, &[2; 16]));
        assert!(lookback.plaintext_seen(SubscriptionId(1), &[2; 32], at(100)));
        assert!(!lookback.plaintext_seen(SubscriptionId(1), &[2; 32], at(101)));
        assert!(!lookback.plaintext_seen(SubscriptionId(2), &[2; 32], at(100)));
        assert!(!lookback.payloads_are_signed(SubscriptionId(1)));
    }

    #[test]
    fn requests_to_gone_resources_are_counted() {
        let mut lookback = Lookback::new(9);
        lookback.answered_gone("a");
        lookback.answered_gone("a");

        assert_eq!((lookback.refused_as_gone("a"), lookback.refused_as_gone("b")), (2, 0));
    }
}
