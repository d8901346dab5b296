//! `Encryption`, `Crypto-Key` and `Encryption-Key`: read with everything deployed senders write, written plainly.
//!
//! `,` separates entries, `;` separates the parameters of one entry, several lines are joined with `,`
//! (ee-03 §3 and §4). Names are read in any case; values may be quoted; blanks around `=` and empty elements are
//! tolerated. Refused: a parameter without value, the same parameter twice in one entry, more than one
//! `Encryption` entry, more than one `dh` without a `keyid` to choose by.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use crate::{
    base64url::{self, Base64Error},
    protocol::ContentCoding,
};

/// The record size when `Encryption` names none (ee-03 §3.1).
pub const DEFAULT_RECORD_SIZE: u64 = 4096;
/// The largest record size: AES-GCM's bound on a plaintext, 2^36 - 31 octets (ee-03 §3.1).
pub const MAX_RECORD_SIZE: u64 = (1 << 36) - 31;

/// The field that carries the sender's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyField {
    /// `Crypto-Key`, aesgcm and the auth-context form of aesgcm128.
    CryptoKey,
    /// `Encryption-Key`, the bare form of aesgcm128.
    EncryptionKey,
}

impl KeyField {
    /// The field's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CryptoKey => "Crypto-Key",
            Self::EncryptionKey => "Encryption-Key",
        }
    }
}

/// One entry of a field: its parameters in order, names in lower case, values unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry(Vec<(String, String)>);

impl Entry {
    /// The value of a parameter, by its name in lower case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All parameters in order.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Splits the lines of one field into entries.
///
/// # Errors
/// [`FieldError::Syntax`] and [`FieldError::Twice`], naming `field`.
///
/// ```
/// use push_crypto::coding::fields::entries;
/// let entries = entries("Crypto-Key", &["dh=BNoR; keyid=\"p256dh\"", "p256ecdsa=BKu="])?;
/// assert_eq!(entries[0].value("keyid"), Some("p256dh"));
/// assert_eq!(entries[1].value("p256ecdsa"), Some("BKu="));
/// # Ok::<(), push_crypto::coding::fields::FieldError>(())
/// ```
pub fn entries(field: &'static str, lines: &[&str]) -> Result<Vec<Entry>, FieldError> {
    let mut entries = Vec::new();
    for line in lines {
        let mut entry = Entry::default();
        let mut rest = *line;
        loop {
            let (item, separator, after) = next_item(field, rest)?;
            entry.0.extend(item);
            if separator != Some(';') && !entry.0.is_empty() {
                if let Some(name) = twice(entry.0.iter().map(|(name, _)| name.as_str())) {
                    return Err(FieldError::Twice { field, parameter: near(name) });
                }
                entries.push(core::mem::take(&mut entry));
            }
            if separator.is_none() {
                break;
            }
            rest = after;
        }
    }
    Ok(entries)
}

/// A name that is there twice; sorted first, because whoever sends the field chooses how many there are.
pub(crate) fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })
}

type Item = Option<(String, String)>;

/// One parameter and the separator behind it (`;`, `,` or the end); none for an empty element.
fn next_item<'a>(field: &'static str, text: &'a str) -> Result<(Item, Option<char>, &'a str), FieldError> {
    let blank = [' ', '\t'];
    let text = text.trim_start_matches(blank);
    let name_end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let rest = rest.trim_start_matches(blank);
    let syntax = || FieldError::Syntax { field, near: near(text) };
    if name.is_empty() {
        return match rest.chars().next() {
            None => Ok((None, None, "")),
            Some(separator @ (';' | ',')) => Ok((None, Some(separator), rest.get(1..).unwrap_or_default())),
            Some(_) => Err(syntax()),
        };
    }
    let rest = rest.strip_prefix('=').ok_or_else(syntax)?.trim_start_matches(blank);
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted).ok_or_else(syntax)?,
        None => {
            let end = rest.find(|c: char| !(is_token(c) || matches!(c, '=' | '/'))).unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            if value.is_empty() {
                return Err(syntax());
            }
            (value.to_owned(), rest)
        }
    };
    let rest = rest.trim_start_matches(blank);
    let item = Some((name.to_ascii_lowercase(), value));
    match rest.chars().next() {
        None => Ok((item, None, "")),
        Some(separator @ (';' | ',')) => Ok((item, Some(separator), rest.get(1..).unwrap_or_default())),
        Some(_) => Err(syntax()),
    }
}

/// The inside of a quoted-string whose opening quote is gone, and what follows the closing one.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

fn near(text: &str) -> String {
    text.chars().take(24).collect()
}

/// True when some entry of `Crypto-Key` has a `dh`; a field that cannot be read has none.
#[must_use]
pub fn has_dh(lines: &[&str]) -> bool {
    entries("Crypto-Key", lines).is_ok_and(|entries| entries.iter().any(|entry| entry.value("dh").is_some()))
}

/// What both fields say, decoded; lengths and curve are not judged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFields {
    /// `salt`, decoded.
    pub salt: Vec<u8>,
    /// `dh`, decoded.
    pub dh: Vec<u8>,
    /// `rs`, or 4096.
    pub rs: u64,
    /// True when `salt` or `dh` was written with padding, which Firefox refuses.
    pub padded: bool,
}

/// Reads `Encryption` and the field that carries the sender's key.
///
/// # Errors
/// [`FieldError`]: the field missing, its syntax, `salt`, `dh`, `rs`, or no key to choose.
pub fn read(
    coding: ContentCoding,
    encryption: &[&str],
    key_field: KeyField,
    keys: &[&str],
) -> Result<KeyFields, FieldError> {
    let encryption = entries("Encryption", encryption)?;
    let [entry] = encryption.as_slice() else {
        return Err(match encryption.len() {
            0 => FieldError::Missing { field: "Encryption" },
            count => FieldError::Several { count },
        });
    };
    let salt_text = entry.value("salt").ok_or(FieldError::NoSalt)?;
    let rs = entry.value("rs").map_or(Ok(DEFAULT_RECORD_SIZE), |text| read_record_size(coding, text))?;
    let salt = decode(salt_text).map_err(|error| FieldError::Value { parameter: "salt", error })?;
    let keys = entries(key_field.as_str(), keys)?;
    if keys.is_empty() {
        return Err(FieldError::Missing { field: key_field.as_str() });
    }
    let dh_text = choose_dh(&keys, entry.value("keyid"), key_field)?;
    let dh = decode(dh_text).map_err(|error| FieldError::Value { parameter: "dh", error })?;
    Ok(KeyFields { padded: salt.1 || dh.1, salt: salt.0, dh: dh.0, rs })
}

/// By `keyid` when `Encryption` names one, else the only entry with a `dh`.
fn choose_dh<'a>(keys: &'a [Entry], keyid: Option<&str>, field: KeyField) -> Result<&'a str, FieldError> {
    let with_dh = || keys.iter().filter(|entry| entry.value("dh").is_some());
    let mut fitting = with_dh().filter(|entry| keyid.is_none() || entry.value("keyid") == keyid);
    match (fitting.next().and_then(|entry| entry.value("dh")), fitting.next()) {
        (Some(dh), None) => Ok(dh),
        (Some(_), Some(_)) => Err(FieldError::SeveralDh { field: field.as_str() }),
        (None, _) if with_dh().next().is_some() => Err(FieldError::Keyid),
        (None, _) => Err(FieldError::NoDh { field: field.as_str() }),
    }
}

fn read_record_size(coding: ContentCoding, text: &str) -> Result<u64, FieldError> {
    let wrong = || FieldError::RecordSize { seen: near(text) };
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let least = if coding == ContentCoding::Aesgcm { 3 } else { 2 };
    text.parse().ok().filter(|rs| (least..=MAX_RECORD_SIZE).contains(rs)).ok_or_else(wrong)
}

/// base64url with or without its exact padding; the standard alphabet is refused here.
fn decode(text: &str) -> Result<(Vec<u8>, bool), Base64Error> {
    let read = base64url::decode_tolerant(text)?;
    if read.form.standard_alphabet {
        return Err(Base64Error::StandardAlphabet);
    }
    if read.octets.is_empty() {
        return Err(Base64Error::Length { characters: 0 });
    }
    Ok((read.octets, read.form.padded))
}

/// Why the header fields of aesgcm or aesgcm128 cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldError {
    /// `Encryption` names a keyid that no entry with a `dh` has.
    Keyid,
    /// The field is absent or empty.
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// No entry has a `dh`.
    NoDh {
        /// The field's name.
        field: &'static str,
    },
    /// `Encryption` without `salt`.
    NoSalt,
    /// `rs` is not a decimal number in range.
    RecordSize {
        /// What was sent, cut to 24 characters.
        seen: String,
    },
    /// More than one entry in `Encryption`.
    Several {
        /// How many.
        count: usize,
    },
    /// More than one `dh` with the keyid that `Encryption` names, or at all when it names none.
    SeveralDh {
        /// The field's name.
        field: &'static str,
    },
    /// Not `name=value` separated by `;` and `,`.
    Syntax {
        /// The field's name.
        field: &'static str,
        /// Where, cut to 24 characters.
        near: String,
    },
    /// The same parameter twice in one entry.
    Twice {
        /// The field's name.
        field: &'static str,
        /// The parameter's name, cut to 24 characters.
        parameter: String,
    },
    /// `salt` or `dh` is not base64url.
    Value {
        /// Which.
        parameter: &'static str,
        /// Why not.
        error: Base64Error,
    },
}

impl FieldError {
    /// The code of the finding which explains this.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Keyid => "crypto-key/keyid-mismatch",
            Self::Missing { field: "Encryption" } => "encryption/missing",
            Self::Missing { .. } => "crypto-key/missing",
            Self::NoSalt | Self::Value { parameter: "salt", .. } => "encryption/salt-length",
            Self::RecordSize { .. } => "encryption/rs-invalid",
            Self::Several { .. } => "encryption/several",
            Self::Twice { field: "Encryption", .. } => "encryption/several",
            Self::SeveralDh { .. } | Self::Twice { .. } => "crypto-key/several-dh",
            Self::Syntax { field: "Encryption", .. } => "encryption/salt-length",
            Self::NoDh { .. } | Self::Syntax { .. } | Self::Value { .. } => "crypto-key/dh-invalid",
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyid => f.write_str(
                "Encryption names a keyid that no dh has; write the same keyid in both fields, or in neither",
            ),
            Self::Missing { field: field @ "Encryption" } => {
                write!(f, "{field} is missing; send {field}: salt=<16 random octets, base64url>")
            }
            Self::Missing { field } => {
                write!(f, "{field} is missing; send {field}: dh=<the sender's public key, base64url>")
            }
            Self::NoDh { field } => {
                write!(f, "{field} has no dh; send dh=<the sender's public key, base64url>")
            }
            Self::NoSalt => f.write_str("Encryption has no salt; send salt=<16 random octets, base64url>"),
            Self::RecordSize { seen } => write!(
                f,
                "rs is \"{}\", which is no record size; leave it out for 4096, or give a decimal number",
                seen.escape_default()
            ),
            Self::Several { count } => write!(f, "Encryption has {count} entries; send exactly one"),
            Self::SeveralDh { field } => {
                write!(
                    f,
                    "{field} has more than one dh that fits, by keyid or without one; send exactly one dh"
                )
            }
            Self::Syntax { field, near } => write!(
                f,
                "{field} cannot be read at \"{}\"; write name=value, with ; between parameters",
                near.escape_default()
            ),
            Self::Twice { field, parameter } => {
                write!(f, "{field} has {} twice in one entry; send it once", parameter.escape_default())
            }
            Self::Value { parameter, error } => write!(f, "{parameter} is not base64url: {error}"),
        }
    }
}

impl core::error::Error for FieldError {}

/// `dh=…;p256ecdsa=…` in one entry, the form that every deployed service reads.
#[must_use]
pub fn with_vapid_key(crypto_key: Option<&str>, p256ecdsa: &str) -> String {
    match crypto_key {
        Some(field) => alloc::format!("{field};p256ecdsa={p256ecdsa}"),
        None => alloc::format!("p256ecdsa={p256ecdsa}"),
    }
}
