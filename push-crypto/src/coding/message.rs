//! `Encrypted`: a body together with the parameters it needs, whether they travel inside it or in header fields.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::{HeaderBlock, Schedule, fields};
use crate::{
    base64url,
    protocol::{ContentCoding, PointError, PublicKey},
};

/// An encrypted message: body and parameters belong together, so an aesgcm body without its key cannot exist.
#[derive(Clone, PartialEq, Eq)]
pub struct Encrypted {
    pub(crate) parameters: Parameters,
    pub(crate) body: Vec<u8>,
}

/// Salt, record size and sender key of one message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) schedule: Schedule,
    pub(crate) salt: [u8; 16],
    pub(crate) rs: u64,
    pub(crate) sender_key: PublicKey,
}

/// The raw lines of the header fields which aesgcm and aesgcm128 need; empty for aes128gcm.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderFields<'a> {
    /// Lines of `Encryption`.
    pub encryption: &'a [&'a str],
    /// Lines of `Crypto-Key`.
    pub crypto_key: &'a [&'a str],
    /// Lines of `Encryption-Key`.
    pub encryption_key: &'a [&'a str],
}

impl Encrypted {
    /// Takes a received body apart and checks everything that needs no private key.
    ///
    /// aesgcm128 is read in its auth-context form when `Crypto-Key` has a `dh`, else in its bare form from
    /// `Encryption-Key`, as the only receiver did that had both; nothing else is tried.
    ///
    /// # Errors
    /// [`ReadError`]: header block, header fields, record size, sender key.
    pub fn read(coding: ContentCoding, fields: &HeaderFields<'_>, body: Vec<u8>) -> Result<Self, ReadError> {
        let parameters = match coding {
            ContentCoding::Aes128gcm => {
                let (header, _) = HeaderBlock::read(&body)?;
                if header.keyid.len() != PublicKey::LENGTH {
                    return Err(ReadError::KeyidLength { octets: header.keyid.len() });
                }
                let sender_key = PublicKey::from_octets(header.keyid).map_err(ReadError::SenderKey)?;
                Parameters {
                    schedule: Schedule::Aes128gcm,
                    salt: header.salt,
                    rs: u64::from(header.rs),
                    sender_key,
                }
            }
            // Whatever the fields say, they are of no use then.
            _ if cfg!(not(feature = "legacy")) => return Err(ReadError::NotBuilt),
            ContentCoding::Aesgcm | ContentCoding::Aesgcm128 => {
                LegacyPart::read(coding, fields)?.parameters()?
            }
        };
        Ok(Self { parameters, body })
    }

    /// Coding and key schedule.
    #[must_use]
    pub const fn schedule(&self) -> Schedule {
        self.parameters.schedule
    }

    /// The coding, for `Content-Encoding`.
    #[must_use]
    pub const fn coding(&self) -> ContentCoding {
        self.parameters.schedule.coding()
    }

    /// The body as it is sent.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, without a copy.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The salt, 16 octets.
    #[must_use]
    pub const fn salt(&self) -> &[u8; 16] {
        &self.parameters.salt
    }

    /// The record size as sent; it counts the tag in aes128gcm only.
    #[must_use]
    pub const fn record_size(&self) -> u64 {
        self.parameters.rs
    }

    /// The sender's public key of this message.
    #[must_use]
    pub const fn sender_key(&self) -> &PublicKey {
        &self.parameters.sender_key
    }

    /// The header fields of the request, names in lower case: `content-encoding` first, and for the older codings
    /// `encryption` and `crypto-key` (or `encryption-key`), written without padding, quotes and blanks.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let schedule = self.parameters.schedule;
        let mut headers = alloc::vec![("content-encoding", String::from(schedule.coding().as_str()))];
        let key_field = match schedule {
            Schedule::Aes128gcm => None,
            #[cfg(feature = "legacy")]
            Schedule::Aesgcm128Bare => Some("encryption-key"),
            #[cfg(feature = "legacy")]
            _ => Some("crypto-key"),
        };
        if let Some(key_field) = key_field {
            let Parameters { salt, rs, sender_key, .. } = &self.parameters;
            let mut encryption = alloc::format!("salt={}", base64url::encode(salt));
            if *rs != fields::DEFAULT_RECORD_SIZE {
                encryption.push_str(&alloc::format!(";rs={rs}"));
            }
            headers.push(("encryption", encryption));
            headers.push((key_field, alloc::format!("dh={}", sender_key.to_base64url())));
        }
        headers
    }

    /// The octets that hold records.
    pub(crate) fn records(&self) -> &[u8] {
        self.body.get(self.parameters.schedule.header_octets()..).unwrap_or_default()
    }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("schedule", &self.parameters.schedule)
            .field("octets", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What the header fields of the older codings say, decoded but not judged beyond their syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LegacyPart {
    pub(crate) coding: ContentCoding,
    pub(crate) bare: bool,
    pub(crate) fields: fields::KeyFields,
}

impl LegacyPart {
    pub(crate) fn read(coding: ContentCoding, lines: &HeaderFields<'_>) -> Result<Self, ReadError> {
        // A Crypto-Key without dh (VAPID's p256ecdsa alone) leaves the choice to Encryption-Key; one that cannot be
        // read is reported itself, unless there is an Encryption-Key.
        let unreadable = || fields::entries("Crypto-Key", lines.crypto_key).is_err();
        let bare = coding == ContentCoding::Aesgcm128
            && !fields::has_dh(lines.crypto_key)
            && !(lines.encryption_key.is_empty() && unreadable());
        let field = if bare { fields::KeyField::EncryptionKey } else { fields::KeyField::CryptoKey };
        let keys = if bare { lines.encryption_key } else { lines.crypto_key };
        Ok(Self { coding, bare, fields: fields::read(coding, lines.encryption, field, keys)? })
    }

    fn parameters(&self) -> Result<Parameters, ReadError> {
        let salt = self.fields.salt.as_slice();
        let salt = salt.try_into().map_err(|_| ReadError::SaltLength { octets: salt.len() })?;
        let sender_key = PublicKey::from_octets(&self.fields.dh).map_err(ReadError::Dh)?;
        Ok(Parameters { schedule: self.schedule()?, salt, rs: self.fields.rs, sender_key })
    }

    #[cfg(feature = "legacy")]
    const fn schedule(&self) -> Result<Schedule, ReadError> {
        match (self.coding, self.bare) {
            (ContentCoding::Aes128gcm, _) => Ok(Schedule::Aes128gcm),
            (ContentCoding::Aesgcm, _) => Ok(Schedule::Aesgcm),
            (ContentCoding::Aesgcm128, false) => Ok(Schedule::Aesgcm128AuthContext),
            (ContentCoding::Aesgcm128, true) => Ok(Schedule::Aesgcm128Bare),
        }
    }

    #[cfg(not(feature = "legacy"))]
    const fn schedule(&self) -> Result<Schedule, ReadError> {
        Err(ReadError::NotBuilt)
    }
}

/// Why a received message cannot even be tried: something is wrong that needs no private key to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// `dh` is not a public key.
    Dh(PointError),
    /// A header field of the older codings.
    Field(fields::FieldError),
    /// The header block of aes128gcm is cut.
    HeaderShort {
        /// Octets of the body.
        octets: usize,
    },
    /// The key id of aes128gcm is not 65 octets long.
    KeyidLength {
        /// How many there are.
        octets: usize,
    },
    /// The coding is not in this build (feature `legacy`).
    NotBuilt,
    /// The record size is too small for any record.
    RecordSize {
        /// What was sent.
        rs: u64,
        /// The least legal value.
        least: u64,
    },
    /// The salt is not 16 octets long.
    SaltLength {
        /// How many there are.
        octets: usize,
    },
    /// The key id of aes128gcm is not a public key.
    SenderKey(PointError),
}

impl From<fields::FieldError> for ReadError {
    fn from(error: fields::FieldError) -> Self {
        Self::Field(error)
    }
}

impl ReadError {
    /// The code of the finding which explains this.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dh(_) => "crypto-key/dh-invalid",
            Self::Field(error) => error.code(),
            Self::HeaderShort { .. } => "aes128gcm/header-short",
            Self::KeyidLength { .. } => "aes128gcm/keyid-length",
            Self::NotBuilt => "coding/not-supported",
            Self::RecordSize { .. } => "aes128gcm/rs-too-small",
            Self::SaltLength { .. } => "encryption/salt-length",
            Self::SenderKey(_) => "aes128gcm/key-off-curve",
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dh(error) => write!(f, "dh is not the sender's public key: {error}"),
            Self::Field(error) => error.fmt(f),
            Self::HeaderShort { octets } => write!(
                f,
                "the body has {octets} octets, fewer than its header block (salt, rs, idlen, key id) needs; was it cut?"
            ),
            Self::KeyidLength { octets } => write!(
                f,
                "the key id has {octets} octets; in Web Push it is the sender's public key, 65 octets (RFC 8291 §4)"
            ),
            Self::NotBuilt => super::Unsuited::NotBuilt.fmt(f),
            Self::RecordSize { rs, least } => {
                write!(f, "the record size is {rs}, at least {least} is needed; 4096 is usual")
            }
            Self::SaltLength { octets } => {
                write!(
                    f,
                    "the salt has {octets} octets, 16 are needed; make 16 random octets for each message"
                )
            }
            Self::SenderKey(error) => write!(f, "the key id is not the sender's public key: {error}"),
        }
    }
}

impl core::error::Error for ReadError {}
