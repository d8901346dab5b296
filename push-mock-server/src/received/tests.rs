use serde::Deserialize;

use super::*;
use crate::sample::sample;

fn received(exchange: Arc<Exchange>) -> ReceivedMessage {
    ReceivedMessage::new(exchange)
}

#[derive(Debug, Deserialize, PartialEq)]
struct Goal {
    title: String,
}

#[test]
fn a_payload_is_read_as_the_test_wants_it() {
    let message = received(sample(1, "alice").octets(br#"{"title":"1:0"}"#).build());
    let payload = message.payload();

    assert_eq!(payload.json::<Goal>().unwrap(), Goal { title: "1:0".to_owned() });
    assert_eq!(payload.text().unwrap(), r#"{"title":"1:0"}"#);
    assert_eq!(payload.octets().unwrap().len(), 15);
    assert_eq!((payload.state(), payload.is_empty()), ("decrypted", false));
}

#[test]
fn what_cannot_be_read_says_why() {
    let check = |exchange: Arc<Exchange>, expected: &str| {
        let message = received(exchange);
        let error = message.payload().text().err().or(message.payload().json::<Goal>().err());
        assert_eq!(error.unwrap().to_string(), expected);
    };

    check(
        sample(1, "a").payload(Payload::Empty).build(),
        "the message has no payload (a tickle); expect one with .empty(), or send a payload",
    );
    check(
        sample(1, "a").payload(Payload::Undecryptable).build(),
        "the payload is undecryptable, so there is no plaintext; see the findings of the message",
    );
    check(
        sample(1, "a").octets(b"ab\xFF").build(),
        "the payload is not UTF-8 at octet 2; read it with octets()",
    );
    check(
        sample(1, "a").octets(b"Hello").build(),
        "the payload is not JSON (line 1, column 1); read it with text() or octets()",
    );
    check(
        sample(1, "a").octets(b"{}").build(),
        "the payload is JSON of another shape than the type (line 1, column 2)",
    );
}

#[test]
fn fields_are_found_in_any_case() {
    let message = received(sample(1, "alice").build());

    assert_eq!(message.header("TTL"), Some("3600"));
    assert_eq!(message.header("x"), None);
}

#[test]
fn findings_at_or_above_a_level_are_complained_about() {
    let message = received(
        sample(1, "alice")
            .finding("vapid/sub-localhost", Level::Warning)
            .finding("ttl/zero", Level::Info)
            .build(),
    );
    let findings = message.findings();

    assert_eq!(findings.complaint(Level::Error), None);
    insta::assert_snapshot!(findings.complaint(Level::Warning).unwrap(), @r#"
    expected no finding of level warning or worse: 0001  alice  201 acknowledged  ttl 3600  "Hello"
        warning  vapid/sub-localhost  at header:authorization#sub: mailto:a@localhost, expected a contact with a public domain
          do  do
    "#);
    assert!(findings.find("ttl/zero").is_some());
    findings.assert_none(Level::Error);
}

#[test]
fn a_failed_assertion_panics_at_the_line_of_the_test() {
    let message = received(sample(1, "alice").finding("x/y", Level::Error).build());

    let panic = std::panic::catch_unwind(|| message.findings().assert_none(Level::Error)).unwrap_err();

    assert!(
        panic.downcast::<String>().unwrap().starts_with("expected no finding of level error or worse: 0001")
    );
}

#[test]
fn debug_shows_no_payload() {
    let message = received(sample(1, "alice").octets(b"secret plaintext").signed().build());

    let text = format!("{message:?} {:?} {:?}", message.payload(), message.findings());

    assert!(!text.contains("secret") && !text.contains("eyJ0"), "{text}");
}
