//! What an input looks like.

use push_crypto::{provider::rust_crypto, vapid::import};
use serde_json::Value;

use super::{Kind, http_dump};

/// The kind, by the first thing that fits; none when nothing does.
pub(super) fn kind_of(input: &[u8]) -> Option<Kind> {
    if http_dump::looks_like(input) {
        return Some(Kind::Request);
    }
    let Ok(text) = core::str::from_utf8(input) else {
        return import(&rust_crypto::PROVIDER, input).is_ok().then_some(Kind::Key);
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    let starts = |start: &str| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    if starts("curl ") || starts("$ curl ") {
        Some(Kind::Request)
    } else if ["authorization:", "vapid ", "webpush ", "bearer ", "key="].into_iter().any(starts) {
        Some(Kind::Vapid)
    } else if text.contains("-----BEGIN") {
        Some(Kind::Key)
    } else if text.contains("PushSubscription]") {
        Some(Kind::Subscription)
    } else if text.starts_with(['{', '[', '"']) {
        kind_of_json(text)
    } else if text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
        && !text.contains(char::is_whitespace)
    {
        Some(Kind::Endpoint)
    } else if is_token(text) {
        Some(Kind::Jwt)
    } else {
        import(&rust_crypto::PROVIDER, input).is_ok().then_some(Kind::Key)
    }
}

fn kind_of_json(text: &str) -> Option<Kind> {
    let has = |name: &str| text.contains(&format!("\"{name}\"")) || text.contains(&format!("\\\"{name}\\\""));
    if has("endpoint") || has("p256dh") {
        Some(Kind::Subscription)
    } else if has("kty") || (has("publicKey") || has("privateKey")) {
        Some(Kind::Key)
    } else {
        serde_json::from_str::<Value>(text).is_ok().then_some(Kind::Payload)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// Two or three parts of base64url, the first of which is a JSON object (`{"` is `ey` in base64url).
fn is_token(text: &str) -> bool {
    let legal =
        |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    text.starts_with("ey") && (2..=3).contains(&text.split('.').count()) && text.split('.').all(legal)
}
