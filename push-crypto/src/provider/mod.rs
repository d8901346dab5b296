//! The cryptography that can be replaced: a plain struct of small parts, handed in by the caller.
//!
//! Only the curve, the signature and the source of randomness are parts; key schedule and AEAD are RustCrypto's
//! everywhere, because they are 3 % of a message's cost. There is no process-wide default.
//!
//! | provider | feature | curve and signature |
//! |---|---|---|
//! | [`rust_crypto::PROVIDER`] | `os_random` (default) | p256, pure Rust |
//! | `aws_lc_rs::PROVIDER` | `aws_lc_rs` | AWS-LC, 4 to 5 times faster |
//! | `p256_ifma::provider()` | `p256_ifma` | batches in eight lanes of AVX-512 IFMA, the rest by the provider before |
//!
//! `best` gives the fastest of them that is built and that this processor has.

#[cfg(feature = "aws_lc_rs")]
pub mod aws_lc_rs;
#[cfg(feature = "os_random")]
mod os_random;
#[cfg(feature = "p256_ifma")]
pub mod p256_ifma;
pub mod rust_crypto;

use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "os_random")]
pub use os_random::OsRandom;

use crate::{
    protocol::{PrivateKey, PublicKey},
    secret::Secret,
};

/// The fastest provider of this build on this processor: `p256_ifma`, else `aws_lc_rs`, else [`rust_crypto`].
///
/// ```
/// let provider = push_crypto::provider::best();
/// let keys = push_crypto::UserAgentKeys::generate(&provider)?;
/// assert!(!provider.name.is_empty());
/// # Ok::<(), push_crypto::provider::ProviderError>(())
/// ```
#[cfg(feature = "os_random")]
#[must_use]
pub fn best() -> CryptoProvider {
    #[cfg(feature = "p256_ifma")]
    return p256_ifma::provider();
    #[cfg(not(feature = "p256_ifma"))]
    without_lanes()
}

/// The fastest provider that every processor can run.
#[cfg(feature = "os_random")]
const fn without_lanes() -> CryptoProvider {
    #[cfg(feature = "aws_lc_rs")]
    return aws_lc_rs::PROVIDER;
    #[cfg(not(feature = "aws_lc_rs"))]
    rust_crypto::PROVIDER
}

/// The parts every operation is given; exhaustive on purpose, so that one part is replaced by struct update.
///
/// ```
/// use push_crypto::provider::{CryptoProvider, rust_crypto};
/// let mine = CryptoProvider { name: "mine", ..rust_crypto::PROVIDER };
/// assert_eq!(mine.name, "mine");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CryptoProvider {
    /// For reports and test names.
    pub name: &'static str,
    /// P-256 key agreement, in batches.
    pub key_agreement: &'static dyn KeyAgreement,
    /// ECDSA over P-256 with SHA-256.
    pub signature: &'static dyn EcdsaP256,
    /// Salts, padding, secrets, and keys where the part has no generator of its own.
    pub random: &'static dyn SecureRandom,
}

impl CryptoProvider {
    /// The public key of one private key.
    ///
    /// # Errors
    /// [`ProviderError::Internal`] when the part breaks its contract.
    pub fn public_key(&self, private: &PrivateKey) -> Result<PublicKey, ProviderError> {
        let mut out = Vec::with_capacity(1);
        self.key_agreement.public_keys(core::slice::from_ref(private), &mut out)?;
        out.pop().ok_or(ProviderError::Internal)
    }

    /// The shared secret of one pair.
    ///
    /// # Errors
    /// [`ProviderError::Internal`] when the part breaks its contract.
    pub fn shared_secret(
        &self,
        private: &PrivateKey,
        public: &PublicKey,
    ) -> Result<SharedSecret, ProviderError> {
        let mut out = Vec::with_capacity(1);
        self.key_agreement.agree(&[(private, public)], &mut out)?;
        // Cloned and not taken out, so that the list wipes what it held.
        out.first().cloned().ok_or(ProviderError::Internal)
    }
}

/// The X coordinate of the shared point, 32 octets with leading zeros (RFC 8291 §3.1).
pub type SharedSecret = Secret<32>;

/// An ECDSA signature as `r ‖ s`, 64 octets (RFC 7518 §3.4).
pub type Signature = [u8; 64];

/// One fresh key agreement: the sender's public key and the shared secret; the private half is not in it.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// The public half of the fresh pair.
    pub sender_key: PublicKey,
    /// The secret shared with the recipient.
    pub shared: SharedSecret,
}

/// P-256 key agreement. Every operation takes a batch, keeps its order, and appends nothing on `Err`.
///
/// Secrets are handled without secret-dependent branches or indices.
pub trait KeyAgreement: fmt::Debug + Send + Sync {
    /// Pure: one public key per private key, in order.
    ///
    /// # Errors
    /// [`ProviderError::Internal`] only, since keys are valid by type.
    fn public_keys(&self, private: &[PrivateKey], out: &mut Vec<PublicKey>) -> Result<(), ProviderError>;

    /// Pure: one shared secret per pair, in order.
    ///
    /// # Errors
    /// [`ProviderError::Internal`] only, since keys are valid by type.
    fn agree(
        &self,
        pairs: &[(&PrivateKey, &PublicKey)],
        out: &mut Vec<SharedSecret>,
    ) -> Result<(), ProviderError>;

    /// One [`Agreement`] per recipient, in order, each from a fresh key pair.
    ///
    /// Provided: keys drawn from `random`, then the two operations above. A part with a generator of its own
    /// overrides this and may ignore `random`.
    ///
    /// # Errors
    /// [`ProviderError::Random`] when there is no randomness.
    fn agree_fresh(
        &self,
        random: &dyn SecureRandom,
        recipients: &[PublicKey],
        out: &mut Vec<Agreement>,
    ) -> Result<(), ProviderError> {
        let count = recipients.len();
        let mut private = Vec::new();
        append(recipients, &mut private, |_| PrivateKey::generate(random))?;
        let (mut public, mut shared) = (Vec::with_capacity(count), Vec::with_capacity(count));
        self.public_keys(&private, &mut public)?;
        let pairs: Vec<_> = private.iter().zip(recipients).collect();
        self.agree(&pairs, &mut shared)?;
        if public.len() != count || shared.len() != count {
            return Err(ProviderError::Internal);
        }
        let agreements = public.into_iter().zip(&shared);
        out.extend(agreements.map(|(sender_key, shared)| Agreement { sender_key, shared: shared.clone() }));
        Ok(())
    }
}

/// Appends one result per input, or nothing on `Err`.
///
/// The room is reserved first: a list that grows leaves copies of the secrets in it behind, unwiped.
fn append<T, R, E>(
    inputs: &[T],
    out: &mut Vec<R>,
    mut compute: impl FnMut(&T) -> Result<R, E>,
) -> Result<(), E> {
    let before = out.len();
    out.reserve(inputs.len());
    for input in inputs {
        match compute(input) {
            Ok(result) => out.push(result),
            Err(error) => {
                out.truncate(before);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// ECDSA over P-256 with SHA-256, the only algorithm of VAPID (ES256). Nonces are the provider's own affair.
pub trait EcdsaP256: fmt::Debug + Send + Sync {
    /// Signs the message (not its digest).
    ///
    /// # Errors
    /// [`ProviderError`] when there is no randomness.
    fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Signature, ProviderError>;

    /// Checks a signature; either `s` of a pair is valid, there is no low-S rule.
    ///
    /// # Errors
    /// [`BadSignature`] when it is not one of this message by this key.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), BadSignature>;
}

/// A source of unpredictable octets.
pub trait SecureRandom: fmt::Debug + Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// [`RandomUnavailable`]; the buffer's contents must not be used then.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The source of randomness gave nothing; there is no fallback (RFC 8188 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomUnavailable;

impl fmt::Display for RandomUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the system gave no randomness, so no key or salt can be made; check the system's generator",
        )
    }
}

impl core::error::Error for RandomUnavailable {}

/// The signature does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the signature does not verify with this key; were private and public key made as one pair?",
        )
    }
}

impl core::error::Error for BadSignature {}

/// A provider could not do its work; no input of a caller causes this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderError {
    /// A part broke its contract: please report it.
    Internal,
    /// No randomness.
    Random,
}

impl From<RandomUnavailable> for ProviderError {
    fn from(_: RandomUnavailable) -> Self {
        Self::Random
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal => {
                f.write_str("the cryptography provider failed on valid keys; please report this as a bug")
            }
            Self::Random => RandomUnavailable.fmt(f),
        }
    }
}

impl core::error::Error for ProviderError {}
