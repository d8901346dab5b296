//! `Content-Encoding`, and the fields of the older codings: what they say, and everything wrong with it.

use push_crypto::{
    ContentCoding, HeaderFields, PublicKey,
    base64url::{self, Base64Error},
    coding::fields::{self, Entry},
};

use super::{
    Case, Target,
    report::{Report, cut, octets, shown},
};
use crate::service::request::DeliveryRequest;

/// The lines of the fields that belong to the codings.
#[derive(Debug, Default)]
pub(super) struct CodingLines<'a> {
    pub(super) encryption: Vec<&'a str>,
    pub(super) crypto_key: Vec<&'a str>,
    pub(super) encryption_key: Vec<&'a str>,
}

impl<'a> CodingLines<'a> {
    pub(super) fn of(request: &'a DeliveryRequest) -> Self {
        Self {
            encryption: request.fields("encryption").collect(),
            crypto_key: request.fields("crypto-key").collect(),
            encryption_key: request.fields("encryption-key").collect(),
        }
    }

    /// For reading the message; aesgcm with its key in the wrong field is read all the same.
    pub(super) fn for_coding(&self, coding: ContentCoding) -> HeaderFields<'_> {
        let moved = coding == ContentCoding::Aesgcm && self.key_is_in_the_wrong_field();
        HeaderFields {
            encryption: &self.encryption,
            crypto_key: if moved { &self.encryption_key } else { &self.crypto_key },
            encryption_key: &self.encryption_key,
        }
    }

    /// aesgcm128 is in its auth-context form exactly when `Crypto-Key` has a `dh`.
    pub(super) fn is_auth_context(&self) -> bool {
        fields::has_dh(&self.crypto_key)
    }

    fn key_is_in_the_wrong_field(&self) -> bool {
        !fields::has_dh(&self.crypto_key) && !self.encryption_key.is_empty()
    }
}

impl<'a> Case<'a> {
    pub(super) fn coding_lines(&self) -> CodingLines<'a> {
        CodingLines::of(self.request)
    }

    /// The one coding that `Content-Encoding` names, when there is a body.
    pub(super) fn check_coding(&mut self, lines: &CodingLines<'_>) -> Option<ContentCoding> {
        let place = "header:content-encoding";
        let names: Vec<&str> = self
            .request
            .fields("content-encoding")
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let known: Vec<ContentCoding> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let coding = match (names.as_slice(), known.as_slice()) {
            ([], _) => {
                let seen = format!("a body without Content-Encoding{}", self.as_what(lines));
                self.report.add("coding/missing", place, seen, "aes128gcm");
                return None;
            }
            ([_], []) => {
                let seen = format!("{}{}", shown(&names.join(", ")), self.as_what(lines));
                self.report.add("coding/unknown", place, seen, "aes128gcm");
                return None;
            }
            ([_], [coding, ..]) => *coding,
            (_, known) => {
                self.report.add("coding/several", place, shown(&names.join(", ")), "exactly one");
                // Which of two it is nobody can tell; the only one that is known can still be looked at.
                *known.first().filter(|first| known.iter().all(|other| other == *first))?
            }
        };
        if let Some(name) = names.iter().find(|name| name.parse() == Ok(coding) && **name != coding.as_str())
        {
            self.report.add("coding/case", place, shown(name), coding.as_str());
        }
        self.judge_coding(coding, lines);
        Some(coding)
    }

    /// What a body without a usable label really is, for a finding.
    fn as_what(&self, lines: &CodingLines<'_>) -> String {
        let opens = self.whole_body().and_then(|body| self.opens_as(None, lines, body));
        opens.map_or_else(String::new, |coding| format!("; the body opens as {coding}"))
    }

    fn judge_coding(&mut self, coding: ContentCoding, lines: &CodingLines<'_>) {
        let place = "header:content-encoding";
        match coding {
            ContentCoding::Aes128gcm => self.mixed_headers(lines),
            ContentCoding::Aesgcm => self.report.add("coding/aesgcm-legacy", place, "aesgcm", "aes128gcm"),
            ContentCoding::Aesgcm128 => {
                let form = if lines.is_auth_context() {
                    "aesgcm128 in its auth-context form, which only pre-release Firefox 46 to 48 could open"
                } else {
                    "aesgcm128 in its bare form, which Firefox 44 and 45 could open"
                };
                self.report.add("coding/aesgcm128-obsolete", place, form, "aes128gcm");
            }
        }
        if let Target::Known(subject) = self.target
            && !subject.codings.contains(&coding)
        {
            let read = subject.codings.iter().map(|coding| coding.as_str()).collect::<Vec<_>>().join(", ");
            let expected = if read.is_empty() { "no coding at all".to_owned() } else { read };
            self.report.add("coding/not-supported", place, coding.as_str(), expected);
        }
    }

    fn mixed_headers(&mut self, lines: &CodingLines<'_>) {
        let salt = fields::entries("Encryption", &lines.encryption)
            .is_ok_and(|entries| entries.iter().any(|entry| entry.value("salt").is_some()));
        let dh = lines.is_auth_context();
        let seen = match (salt, dh) {
            (true, true) => "a salt in Encryption and a dh in Crypto-Key",
            (true, false) => "a salt in Encryption",
            (false, true) => "a dh in Crypto-Key",
            (false, false) => return,
        };
        let place = if salt { "header:encryption" } else { "header:crypto-key" };
        self.report.add("coding/mixed-headers", place, seen, "neither: both are in the body");
    }

    /// Fields of a coding on a message without a body.
    pub(super) fn check_tickle(&mut self, lines: &CodingLines<'_>) {
        let mut seen = Vec::new();
        if self.request.fields("content-encoding").next().is_some() {
            seen.push("Content-Encoding");
        }
        if !lines.encryption.is_empty() {
            seen.push("Encryption");
        }
        if lines.is_auth_context() {
            seen.push("dh in Crypto-Key");
        }
        if !lines.encryption_key.is_empty() {
            seen.push("Encryption-Key");
        }
        if !seen.is_empty() {
            let seen = format!("{}, and no body", seen.join(", "));
            self.report.add("coding/without-body", "header:content-encoding", seen, "none of them");
        }
    }
}

/// Every fault of the fields of aesgcm and aesgcm128, into `report`.
pub(super) fn check_legacy_fields(report: &mut Report, coding: ContentCoding, lines: &CodingLines<'_>) {
    if coding == ContentCoding::Aes128gcm {
        return;
    }
    let keyid = check_encryption(report, coding, lines);
    let (name, place, keys) = match coding {
        ContentCoding::Aesgcm if lines.key_is_in_the_wrong_field() => {
            report.add(
                "crypto-key/wrong-field",
                "header:encryption-key",
                "Encryption-Key with aesgcm",
                "Crypto-Key",
            );
            ("Encryption-Key", "header:encryption-key", &lines.encryption_key)
        }
        ContentCoding::Aesgcm128 if !lines.is_auth_context() && !lines.encryption_key.is_empty() => {
            ("Encryption-Key", "header:encryption-key", &lines.encryption_key)
        }
        _ => ("Crypto-Key", "header:crypto-key", &lines.crypto_key),
    };
    let entries = match fields::entries(name, keys) {
        Ok(entries) => entries,
        Err(error) => return report.add(error.code(), place, error.to_string(), "dh=<65 octets, base64url>"),
    };
    if entries.is_empty() {
        return report.add("crypto-key/missing", place, format!("no {name}"), "dh=<65 octets, base64url>");
    }
    check_comma(report, place, &entries);
    check_dh(report, place, &entries, keyid.as_deref());
}

/// `Encryption`; gives its keyid.
fn check_encryption(report: &mut Report, coding: ContentCoding, lines: &CodingLines<'_>) -> Option<String> {
    let (place, expected) = ("header:encryption", "salt=<16 octets, base64url>");
    let entries = match fields::entries("Encryption", &lines.encryption) {
        Ok(entries) => entries,
        Err(error) => {
            report.add(error.code(), place, error.to_string(), expected);
            return None;
        }
    };
    let entry = match entries.as_slice() {
        [] => {
            report.add("encryption/missing", place, "no Encryption", expected);
            return None;
        }
        [entry] => entry,
        several => {
            report.add("encryption/several", place, format!("{} entries", several.len()), "one entry");
            several.first()?
        }
    };
    match entry.value("salt") {
        None => report.add("encryption/salt-length", place, "no salt", "16 octets"),
        Some(text) => check_salt(report, text),
    }
    if let Some(rs) = entry.value("rs") {
        let least: u64 = if coding == ContentCoding::Aesgcm { 3 } else { 2 };
        let digits = !rs.is_empty() && rs.bytes().all(|b| b.is_ascii_digit());
        let legal = rs.parse().is_ok_and(|rs: u64| (least..=fields::MAX_RECORD_SIZE).contains(&rs));
        if !(digits && legal) {
            let expected = format!("digits, from {least}; 4096 when left out");
            report.add("encryption/rs-invalid", "header:encryption#rs", cut(rs, 24), expected);
        }
    }
    entry.value("keyid").map(str::to_owned)
}

fn check_salt(report: &mut Report, text: &str) {
    let place = "header:encryption#salt";
    match decoded(text) {
        Ok((salt, padded)) => {
            if padded {
                report.add("encryption/salt-padded", place, "= behind the salt", "no padding");
            }
            if salt.len() != 16 {
                report.add("encryption/salt-length", place, octets(salt.len()), "16 octets");
            }
        }
        Err(seen) => report.add("encryption/salt-length", place, seen, "16 octets"),
    }
}

/// dh and p256ecdsa in one entry is what every service reads.
fn check_comma(report: &mut Report, place: &str, entries: &[Entry]) {
    let with = |name: &str| entries.iter().position(|entry| entry.value(name).is_some());
    let (Some(dh), Some(vapid)) = (with("dh"), with("p256ecdsa")) else { return };
    let together =
        entries.iter().any(|entry| entry.value("dh").is_some() && entry.value("p256ecdsa").is_some());
    if dh != vapid && !together {
        report.add("crypto-key/comma", place, "dh and p256ecdsa as two entries", "dh=…;p256ecdsa=…");
    }
}

fn check_dh(report: &mut Report, place: &str, entries: &[Entry], keyid: Option<&str>) {
    let with_dh: Vec<&Entry> = entries.iter().filter(|entry| entry.value("dh").is_some()).collect();
    let fitting: Vec<&Entry> =
        with_dh.iter().copied().filter(|entry| keyid.is_none() || entry.value("keyid") == keyid).collect();
    let place_dh = format!("{place}#dh");
    let chosen = match (fitting.as_slice(), with_dh.as_slice()) {
        ([one], _) => one,
        (_, []) => return report.add("crypto-key/dh-invalid", place_dh, "no dh", "65 octets (04 …)"),
        ([], [first, ..]) => {
            let seen = format!("keyid {}, and no dh has it", shown(keyid.unwrap_or_default()));
            report.add(
                "crypto-key/keyid-mismatch",
                format!("{place}#keyid"),
                seen,
                "the same keyid in both fields, or none",
            );
            first
        }
        (several, _) => {
            let seen = format!("{} dh, and no keyid that names one", several.len());
            return report.add("crypto-key/several-dh", place_dh, seen, "one dh");
        }
    };
    match decoded(chosen.value("dh").unwrap_or_default()) {
        Ok((point, padded)) => {
            if padded {
                report.add("encryption/salt-padded", place_dh.clone(), "= behind the dh", "no padding");
            }
            if let Err(error) = PublicKey::from_octets(&point) {
                let seen =
                    if point.len() == PublicKey::LENGTH { error.to_string() } else { octets(point.len()) };
                report.add("crypto-key/dh-invalid", place_dh, seen, "65 octets (04 …)");
            }
        }
        Err(seen) => report.add("crypto-key/dh-invalid", place_dh, seen, "65 octets (04 …)"),
    }
}

/// The octets and whether there was padding; else what was seen, a number of octets where it can be told.
fn decoded(text: &str) -> Result<(Vec<u8>, bool), String> {
    match base64url::decode_tolerant(text) {
        Ok(read) if read.form.standard_alphabet => Err(Base64Error::StandardAlphabet.to_string()),
        Ok(read) => Ok((read.octets, read.form.padded)),
        Err(Base64Error::TrailingBits) => Err(octets(text.trim_end_matches('=').len() * 3 / 4)),
        Err(error) => Err(error.to_string()),
    }
}
