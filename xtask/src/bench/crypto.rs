//! Encryption of 1 KiB: ours, the same work with bare library calls, and two other libraries.

use std::hint::black_box;

use aes_gcm::{Aes128Gcm, KeyInit as _, aead::AeadInOut as _};
use aws_lc_rs::{aead, agreement, hkdf as hkdf_aws, rand};
use hkdf::Hkdf;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use push_crypto::{
    EncryptJob, EncryptOptions, Schedule, SubscriptionKeys, UserAgentKeys, base64url,
    provider::{CryptoProvider, aws_lc_rs as aws, rust_crypto},
};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    Part,
    figures::{Claim, Figure, Rounds},
    machine,
};
use crate::{
    failure::{Context, Failure},
    interop,
};

const ROUNDS: usize = 15;
/// What a push message typically is: 1 KiB of JSON.
const OCTETS: usize = 1024;
const WEB_PUSH_INFO: &[u8] = b"WebPush: info\0";
const KEY_INFO: &[u8] = b"Content-Encoding: aes128gcm\0";
const NONCE_INFO: &[u8] = b"Content-Encoding: nonce\0";

/// Measures and compares.
pub(super) fn run() -> Result<Part, Failure> {
    let receiver = UserAgentKeys::generate(&aws::PROVIDER).context("keys")?;
    let keys = receiver.subscription_keys();
    let text = vec![b'x'; OCTETS];
    let mut peers = interop::rust()?;
    let (to_ece, to_web_push) = questions(&keys, &text);
    let peer = std::cell::RefCell::new(&mut peers);
    let ask = |question: &Value, count: u32| {
        let mut question = question.clone();
        question["count"] = json!(count);
        let answer = peer.borrow_mut().ask(&question)?;
        answer["nanoseconds"].as_u64().ok_or_else(|| Failure::new(format!("no time in {answer}")))
    };

    let (pair, _) = p256_key_pair()?;
    let mut rounds = Rounds::default();
    rounds.add("push-crypto with aws_lc_rs", 400, |count| ours(&aws::PROVIDER, &keys, &text, count));
    rounds.add("floor: the same steps with bare aws-lc-rs", 400, |count| {
        repeat(count, || floor(&keys, &text).map(|body| body.len()))
    });
    rounds.add("push-crypto with aws_lc_rs, batches of 64", 448, |count| batches(&keys, &text, count));
    rounds
        .add("push-crypto with rust_crypto", 200, |count| ours(&rust_crypto::PROVIDER, &keys, &text, count));
    rounds.add("part: key pair by p256", 200, |count| {
        repeat(count, || p256_key_pair().map(|(_, key)| key.len()))
    });
    rounds.add("part: reading the point and agreement by p256", 200, |count| {
        repeat(count, || p256_agreement(&pair, &keys).map(|secret| secret.len()))
    });
    rounds.add("part: key schedule by hkdf and sha2", 400, |count| {
        repeat(count, || key_schedule(&keys, &[7; 32]).map(|(key, _)| key.len()))
    });
    rounds.add("part: sealing by aes-gcm", 400, |count| {
        repeat(count, || seal(&[1; 16], &[2; 12], &text).map(|body| body.len()))
    });
    rounds.add("crate ece 2.4.2 (OpenSSL)", 200, |count| ask(&to_ece, count));
    rounds.add("crate web-push 0.11.0, a token per message", 100, |count| ask(&to_web_push, count));
    let figures = rounds.run(ROUNDS)?;

    let [ours, floor, batch, pure, pair, agreement, schedule, sealing, ece, web_push] = figures
        .iter()
        .map(Figure::median)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| Failure::new("not as many figures as were asked for"))?;
    let parts = pair + agreement + schedule + sealing;
    let claims = vec![
        Claim::at_least(0.90, floor / ours, "aws_lc_rs: floor ÷ ours"),
        Claim::at_least(0.90, floor / batch, "aws_lc_rs in batches: floor ÷ ours"),
        Claim::at_least(3.0, ece / ours, "crate ece ÷ ours"),
        Claim::at_least(6.0, web_push / ours, "crate web-push, a token per message ÷ ours"),
        Claim::at_least(0.95, parts / pure, "rust_crypto: sum of the parts ÷ ours"),
    ];
    Ok(Part { name: "crypto", figures, claims })
}

fn questions(keys: &SubscriptionKeys, text: &[u8]) -> (Value, Value) {
    let common = json!({
        "public": keys.p256dh.to_base64url(),
        "auth": keys.auth.as_ref().map(|auth| base64url::encode(auth.expose())),
        "text": base64url::encode(text),
    });
    let (mut to_ece, mut to_web_push) = (common.clone(), common);
    to_ece["op"] = json!("time-ece");
    to_web_push["op"] = json!("time-web-push");
    to_web_push["endpoint"] = json!("https://push.example.net/p/0123456789");
    to_web_push["coding"] = json!("aes128gcm");
    to_web_push["ttl"] = json!(60);
    // any number below the order of the curve is a private key
    to_web_push["vapid"] = json!(base64url::encode(&[0x2a; 32]));
    to_web_push["subject"] = json!("mailto:bench@example.com");
    to_web_push["token_per_message"] = json!(true);
    (to_ece, to_web_push)
}

fn repeat(count: u32, mut work: impl FnMut() -> Result<usize, Failure>) -> Result<u64, Failure> {
    machine::time(|| {
        for _ in 0..count {
            black_box(work()?);
        }
        Ok(())
    })
}

fn ours(provider: &CryptoProvider, keys: &SubscriptionKeys, text: &[u8], count: u32) -> Result<u64, Failure> {
    let options = EncryptOptions::new(Schedule::Aes128gcm);
    repeat(count, || {
        let message =
            push_crypto::encrypt(provider, &options, EncryptJob { keys, plaintext: black_box(text) });
        message.map(|message| message.body().len()).context("encrypt")
    })
}

fn batches(keys: &SubscriptionKeys, text: &[u8], count: u32) -> Result<u64, Failure> {
    let options = EncryptOptions::new(Schedule::Aes128gcm);
    let jobs = [EncryptJob { keys, plaintext: text }; 64];
    repeat(count / 64, || {
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::encrypt_batch(&aws::PROVIDER, &options, black_box(&jobs), &mut out)
            .context("encrypt")?;
        Ok(out.len())
    })
}

/// The whole message with nothing but aws-lc-rs: key pair, agreement, HKDF, AES-GCM, header block.
fn floor(keys: &SubscriptionKeys, text: &[u8]) -> Result<Vec<u8>, Failure> {
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

fn p256_key_pair() -> Result<(p256::SecretKey, Vec<u8>), Failure> {
    let mut octets = [0; 32];
    rust_crypto::PROVIDER.random.fill(&mut octets).context("randomness")?;
    let private = p256::SecretKey::from_slice(&octets).context("key")?;
    let public = private.public_key().to_sec1_point(false).as_bytes().to_vec();
    Ok((private, public))
}

fn p256_agreement(private: &p256::SecretKey, keys: &SubscriptionKeys) -> Result<[u8; 32], Failure> {
    let public = p256::PublicKey::from_sec1_bytes(keys.p256dh.as_octets()).context("point")?;
    Ok((*private.diffie_hellman(&public).raw_secret_bytes()).into())
}

fn key_schedule(keys: &SubscriptionKeys, shared: &[u8; 32]) -> Result<([u8; 16], [u8; 12]), Failure> {
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

fn seal(key: &[u8; 16], nonce: &[u8; 12], text: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::with_capacity(text.len() + 17);
    body.extend_from_slice(black_box(text));
    body.push(2);
    let cipher = Aes128Gcm::new(key.into());
    let tag =
        cipher.encrypt_inout_detached(nonce.into(), &[], body.as_mut_slice().into()).context("AES-GCM")?;
    body.extend_from_slice(&tag);
    Ok(body)
}
