//! Tests of `vapid`: claims, tokens of other senders, and every fault that a service must refuse.

mod keys;
mod properties;

use alloc::{borrow::ToOwned, format, string::String, vec, vec::Vec};
use core::time::Duration;

use serde_json::Value;

use super::*;
use crate::{
    base64url::{self, Base64Error},
    protocol::{Origin, Timestamp},
    provider::{CryptoProvider, rust_crypto},
};

fn providers() -> Vec<&'static CryptoProvider> {
    vec![
        &rust_crypto::PROVIDER,
        #[cfg(feature = "aws_lc_rs")]
        &crate::provider::aws_lc_rs::PROVIDER,
    ]
}

// The pair of `keys`, raw.
const PRIVATE: &str = "Pw73djC8FvfT_mWHWPvV4xhu4DkMF3LKm6wI7n74d1E";
const PUBLIC: &str =
    "BHla1rAX5ppPKUYrrhhRWaRBBu9M374UFJQ7FG2lk7gYOUJxakMW8-ssdvE8UCz-dbKQ3rnoo4OiqpuBkZ2PrSk";

/// AS-022
#[test]
fn subjects_are_contacts() {
    let check = |text: &str, error: SubjectError| {
        assert_eq!(text.parse::<Subject>(), Err(error), "{text}");
    };
    let scheme = |found: &str| SubjectError::Scheme { found: found.to_owned() };

    check("", SubjectError::Empty);
    check("ops@example.com", SubjectError::BareAddress);
    check("Ops <ops@example.com>", SubjectError::AngleBrackets);
    check("mailto:<ops@example.com>", SubjectError::AngleBrackets);
    check("mailto: ops@example.com", SubjectError::Blank { at: 7 });
    check("mailto:ops@example.com\n", SubjectError::Blank { at: 22 });
    check("mailto:", SubjectError::Address);
    check("mailto:ops", SubjectError::Address);
    check("mailto:@example.com", SubjectError::Address);
    check("mailto:ops@", SubjectError::Address);
    check("mailto:mailto:ops@example.com", SubjectError::MailtoTwice);
    check("http://example.com/", SubjectError::ClearText);
    check("tel:+41", scheme("tel"));
    check("example.com", SubjectError::NoScheme);
    check("https:", SubjectError::Url);
    check("https://", SubjectError::Url);
    check("https:///x", SubjectError::Url);
    check("https:example.com", SubjectError::Url);
    check("https://a b/", SubjectError::Blank { at: 9 });
    check("mailto:zoé@example.com", SubjectError::Character { at: 9 });
    let long = format!("mailto:{}@example.com", "a".repeat(238));
    check(&long, SubjectError::TooLong { octets: 257 });
    assert!(format!("mailto:{}@example.com", "a".repeat(237)).parse::<Subject>().is_ok());

    for good in ["mailto:ops@example.com", "https://example.com", "https://example.com:8443/contact?a#b"] {
        assert_eq!(good.parse::<Subject>().unwrap().as_str(), good);
    }
    assert_eq!("MailTo:a@b.example".parse::<Subject>().unwrap().as_str(), "mailto:a@b.example");
}

#[test]
fn doubtful_contacts_are_told() {
    let remark = |text: &str| text.parse::<Subject>().unwrap().remark().map(SubjectRemark::code);

    assert_eq!(remark("mailto:app@localhost"), Some("vapid/sub-localhost"));
    assert_eq!(remark("mailto:app@mac.local"), Some("vapid/sub-localhost"));
    assert_eq!(remark("mailto:app@x.invalid"), Some("vapid/sub-localhost"));
    assert_eq!(remark("https://LOCALHOST:3000/"), Some("vapid/sub-localhost"));
    assert_eq!(remark("mailto:example@example.com"), Some("vapid/sub-placeholder"));
    assert_eq!(remark("mailto:ops@example.com"), None);
    assert_eq!(remark("https://localhost.example.com/"), None);
}

const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

fn origin(text: &str) -> Origin {
    text.parse().unwrap()
}

fn claims(life: Duration) -> Result<Claims, ClaimsError> {
    Claims::new(origin("https://push.example.net"), NOW, life, None)
}

/// AS-020, AS-021
#[test]
fn a_token_lives_at_most_a_day() {
    assert_eq!(claims(Duration::from_secs(86_401)).err().map(ClaimsError::code), Some("vapid/exp-too-far"));
    assert_eq!(claims(Duration::from_millis(999)).err(), Some(ClaimsError::TooShort));
    for (life, expires) in [(86_400, 1_700_086_400), (86_399, 1_700_086_399), (1, 1_700_000_001)] {
        let claims = claims(Duration::from_secs(life)).unwrap();
        assert_eq!(claims.expires(), Timestamp::from_unix_seconds(expires));
    }
    let late = Timestamp::from_unix_millis(1_700_000_000_999);
    let claims = Claims::new(origin("https://a.example"), late, Claims::LONGEST, None).unwrap();
    assert_eq!(claims.expires().as_unix_millis(), 1_700_086_400_000);
}

/// AS-019
#[test]
fn the_audience_is_the_serialised_origin() {
    for (endpoint, audience) in [
        ("https://Push.Example.NET/p/1?x=2", "https://push.example.net"),
        ("https://push.example.net:443/p", "https://push.example.net"),
        ("https://push.example.net:8443/p", "https://push.example.net:8443"),
        ("http://localhost:8030/p", "http://localhost:8030"),
        ("https://xn--bcher-kva.example/p", "https://xn--bcher-kva.example"),
    ] {
        let resource: crate::PushResource = endpoint.parse().unwrap();
        let subject = "mailto:ops@example.com".parse().unwrap();
        let claims = Claims::new(resource.origin().clone(), NOW, Claims::USUAL, Some(subject)).unwrap();
        assert_eq!(
            claims.to_json(),
            format!(r#"{{"aud":"{audience}","exp":1700043200,"sub":"mailto:ops@example.com"}}"#)
        );
    }
}

/// A token with any header, claims and signer, for the faults that `Token` cannot make.
fn forge(key: &VapidKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(claims.as_bytes()));
    let signature = rust_crypto::PROVIDER.signature.sign(key.private(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", base64url::encode(&signature))
}

const HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

fn key() -> VapidKey {
    VapidKey::import(&rust_crypto::PROVIDER, PRIVATE.as_bytes()).unwrap().0
}

fn judge_with(authorization: &str, crypto_key: &[&str], skew: u64) -> Vec<Result<Verified, VapidError>> {
    let origins = [origin("https://push.example.net"), origin("http://localhost:8030")];
    let request = VerifyRequest {
        authorization,
        crypto_key,
        origins: &origins,
        now: NOW,
        skew: Duration::from_secs(skew),
        restricted_to: None,
    };
    providers().into_iter().map(|provider| verify(provider, &request)).collect()
}

fn judge(token: &str) -> &'static str {
    let verdicts = judge_with(&format!("vapid t={token}, k={PUBLIC}"), &[], 0);
    let first = verdicts.first().unwrap().clone();
    assert!(verdicts.iter().all(|verdict| *verdict == first), "providers differ on {token}");
    first.map_or_else(VapidError::code, |_| "ok")
}

fn judge_claims(claims: &str) -> &'static str {
    judge(&forge(&key(), HEADER, claims))
}

/// PS-118
#[test]
fn expiry_is_judged_at_its_borders() {
    let with = |exp: &str| judge_claims(&format!(r#"{{"aud":"https://push.example.net","exp":{exp}}}"#));

    assert_eq!(with("1699999999"), "vapid/exp-past");
    assert_eq!(with("1700000000"), "ok");
    assert_eq!(with("1700000001"), "ok");
    assert_eq!(with("1700086399"), "ok");
    assert_eq!(with("1700086400"), "ok");
    assert_eq!(with("1700086401"), "vapid/exp-too-far");
    assert_eq!(with("0"), "vapid/exp-past");
    assert_eq!(with("-1"), "vapid/exp-not-number");
    assert_eq!(with("9223372036854775808"), "vapid/exp-too-far");
    assert_eq!(with("1e300"), "vapid/exp-not-number");
    assert_eq!(with("\"1700000001\""), "vapid/exp-not-number");
    assert_eq!(with("1700000001.5"), "vapid/exp-not-number");
    assert_eq!(with("1700000001000"), "vapid/exp-milliseconds");
    assert_eq!(with("null"), "vapid/exp-not-number");
    assert_eq!(judge_claims(r#"{"aud":"https://push.example.net"}"#), "vapid/exp-missing");
}

#[test]
fn tolerance_is_told() {
    let with = |exp: u64| {
        let token = forge(&key(), HEADER, &format!(r#"{{"aud":"https://push.example.net","exp":{exp}}}"#));
        judge_with(&format!("vapid t={token}, k={PUBLIC}"), &[], 60)
            .remove(0)
            .map(|verified| verified.remarks.contains(&VapidRemark::ByTolerance))
            .map_err(VapidError::code)
    };

    assert_eq!(with(1_699_999_939), Err("vapid/exp-past"));
    assert_eq!(with(1_699_999_940), Ok(true));
    assert_eq!(with(1_699_999_999), Ok(true));
    assert_eq!(with(1_700_000_000), Ok(false));
    assert_eq!(with(1_700_086_400), Ok(false));
    assert_eq!(with(1_700_086_460), Ok(true));
    assert_eq!(with(1_700_086_461), Err("vapid/exp-too-far"));
}

/// PS-119
#[test]
fn audience_is_judged() {
    let with = |aud: &str| judge_claims(&format!(r#"{{"aud":{aud},"exp":1700000100}}"#));

    assert_eq!(with(r#""https://push.example.net""#), "ok");
    assert_eq!(with(r#""http://localhost:8030""#), "ok");
    assert_eq!(with(r#"["https://a.example","https://push.example.net"]"#), "ok");
    assert_eq!(with(r#"["https://a.example"]"#), "vapid/aud-mismatch");
    assert_eq!(with("[]"), "vapid/aud-missing");
    assert_eq!(with("[7]"), "vapid/aud-missing");
    assert_eq!(with("7"), "vapid/aud-missing");
    assert_eq!(with(r#""https://push.example.com""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""http://push.example.net""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""https://push.example.net:8443""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""http://localhost:8031""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""http://localhost:80""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""http://localhost""#), "vapid/aud-port-missing");
    assert_eq!(with(r#""http://localhost:""#), "vapid/aud-port-missing");
    assert_eq!(with(r#"["http://localhost:1","http://localhost"]"#), "vapid/aud-port-missing");
    assert_eq!(with(r#""http://localhost/p""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""https://push.example.net/""#), "vapid/aud-path");
    assert_eq!(with(r#""https://push.example.net/p/x""#), "vapid/aud-path");
    assert_eq!(with(r#""https://Push.example.net""#), "vapid/aud-mismatch");
    assert_eq!(with(r#""push.example.net""#), "vapid/aud-mismatch");
    assert_eq!(judge_claims(r#"{"exp":1700000100}"#), "vapid/aud-missing");
}

#[test]
fn a_missing_port_is_seen_behind_an_ipv6_address_too() {
    let origins = ["http://[::1]:8030".parse().unwrap()];
    let problem = |aud: &str| {
        let token = forge(&key(), HEADER, &format!(r#"{{"aud":"{aud}","exp":1700000100}}"#));
        UnverifiedToken::parse(&token).unwrap().check_audience(&origins).err()
    };

    assert_eq!(problem("http://[::1]:8030"), None);
    assert_eq!(problem("http://[::1]"), Some(AudienceProblem::Port));
    assert_eq!(problem("http://[::1]:8031"), Some(AudienceProblem::OtherPort));
    assert_eq!(problem("http://[::2]"), Some(AudienceProblem::Other));
}

#[test]
fn half_a_second_is_not_told_as_none() {
    let text = format!("{}", ExpiryProblem::Past { by: Duration::from_millis(500) });
    assert!(text.contains("expired 1 s ago"), "{text}");
    let text = format!("{}", ExpiryProblem::TooFar { by: Duration::from_millis(86_400_500) });
    assert!(text.contains("86401 s ahead"), "{text}");
}

/// PS-117
#[test]
fn signatures_are_judged() {
    let claims = r#"{"aud":"https://push.example.net","exp":1700000100}"#;
    let good = forge(&key(), HEADER, claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let octets = base64url::decode(signature).unwrap();
    let with = |signature: &[u8]| judge(&format!("{signed}.{}", base64url::encode(signature)));
    let order = base64url::decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").unwrap();

    assert_eq!(with(&octets), "ok");
    assert_eq!(with(&octets[..63]), "vapid/signature");
    assert_eq!(with(&[&octets[..], &[0]].concat()), "vapid/signature");
    assert_eq!(with(&[]), "vapid/signature");
    assert_eq!(with(&[&[0; 32], &octets[32..]].concat()), "vapid/signature");
    assert_eq!(with(&[&octets[..32], &[0; 32]].concat()), "vapid/signature");
    assert_eq!(with(&[&order[..], &octets[32..]].concat()), "vapid/signature");
    assert_eq!(with(&[&octets[..32], &order[..]].concat()), "vapid/signature");
    let signature = p256::ecdsa::Signature::from_slice(&octets).unwrap();
    assert_eq!(with(signature.to_der().as_bytes()), "vapid/signature-der");
    for at in [0, 31, 32, 63] {
        let mut flipped = octets.clone();
        flipped[at] ^= 1;
        assert_eq!(with(&flipped), "vapid/signature", "octet {at}");
    }
    let other = VapidKey::generate(&rust_crypto::PROVIDER).unwrap();
    assert_eq!(judge(&forge(&other, HEADER, claims)), "vapid/signature");
    let changed = base64url::encode(claims.replace("0100", "0101").as_bytes());
    let (header, _) = signed.split_once('.').unwrap();
    assert_eq!(judge(&format!("{header}.{changed}.{}", base64url::encode(&octets))), "vapid/signature");
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"es256"}"#, "{}", r#"{"alg":7}"#] {
        assert_eq!(judge(&forge(&key(), header, claims)), "vapid/alg", "{header}");
    }
    assert_eq!(judge(&forge(&key(), r#"{"alg":"ES256"}"#, claims)), "ok");
}

#[test]
fn malformed_tokens_are_told_apart() {
    let good = forge(&key(), HEADER, r#"{"aud":"https://push.example.net","exp":1700000100}"#);
    let parse = |text: &str| UnverifiedToken::parse(text).unwrap_err();

    assert_eq!(parse(""), TokenError::Parts { found: 0 });
    assert_eq!(parse("e30.e30"), TokenError::Parts { found: 2 });
    assert_eq!(parse("a.b.c.d.e"), TokenError::Parts { found: 5 });
    assert_eq!(parse(&"x.".repeat(1000)), TokenError::Parts { found: 6 });
    let padded = TokenError::Base64 { part: TokenPart::Signature, error: Base64Error::Padded };
    assert_eq!(parse(&format!("{good}==")), padded);
    let standard = TokenError::Base64 { part: TokenPart::Header, error: Base64Error::StandardAlphabet };
    assert_eq!(parse("+/+/.e30.AA"), standard);
    assert_eq!(parse("e30.W10.AA"), TokenError::NotObject { part: TokenPart::Claims });
    assert_eq!(parse("AAAA.e30.AA"), TokenError::NotJson { part: TokenPart::Header });
    let critical = forge(&key(), r#"{"alg":"ES256","crit":["b64"],"b64":false}"#, "{}");
    assert_eq!(parse(&critical), TokenError::Critical);
    assert_eq!(judge(&good.replace('.', ",")), "vapid/scheme");
    assert_eq!(judge("x"), "vapid/jwt-malformed");
    assert_eq!(
        judge_claims(r#"{"aud":"https://push.example.net","exp":1700000100,"sub":7}"#),
        "vapid/sub-not-contact"
    );
}

/// PS-108, PS-116
#[test]
fn authorization_is_read_in_all_its_forms() {
    let vapid = |text: &str| {
        let read = read_authorization(text, &[]).map_err(AuthorizationError::code)?;
        assert_eq!(read.scheme, SchemeName::Vapid);
        assert_eq!((&*read.token, &*read.key), ("a.b.c", "KEY"), "{text}");
        Ok::<_, &str>(())
    };

    for good in [
        "vapid t=a.b.c, k=KEY",
        "vapid t=a.b.c,k=KEY",
        "VAPID  k=KEY , t=a.b.c",
        "\tvapid\tT=\"a.b.c\",K=\"K\\EY\"",
        "vapid t=a.b.c, k=KEY, zz=1, realm=\"x, t=\\\"y\\\"\"",
        "vapid ,, t = a.b.c ,, k = KEY,",
    ] {
        assert_eq!(vapid(good), Ok(()), "{good}");
    }
    for (bad, code) in [
        ("", "vapid/scheme"),
        (" ", "vapid/scheme"),
        ("Basic dTpw", "vapid/scheme"),
        ("vapidt=a.b.c,k=KEY", "vapid/scheme"),
        ("key=AIza", "vapid/gcm-key"),
        ("Key=AIza", "vapid/gcm-key"),
        ("vapid", "vapid/t-missing"),
        ("vapid k=KEY", "vapid/t-missing"),
        ("vapid t=\"\", k=KEY", "vapid/t-missing"),
        ("vapid t=a.b.c", "vapid/k-missing"),
        ("vapid t=a.b.c, k=KEY, t=a.b.c", "vapid/scheme"),
        ("vapid t=a.b.c, k=KEY, Z=1, z=2", "vapid/scheme"),
        ("vapid t=a.b.c; k=KEY", "vapid/scheme"),
        ("vapid t=a.b.c k=KEY", "vapid/scheme"),
        ("vapid t=a.b.c, k=\"KEY", "vapid/scheme"),
        ("vapid t=a.b.c, k=\"KEY\"x", "vapid/scheme"),
        ("vapid t=a.b.c, k=", "vapid/scheme"),
        ("vapid a.b.c", "vapid/scheme"),
        ("WebPush", "vapid/t-missing"),
        ("WebPush a.b.c, k=KEY", "vapid/scheme"),
        ("WebPush t=a.b.c", "vapid/scheme"),
        ("Bearer a.b.c", "vapid/k-missing"),
    ] {
        assert_eq!(vapid(bad), Err(code), "{bad}");
    }
}

#[test]
fn the_older_scheme_takes_its_key_from_crypto_key() {
    let read = |lines: &[&str]| {
        read_authorization("webpush a.b.c", lines).map(|read| read.key).map_err(AuthorizationError::code)
    };

    assert_eq!(read(&["p256ecdsa=KEY"]).unwrap(), "KEY");
    assert_eq!(read(&["dh=AA;p256ecdsa=KEY"]).unwrap(), "KEY");
    assert_eq!(read(&["p256ecdsa=KEY; dh=AA"]).unwrap(), "KEY");
    assert_eq!(read(&["keyid=a;dh=AA,P256ECDSA=\"KEY==\""]).unwrap(), "KEY==");
    assert_eq!(read(&["dh=AA", "p256ecdsa=K+/Y="]).unwrap(), "K+/Y=");
    assert_eq!(read(&[]), Err("vapid/k-missing"));
    assert_eq!(read(&["dh=AA"]), Err("vapid/k-missing"));
    assert_eq!(read(&["p256ecdsa=KEY,p256ecdsa=KEY"]), Err("vapid/k-invalid"));
    assert_eq!(read(&["p256ecdsa=KEY;p256ecdsa=KEY"]), Err("vapid/k-invalid"));
    assert_eq!(read(&["dh=\"AA"]), Err("vapid/k-invalid"));
    assert_eq!(read(&["dh"]), Err("vapid/k-invalid"));
    let bearer = read_authorization("Bearer a.b.c", &["p256ecdsa=KEY"]).unwrap();
    assert_eq!(bearer.scheme, SchemeName::Bearer);
}

/// AS-018, AS-025, AS-027: what we write, both providers and both schemes, against the reader of a service.
#[test]
fn what_is_signed_is_verified() {
    for signer in providers() {
        let key = VapidKey::generate(signer).unwrap();
        let subject = "mailto:ops@example.com".parse().unwrap();
        let origins = [origin("https://push.example.net")];
        let claims = Claims::new(origins[0].clone(), NOW, Claims::USUAL, Some(subject)).unwrap();
        let local = LocalSigner::new(*signer, key.clone());
        for token in [Token::sign(signer, &key, &claims).unwrap(), Token::sign_with(&local, &claims).unwrap()]
        {
            let vapid = token.authorization(AuthorizationScheme::Vapid, local.public_key());
            let older = token.authorization(AuthorizationScheme::WebPush, key.public());
            let crypto_key = format!("dh=AA;p256ecdsa={}", older.p256ecdsa.unwrap());
            let expected = format!("vapid t={}, k={}", token.as_str(), key.public().to_base64url());
            assert_eq!((vapid.authorization.as_str(), vapid.p256ecdsa), (expected.as_str(), None));
            assert!(!expected.contains("=="));

            for provider in providers() {
                for (authorization, lines, remarks) in [
                    (&vapid.authorization, vec![], vec![]),
                    (&older.authorization, vec![crypto_key.as_str()], vec![VapidRemark::LegacyScheme]),
                ] {
                    let request = VerifyRequest {
                        authorization,
                        crypto_key: &lines,
                        origins: &origins,
                        now: NOW,
                        skew: Duration::ZERO,
                        restricted_to: Some(key.public()),
                    };
                    let verified = verify(provider, &request).unwrap();
                    assert_eq!(verified.subject.as_deref(), Some("mailto:ops@example.com"));
                    assert_eq!(verified.remarks, remarks);
                    assert_eq!(verified.expires, token.expires());
                    let other = VapidPublicKey::from_text(PUBLIC).unwrap().0;
                    let restricted = VerifyRequest { restricted_to: Some(&other), ..request };
                    assert_eq!(verify(provider, &restricted), Err(VapidError::KeyMismatch));
                }
            }
        }
    }
}

/// PS-120: padding and alphabet do not make another key.
#[test]
fn a_padded_key_is_the_same_key_and_is_told() {
    let token = forge(&key(), HEADER, r#"{"aud":"https://push.example.net","exp":1700000100}"#);
    let padded = format!("{}=", PUBLIC.replace('-', "+").replace('_', "/"));
    for verdict in judge_with(&format!("vapid t={token}, k=\"{padded}\""), &[], 0) {
        let verified = verdict.unwrap();
        assert_eq!(verified.key.to_base64url(), PUBLIC);
        let codes: Vec<_> = verified.remarks.iter().map(VapidRemark::code).collect();
        assert_eq!(codes, ["vapid/sub-missing", "vapid/k-padded"]);
    }
}

#[test]
fn what_services_mind_is_remarked() {
    let remarks = |claims: &str| {
        let token = forge(&key(), HEADER, claims);
        let verified = judge_with(&format!("vapid t={token}, k={PUBLIC}"), &[], 0).remove(0).unwrap();
        verified.remarks.iter().map(VapidRemark::code).collect::<Vec<_>>()
    };
    let aud = r#""aud":"https://push.example.net""#;

    let near = format!(r#"{{{aud},"exp":1700086101,"sub":"mailto:a@localhost"}}"#);
    assert_eq!(remarks(&near), ["vapid/sub-localhost", "vapid/exp-near-limit"]);
    let far = format!(r#"{{{aud},"exp":1700086100,"sub":"ops@example.com","nbf":1700000001}}"#);
    assert_eq!(remarks(&far), ["vapid/sub-not-contact", "vapid/nbf-future"]);
    let good = format!(r#"{{{aud},"exp":1700000100,"sub":"mailto:a@b.example","nbf":1699999999.5}}"#);
    assert!(remarks(&good).is_empty());
}

#[test]
fn nothing_secret_is_printed() {
    let key = key();
    let claims = claims(Claims::USUAL).unwrap();
    let token = Token::sign(&rust_crypto::PROVIDER, &key, &claims).unwrap();
    let fields = token.authorization(AuthorizationScheme::Vapid, key.public());
    let request = VerifyRequest {
        authorization: &fields.authorization,
        crypto_key: &[],
        origins: &[],
        now: NOW,
        skew: Duration::ZERO,
        restricted_to: None,
    };
    let printed = format!(
        "{key:?} {token:?} {fields:?} {request:?} {:?} {:?} {:?} {:?}",
        read_authorization(&fields.authorization, &[]).unwrap(),
        split_authorization(&fields.authorization, &[]).unwrap(),
        UnverifiedToken::parse(token.as_str()).unwrap(),
        import(&rust_crypto::PROVIDER, PRIVATE.as_bytes()).unwrap(),
    );

    let signature = token.as_str().rsplit('.').next().unwrap();
    for secret in [PRIVATE, token.as_str(), signature, "eyJ"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

/// Tokens of other senders: RFC 8292, draft-01, autopush, py-vapid, web-push.
#[test]
fn foreign_tokens_are_judged_as_their_file_says() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/vapid.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 21);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str();
        let crypto_key: Vec<&str> = vector["headers"]["Crypto-Key"].as_str().into_iter().collect();
        let restricted = text("restricted_to").map(|key| VapidPublicKey::from_text(key).unwrap().0);
        let origins = [origin(text("origin").unwrap())];
        let request = VerifyRequest {
            authorization: vector["headers"]["Authorization"].as_str().unwrap(),
            crypto_key: &crypto_key,
            origins: &origins,
            now: Timestamp::from_unix_seconds(vector["now"].as_u64().unwrap()),
            skew: Duration::ZERO,
            restricted_to: restricted.as_ref(),
        };
        for provider in providers() {
            let verdict = verify(provider, &request);
            match (&verdict, text("error")) {
                (Ok(verified), None) => {
                    assert_eq!(verified.expires.as_unix_seconds(), vector["claims"]["exp"]);
                    assert_eq!(verified.subject.as_deref(), vector["claims"]["sub"].as_str());
                }
                (Err(VapidError::Expiry(_)), Some("claim-exp"))
                | (Err(VapidError::Audience(_)), Some("claim-aud")) => {}
                _ => panic!("{} with {}: {verdict:?}", vector["name"], provider.name),
            }
        }
        if let Some(private) = vector["key"]["private"].as_str() {
            let key = VapidKey::import(&rust_crypto::PROVIDER, private.as_bytes()).unwrap().0;
            let verified = verify(&rust_crypto::PROVIDER, &request).unwrap();
            assert_eq!(verified.key, *key.public());
        }
    }
}
