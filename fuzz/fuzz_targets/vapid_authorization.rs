//! `Authorization`, and `Crypto-Key` in the lines after it, through the whole judgement of a push service.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use push_crypto::{
    Timestamp,
    provider::rust_crypto,
    vapid::{SchemeName, VerifyRequest, read_authorization, verify},
};

fuzz_target!(|text: &str| {
    let lines: Vec<&str> = text.lines().collect();
    let Some((authorization, crypto_key)) = lines.split_first() else { return };
    if let Ok(read) = read_authorization(authorization, crypto_key) {
        let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let written = format!("vapid k=\"{}\", t=\"{}\"", quote(&read.key), quote(&read.token));
        let again = read_authorization(&written, &[]).expect("what is written can be read");
        assert_eq!((again.scheme, again.token, again.key), (SchemeName::Vapid, read.token, read.key));
    }
    let request = VerifyRequest {
        authorization,
        crypto_key,
        origins: &["https://push.example.net".parse().expect("an origin")],
        now: Timestamp::from_unix_seconds(1_453_480_568),
        skew: Duration::ZERO,
        restricted_to: None,
    };
    if let Err(error) = verify(&rust_crypto::PROVIDER, &request) {
        assert!(error.code().starts_with("vapid/"));
    }
});
