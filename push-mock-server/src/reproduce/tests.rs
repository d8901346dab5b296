use super::*;
use crate::{
    sample::sample,
    service::finding::{Level, Payload},
    view::{View, message_json},
};

#[test]
fn curl_sends_the_same_octets_and_fields() {
    let exchange = sample(1, "alice").signed().request(|request| request.body_bytes = 4).build();

    insta::assert_snapshot!(curl(&exchange, false), @r#"
    # the credentials are cut; ask again with ?secrets=1 to have them in full
    printf %s 'AAEC/w==' | base64 -d | curl -sS -i -X POST \
      -H 'ttl: 3600' \
      -H 'content-encoding: aes128gcm' \
      -H 'authorization: vapid t=eyJ0eXAi…, k=BFW3KCgw' \
      -H 'content-type:' \
      --data-binary @- \
      'http://localhost:8030/p/AbC'
    "#);
    assert!(curl(&exchange, true).contains("c2lnbmF0dXJl"));
    assert!(!curl(&exchange, true).contains('#'));
}

#[test]
fn curl_sends_a_tickle_without_a_type() {
    let exchange = sample(1, "alice")
        .payload(Payload::Empty)
        .request(|request| {
            request.body = bytes::Bytes::new();
            request.body_bytes = 0;
            request.http_version = "2";
            request.url = "https://localhost:8030/p/it's;rm".to_owned();
            request.headers =
                vec![("topic".to_owned(), String::new()), ("x".to_owned(), "a'b $(c)".to_owned())];
        })
        .build();

    insta::assert_snapshot!(curl(&exchange, false), @r#"
    curl -sS -i -X POST --http2 \
      -H 'topic;' \
      -H 'x: a'\''b $(c)' \
      -H 'content-type:' \
      --data-binary '' \
      'https://localhost:8030/p/it'\''s;rm'
    "#);
}

#[test]
fn raw_http_is_readable() {
    let exchange = sample(1, "alice").signed().request(|request| request.body_bytes = 4).build();
    let clear = sample(1, "alice")
        .request(|request| {
            request.headers.clear();
            request.url = "http://localhost:8030/p/x?y".to_owned();
            request.body = bytes::Bytes::from_static(b"Hello");
            request.body_bytes = 9000;
        })
        .build();

    insta::assert_snapshot!(http(&exchange, false), @r#"
    POST /p/AbC HTTP/1.1
    host: localhost:8030
    ttl: 3600
    content-encoding: aes128gcm
    authorization: vapid t=eyJ0eXAi…, k=BFW3KCgw

    [4 octets, base64] AAEC/w==
    # the credentials are cut; ask again with ?secrets=1 to have them in full
    "#);
    insta::assert_snapshot!(http(&clear, false), @r#"
    POST /p/x?y HTTP/1.1
    host: localhost:8030

    Hello
    # the body had 9000 octets, of which the first 5 were kept
    "#);
}

fn code(exchange: &crate::service::exchange::Exchange, language: &str) -> String {
    as_test(&message_json(exchange, &View::new("")), language.parse().unwrap())
}

#[test]
fn an_assertion_says_what_the_message_was() {
    let exchange = sample(1, "alice").topic("score").octets(br#"{"title":"1:0 \"\u0001","ok":true}"#).build();

    insta::assert_snapshot!(code(&exchange, "rust"), @r#"
    let got = push
        .expect()
        .to("alice")
        .topic("score")
        .ttl(3600..)
        .json(json!({"title": "1:0 \"\u{1}", "ok": true}))
        .no_finding(Level::Error)
        .once()
        .within(Duration::from_secs(5))
        .await;
    "#);
    insta::assert_snapshot!(code(&exchange, "js"), @r#"
    const response = await fetch(`${process.env.PUSH_URL}/api/v1/wait?space=t1`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ match: {"to":"alice","topic":"score","ttl":{"gte":3600},"payload":{"json":{"title":"1:0 \"\u0001","ok":true}},"findings":{"none":"error"}}, count: { min: 1, max: 1 }, timeout: "5s" }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.report ?? answer.detail);
    const [got] = answer.messages;
    "#);
    insta::assert_snapshot!(code(&exchange, "python"), @r#"
    import json, os, urllib.error, urllib.request

    request = urllib.request.Request(
        os.environ["PUSH_URL"] + "/api/v1/wait?space=t1",
        data=json.dumps({"match": {"to": "alice", "topic": "score", "ttl": {"gte": 3600}, "payload": {"json": {"title": "1:0 \"\u0001", "ok": True}}, "findings": {"none": "error"}}, "count": {"min": 1, "max": 1}, "timeout": "5s"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        got = json.load(urllib.request.urlopen(request))["messages"][0]
    except urllib.error.HTTPError as error:
        answer = json.load(error)
        raise AssertionError(answer.get("report") or answer.get("detail")) from None
    "#);
}

#[test]
fn an_assertion_about_a_refusal_names_status_and_finding() {
    let exchange =
        sample(1, "bob").payload(Payload::Undecryptable).refused(403, "vapid/aud-mismatch").build();

    insta::assert_snapshot!(code(&exchange, "rust"), @r#"
    let got = push
        .expect()
        .to("bob")
        .state(State::Refused)
        .status(403)
        .finding("vapid/aud-mismatch")
        .once()
        .within(Duration::from_secs(5))
        .await;
    "#);
}

#[test]
fn an_assertion_keeps_octets_and_tickles() {
    assert!(code(&sample(1, "a").octets(b"\xFF\x01").build(), "rust").contains(".octets(&[255, 1])"));
    assert!(code(&sample(1, "a").payload(Payload::Empty).build(), "rust").contains(".empty()"));
    assert!(code(&sample(1, "a").octets(b"a\"b").build(), "rust").contains(r#".text("a\"b")"#));
}

/// What the assertion asks for is met by the message that it was made from.
#[test]
fn an_assertion_matches_its_message() {
    use crate::matcher::{Match, Matcher as _};
    let messages = [
        sample(1, "alice").topic("score").octets(br#"{"a":[1,null]}"#).build(),
        sample(1, "alice").octets(b"\xFF").build(),
        sample(1, "alice").payload(Payload::Empty).build(),
        sample(1, "alice").payload(Payload::Opaque).finding("ttl/zero", Level::Info).build(),
        sample(1, "alice").payload(Payload::Undecryptable).finding("decrypt/failed", Level::Error).build(),
        sample(1, "alice").refused(413, "body/too-large").build(),
    ];

    for exchange in messages {
        let message = message_json(&exchange, &View::new(""));
        let wanted = Match::from_value(&Value::Object(wanted(&message))).unwrap();
        assert!(wanted.matches(&exchange), "{wanted}");
    }
}

#[test]
fn other_languages_are_refused() {
    assert_eq!("go".parse::<Language>(), Err(UnknownLanguage));
}
