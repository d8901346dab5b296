//! A token, and a contact.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use push_crypto::{
    Timestamp,
    vapid::{Subject, UnverifiedToken},
};

fuzz_target!(|text: &str| {
    if let Ok(subject) = text.parse::<Subject>() {
        assert_eq!(subject.as_str().parse(), Ok(subject.clone()));
        let _ = subject.remark();
    }
    let Ok(token) = UnverifiedToken::parse(text) else { return };
    let origins = ["https://push.example.net".parse().expect("an origin")];
    let _ = (token.alg(), token.typ(), token.sub(), token.nbf(), token.exp().to_string());
    let _ = (token.check_audience(&origins).is_ok(), token.claims_json(), token.header_json());
    for now in [0, 1_453_480_568, u64::MAX] {
        let now = Timestamp::from_unix_seconds(now);
        for skew in [Duration::ZERO, Duration::MAX] {
            let _ = token.check_expiry(now, skew);
        }
    }
});
