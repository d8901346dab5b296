//! The content codings: which there are, how their keys are derived, how records and header fields look.
//!
//! | | aes128gcm | aesgcm | aesgcm128, auth-context | aesgcm128, bare |
//! |---|---|---|---|---|
//! | defined by | RFC 8188, RFC 8291 | ee-03, we-04 | ee-00, we-02 | te-02, we-01 |
//! | salt, rs, sender key | in the body | `Encryption`, `Crypto-Key` | as aesgcm | `Encryption`, `Encryption-Key` |
//! | most plaintext in 4 096 octets | 3 993 | 4 078 | 4 079 | 4 079 |
//!
//! `ee`, `we`, `te` are draft-ietf-httpbis-encryption-encoding, draft-ietf-webpush-encryption and
//! draft-thomson-http-encryption. One file per matter: [`fields`] reads and writes the header fields,
//! `aes128gcm` the header block, `schedule` derives keys, `record` seals and opens, [`explain`] names every part.

mod aes128gcm;
pub mod explain;
pub mod fields;
mod message;
pub(crate) mod record;
pub(crate) mod schedule;

use core::fmt;

pub use aes128gcm::HeaderBlock;
#[cfg(feature = "danger")]
pub(crate) use message::LegacyPart;
pub(crate) use message::Parameters;
pub use message::{Encrypted, HeaderFields, ReadError};

use crate::protocol::{ContentCoding, SubscriptionKeys};

/// A content coding together with its key schedule.
///
/// `aesgcm128` names two schedules which do not interoperate, so it appears twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Schedule {
    /// RFC 8188 and RFC 8291; what every current browser reads.
    #[default]
    Aes128gcm,
    /// draft-ietf-webpush-encryption-04; Chrome 50, Firefox 46 and later.
    #[cfg(feature = "legacy")]
    Aesgcm,
    /// aesgcm128 with authentication secret and context, keys in `Crypto-Key`; pre-release Firefox 46 to 48.
    #[cfg(feature = "legacy")]
    Aesgcm128AuthContext,
    /// aesgcm128 without either, keys in `Encryption-Key`; Firefox 44 and later.
    #[cfg(feature = "legacy")]
    Aesgcm128Bare,
}

impl Schedule {
    /// All schedules of this build, newest first.
    pub const ALL: &'static [Self] = &[
        Self::Aes128gcm,
        #[cfg(feature = "legacy")]
        Self::Aesgcm,
        #[cfg(feature = "legacy")]
        Self::Aesgcm128AuthContext,
        #[cfg(feature = "legacy")]
        Self::Aesgcm128Bare,
    ];

    /// The coding, as `Content-Encoding` names it.
    #[must_use]
    pub const fn coding(self) -> ContentCoding {
        match self {
            Self::Aes128gcm => ContentCoding::Aes128gcm,
            #[cfg(feature = "legacy")]
            Self::Aesgcm => ContentCoding::Aesgcm,
            #[cfg(feature = "legacy")]
            Self::Aesgcm128AuthContext | Self::Aesgcm128Bare => ContentCoding::Aesgcm128,
        }
    }

    /// The schedule for a coding and a subscription: aesgcm128 is bare exactly when there is no secret.
    ///
    /// # Errors
    /// [`Unsuited`] when the coding needs a secret that the subscription lacks, or a longer one, or is not in this
    /// build.
    pub const fn for_keys(coding: ContentCoding, keys: &SubscriptionKeys) -> Result<Self, Unsuited> {
        let has_auth = keys.auth.is_some();
        let pre_release = matches!(&keys.auth, Some(auth) if auth.is_pre_release());
        match coding {
            ContentCoding::Aes128gcm if pre_release => Err(Unsuited::AuthPreRelease),
            ContentCoding::Aes128gcm if has_auth => Ok(Self::Aes128gcm),
            #[cfg(feature = "legacy")]
            ContentCoding::Aesgcm if pre_release => Err(Unsuited::AuthPreRelease),
            #[cfg(feature = "legacy")]
            ContentCoding::Aesgcm if has_auth => Ok(Self::Aesgcm),
            #[cfg(feature = "legacy")]
            ContentCoding::Aesgcm128 if has_auth => Ok(Self::Aesgcm128AuthContext),
            #[cfg(feature = "legacy")]
            ContentCoding::Aesgcm128 => Ok(Self::Aesgcm128Bare),
            #[cfg(not(feature = "legacy"))]
            ContentCoding::Aesgcm | ContentCoding::Aesgcm128 => Err(Unsuited::NotBuilt),
            _ => Err(Unsuited::NoAuth),
        }
    }

    /// True when the schedule mixes in the authentication secret.
    #[must_use]
    pub const fn needs_auth(self) -> bool {
        match self {
            #[cfg(feature = "legacy")]
            Self::Aesgcm128Bare => false,
            _ => true,
        }
    }

    /// Most octets of plaintext in one record of a body of `body_limit` octets, without padding.
    ///
    /// ```
    /// use push_crypto::Schedule;
    /// assert_eq!(Schedule::Aes128gcm.plaintext_limit(4096), 3993);
    /// assert_eq!(Schedule::Aesgcm.plaintext_limit(4096), 4078);
    /// assert_eq!(Schedule::Aesgcm128Bare.plaintext_limit(4096), 4079);
    /// ```
    #[must_use]
    pub const fn plaintext_limit(self, body_limit: usize) -> usize {
        body_limit.saturating_sub(self.overhead())
    }

    /// Octets that a body of one record has more than its plaintext and padding: 103, 18 or 17.
    #[must_use]
    pub const fn overhead(self) -> usize {
        self.header_octets() + self.layout().overhead() + record::TAG
    }

    /// Octets before the first record: 86 for aes128gcm, where the parameters travel in the body, else none.
    pub(crate) const fn header_octets(self) -> usize {
        match self {
            Self::Aes128gcm => aes128gcm::HEADER_OCTETS,
            #[cfg(feature = "legacy")]
            _ => 0,
        }
    }

    pub(crate) const fn layout(self) -> record::Layout {
        match self {
            Self::Aes128gcm => record::Layout::DelimiterAfter,
            #[cfg(feature = "legacy")]
            Self::Aesgcm => record::Layout::PadLengthBefore { octets: 2 },
            #[cfg(feature = "legacy")]
            Self::Aesgcm128AuthContext | Self::Aesgcm128Bare => record::Layout::PadLengthBefore { octets: 1 },
        }
    }
}

impl fmt::Display for Schedule {
    /// `aes128gcm`, `aesgcm`, `aesgcm128` (auth-context) or `aesgcm128:bare`, as on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "legacy")]
            Self::Aesgcm128Bare => "aesgcm128:bare",
            other => other.coding().as_str(),
        })
    }
}

/// A coding cannot be used with a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsuited {
    /// The secret has the 12 octets of pre-release Firefox, which reads aesgcm128 only.
    AuthPreRelease,
    /// The coding mixes in an authentication secret, and the subscription has none.
    NoAuth,
    /// The coding is not in this build (feature `legacy`).
    NotBuilt,
}

impl fmt::Display for Unsuited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthPreRelease => {
                "the authentication secret has 12 octets, as in pre-release Firefox 46 to 48, which reads aesgcm128 \
                 only; send aesgcm128, or a tickle"
            }
            Self::NoAuth => {
                "the subscription has no authentication secret, which this coding needs; send aesgcm128, or a tickle"
            }
            Self::NotBuilt => "this coding is not in this build; enable the feature legacy, or use aes128gcm",
        })
    }
}

impl core::error::Error for Unsuited {}

#[cfg(test)]
#[cfg(all(feature = "legacy", feature = "os_random"))]
mod tests;
