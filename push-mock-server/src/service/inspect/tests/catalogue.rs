//! The catalogue: complete, unambiguous, explained, and every code shown to be found and not to be found.

use std::collections::HashSet;

use super::cases;
use crate::service::{
    finding::Level,
    inspect::{
        Status, catalogue, handler_failed, not_delivered, rate_limited, redelivered, rule, silent, text,
        undecryptable,
    },
};

/// The codes found in something that has the fault, and in something nearly the same that has not.
pub(crate) struct Case {
    pub(crate) code: &'static str,
    pub(crate) bad: Vec<&'static str>,
    pub(crate) good: Vec<&'static str>,
}

fn all_cases() -> Vec<Case> {
    let codes =
        |finding: Option<crate::service::finding::Finding>| finding.iter().map(|found| found.code).collect();
    let mut all = cases::all();
    all.extend(text::tests::subscription_cases());
    all.push(Case {
        code: "delivery/redelivered",
        bad: codes(redelivered("alice", 2)),
        good: codes(redelivered("alice", 1)),
    });
    for (code, finding) in [
        ("delivery/undecryptable", undecryptable("firefox-1")),
        ("delivery/not-delivered", not_delivered("firefox-1")),
        ("delivery/handler-failed", handler_failed("firefox-1", 301)),
        ("delivery/silent", silent("firefox-1")),
    ] {
        // When they are not found is shown where acknowledgements are read.
        all.push(Case { code, bad: codes(finding), good: Vec::new() });
    }
    // Whether there is room is the service's to know: the simulations show when this is not found.
    all.push(Case {
        code: "request/rate-limited",
        bad: codes(rate_limited("the queue is full".into(), "at most 100 waiting messages")),
        good: Vec::new(),
    });
    all
}

#[test]
fn every_code_is_found_where_it_should_be_and_not_elsewhere() {
    let cases = all_cases();

    let mut wrong = Vec::new();
    for Case { code, bad, good } in &cases {
        if !bad.contains(code) {
            wrong.push(format!("{code} is not found; found are {bad:?}"));
        }
        if good.contains(code) {
            wrong.push(format!("{code} is found where it should not be, with {good:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tested: HashSet<_> = cases.iter().map(|case| case.code).collect();
    let untested: Vec<_> =
        catalogue().iter().map(|rule| rule.code).filter(|code| !tested.contains(code)).collect();
    assert_eq!(untested, [""; 0], "each code of the catalogue needs a case");
}

#[test]
fn everything_that_is_found_is_in_the_catalogue() {
    for case in all_cases() {
        for code in case.bad.iter().chain(&case.good).chain([&case.code]) {
            assert!(rule(code).is_some(), "{code}");
        }
    }
}

#[test]
fn codes_are_unique_and_well_formed() {
    let mut seen = HashSet::new();
    for rule in catalogue() {
        assert!(seen.insert(rule.code), "{} is there twice", rule.code);
        let (group, name) = rule.code.split_once('/').unwrap();
        let legal = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        assert!(legal(group) && legal(name), "{}", rule.code);
    }
}

#[test]
fn every_rule_has_a_whole_page() {
    for rule in catalogue() {
        let page = rule.page();
        for text in [rule.title, rule.when, rule.why, rule.fix, rule.example.before, rule.example.after] {
            assert!(!text.is_empty() && page.contains(text), "{}: {page}", rule.code);
        }
        assert!(page.contains(rule.code) && page.starts_with("# "), "{}", rule.code);
        for sentence in [rule.when, rule.why, rule.fix] {
            assert!(sentence.ends_with('.') || sentence.ends_with('…'), "{}: {sentence}", rule.code);
        }
    }
}

/// A refusal is an error, and vendors are cited as their tables are.
#[test]
fn levels_statuses_and_vendors_fit() {
    const PROFILES: [&str; 8] =
        ["apple", "chromium", "fcm", "firefox", "libraries", "mozilla", "webkit", "wns"];
    const EVIDENCE: [&str; 5] = ["assumed", "documented", "observed", "run", "source"];
    for rule in catalogue() {
        if let Status::Refuses(status) = rule.status {
            assert_eq!(rule.level, Level::Error, "{}", rule.code);
            assert!((400..500).contains(&status), "{}", rule.code);
        }
        for vendor in rule.vendors {
            assert!(
                PROFILES.contains(&vendor.profile) && EVIDENCE.contains(&vendor.evidence),
                "{}",
                rule.code
            );
            assert!(vendor.status.is_none_or(|status| (200..600).contains(&status)), "{}", rule.code);
            assert!(vendor.status.is_some() || !vendor.body.is_empty(), "{}", rule.code);
        }
    }
}

/// Whatever the cryptography crate names as a finding has a rule.
#[test]
fn codes_of_the_cryptography_have_rules() {
    use push_crypto::{RecordError, base64url::Base64Error, coding::fields::FieldError};
    let fields = [
        FieldError::Keyid,
        FieldError::Missing { field: "Encryption" },
        FieldError::Missing { field: "Crypto-Key" },
        FieldError::NoDh { field: "Crypto-Key" },
        FieldError::NoSalt,
        FieldError::RecordSize { seen: String::new() },
        FieldError::Several { count: 2 },
        FieldError::SeveralDh { field: "Crypto-Key" },
        FieldError::Syntax { field: "Encryption", near: String::new() },
        FieldError::Syntax { field: "Crypto-Key", near: String::new() },
        FieldError::Twice { field: "Encryption", parameter: String::new() },
        FieldError::Twice { field: "Crypto-Key", parameter: String::new() },
        FieldError::Value { parameter: "salt", error: Base64Error::Padding },
        FieldError::Value { parameter: "dh", error: Base64Error::Padding },
    ];
    let records = [
        RecordError::AllZero { record: 0 },
        RecordError::LastRecordFull,
        RecordError::MoreFollows,
        RecordError::NoRecord,
        RecordError::Padding { record: 0 },
        RecordError::ShortRecord { record: 0, octets: 1 },
        RecordError::Tag { record: 0 },
    ];
    let codes = fields.iter().map(FieldError::code).chain(records.into_iter().map(RecordError::code));

    for code in codes {
        assert!(rule(code).is_some(), "{code}");
    }
}
