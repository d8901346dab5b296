//! Ways in which senders derive keys wrongly; a message that opens by one of them is diagnosed by it.
//!
//! Only the first record's tag is tried: it verifies with one key and nonce and with no other.

use aes_gcm::{Aes128Gcm, KeyInit as _, aead::AeadInOut as _};
use hkdf::Hkdf;
use push_crypto::{
    Encrypted, PublicKey, Schedule, UserAgentKeys, base64url,
    provider::{CryptoProvider, SharedSecret},
};
use sha2::Sha256;

/// What the sender did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WrongWay {
    /// Used the base64url text of `auth` as the secret.
    AuthText,
    /// Used neither the secret nor the public keys.
    Bare,
    /// Put the sender's key before the user agent's.
    KeysExchanged,
    /// Left the public keys out.
    KeysLeftOut,
}

/// One message and the secret that it shares with one user agent.
pub(super) struct Attempt<'a> {
    message: &'a Encrypted,
    keys: &'a UserAgentKeys,
    shared: SharedSecret,
}

impl<'a> Attempt<'a> {
    /// None when the provider fails.
    pub(super) fn new(
        provider: &CryptoProvider,
        keys: &'a UserAgentKeys,
        message: &'a Encrypted,
    ) -> Option<Self> {
        let shared = provider.shared_secret(keys.private(), message.sender_key()).ok()?;
        Some(Self { message, keys, shared })
    }

    /// The first of the known ways by which the message opens.
    pub(super) fn wrong_way(&self) -> Option<WrongWay> {
        if self.message.schedule() == Schedule::Aesgcm128Bare {
            return None;
        }
        let auth = self.keys.auth()?.expose();
        let text = base64url::encode(auth);
        let padded = format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
        let texts = [text.as_bytes(), padded.as_bytes()];
        if texts.iter().any(|text| self.opens_with(text, Context::Right)) {
            return Some(WrongWay::AuthText);
        }
        if self.opens_with(auth, Context::Exchanged) {
            return Some(WrongWay::KeysExchanged);
        }
        if self.opens_with(auth, Context::LeftOut) || self.opens_with(auth, Context::LeftOutWithZero) {
            return Some(WrongWay::KeysLeftOut);
        }
        let bare = self.message.schedule() == Schedule::Aesgcm128AuthContext
            && self.opens(self.shared.expose(), b"Content-Encoding: aesgcm128", b"Content-Encoding: nonce");
        bare.then_some(WrongWay::Bare)
    }

    /// True when the message opens with another authentication secret than that of the keys.
    pub(super) fn opens_with_auth(&self, auth: &[u8]) -> bool {
        self.message.schedule() != Schedule::Aesgcm128Bare && self.opens_with(auth, Context::Right)
    }

    fn opens_with(&self, auth: &[u8], context: Context) -> bool {
        let (user_agent, sender) = (self.keys.public(), self.message.sender_key());
        let parties = match context {
            Context::Right => [user_agent.as_octets(), sender.as_octets()],
            _ => [sender.as_octets(), user_agent.as_octets()],
        };
        match self.message.schedule() {
            Schedule::Aes128gcm => {
                let info = match context {
                    Context::LeftOut => b"WebPush: info".to_vec(),
                    Context::LeftOutWithZero => b"WebPush: info\0".to_vec(),
                    _ => [&b"WebPush: info\0"[..], parties[0], parties[1]].concat(),
                };
                let ikm = expand(auth, self.shared.expose(), &info);
                self.opens(&ikm, b"Content-Encoding: aes128gcm\0", b"Content-Encoding: nonce\0")
            }
            schedule => {
                let ikm = expand(auth, self.shared.expose(), b"Content-Encoding: auth\0");
                let tail = context.tail(parties);
                let label = format!("Content-Encoding: {}", schedule.coding());
                let key_info = [label.as_bytes(), tail.as_slice()].concat();
                let nonce_info = [&b"Content-Encoding: nonce"[..], tail.as_slice()].concat();
                self.opens(&ikm, &key_info, &nonce_info)
            }
        }
    }

    /// Whether the first record opens with keys from this material.
    fn opens(&self, ikm: &[u8], key_info: &[u8], nonce_info: &[u8]) -> bool {
        let hkdf = Hkdf::<Sha256>::new(Some(self.message.salt()), ikm);
        let (mut key, mut nonce) = ([0; 16], [0; 12]);
        // HKDF-Expand refuses only outputs over 255 blocks.
        if hkdf.expand(key_info, &mut key).is_err() || hkdf.expand(nonce_info, &mut nonce).is_err() {
            return false;
        }
        let Some((content, tag)) = self.first_record().split_last_chunk::<16>() else { return false };
        let mut content = content.to_vec();
        let opened = Aes128Gcm::new(&key.into()).decrypt_inout_detached(
            &nonce.into(),
            &[],
            content.as_mut_slice().into(),
            &(*tag).into(),
        );
        opened.is_ok()
    }

    fn first_record(&self) -> &[u8] {
        let (header, tag) = match self.message.schedule() {
            Schedule::Aes128gcm => (21 + PublicKey::LENGTH, 0),
            _ => (0, 16),
        };
        let records = self.message.body().get(header..).unwrap_or_default();
        let sealed = usize::try_from(self.message.record_size().saturating_add(tag)).unwrap_or(usize::MAX);
        records.get(..sealed).unwrap_or(records)
    }
}

/// What stands where the public keys should.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Exchanged,
    LeftOut,
    LeftOutWithZero,
    Right,
}

impl Context {
    /// Behind the label of aesgcm and aesgcm128: `0 ‖ "P-256" ‖ 0 ‖ 65 (2) ‖ key ‖ 65 (2) ‖ key`.
    fn tail(self, parties: [&[u8; 65]; 2]) -> Vec<u8> {
        match self {
            Self::LeftOut => Vec::new(),
            Self::LeftOutWithZero => vec![0],
            Self::Exchanged | Self::Right => {
                let [first, second] = parties;
                [&b"\0P-256\0\0\x41"[..], first, &[0, 65], second].concat()
            }
        }
    }
}

/// HKDF with 32 octets of output.
fn expand(salt: &[u8], ikm: &[u8], info: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // 32 octets are one block, which HKDF-Expand always gives.
    let expanded = Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut out);
    debug_assert!(expanded.is_ok(), "one block can always be had");
    out
}
