//! The curve and the signature by the RustCrypto crate `p256`: pure Rust, `no_std`, always there.

use alloc::vec::Vec;

use p256::ecdsa::{
    SigningKey, VerifyingKey,
    signature::{Signer as _, Verifier as _},
};

use super::{
    BadSignature, CryptoProvider, EcdsaP256, KeyAgreement, ProviderError, SecureRandom, SharedSecret,
    Signature, append,
};
use crate::{
    protocol::{PrivateKey, PublicKey},
    secret::Secret,
};

/// The provider with the system's randomness.
#[cfg(feature = "os_random")]
pub static PROVIDER: CryptoProvider = provider(&super::OsRandom);

/// The provider with the caller's randomness, for systems that `getrandom` does not know.
#[must_use]
pub const fn provider(random: &'static dyn SecureRandom) -> CryptoProvider {
    CryptoProvider { name: "rust_crypto", key_agreement: &P256, signature: &P256, random }
}

/// Both parts; it has no state.
#[derive(Clone, Copy, Debug)]
pub struct P256;

fn secret_key(private: &PrivateKey) -> Result<p256::SecretKey, ProviderError> {
    p256::SecretKey::from_slice(private.expose()).map_err(|_| ProviderError::Internal)
}

fn uncompressed(key: &p256::PublicKey) -> Result<PublicKey, ProviderError> {
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    let point = key.to_sec1_point(false);
    point.as_bytes().try_into().map(PublicKey::from_provider).map_err(|_| ProviderError::Internal)
}

impl KeyAgreement for P256 {
    fn public_keys(&self, private: &[PrivateKey], out: &mut Vec<PublicKey>) -> Result<(), ProviderError> {
        append(private, out, |key| uncompressed(&secret_key(key)?.public_key()))
    }

    fn agree(
        &self,
        pairs: &[(&PrivateKey, &PublicKey)],
        out: &mut Vec<SharedSecret>,
    ) -> Result<(), ProviderError> {
        append(pairs, out, |(private, public)| {
            let public =
                p256::PublicKey::from_sec1_bytes(public.as_octets()).map_err(|_| ProviderError::Internal)?;
            let shared = secret_key(private)?.diffie_hellman(&public);
            Ok(Secret::new((*shared.raw_secret_bytes()).into()))
        })
    }
}

impl EcdsaP256 for P256 {
    /// Deterministic, RFC 6979.
    fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Signature, ProviderError> {
        let key = SigningKey::from_slice(key.expose()).map_err(|_| ProviderError::Internal)?;
        let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(|_| ProviderError::Internal)?;
        Ok(signature.to_bytes().into())
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_sec1_bytes(key.as_octets()).map_err(|_| BadSignature)?;
        let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| BadSignature)?;
        key.verify(message, &signature).map_err(|_| BadSignature)
    }
}
