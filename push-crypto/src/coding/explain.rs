//! Names for every octet of a body and every value on the way to its keys: what `push decrypt --steps` prints.

use alloc::{string::String, vec::Vec};

use zeroize::Zeroizing;

use super::{Encrypted, Schedule, record::TAG};
use crate::{
    base64url,
    decrypt::content_keys,
    protocol::{ContentCoding, PublicKey, UserAgentKeys},
    provider::{CryptoProvider, ProviderError},
};

/// A run of octets with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is, in the words of the specification.
    pub name: &'static str,
    /// Where it starts in the body.
    pub at: usize,
    /// How many octets it has.
    pub octets: usize,
    /// What it says, or why it is wrong.
    pub meaning: String,
}

/// Takes a body apart as far as it goes; never fails, so that broken bodies can be looked at.
///
/// For the older codings, whose parameters travel in header fields, `rs` says how large a record is.
///
/// ```
/// use push_crypto::{ContentCoding, coding::explain::parts};
/// let parts = parts(ContentCoding::Aes128gcm, 4096, &[0; 30]);
/// assert_eq!(parts[0].name, "salt");
/// assert_eq!(parts[1].meaning, "0, but at least 18 is needed");
/// ```
#[must_use]
pub fn parts(coding: ContentCoding, rs: u64, body: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let (records_at, rs) = match coding {
        ContentCoding::Aes128gcm => header_parts(body, &mut parts),
        ContentCoding::Aesgcm | ContentCoding::Aesgcm128 => (Some(0), rs),
    };
    let Some(at) = records_at else { return parts };
    let records = body.get(at..).unwrap_or_default();
    let (tag, least) = match coding {
        ContentCoding::Aes128gcm => (0, 18),
        ContentCoding::Aesgcm => (TAG as u64, 3),
        ContentCoding::Aesgcm128 => (TAG as u64, 2),
    };
    if rs < least {
        // Split by an illegal size, a body would be as many parts as it has octets.
        if !records.is_empty() {
            let meaning = alloc::format!("not split, because rs is {rs}, below {least}");
            parts.push(Part { name: "records", at, octets: records.len(), meaning });
        }
        return parts;
    }
    let sealed = usize::try_from(rs.saturating_add(tag)).unwrap_or(usize::MAX);
    let count = records.len().div_ceil(sealed);
    for (number, record) in records.chunks(sealed).enumerate() {
        let position = if number + 1 == count { "last" } else { "full" };
        let meaning = match record.len().checked_sub(TAG) {
            Some(content) => alloc::format!("{position}, {content} octets sealed and {TAG} of tag"),
            None => alloc::format!("{position}, too short for a tag of {TAG} octets"),
        };
        parts.push(Part { name: "record", at: at + number * sealed, octets: record.len(), meaning });
    }
    parts
}

/// The header block as far as it is there; gives where the records start, and rs.
fn header_parts(body: &[u8], parts: &mut Vec<Part>) -> (Option<usize>, u64) {
    let mut add = |name, at: usize, octets: usize, meaning| parts.push(Part { name, at, octets, meaning });
    let Some(salt) = body.get(..16) else {
        add("salt", 0, body.len(), String::from("cut, 16 octets are needed"));
        return (None, 0);
    };
    add("salt", 0, 16, base64url::encode(salt));
    let Some(rs) = body.get(16..20).and_then(|rs| <[u8; 4]>::try_from(rs).ok()).map(u32::from_be_bytes)
    else {
        add("rs", 16, body.len() - 16, String::from("cut, 4 octets are needed"));
        return (None, 0);
    };
    let judged = if rs < 18 { ", but at least 18 is needed" } else { "" };
    add("rs", 16, 4, alloc::format!("{rs}{judged}"));
    let Some(idlen) = body.get(20) else { return (None, u64::from(rs)) };
    let judged = if *idlen == 65 { "" } else { ", but a public key has 65 octets" };
    add("idlen", 20, 1, alloc::format!("{idlen}{judged}"));
    let end = 21 + usize::from(*idlen);
    match body.get(21..end) {
        Some(keyid) => {
            let meaning = match PublicKey::from_octets(keyid) {
                Ok(key) => alloc::format!("sender's public key {}", key.to_base64url()),
                Err(error) => alloc::format!("no public key: {error}"),
            };
            add("keyid", 21, keyid.len(), meaning);
            (Some(end), u64::from(rs))
        }
        None => {
            add("keyid", 21, body.len() - 21, alloc::format!("cut, {idlen} octets are needed"));
            (None, u64::from(rs))
        }
    }
}

/// A value on the way from the keys of both sides to key and nonce; wiped when dropped.
pub struct KeyStep {
    /// The name the specifications give it: `ecdh_secret`, `prk_key`, `key_info`, `ikm`, `prk`, `cek_info`, `cek`, …
    pub name: &'static str,
    /// The octets.
    pub octets: Zeroizing<Vec<u8>>,
}

impl core::fmt::Debug for KeyStep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "KeyStep({}, {} octets)", self.name, self.octets.len())
    }
}

/// Every intermediate value of the key derivation for this message, in order.
///
/// The values are as secret as the private key that went in.
///
/// # Errors
/// [`ProviderError`] when the provider breaks its contract.
pub fn key_steps(
    provider: &CryptoProvider,
    keys: &UserAgentKeys,
    message: &Encrypted,
) -> Result<Vec<KeyStep>, ProviderError> {
    let shared = provider.shared_secret(keys.private(), message.sender_key())?;
    let mut steps = Vec::new();
    content_keys(keys, message, &shared, |name, octets| {
        steps.push(KeyStep { name, octets: Zeroizing::new(octets.to_vec()) });
    });
    Ok(steps)
}

impl Schedule {
    /// One sentence on where the schedule comes from and who reads it.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Aes128gcm => "RFC 8188 and RFC 8291; every current browser",
            #[cfg(feature = "legacy")]
            Self::Aesgcm => {
                "draft-ietf-webpush-encryption-04; Chrome since 50 and Firefox since 46 still read it"
            }
            #[cfg(feature = "legacy")]
            Self::Aesgcm128AuthContext => {
                "aesgcm128, auth-context form; only pre-release Firefox 46 to 48 could open it"
            }
            #[cfg(feature = "legacy")]
            Self::Aesgcm128Bare => "aesgcm128, bare form; Firefox 44 and later",
        }
    }
}
