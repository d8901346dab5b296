//! Key files of OpenSSL, and what is no key.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec::Vec,
};

use p256::pkcs8::DecodePublicKey as _;
use serde_json::json;

use super::{super::*, PRIVATE, PUBLIC};
use crate::{
    base64url::{self, Base64Error},
    protocol::{KeyError, PointError},
    provider::rust_crypto,
};

pub(super) fn import_text(text: &str) -> Result<(ImportedKey, KeyFormat), VapidKeyError> {
    import(&rust_crypto::PROVIDER, text.as_bytes())
}

// One key pair made for these tests with `openssl ecparam -name prime256v1 -genkey`, in OpenSSL's own forms.
const SEC1: &str = "-----BEGIN EC PARAMETERS-----\n\
    BggqhkjOPQMBBw==\n\
    -----END EC PARAMETERS-----\n\
    -----BEGIN EC PRIVATE KEY-----\n\
    MHcCAQEEID8O93YwvBb30/5lh1j71eMYbuA5DBdyypusCO5++HdRoAoGCCqGSM49\n\
    AwEHoUQDQgAEeVrWsBfmmk8pRiuuGFFZpEEG70zfvhQUlDsUbaWTuBg5QnFqQxbz\n\
    6yx28TxQLP51spDeueijg6Kqm4GRnY+tKQ==\n\
    -----END EC PRIVATE KEY-----\n";
pub(super) const PKCS8: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPw73djC8FvfT/mWH\n\
    WPvV4xhu4DkMF3LKm6wI7n74d1GhRANCAAR5WtawF+aaTylGK64YUVmkQQbvTN++\n\
    FBSUOxRtpZO4GDlCcWpDFvPrLHbxPFAs/nWykN656KODoqqbgZGdj60p\n\
    -----END PRIVATE KEY-----\n";
const SPKI: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeVrWsBfmmk8pRiuuGFFZpEEG70zf\n\
    vhQUlDsUbaWTuBg5QnFqQxbz6yx28TxQLP51spDeueijg6Kqm4GRnY+tKQ==\n\
    -----END PUBLIC KEY-----\n";
const P384: &str = "-----BEGIN EC PRIVATE KEY-----\n\
    MIGkAgEBBDARFJqqUys4B58uYXj4D+8JpOGSJU4jZQ8JYyTHGa0jPkiTSv3F3L0E\n\
    /Gkr8i3XwXugBwYFK4EEACKhZANiAAS2aawj7wiO3wWL01F+Pw912FZm6hw1GQdG\n\
    lV9rb5QPPePtjT1OBWGWLaB6/2mzQkyZw8QPBjX9sOXNVjqVAPnEW6Ze33F7IZF/\n\
    WbXQnVzyD7wGaC2yzKWQXpJJC5Lh6i8=\n\
    -----END EC PRIVATE KEY-----\n";
const SECP256K1: &str = "-----BEGIN EC PRIVATE KEY-----\n\
    MHQCAQEEIIdIqPa0jKp/HD9dBEzv0osuLVIAxndTI/xMXjriLfIsoAcGBSuBBAAK\n\
    oUQDQgAEZssMZi4Mh1+2k2Kf1jJDw9v6BlLEQl4GuQWoi1OxJUCOp0LG+5DKtDgp\n\
    rhOFIc/TO8tBN/E/LZpLA1nC3Mrw0g==\n\
    -----END EC PRIVATE KEY-----\n";
const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEILK3+P/fx9Foh0srgbtYDapFMldjteJBc4avwdAhnVOP\n\
    -----END PRIVATE KEY-----\n";
const EXPLICIT: &str = "-----BEGIN EC PRIVATE KEY-----\n\
    MIIBaAIBAQQgqEdOVhIx7kLNYoff9HMisSZfJ80uW4kNEM/1Oxrq8u6ggfowgfcC\n\
    AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////\n\
    MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr\n\
    vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE\n\
    axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W\n\
    K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8\n\
    YyVRAgEBoUQDQgAE7qUxQQx9+NhqKMm7WRaEjeiMusP2sD3OdTFdkQeqtcUzat4f\n\
    FO2TuJShQxC4nOOEXOouXk2JPsUBN0pDvOYWeQ==\n\
    -----END EC PRIVATE KEY-----\n";

pub(super) fn der_of(pem: &str) -> Vec<u8> {
    let body: String = pem
        .rsplit_once("-----BEGIN")
        .map(|(_, block)| block.lines().skip(1).take_while(|line| !line.starts_with('-')).collect())
        .unwrap();
    base64url::decode_tolerant(&body).unwrap().octets
}

#[test]
fn keys_of_openssl_are_read_in_every_form() {
    let check = |octets: &[u8], private: bool, format: KeyFormat| {
        let (key, found) = import(&rust_crypto::PROVIDER, octets).unwrap();
        assert_eq!(found, format);
        assert_eq!(matches!(key, ImportedKey::Private(_)), private, "{format}");
        assert_eq!(key.public().to_base64url(), PUBLIC, "{format}");
        if let ImportedKey::Private(key) = key {
            assert_eq!(*key.to_base64url(), PRIVATE, "{format}");
        }
    };

    check(SEC1.as_bytes(), true, KeyFormat::PemSec1);
    check(PKCS8.as_bytes(), true, KeyFormat::PemPkcs8);
    check(SPKI.as_bytes(), false, KeyFormat::PemSpki);
    check(PKCS8.replace('\n', "\r\n").as_bytes(), true, KeyFormat::PemPkcs8);
    check(&der_of(SEC1), true, KeyFormat::DerSec1);
    check(&der_of(PKCS8), true, KeyFormat::DerPkcs8);
    check(&der_of(SPKI), false, KeyFormat::DerSpki);
    check(base64url::encode(&der_of(PKCS8)).as_bytes(), true, KeyFormat::DerPkcs8);
    check(format!("\u{feff} {PRIVATE}=\n").as_bytes(), true, KeyFormat::Base64url);
    check(PUBLIC.as_bytes(), false, KeyFormat::Base64url);
    check(&base64url::decode(PUBLIC).unwrap(), false, KeyFormat::Raw);
    check(&base64url::decode(PRIVATE).unwrap(), true, KeyFormat::Raw);
    let pair = json!({"publicKey": PUBLIC, "privateKey": PRIVATE}).to_string();
    check(pair.as_bytes(), true, KeyFormat::JsonPair);
}

#[test]
fn what_is_written_is_what_openssl_writes() {
    let (key, _) = VapidKey::import(&rust_crypto::PROVIDER, PRIVATE.as_bytes()).unwrap();

    assert_eq!(*key.to_pem(PemKind::Pkcs8), PKCS8);
    // OpenSSL puts the parameters in a block of their own in front.
    assert!(SEC1.ends_with(&*key.to_pem(PemKind::Sec1)));
    assert_eq!(key.public().to_pem(), SPKI);
    assert_eq!(*key.to_der(), der_of(PKCS8));
    let foreign = p256::PublicKey::from_public_key_der(&key.public().to_der()).unwrap();
    assert_eq!(foreign.to_sec1_bytes().as_ref(), key.public().point().as_octets());
    let (same, format) = import_text(&key.to_jwk()).unwrap();
    assert_eq!((same, format), (ImportedKey::Private(key.clone()), KeyFormat::Jwk));
    let (same, format) = import_text(&key.public().to_jwk()).unwrap();
    assert_eq!((same, format), (ImportedKey::Public(*key.public()), KeyFormat::Jwk));
}

/// AS-017: other curves are refused, and named.
#[test]
fn what_is_no_key_of_ours_is_named() {
    let curve = |found: &str| VapidKeyError::Curve { found: found.to_owned() };
    let check = |text: &str, error: VapidKeyError| assert_eq!(import_text(text), Err(error), "{text}");

    check(P384, curve("P-384"));
    check(SECP256K1, curve("secp256k1"));
    check(ED25519, curve("Ed25519"));
    check(EXPLICIT, VapidKeyError::CurveParameters);
    check(r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#, curve("P-521"));
    check(r#"{"kty":"RSA","n":"AA"}"#, curve("RSA"));
    check("", VapidKeyError::Empty);
    check(" \n", VapidKeyError::Empty);
    check(&"3f".repeat(32), VapidKeyError::Hex { digits: 64 });
    check("qLAYRzG9TnUwbprns6H2Ew", VapidKeyError::Length { octets: 16 });
    check("not a key", VapidKeyError::Base64(Base64Error::WhiteSpace { at: 3 }));
    check("{", VapidKeyError::Json);
    check("{}", VapidKeyError::JsonMembers);
    check(r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#, VapidKeyError::JwkCoordinates);
    check(r#"{"kty":"EC","crv":"P-256"}"#, VapidKeyError::JsonMembers);
    check(&base64url::encode(&[0; 32]), VapidKeyError::Private(KeyError::PrivateRange));
    check(&PUBLIC.replace("rSk", "rSl"), VapidKeyError::Base64(Base64Error::TrailingBits));
    check("-----BEGIN PRIVATE KEY-----\nMIGH", VapidKeyError::PemMarks);
    check(
        "-----BEGIN CERTIFICATE-----\nMIGH\n-----END CERTIFICATE-----",
        VapidKeyError::PemLabel { label: "CERTIFICATE".to_owned() },
    );
    check(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGH\n-----END ENCRYPTED PRIVATE KEY-----",
        VapidKeyError::Encrypted,
    );
    check(
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIGH\n-----END EC PRIVATE KEY-----",
        VapidKeyError::Encrypted,
    );
    let other = VapidKey::generate(&rust_crypto::PROVIDER).unwrap();
    let mixed = json!({"publicKey": other.public().to_base64url(), "privateKey": PRIVATE}).to_string();
    check(&mixed, VapidKeyError::Pair);
    let public = VapidKey::import(&rust_crypto::PROVIDER, SPKI.as_bytes());
    assert_eq!(public, Err(VapidKeyError::PublicOnly { format: KeyFormat::PemSpki }));
    assert_eq!(import(&rust_crypto::PROVIDER, &[0xff; 40]), Err(VapidKeyError::Binary { octets: 40 }));
}

#[test]
fn the_text_of_k_names_der_and_pem() {
    let check = |text: &str, error: PublicKeyTextError| {
        assert_eq!(VapidPublicKey::from_text(text).err(), Some(error), "{text}");
        assert_eq!(error.code(), "vapid/k-invalid");
    };

    check(&base64url::encode(&der_of(SPKI)), PublicKeyTextError::Point(PointError::Der { octets: 91 }));
    check("-----BEGIN PUBLIC KEY-----", PublicKeyTextError::Point(PointError::Pem));
    check(PRIVATE, PublicKeyTextError::Point(PointError::Length { octets: 32 }));
    check("", PublicKeyTextError::Point(PointError::Length { octets: 0 }));
    let padded = format!("{}=", PUBLIC.replace('-', "+").replace('_', "/"));
    let (key, form) = VapidPublicKey::from_text(&padded).unwrap();
    assert_eq!(key.to_base64url(), PUBLIC);
    assert!(form.padded);
}
