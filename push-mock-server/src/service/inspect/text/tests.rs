//! Pasted things, explained line by line.

use super::*;
use crate::service::inspect::{
    rule,
    tests::{CONTACT, Case, ES256, HOURS_12, NOW, ORIGIN, Setup, TEXT, claims, signer, token, user_agent},
};

fn explained(input: &str, kind: Option<Kind>, for_url: Option<&str>) -> Explained {
    explain(input.as_bytes(), kind, for_url, NOW).unwrap()
}

/// `name | value | mark | code | note`, as the command line will lay it out.
fn shown(explained: &Explained) -> String {
    let mut lines = vec![explained.title.clone()];
    for Part { name, value, mark, code, note } in &explained.parts {
        let mark = match mark {
            Mark::Error => "✗",
            Mark::Info => "i",
            Mark::Ok => "ok",
            Mark::Unknown => "?",
            Mark::Warning => "⚠",
        };
        lines.push(format!("{name} | {value} | {mark} | {} | {note}", code.unwrap_or("")));
    }
    lines.join("\n")
}

fn codes(explained: &Explained) -> Vec<&'static str> {
    explained.findings.iter().map(|finding| finding.code).collect()
}

/// The request as the page of 2016 prints it, values cut.
const PAGE_REQUEST: &str = "PUT /push-service/send/dbDqU8xX10w:APA91b... HTTP/1.1\nHOST: example.com\nTTL: 120\n\
    Content-Type: application/octet-stream\nContent-Encoding: aesgcm128\nEncryption: keyid=p256dh;salt=xxxxxxx\n\
    Crypto-Key: keyid=p256dh;dh=xxxxxxxx\n\nBIXzEKOFquzVlr/1tS1bhmobZ...\n";

#[test]
fn the_request_of_2016_is_explained_line_by_line() {
    let explained = explained(PAGE_REQUEST, None, None);

    let expected = "PUT /push-service/send/dbDqU8xX10w:APA91b…
method | PUT | ⚠ | request/method-put | send POST; Mozilla answers 405
TTL | 120 | ok |  | 2 minutes
coding | aesgcm128, key in Crypto-Key | ⚠ | coding/aesgcm128-obsolete | auth-context form: only pre-release Firefox 46–48 could open it
Encryption | salt \"xxxxxxx\" | ✗ | encryption/salt-length | 5 octets, 16 needed
Crypto-Key | dh \"xxxxxxxx\" | ✗ | crypto-key/dh-invalid | 6 octets, 65 needed
VAPID | none | ⚠ | vapid/absent | a restricted subscription would answer 401
body | text \"BIXzEKOFquzVlr/1tS1b…\" | ? | body/base64-text | standard base64; cut, so not checked. Send the octets, not their text form";
    assert_eq!(shown(&explained), expected);
    let expected = [
        "encryption/salt-length",
        "crypto-key/dh-invalid",
        "request/method-put",
        "vapid/absent",
        "coding/aesgcm128-obsolete",
    ];
    assert_eq!(codes(&explained), expected, "2 errors, 3 warnings");
}

/// The subscription as the page of 2016 prints it.
const PAGE_SUBSCRIPTION: &str = r#"{
  "endpoint": "https://example.com/push-service/send/dbDqU8xX10w:APA91b...",
  "keys": {
    "auth": "qLAYRzG9TnUwbprns6H2Ew==",
    "p256dh": "BILXd-c1-zuEQYXH\_tc3qmLq52cggfqqTr\_ZclwqYl6A7-RX2J0NG3icsw..."
  }
}"#;

#[test]
fn all_faults_of_the_subscription_of_2016_are_named() {
    let explained = explained(PAGE_SUBSCRIPTION, None, None);

    assert_eq!(explained.kind, Kind::Subscription);
    let expected = ["subscription/backslash", "subscription/p256dh-length", "subscription/base64-padded"];
    assert_eq!(codes(&explained), expected);
    let lines = shown(&explained);
    assert!(lines.contains("endpoint | https://example.com/push-service/send/dbDqU8xX10…"), "{lines}");
    assert!(lines.contains("auth | 16 octets | ⚠ | subscription/base64-padded"), "{lines}");
    assert!(lines.contains("p256dh | BILXd-c1-zuE… | ✗ | subscription/p256dh-length"), "{lines}");
}

#[test]
fn a_vapid_field_is_checked_for_an_endpoint() {
    let key = signer(3);
    let claims = claims("https://fcm.googleapis.com", HOURS_12, "mailto:app@localhost");
    let field = format!("vapid t={}, k={}", token(&key, ES256, &claims), key.public().to_base64url());

    let explained = explained(&field, None, Some("https://web.push.apple.com/QF8w"));

    let lines = shown(&explained);
    let k = key.public().to_base64url();
    let expected = format!(
        "VAPID header (RFC 8292)
scheme | vapid | ok |  | 
alg | ES256 | ok |  | signature matches k
aud | https://fcm.googleapis.com | ✗ | vapid/aud-mismatch | endpoint origin is https://web.push.apple.com
exp | 2026-11-18T23:06:40Z, in 12 h | ok |  | limit 24 h
sub | mailto:app@localhost | ⚠ | vapid/sub-localhost | Apple: 403 BadJwtToken; FCM, Mozilla accept
k | {}…{} | ok |  | P-256, 65 octets",
        &k[..8],
        &k[84..]
    );
    assert_eq!(lines, expected);
}

#[test]
fn a_token_alone_cannot_be_verified_and_says_so() {
    let token = token(&signer(3), ES256, &claims(ORIGIN, HOURS_12, CONTACT));

    let explained = explained(&token, None, None);

    assert_eq!((explained.kind, codes(&explained)), (Kind::Jwt, vec![]));
    let lines = shown(&explained);
    assert!(lines.contains("alg | ES256 | ? |  | signature not checked: no usable key"), "{lines}");
    assert!(lines.contains("aud | https://push.example.net | ? |"), "{lines}");
    assert!(!lines.contains(&token[..40]), "the token itself is not shown");
}

/// The good request of the tests, as a dump with a binary body.
fn dump(setup: &Setup) -> Vec<u8> {
    let mut dump =
        format!("{} /p/token HTTP/1.1\r\nHost: push.example.net\r\n", setup.request.method).into_bytes();
    for (name, value) in &setup.request.headers {
        dump.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    dump.extend_from_slice(b"\r\n");
    dump.extend_from_slice(setup.request.body.octets());
    dump
}

#[test]
fn a_good_dump_is_all_right() {
    let explained = explain(&dump(&Setup::good()), None, None, NOW).unwrap();

    assert_eq!(codes(&explained), [""; 0], "{}", shown(&explained));
    assert!(explained.parts.iter().all(|part| part.mark == Mark::Ok), "{}", shown(&explained));
    assert!(shown(&explained).contains("body | 120 octets | ok |  | well formed"), "{}", shown(&explained));
}

#[test]
fn for_names_the_endpoint_of_a_request() {
    let input = dump(&Setup::good());
    let url = "https://other.example.net/p/1";

    let explained = explain(&input, None, Some(url), NOW).unwrap();

    assert_eq!(codes(&explained), ["vapid/aud-mismatch"]);
}

#[test]
fn a_curl_command_is_a_request() {
    let command = "curl -sS -X PUT 'https://push.example.net/p/1' \\\n  -H 'TTL: 60' -H \"Topic: thirteen-char\" \\\n  \
        --header='Urgency: High' -d '{\"title\":\"Goal!\"}'";

    let explained = explained(command, None, None);

    assert_eq!(explained.kind, Kind::Request);
    assert_eq!(explained.title, "PUT https://push.example.net/p/1");
    let mut found = codes(&explained);
    found.sort_unstable();
    let expected = [
        "body/unencrypted",
        "coding/missing",
        "request/method-put",
        "topic/not-decodable",
        "urgency/case",
        "vapid/absent",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_body_in_a_file_is_not_judged() {
    let command = "curl https://push.example.net/p/1 -H 'TTL: 60' -H 'Content-Encoding: aes128gcm' --data-binary @body.bin";

    let explained = explained(command, None, None);

    assert_eq!(codes(&explained), ["request/content-type-text", "vapid/absent"]);
    assert!(shown(&explained).contains("body | from body.bin | ? |  | in a file, not read"));
}

#[test]
fn words_of_a_command_line_follow_the_shell() {
    let pasted =
        curl::read(r#"curl "https://a.example/\"x\"" -H $'Topic: it\'s' --data-raw a\ b -XPOST -d 'c'"#)
            .unwrap();

    assert_eq!((pasted.method.as_str(), pasted.target.as_str()), ("POST", "https://a.example/\"x\""));
    assert_eq!(pasted.headers.first(), Some(&("topic".to_owned(), "it's".to_owned())));
    assert_eq!(pasted.body, request::PastedBody::Octets(b"a b&c".to_vec()));
    assert!(curl::read("curl 'https://a.example").is_none(), "an open quote");
    assert!(curl::read("wget https://a.example").is_none());
}

#[test]
fn kinds_are_guessed() {
    let key = signer(3);
    let jwt = token(&key, ES256, &claims(ORIGIN, HOURS_12, CONTACT));
    let check = |input: &str, kind: Kind| assert_eq!(explained(input, None, None).kind, kind, "{input}");

    check("https://push.example.net/p/1", Kind::Endpoint);
    check("POST /p/1 HTTP/1.1\nTTL: 60\n\n", Kind::Request);
    check("> POST /p/1 HTTP/2\n> ttl: 60\n>\n", Kind::Request);
    check("curl -X POST https://push.example.net/p/1", Kind::Request);
    check(&format!("vapid t={jwt}, k={}", key.public().to_base64url()), Kind::Vapid);
    check(
        &format!("Authorization: WebPush {jwt}\nCrypto-Key: p256ecdsa={}", key.public().to_base64url()),
        Kind::Vapid,
    );
    check("key=AIza", Kind::Vapid);
    check(&jwt, Kind::Jwt);
    check(&key.public().to_base64url(), Kind::Key);
    check(&key.to_base64url(), Kind::Key);
    check(&key.public().to_pem(), Kind::Key);
    check(&key.public().to_jwk(), Kind::Key);
    check("{\"endpoint\":\"https://push.example.net/p/1\"}", Kind::Subscription);
    check("[object PushSubscription]", Kind::Subscription);
    check("{\"title\":\"Goal!\"}", Kind::Payload);
    assert_eq!(explain(&key.public().to_der(), None, None, NOW).unwrap().kind, Kind::Key);
    for nothing in ["hello there", "....", "\u{1}\u{2}"] {
        assert_eq!(explain(nothing.as_bytes(), None, None, NOW), Err(NotRecognised::Unlike), "{nothing}");
    }
    assert_eq!(explain(b" \n", None, None, NOW), Err(NotRecognised::Empty));
    assert_eq!(explain(b"hello", Some(Kind::Request), None, NOW), Err(NotRecognised::NotThe(Kind::Request)));
}

/// What is pasted may be secret; what is shown is not.
#[test]
fn secrets_are_not_shown() {
    let key = signer(3);
    let private = key.to_base64url();
    let auth = "BwcHBwcHBwcHBwcHBwcHBw";
    let subscription = subscription(&p256dh(), auth);

    for input in [private.as_str(), &subscription] {
        let explained = explained(input, None, None);
        let all = format!("{} {:?}", shown(&explained), explained.findings);
        assert!(!all.contains(private.as_str()) && !all.contains(auth), "{all}");
    }
}

#[test]
fn a_payload_is_measured() {
    let declarative = br#"{"web_push":8030,"notification":{"title":"Goal!","navigate":"/match/17"}}"#;
    let good = explain(declarative, Some(Kind::Payload), None, NOW).unwrap();
    assert_eq!(codes(&good), [""; 0]);
    assert!(shown(&good).contains("declarative | yes"));

    let large = explain(&[b'x'; 3994], Some(Kind::Payload), None, NOW).unwrap();
    assert_eq!(codes(&large), ["body/too-large", "body/over-android"]);
    let fits = explain(&[b'x'; 3993], Some(Kind::Payload), None, NOW).unwrap();
    assert_eq!(codes(&fits), ["body/over-android"]);
    let binary = explain(&[0xff; 9], Some(Kind::Payload), None, NOW).unwrap();
    assert_eq!(codes(&binary), ["payload/not-utf8"]);
}

fn p256dh() -> String {
    user_agent(7).public().to_base64url()
}

fn subscription(p256dh: &str, auth: &str) -> String {
    format!(
        r#"{{"endpoint":"{ORIGIN}/p/1","expirationTime":null,"keys":{{"p256dh":"{p256dh}","auth":"{auth}"}}}}"#
    )
}

const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

/// For every code about subscriptions a text with the fault, and nearly the same without.
pub(crate) fn subscription_cases() -> Vec<Case> {
    let endpoint = |url: &str| subscription(&p256dh(), AUTH).replace(&format!("{ORIGIN}/p/1"), url);
    let key = |key: &str| subscription(key, AUTH);
    let auth = |auth: &str| subscription(&p256dh(), auth);
    let good = subscription(&p256dh(), AUTH);
    let der = push_crypto::base64url::encode(&signer(3).public().to_der());
    let compressed = push_crypto::base64url::encode(&user_agent(7).public().as_octets()[..33]);
    let mut off_curve = *user_agent(7).public().as_octets();
    off_curve[64] ^= 1;
    let off_curve = push_crypto::base64url::encode(&off_curve);
    let table = [
        ("subscription/endpoint-missing", "{\"keys\":{}}".to_owned(), good.clone()),
        ("subscription/endpoint-missing", endpoint("/p/1"), endpoint("https://push.example.net")),
        ("subscription/endpoint-missing", "{\"endpoint\":7}".to_owned(), good.clone()),
        (
            "subscription/endpoint-scheme",
            endpoint("http://push.example.net/p/1"),
            endpoint("http://localhost:8030/p/1"),
        ),
        ("subscription/endpoint-private", endpoint("https://10.0.0.5/p/1"), endpoint("https://11.0.0.5/p/1")),
        (
            "subscription/endpoint-private",
            endpoint("https://[fd00::1]/p"),
            endpoint("https://[2001:db8::1]/p"),
        ),
        ("subscription/endpoint-private", endpoint("https://169.254.1.1/p"), endpoint("https://127.0.0.1/p")),
        (
            "subscription/permanently-removed",
            endpoint("https://permanently-removed.invalid/fcm/send/x"),
            endpoint("https://removed.invalid/fcm/send/x"),
        ),
        ("subscription/not-json", "[object PushSubscription]".to_owned(), good.clone()),
        ("subscription/not-json", serde_json::Value::String(good.clone()).to_string(), good.clone()),
        ("subscription/not-json", good.replace("null", "\"soon\""), good.replace("null", "1795000000000.5")),
        ("subscription/backslash", auth("BTBZMqHH6r4Tts7J\\_aSIgg"), good.clone()),
        ("subscription/backslash", auth("BTBZMqHH6r4Tts7J\\\\_aSIgg"), good.clone()),
        ("subscription/keys-missing", format!("{{\"endpoint\":\"{ORIGIN}/p/1\"}}"), good.clone()),
        ("subscription/keys-missing", format!("{{\"endpoint\":\"{ORIGIN}/p/1\",\"keys\":7}}"), good.clone()),
        ("subscription/p256dh-length", key(&compressed), key(&der)),
        ("subscription/p256dh-length", key("BCVxsr7N..."), key(&p256dh())),
        ("subscription/p256dh-der", key(&der), key(&compressed)),
        ("subscription/p256dh-der", key("-----BEGIN PUBLIC KEY-----"), key(&p256dh())),
        ("subscription/p256dh-off-curve", key(&off_curve), key(&p256dh())),
        ("subscription/auth-length", auth("BTBZMqHH"), auth(AUTH)),
        ("subscription/auth-length", auth("BwcHBwcHBwcHBwcH"), auth("BwcHBwcHBwcHBwcHBwcHBw")),
        ("subscription/keys-swapped", subscription(AUTH, &p256dh()), good.clone()),
        ("subscription/base64-padded", auth("qLAYRzG9TnUwbprns6H2Ew=="), auth("qLAYRzG9TnUwbprns6H2Ew")),
        ("subscription/base64-padded", auth("BTBZMqHH6r4Tts7J/aSIgg"), good.clone()),
        ("subscription/base64-mixed", auth("BTBZ+qHH6r4Tts7J_aSIgg"), auth("BTBZ-qHH6r4Tts7J_aSIgg")),
        ("subscription/base64-mixed", auth("BTBZMqHH 6r4Tts7J_aSIgg"), good),
    ];
    let found = |input: &str| codes(&explained(input, Some(Kind::Subscription), None));
    table.map(|(code, bad, good)| Case { code, bad: found(&bad), good: found(&good) }).into()
}

#[test]
fn a_good_subscription_has_no_finding() {
    let explained = explained(&subscription(&p256dh(), AUTH), None, None);

    assert_eq!(codes(&explained), [""; 0]);
    assert!(explained.parts.iter().all(|part| part.mark == Mark::Ok), "{}", shown(&explained));
}

#[test]
fn a_good_payload_text_is_json() {
    let explained = explain(TEXT, None, None, NOW).unwrap();

    assert_eq!(explained.title, "Payload, JSON");
}

proptest::proptest! {
    #[test]
    fn anything_can_be_pasted(input in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), kind in 0..8_usize) {
        if let Ok(explained) = explain(&input, Kind::ALL.get(kind).copied(), None, NOW) {
            proptest::prop_assert!(explained.findings.iter().all(|finding| rule(finding.code).is_some()));
        }
    }

    #[test]
    fn any_text_can_be_pasted(
        input in "(POST /x HTTP/1.1\n|curl -H |vapid t=|\\{\"endpoint\":\"|https://|ey)?.{0,120}",
        kind in 0..8_usize,
    ) {
        if let Ok(explained) = explain(input.as_bytes(), Kind::ALL.get(kind).copied(), None, NOW) {
            for part in &explained.parts {
                proptest::prop_assert!(part.code.is_none_or(|code| rule(code).is_some()));
                proptest::prop_assert!(!part.value.chars().any(char::is_control), "{:?}", part.value);
            }
        }
    }
}
