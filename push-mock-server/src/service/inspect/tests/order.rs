//! The order of findings and so of answers, levels, statuses, and what inspection reads out of a request.

use push_crypto::{Schedule, Ttl, Urgency};

use super::*;
use crate::{
    profile::{Profile, Verdict},
    service::finding::{Level, Payload},
};

#[test]
fn a_good_request_has_no_finding() {
    let inspected = Setup::good().run();

    assert_eq!(inspected.findings, []);
    assert_eq!(inspected.ttl, Some(Ttl::seconds(60)));
    assert_eq!(inspected.coding, Some(ContentCoding::Aes128gcm));
    let vapid = inspected.vapid.unwrap();
    assert_eq!((vapid.scheme, vapid.signature, vapid.bound_key), ("vapid", "valid", "match"));
    assert_eq!(vapid.aud.as_deref(), Some(ORIGIN));
    let Payload::Decrypted(opened) = inspected.payload else { panic!("not opened") };
    assert_eq!((&*opened.plaintext, opened.padding, opened.records, opened.rs), (TEXT, 0, 1, 4096));
    assert!(inspected.traces.token.is_some() && inspected.traces.salt == Some(SALT));
}

#[test]
fn the_first_refusal_in_the_documented_order_decides() {
    let mut setup = Setup::good();
    setup.body(vec![0; 5000]);
    setup.set("ttl", "NaN");
    setup.set("authorization", "Basic x");
    setup.request.method = "GET".to_owned();
    setup.known = Known::Unknown;
    let answer = |setup: &Setup| {
        let inspected = setup.run();
        let Verdict::Refuse { status, finding } = Profile::Rfc.verdict(&inspected) else { return (201, "") };
        assert_eq!(inspected.refusal().map(|found| found.code), Some(inspected.findings[finding].code));
        (status, inspected.findings[finding].code)
    };

    assert_eq!(answer(&setup), (404, "subscription/unknown"));
    setup.known = Known::Yes;
    assert_eq!(answer(&setup), (405, "request/method"));
    setup.request.method = "POST".to_owned();
    assert_eq!(answer(&setup), (413, "body/too-large"));
    setup.body(vec![0; 4096]);
    assert_eq!(answer(&setup), (400, "ttl/not-a-number"));
    setup.set("ttl", "60");
    assert_eq!(answer(&setup), (401, "vapid/scheme"));
    setup.claim(&claims(ORIGIN, -3600, CONTACT));
    assert_eq!(answer(&setup), (403, "vapid/exp-past"));
    setup.claim(&claims(ORIGIN, HOURS_12, CONTACT));
    assert_eq!(answer(&setup), (201, ""), "what no receiver can open is accepted, with findings");
    setup.settings.strict = true;
    assert_eq!(answer(&setup), (400, "aes128gcm/rs-too-small"));
}

#[test]
fn errors_come_first_and_all_are_named() {
    let mut setup = Setup::good();
    setup.request.method = "PUT".to_owned();
    setup.set("ttl", "0");
    setup.set("topic", "a b");
    setup.set("urgency", "High");
    setup.set("prefer", "respond-async");

    let findings = setup.run().findings;

    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    let expected =
        ["topic/bad-character", "urgency/case", "request/method-put", "request/receipt-asked", "ttl/zero"];
    assert_eq!(codes, expected);
    assert!(findings.iter().take(2).all(|finding| finding.level == Level::Error));
}

/// P-09, P-11, PS-119: what only a strict service refuses, and a warning that refuses is an error.
#[test]
fn strict_refuses_more() {
    let check = |change: fn(&mut Setup), code: &str, status: u16| {
        let mut setup = Setup::good();
        change(&mut setup);
        let lenient = setup.run();
        assert!(lenient.refusal().is_none(), "{code}");
        setup.settings.strict = true;
        let strict = setup.run();
        let refusal = strict.refusal().unwrap();
        assert_eq!((refusal.code, refusal.refuses, refusal.level), (code, Some(status), Level::Error));
    };

    check(|setup| setup.request.method = "PUT".to_owned(), "request/method-put", 405);
    check(|setup| setup.unset("content-encoding"), "coding/missing", 400);
    check(
        |setup| {
            setup.origins = vec!["https://push.example.net:8443".parse().unwrap()];
            setup.request.origin = None;
        },
        "vapid/aud-port-missing",
        403,
    );
    check(|setup| setup.claim(&claims(ORIGIN, -30, CONTACT)), "vapid/exp-past", 403);
}

#[test]
fn put_can_be_refused_alone() {
    let mut setup = Setup::good();
    setup.request.method = "PUT".to_owned();
    setup.settings.refuse_put = true;

    assert_eq!(setup.run().refusal().map(|finding| finding.refuses), Some(Some(405)));
}

#[test]
fn a_gone_subscription_is_answered_as_it_was_expired() {
    for status in [404, 410] {
        let mut setup = Setup::good();
        setup.gone = Some(Gone { reason: "expired", status });

        assert_eq!(setup.run().refusal().and_then(|finding| finding.refuses), Some(status));
    }
}

/// PS-118: the borders, with and without tolerance.
#[test]
fn expiry_is_judged_to_the_second() {
    let check = |exp: i64, strict: bool, expected: &[&str]| {
        let mut setup = Setup::good();
        setup.settings.strict = strict;
        setup.claim(&claims(ORIGIN, exp, CONTACT));
        assert_eq!(setup.codes(), expected, "exp {exp}, strict {strict}");
    };
    let day = 86_400;

    check(1, false, &[]);
    check(-60, false, &["vapid/exp-skew"]);
    check(-61, false, &["vapid/exp-past"]);
    check(-1, true, &["vapid/exp-past"]);
    check(day - 301, false, &[]);
    check(day - 299, false, &["vapid/exp-near-limit"]);
    check(day, false, &["vapid/exp-near-limit"]);
    check(day + 60, false, &["vapid/exp-skew"]);
    check(day + 61, false, &["vapid/exp-too-far"]);
    check(day + 1, true, &["vapid/exp-too-far"]);
}

/// A token that was verified with one key is not taken as verified with another (PS-117, PS-123).
#[test]
fn the_cache_covers_token_and_key() {
    let mut setup = Setup::good();
    setup.remember_token_as_verified();
    let broken = format!("{}AA", &setup.token()[..setup.token().len() - 2]);
    let cached = setup.codes();
    let other = setup
        .field("authorization")
        .replace(&signer(3).public().to_base64url(), &signer(4).public().to_base64url());
    setup.set("authorization", &other);
    setup.bound = None;
    let with_other_key = setup.codes();
    setup.set("authorization", &format!("vapid t={broken}, k={}", signer(3).public().to_base64url()));
    let with_other_signature = setup.codes();

    assert_eq!(cached, [""; 0]);
    assert_eq!(with_other_key, ["vapid/signature"]);
    assert!(with_other_signature.contains(&"vapid/signature"));
}

#[test]
fn a_token_for_a_second_service_is_named_as_such() {
    let mut setup = Setup::good();
    setup.claim(&claims("https://other.example.net", HOURS_12, CONTACT));
    setup.memory.used_for = Some("https://other.example.net".to_owned());

    let findings = setup.run().findings;

    assert_eq!(findings[0].code, "vapid/aud-mismatch");
    assert!(findings[0].seen.contains("was used for https://other.example.net before"));
}

#[test]
fn the_origin_of_the_request_is_accepted_too() {
    let mut setup = Setup::good();
    setup.request.origin = Some("http://localhost:8030".parse().unwrap());
    setup.claim(&claims("http://localhost:8030", HOURS_12, CONTACT));

    assert_eq!(setup.codes(), [""; 0]);
}

#[test]
fn a_tickle_is_empty_and_its_missing_token_is_explained() {
    let mut setup = Setup::good();
    setup.tickle();
    assert!(matches!(setup.run().payload, Payload::Empty));
    setup.unset("authorization");
    setup.memory.signed = true;

    let findings = setup.run().findings;

    assert_eq!(findings[0].code, "vapid/missing");
    assert!(findings[0].seen.contains("those without lack it"), "{}", findings[0].seen);
}

#[test]
fn without_keys_the_payload_is_opaque() {
    let mut setup = Setup::good();
    setup.keys = None;

    let inspected = setup.run();

    assert!(matches!(inspected.payload, Payload::Opaque));
    assert_eq!(inspected.findings, []);
    assert!(inspected.traces.sender_key.is_some());
}

/// Q28: a body over the limit that was read whole is still opened.
#[test]
fn a_large_body_is_refused_and_opened_all_the_same() {
    let mut setup = Setup::good();
    setup.seal(Schedule::Aes128gcm, &[b'x'; 4096], 4096, 0);

    let inspected = setup.run();

    let codes: Vec<_> = inspected.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["body/too-large", "body/over-android", "body/multi-record"]);
    assert!(matches!(inspected.payload, Payload::Decrypted(_)));
}

#[test]
fn a_body_that_was_not_read_whole_is_not_judged() {
    let mut setup = Setup::good();
    let kept = Bytes::from(setup.octets());
    setup.request.body = RequestBody::TooLarge { kept, declared: Some(1_000_000) };

    let inspected = setup.run();

    assert_eq!(inspected.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["body/too-large"]);
    assert!(matches!(inspected.payload, Payload::Opaque));
}

#[test]
fn every_coding_opens() {
    for schedule in Schedule::ALL {
        let mut setup = Setup::good();
        setup.seal(*schedule, TEXT, 4096, 3);

        let Payload::Decrypted(opened) = setup.run().payload else { panic!("{schedule} is not opened") };

        assert_eq!((&*opened.plaintext, opened.padding), (TEXT, 3), "{schedule}");
    }
}

#[test]
fn urgency_topic_and_ttl_are_read() {
    let mut setup = Setup::good();
    setup.set("urgency", "very-low");
    setup.set("topic", "score");
    setup.set("ttl", "9999999");
    setup.codings.clear();
    setup.codings.push(ContentCoding::Aes128gcm);

    let inspected = setup.run();

    assert_eq!(inspected.urgency, Urgency::VeryLow);
    assert_eq!(inspected.topic.as_ref().map(|topic| topic.as_str()), Some("score"));
    assert_eq!(inspected.ttl_requested, Some(Ttl::seconds(9_999_999)));
    assert_eq!(inspected.ttl, Some(Ttl::seconds(2_592_000)));
}
