//! The curve and the signature by AWS-LC.
//!
//! Its key generation and its ECDSA draw from the library's own generator and ignore [`SecureRandom`];
//! importing a chosen key costs more than making one, so fresh agreements use the library's own keys.

use alloc::vec::Vec;

use ::aws_lc_rs::{agreement, rand, signature};

use super::{
    Agreement, BadSignature, CryptoProvider, EcdsaP256, KeyAgreement, OsRandom, ProviderError, SecureRandom,
    SharedSecret, Signature, append,
};
use crate::{
    protocol::{PrivateKey, PublicKey},
    secret::Secret,
};

/// The provider.
pub static PROVIDER: CryptoProvider =
    CryptoProvider { name: "aws_lc_rs", key_agreement: &AwsLc, signature: &AwsLc, random: &OsRandom };

/// Both parts; it has no state.
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

fn import(private: &PrivateKey) -> Result<agreement::PrivateKey, ProviderError> {
    agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, private.expose())
        .map_err(|_| ProviderError::Internal)
}

fn public_of(private: &agreement::PrivateKey) -> Result<PublicKey, ProviderError> {
    let public = private.compute_public_key().map_err(|_| ProviderError::Internal)?;
    public.as_ref().try_into().map(PublicKey::from_provider).map_err(|_| ProviderError::Internal)
}

fn shared(private: &agreement::PrivateKey, public: &PublicKey) -> Result<SharedSecret, ProviderError> {
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, public.as_octets());
    agreement::agree(private, peer, ProviderError::Internal, |secret| {
        secret.try_into().map(Secret::new).map_err(|_| ProviderError::Internal)
    })
}

impl KeyAgreement for AwsLc {
    fn public_keys(&self, private: &[PrivateKey], out: &mut Vec<PublicKey>) -> Result<(), ProviderError> {
        append(private, out, |key| public_of(&import(key)?))
    }

    fn agree(
        &self,
        pairs: &[(&PrivateKey, &PublicKey)],
        out: &mut Vec<SharedSecret>,
    ) -> Result<(), ProviderError> {
        append(pairs, out, |(private, public)| shared(&import(private)?, public))
    }

    fn agree_fresh(
        &self,
        _: &dyn SecureRandom,
        recipients: &[PublicKey],
        out: &mut Vec<Agreement>,
    ) -> Result<(), ProviderError> {
        append(recipients, out, |recipient| {
            let private =
                agreement::PrivateKey::generate(&agreement::ECDH_P256).map_err(|_| ProviderError::Random)?;
            Ok(Agreement { sender_key: public_of(&private)?, shared: shared(&private, recipient)? })
        })
    }
}

impl EcdsaP256 for AwsLc {
    fn sign(&self, key: &PrivateKey, message: &[u8]) -> Result<Signature, ProviderError> {
        let public = public_of(&import(key)?)?;
        let pair = signature::EcdsaKeyPair::from_private_key_and_public_key(
            &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            key.expose(),
            public.as_octets(),
        )
        .map_err(|_| ProviderError::Internal)?;
        let signature = pair.sign(&rand::SystemRandom::new(), message).map_err(|_| ProviderError::Random)?;
        signature.as_ref().try_into().map_err(|_| ProviderError::Internal)
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key.as_octets())
            .verify(message, signature)
            .map_err(|_| BadSignature)
    }
}
