//! `Authorization`, the token, its claims and its key.

use push_crypto::{Schedule, base64url};

use super::Row;
use crate::service::inspect::tests::{
    CONTACT, ES256, HOURS_12, ORIGIN, PROVIDER, Setup, TEXT, claims, sender, signer, token,
};

fn key(s: &mut Setup, text: &str) {
    let token = s.token();
    s.set("authorization", &format!("vapid t={token}, k={text}"));
}

fn jwt(s: &mut Setup, text: &str) {
    let key = signer(3).public().to_base64url();
    s.set("authorization", &format!("vapid t={text}, k={key}"));
}

fn contact(s: &mut Setup, sub: &str) {
    s.claim(&claims(ORIGIN, HOURS_12, sub));
}

fn aud(s: &mut Setup, aud: &str) {
    s.claim(&claims(aud, HOURS_12, CONTACT));
}

fn raw(s: &mut Setup, exp: &str) {
    s.claim(&format!(r#"{{"aud":"{ORIGIN}","exp":{exp},"sub":"{CONTACT}"}}"#));
}

/// The same signature as a DER structure.
fn in_der(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = base64url::decode(signature).unwrap();
    let integer = |half: &[u8]| [&[0x02, 33, 0][..], half].concat();
    let (r, s) = (integer(&signature[..32]), integer(&signature[32..]));
    let der = [&[0x30, 70][..], &r, &s].concat();
    format!("{signed}.{}", base64url::encode(&der))
}

fn bearer(s: &mut Setup, scheme: &str) {
    let field = format!("{scheme} {}", s.token());
    s.set("authorization", &field);
    s.set("crypto-key", &format!("p256ecdsa={}", signer(3).public().to_base64url()));
}

/// The same key with + and / for - and _.
fn standard(text: &str) -> String {
    text.replace('-', "+").replace('_', "/")
}

pub(crate) const ROWS: &[Row] = &[
    Row(
        "vapid/missing",
        |s| s.unset("authorization"),
        |s| {
            s.unset("authorization");
            s.bound = None;
        },
    ),
    Row(
        "vapid/absent",
        |s| {
            s.unset("authorization");
            s.bound = None;
        },
        |s| s.unset("authorization"),
    ),
    Row(
        "vapid/scheme",
        |s| s.set("authorization", "Basic dXNlcjpwdw=="),
        |s| {
            let same = s.field("authorization").replace("vapid ", "VAPID  ");
            s.set("authorization", &same);
        },
    ),
    Row(
        "vapid/scheme",
        |s| s.set("authorization", ""),
        |s| {
            let same = s.field("authorization").replace(", k=", ",k=") + ", realm=\"x\"";
            s.set("authorization", &same);
        },
    ),
    Row("vapid/gcm-key", |s| s.set("authorization", "key=AIzaSy"), |s| s.set("authorization", "Basic x")),
    Row("vapid/duplicate", |s| s.add("authorization", "Basic x"), |_| {}),
    Row("vapid/legacy-scheme", |s| bearer(s, "WebPush"), |_| {}),
    Row("vapid/legacy-scheme", |s| bearer(s, "bearer"), |s| s.set("authorization", "Basic x")),
    Row("vapid/t-missing", |s| s.set("authorization", "vapid k=BA"), |_| {}),
    Row("vapid/t-missing", |s| s.set("authorization", "WebPush"), |s| bearer(s, "WebPush")),
    Row("vapid/k-missing", |s| s.set("authorization", &format!("vapid t={}", s.token())), |_| {}),
    Row(
        "vapid/k-missing",
        |s| s.set("authorization", &format!("WebPush {}", s.token())),
        |s| bearer(s, "WebPush"),
    ),
    Row("vapid/k-invalid", |s| key(s, "BA1H"), |_| {}),
    Row("vapid/k-invalid", |s| key(s, &base64url::encode(&signer(3).public().to_der())), |_| {}),
    Row(
        "vapid/k-padded",
        |s| key(s, &format!("{}=", signer(3).public().to_base64url())),
        |s| key(s, &format!("\"{}\"", signer(3).public().to_base64url())),
    ),
    Row(
        "vapid/k-padded",
        |s| key(s, &format!("\"{}\"", standard(&signer(3).public().to_base64url()))),
        |_| {},
    ),
    Row(
        "vapid/key-mismatch",
        |s| s.sign(&signer(4), ES256, &claims(ORIGIN, HOURS_12, CONTACT)),
        |s| {
            s.bound = None;
            s.sign(&signer(4), ES256, &claims(ORIGIN, HOURS_12, CONTACT));
        },
    ),
    // The sender key of the tests, used for signing too, in both places where it can stand.
    Row("vapid/key-reused", same_key, |s| s.bound = None),
    Row(
        "vapid/key-reused",
        |s| {
            same_key(s);
            s.seal(Schedule::Aesgcm, TEXT, 4096, 0);
        },
        |s| s.seal(Schedule::Aesgcm, TEXT, 4096, 0),
    ),
    Row(
        "vapid/refreshed-often",
        |s| s.memory.renewed = true,
        |s| {
            s.memory.renewed = true;
            s.set("authorization", "vapid k=BA");
        },
    ),
    Row("vapid/jwt-malformed", |s| jwt(s, "e30.e30"), |_| {}),
    Row("vapid/jwt-malformed", |s| jwt(s, &format!("{}==", s.token())), |_| {}),
    Row(
        "vapid/jwt-malformed",
        |s| s.settings.vapid_token_octets = s.token().len() - 1,
        |s| s.settings.vapid_token_octets = s.token().len(),
    ),
    Row(
        "vapid/alg",
        |s| s.sign(&signer(3), r#"{"alg":"none"}"#, &claims(ORIGIN, HOURS_12, CONTACT)),
        |s| s.sign(&signer(3), r#"{"alg":"ES256"}"#, &claims(ORIGIN, HOURS_12, CONTACT)),
    ),
    Row("vapid/alg", |s| s.sign(&signer(3), r#"{"typ":"JWT"}"#, &claims(ORIGIN, HOURS_12, CONTACT)), |_| {}),
    Row(
        "vapid/signature",
        |s| jwt(s, &token(&signer(4), ES256, &claims(ORIGIN, HOURS_12, CONTACT))),
        |s| jwt(s, &token(&signer(3), ES256, &claims(ORIGIN, HOURS_12, CONTACT))),
    ),
    Row("vapid/signature", |s| jwt(s, &(s.token() + "AAAA")), |s| jwt(s, &in_der(&s.token()))),
    Row("vapid/signature-der", |s| jwt(s, &in_der(&s.token())), |s| jwt(s, &(s.token() + "AAAA"))),
    Row("vapid/aud-missing", |s| s.claim(r#"{"exp":1795000600,"sub":"mailto:ops@example.org"}"#), |_| {}),
    Row(
        "vapid/aud-missing",
        |s| s.claim(r#"{"aud":7,"exp":1795000600}"#),
        |s| s.claim(&format!(r#"{{"aud":["x","{ORIGIN}"],"exp":1795000600}}"#)),
    ),
    Row("vapid/aud-mismatch", |s| aud(s, "https://other.example.net"), |s| aud(s, ORIGIN)),
    Row("vapid/aud-mismatch", |s| aud(s, "http://push.example.net"), |_| {}),
    Row(
        "vapid/aud-mismatch",
        |s| aud(s, "https://push.example.net:8443"),
        |s| s.origins.push("https://push.example.net:8443".parse().unwrap()),
    ),
    Row("vapid/aud-path", |s| aud(s, "https://push.example.net/"), |s| aud(s, "https://other.example.net/")),
    Row("vapid/aud-path", |s| aud(s, "https://push.example.net/p/1"), |_| {}),
    Row(
        "vapid/aud-port-missing",
        |s| {
            s.request.origin = None;
            s.origins = vec!["https://push.example.net:8443".parse().unwrap()];
        },
        |s| aud(s, "https://push.example.net:8443"),
    ),
    Row("vapid/exp-missing", |s| s.claim(&format!(r#"{{"aud":"{ORIGIN}"}}"#)), |s| raw(s, "\"1795000600\"")),
    Row("vapid/exp-not-number", |s| raw(s, "\"1795000600\""), |s| raw(s, "1795000600")),
    Row("vapid/exp-not-number", |s| raw(s, "1795000600.5"), |s| raw(s, "1795000600000")),
    Row("vapid/exp-not-number", |s| raw(s, "-1"), |s| raw(s, "0")),
    Row("vapid/exp-milliseconds", |s| raw(s, "1795000600000"), |s| raw(s, "1795000600")),
    Row("vapid/exp-past", |s| raw(s, "1794999939"), |s| raw(s, "1794999940")),
    Row("vapid/exp-too-far", |s| raw(s, "1795086461"), |s| raw(s, "1795086460")),
    Row("vapid/exp-too-far", |s| raw(s, "9223372036854775808"), |_| {}),
    Row("vapid/exp-near-limit", |s| raw(s, "1795086400"), |s| raw(s, "1795086000")),
    Row("vapid/exp-skew", |s| raw(s, "1794999999"), |s| raw(s, "1795000001")),
    Row(
        "vapid/nbf-future",
        |s| s.claim(&format!(r#"{{"aud":"{ORIGIN}","exp":1795000600,"nbf":1795000001}}"#)),
        |s| s.claim(&format!(r#"{{"aud":"{ORIGIN}","exp":1795000600,"nbf":1795000000}}"#)),
    ),
    Row("vapid/sub-missing", |s| s.claim(&format!(r#"{{"aud":"{ORIGIN}","exp":1795000600}}"#)), |_| {}),
    Row("vapid/sub-missing", |s| contact(s, ""), |s| contact(s, "https://example.org/contact")),
    Row("vapid/sub-not-contact", |s| contact(s, "ops@example.org"), |s| contact(s, "mailto:ops@example.org")),
    Row("vapid/sub-not-contact", |s| contact(s, "mailto: ops@example.org"), |_| {}),
    Row("vapid/sub-not-contact", |s| contact(s, "mailto:mailto:ops@example.org"), |_| {}),
    Row("vapid/sub-not-contact", |s| contact(s, "http://example.org"), |s| contact(s, "https://example.org")),
    Row(
        "vapid/sub-not-contact",
        |s| s.claim(&format!(r#"{{"aud":"{ORIGIN}","exp":1795000600,"sub":7}}"#)),
        |_| {},
    ),
    Row("vapid/sub-localhost", |s| contact(s, "mailto:app@localhost"), |_| {}),
    Row(
        "vapid/sub-localhost",
        |s| contact(s, "https://printer.local"),
        |s| contact(s, "https://local.example.org"),
    ),
    Row("vapid/sub-placeholder", |s| contact(s, "mailto:example@example.com"), |_| {}),
];

fn same_key(s: &mut Setup) {
    s.bound = None;
    let key = push_crypto::vapid::VapidKey::from_private(PROVIDER, sender()).unwrap();
    s.sign(&key, ES256, &claims(ORIGIN, HOURS_12, CONTACT));
}
