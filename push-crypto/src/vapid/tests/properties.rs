//! No text and no octets panic a parser; what is written is read again.

use alloc::{
    borrow::ToOwned,
    format,
    string::{String, ToString},
    vec,
};
use core::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::{
    super::*,
    NOW, judge_claims,
    keys::{PKCS8, der_of, import_text},
    providers,
};
use crate::{
    protocol::{PrivateKey, PublicKey},
    provider::rust_crypto,
};

fn near_miss() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z0-9_.=+/-]{0,12}",
        Just("vapid ".to_owned()),
        Just("WebPush ".to_owned()),
        Just("t=".to_owned()),
        Just("k=\"".to_owned()),
        Just("\\".to_owned()),
        Just(", ".to_owned()),
        Just(";p256ecdsa=".to_owned()),
        Just("eyJhbGciOiJFUzI1NiJ9.".to_owned()),
        Just("mailto:".to_owned()),
        Just("https://".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----".to_owned()),
        Just("-----END ".to_owned()),
        Just("{\"kty\":\"EC\"".to_owned()),
        ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn try_every_parser(text: &str) {
    let _ = read_authorization(text, &[text]);
    let _ = read_authorization(&format!("vapid {text}"), &[]);
    let _ = read_authorization("WebPush a", &[text, text]);
    let _ = UnverifiedToken::parse(text)
        .map(|token| (token.exp(), token.nbf(), token.check_expiry(NOW, Duration::MAX)));
    let _ = text.parse::<Subject>().map(|subject| subject.remark());
    let _ = VapidPublicKey::from_text(text);
    let _ = import_text(text);
}

proptest! {
    #[test]
    fn no_text_panics_a_parser(any in ".{0,200}", near in near_miss()) {
        try_every_parser(&any);
        try_every_parser(&near);
    }

    #[test]
    fn no_octets_panic_the_key_reader(mut octets in proptest::collection::vec(any::<u8>(), 0..160), der: bool) {
        let _ = import(&rust_crypto::PROVIDER, &octets);
        let start = der_of(PKCS8);
        for (to, from) in octets.iter_mut().zip(start.iter().take(if der { 36 } else { 4 })) {
            *to = *from;
        }
        let _ = import(&rust_crypto::PROVIDER, &octets);
    }

    #[test]
    fn no_claims_panic_the_judge(claims in near_miss(), number: f64, whole: i64) {
        for claims in [
            claims.clone(),
            json!({"aud": claims, "exp": number, "nbf": number}).to_string(),
            json!({"aud": [claims], "exp": whole, "nbf": whole, "sub": claims}).to_string(),
        ] {
            judge_claims(&claims);
        }
    }

    #[test]
    fn what_is_split_can_be_written_again(token in "[A-Za-z0-9_.-]{1,40}", key in "[A-Za-z0-9_-]{1,90}") {
        let text = format!("vapid t={token}, k={key}");
        let read = read_authorization(&text, &[]).unwrap();
        prop_assert_eq!((&*read.token, &*read.key), (token.as_str(), key.as_str()));
        let quoted: String = token.chars().flat_map(|c| ['\\', c]).collect();
        let text = format!("vapid k=\"{key}\",t=\"{quoted}\"");
        let read = read_authorization(&text, &[]).unwrap();
        prop_assert_eq!((&*read.token, &*read.key), (token.as_str(), key.as_str()));
    }

    #[test]
    fn every_key_survives_every_form(seed in proptest::array::uniform32(any::<u8>())) {
        let Ok(private) = PrivateKey::from_octets(&seed) else { return Ok(()) };
        for provider in providers() {
            let key = VapidKey::from_private(provider, private.clone()).unwrap();
            for text in [
                key.to_base64url(), key.to_pem(PemKind::Pkcs8), key.to_pem(PemKind::Sec1), key.to_jwk(),
            ] {
                prop_assert_eq!(&VapidKey::import(provider, text.as_bytes()).unwrap().0, &key);
            }
            prop_assert_eq!(&VapidKey::import(provider, &key.to_der()).unwrap().0, &key);
            let public: PublicKey = *key.public().point();
            prop_assert_eq!(VapidPublicKey::new(public), *key.public());
        }
    }
}
