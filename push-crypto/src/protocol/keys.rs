//! The keys of both sides: authentication secret, private key, and what a subscription and a user agent hold.

use core::fmt;

use zeroize::Zeroizing;

use super::PublicKey;
use crate::{
    provider::{CryptoProvider, ProviderError, RandomUnavailable, SecureRandom},
    secret::Secret,
};

/// The authentication secret of a subscription: 16 octets (RFC 8291 §3.2).
///
/// The pre-releases of Firefox 46 to 48 gave 12 octets; such a secret can be held so that the subscription can
/// be told apart and served in the coding it reads. Unprintable, zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthSecret {
    octets: Secret<16>,
    length: u8,
}

impl AuthSecret {
    /// Octets of the standard form.
    pub const LENGTH: usize = 16;
    /// Octets of the form of Firefox 46 to 48 before their release.
    pub const PRE_RELEASE_LENGTH: usize = 12;

    /// The standard form.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Self {
        Self { octets: Secret::new(octets), length: 16 }
    }

    /// 16 octets, or the 12 of the pre-release form.
    ///
    /// # Errors
    /// [`KeyError::AuthLength`] for any other length.
    pub fn from_octets(octets: &[u8]) -> Result<Self, KeyError> {
        let mut held = Zeroizing::new([0; 16]);
        match (octets.len(), held.get_mut(..octets.len())) {
            (16 | 12, Some(part)) => part.copy_from_slice(octets),
            (length, _) => return Err(KeyError::AuthLength { octets: length }),
        }
        Ok(Self { octets: Secret::new(*held), length: if octets.len() == 12 { 12 } else { 16 } })
    }

    /// A fresh one of 16 octets, as a user agent makes it (RFC 8291 §3.2).
    ///
    /// # Errors
    /// [`RandomUnavailable`] when the source gives nothing; there is no fallback.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        let mut octets = Zeroizing::new([0; 16]);
        random.fill(&mut *octets)?;
        Ok(Self::new(*octets))
    }

    /// The octets, for computing with them or for handing them to their owner.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.octets.expose().get(..usize::from(self.length)).unwrap_or_default()
    }

    /// True for the 12-octet form, which only pre-release Firefox 46 to 48 had.
    #[must_use]
    pub const fn is_pre_release(&self) -> bool {
        self.length == 12
    }
}

impl fmt::Debug for AuthSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthSecret({} octets)", self.length)
    }
}

/// A private key of P-256: a scalar in 1 to n-1, 32 octets big-endian. Unprintable, zeroized on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Secret<32>);

impl PrivateKey {
    /// Octets of the scalar.
    pub const LENGTH: usize = 32;

    /// Checks length and range.
    ///
    /// # Errors
    /// [`KeyError::PrivateLength`] or [`KeyError::PrivateRange`].
    pub fn from_octets(octets: &[u8]) -> Result<Self, KeyError> {
        let scalar = <[u8; 32]>::try_from(octets).map(Secret::new);
        let scalar = scalar.map_err(|_| KeyError::PrivateLength { octets: octets.len() })?;
        p256::SecretKey::from_slice(scalar.expose()).map_err(|_| KeyError::PrivateRange)?;
        Ok(Self(scalar))
    }

    /// A fresh one: octets from `random`, drawn again until they are in range.
    ///
    /// # Errors
    /// [`RandomUnavailable`] when the source gives nothing, or nothing usable in 64 draws.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self, RandomUnavailable> {
        // 64 draws fail with probability 2^-2048; a source that fails so is broken (our choice).
        for _ in 0..64 {
            let mut octets = Zeroizing::new([0; 32]);
            random.fill(&mut *octets)?;
            if let Ok(key) = Self::from_octets(&*octets) {
                return Ok(key);
            }
        }
        Err(RandomUnavailable)
    }

    /// The scalar, for computing with it or for handing it to its owner.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(32 octets)")
    }
}

/// What a subscription tells the application server about encryption: `keys` of its JSON form.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriptionKeys {
    /// The user agent's public key.
    pub p256dh: PublicKey,
    /// The authentication secret; absent only in subscriptions of 2015 (Firefox 44 and 45).
    pub auth: Option<AuthSecret>,
}

impl fmt::Debug for SubscriptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionKeys").field("p256dh", &self.p256dh).field("auth", &self.auth).finish()
    }
}

/// What the user agent holds for one subscription; the private half never leaves a real one.
#[derive(Clone, PartialEq, Eq)]
pub struct UserAgentKeys {
    private: PrivateKey,
    public: PublicKey,
    auth: Option<AuthSecret>,
}

impl UserAgentKeys {
    /// A fresh key pair and a fresh authentication secret, as for every new subscription (Push API, *create*).
    ///
    /// # Errors
    /// [`ProviderError`] when there is no randomness.
    pub fn generate(provider: &CryptoProvider) -> Result<Self, ProviderError> {
        let private = PrivateKey::generate(provider.random)?;
        let auth = AuthSecret::generate(provider.random)?;
        Self::new(provider, private, Some(auth))
    }

    /// From a private key and the secret that belongs to it; the public key is computed.
    ///
    /// # Errors
    /// [`ProviderError`] when the provider cannot compute.
    pub fn new(
        provider: &CryptoProvider,
        private: PrivateKey,
        auth: Option<AuthSecret>,
    ) -> Result<Self, ProviderError> {
        let public = provider.public_key(&private)?;
        Ok(Self { private, public, auth })
    }

    /// The private key.
    #[must_use]
    pub const fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// The public key, `p256dh` of the subscription.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The authentication secret, if the subscription has one.
    #[must_use]
    pub const fn auth(&self) -> Option<&AuthSecret> {
        self.auth.as_ref()
    }

    /// The half that goes into the subscription.
    #[must_use]
    pub fn subscription_keys(&self) -> SubscriptionKeys {
        SubscriptionKeys { p256dh: self.public, auth: self.auth.clone() }
    }
}

impl fmt::Debug for UserAgentKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAgentKeys").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Why octets are not the secret or key they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// An authentication secret of neither 16 nor 12 octets.
    AuthLength {
        /// How many octets there are.
        octets: usize,
    },
    /// A private key of another length than 32 octets.
    PrivateLength {
        /// How many octets there are.
        octets: usize,
    },
    /// A private key that is zero, or not below the order of the curve.
    PrivateRange,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthLength { octets } => write!(
                f,
                "the authentication secret has {octets} octets, 16 are needed; pass the browser's value on unchanged"
            ),
            Self::PrivateLength { octets } => {
                write!(f, "the private key has {octets} octets, a raw P-256 private key has 32")
            }
            Self::PrivateRange => {
                f.write_str("the private key is zero or not below the order of P-256; it was damaged")
            }
        }
    }
}

impl core::error::Error for KeyError {}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn lengths_of_secrets_are_checked() {
        for length in [0, 11, 13, 15, 17, 32] {
            assert_eq!(
                AuthSecret::from_octets(&[1; 32][..length]),
                Err(KeyError::AuthLength { octets: length })
            );
        }
        assert!(!AuthSecret::from_octets(&[1; 16]).unwrap().is_pre_release());
        let short = AuthSecret::from_octets(&[1; 12]).unwrap();
        assert!(short.is_pre_release());
        assert_eq!(short.expose(), [1; 12]);
    }

    #[test]
    fn a_private_key_is_in_range() {
        let order = [
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
            0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
        ];
        let mut below = order;
        below[31] -= 1;

        assert_eq!(PrivateKey::from_octets(&[0; 32]).err(), Some(KeyError::PrivateRange));
        assert_eq!(PrivateKey::from_octets(&order).err(), Some(KeyError::PrivateRange));
        assert_eq!(PrivateKey::from_octets(&[1; 31]).err(), Some(KeyError::PrivateLength { octets: 31 }));
        assert!(PrivateKey::from_octets(&below).is_ok());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let auth = AuthSecret::new([0xAA; 16]);
        let private = PrivateKey::from_octets(&[0xAB; 32]).unwrap();

        assert_eq!(format!("{auth:?} {private:?}"), "AuthSecret(16 octets) PrivateKey(32 octets)");
    }

    #[derive(Debug)]
    struct Broken;
    impl SecureRandom for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
            Err(RandomUnavailable)
        }
    }

    /// AS-032: failure of the generator is an error, never a fallback.
    #[test]
    fn without_randomness_there_is_no_key() {
        assert_eq!(PrivateKey::generate(&Broken), Err(RandomUnavailable));
        assert_eq!(AuthSecret::generate(&Broken), Err(RandomUnavailable));
    }
}
