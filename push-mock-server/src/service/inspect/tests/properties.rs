//! Whatever a request is, inspection ends, and what it finds is in the catalogue.

use proptest::prelude::*;
use push_crypto::Schedule;

use super::*;
use crate::service::{finding::Level, inspect::rule};

const NAMES: [&str; 14] = [
    "ttl",
    "topic",
    "urgency",
    "prefer",
    "push-receipt",
    "content-type",
    "content-encoding",
    "encryption",
    "crypto-key",
    "encryption-key",
    "authorization",
    "content-length",
    "link",
    "x-other",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        "[0-9]{0,24}",
        "(keyid=[a-z]{0,3};)?(salt|dh|rs|p256ecdsa)=\"?[A-Za-z0-9_=-]{0,90}\"?[,;]?( ?rs=[0-9]{0,5})?",
        "(vapid|WebPush|bearer|key=|Basic) ?(t=|k=)?[A-Za-z0-9._-]{0,60}(, ?k=[A-Za-z0-9_-]{0,88})?",
        prop::sample::select(vec![
            "aes128gcm",
            "aesgcm",
            "aesgcm128",
            "AESGCM",
            "gzip",
            "aesgcm, gzip",
            "high",
            "Low"
        ])
        .prop_map(str::to_owned),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        ".{0,200}".prop_map(String::into_bytes),
        "[0-9a-f]{0,300}".prop_map(String::into_bytes),
        (0..4_usize, any::<prop::sample::Index>(), any::<u8>(), 18..60_u64).prop_map(
            |(schedule, at, octet, rs)| {
                let mut body = sealed(Schedule::ALL[schedule], &user_agent(7), TEXT, rs, 0).body;
                let at = at.index(body.len());
                body[at] ^= octet;
                body
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn inspection_never_panics_and_knows_what_it_says(
        headers in prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..8),
        body in body(),
        method in "(POST|PUT|GET|.{0,5})",
        keep in any::<bool>(),
        strict in any::<bool>(),
    ) {
        let mut setup = Setup::good();
        if !keep {
            setup.request.headers.clear();
        }
        for (name, value) in &headers {
            setup.add(name, value);
        }
        setup.request.method = method;
        setup.settings.strict = strict;
        setup.body(body);

        let inspected = setup.run();

        for finding in &inspected.findings {
            prop_assert!(rule(finding.code).is_some());
            prop_assert!(finding.refuses.is_none() || finding.level == Level::Error);
            prop_assert!(!finding.place.is_empty() && !finding.expected.is_empty());
            prop_assert!(!finding.seen.chars().any(char::is_control), "{:?}", finding.seen);
        }
        let errors = inspected.findings.iter().take_while(|finding| finding.level == Level::Error).count();
        prop_assert!(inspected.findings.iter().skip(errors).all(|finding| finding.level != Level::Error));
    }

    /// PS-044: what is granted is never more than what was asked for.
    #[test]
    fn the_granted_ttl_is_never_more_than_the_asked_one(asked in any::<u64>(), longest in any::<u32>()) {
        let mut setup = Setup::good();
        setup.set("ttl", &asked.to_string());
        setup.settings.ttl_longest = push_crypto::Ttl::seconds(u64::from(longest));

        let inspected = setup.run();

        prop_assert!(u64::from(inspected.ttl.unwrap().as_seconds()) <= asked);
        prop_assert!(inspected.ttl.unwrap() <= setup.settings.ttl_longest);
    }
}
