//! The fields that carry VAPID: scheme, parameters, key, and what the key is bound to. Claims are `claims`'.

use std::sync::Arc;

use push_crypto::vapid::{
    PartialCredentials, SchemeName, UnverifiedToken, VapidPublicKey, split_authorization,
};
use sha2::{Digest, Sha256};

use super::{Case, Target, report::octets};
use crate::service::finding::{Traces, VapidView};

const HEADER: &str = "header:authorization";
const EXPECTED: &str = "vapid t=<token>, k=<public key>";
/// Different tokens of one key within a minute from which on reuse is suggested (Q37).
const MANY_TOKENS: usize = 20;

/// What became of the identification of the sender.
#[derive(Debug, Default)]
pub(super) struct Identification {
    pub(super) view: Option<VapidView>,
    key: Option<VapidPublicKey>,
}

/// An identification that was read without a remark, and whose signature is valid: of the same octets nothing but the
/// claims has to be judged again.
#[derive(Clone, Debug)]
pub struct KnownToken {
    key: VapidPublicKey,
    token: UnverifiedToken,
    digest: [u8; 32],
}

impl Case<'_> {
    /// `Authorization`, and `p256ecdsa` of `Crypto-Key` (RFC 8292 §3, §4.2).
    pub(super) fn check_vapid(&mut self, traces: &mut Traces) -> Identification {
        let values: Vec<&str> = self.request.fields("authorization").collect();
        let value = match values.as_slice() {
            [] => {
                self.no_authorization();
                return Identification::default();
            }
            [one] => *one,
            several => {
                let seen = format!("{} fields", several.len());
                self.report.add("vapid/duplicate", HEADER, seen, "one field");
                return Identification::default();
            }
        };
        if let Some(known) = self.recall.known_token(value) {
            return self.known(&known, traces);
        }
        let crypto_key: Vec<&str> = self.request.fields("crypto-key").collect();
        match split_authorization(value, &crypto_key) {
            Ok(credentials) => self.credentials(value, &credentials, traces),
            Err(error) => {
                // The text of the error shows nothing of the field.
                self.report.add(error.code(), HEADER, error.to_string(), EXPECTED);
                Identification::default()
            }
        }
    }

    /// No field at all: 401 where a key is asked for, else only advice.
    fn no_authorization(&mut self) {
        let Target::Known(subject) = self.target else { return };
        if subject.application_server_key.is_none() {
            self.report.add("vapid/absent", HEADER, "no Authorization", EXPECTED);
            return;
        }
        let seen = if self.request.body.is_empty() && self.recall.payloads_are_signed() {
            "no Authorization; messages of this sender with a body have one, those without lack it"
        } else {
            "no Authorization, and the subscription is restricted to a key"
        };
        self.report.add("vapid/missing", HEADER, seen, EXPECTED);
    }

    /// The same octets as before: what they say is known, and what it means now is judged.
    fn known(&mut self, known: &KnownToken, traces: &mut Traces) -> Identification {
        let KnownToken { key, token, digest } = known;
        let scheme = SchemeName::Vapid.as_str();
        let mut view = VapidView { scheme, signature: "valid", ..VapidView::default() };
        view.bound_key = self.bound_key(Some(key));
        view.key = Some(key.to_base64url());
        self.check_claims(token, Some(digest), &mut view);
        self.habits(Some(key), Some(digest), &view);
        traces.token = Some(*digest);
        Identification { view: Some(view), key: Some(*key) }
    }

    fn credentials(
        &mut self,
        value: &str,
        credentials: &PartialCredentials<'_>,
        traces: &mut Traces,
    ) -> Identification {
        let remarks = self.report.len();
        if credentials.scheme != SchemeName::Vapid {
            let seen = format!("the scheme {}", credentials.scheme.as_str());
            self.report.add("vapid/legacy-scheme", HEADER, seen, EXPECTED);
        }
        let key = self.key(credentials);
        let token = self.token(credentials);
        let is_plain = credentials.scheme == SchemeName::Vapid && self.report.len() == remarks;
        let mut view =
            VapidView { scheme: credentials.scheme.as_str(), signature: "unchecked", ..VapidView::default() };
        view.bound_key = self.bound_key(key.as_ref());
        view.key = key.map(|key| key.to_base64url());
        let mut digest = None;
        if let Some((text, token)) = &token {
            if let Some(key) = &key {
                digest = Some(token_digest(text, key));
            }
            self.check_claims(token, digest.as_ref(), &mut view);
            view.signature = self.signature(token, key.as_ref(), digest.as_ref());
            self.habits(key.as_ref(), digest.as_ref(), &view);
        } else if credentials.token.is_some() {
            view.signature = "invalid";
        }
        traces.token = digest;
        // Only what comes a second time: a sender that signs for each message fills nothing.
        if let (Some(key), Some((_, token)), Some(digest), true) = (key, token, digest, is_plain)
            && view.signature == "valid"
            && self.recall.token_verified(&digest) == Some(true)
        {
            self.recall.keep_token(value, Arc::new(KnownToken { key, token, digest }));
        }
        Identification { view: Some(view), key }
    }

    /// `k` or `p256ecdsa`.
    fn key(&mut self, credentials: &PartialCredentials<'_>) -> Option<VapidPublicKey> {
        let (place, name) = match credentials.scheme {
            SchemeName::Vapid => ("header:authorization#k", "k"),
            SchemeName::Bearer | SchemeName::WebPush => ("header:crypto-key#p256ecdsa", "p256ecdsa"),
        };
        let Some(text) = &credentials.key else {
            self.report.add("vapid/k-missing", place, format!("no {name}"), EXPECTED);
            return None;
        };
        match VapidPublicKey::from_text(text) {
            Ok((key, form)) => {
                if !form.is_canonical() {
                    let seen = if form.padded { "padding" } else { "the standard alphabet (+ /)" };
                    self.report.add("vapid/k-padded", place, seen, "base64url without padding");
                }
                Some(key)
            }
            Err(error) => {
                self.report.add(error.code(), place, error.to_string(), "65 octets (04 …) as base64url");
                None
            }
        }
    }

    /// `t`, taken apart and not yet believed.
    fn token<'t>(&mut self, credentials: &'t PartialCredentials<'_>) -> Option<(&'t str, UnverifiedToken)> {
        let place = "header:authorization#t";
        let Some(text) = credentials.token.as_deref() else {
            self.report.add("vapid/t-missing", place, "no token", EXPECTED);
            return None;
        };
        let limit = self.settings.vapid_token_octets;
        if text.len() > limit {
            let seen = format!("a token of {}", octets(text.len()));
            self.report.add("vapid/jwt-malformed", place, seen, format!("at most {}", octets(limit)));
            return None;
        }
        match UnverifiedToken::parse(text) {
            Ok(token) => Some((text, token)),
            Err(error) => {
                let expected = "three parts of base64url without padding, the first two JSON objects";
                self.report.add(error.code(), place, error.to_string(), expected);
                None
            }
        }
    }

    /// `alg` and the signature, from the cache where it is known (PS-117, PS-123).
    fn signature(
        &mut self,
        token: &UnverifiedToken,
        key: Option<&VapidPublicKey>,
        digest: Option<&[u8; 32]>,
    ) -> &'static str {
        let place = "header:authorization#signature";
        if token.alg() != Some("ES256") {
            let seen = token.alg().map_or("no alg".to_owned(), super::report::shown);
            self.report.add("vapid/alg", "header:authorization#alg", seen, "ES256");
            return "invalid";
        }
        let Some(key) = key else { return "unchecked" };
        let cached = digest.and_then(|digest| self.recall.token_verified(digest));
        if cached == Some(true) {
            return "valid";
        }
        // A cached failure is checked once more, for the kind of failure.
        match token.verify_signature(&self.settings.provider, key) {
            Ok(()) => "valid",
            Err(problem) => {
                self.report.add(
                    problem.code(),
                    place,
                    problem.to_string(),
                    "r and s, 64 octets, by the key that came with it",
                );
                "invalid"
            }
        }
    }

    /// The key against the one the subscription is restricted to (PS-120).
    fn bound_key(&mut self, key: Option<&VapidPublicKey>) -> &'static str {
        let bound = match self.target {
            Target::Known(subject) => subject.application_server_key,
            Target::Altered | Target::Unknown => None,
        };
        match (bound, key) {
            (Some(bound), Some(key)) if bound == *key.point() => "match",
            (Some(bound), Some(key)) => {
                let short = |text: String| super::report::cut(&text, 8);
                let (seen, expected) = (short(key.to_base64url()), short(bound.to_base64url()));
                self.report.add("vapid/key-mismatch", "header:authorization#k", seen, expected);
                "mismatch"
            }
            (Some(_), None) => "mismatch",
            (None, _) => "unbound",
        }
    }

    /// A key is for one purpose (RFC 8292 §3.2, PS-110).
    pub(super) fn check_key_reuse(&mut self, sender: &Identification, traces: &Traces) {
        let signing = sender.key.as_ref().map(VapidPublicKey::point);
        if signing.is_some() && signing == traces.sender_key.as_ref() {
            let seen = "the public key of the token is the sender key of the encryption";
            self.report.add("vapid/key-reused", "header:authorization#k", seen, "two different keys");
        }
    }

    /// How often the sender makes tokens; only where the token is its own.
    fn habits(&mut self, key: Option<&VapidPublicKey>, digest: Option<&[u8; 32]>, view: &VapidView) {
        let (Some(key), Some(digest), "valid") = (key, digest, view.signature) else { return };
        let (hour, minute) = (core::time::Duration::from_secs(3600), core::time::Duration::from_secs(60));
        if let Some(audience) = view.aud.as_deref()
            && self.recall.token_renewed(key.point(), audience, digest, self.now.before(hour))
        {
            self.report.add(
                "vapid/refreshed-often",
                HEADER,
                "a new token for this origin, less than an hour after the last",
                "one token per origin and hour at most",
            );
        }
        let fresh = self.recall.fresh_tokens(key.point(), self.now.before(minute)).saturating_add(1);
        if fresh >= MANY_TOKENS {
            let seen = format!("{fresh} tokens within a minute");
            self.report.add("request/no-reuse", HEADER, seen, "one token per origin, kept");
        }
    }
}

/// What the cache of signature checks is keyed by: token and key, so that neither passes with another other half.
pub(super) fn token_digest(token: &str, key: &VapidPublicKey) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(token.as_bytes());
    hash.update([0]);
    hash.update(key.point().as_octets());
    hash.finalize().into()
}
