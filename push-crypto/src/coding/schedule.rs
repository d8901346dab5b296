//! From a shared secret to content encryption key and nonce; the HKDF labels are written here and nowhere else.
//!
//! ```text
//!  aes128gcm            IKM = HKDF(auth, secret, "WebPush: info" 0 ua as, 32)          RFC 8291 §3.4
//!  aesgcm, auth-context IKM = HKDF(auth, secret, "Content-Encoding: auth" 0, 32)       we-04 §3.5, we-02
//!  bare                 IKM = secret                                                  te-02
//!  all                  CEK   = HKDF(salt, IKM, "Content-Encoding: " coding tail, 16)
//!                       NONCE = HKDF(salt, IKM, "Content-Encoding: nonce" tail, 12)
//!  tail                 aes128gcm: 0   aesgcm, auth-context: 0 "P-256" 0 65 ua 65 as   bare: nothing, no 0 either
//! ```

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

#[cfg(feature = "legacy")]
use crate::protocol::ContentCoding;
use crate::protocol::PublicKey;

/// Content encryption key and base nonce of one message.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct ContentKeys {
    pub(crate) key: [u8; 16],
    pub(crate) nonce: [u8; 12],
}

/// The public keys of both sides.
#[derive(Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) user_agent: &'a PublicKey,
    pub(crate) sender: &'a PublicKey,
}

/// One of the ways to derive keys; the last three exist in documents and vectors only.
#[derive(Clone, Copy)]
pub(crate) enum Derivation<'a> {
    /// RFC 8291.
    Aes128gcm { auth: &'a [u8], parties: Parties<'a> },
    /// RFC 8188 with a key given directly.
    #[cfg(feature = "danger")]
    Aes128gcmExplicit,
    /// The drafts with secret and context.
    #[cfg(feature = "legacy")]
    AuthContext { coding: ContentCoding, auth: &'a [u8], parties: Parties<'a> },
    /// The oldest drafts.
    #[cfg(feature = "legacy")]
    Bare,
    /// ee-00 and ee-03 with key agreement but no secret.
    #[cfg(all(feature = "legacy", feature = "danger"))]
    Context { coding: ContentCoding, parties: Parties<'a> },
    /// The drafts with a key given directly: the zero octet, and no context.
    #[cfg(all(feature = "legacy", feature = "danger"))]
    Explicit { coding: ContentCoding },
}

impl Derivation<'_> {
    /// Derives both; `note` is told the name of each intermediate value and the value.
    pub(crate) fn derive(
        &self,
        secret: &[u8],
        salt: &[u8; 16],
        mut note: impl FnMut(&'static str, &[u8]),
    ) -> ContentKeys {
        note("ecdh_secret", secret);
        match *self {
            Self::Aes128gcm { auth, parties } => {
                let mut info = [0; WEB_PUSH_INFO.len() + 130];
                fill(&mut info, &[WEB_PUSH_INFO, parties.user_agent.as_octets(), parties.sender.as_octets()]);
                note("key_info", &info);
                let mut ikm = combine(auth, secret, &info, &mut note);
                let keys = content_keys(&ikm, salt, b"Content-Encoding: aes128gcm\0", NONCE_INFO, &mut note);
                ikm.zeroize();
                keys
            }
            #[cfg(feature = "danger")]
            Self::Aes128gcmExplicit => {
                content_keys(secret, salt, b"Content-Encoding: aes128gcm\0", NONCE_INFO, &mut note)
            }
            #[cfg(feature = "legacy")]
            Self::AuthContext { coding, auth, parties } => {
                let mut ikm = combine(auth, secret, b"Content-Encoding: auth\0", &mut note);
                let keys = with_context(&ikm, salt, coding, parties, &mut note);
                ikm.zeroize();
                keys
            }
            #[cfg(feature = "legacy")]
            Self::Bare => content_keys(
                secret,
                salt,
                b"Content-Encoding: aesgcm128",
                b"Content-Encoding: nonce",
                &mut note,
            ),
            #[cfg(all(feature = "legacy", feature = "danger"))]
            Self::Context { coding, parties } => with_context(secret, salt, coding, parties, &mut note),
            #[cfg(all(feature = "legacy", feature = "danger"))]
            Self::Explicit { coding } => content_keys(secret, salt, key_label(coding), NONCE_INFO, &mut note),
        }
    }
}

const WEB_PUSH_INFO: &[u8] = b"WebPush: info\0";
const NONCE_INFO: &[u8] = b"Content-Encoding: nonce\0";

/// The first stage: the authentication secret is the salt.
fn combine(auth: &[u8], secret: &[u8], info: &[u8], note: &mut impl FnMut(&'static str, &[u8])) -> [u8; 32] {
    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(auth), secret);
    note("prk_key", &prk);
    prk.zeroize();
    let mut ikm = [0; 32];
    expand(&hkdf, info, &mut ikm);
    note("ikm", &ikm);
    ikm
}

/// The second stage.
fn content_keys(
    ikm: &[u8],
    salt: &[u8; 16],
    key_info: &[u8],
    nonce_info: &[u8],
    note: &mut impl FnMut(&'static str, &[u8]),
) -> ContentKeys {
    let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(salt), ikm);
    note("prk", &prk);
    prk.zeroize();
    let mut keys = ContentKeys { key: [0; 16], nonce: [0; 12] };
    note("cek_info", key_info);
    expand(&hkdf, key_info, &mut keys.key);
    note("cek", &keys.key);
    note("nonce_info", nonce_info);
    expand(&hkdf, nonce_info, &mut keys.nonce);
    note("nonce", &keys.nonce);
    keys
}

#[cfg(feature = "legacy")]
fn key_label(coding: ContentCoding) -> &'static [u8] {
    match coding {
        ContentCoding::Aes128gcm => b"Content-Encoding: aes128gcm\0",
        ContentCoding::Aesgcm => b"Content-Encoding: aesgcm\0",
        ContentCoding::Aesgcm128 => b"Content-Encoding: aesgcm128\0",
    }
}

/// The second stage with the context `"P-256" 0 ‖ 65 (2) ‖ ua ‖ 65 (2) ‖ as`, receiver first (we-04 §3.5).
#[cfg(feature = "legacy")]
fn with_context(
    ikm: &[u8],
    salt: &[u8; 16],
    coding: ContentCoding,
    parties: Parties<'_>,
    note: &mut impl FnMut(&'static str, &[u8]),
) -> ContentKeys {
    const LENGTH: &[u8] = &[0, 65];
    let parts = [b"P-256\0", LENGTH, parties.user_agent.as_octets(), LENGTH, parties.sender.as_octets()];
    let (mut key_info, mut nonce_info) = ([0; 28 + 140], [0; 24 + 140]);
    let key_info = {
        let label = key_label(coding);
        let length = label.len() + 140;
        fill(&mut key_info, &[label, parts[0], parts[1], parts[2], parts[3], parts[4]]);
        key_info.get(..length).unwrap_or_default()
    };
    fill(&mut nonce_info, &[NONCE_INFO, parts[0], parts[1], parts[2], parts[3], parts[4]]);
    content_keys(ikm, salt, key_info, &nonce_info, note)
}

/// Writes the parts one after the other; the buffers here are made to measure.
fn fill(out: &mut [u8], parts: &[&[u8]]) {
    let mut octets = parts.iter().flat_map(|part| part.iter());
    for slot in out.iter_mut() {
        let Some(octet) = octets.next() else { break };
        *slot = *octet;
    }
    debug_assert!(octets.next().is_none(), "the buffer is as long as its parts");
}

fn expand(hkdf: &Hkdf<Sha256>, info: &[u8], out: &mut [u8]) {
    // HKDF-Expand refuses only outputs over 255 blocks (RFC 5869 §2.3); ours are at most one block.
    let expanded = hkdf.expand(info, out);
    debug_assert!(expanded.is_ok(), "outputs have at most 32 octets");
}
