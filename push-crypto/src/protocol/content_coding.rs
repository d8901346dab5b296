//! `ContentCoding`: the three names a `Content-Encoding` field can carry in Web Push.

use core::{fmt, str::FromStr};

/// One of the three content codings ever deployed for Web Push.
///
/// Names are compared without regard to case (RFC 9110 §8.4.1) and written in lower case.
/// Closed on purpose: a new coding is a new module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentCoding {
    /// RFC 8188 and RFC 8291, read by every current browser.
    Aes128gcm,
    /// draft-ietf-webpush-encryption-04, 2016.
    Aesgcm,
    /// draft-ietf-webpush-encryption-02 and earlier, 2015; two schedules share the name.
    Aesgcm128,
}

impl ContentCoding {
    /// All three, newest first.
    pub const ALL: [Self; 3] = [Self::Aes128gcm, Self::Aesgcm, Self::Aesgcm128];

    /// The name on the wire, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aes128gcm => "aes128gcm",
            Self::Aesgcm => "aesgcm",
            Self::Aesgcm128 => "aesgcm128",
        }
    }
}

impl FromStr for ContentCoding {
    type Err = UnknownCoding;
    fn from_str(text: &str) -> Result<Self, UnknownCoding> {
        Self::ALL.into_iter().find(|coding| coding.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownCoding)
    }
}

impl fmt::Display for ContentCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name belongs to no coding of Web Push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCoding;

impl fmt::Display for UnknownCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the coding is none of aes128gcm, aesgcm, aesgcm128; use aes128gcm")
    }
}

impl core::error::Error for UnknownCoding {}
