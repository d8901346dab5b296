//! Base64 as Web Push uses it: one strict writer, one strict reader and one reader for what people really store.
//!
//! The alphabet work is `base64ct`'s, which runs in constant time, because keys and secrets pass through here.

use alloc::{string::String, vec::Vec};
use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

/// Writes base64url without padding (RFC 7515 §2), the only form that this crate produces.
///
/// ```
/// assert_eq!(push_crypto::base64url::encode(&[0xfb, 0xff]), "-_8");
/// ```
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(octets)
}

/// Reads base64url without padding and nothing else.
///
/// # Errors
/// [`Base64Error`] for padding, the standard alphabet, white space, other characters, a length no encoder
/// produces, or bits left over in the last character.
pub fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    let read = decode_tolerant(text)?;
    match read.form {
        Form { padded: true, .. } => Err(Base64Error::Padded),
        Form { standard_alphabet: true, .. } => Err(Base64Error::StandardAlphabet),
        Form { .. } => Ok(read.octets),
    }
}

/// How a text read by [`decode_tolerant`] differs from base64url without padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The text ends in `=`, of exactly the right number.
    pub padded: bool,
    /// The text uses `+` or `/`.
    pub standard_alphabet: bool,
}

impl Form {
    /// True for base64url without padding, the form the Push API gives.
    #[must_use]
    pub fn is_canonical(self) -> bool {
        self == Self::default()
    }
}

/// Octets, and the form in which they were written.
#[derive(Clone, PartialEq, Eq)]
pub struct Read {
    /// What the text stands for.
    pub octets: Vec<u8>,
    /// How it was written.
    pub form: Form,
}

/// Reads either alphabet (but not both in one text), with the exact padding or without.
///
/// # Errors
/// [`Base64Error`] as for [`decode`], except for exact padding and the standard alphabet.
///
/// ```
/// use push_crypto::base64url::decode_tolerant;
/// let read = decode_tolerant("qLAYRzG9TnUwbprns6H2Ew==").unwrap();
/// assert_eq!(read.octets.len(), 16);
/// assert!(read.form.padded);
/// ```
pub fn decode_tolerant(text: &str) -> Result<Read, Base64Error> {
    let (data, padding) = split_padding(text);
    let (mut url, mut standard) = (false, false);
    for (at, octet) in data.bytes().enumerate() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' | b'_' => url = true,
            b'+' | b'/' => standard = true,
            b'\\' => return Err(Base64Error::Backslash { at }),
            b' ' | b'\t' | b'\r' | b'\n' => return Err(Base64Error::WhiteSpace { at }),
            b'=' => return Err(Base64Error::Padding),
            _ => return Err(Base64Error::Character { at }),
        }
    }
    if url && standard {
        return Err(Base64Error::MixedAlphabets);
    }
    if data.len() % 4 == 1 {
        return Err(Base64Error::Length { characters: data.len() });
    }
    if padding > 0 && (data.len() + padding) % 4 != 0 || padding > 2 {
        return Err(Base64Error::Padding);
    }
    let decoded = if standard {
        // Reserved in full and wiped: the text may be a private key.
        let mut translated = Zeroizing::new(String::with_capacity(data.len()));
        translated.extend(data.chars().map(|c| match c {
            '+' => '-',
            '/' => '_',
            other => other,
        }));
        Base64UrlUnpadded::decode_vec(&translated)
    } else {
        Base64UrlUnpadded::decode_vec(data)
    };
    let octets = decoded.map_err(|_| Base64Error::TrailingBits)?;
    Ok(Read { octets, form: Form { padded: padding > 0, standard_alphabet: standard } })
}

fn split_padding(text: &str) -> (&str, usize) {
    let data = text.trim_end_matches('=');
    (data, text.len() - data.len())
}

/// Why a text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base64Error {
    /// A backslash, as left by text copied from rendered Markdown.
    Backslash {
        /// Octet position.
        at: usize,
    },
    /// A character of neither alphabet.
    Character {
        /// Octet position.
        at: usize,
    },
    /// A length no encoder produces: one character more than a multiple of four.
    Length {
        /// Characters without padding.
        characters: usize,
    },
    /// `-` or `_` together with `+` or `/`.
    MixedAlphabets,
    /// `=` where base64url without padding is asked for.
    Padded,
    /// `=` in the middle, or of the wrong number.
    Padding,
    /// `+` or `/` where base64url is asked for.
    StandardAlphabet,
    /// The last character carries bits that belong to no octet: the text was cut or changed.
    TrailingBits,
    /// A blank, tab or line end.
    WhiteSpace {
        /// Octet position.
        at: usize,
    },
}

impl fmt::Display for Base64Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backslash { at } => write!(
                f,
                "there is a backslash at position {at}, as in text copied from rendered Markdown; remove it"
            ),
            Self::Character { at } => {
                write!(f, "the character at position {at} is not base64url; pass the value on unchanged")
            }
            Self::Length { characters } => {
                write!(f, "no base64 text has {characters} characters; it was probably cut")
            }
            Self::MixedAlphabets => {
                f.write_str("it mixes the URL-safe (- _) and the standard alphabet (+ /); use base64url")
            }
            Self::Padded => f.write_str("it ends in =; base64url is written without padding here"),
            Self::Padding => {
                f.write_str("it has = in the wrong place or number; use base64url without padding")
            }
            Self::StandardAlphabet => f.write_str("it uses + or /; use base64url, with - and _"),
            Self::TrailingBits => {
                f.write_str("its last character has bits that belong to no octet; it was cut or changed")
            }
            Self::WhiteSpace { at } => write!(f, "there is white space at position {at}; remove it"),
        }
    }
}

impl core::error::Error for Base64Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_accepts_each_form_and_names_it() {
        let check = |text: &str, padded, standard_alphabet| {
            let read = decode_tolerant(text).unwrap();
            assert_eq!(read.octets, [0xfb, 0xff, 0xfe, 0x01], "{text}");
            assert_eq!(read.form, Form { padded, standard_alphabet }, "{text}");
        };

        check("-__-AQ", false, false);
        check("-__-AQ==", true, false);
        check("+//+AQ", false, true);
        check("+//+AQ==", true, true);
    }

    #[test]
    fn reader_names_each_fault() {
        let check = |text, expected| assert_eq!(decode_tolerant(text).err(), Some(expected), "{text}");

        check("AB\\_D", Base64Error::Backslash { at: 2 });
        check("AB D", Base64Error::WhiteSpace { at: 2 });
        check("AB.D", Base64Error::Character { at: 2 });
        check("A=BC", Base64Error::Padding);
        check("AQ=", Base64Error::Padding);
        check("AQ===", Base64Error::Padding);
        check("AAAA=", Base64Error::Padding);
        check("AAAAA", Base64Error::Length { characters: 5 });
        check("-+AA", Base64Error::MixedAlphabets);
        check("AR", Base64Error::TrailingBits);
    }

    #[test]
    fn strict_reader_takes_only_the_form_that_the_writer_makes() {
        assert_eq!(decode("-_8").unwrap(), [0xfb, 0xff]);
        assert_eq!(decode("-_8="), Err(Base64Error::Padded));
        assert_eq!(decode("+/8"), Err(Base64Error::StandardAlphabet));
        assert_eq!(decode(""), Ok(Vec::new()));
    }
}
