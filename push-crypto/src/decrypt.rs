//! Decryption: all schedules, all record layouts, one message or a batch.

use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroize;

use crate::{
    coding::{
        Encrypted, Unsuited,
        record::{self, RecordError},
        schedule::{ContentKeys, Parties},
    },
    encrypt::{EncryptError, check_auth, derivation},
    protocol::{PublicKey, UserAgentKeys},
    provider::{CryptoProvider, ProviderError, SharedSecret},
};

/// One message and the keys of the subscription it came for.
#[derive(Clone, Copy, Debug)]
pub struct DecryptJob<'a> {
    /// The user agent's keys.
    pub keys: &'a UserAgentKeys,
    /// The message.
    pub message: &'a Encrypted,
}

/// An opened message and how it was packed. Wiped when dropped; `Debug` shows sizes only.
#[derive(Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// The text.
    pub plaintext: Vec<u8>,
    /// Octets of padding in all records.
    pub padding: usize,
    /// Number of records.
    pub records: usize,
    /// The record size as sent.
    pub record_size: u64,
    /// The salt.
    pub salt: [u8; 16],
    /// The sender's public key.
    pub sender_key: PublicKey,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted")
            .field("octets", &self.plaintext.len())
            .field("padding", &self.padding)
            .field("records", &self.records)
            .finish_non_exhaustive()
    }
}

impl Drop for Decrypted {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

impl Decrypted {
    /// The text, without a copy.
    #[must_use]
    pub fn into_plaintext(mut self) -> Vec<u8> {
        core::mem::take(&mut self.plaintext)
    }
}

/// Opens one message.
///
/// # Errors
/// [`DecryptError`]; wrong keys and changed octets look alike on purpose.
pub fn decrypt(
    provider: &CryptoProvider,
    keys: &UserAgentKeys,
    message: &Encrypted,
) -> Result<Decrypted, DecryptError> {
    check(keys, message)?;
    let shared = provider.shared_secret(keys.private(), message.sender_key())?;
    open(keys, message, &shared)
}

/// Opens many messages at once and appends one result per job, in order.
///
/// # Errors
/// [`ProviderError`] when the provider breaks its contract; nothing was appended then.
pub fn decrypt_batch(
    provider: &CryptoProvider,
    jobs: &[DecryptJob<'_>],
    out: &mut Vec<Result<Decrypted, DecryptError>>,
) -> Result<(), ProviderError> {
    let pairs: Vec<_> = jobs.iter().map(|job| (job.keys.private(), job.message.sender_key())).collect();
    let mut secrets = Vec::with_capacity(jobs.len());
    provider.key_agreement.agree(&pairs, &mut secrets)?;
    if secrets.len() != jobs.len() {
        return Err(ProviderError::Internal);
    }
    out.extend(jobs.iter().zip(&secrets).map(|(job, shared)| {
        check(job.keys, job.message)?;
        open(job.keys, job.message, shared)
    }));
    Ok(())
}

fn check(keys: &UserAgentKeys, message: &Encrypted) -> Result<(), DecryptError> {
    check_auth(message.schedule(), &keys.subscription_keys()).map_err(|error| match error {
        EncryptError::Unsuited(Unsuited::AuthPreRelease) => DecryptError::AuthPreRelease,
        _ => DecryptError::NoAuth,
    })
}

fn open(keys: &UserAgentKeys, message: &Encrypted, shared: &SharedSecret) -> Result<Decrypted, DecryptError> {
    let keys = content_keys(keys, message, shared, |_, _| {});
    open_with(message, &keys)
}

/// The keys of the message's records.
pub(crate) fn content_keys(
    keys: &UserAgentKeys,
    message: &Encrypted,
    shared: &SharedSecret,
    note: impl FnMut(&'static str, &[u8]),
) -> ContentKeys {
    let parties = Parties { user_agent: keys.public(), sender: message.sender_key() };
    let auth = keys.auth().map_or(&[][..], |auth| auth.expose());
    derivation(message.schedule(), auth, parties).derive(shared.expose(), message.salt(), note)
}

/// Opens the records of a message with its content keys.
pub(crate) fn open_with(message: &Encrypted, keys: &ContentKeys) -> Result<Decrypted, DecryptError> {
    let mut plaintext = Vec::new();
    let layout = message.schedule().layout();
    match record::open(layout, keys, message.record_size(), message.records(), &mut plaintext) {
        Ok(record::Opened { padding, records }) => Ok(Decrypted {
            plaintext,
            padding,
            records,
            record_size: message.record_size(),
            salt: *message.salt(),
            sender_key: *message.sender_key(),
        }),
        Err(error) => {
            plaintext.zeroize();
            Err(DecryptError::Record(error))
        }
    }
}

/// Why a message does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecryptError {
    /// The secret has the 12 octets of pre-release Firefox, which knows this coding only as aesgcm128.
    AuthPreRelease,
    /// The coding mixes in an authentication secret, and the subscription has none.
    NoAuth,
    /// The provider failed.
    Provider(ProviderError),
    /// A record.
    Record(RecordError),
}

impl From<ProviderError> for DecryptError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl DecryptError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AuthPreRelease | Self::NoAuth | Self::Provider(_) => "decrypt/failed",
            Self::Record(error) => error.code(),
        }
    }
}

impl fmt::Display for DecryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AuthPreRelease => {
                f.write_str("a secret of 12 octets belongs to aesgcm128, not to this coding")
            }
            Self::NoAuth => {
                f.write_str("this coding needs the authentication secret, and the keys have none")
            }
            Self::Provider(error) => error.fmt(f),
            Self::Record(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for DecryptError {}
