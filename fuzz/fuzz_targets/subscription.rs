//! The subscription as an application stores it: what is read is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use push_crypto::Subscription;

fuzz_target!(|text: &str| {
    match Subscription::parse_json(text) {
        Ok(parsed) => {
            let written = parsed.subscription.to_json();
            let again = Subscription::from_json(&written).expect("what is written can be read");
            assert_eq!(again, parsed.subscription);
            assert_eq!(again.to_json(), written);
        }
        Err(error) => assert!(!error.to_string().is_empty() && error.code().starts_with("subscription/")),
    }
});
