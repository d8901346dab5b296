//! Voluntary Application Server Identification (RFC 8292): who signs what for whom.
//!
//! The application server signs [`Claims`] (for which origin, until when, whom to ask) with its [`VapidKey`], and
//! sends the [`Token`] with the public half in `Authorization`. A push service takes the field apart with
//! [`read_authorization`] and [`UnverifiedToken`], or judges the whole with [`verify`].
//! Time is an argument everywhere; nothing here reads a clock.

mod authorization;
mod claims;
mod import;
mod key;
#[cfg(test)]
#[cfg(feature = "os_random")]
mod tests;
mod token;
mod verify;

use core::fmt;

pub use authorization::{
    AuthorizationError, AuthorizationFields, AuthorizationScheme, Credentials, PartialCredentials,
    SchemeName, read_authorization, split_authorization,
};
pub use claims::{Claims, ClaimsError, Subject, SubjectError, SubjectRemark};
pub use import::{ImportedKey, KeyFormat, VapidKeyError, import};
pub use key::{PemKind, PublicKeyTextError, VapidKey, VapidPublicKey};
pub use token::{
    AudienceProblem, Expiry, ExpiryProblem, SignatureProblem, Token, TokenError, TokenPart, UnverifiedToken,
    Validity,
};
pub use verify::{VapidError, VapidRemark, Verified, VerifyRequest, verify};

use crate::provider::{CryptoProvider, ProviderError, Signature};

/// Signs tokens with a key that may live elsewhere, such as in a hardware module.
pub trait VapidSigner: fmt::Debug + Send + Sync {
    /// The public half of the key that signs.
    fn public_key(&self) -> &VapidPublicKey;

    /// Signs the message (not its digest) with ES256: `r ‖ s`, 64 octets.
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError>;
}

/// The signer for a key in memory.
#[derive(Clone, Debug)]
pub struct LocalSigner {
    provider: CryptoProvider,
    key: VapidKey,
}

impl LocalSigner {
    /// Joins a key and the provider that computes with it.
    #[must_use]
    pub const fn new(provider: CryptoProvider, key: VapidKey) -> Self {
        Self { provider, key }
    }
}

impl VapidSigner for LocalSigner {
    fn public_key(&self) -> &VapidPublicKey {
        self.key.public()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignerError> {
        self.provider.signature.sign(self.key.private(), message).map_err(SignerError::Provider)
    }
}

/// A signer did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignerError {
    /// The provider failed.
    Provider(ProviderError),
    /// The signer refuses this message or this key.
    Refused,
    /// The signer cannot be reached now.
    Unavailable,
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => error.fmt(f),
            Self::Refused => f.write_str("the signer refused to sign; check its key and its permissions"),
            Self::Unavailable => f.write_str("the signer cannot be reached; try again later"),
        }
    }
}

impl core::error::Error for SignerError {}
