//! Requests to inspect: one that is right in every respect, and what can be done to it.

pub(crate) use catalogue::Case;
mod cases;
pub(crate) mod catalogue;
mod order;
mod properties;
mod seal;

use std::collections::HashSet;

use bytes::Bytes;
use push_crypto::{
    AuthSecret, ContentCoding, EncryptJob, Origin, PrivateKey, PublicKey, Schedule, Timestamp, UserAgentKeys,
    base64url, danger,
    provider::{CryptoProvider, rust_crypto},
    vapid::VapidKey,
};

use super::{Gone, Recall, Settings, Subject, Target, inspect, vapid::token_digest};
use crate::service::{
    finding::Inspected,
    request::{DeliveryRequest, RequestBody, Via},
};

pub(crate) const PROVIDER: &CryptoProvider = &rust_crypto::PROVIDER;
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_000_000);
pub(crate) const ORIGIN: &str = "https://push.example.net";
pub(crate) const TEXT: &[u8] = b"{\"title\":\"Goal!\"}";
pub(crate) const SALT: [u8; 16] = [9; 16];

pub(crate) fn user_agent(seed: u8) -> UserAgentKeys {
    let private = PrivateKey::from_octets(&[seed; 32]).unwrap();
    UserAgentKeys::new(PROVIDER, private, Some(AuthSecret::new([seed; 16]))).unwrap()
}

pub(crate) fn sender() -> PrivateKey {
    PrivateKey::from_octets(&[0x51; 32]).unwrap()
}

pub(crate) fn signer(seed: u8) -> VapidKey {
    VapidKey::from_private(PROVIDER, PrivateKey::from_octets(&[seed; 32]).unwrap()).unwrap()
}

/// A message by the crate that is tested against published vectors.
pub(crate) fn sealed(
    schedule: Schedule,
    keys: &UserAgentKeys,
    text: &[u8],
    rs: u64,
    padding: usize,
) -> Message {
    let chosen = danger::Chosen { sender: &sender(), salt: SALT, rs, padding };
    let job = EncryptJob { keys: &keys.subscription_keys(), plaintext: text };
    let message = danger::encrypt(PROVIDER, schedule, job, &chosen).unwrap();
    Message { headers: message.headers(), body: message.into_body() }
}

pub(crate) struct Message {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// A signed token with any header and any claims.
pub(crate) fn token(key: &VapidKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()));
    let signature = PROVIDER.signature.sign(key.private(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url::encode(&signature))
}

pub(crate) const ES256: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

/// The claims of the good request, `exp` in seconds from now.
pub(crate) fn claims(aud: &str, exp: i64, sub: &str) -> String {
    let exp = 1_795_000_000 + exp;
    format!(r#"{{"aud":"{aud}","exp":{exp},"sub":"{sub}"}}"#)
}

pub(crate) const CONTACT: &str = "mailto:ops@example.org";
pub(crate) const HOURS_12: i64 = 12 * 3600;

/// What the service remembers.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    pub(crate) others: Vec<(String, UserAgentKeys)>,
    pub(crate) sender_key: bool,
    pub(crate) salt: bool,
    pub(crate) verified: HashSet<[u8; 32]>,
    pub(crate) renewed: bool,
    pub(crate) fresh: usize,
    pub(crate) used_for: Option<String>,
    pub(crate) signed: bool,
    pub(crate) plaintext: bool,
    pub(crate) gone: usize,
}

impl Recall for Memory {
    fn other_keys(&self) -> Vec<(String, UserAgentKeys)> {
        self.others.clone()
    }
    fn sender_key_seen(&self, _: &PublicKey) -> bool {
        self.sender_key
    }
    fn salt_seen(&self, _: &PublicKey, _: &[u8; 16]) -> bool {
        self.salt
    }
    fn token_verified(&self, digest: &[u8; 32]) -> Option<bool> {
        self.verified.contains(digest).then_some(true)
    }
    fn token_renewed(&self, _: &PublicKey, audience: &str, _: &[u8; 32], since: Timestamp) -> bool {
        assert_eq!(since, NOW.before(core::time::Duration::from_secs(3600)));
        assert!(!audience.is_empty());
        self.renewed
    }
    fn fresh_tokens(&self, _: &PublicKey, _: Timestamp) -> usize {
        self.fresh
    }
    fn token_used_for(&self, _: &[u8; 32]) -> Option<String> {
        self.used_for.clone()
    }
    fn payloads_are_signed(&self) -> bool {
        self.signed
    }
    fn plaintext_seen(&self, _: &[u8; 32], since: Timestamp) -> bool {
        assert_eq!(since, NOW.before(core::time::Duration::from_secs(10)));
        self.plaintext
    }
    fn refused_as_gone(&self) -> usize {
        self.gone
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Altered,
    Unknown,
    Yes,
}

/// A request and everything around it.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) settings: Settings,
    pub(crate) request: DeliveryRequest,
    pub(crate) known: Known,
    pub(crate) keys: Option<UserAgentKeys>,
    pub(crate) stale: Vec<UserAgentKeys>,
    pub(crate) bound: Option<PublicKey>,
    pub(crate) codings: Vec<ContentCoding>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) gone: Option<Gone>,
    pub(crate) online: bool,
    pub(crate) memory: Memory,
}

impl Setup {
    /// A request that is right in every respect.
    pub(crate) fn good() -> Self {
        let keys = user_agent(7);
        let mut setup = Self {
            settings: Settings { provider: rust_crypto::PROVIDER, ..Settings::default() },
            request: DeliveryRequest {
                method: "POST".to_owned(),
                via: Via::Https,
                http_version: "1.1",
                url: format!("{ORIGIN}/p/token"),
                origin: Some(ORIGIN.parse().unwrap()),
                headers: vec![("ttl".to_owned(), "60".to_owned())],
                streamed: false,
                body: RequestBody::Whole(Bytes::new()),
                at: NOW,
            },
            known: Known::Yes,
            bound: Some(*signer(3).public().point()),
            keys: Some(keys.clone()),
            stale: Vec::new(),
            codings: ContentCoding::ALL.to_vec(),
            origins: vec![ORIGIN.parse().unwrap()],
            gone: None,
            online: true,
            memory: Memory::default(),
        };
        setup.sign(&signer(3), ES256, &claims(ORIGIN, HOURS_12, CONTACT));
        setup.seal(Schedule::Aes128gcm, TEXT, 4096, 0);
        setup
    }

    pub(crate) fn run(&self) -> Inspected {
        let subject = Subject {
            label: "alice",
            keys: self.keys.as_ref(),
            stale_keys: &self.stale,
            application_server_key: self.bound,
            codings: &self.codings,
            origins: &self.origins,
            gone: self.gone,
            online: self.online,
        };
        let target = match self.known {
            Known::Altered => Target::Altered,
            Known::Unknown => Target::Unknown,
            Known::Yes => Target::Known(subject),
        };
        inspect(&self.settings, &self.request, &target, NOW, NOW, &self.memory)
    }

    pub(crate) fn codes(&self) -> Vec<&'static str> {
        self.run().findings.iter().map(|finding| finding.code).collect()
    }

    /// Replaces a field by one line.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.add(name, value);
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.request.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.request.headers.retain(|(field, _)| field != name);
    }

    pub(crate) fn field(&self, name: &str) -> String {
        self.request.fields(name).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn sign(&mut self, key: &VapidKey, header: &str, claims: &str) {
        let token = token(key, header, claims);
        self.set("authorization", &format!("vapid t={token}, k={}", key.public().to_base64url()));
    }

    pub(crate) fn claim(&mut self, claims: &str) {
        self.sign(&signer(3), ES256, claims);
    }

    /// The token in the request as it stands.
    pub(crate) fn token(&self) -> String {
        let field = self.field("authorization");
        field.strip_prefix("vapid t=").unwrap().split(',').next().unwrap().to_owned()
    }

    pub(crate) fn remember_token_as_verified(&mut self) {
        self.memory.verified.insert(token_digest(&self.token(), signer(3).public()));
    }

    pub(crate) fn body(&mut self, body: impl Into<Bytes>) {
        self.request.body = RequestBody::Whole(body.into());
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        self.request.body.octets().to_vec()
    }

    pub(crate) fn seal(&mut self, schedule: Schedule, text: &[u8], rs: u64, padding: usize) {
        let keys = self.keys.clone().unwrap();
        self.seal_for(&keys, schedule, text, rs, padding);
    }

    pub(crate) fn seal_for(
        &mut self,
        keys: &UserAgentKeys,
        schedule: Schedule,
        text: &[u8],
        rs: u64,
        padding: usize,
    ) {
        for name in ["content-encoding", "encryption", "crypto-key", "encryption-key"] {
            self.unset(name);
        }
        let message = sealed(schedule, keys, text, rs, padding);
        for (name, value) in &message.headers {
            self.add(name, value);
        }
        self.body(message.body);
    }

    /// No body and none of its fields.
    pub(crate) fn tickle(&mut self) {
        self.unset("content-encoding");
        self.body(Bytes::new());
    }
}
