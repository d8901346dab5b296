use proptest::prelude::*;
use push_crypto::Timestamp;
use serde_json::json;

use super::*;
use crate::{sample::sample, service::finding::Payload};

fn wanted(value: &Value) -> Match {
    Match::from_value(value).unwrap()
}

/// The differences of a message, as `member pointer: expected, was actual`.
fn differences(value: &Value, exchange: &Exchange) -> Vec<String> {
    let conditions = wanted(value).conditions(exchange);
    let met = conditions.iter().all(Condition::is_met);
    assert_eq!(wanted(value).matches(exchange), met, "the quick answer is the same: {value}");
    let differences = conditions.iter().flat_map(|condition| &condition.differences);
    differences
        .map(|d| format!("{} {}: {}, was {}", d.member, d.pointer, d.texts.expected, d.texts.actual))
        .collect()
}

#[test]
fn each_member_matches_and_differs() {
    let exchange = sample(1, "alice")
        .topic("score")
        .octets(br#"{"title":"1:0","n":1}"#)
        .signed()
        .finding("vapid/sub-localhost", Level::Warning)
        .build();
    let check = |value: Value, expected: &[&str]| {
        assert_eq!(differences(&value, &exchange), expected, "{value}");
    };

    check(json!({}), &[]);
    check(json!({"to": "alice"}), &[]);
    check(json!({"to": "sub_01M8Z3KQ4VM2V7N6T0XW9BALICE"}), &[]);
    check(json!({"to": ["bob", "alice"]}), &[]);
    check(json!({"to": ["bob", "carol"]}), &["to : bob or carol, was alice"]);
    check(json!({"state": ["delivered", "acknowledged"]}), &[]);
    check(json!({"state": "queued"}), &["state : queued, was acknowledged"]);
    check(json!({"topic": "score"}), &[]);
    check(json!({"topic": null}), &["topic : absent, was score"]);
    check(json!({"topic": [null, "score"]}), &[]);
    check(json!({"urgency": "high"}), &["urgency : high, was normal"]);
    check(json!({"coding": "aes128gcm"}), &[]);
    check(json!({"coding": null}), &["coding : absent, was aes128gcm"]);
    check(json!({"status": [200, 201]}), &[]);
    check(json!({"status": 202}), &["status : 202, was 201"]);
    check(json!({"via": "https"}), &["via : https, was http"]);
    check(json!({"ttl": 3600}), &[]);
    check(json!({"ttl": {"gte": 3600, "lte": 3600}}), &[]);
    check(json!({"ttl": {"gte": 3601}}), &["ttl : ≥ 3601, was 3600"]);
    check(json!({"ttl": {"lte": 3599}}), &["ttl : ≤ 3599, was 3600"]);
    check(json!({"bodyBytes": 118}), &[]);
    check(json!({"bodyBytes": {"lte": 117}}), &["bodyBytes : ≤ 117, was 118"]);
    check(json!({"vapid": {"sub": "mailto:a@localhost", "signature": "valid", "key": "BFW3KCgw"}}), &[]);
    check(json!({"vapid": {"key": "other"}}), &["vapid /key: other, was BFW3KCgw"]);
    check(json!({"fault": false}), &[]);
    check(json!({"fault": true}), &["fault : any, was none"]);
    check(json!({"fault": "flt_1"}), &["fault : flt_1, was none"]);
}

#[test]
fn a_payload_is_compared_in_the_way_asked_for() {
    let json_payload = sample(1, "a").octets(br#"{"title":"1:0","n":1}"#).build();
    let text = sample(1, "a").octets("Tor für uns".as_bytes()).build();
    let octets = sample(1, "a").octets(b"\xFF\x00").build();
    let tickle = sample(1, "a").payload(Payload::Empty).build();
    let empty_text = sample(1, "a").octets(b"").build();
    let check = |value: Value, exchange: &Exchange, expected: &[&str]| {
        let value = json!({"payload": value});
        assert_eq!(differences(&value, exchange), expected, "{value}");
    };

    check(json!({"json": {"title": "1:0"}}), &json_payload, &[]);
    check(json!({"json": {"title": "1:0"}, "mode": "includes"}), &json_payload, &[]);
    check(
        json!({"json": {"title": "1:0"}, "mode": "equals"}),
        &json_payload,
        &["payload /n: no such member, was 1"],
    );
    check(json!({"json": {"x": 1}}), &json_payload, &["payload /x: 1, was missing"]);
    check(
        json!({"json": 1}),
        &text,
        &["payload : to include 1, was the text \"Tor für uns\", which is not JSON"],
    );
    check(json!({"text": "Tor für uns"}), &text, &[]);
    check(json!({"text": "Tor"}), &text, &["payload : \"Tor\", was \"Tor für uns\""]);
    check(json!({"text": "für", "mode": "includes"}), &text, &[]);
    check(json!({"text": "^Tor.*uns$", "mode": "regex"}), &text, &[]);
    check(
        json!({"text": "^uns", "mode": "regex"}),
        &text,
        &["payload : to match /^uns/, was \"Tor für uns\""],
    );
    check(json!({"text": "x"}), &octets, &["payload : to equal \"x\", was 2 octets that are not text"]);
    check(json!({"base64": "/wA="}), &octets, &[]);
    check(json!({"base64": "_wA"}), &octets, &[]);
    check(
        json!({"base64": "_wE"}),
        &octets,
        &["payload : to equal 2 octets, was 2 octets, different from offset 1 on"],
    );
    check(json!({"empty": true}), &tickle, &[]);
    check(json!({"empty": true}), &empty_text, &["payload : empty, was decrypted"]);
    check(json!({"empty": false}), &empty_text, &[]);
    check(json!({"text": ""}), &empty_text, &[]);
    check(json!({"text": ""}), &tickle, &["payload : to equal \"\", was empty"]);
}

/// A receiver gets nothing out of such a message, whatever stands in its body.
#[test]
fn a_body_in_clear_is_no_payload() {
    let exchange = sample(1, "a")
        .payload(Payload::Unencrypted)
        .request(|request| request.body = bytes::Bytes::from_static(b"Hello"))
        .build();

    assert_eq!(
        differences(&json!({"payload": {"text": "Hello"}}), &exchange),
        ["payload : to equal \"Hello\", was unencrypted"]
    );
}

#[test]
fn findings_are_matched_by_level_and_code() {
    let exchange = sample(1, "a")
        .finding("vapid/sub-localhost", Level::Warning)
        .finding("ttl/zero", Level::Info)
        .build();
    let clean = sample(1, "a").build();
    let check = |value: Value, exchange: &Exchange, expected: &[&str]| {
        let value = json!({"findings": value});
        assert_eq!(differences(&value, exchange), expected, "{value}");
    };

    check(json!({"none": "error"}), &exchange, &[]);
    check(
        json!({"none": "warning"}),
        &exchange,
        &["findings : none of level warning, was vapid/sub-localhost"],
    );
    check(json!({"none": "info"}), &clean, &[]);
    check(json!({"any": ["vapid/*", "x/y"]}), &exchange, &[]);
    check(json!({"any": ["vapid/*"]}), &clean, &["findings : any of vapid/*, was none"]);
    check(
        json!({"all": ["vapid/*", "ttl/zer"]}),
        &exchange,
        &["findings : all of ttl/zer, was vapid/sub-localhost ttl/zero"],
    );
}

#[test]
fn a_refused_message_counts_only_when_its_state_is_asked_for() {
    let refused = sample(1, "alice").refused(403, "vapid/aud-mismatch").build();

    assert_eq!(
        differences(&json!({"to": "alice"}), &refused),
        ["state : accepted, was refused (403 vapid/aud-mismatch)"]
    );
    assert_eq!(differences(&json!({"state": "refused", "status": 403}), &refused), [""; 0]);
    assert!(wanted(&json!({"ttl": 3600, "state": "refused"})).matches(&refused), "the TTL asked for counts");
}

#[test]
fn conditions_are_described_in_words() {
    let check = |value: Value, expected: &str| assert_eq!(wanted(&value).to_string(), expected);

    check(json!({}), "");
    check(
        json!({"to": "alice", "payload": {"json": {"title": "Goal!"}}}),
        "to alice, payload includes {\"title\":\"Goal!\"}",
    );
    check(
        json!({"state": ["queued", "delivered"], "topic": null, "ttl": {"gte": 1, "lte": 2}, "bodyBytes": 5}),
        "state queued or delivered, topic absent, ttl 1 to 2, bodyBytes 5",
    );
    check(
        json!({"findings": {"none": "error", "any": ["a/*"]}, "vapid": {"sub": "x"}, "fault": false}),
        "findings none of level error and any of a/*, vapid sub x, fault none",
    );
}

#[test]
fn errors_name_their_place() {
    let check = |value: Value, expected: &str| {
        assert_eq!(Match::from_value(&value).unwrap_err().to_string(), expected, "{value}");
    };

    check(json!([]), "the document: expected an object, was a list");
    check(
        json!({"topc": 1}),
        "/topc: unknown member; did you mean \"topic\"? known are to, state, topic, urgency, coding, status, via, \
         ttl, bodyBytes, payload, findings, vapid, fault",
    );
    check(json!({"to": 1}), "/to: expected a text, was 1");
    check(
        json!({"to": []}),
        "/to: the list is empty and would match nothing; leave the member out, or name values",
    );
    check(
        json!({"state": ["queued", "delivred"]}),
        "/state/1: \"delivred\" is not known; did you mean \"delivered\"? allowed are queued, delivered, \
         acknowledged, discarded, expired, replaced, withdrawn, dropped, refused",
    );
    check(
        json!({"topic": "a b"}),
        "/topic: topic has ' ' at position 1; only A-Z a-z 0-9 - and _ are allowed",
    );
    check(json!({"status": 99}), "/status: 99 is not a status; use one from 100 to 599");
    check(json!({"ttl": {}}), "/ttl: no limit is given; name gte, lte or both");
    check(json!({"ttl": -1}), "/ttl: expected a whole number of 0 or more, was -1");
    check(json!({"ttl": {"gte": 2, "lte": 1}}), "/ttl: nothing is ≥ 2 and ≤ 1; exchange the two");
    check(
        json!({"payload": {}}),
        "/payload: 0 of text, json, base64, empty are given; exactly one is needed",
    );
    check(
        json!({"payload": {"text": "a", "json": 1}}),
        "/payload: 2 of text, json, base64, empty are given; exactly one is needed",
    );
    check(
        json!({"payload": {"json": 1, "mode": "regex"}}),
        "/payload/mode: mode \"regex\" does not go with json; allowed: equals and includes (default)",
    );
    check(json!({"findings": {}}), "/findings: no condition is given; name none, any or all");
    check(
        json!({"findings": {"any": ["*/x"]}}),
        "/findings/any/0: expected a finding's code such as \"vapid/aud-mismatch\", or the start of one and a \
         final *",
    );
    check(json!({"fault": 1}), "/fault: expected true, false or the id of a fault");
    let error = Match::from_value(&json!({"payload": {"text": "(", "mode": "regex"}})).unwrap_err();
    assert_eq!(error.pointer(), "/payload/text");
}

/// The pattern's length at one below, at, and one above its limit.
#[test]
fn a_pattern_has_a_limit() {
    let check = |length: usize, fits: bool| {
        let value = json!({"payload": {"text": "a".repeat(length), "mode": "regex"}});
        assert_eq!(Match::from_value(&value).is_ok(), fits, "{length}");
    };

    check(4095, true);
    check(4096, true);
    check(4097, false);
}

#[test]
fn a_match_is_also_read_by_serde() {
    let text = r#"{"to": "alice", "ttl": {"gt": 1}}"#;
    let error = serde_json::from_str::<Match>(text).unwrap_err();

    assert!(error.to_string().starts_with("/ttl/gt: unknown member"), "{error}");
}

/// Any JSON, with the names of our members often among its own.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "match", "count", "timeout", "since", "settle", "expect", "ordered", "noOthers", "space", "to",
            "state", "topic", "ttl", "gte", "lte", "payload", "text", "json", "base64", "empty", "mode",
            "findings", "none", "any", "all", "vapid", "sub", "min", "max", "exact", "status",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec!["queued", "5s", "regex", "includes", "error", "a/*", "score", "[", "_wA"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn reading_and_matching_never_panics(value in any_json(), octets in prop::collection::vec(any::<u8>(), 0..40)) {
        let exchange = sample(1, "alice").with(|e| {
            e.payload = Payload::Decrypted(crate::service::finding::Opened {
                plaintext: octets.into(),
                padding: 0,
                records: 1,
                rs: 4096,
            });
            e.clock = Timestamp::MAX;
        }).build();
        match Match::from_value(&value) {
            Ok(wanted) => {
                let conditions = wanted.conditions(&exchange);
                prop_assert_eq!(wanted.matches(&exchange), conditions.iter().all(Condition::is_met));
                let near = crate::near_miss::near_misses(&wanted, &[exchange]);
                prop_assert_eq!(near.is_empty(), conditions.iter().all(Condition::is_met));
            }
            Err(error) => prop_assert!(!error.problem().is_empty()),
        }
    }

    /// What a message contains is what it includes and equals.
    #[test]
    fn json_matches_itself(value in any_json()) {
        let text = value.to_string();
        prop_assume!(serde_json::from_str::<Value>(&text).is_ok_and(|again| again == value));
        let exchange = sample(1, "alice").octets(text.into_bytes().leak()).build();

        for mode in ["includes", "equals"] {
            let wanted = wanted(&json!({"payload": {"json": value, "mode": mode}}));
            prop_assert!(wanted.matches(&exchange));
        }
    }
}
