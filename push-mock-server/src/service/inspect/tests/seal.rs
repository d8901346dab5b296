//! Encrypts as wrongly as a test wants, with keys derived by the test.

use aes_gcm::{Aes128Gcm, KeyInit as _, aead::AeadInOut as _};
use hkdf::Hkdf;
use push_crypto::UserAgentKeys;
use sha2::Sha256;

use super::{PROVIDER, SALT, sender};

/// How to derive the keys.
pub(crate) struct Derivation<'a> {
    pub(crate) auth: &'a [u8],
    pub(crate) first_info: Vec<u8>,
    pub(crate) key_info: Vec<u8>,
    pub(crate) nonce_info: Vec<u8>,
}

impl<'a> Derivation<'a> {
    /// RFC 8291 §3.4, with the public keys as given.
    pub(crate) fn rfc8291(auth: &'a [u8], keys: &[&[u8]]) -> Self {
        Self {
            auth,
            first_info: [b"WebPush: info\0", keys.concat().as_slice()].concat(),
            key_info: b"Content-Encoding: aes128gcm\0".to_vec(),
            nonce_info: b"Content-Encoding: nonce\0".to_vec(),
        }
    }

    /// The drafts, with this behind the labels.
    pub(crate) fn draft(coding: &str, auth: &'a [u8], tail: &[u8]) -> Self {
        Self {
            auth,
            first_info: b"Content-Encoding: auth\0".to_vec(),
            key_info: [format!("Content-Encoding: {coding}").as_bytes(), tail].concat(),
            nonce_info: [&b"Content-Encoding: nonce"[..], tail].concat(),
        }
    }
}

/// The public key of the sender of the tests.
pub(crate) fn sender_point() -> [u8; 65] {
    *PROVIDER.public_key(&sender()).unwrap().as_octets()
}

/// `0 ‖ "P-256" ‖ 0 ‖ 65 ‖ first ‖ 65 ‖ second`.
pub(crate) fn context(first: &[u8], second: &[u8]) -> Vec<u8> {
    [&b"\0P-256\0\0\x41"[..], first, &[0, 65], second].concat()
}

/// Seals records, whose plaintexts are given with their padding.
pub(crate) fn records(keys: &UserAgentKeys, derivation: &Derivation<'_>, plaintexts: &[&[u8]]) -> Vec<u8> {
    let shared = PROVIDER.shared_secret(&sender(), keys.public()).unwrap();
    let mut ikm = [0; 32];
    Hkdf::<Sha256>::new(Some(derivation.auth), shared.expose())
        .expand(&derivation.first_info, &mut ikm)
        .unwrap();
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    let hkdf = Hkdf::<Sha256>::new(Some(&SALT), &ikm);
    hkdf.expand(&derivation.key_info, &mut key).unwrap();
    hkdf.expand(&derivation.nonce_info, &mut nonce).unwrap();
    let mut out = Vec::new();
    for (number, plaintext) in plaintexts.iter().enumerate() {
        let mut nonce = nonce;
        nonce[11] ^= u8::try_from(number).unwrap();
        let mut record = plaintext.to_vec();
        let cipher = Aes128Gcm::new(&key.into());
        let tag = cipher.encrypt_inout_detached(&nonce.into(), &[], record.as_mut_slice().into()).unwrap();
        out.extend_from_slice(&record);
        out.extend_from_slice(&tag);
    }
    out
}

/// An aes128gcm body: header block and records.
pub(crate) fn aes128gcm(
    keys: &UserAgentKeys,
    derivation: &Derivation<'_>,
    rs: u32,
    plaintexts: &[&[u8]],
) -> Vec<u8> {
    let mut body = SALT.to_vec();
    body.extend_from_slice(&rs.to_be_bytes());
    body.push(65);
    body.extend_from_slice(&sender_point());
    body.extend_from_slice(&records(keys, derivation, plaintexts));
    body
}

/// The same with the right keys.
pub(crate) fn right(keys: &UserAgentKeys, rs: u32, plaintexts: &[&[u8]]) -> Vec<u8> {
    let auth = keys.auth().unwrap().expose();
    let parties = [&keys.public().as_octets()[..], &sender_point()[..]];
    aes128gcm(keys, &Derivation::rfc8291(auth, &parties), rs, plaintexts)
}
