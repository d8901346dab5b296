//! The value of an `Authorization` field, or a token alone: scheme, claims, key, each marked.

use push_crypto::{
    Origin, PushResource, Timestamp,
    vapid::{Expiry, PartialCredentials, SchemeName, UnverifiedToken, split_authorization},
};

use super::{Around, Explained, Kind, Mark, lines::Lines};
use crate::service::{
    finding::Finding,
    inspect::{NoRecall, Settings, Subject, Target, claims::span, inspect, report::cut},
    request::{DeliveryRequest, RequestBody, Via},
};

/// The origin of a push resource, or an origin as it stands.
pub(super) fn origin_of(url: &str) -> Option<Origin> {
    url.parse().ok().or_else(|| url.parse::<PushResource>().ok().map(|resource| resource.origin().clone()))
}

pub(super) fn explain_field(text: &str, around: &Around<'_>) -> Explained {
    let (mut field, mut crypto_key) = (String::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.trim().clone_into(&mut field)
            }
            Some((name, value)) if name.eq_ignore_ascii_case("crypto-key") => crypto_key.push(value.trim()),
            _ if field.is_empty() => line.clone_into(&mut field),
            _ => {}
        }
    }
    let origins: Vec<Origin> = around.for_url.and_then(origin_of).into_iter().collect();
    let findings = findings(&field, &crypto_key, &origins, around.now);
    let mut lines = Lines::new(&findings);
    add_parts(&mut lines, &field, &crypto_key, &findings, &origins, around.now);
    let title = match split_authorization(&field, &crypto_key).map(|credentials| credentials.scheme) {
        Ok(SchemeName::Vapid) => "VAPID header (RFC 8292)",
        Ok(_) => "VAPID header (draft-ietf-webpush-vapid-01)",
        Err(_) => "Authorization header",
    };
    Explained { kind: Kind::Vapid, title: title.to_owned(), parts: lines.finish(), findings }
}

pub(super) fn explain_token(text: &str, around: &Around<'_>) -> Explained {
    let origins: Vec<Origin> = around.for_url.and_then(origin_of).into_iter().collect();
    let field = format!("vapid t={text}");
    let mut findings = findings(&field, &[], &origins, around.now);
    // The key is not part of a token.
    findings.retain(|finding| finding.code != "vapid/k-missing");
    let mut lines = Lines::new(&findings);
    add_token(&mut lines, Some(text), &findings, &origins, around.now, false);
    Explained { kind: Kind::Jwt, title: "VAPID token (JWT)".to_owned(), parts: lines.finish(), findings }
}

/// All findings about these fields alone.
fn findings(field: &str, crypto_key: &[&str], origins: &[Origin], now: Timestamp) -> Vec<Finding> {
    let mut headers = vec![("authorization".to_owned(), field.to_owned())];
    headers.extend(crypto_key.iter().map(|line| ("crypto-key".to_owned(), (*line).to_owned())));
    let request = DeliveryRequest {
        method: "POST".to_owned(),
        via: Via::Api,
        http_version: "1.1",
        url: String::new(),
        origin: None,
        headers,
        streamed: false,
        body: RequestBody::Whole(bytes::Bytes::new()),
        at: now,
    };
    let target = Target::Known(Subject {
        label: "pasted",
        keys: None,
        stale_keys: &[],
        application_server_key: None,
        codings: &[],
        origins,
        gone: None,
        online: true,
    });
    let mut findings = inspect(&Settings::default(), &request, &target, now, now, &NoRecall).findings;
    findings.retain(|finding| finding.code.starts_with("vapid/"));
    findings
}

/// Scheme, token and key of a field, into the lines.
pub(super) fn add_parts(
    lines: &mut Lines,
    field: &str,
    crypto_key: &[&str],
    findings: &[Finding],
    origins: &[Origin],
    now: Timestamp,
) {
    let Ok(PartialCredentials { scheme, token, key }) = split_authorization(field, crypto_key) else {
        let scheme = field.split(' ').next().unwrap_or_default();
        let shown = if scheme.starts_with("key=") { "key=…" } else { scheme };
        lines.part("scheme", cut(shown, 16), "", &["header:authorization"]);
        return;
    };
    lines.part("scheme", scheme.as_str(), "", &["header:authorization"]);
    add_token(lines, token.as_deref(), findings, origins, now, key.is_some());
    let (name, place) = match scheme {
        SchemeName::Vapid => ("k", "header:authorization#k"),
        _ => ("p256ecdsa", "header:crypto-key#p256ecdsa"),
    };
    let value = key.as_deref().map_or_else(|| "none".to_owned(), shortened);
    lines.part(name, value, "P-256, 65 octets", &[place, "vapid/key-reused"]);
}

/// `BFW3KCgw…OJw`.
fn shortened(key: &str) -> String {
    let count = key.chars().count();
    if count <= 16 {
        return cut(key, 16);
    }
    let end: String = key.chars().skip(count - 3).collect();
    format!("{}…{}", cut(key, 8).trim_end_matches('…'), cut(&end, 3))
}

fn add_token(
    lines: &mut Lines,
    text: Option<&str>,
    findings: &[Finding],
    origins: &[Origin],
    now: Timestamp,
    has_key: bool,
) {
    let Some(token) = text.and_then(|text| UnverifiedToken::parse(text).ok()) else {
        let value =
            text.map_or_else(|| "none".to_owned(), |text| format!("{} characters", text.chars().count()));
        lines.part("token", value, "", &["header:authorization#t"]);
        return;
    };
    let checked = has_key && !findings.iter().any(|finding| finding.code == "vapid/k-invalid");
    let (mark, note) = if checked {
        (Mark::Ok, "signature matches k")
    } else {
        (Mark::Unknown, "signature not checked: no usable key")
    };
    let alg = cut(token.alg().unwrap_or("none"), 16);
    let about = ["header:authorization#alg", "header:authorization#signature"];
    lines.marked("alg", alg, mark, note.to_owned(), &about);
    add_claims(lines, &token, origins, now);
}

fn add_claims(lines: &mut Lines, token: &UnverifiedToken, origins: &[Origin], now: Timestamp) {
    let none = || "none".to_owned();
    let audience = if token.audiences().is_empty() { none() } else { cut(&token.audiences().join(" "), 60) };
    let (mark, note) = if origins.is_empty() {
        (Mark::Unknown, "not compared: say with --for what the endpoint is")
    } else {
        (Mark::Ok, "the origin of the endpoint")
    };
    lines.marked("aud", audience, mark, note.to_owned(), &["header:authorization#aud"]);
    let expiry = match token.exp() {
        Expiry::Seconds(seconds) => shown_time(seconds, now),
        Expiry::Missing => none(),
        other => cut(&other.to_string(), 24),
    };
    lines.part("exp", expiry, "limit 24 h", &["header:authorization#exp"]);
    if let Some(nbf) = token.nbf() {
        lines.part("nbf", shown_time(nbf, now), "", &["header:authorization#nbf"]);
    }
    lines.part("sub", token.sub().map_or_else(none, |sub| cut(sub, 60)), "", &["header:authorization#sub"]);
}

/// `2026-11-23T19:31:02Z, in 11 h 59 min`.
fn shown_time(seconds: u64, now: Timestamp) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let Some(time) = time else { return seconds.to_string() };
    let at = Timestamp::from_unix_seconds(seconds);
    if at >= now {
        format!("{time}, in {}", span(at.since(now)))
    } else {
        format!("{time}, {} ago", span(now.since(at)))
    }
}
