//! `Finding`: one thing that the service noticed about a request, and `Inspected`, everything it read out of it.

use push_crypto::{ContentCoding, Timestamp, Topic, Ttl, Urgency};
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Works here, fails at some vendor or is about to fail.
    Warning,
    /// No receiver can use the message, or it is refused.
    Error,
}

/// What a vendor's service or a browser does with such a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VendorAnswer {
    /// `mozilla`, `fcm`, `apple`, `wns`, `firefox`, `chromium`.
    pub profile: &'static str,
    /// Status, where it is a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What it answers or does, in words or the exact body.
    pub body: &'static str,
    /// `documented`, `observed`, `source`, `run`, `assumed`.
    pub evidence: &'static str,
    /// Line of the vendors' tables, e.g. `apple/7`; empty where there is none.
    pub line: &'static str,
}

/// One observed departure from a specification or from a vendor's habit.
///
/// Code, place, seen and expected are of this request; all else comes from its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable code, e.g. `vapid/aud-mismatch`.
    pub code: &'static str,
    /// Level.
    pub level: Level,
    /// `method`, `path`, `header:NAME[#part]`, `body[@offset]`, `subscription.MEMBER`, `payload/POINTER`, `delivery`.
    pub place: String,
    /// What was there.
    pub seen: String,
    /// What should be there.
    pub expected: String,
    /// Why it is wrong.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Who would refuse it.
    pub vendors: &'static [VendorAnswer],
    /// Sections, e.g. `RFC 8292 §2.1`.
    pub spec: &'static [&'static str],
    /// Row of the conformance list, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<&'static str>,
    /// Path of the help page.
    pub help: String,
    /// The status that this finding means under profile `rfc`; none: the request is accepted all the same.
    #[serde(skip)]
    pub refuses: Option<u16>,
}

/// What is known of the payload (`payload.state` of the message object).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// No body: a tickle.
    Empty,
    /// The service opened it.
    Decrypted(Opened),
    /// The service has the keys, and they do not open it.
    Undecryptable,
    /// The user agent holds the keys.
    Opaque,
    /// The body is not encrypted.
    Unencrypted,
}

/// An opened payload and how it was packed.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The plaintext.
    pub plaintext: bytes::Bytes,
    /// Octets of padding.
    pub padding: usize,
    /// Number of records.
    pub records: usize,
    /// Record size as sent.
    pub rs: u64,
}

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Opened({} octets)", self.plaintext.len())
    }
}

/// What the VAPID fields say (`vapid` of the message object).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VapidView {
    /// `vapid`, `webpush` or `bearer`.
    pub scheme: &'static str,
    /// `aud` as text; a list is joined with blanks.
    pub aud: Option<String>,
    /// `sub`.
    pub sub: Option<String>,
    /// `exp`, milliseconds since 1970; serialised as a time by the API.
    #[serde(skip)]
    pub exp: Option<Timestamp>,
    /// The key as base64url.
    pub key: Option<String>,
    /// `valid`, `invalid` or `unchecked`.
    pub signature: &'static str,
    /// `match`, `mismatch` or `unbound`.
    pub bound_key: &'static str,
}

/// Everything that inspection read out of one request; findings are all of them, never only the first.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// TTL as asked for; none when missing or malformed.
    pub ttl_requested: Option<Ttl>,
    /// TTL as granted.
    pub ttl: Option<Ttl>,
    /// Topic.
    pub topic: Option<Topic>,
    /// Urgency; `Normal` when absent.
    pub urgency: Urgency,
    /// Coding as named by the request, when there is a body.
    pub coding: Option<ContentCoding>,
    /// Payload.
    pub payload: Payload,
    /// VAPID, when the request carries an `Authorization` that could be split.
    pub vapid: Option<VapidView>,
    /// `Prefer: respond-async`.
    pub receipt_asked: bool,
    /// What later messages are compared with: see `inspect::Traces`.
    pub traces: Traces,
    /// All findings, errors first, then in the order of the request's parts.
    pub findings: Vec<Finding>,
}

/// Digests and keys of this request that later inspections look back at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Sender key of the encryption, 65 octets.
    pub sender_key: Option<push_crypto::PublicKey>,
    /// Salt.
    pub salt: Option<[u8; 16]>,
    /// SHA-256 of the VAPID token, a zero octet, and the 65 octets of the key it came with: what the cache of
    /// signature checks is keyed by, so that a token verified with one key never passes for another.
    pub token: Option<[u8; 32]>,
    /// SHA-256 of the plaintext.
    pub plaintext: Option<[u8; 32]>,
}

impl Inspected {
    /// The finding that decides the answer: the first one which refuses.
    #[must_use]
    pub fn refusal(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.refuses.is_some())
    }
}
