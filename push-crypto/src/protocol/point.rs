//! `PublicKey`: a point of P-256, checked when it is made, so that no provider ever sees an invalid one.

use alloc::string::String;
use core::fmt;

use crate::base64url;

/// 65 octets, uncompressed (`0x04 ‖ X (32) ‖ Y (32)`), on P-256 and not the identity (RFC 8291 §3.1, §7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; Self::LENGTH]);

impl PublicKey {
    /// Octets of the uncompressed form.
    pub const LENGTH: usize = 65;

    /// Checks length, form, range of the coordinates and the curve equation.
    ///
    /// # Errors
    /// [`PointError`], which tells DER and PEM apart from damage.
    pub fn from_octets(octets: &[u8]) -> Result<Self, PointError> {
        let Ok(point) = <[u8; Self::LENGTH]>::try_from(octets) else {
            return Err(PointError::of_wrong_length(octets));
        };
        if octets.first() != Some(&0x04) {
            return Err(PointError::NotUncompressed { first: octets.first().copied().unwrap_or(0) });
        }
        match p256::PublicKey::from_sec1_bytes(octets) {
            Ok(_) => Ok(Self(point)),
            Err(_) => Err(PointError::OffCurve),
        }
    }

    /// Takes over a point that a provider has just computed; invariant: it is on the curve.
    pub(crate) const fn from_provider(octets: [u8; Self::LENGTH]) -> Self {
        Self(octets)
    }

    /// The uncompressed form.
    #[must_use]
    pub const fn as_octets(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The uncompressed form as base64url without padding, 87 characters.
    #[must_use]
    pub fn to_base64url(&self) -> String {
        base64url::encode(&self.0)
    }
}

impl fmt::Debug for PublicKey {
    /// The first characters only: a public key links messages to a subscription.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_base64url();
        write!(f, "PublicKey({}…)", text.get(..8).unwrap_or_default())
    }
}

/// Why octets are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PointError {
    /// A DER structure: a SubjectPublicKeyInfo, or a private key.
    Der {
        /// How many octets there are.
        octets: usize,
    },
    /// Another length than 65.
    Length {
        /// How many octets there are.
        octets: usize,
    },
    /// 65 octets that do not start with 0x04.
    NotUncompressed {
        /// The first octet.
        first: u8,
    },
    /// 65 octets that are no point of P-256.
    OffCurve,
    /// Text that starts with `-----BEGIN`.
    Pem,
}

impl PointError {
    fn of_wrong_length(octets: &[u8]) -> Self {
        match octets {
            [0x30, ..] if octets.len() > 65 => Self::Der { octets: octets.len() },
            [b'-', b'-', b'-', b'-', b'-', b'B', ..] => Self::Pem,
            _ => Self::Length { octets: octets.len() },
        }
    }
}

impl fmt::Display for PointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der { octets } => write!(
                f,
                "it has {octets} octets that start with 30: a DER structure; browsers give the 65 raw octets (04 …)"
            ),
            Self::Length { octets: 33 } => f.write_str(
                "it has 33 octets, a compressed point; the 65 octets of the uncompressed form are needed",
            ),
            Self::Length { octets } => {
                write!(
                    f,
                    "it has {octets} octets, a public key has 65; pass the browser's value on unchanged"
                )
            }
            Self::NotUncompressed { first } => {
                write!(f, "it starts with {first:02x}, an uncompressed point starts with 04")
            }
            Self::OffCurve => f.write_str(
                "its 65 octets are not a point of P-256; the value was damaged on its way or in storage",
            ),
            Self::Pem => f.write_str("it is a PEM text; browsers give the 65 raw octets (04 …)"),
        }
    }
}

impl core::error::Error for PointError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS-040, UA-025: the forms that must be refused.
    #[test]
    fn only_uncompressed_points_on_the_curve_are_accepted() {
        let good = base64url::decode(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        )
        .unwrap();
        assert!(PublicKey::from_octets(&good).is_ok());
        let check = |octets: &[u8], expected| assert_eq!(PublicKey::from_octets(octets), Err(expected));

        let mut off = good.clone();
        off[64] ^= 1;
        check(&off, PointError::OffCurve);
        let mut hybrid = good.clone();
        hybrid[0] = 6;
        check(&hybrid, PointError::NotUncompressed { first: 6 });
        let mut beyond = good.clone();
        beyond[1..33].fill(0xff);
        check(&beyond, PointError::OffCurve);
        check(&good[..64], PointError::Length { octets: 64 });
        check(&[], PointError::Length { octets: 0 });
        check(&[0], PointError::Length { octets: 1 });
        check(&[0; 65], PointError::NotUncompressed { first: 0 });
        check(&[0x30; 91], PointError::Der { octets: 91 });
        check(b"-----BEGIN PUBLIC KEY-----", PointError::Pem);
    }
}
