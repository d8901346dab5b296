//! VAPID: tokens and keys of other libraries, and ours at theirs.

use std::time::Duration;

use push_crypto::{
    Origin,
    provider::{CryptoProvider, aws_lc_rs, rust_crypto},
    vapid::{Claims, PemKind, Subject, Token, VapidKey, VapidPublicKey, VerifyRequest},
};
use serde_json::{Value, json};

use super::{Cases, Peers, Place};
use crate::{
    failure::{Context, Failure},
    workspace,
};

const PROVIDERS: [&CryptoProvider; 2] = [&rust_crypto::PROVIDER, &aws_lc_rs::PROVIDER];
const AUDIENCE: &str = "https://push.example.net";
const SUBJECT: &str = "mailto:interop@example.com";

/// Tokens and keys, both directions.
pub(super) fn run(peers: &mut Peers, cases: &mut Cases) {
    cases.case("npm jws and Node.js accept our token", || accepted(peers, Place::Node, &["jws", "node"]));
    cases.case("PyPI py-vapid 1.9.6 accepts our token", || accepted(peers, Place::Python, &["valid"]));
    for (name, place, coding) in [
        ("we accept vapid of npm web-push 3.6.7", Place::Node, "aes128gcm"),
        ("we accept WebPush of npm web-push 3.6.7", Place::Node, "aesgcm"),
        ("we accept vapid of PyPI py-vapid 1.9.6", Place::Python, "vapid"),
        ("we accept WebPush of PyPI py-vapid 1.9.6", Place::Python, "webpush"),
        ("we accept vapid of crate web-push 0.11.0", Place::Rust, "aes128gcm"),
    ] {
        cases.case(name, || we_accept(peers, place, coding));
    }
    cases.case("Node.js reads our keys", || they_read_keys(peers, Place::Node));
    cases.case("PyPI py-vapid 1.9.6 reads our keys", || they_read_keys(peers, Place::Python));
    cases.case("we read keys of Node.js and npm web-push 3.6.7", || we_read_keys(peers, Place::Node));
    cases.case("we read keys of PyPI py-vapid 1.9.6", || we_read_keys(peers, Place::Python));
}

fn origin() -> Result<Origin, Failure> {
    AUDIENCE.parse().context("origin")
}

fn claims() -> Result<Claims, Failure> {
    let subject: Subject = SUBJECT.parse().context("subject")?;
    Claims::new(origin()?, workspace::now(), Duration::from_secs(12 * 3600), Some(subject)).context("claims")
}

/// Our token passes with them; one that was altered, or another key, does not.
fn accepted(peers: &mut Peers, place: Place, verdicts: &[&str]) -> Result<String, Failure> {
    for provider in PROVIDERS {
        let key = VapidKey::generate(provider).context("key")?;
        let other = VapidKey::generate(provider).context("key")?;
        let token = Token::sign(provider, &key, &claims()?).context("sign")?;
        for (public, expected) in [(key.public(), true), (other.public(), false)] {
            let question =
                json!({ "op": "vapid-check", "token": token.as_str(), "public": public.to_base64url() });
            let answer = peers.get(place).ask(&question)?;
            for verdict in verdicts {
                if answer[*verdict] != json!(expected) {
                    let name = provider.name;
                    return Err(Failure::new(format!(
                        "{verdict} says {} to a token of {name}",
                        answer[*verdict]
                    )));
                }
            }
            if !answer["claims"].is_null() && answer["claims"]["aud"] != AUDIENCE {
                return Err(Failure::new(format!("they read other claims: {}", answer["claims"])));
            }
        }
    }
    Ok("right key accepted, other key refused, two providers".to_owned())
}

/// Their header fields pass with us for the right origin, and do not for another one.
fn we_accept(peers: &mut Peers, place: Place, coding: &str) -> Result<String, Failure> {
    let provider = &aws_lc_rs::PROVIDER;
    let key = VapidKey::generate(provider).context("key")?;
    let answer = peers.get(place).ask(&signing(place, coding, &key))?;
    let [authorization, crypto_key] = header_fields(&answer);
    let crypto_key: Vec<&str> = crypto_key.iter().map(String::as_str).collect();
    let authorization =
        authorization.first().ok_or_else(|| Failure::new(format!("no Authorization in {answer}")))?;
    for provider in PROVIDERS {
        let (here, elsewhere) = ([origin()?], ["https://other.example.net".parse().context("origin")?]);
        let request = VerifyRequest {
            authorization,
            crypto_key: &crypto_key,
            origins: &here,
            now: workspace::now(),
            // py-vapid's default lies exactly 24 h ahead
            skew: Duration::from_secs(60),
            restricted_to: Some(key.public()),
        };
        let verified = push_crypto::vapid::verify(provider, &request).context("we verify")?;
        if verified.subject.as_deref() != Some(SUBJECT) {
            return Err(Failure::new("we read another subject"));
        }
        if push_crypto::vapid::verify(provider, &VerifyRequest { origins: &elsewhere, ..request }).is_ok() {
            return Err(Failure::new("we accept it for another origin too"));
        }
    }
    Ok("right origin accepted, other origin refused, two providers".to_owned())
}

fn signing(place: Place, coding: &str, key: &VapidKey) -> Value {
    let private = key.to_base64url();
    match place {
        Place::Node => json!({
            "op": "vapid-sign", "audience": AUDIENCE, "subject": SUBJECT, "coding": coding,
            "public": key.public().to_base64url(), "private": *private,
        }),
        Place::Python => json!({
            "op": "vapid-sign", "scheme": coding, "private": *private, "claims": { "aud": AUDIENCE, "sub": SUBJECT },
        }),
        Place::Rust => json!({
            "op": "web-push-build", "endpoint": format!("{AUDIENCE}/p/0"), "coding": coding, "ttl": 60,
            // a subscription is needed to build a request; any point and secret will do
            "public": key.public().to_base64url(), "auth": "AAAAAAAAAAAAAAAAAAAAAA", "text": "aGk",
            "vapid": *private, "subject": SUBJECT,
        }),
    }
}

/// `Authorization` and `Crypto-Key`, from an object or a list of pairs.
fn header_fields(answer: &Value) -> [Vec<String>; 2] {
    let mut found: [Vec<String>; 2] = Default::default();
    let [authorization, crypto_key] = &mut found;
    let mut add = |name: &str, value: &Value| {
        let value = value.as_str().unwrap_or_default().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization.push(value),
            "crypto-key" => crypto_key.push(value),
            _ => {}
        }
    };
    for (name, value) in answer.as_object().into_iter().flatten() {
        add(name, value);
    }
    for pair in answer["headers"].as_array().into_iter().flatten() {
        add(pair[0].as_str().unwrap_or_default(), &pair[1]);
    }
    found
}

fn they_read_keys(peers: &mut Peers, place: Place) -> Result<String, Failure> {
    let key = VapidKey::generate(&rust_crypto::PROVIDER).context("key")?;
    let der = push_crypto::base64url::encode(&key.to_der());
    let pkcs8 = ("pem", key.to_pem(PemKind::Pkcs8));
    let mut forms = vec![("der", der.as_str()), (pkcs8.0, &pkcs8.1)];
    let (sec1, jwk, raw) = (key.to_pem(PemKind::Sec1), key.to_jwk(), key.to_base64url());
    match place {
        Place::Node => forms.extend([("pem", sec1.as_str()), ("jwk", jwk.as_str())]),
        Place::Python | Place::Rust => forms.push(("raw", raw.as_str())),
    }
    for (form, text) in &forms {
        let mut question = json!({ "op": "vapid-read-key" });
        question[*form] = json!(text);
        let answer = peers.get(place).ask(&question).context(form)?;
        if answer["public"] != key.public().to_base64url() {
            return Err(Failure::new(format!("they read another key from our {form}")));
        }
    }
    Ok(format!("{} forms", forms.len()))
}

fn we_read_keys(peers: &mut Peers, place: Place) -> Result<String, Failure> {
    let answer = peers.get(place).ask(&json!({ "op": "vapid-new-keys" }))?;
    let mut count = 0_usize;
    let mut check = |form: &str, text: &Value, public: &Value| {
        let octets = text.as_str().unwrap_or_default().as_bytes();
        let (key, _) = VapidKey::import(&rust_crypto::PROVIDER, octets).context(form)?;
        count += 1;
        if public == &key.public().to_base64url() {
            return Ok(());
        }
        Err(Failure::new(format!("we read another key from their {form}")))
    };
    for (form, text) in answer["forms"].as_object().into_iter().flatten() {
        check(form, text, &answer["public"])?;
    }
    if let Some(raw) = answer.get("webPush") {
        check("raw base64url", &raw["private"], &raw["public"])?;
        VapidPublicKey::from_text(raw["public"].as_str().unwrap_or_default()).context("public key")?;
    }
    Ok(format!("{count} forms"))
}
