//! The body before decryption: text that should be octets, the header block, the layout of the records.

use push_crypto::{ContentCoding, PublicKey, base64url, coding::fields};

use super::{
    coding::CodingLines,
    report::{Report, octets},
};

/// Octets of salt, record size and length of the key id in aes128gcm.
const FIXED: usize = 21;
/// Octets of a tag of AES-GCM.
const TAG: usize = 16;
/// The least octets of an encrypted message: padding length or delimiter, and a tag.
const LEAST_MESSAGE: usize = 17;
/// Replacement characters from which on a body is taken for mangled, and their least share (1 in so many).
const MANGLED_LEAST: usize = 3;
const MANGLED_SHARE: usize = 8;

/// A body that is text, where an encrypted one practically never is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// base64 of these octets.
    Base64(Vec<u8>),
    /// Hexadecimal digits of these octets.
    Hex(Vec<u8>),
    /// JSON.
    Json,
    /// Octets that went through a text type: so many replacement characters.
    Mangled(usize),
    /// Anything else readable.
    Plain,
}

/// What kind of text the body is, if it is text.
pub(super) fn text_of(body: &[u8]) -> Option<Text> {
    let text = core::str::from_utf8(body).ok()?;
    let replaced = text.matches('\u{fffd}').count();
    if replaced >= MANGLED_LEAST && replaced * MANGLED_SHARE >= text.chars().count() {
        return Some(Text::Mangled(replaced));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n')) || text.trim().is_empty() {
        return None;
    }
    let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    if let Some(decoded) = from_hex(joined.trim()).filter(|decoded| decoded.len() >= LEAST_MESSAGE) {
        return Some(Text::Hex(decoded));
    }
    match base64url::decode_tolerant(joined.trim()) {
        Ok(read) if read.octets.len() >= LEAST_MESSAGE => return Some(Text::Base64(read.octets)),
        _ => {}
    }
    let json = text.trim_start().starts_with(['{', '[', '"'])
        && serde_json::from_str::<serde_json::Value>(text).is_ok();
    Some(if json { Text::Json } else { Text::Plain })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.last()?)?)).collect()
}

/// True when decoded text has the form of a message: a whole header block in aes128gcm, enough octets otherwise.
pub(super) fn has_form(coding: Option<ContentCoding>, decoded: &[u8]) -> bool {
    match coding {
        Some(ContentCoding::Aesgcm | ContentCoding::Aesgcm128) => decoded.len() >= LEAST_MESSAGE,
        Some(ContentCoding::Aes128gcm) | None => {
            let point = decoded.get(FIXED..FIXED + PublicKey::LENGTH);
            decoded.get(FIXED - 1) == Some(&65)
                && point.is_some_and(|point| PublicKey::from_octets(point).is_ok())
        }
    }
}

/// Every fault of header block and records that shows without keys.
pub(super) fn check_layout(report: &mut Report, coding: ContentCoding, lines: &CodingLines<'_>, body: &[u8]) {
    match coding {
        ContentCoding::Aes128gcm => check_aes128gcm(report, body),
        ContentCoding::Aesgcm | ContentCoding::Aesgcm128 => check_legacy(report, coding, lines, body),
    }
}

/// `salt (16) ‖ rs (4) ‖ idlen (1) ‖ keyid (idlen) ‖ records` (RFC 8188 §2.1).
fn check_aes128gcm(report: &mut Report, body: &[u8]) {
    let Some((fixed, rest)) = body.split_at_checked(FIXED) else {
        report.add("aes128gcm/header-short", "body", octets(body.len()), "at least 103 octets");
        return;
    };
    let rs = fixed.iter().skip(16).take(4).fold(0_u32, |rs, octet| rs << 8 | u32::from(*octet));
    if rs < 18 {
        report.add("aes128gcm/rs-too-small", "body@16", rs.to_string(), "at least 18; 4096 is usual");
    } else if rs >= 1 << 31 {
        report.add("aes128gcm/rs-huge", "body@16", rs.to_string(), "4096");
    }
    let idlen = usize::from(fixed.last().copied().unwrap_or(0));
    if idlen != PublicKey::LENGTH {
        report.add("aes128gcm/keyid-length", "body@20", octets(idlen), "65 octets");
    }
    let Some((keyid, records)) = rest.split_at_checked(idlen) else {
        let seen = format!("{} of a key id of {}", octets(rest.len()), octets(idlen));
        report.add("aes128gcm/header-short", "body@21", seen, "the whole key id, and a record behind it");
        return;
    };
    if idlen == PublicKey::LENGTH
        && let Err(error) = PublicKey::from_octets(keyid)
    {
        report.add("aes128gcm/key-off-curve", "body@21", error.to_string(), "an uncompressed point of P-256");
    }
    let at = FIXED + idlen;
    if records.is_empty() {
        report.add(
            "aes128gcm/no-record",
            format!("body@{at}"),
            "no record",
            "one record of at least 17 octets",
        );
    } else if rs >= 18 {
        check_records(report, at, records.len(), rs as usize, LEAST_MESSAGE);
    }
}

/// Records only; the last one is shorter than the others.
fn check_legacy(report: &mut Report, coding: ContentCoding, lines: &CodingLines<'_>, body: &[u8]) {
    let rs = fields::entries("Encryption", &lines.encryption)
        .ok()
        .and_then(|entries| entries.first().and_then(|entry| entry.value("rs").map(str::to_owned)))
        .map_or(Some(fields::DEFAULT_RECORD_SIZE), |rs| rs.parse().ok());
    let least = if coding == ContentCoding::Aesgcm { 2 } else { 1 };
    let Some(rs) = rs.filter(|rs| *rs > least) else { return };
    let sealed = usize::try_from(rs).unwrap_or(usize::MAX).saturating_add(TAG);
    if body.len().is_multiple_of(sealed) {
        let seen = format!("{}, a multiple of rs + 16 = {sealed}", octets(body.len()));
        report.add("aesgcm/last-record-full", "body", seen, "a last record shorter than the others");
    } else {
        let least = if coding == ContentCoding::Aesgcm { LEAST_MESSAGE + 1 } else { LEAST_MESSAGE };
        check_records(report, 0, body.len(), sealed, least);
    }
}

fn check_records(report: &mut Report, at: usize, length: usize, sealed: usize, least: usize) {
    let count = length.div_ceil(sealed);
    let last = length - (count - 1) * sealed;
    if count > 1 {
        report.add("body/multi-record", format!("body@{at}"), format!("{count} records"), "one record");
    }
    if last < least {
        let place = format!("body@{}", at + (count - 1) * sealed);
        report.add(
            "body/truncated",
            place,
            format!("a last record of {}", octets(last)),
            format!("at least {}", octets(least)),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_told_apart() {
        let check = |body: &[u8], expected| assert_eq!(text_of(body), expected, "{body:?}");

        check(b"{\"title\":\"Goal!\"}", Some(Text::Json));
        check(b"Hello, world", Some(Text::Plain));
        check("Grüße".as_bytes(), Some(Text::Plain));
        check(b"Hello", Some(Text::Plain));
        check(b"ab\0\x01", None);
        check(b"", None);
        check(b" \n", None);
        check(&[0xff; 40], None);
        check(b"000102030405060708090a0b0c0d0e0f10\n", Some(Text::Hex((0..=16).collect())));
        check(b"AAECAwQFBgcICQoLDA0ODxA=", Some(Text::Base64((0..=16).collect())));
        check(b"AAECAwQFBgcICQ\r\noLDA0ODxA", Some(Text::Base64((0..=16).collect())));
        check("ab\u{fffd}\u{fffd}\u{fffd}\u{1}".as_bytes(), Some(Text::Mangled(3)));
        check("\u{fffd} in a long text that is otherwise quite readable".as_bytes(), Some(Text::Plain));
    }
}
