//! A pasted request: inspected like one that arrived, and shown field by field.

use bytes::Bytes;
use push_crypto::{ContentCoding, Origin, Timestamp, Ttl, base64url};

use super::{Around, Explained, Kind, Mark, curl, http_dump, lines::Lines, vapid};
use crate::service::{
    finding::{Finding, Inspected},
    inspect::{
        NoRecall, Settings, Subject, Target,
        claims::span,
        inspect,
        report::{cut, octets},
    },
    request::{DeliveryRequest, RequestBody, Via},
};

/// A request as it was pasted.
#[derive(Debug)]
pub(super) struct Pasted {
    pub(super) method: String,
    /// Path or URL.
    pub(super) target: String,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: PastedBody,
}

/// Its body, as far as it is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PastedBody {
    /// Text that ends in dots: an example that was cut for print.
    Cut(String),
    /// In a file that is not read here.
    File(String),
    /// All of it.
    Octets(Vec<u8>),
}

impl PastedBody {
    pub(super) fn of_octets(octets: &[u8]) -> Self {
        match core::str::from_utf8(octets) {
            Ok(text) if text.ends_with("...") || text.ends_with('…') => Self::Cut(text.to_owned()),
            _ => Self::Octets(octets.to_vec()),
        }
    }
}

/// A raw dump or a `curl` command line.
pub(super) fn read(input: &[u8]) -> Option<Pasted> {
    http_dump::read(input).or_else(|| curl::read(core::str::from_utf8(input).ok()?))
}

impl Pasted {
    fn field(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Origins that `aud` may name: of `--for`, else of the URL, else of `Host` (whose scheme is not in the request).
    fn origins(&self, around: &Around<'_>) -> Vec<Origin> {
        let urls = around
            .for_url
            .map(str::to_owned)
            .or_else(|| self.target.contains("://").then(|| self.target.clone()));
        if let Some(origin) = urls.and_then(|url| vapid::origin_of(&url)) {
            return vec![origin];
        }
        let host = self.field("host").unwrap_or_default();
        let https = format!("https://{host}").parse::<Origin>();
        let http = format!("http://{host}").parse::<Origin>().ok().filter(Origin::is_loopback);
        https.into_iter().chain(http).collect()
    }

    /// As if it had arrived; a body that is not there counts as one that was not read.
    fn arrived(&self, now: Timestamp) -> DeliveryRequest {
        let body = match &self.body {
            PastedBody::Octets(octets) => RequestBody::Whole(Bytes::copy_from_slice(octets)),
            PastedBody::Cut(_) | PastedBody::File(_) => {
                RequestBody::TooLarge { kept: Bytes::new(), declared: Some(1) }
            }
        };
        DeliveryRequest {
            method: self.method.clone(),
            via: Via::Api,
            http_version: "1.1",
            url: self.target.clone(),
            origin: None,
            headers: self.headers.clone(),
            streamed: self
                .field("transfer-encoding")
                .is_some_and(|value| value.eq_ignore_ascii_case("chunked")),
            body,
            at: now,
        }
    }
}

/// Inspects it for an unrestricted subscription whose keys are not known.
fn inspected(pasted: &Pasted, origins: &[Origin], now: Timestamp) -> Inspected {
    let target = Target::Known(Subject {
        label: "pasted",
        keys: None,
        stale_keys: &[],
        application_server_key: None,
        codings: &ContentCoding::ALL,
        origins,
        gone: None,
        online: true,
    });
    let mut inspected = inspect(&Settings::default(), &pasted.arrived(now), &target, now, now, &NoRecall);
    // The body that is not there has no size.
    inspected
        .findings
        .retain(|finding| finding.code != "body/too-large" || matches!(pasted.body, PastedBody::Octets(_)));
    inspected
}

pub(super) fn explain(pasted: &Pasted, around: &Around<'_>) -> Explained {
    let origins = pasted.origins(around);
    let inspected = inspected(pasted, &origins, around.now);
    let findings = inspected.findings.clone();
    let mut lines = Lines::new(&findings);
    lines.part("method", pasted.method.as_str(), "", &["method"]);
    add_fields(&mut lines, pasted, &inspected);
    add_coding(&mut lines, pasted, &inspected);
    add_vapid(&mut lines, pasted, &findings, around);
    add_body(&mut lines, pasted, &inspected);
    let title = format!("{} {}", pasted.method, cut(pasted.target.trim_end_matches("..."), 60));
    let title = if pasted.target.ends_with("...") { format!("{title}…") } else { title };
    Explained { kind: Kind::Request, title, parts: lines.finish(), findings }
}

fn add_fields(lines: &mut Lines, pasted: &Pasted, inspected: &Inspected) {
    let value = |name: &str| pasted.field(name).map_or_else(|| "none".to_owned(), |value| cut(value, 40));
    let ttl = match inspected.ttl_requested {
        Some(ttl) if ttl == Ttl::ZERO => "now or never".to_owned(),
        Some(ttl) => words(core::time::Duration::from_secs(u64::from(ttl.as_seconds()))),
        None => String::new(),
    };
    lines.part("TTL", value("ttl"), ttl, &["header:ttl"]);
    let fields = [
        ("Topic", "topic", "replaces a pending message of this topic"),
        ("Urgency", "urgency", ""),
        ("Prefer", "prefer", ""),
        ("Push-Receipt", "push-receipt", ""),
        ("Content-Length", "content-length", ""),
    ];
    for (name, field, note) in fields {
        if pasted.field(field).is_some() {
            lines.part(name, value(field), note, &[&format!("header:{field}")]);
        }
    }
    if pasted
        .field("content-type")
        .is_some_and(|_| inspected.findings.iter().any(|f| f.place == "header:content-type"))
    {
        lines.part("Content-Type", value("content-type"), "", &["header:content-type"]);
    }
}

/// Seconds in words: `2 minutes`.
fn words(duration: core::time::Duration) -> String {
    let text = span(duration);
    let (count, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let word = match unit {
        "s" => "second",
        "min" => "minute",
        "d" => "day",
        "h" => "hour",
        _ => return text,
    };
    if count == "1" { format!("{count} {word}") } else { format!("{count} {word}s") }
}

fn add_coding(lines: &mut Lines, pasted: &Pasted, inspected: &Inspected) {
    let name = pasted.field("content-encoding");
    let key_field = ["crypto-key", "encryption-key"].into_iter().find(|field| pasted.field(field).is_some());
    let value = match (name, inspected.coding, key_field) {
        (None, ..) => "none".to_owned(),
        (Some(name), Some(ContentCoding::Aesgcm | ContentCoding::Aesgcm128), Some(field)) => {
            format!("{}, key in {}", cut(name, 24), title_case(field))
        }
        (Some(name), ..) => cut(name, 40),
    };
    let is_tickle = pasted.body == PastedBody::Octets(Vec::new());
    if name.is_some() || !is_tickle {
        lines.part("coding", value, "", &["header:content-encoding"]);
    }
    let legacy = matches!(inspected.coding, Some(ContentCoding::Aesgcm | ContentCoding::Aesgcm128));
    if let Some(field) = pasted.field("encryption") {
        let shown = parameter(field, "salt")
            .map_or_else(|| cut(field, 40), |salt| format!("salt \"{}\"", cut(salt, 24)));
        let about = ["header:encryption", "header:encryption#salt", "header:encryption#rs"];
        lines.part("Encryption", shown, "", &about);
    } else if legacy {
        lines.part("Encryption", "none", "", &["header:encryption"]);
    }
    for name in ["crypto-key", "encryption-key"] {
        let places = [format!("header:{name}"), format!("header:{name}#dh"), format!("header:{name}#keyid")];
        let about = places.each_ref().map(String::as_str);
        match pasted.field(name) {
            Some(field) => {
                let dh = parameter(field, "dh").map(|dh| format!("dh \"{}\"", cut(dh, 24)));
                lines.part(title_case(name), dh.unwrap_or_else(|| "no dh".to_owned()), "", &about);
            }
            None if legacy && name == "crypto-key" && key_field.is_none() => {
                lines.part("Crypto-Key", "none", "", &about);
            }
            None => {}
        }
    }
}

fn title_case(field: &str) -> &'static str {
    match field {
        "crypto-key" => "Crypto-Key",
        _ => "Encryption-Key",
    }
}

/// The first value of a parameter, for display only.
fn parameter<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    field.split([';', ',']).find_map(|item| {
        let (key, value) = item.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn add_vapid(lines: &mut Lines, pasted: &Pasted, findings: &[Finding], around: &Around<'_>) {
    match pasted.field("authorization") {
        None => lines.part("VAPID", "none", "", &["header:authorization"]),
        Some(field) => {
            let crypto_key: Vec<&str> = pasted
                .headers
                .iter()
                .filter(|(name, _)| name == "crypto-key")
                .map(|(_, value)| value.as_str())
                .collect();
            vapid::add_parts(lines, field, &crypto_key, findings, &pasted.origins(around), around.now);
        }
    }
}

fn add_body(lines: &mut Lines, pasted: &Pasted, inspected: &Inspected) {
    let (value, mark, note) = match &pasted.body {
        PastedBody::Cut(text) => return add_cut_body(lines, text),
        PastedBody::File(name) => {
            (format!("from {}", cut(name, 40)), Mark::Unknown, "in a file, not read".to_owned())
        }
        PastedBody::Octets(octets) if octets.is_empty() => {
            ("none".to_owned(), Mark::Ok, "a tickle".to_owned())
        }
        PastedBody::Octets(body) => {
            let note = match inspected.traces.sender_key {
                Some(_) => "well formed; not opened, since the user agent's keys are not known here",
                None => "",
            };
            (octets(body.len()), Mark::Ok, note.to_owned())
        }
    };
    let about: Vec<&str> = inspected
        .findings
        .iter()
        .map(|finding| finding.place.as_str())
        .filter(|place| place.starts_with("body"))
        .collect();
    lines.marked("body", value, mark, note, &about);
}

/// Text that was cut for print: only its alphabet can be told.
fn add_cut_body(lines: &mut Lines, text: &str) {
    let start = text.trim_end_matches('.').trim_end_matches('…');
    let value = format!("text \"{}…\"", cut(start, 20).trim_end_matches('…'));
    let joined: String = start.chars().filter(|c| !c.is_whitespace()).collect();
    // Any number of whole groups of four characters decodes, wherever the text was cut.
    let whole = joined.get(..joined.len() / 4 * 4).unwrap_or_default();
    let note = match base64url::decode_tolerant(whole) {
        Ok(read) if read.form.standard_alphabet => "standard base64",
        Ok(_) => "base64url",
        Err(_) => {
            return lines.marked("body", value, Mark::Unknown, "cut, so not checked".to_owned(), &[]);
        }
    };
    let note = format!("{note}; cut, so not checked. Send the octets, not their text form");
    lines.uncertain("body", value, "body/base64-text", note);
}
