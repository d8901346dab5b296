use serde_json::json;

use super::*;
use crate::{
    sample::{AT, sample},
    service::exchange::State,
};

const BASE: View<'static> = View::new("http://localhost:8030");

fn at(exchange: &Exchange, pointer: &str) -> Value {
    message_json(exchange, &BASE).pointer(pointer).cloned().unwrap_or_else(|| json!("(no such member)"))
}

/// A message with a value for every member.
fn replaced() -> std::sync::Arc<Exchange> {
    sample(42, "alice")
        .topic("score")
        .octets(br#"{"title":"1:0"}"#)
        .signed()
        .finding("vapid/sub-localhost", Level::Warning)
        .state(State::Replaced, Some("topic"))
        .with(|e| {
            e.replaced_by = Some("msg_01M8Z3KQ4VM2V7N6T0XW9B9C2D".to_owned());
            e.timeline.push(Step {
                event: "replaced",
                clock: AT,
                why: Some("topic score".to_owned()),
                by: Some("msg_01M8Z3KQ4VM2V7N6T0XW9B9C2D".to_owned()),
            });
            e.deliveries.push(DeliveryAttempt {
                clock: AT,
                user_agent: crate::ids::UserAgentId(1),
                ack_code: Some(100),
                nack_code: None,
                ms: Some(9),
            });
        })
        .build()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one object is one snapshot")]
fn the_message_object_has_its_members_in_order() {
    let text = serde_json::to_string_pretty(&message_json(&replaced(), &BASE)).unwrap();

    insta::assert_snapshot!(text, @r#"
    {
      "id": "msg_01M8Z3KQ4VM2V7N6T0XW9B0042",
      "seq": 42,
      "space": "t1",
      "subscription": "sub_01M8Z3KQ4VM2V7N6T0XW9BALICE",
      "to": "alice",
      "state": "replaced",
      "reason": "topic",
      "replacedBy": "msg_01M8Z3KQ4VM2V7N6T0XW9B9C2D",
      "fault": null,
      "at": "2026-11-23T07:31:09.118Z",
      "clock": "2026-11-23T08:31:09.118Z",
      "expiresAt": "2026-11-23T09:31:09.118Z",
      "ttl": 3600,
      "ttlRequested": 3600,
      "topic": "score",
      "urgency": "normal",
      "coding": "aes128gcm",
      "receipt": null,
      "request": {
        "via": "http",
        "httpVersion": "1.1",
        "method": "POST",
        "url": "http://localhost:8030/p/AbC",
        "headers": [
          [
            "host",
            "localhost:8030"
          ],
          [
            "ttl",
            "3600"
          ],
          [
            "content-encoding",
            "aes128gcm"
          ],
          [
            "authorization",
            "vapid t=eyJ0eXAi…, k=BFW3KCgw"
          ]
        ],
        "bodyBytes": 118
      },
      "response": {
        "status": 201,
        "headers": [
          [
            "ttl",
            "3600"
          ]
        ],
        "ms": 3
      },
      "payload": {
        "state": "decrypted",
        "kind": "json",
        "bytes": 15,
        "padding": 0,
        "records": 1,
        "rs": 4096,
        "text": "{\"title\":\"1:0\"}",
        "json": {
          "title": "1:0"
        }
      },
      "vapid": {
        "scheme": "vapid",
        "aud": "http://localhost:8030",
        "sub": "mailto:a@localhost",
        "exp": "2026-11-23T19:31:02Z",
        "key": "BFW3KCgw",
        "signature": "valid",
        "boundKey": "match"
      },
      "notification": {
        "source": "guess",
        "title": "1:0"
      },
      "findings": [
        {
          "code": "vapid/sub-localhost",
          "level": "warning",
          "place": "header:authorization#sub",
          "seen": "mailto:a@localhost",
          "expected": "a contact with a public domain",
          "why": "because",
          "fix": "do",
          "vendors": [
            {
              "profile": "apple",
              "status": 403,
              "body": "{\"reason\":\"BadJwtToken\"}",
              "evidence": "observed",
              "line": "apple/7"
            }
          ],
          "spec": [
            "RFC 8292 §2.1"
          ],
          "row": "AS-022",
          "help": "/help/vapid/sub-localhost"
        }
      ],
      "timeline": [
        {
          "event": "accepted",
          "clock": "2026-11-23T07:31:09.118Z"
        },
        {
          "event": "replaced",
          "clock": "2026-11-23T07:31:09.118Z",
          "why": "topic score",
          "by": "msg_01M8Z3KQ4VM2V7N6T0XW9B9C2D"
        }
      ],
      "deliveries": [
        {
          "clock": "2026-11-23T07:31:09.118Z",
          "userAgent": "ua_00000000000000000000000001",
          "ackCode": 100,
          "nackCode": null,
          "ms": 9
        }
      ],
      "links": {
        "ui": "http://localhost:8030/ui/m/0042"
      }
    }
    "#);
}

#[test]
fn a_summary_is_a_subset_of_the_full_object() {
    let exchange = sample(7, "bob").octets(br#"{"a":1}"#).refused(403, "vapid/aud-mismatch").build();
    let summary = message_json(&exchange, &View { summary: true, ..BASE });

    insta::assert_snapshot!(serde_json::to_string(&summary).unwrap(), @r#"{"id":"msg_01M8Z3KQ4VM2V7N6T0XW9B0007","seq":7,"space":"t1","subscription":"sub_01M8Z3KQ4VM2V7N6T0XW9BBOB","to":"bob","state":"refused","reason":"vapid/aud-mismatch","replacedBy":null,"fault":null,"at":"2026-11-23T07:31:09.118Z","clock":"2026-11-23T08:31:09.118Z","expiresAt":null,"ttl":null,"ttlRequested":3600,"topic":null,"urgency":"normal","coding":"aes128gcm","receipt":null,"request":{"via":"http","method":"POST","bodyBytes":118},"response":{"status":403,"ms":3},"payload":{"state":"decrypted","kind":"json","bytes":7,"text":"{\"a\":1}"},"findings":[{"code":"vapid/aud-mismatch","level":"error"}],"links":{"ui":"http://localhost:8030/ui/m/0007"}}"#);
    assert_subset(&summary, &message_json(&exchange, &BASE), "");
}

fn assert_subset(part: &Value, whole: &Value, pointer: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (name, value) in part {
                let pointer = format!("{pointer}/{name}");
                assert_subset(value, whole.get(name).unwrap_or_else(|| panic!("{pointer} is new")), &pointer);
            }
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len(), "{pointer}");
            part.iter().zip(whole).for_each(|(part, whole)| assert_subset(part, whole, pointer));
        }
        _ => assert_eq!(part, whole, "{pointer}"),
    }
}

#[test]
fn a_payload_is_json_text_or_octets() {
    let check = |octets: &'static [u8], expected: Value| {
        assert_eq!(at(&sample(1, "a").octets(octets).build(), "/payload"), expected);
    };
    let shape = |kind: &str, bytes: usize| json!({"state": "decrypted", "kind": kind, "bytes": bytes, "padding": 0, "records": 1, "rs": 4096});
    let with = |mut value: Value, name: &str, content: Value| {
        value[name] = content;
        value
    };

    check(b"Hello", with(shape("text", 5), "text", json!("Hello")));
    check(b"", with(shape("text", 0), "text", json!("")));
    check(b"null", with(with(shape("json", 4), "text", json!("null")), "json", Value::Null));
    check(b"\xFF\xFE\xFB", with(shape("bytes", 3), "base64", json!("//77")));
}

#[test]
fn a_payload_without_plaintext_says_only_its_state() {
    let check = |payload: Payload, expected: Value| {
        assert_eq!(at(&sample(1, "a").payload(payload).build(), "/payload"), expected);
    };

    check(Payload::Empty, json!({"state": "empty", "kind": null, "bytes": 0}));
    check(Payload::Opaque, json!({"state": "opaque", "kind": null, "bytes": null}));
    check(Payload::Undecryptable, json!({"state": "undecryptable", "kind": null, "bytes": null}));
}

#[test]
fn a_body_in_clear_is_shown_as_what_it_is() {
    let exchange = sample(1, "a")
        .payload(Payload::Unencrypted)
        .request(|request| request.body = Bytes::from_static(b"Hello"))
        .build();

    assert_eq!(
        at(&exchange, "/payload"),
        json!({"state": "unencrypted", "kind": "text", "bytes": 5, "text": "Hello"})
    );
}

/// JSON nested deeper than the reader goes is shown as text instead of failing.
#[test]
fn json_nested_too_deeply_is_text() {
    let octets: &'static [u8] = "[".repeat(100_000).into_bytes().leak();

    assert_eq!(at(&sample(1, "a").octets(octets).build(), "/payload/kind"), json!("text"));
}

#[test]
fn credentials_are_cut_unless_asked_for() {
    let check = |name: &str, value: &str, expected: &str| {
        assert_eq!(shown_field(name, value, false), expected, "{name}");
        assert_eq!(shown_field(name, value, true), value);
    };

    check("authorization", "vapid t=eyJ0eXAiOiJK.x.y, k=BFW3KCgw", "vapid t=eyJ0eXAi…, k=BFW3KCgw");
    check("authorization", "vapid k=BFW3KCgw,t=\"eyJ0eXAiOiJK\"", "vapid k=BFW3KCgw,t=eyJ0eXAi…");
    check("authorization", "VAPID T=eyJ0eXAiOiJK", "VAPID T=eyJ0eXAi…");
    check("authorization", "WebPush eyJ0eXAiOiJK.x.y", "WebPush eyJ0eXAi…");
    check("authorization", "Bearer   eyJ0eXAiOiJK", "Bearer eyJ0eXAi…");
    check("authorization", "key=AIzaSyD1234567", "key=AIzaSyD1…");
    check("authorization", "eyJ0eXAiOiJK", "eyJ0eXAi…");
    check("cookie", "session=1", "…");
    check("crypto-key", "dh=BJuZ;p256ecdsa=BFW3", "dh=BJuZ;p256ecdsa=BFW3");
}

#[test]
fn no_token_is_in_the_object_without_secrets() {
    let exchange = sample(1, "alice").signed().build();
    let signature = "c2lnbmF0dXJl";

    assert!(!message_json(&exchange, &BASE).to_string().contains(signature));
    assert!(!pushlog_line(&exchange, "").to_string().contains(signature));
    assert!(message_json(&exchange, &View { secrets: true, ..BASE }).to_string().contains(signature));
}

#[test]
fn a_run_file_has_a_header_and_typed_lines() {
    let exchange = sample(1, "alice").build();
    let line = pushlog_line(&exchange, BASE.base_url);

    assert_eq!(pushlog_header("t1")["pushlog"], 1);
    assert!(line.to_string().starts_with("{\"type\":\"message\",\"id\":\"msg_"));
}

#[test]
fn a_notification_is_guessed_from_the_usual_members() {
    let check = |octets: &'static [u8], expected: Value| {
        assert_eq!(at(&sample(1, "a").octets(octets).build(), "/notification"), expected);
    };

    check(
        br#"{"title":"1:0","body":"Goal","x":1,"icon":7}"#,
        json!({"source": "guess", "title": "1:0", "body": "Goal"}),
    );
    check(br#"{"notification":{"title":"1:0"}}"#, json!({"source": "guess", "title": "1:0"}));
    check(b"Hello", json!({"source": "guess", "title": "Hello"}));
    check(b"", Value::Null);
    check(b"[1]", Value::Null);
    check(br#"{"id":7}"#, Value::Null);
    check(b"\xFF", Value::Null);
}

#[test]
fn a_declarative_message_shows_what_it_says() {
    let octets: &[u8] =
        br#"{"web_push":8030,"notification":{"title":"1:0","navigate":"https://example.com/","silent":true,
        "actions":[{"action":"a","title":"Open","navigate":"https://example.com/a"}]},"mutable":true}"#;

    assert_eq!(
        at(&sample(1, "a").octets(octets).build(), "/notification"),
        json!({
            "source": "declarative", "title": "1:0", "navigate": "https://example.com/", "silent": true,
            "actions": [{"action": "a", "title": "Open", "navigate": "https://example.com/a", "icon": null}],
            "mutable": true,
        })
    );
}

#[test]
fn times_are_rfc_3339_and_never_fail() {
    assert_eq!(time(Timestamp::from_unix_millis(0)), "1970-01-01T00:00:00.000Z");
    assert_eq!(time(AT), "2026-11-23T07:31:09.118Z");
    assert!(time(Timestamp::MAX).starts_with("9999-12-30T"));
}

#[test]
fn a_short_id_is_its_last_four_characters() {
    assert_eq!(short_id("msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K"), "7F3K");
    assert_eq!(short_id("abc"), "abc");
    assert_eq!(short_id(""), "");
}

#[test]
fn one_line_says_what_the_terminal_says() {
    let check = |exchange: &Exchange, expected: &str| assert_eq!(one_line(exchange), expected);

    check(&sample(1, "demo").build(), "0001  demo  201 acknowledged  ttl 3600  \"Hello\"");
    check(
        &sample(2, "a\u{1b}").topic("score").octets(b"{\"a\":1}").build(),
        "0002  a\\u{1b}  201 acknowledged  ttl 3600  topic score  {\"a\":1}",
    );
    check(
        &sample(3, "bob").payload(Payload::Undecryptable).refused(403, "vapid/signature").build(),
        "0003  bob  403 refused (vapid/signature)  (undecryptable)",
    );
}
