//! Error bodies of the known push services: which finding they stand for, and their words made safe to print.
//!
//! The table holds texts seen in public reports and sources; an unknown text has no code, and loses nothing else.

use std::borrow::Cow;

use http::HeaderMap;
use push_crypto::PushResource;

/// Most octets of a push service's words that are kept (our choice).
pub const TEXT_OCTETS: usize = 1024;

/// Characters a path must have to be taken for a capability (128 bits in base64url).
const CAPABILITY: usize = 22;

/// What a push service says about a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// The code of the finding which explains it.
    pub code: Option<String>,
    /// Its own words: at most 1 KiB, control characters escaped, endpoint and tokens left out.
    pub text: Option<String>,
}

/// Reads the reason out of an answer: a field of WNS, else the body.
#[must_use]
pub fn reason(status: u16, fields: &HeaderMap, body: &[u8], endpoint: &PushResource) -> Reason {
    let described = fields.get("x-wns-error-description").or_else(|| fields.get("x-wns-status"));
    let octets = match described {
        Some(field) if body.is_empty() => field.as_bytes(),
        _ => body,
    };
    let text = String::from_utf8_lossy(octets);
    let code = own_code(&text).or_else(|| known(&text, status).map(str::to_owned));
    let text = presentable(&text, endpoint);
    Reason { code, text: (!text.is_empty()).then_some(text) }
}

/// The `code` of a problem document (RFC 9457) that names a finding: `family/name` in lower case.
fn own_code(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let code = value.get("code")?.as_str()?;
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let (family, name) = code.split_once('/')?;
    let ok = code.len() <= 64 && !family.is_empty() && !name.is_empty();
    (ok && family.bytes().all(legal) && name.bytes().all(legal)).then(|| code.to_owned())
}

/// Texts and the findings they stand for; the first that is contained decides.
const KNOWN: &[(&str, &str)] = &[
    // fcm
    ("do not correspond to the credentials used to create", "vapid/key-mismatch"),
    ("does not correspond to the sender ID", "vapid/key-mismatch"),
    ("MismatchSenderId", "vapid/key-mismatch"),
    ("UnauthorizedRegistration", "vapid/missing"),
    ("InvalidTtlParameter", "ttl/missing"),
    ("crypto-key header had invalid format", "vapid/k-padded"),
    ("aud claim in the token MUST", "vapid/aud-mismatch"),
    ("exp claim MUST NOT be more than 24 hours", "vapid/exp-too-far"),
    // mozilla
    ("VAPID public key mismatch", "vapid/key-mismatch"),
    ("Missing VAPID public key", "vapid/missing"),
    ("Missing VAPID token", "vapid/missing"),
    ("Unknown auth scheme", "vapid/scheme"),
    ("Invalid VAPID public key", "vapid/k-invalid"),
    ("Missing required exp", "vapid/exp-missing"),
    ("Missing required aud", "vapid/aud-missing"),
    ("Invalid VAPID audience", "vapid/aud-mismatch"),
    ("ExpiredSignature", "vapid/exp-past"),
    ("InvalidSignature", "vapid/signature"),
    ("VAPID token expiration is too long", "vapid/exp-too-far"),
    ("Missing p256ecdsa", "vapid/k-missing"),
    ("Missing Content-Encoding", "coding/missing"),
    ("Unknown Content-Encoding", "coding/unknown"),
    ("Missing Encryption header", "encryption/missing"),
    ("salt value in Encryption header", "encryption/salt-length"),
    ("Missing dh value", "crypto-key/dh-invalid"),
    ("Missing Crypto-Key header", "crypto-key/missing"),
    ("in aes128gcm Encryption header", "coding/mixed-headers"),
    ("in aes128gcm Crypto-Key header", "coding/mixed-headers"),
    ("Missing TTL value", "ttl/missing"),
    ("TTL must be greater than 0", "ttl/negative"),
    ("Topic must be no greater than 32", "topic/too-long"),
    ("Topic must be URL", "topic/bad-character"),
    ("intended for a constrained device", "body/over-android"),
    // apple
    ("VapidPkHashMismatch", "vapid/key-mismatch"),
    ("BadWebPushTopic", "topic/not-decodable"),
    ("BadUrgency", "urgency/unknown"),
    ("BadTtl", "ttl/not-a-number"),
    ("PayloadTooLarge", "body/too-large"),
    ("TooManyRequests", "request/rate-limited"),
    // wns
    ("Ttl value conflicts with X-WNS-Cache-Policy", "ttl/zero"),
    ("more than 1 crypto-key <dh>", "crypto-key/several-dh"),
    ("throttled", "request/rate-limited"),
];

fn known(text: &str, status: u16) -> Option<&'static str> {
    KNOWN.iter().find(|(words, _)| text.contains(words)).map(|(_, code)| *code).or(match status {
        411 => Some("request/no-content-length"),
        413 => Some("body/too-large"),
        429 => Some("request/rate-limited"),
        431 => Some("request/headers-too-large"),
        _ => None,
    })
}

/// True when a refusal's words are about the clock: expiry passed or too far ahead, not valid yet.
#[must_use]
pub fn names_the_clock(text: &str, code: Option<&str>) -> bool {
    matches!(code, Some("vapid/exp-past" | "vapid/exp-too-far" | "vapid/nbf-future"))
        || ["expired", "Expired", "exp claim", "ImmatureSignature"].iter().any(|words| text.contains(words))
}

/// Verbatim but for what must not be printed: control characters are escaped, the endpoint and tokens left out.
fn presentable(text: &str, endpoint: &PushResource) -> String {
    let mut text = Cow::Borrowed(text.trim());
    let path = endpoint.expose_path();
    let secret_end = path.rsplit('/').next().unwrap_or_default();
    for secret in [endpoint.expose(), path, secret_end] {
        if secret.len() >= CAPABILITY && text.contains(secret) {
            text = Cow::Owned(text.replace(secret, "…"));
        }
    }
    let text = without_tokens(&text);
    let mut out = String::with_capacity(text.len().min(TEXT_OCTETS));
    for character in text.chars() {
        let escape = character.is_control() || is_direction(character);
        let octets = if escape { character.escape_default().count() } else { character.len_utf8() };
        if out.len() + octets > TEXT_OCTETS {
            break;
        }
        if escape {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Characters that change the direction of the text after them, and so what a reader sees.
const fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces what looks like a JWT (`eyJ` and at least 40 characters of base64url and dots) by its first letters.
fn without_tokens(text: &str) -> Cow<'_, str> {
    if !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("eyJ") {
        let (before, token) = rest.split_at(at);
        let end = token.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
        let (token, after) = token.split_at(end.unwrap_or(token.len()));
        out.push_str(before);
        out.push_str(if token.len() >= 40 { "eyJ…" } else { token });
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn endpoint() -> PushResource {
        "https://push.example/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV".parse().unwrap()
    }

    fn read(status: u16, body: &str) -> Reason {
        reason(status, &HeaderMap::new(), body.as_bytes(), &endpoint())
    }

    #[test]
    fn texts_of_known_services_have_their_finding() {
        let check = |status, body: &str, code: Option<&str>| {
            assert_eq!(read(status, body).code.as_deref(), code, "{status} {body}");
        };

        check(403, "permission denied: invalid JWT provided\n", None);
        check(
            403,
            "the VAPID credentials in the authorization header do not correspond to the credentials used to create the subscriptions.\n",
            Some("vapid/key-mismatch"),
        );
        check(
            401,
            r#"{"code":401,"errno":109,"error":"Unauthorized","message":"VAPID public key mismatch","more_info":"x"}"#,
            Some("vapid/key-mismatch"),
        );
        check(400, r#"{"reason":"VapidPkHashMismatch"}"#, Some("vapid/key-mismatch"));
        check(400, r#"{"reason":"BadWebPushTopic"}"#, Some("topic/not-decodable"));
        check(403, r#"{"reason":"BadJwtToken"}"#, None);
        check(
            400,
            r#"{"type":"/help/ttl/missing","code":"ttl/missing","title":"x","status":400}"#,
            Some("ttl/missing"),
        );
        check(400, r#"{"code":"../../etc"}"#, None);
        check(400, r#"{"code":"TTL/missing"}"#, None);
        check(413, "", Some("body/too-large"));
        check(429, "", Some("request/rate-limited"));
        check(400, "", None);
    }

    #[test]
    fn wns_says_it_in_a_field() {
        let mut fields = HeaderMap::new();
        fields.insert("x-wns-status", "dropped".parse().unwrap());
        fields.insert(
            "x-wns-error-description",
            "Ttl value conflicts with X-WNS-Cache-Policy.".parse().unwrap(),
        );

        let reason = reason(400, &fields, b"", &endpoint());

        assert_eq!(reason.code.as_deref(), Some("ttl/zero"));
        assert_eq!(reason.text.as_deref(), Some("Ttl value conflicts with X-WNS-Cache-Policy."));
    }

    /// T8, T38
    #[test]
    fn what_must_not_be_printed_is_left_out() {
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln";
        let body = format!(
            "no \u{1b}[31m{token} at https://push.example/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV, \
             or JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV\u{9b}\u{202e}\0"
        );

        let text = read(400, &body).text.unwrap();

        assert_eq!(text, "no \\u{1b}[31meyJ… at …, or …\\u{9b}\\u{202e}\\u{0}");
    }

    #[test]
    fn at_most_1_kib_is_kept() {
        let check = |body: &str, octets: usize| {
            assert_eq!(read(400, body).text.unwrap().len(), octets);
        };

        check(&"x".repeat(1023), 1023);
        check(&"x".repeat(1024), 1024);
        check(&"x".repeat(1025), 1024);
        check(&"é".repeat(513), 1024);
        check(&format!("x{}", "é".repeat(513)), 1023);
    }

    #[test]
    fn texts_about_the_clock_are_recognised() {
        assert!(names_the_clock("Invalid VAPID token: ExpiredSignature", None));
        assert!(names_the_clock(
            "exp claim MUST NOT be more than 24 hours from the time of the request",
            None
        ));
        assert!(names_the_clock("", Some("vapid/exp-past")));
        assert!(!names_the_clock("permission denied: invalid JWT provided", None));
        assert!(!names_the_clock("unexpected", Some("vapid/aud-mismatch")));
    }

    proptest! {
        #[test]
        fn no_body_panics_and_nothing_unprintable_is_left(body: Vec<u8>) {
            let text = reason(400, &HeaderMap::new(), &body, &endpoint()).text.unwrap_or_default();
            prop_assert!(text.len() <= TEXT_OCTETS && !text.chars().any(char::is_control));
        }
    }
}
