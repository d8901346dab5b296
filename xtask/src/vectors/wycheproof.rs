//! Wycheproof's files: ECDH with raw points and with SubjectPublicKeyInfo, ECDSA as r ‖ s, AES-GCM, HKDF.
//!
//! `valid` must give the file's result and `invalid` must be refused. `acceptable` leaves the choice: a refusal
//! passes, and so does the file's result. One choice is ours, though: points travel uncompressed in Web Push
//! (RFC 8291 §3.1), so a case with the flag `CompressedPoint` must be refused, whatever its result says.

use aes_gcm::{
    Aes128Gcm,
    aead::{Aead as _, KeyInit as _, Payload},
};
use hkdf::Hkdf;
use push_crypto::{
    PrivateKey, PublicKey,
    provider::{CryptoProvider, rust_crypto},
    vapid::{ImportedKey, KeyFormat, import},
};
use serde_json::Value;
use sha2::Sha256;

use super::{
    Outcomes, Report,
    case::{Case, Stop},
    with_each_provider,
};

/// What kind of file it is.
#[derive(Clone, Copy)]
enum Kind {
    AesGcm,
    Ecdh,
    Ecdsa,
    Hkdf,
}

impl Kind {
    fn of(file: Case<'_>) -> Result<Self, String> {
        let algorithm = file.value("algorithm").and_then(Value::as_str).unwrap_or_default();
        let schema = file.value("schema").and_then(Value::as_str).unwrap_or_default();
        match algorithm {
            "AES-GCM" => Ok(Self::AesGcm),
            "ECDH" => Ok(Self::Ecdh),
            "ECDSA" if schema.contains("p1363") => Ok(Self::Ecdsa),
            "HKDF-SHA-256" => Ok(Self::Hkdf),
            _ => Err(format!(
                "algorithm \"{algorithm}\" with schema \"{schema}\" is unknown; there are ECDH, ECDSA (p1363), \
                 AES-GCM and HKDF-SHA-256"
            )),
        }
    }
}

pub(super) fn check(name: &str, file: &Value, report: &mut Report) {
    let kind = match Kind::of(Case::new(file)) {
        Ok(kind) => kind,
        Err(why) => return report.refuse(&name, &why),
    };
    let groups = file.get("testGroups").and_then(Value::as_array);
    let mut cases = 0_usize;
    for group in groups.into_iter().flatten() {
        let tests = group.get("tests").and_then(Value::as_array);
        for test in tests.into_iter().flatten() {
            cases += 1;
            let id = test.get("tcId").map_or_else(|| format!("#{cases}"), |id| format!("tcId {id}"));
            for (provider, outcome) in check_case(kind, Case::new(group), Case::new(test)) {
                report.enter(name, &id, provider, outcome);
            }
        }
    }
    if cases == 0 {
        report.refuse(&name, "\"testGroups\" holds no test, so nothing is proven");
    }
}

fn check_case(kind: Kind, group: Case<'_>, test: Case<'_>) -> Outcomes {
    match kind {
        Kind::Ecdh => with_each_provider(|provider| judge(test, ecdh(group, test, provider))),
        Kind::Ecdsa => with_each_provider(|provider| judge(test, ecdsa(group, test, provider))),
        // Key schedule and AEAD are RustCrypto's with every provider.
        Kind::AesGcm => vec![(rust_crypto::PROVIDER.name, judge(test, aes_gcm(group, test)))],
        Kind::Hkdf => vec![(rust_crypto::PROVIDER.name, judge(test, hkdf(test)))],
    }
}

/// Expected and computed octets; both empty where only acceptance counts.
type Computed = (Vec<u8>, Vec<u8>);

fn judge(test: Case<'_>, outcome: Result<Computed, Stop>) -> Result<(), String> {
    let flags = test.value("flags").and_then(Value::as_array);
    let compressed = flags.into_iter().flatten().any(|flag| flag.as_str() == Some("CompressedPoint"));
    let result = match test.value("result").and_then(Value::as_str) {
        _ if compressed => "invalid",
        Some(result @ ("valid" | "invalid" | "acceptable")) => result,
        _ => return Err("cannot be judged: \"result\" is not valid, invalid or acceptable".into()),
    };
    match (outcome, result) {
        (Err(Stop::Unclear(why)), _) => Err(format!("cannot be judged: {why}")),
        (Ok(_), "invalid") => Err("expected a refusal, came an acceptance".into()),
        (Err(Stop::Refused(why)), "valid") => Err(format!("expected an acceptance, came a refusal: {why}")),
        (Err(Stop::Refused(_)), _) => Ok(()),
        (Ok((expected, came)), _) if expected == came => Ok(()),
        (Ok((expected, came)), _) => Err(format!("expected {}, came {}", to_hex(&expected), to_hex(&came))),
    }
}

fn ecdh(group: Case<'_>, test: Case<'_>, provider: &CryptoProvider) -> Result<Computed, Stop> {
    check_named(group, "curve", "secp256r1")?;
    let public = hex(test, "public")?;
    let public = match group.text("encoding")? {
        Some("ecpoint") => PublicKey::from_octets(&public).map_err(Stop::refused)?,
        Some("asn") => match import(provider, &public).map_err(Stop::refused)? {
            (ImportedKey::Public(key), KeyFormat::DerSpki) => *key.point(),
            (_, format) => return Err(Stop::refused(format!("it is {format}"))),
        },
        _ => return Err(Stop::unclear("\"encoding\" is neither ecpoint nor asn")),
    };
    let private = scalar(&hex(test, "private")?)?;
    let secret = provider.shared_secret(&private, &public).map_err(Stop::refused)?;
    Ok((hex(test, "shared")?, secret.expose().to_vec()))
}

/// A number of any length, as 32 octets.
fn scalar(octets: &[u8]) -> Result<PrivateKey, Stop> {
    let start = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len());
    let number = octets.get(start..).unwrap_or_default();
    let zeros = 32_usize.saturating_sub(number.len());
    PrivateKey::from_octets(&[&vec![0; zeros], number].concat()).map_err(Stop::refused)
}

fn ecdsa(group: Case<'_>, test: Case<'_>, provider: &CryptoProvider) -> Result<Computed, Stop> {
    check_named(group, "sha", "SHA-256")?;
    let key = group.object("publicKey").ok_or_else(|| Stop::unclear("\"publicKey\" is missing"))?;
    check_named(key, "curve", "secp256r1")?;
    let key = PublicKey::from_octets(&hex(key, "uncompressed")?).map_err(Stop::refused)?;
    let (message, signature) = (hex(test, "msg")?, hex(test, "sig")?);
    let signature = signature.as_slice().try_into();
    let signature = signature.map_err(|_| Stop::refused("the signature has not 64 octets"))?;
    provider.signature.verify(&key, &message, signature).map_err(Stop::refused)?;
    Ok((Vec::new(), Vec::new()))
}

fn aes_gcm(group: Case<'_>, test: Case<'_>) -> Result<Computed, Stop> {
    for (name, bits) in [("keySize", 128), ("ivSize", 96), ("tagSize", 128)] {
        if group.number(name)? != Some(bits) {
            return Err(Stop::unclear(format!("\"{name}\" is not {bits}, the only size in use here")));
        }
    }
    let (message, aad) = (hex(test, "msg")?, hex(test, "aad")?);
    let sealed = [hex(test, "ct")?, hex(test, "tag")?].concat();
    let nonce =
        <[u8; 12]>::try_from(hex(test, "iv")?).map_err(|_| Stop::refused("the nonce has not 12 octets"))?;
    let cipher = Aes128Gcm::new_from_slice(&hex(test, "key")?).map_err(Stop::refused)?;
    let opened = cipher.decrypt(&nonce.into(), Payload { msg: &sealed, aad: &aad });
    let opened = opened.map_err(|_| Stop::refused("the tag does not verify"))?;
    // Sealing must give the same octets, or the nonce and the key were not what the file means.
    let again = cipher.encrypt(&nonce.into(), Payload { msg: &message, aad: &aad });
    let again = again.map_err(|_| Stop::refused("it cannot be sealed"))?;
    Ok(([message, sealed].concat(), [opened, again].concat()))
}

fn hkdf(test: Case<'_>) -> Result<Computed, Stop> {
    let (salt, ikm, info) = (hex(test, "salt")?, hex(test, "ikm")?, hex(test, "info")?);
    let size = test.number("size")?.ok_or_else(|| Stop::unclear("\"size\" is missing"))?;
    // HKDF gives at most 255 blocks (RFC 5869 §2.3); a larger buffer is not needed to be refused.
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(255 * 32 + 1);
    let mut out = vec![0; size];
    Hkdf::<Sha256>::new(Some(&salt), &ikm).expand(&info, &mut out).map_err(Stop::refused)?;
    Ok((hex(test, "okm")?, out))
}

fn check_named(object: Case<'_>, name: &str, only: &str) -> Result<(), Stop> {
    match object.text(name)? {
        Some(found) if found == only => Ok(()),
        found => Err(Stop::unclear(format!("\"{name}\" is {}, not {only}", found.unwrap_or("missing")))),
    }
}

/// The octets of a member in hexadecimal digits.
fn hex(case: Case<'_>, name: &str) -> Result<Vec<u8>, Stop> {
    let text = case.needed_text(name)?;
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    match digits {
        Some(digits) if digits.len() % 2 == 0 => Ok(digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
            .collect()),
        _ => Err(Stop::unclear(format!("\"{name}\" is not hexadecimal"))),
    }
}

fn to_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
