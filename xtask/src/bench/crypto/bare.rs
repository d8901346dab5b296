//! The work of one message with bare calls of libraries: the floor, and the parts.

use std::hint::black_box;

use aes_gcm::{Aes128Gcm, KeyInit as _, aead::AeadInOut as _};
use aws_lc_rs::{aead, agreement, hkdf as hkdf_aws, rand};
use hkdf::Hkdf;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use push_crypto::{SubscriptionKeys, provider::rust_crypto};
use sha2::Sha256;

use crate::failure::{Context, Failure};

const WEB_PUSH_INFO: &[u8] = b"WebPush: info\0";
const KEY_INFO: &[u8] = b"Content-Encoding: aes128gcm\0";
const NONCE_INFO: &[u8] = b"Content-Encoding: nonce\0";

/// The whole message with nothing but aws-lc-rs: key pair, agreement, HKDF, AES-GCM, header block.
pub(super) fn floor(keys: &SubscriptionKeys, text: &[u8]) -> Result<Vec<u8>, Failure> {
    let failed = |_| Failure::new("aws-lc-rs refuses");
    let private = agreement::PrivateKey::generate(&agreement::ECDH_P256).map_err(failed)?;
    let sender = private.compute_public_key().map_err(failed)?;
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(failed)?;
    let auth = keys.auth.as_ref().map(|auth| auth.expose()).unwrap_or_default();
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, keys.p256dh.as_octets());
    let unspecified = Failure::new("aws-lc-rs refuses");
    let mut ikm = [0; 32];
    agreement::agree(&private, peer, unspecified, |shared| {
        let prk = hkdf_aws::Salt::new(hkdf_aws::HKDF_SHA256, auth).extract(shared);
        let info = [WEB_PUSH_INFO, keys.p256dh.as_octets(), sender.as_ref()];
        prk.expand(&info, Octets(32)).and_then(|okm| okm.fill(&mut ikm)).map_err(failed)
    })?;
    let prk = hkdf_aws::Salt::new(hkdf_aws::HKDF_SHA256, &salt).extract(&ikm);
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    prk.expand(&[KEY_INFO], Octets(16)).and_then(|okm| okm.fill(&mut key)).map_err(failed)?;
    prk.expand(&[NONCE_INFO], Octets(12)).and_then(|okm| okm.fill(&mut nonce)).map_err(failed)?;

    let mut body = Vec::with_capacity(86 + text.len() + 17);
    body.extend_from_slice(&salt);
    body.extend_from_slice(&[0, 0, 16, 0, 65]);
    body.extend_from_slice(sender.as_ref());
    body.extend_from_slice(text);
    body.push(2);
    let cipher = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key).map_err(failed)?);
    let nonce = aead::Nonce::assume_unique_for_key(nonce);
    let record = body.get_mut(86..).unwrap_or_default();
    let tag = cipher.seal_in_place_separate_tag(nonce, aead::Aad::empty(), record).map_err(failed)?;
    body.extend_from_slice(tag.as_ref());
    Ok(body)
}

/// A length, as aws-lc-rs wants it.
#[derive(Clone, Copy)]
struct Octets(usize);

impl hkdf_aws::KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

pub(super) fn p256_key_pair() -> Result<(p256::SecretKey, Vec<u8>), Failure> {
    let mut octets = [0; 32];
    rust_crypto::PROVIDER.random.fill(&mut octets).context("randomness")?;
    let private = p256::SecretKey::from_slice(&octets).context("key")?;
    let public = private.public_key().to_sec1_point(false).as_bytes().to_vec();
    Ok((private, public))
}

pub(super) fn p256_agreement(
    private: &p256::SecretKey,
    keys: &SubscriptionKeys,
) -> Result<[u8; 32], Failure> {
    let public = p256::PublicKey::from_sec1_bytes(keys.p256dh.as_octets()).context("point")?;
    Ok((*private.diffie_hellman(&public).raw_secret_bytes()).into())
}

pub(super) fn key_schedule(
    keys: &SubscriptionKeys,
    shared: &[u8; 32],
) -> Result<([u8; 16], [u8; 12]), Failure> {
    let mut salt = [0; 16];
    rust_crypto::PROVIDER.random.fill(&mut salt).context("randomness")?;
    let auth = keys.auth.as_ref().map(|auth| auth.expose());
    let (mut ikm, mut key, mut nonce) = ([0; 32], [0; 16], [0; 12]);
    let info = [WEB_PUSH_INFO, keys.p256dh.as_octets(), keys.p256dh.as_octets()].concat();
    Hkdf::<Sha256>::new(auth, black_box(shared)).expand(&info, &mut ikm).context("HKDF")?;
    let prk = Hkdf::<Sha256>::new(Some(&salt), &ikm);
    prk.expand(KEY_INFO, &mut key).context("HKDF")?;
    prk.expand(NONCE_INFO, &mut nonce).context("HKDF")?;
    Ok((key, nonce))
}

pub(super) fn seal(key: &[u8; 16], nonce: &[u8; 12], text: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::with_capacity(text.len() + 17);
    body.extend_from_slice(black_box(text));
    body.push(2);
    let cipher = Aes128Gcm::new(key.into());
    let tag =
        cipher.encrypt_inout_detached(nonce.into(), &[], body.as_mut_slice().into()).context("AES-GCM")?;
    body.extend_from_slice(&tag);
    Ok(body)
}
