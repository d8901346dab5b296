//! `inspect`: everything that can be said about one request to a push resource, as findings; pure.
//!
//! Inspection never stops at the first finding and never fails; it also runs on requests to unknown resources.
//! It knows no storage and no clock: what it has to look back at it asks of [`Recall`], and both times are
//! arguments. What an answer looks like is the profile's affair.
//!
//! # Order
//! Findings come errors first, and otherwise in the order of the parts of a request. The first finding that refuses
//! decides the answer (one that refuses is always an error), so this is also the order of answers:
//!
//! | part | answers under profile `rfc` |
//! |---|---|
//! | subscription | 404 (or 410, as it was expired): an unknown resource is 404 whatever the method (P-09) |
//! | method | 405 |
//! | number and size of fields, size of the body | 431, 413 |
//! | `Prefer`, `Content-Type`, `Content-Length`, habits of the sender | – |
//! | `TTL`, `Topic`, `Urgency` | 400 |
//! | VAPID: fields, key, token, claims | 400, 401, 403 |
//! | coding, body, header block, fields of the older codings | 400 with `strict` |
//! | decryption | 400 with `strict` |
//! | payload | – |
//!
//! This is the order of the [`catalogue`], and within a part its order decides too.

mod body;
mod claims;
mod coding;
mod declarative;
mod decryption;
mod derivation;
mod fields;
mod given;
mod path;
mod payload;
mod report;
pub mod rules;
#[cfg(test)]
mod tests;
pub mod text;
mod vapid;

use core::time::Duration;
use std::sync::Arc;

pub use given::{handler_failed, not_delivered, rate_limited, redelivered, silent, undecryptable};
use push_crypto::{
    ContentCoding, Origin, PublicKey, Timestamp, Ttl, UserAgentKeys,
    provider::{self, CryptoProvider},
};
pub use rules::{Rule, Status, Strictness, catalogue, rule};
pub use vapid::KnownToken;

pub(crate) use decryption::{Opening, sealed};

use decryption::Looked;
use report::Report;

use super::{
    finding::{Inspected, Traces},
    request::DeliveryRequest,
};

/// What inspection is told about the service it works for.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Refuse what no receiver can read, `aud` without its port, and `PUT`; no tolerance for clocks.
    pub strict: bool,
    /// Refuse `PUT` (405).
    pub refuse_put: bool,
    /// The longest TTL that is granted.
    pub ttl_longest: Ttl,
    /// Most octets of a body; at least 4 096 (RFC 8030 §7.2).
    pub body_octets: usize,
    /// How far `exp` may be off, for clocks that are not quite right (P-11); ignored with `strict`.
    pub vapid_skew: Duration,
    /// Most octets of a VAPID token.
    pub vapid_token_octets: usize,
    /// Most header fields.
    pub header_fields: usize,
    /// Most octets of all header fields, names and values.
    pub header_octets: usize,
    /// The cryptography to open and to verify with.
    pub provider: CryptoProvider,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strict: false,
            refuse_put: false,
            ttl_longest: Ttl::seconds(2_592_000),
            body_octets: 4096,
            vapid_skew: Duration::from_secs(60),
            vapid_token_octets: 2048,
            header_fields: 64,
            header_octets: 16 * 1024,
            provider: provider::best(),
        }
    }
}

/// Why and how a subscription is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// In words: `expired`, `rotated`, `unsubscribed`, …
    pub reason: &'static str,
    /// What it is answered with: 404, or 410 when asked so.
    pub status: u16,
}

/// What is known of the addressed subscription.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its label.
    pub label: &'a str,
    /// The user agent's keys, where the service holds them.
    pub keys: Option<&'a UserAgentKeys>,
    /// Keys of the same subscription before it was rotated.
    pub stale_keys: &'a [UserAgentKeys],
    /// The key it is restricted to.
    pub application_server_key: Option<PublicKey>,
    /// What its user agent can open.
    pub codings: &'a [ContentCoding],
    /// Origins that `aud` may name, beside that of the request as received.
    pub origins: &'a [Origin],
    /// Set when it is no longer in use.
    pub gone: Option<Gone>,
    /// True when its user agent is connected.
    pub online: bool,
}

/// What the path of a request leads to.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A token that differs from a known one by cut, case, percent-decoding or a backslash.
    Altered,
    /// A subscription, in use or gone.
    Known(Subject<'a>),
    /// Nothing.
    Unknown,
}

/// Looking back, within the space of the request. Each method has the answer of a service without a memory.
pub trait Recall {
    /// Labels and keys of the other subscriptions whose keys are held.
    fn other_keys(&self) -> Vec<(String, UserAgentKeys)> {
        Vec::new()
    }

    /// True when an earlier message was encrypted with this sender key.
    fn sender_key_seen(&self, _key: &PublicKey) -> bool {
        false
    }

    /// True when an earlier message had this sender key and this salt.
    fn salt_seen(&self, _key: &PublicKey, _salt: &[u8; 16]) -> bool {
        false
    }

    /// The cached result of a signature check; the digest is [`Traces::token`], which covers token and key.
    fn token_verified(&self, _digest: &[u8; 32]) -> Option<bool> {
        None
    }

    /// What exactly this `Authorization` was read as before, where that was kept.
    fn known_token(&self, _authorization: &str) -> Option<Arc<KnownToken>> {
        None
    }

    /// Keeps what an `Authorization` was read as, in a list that forgets the oldest.
    fn keep_token(&self, _authorization: &str, _token: Arc<KnownToken>) {}

    /// True when this token is new here, and another one of the same key for the same audience was first seen at
    /// or after `since`.
    fn token_renewed(
        &self,
        _key: &PublicKey,
        _audience: &str,
        _digest: &[u8; 32],
        _since: Timestamp,
    ) -> bool {
        false
    }

    /// How many different tokens of this key were first seen at or after `since`, this one not counted.
    fn fresh_tokens(&self, _key: &PublicKey, _since: Timestamp) -> usize {
        0
    }

    /// The origin for which this very token was accepted earlier, if it was.
    fn token_used_for(&self, _digest: &[u8; 32]) -> Option<String> {
        None
    }

    /// True when an earlier message with a body to this subscription carried a valid token.
    fn payloads_are_signed(&self) -> bool {
        false
    }

    /// True when a message with this digest of its plaintext and without a topic was accepted for the same
    /// subscription at or after `since`.
    fn plaintext_seen(&self, _digest: &[u8; 32], _since: Timestamp) -> bool {
        false
    }

    /// How many earlier requests to this resource were answered 404 or 410.
    fn refused_as_gone(&self) -> usize {
        0
    }
}

/// A service without a memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecall;

impl Recall for NoRecall {}

/// Reads and judges one request; `now` is wall time, `vapid_now` the time that tokens are judged by.
#[must_use]
pub fn inspect(
    settings: &Settings,
    request: &DeliveryRequest,
    target: &Target<'_>,
    now: Timestamp,
    vapid_now: Timestamp,
    recall: &dyn Recall,
) -> Inspected {
    inspect_opened(settings, request, target, (now, vapid_now), recall, None)
}

/// The same with the message that [`sealed`] gave, as it was opened with the keys of the target.
pub(crate) fn inspect_opened(
    settings: &Settings,
    request: &DeliveryRequest,
    target: &Target<'_>,
    (now, vapid_now): (Timestamp, Timestamp),
    recall: &dyn Recall,
    opening: Option<Opening>,
) -> Inspected {
    let report = Report::new(settings);
    let mut case = Case { settings, request, target, now, vapid_now, recall, report, opening };
    let mut traces = Traces::default();
    case.check_target();
    case.check_method();
    case.check_sizes();
    let (ttl_requested, ttl) = case.check_ttl();
    let topic = case.check_topic();
    let urgency = case.check_urgency();
    let receipt_asked = case.check_receipt();
    case.check_form();
    let sender = case.check_vapid(&mut traces);
    let (coding, looked) = case.check_body(&mut traces);
    case.check_key_reuse(&sender, &traces);
    let payload = match looked {
        Looked::Closed(payload) => payload,
        Looked::Opened(message) => case.check_payload(coding, message, topic.as_ref(), &mut traces),
    };
    Inspected {
        ttl_requested,
        ttl,
        topic,
        urgency,
        coding,
        payload,
        vapid: sender.view,
        receipt_asked,
        traces,
        findings: case.report.finish(),
    }
}

/// One request under inspection; the parts of the inspection are its methods, one file each.
struct Case<'a> {
    settings: &'a Settings,
    request: &'a DeliveryRequest,
    target: &'a Target<'a>,
    now: Timestamp,
    vapid_now: Timestamp,
    recall: &'a dyn Recall,
    report: Report,
    /// The message, where it was opened before.
    opening: Option<Opening>,
}
