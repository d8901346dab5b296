use proptest::prelude::*;

use super::*;
use crate::{
    sample::{AT, sample},
    service::{
        exchange::State,
        finding::{Level, Payload},
    },
};

fn matches(query: &str, exchange: &Exchange) -> bool {
    Query::parse(query).unwrap_or_else(|error| panic!("{query}: {error}")).matches(exchange, AT)
}

#[test]
fn every_key_finds_and_passes_over() {
    let exchange = sample(1, "alice-1")
        .topic("score")
        .octets(r#"{"title":"Größe 1:0"}"#.as_bytes())
        .finding("vapid/sub-localhost", Level::Warning)
        .state(State::Queued, Some("offline"))
        .build();
    let check = |query: &str, expected| assert_eq!(matches(query, &exchange), expected, "{query}");

    for (found, passed) in [
        ("", "-title"),
        ("title", "nothing"),
        ("TITLE GRÖSSE", "title nothing"),
        ("größe", "-größe"),
        ("\"größe 1:0\"", "\"größe 1:1\""),
        ("body:title", "body:nothing"),
        ("body:\"größe 1:0\"", "body:\"1:0 größe\""),
        ("titl*", "titlx*"),
        ("to:alice-1", "to:alice"),
        ("to:alice*", "to:bob*"),
        ("to:bob,alice-1", "to:bob,carol"),
        ("to:\"alice-1\"", "to:\"alice*\""),
        ("state:queued", "state:refused"),
        ("state:refused,queued", "-state:queued"),
        ("topic:score", "topic:other"),
        ("topic:*", "-topic:*"),
        ("urgency:normal", "urgency:high"),
        ("urgency:no*", "urgency:very-*"),
        ("coding:aes128gcm", "coding:aesgcm"),
        ("finding:vapid/*", "finding:ttl/*"),
        ("finding:vapid/sub-localhost", "finding:vapid/sub"),
        ("level:warning", "level:error"),
        ("status:201", "status:403"),
        ("status:2*", "status:4*"),
        ("via:http", "via:https"),
        ("kind:json", "kind:text"),
        ("ttl:3600", "ttl:3599"),
        ("ttl:=3600", "ttl:=60"),
        ("ttl:>3599", "ttl:>3600"),
        ("ttl:>=3600", "ttl:>=3601"),
        ("ttl:<3601", "ttl:<3600"),
        ("ttl:<=3600", "ttl:<=3599"),
        ("since:5m", "-since:5m"),
        ("since:2026-11-23T07:31:09.118Z", "since:2026-11-23T07:31:09.119Z"),
        ("fault:no", "fault:yes"),
        ("-fault:yes", "-fault:no"),
        ("  to:alice*\t state:queued  title ", "to:alice* state:refused title"),
    ] {
        // „ß“ does not become „SS“ in lower case, so only the umlaut is compared without case.
        check(&found.replace("GRÖSSE", "GRÖßE"), true);
        check(passed, false);
    }
}

#[test]
fn since_counts_back_from_now() {
    let exchange = sample(1, "alice").build();
    let query = Query::parse("since:5m").unwrap();
    let after = |seconds| AT.after(Duration::from_secs(seconds));

    assert!(query.matches(&exchange, after(300)));
    assert!(!query.matches(&exchange, after(301)));
}

#[test]
fn kinds_include_the_states_without_a_kind() {
    let check = |payload: Payload, query: &str| {
        assert!(matches(query, &sample(1, "a").payload(payload).build()), "{query}");
    };

    check(Payload::Empty, "kind:empty");
    check(Payload::Opaque, "kind:opaque -word");
    check(Payload::Undecryptable, "kind:undecryptable");
}

#[test]
fn a_body_in_clear_is_searched_too() {
    let exchange = sample(1, "a")
        .payload(Payload::Unencrypted)
        .request(|request| request.body = bytes::Bytes::from_static(b"Hello"))
        .build();

    assert!(matches("hello kind:text", &exchange));
}

#[test]
fn a_quoted_value_may_hold_quotation_marks() {
    let exchange = sample(1, "a").octets(br#"say "hi" \ bye"#).build();

    assert!(matches(r#"body:"say \"hi\" \\ bye""#, &exchange));
    assert!(matches(r#"-"say hi""#, &exchange));
}

#[test]
fn errors_say_what_and_where() {
    let check = |query: &str, expected: &str| {
        assert_eq!(Query::parse(query).unwrap_err().to_string(), expected, "{query}");
    };

    check(
        "to:a topc:b",
        "at character 6: \"topc\" is no key; did you mean \"topic\"? Put a text with a colon in quotation marks",
    );
    check(
        "http://x",
        "at character 1: \"http\" is no key; keys are to, state, topic, urgency, coding, finding, level, status, via, \
         kind, ttl, body, since, fault. Put a text with a colon in quotation marks",
    );
    check("to:", "at character 1: to: has no value; write one after the colon without a blank");
    check("to: alice", "at character 1: to: has no value; write one after the colon without a blank");
    check("hällo -", "at character 7: - negates what follows it without a blank, but nothing does");
    check("body:\"open", "at character 6: the quotation mark is never closed; add one");
    check(
        "state:queud",
        "at character 7: state:queud is not known; did you mean \"queued\"? allowed are queued, delivered, \
         acknowledged, discarded, expired, replaced, withdrawn, dropped, refused",
    );
    check(
        "state:x*",
        "at character 7: state:x is not known; allowed are queued, delivered, acknowledged, discarded, \
         expired, replaced, withdrawn, dropped, refused",
    );
    check("to:a*b", "at character 4: * may only end a value; put a text with * in quotation marks");
    check(
        "ttl:>x",
        "at character 5: ttl:>x is no number of seconds; write ttl:60, ttl:>60, ttl:>=60, ttl:<60 or ttl:<=60",
    );
    check(
        "status:40",
        "at character 8: status:40 is not known; allowed are three digits such as 403, or fewer and a \
         star such as 4*",
    );
    check(
        "since:yesterday",
        "at character 7: since:yesterday is neither a duration such as 5m nor a time such as 2026-11-23T08:00:00Z",
    );
    check("fault:maybe", "at character 7: fault:maybe is neither yes nor no");
}

/// The length of a query at one below, at, and one above its limit.
#[test]
fn a_query_has_a_limit() {
    let check =
        |length: usize, fits: bool| assert_eq!(Query::parse(&"a".repeat(length)).is_ok(), fits, "{length}");

    check(4095, true);
    check(4096, true);
    check(4097, false);
}

proptest! {
    #[test]
    fn parsing_never_panics(query in proptest::arbitrary::any::<String>()) {
        if let Err(error) = Query::parse(&query) {
            prop_assert!(error.position() <= query.chars().count());
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Texts made of the language's own pieces reach further than arbitrary ones.
    #[test]
    fn pieces_of_the_language_never_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "to:", "state:", "ttl:", ">", "<=", "60", "since:", "5m", "\"", "\\", "-", " ", "*", ",", "queued", "body:",
            "status:", "4", "fault:", "yes", "ä", ":",
        ]), 0..12)
    ) {
        let query = pieces.concat();
        if let Ok(parsed) = Query::parse(&query) {
            let _ = parsed.matches(&sample(1, "alice").build(), AT);
        }
    }

    #[test]
    fn a_negated_term_is_the_opposite(word in "[a-zäö]{1,8}") {
        let exchange = sample(1, "alice").octets(b"abcdefghijklmnopqrstuvwxyz").build();

        prop_assert_ne!(matches(&word, &exchange), matches(&format!("-{word}"), &exchange));
    }
}
