//! Chosen salts, chosen sender keys, and keys given directly: for reproducing published vectors, never for sending.
//!
//! A salt or sender key that is used twice reveals both messages (RFC 8188 §4.3). Behind the feature `danger`.

use alloc::vec::Vec;

use crate::{
    coding::{
        Encrypted, HeaderBlock, HeaderFields, LegacyPart, ReadError, Schedule, fields,
        record::{self, Layout, RecordError},
        schedule::{ContentKeys, Derivation, Parties},
    },
    decrypt::{Decrypted, open_with},
    encrypt::{EncryptError, EncryptJob, Plan, check_auth, check_records, derivation},
    protocol::{AuthSecret, ContentCoding, PrivateKey, PublicKey},
    provider::{Agreement, CryptoProvider, SharedSecret},
};

/// Everything about a message that is otherwise drawn at random or decided by a policy.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// The sender's private key of this one message.
    pub sender: &'a PrivateKey,
    /// The salt.
    pub salt: [u8; 16],
    /// The record size.
    pub rs: u64,
    /// Octets of padding, all in the first records.
    pub padding: usize,
}

/// Encrypts with chosen salt and sender key, octet for octet reproducible; no limit of the body applies.
///
/// # Errors
/// [`EncryptError`] for an unsuited subscription, a record size out of range, padding that no records can hold, or a
/// failing provider.
pub fn encrypt(
    provider: &CryptoProvider,
    schedule: Schedule,
    job: EncryptJob<'_>,
    chosen: &Chosen<'_>,
) -> Result<Encrypted, EncryptError> {
    check_auth(schedule, job.keys)?;
    let plan = Plan::exactly(schedule, chosen.rs, job.plaintext.len(), chosen.padding)?;
    let agreement = Agreement {
        sender_key: provider.public_key(chosen.sender)?,
        shared: provider.shared_secret(chosen.sender, &job.keys.p256dh)?,
    };
    Ok(plan.seal(&job, &agreement, chosen.salt))
}

/// Opens a message whose key agreement was done elsewhere.
///
/// # Errors
/// [`RecordError`].
pub fn decrypt_with_shared_secret(
    user_agent: &PublicKey,
    auth: Option<&AuthSecret>,
    shared: &SharedSecret,
    message: &Encrypted,
) -> Result<Decrypted, crate::DecryptError> {
    let auth = match auth {
        Some(auth) => auth.expose(),
        None if message.schedule().needs_auth() => return Err(crate::DecryptError::NoAuth),
        None => &[],
    };
    let parties = Parties { user_agent, sender: message.sender_key() };
    let keys =
        derivation(message.schedule(), auth, parties).derive(shared.expose(), message.salt(), |_, _| {});
    open_with(message, &keys)
}

/// A message from its parts, where a source gives them without header fields.
#[must_use]
pub fn from_parts(
    schedule: Schedule,
    salt: [u8; 16],
    rs: u64,
    sender_key: PublicKey,
    body: Vec<u8>,
) -> Encrypted {
    Encrypted { parameters: crate::coding::Parameters { schedule, salt, rs, sender_key }, body }
}

/// Key schedules that exist in documents only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaperSchedule<'a> {
    /// RFC 8188 with a key given directly; the key id names it.
    Aes128gcmExplicit {
        /// The key id, at most 255 octets.
        keyid: &'a [u8],
    },
    /// aesgcm or aesgcm128 with context but no secret (ee-00, ee-03).
    #[cfg(feature = "legacy")]
    Context {
        /// Which.
        coding: ContentCoding,
        /// Both public keys, receiver first.
        parties: (PublicKey, PublicKey),
    },
    /// aesgcm or aesgcm128 with a key given directly, with the zero octet after the label (ee-00, ee-01, ee-03).
    #[cfg(feature = "legacy")]
    Explicit {
        /// Which.
        coding: ContentCoding,
    },
    /// aesgcm128 with a key given directly, without the zero octet (te-02).
    #[cfg(feature = "legacy")]
    BareExplicit,
}

impl PaperSchedule<'_> {
    fn layout(&self) -> Layout {
        match self {
            Self::Aes128gcmExplicit { .. } => Layout::DelimiterAfter,
            #[cfg(feature = "legacy")]
            Self::Context { coding: ContentCoding::Aesgcm, .. }
            | Self::Explicit { coding: ContentCoding::Aesgcm } => Layout::PadLengthBefore { octets: 2 },
            #[cfg(feature = "legacy")]
            _ => Layout::PadLengthBefore { octets: 1 },
        }
    }

    fn keys(&self, secret: &[u8], salt: &[u8; 16]) -> ContentKeys {
        let derivation = match self {
            Self::Aes128gcmExplicit { .. } => Derivation::Aes128gcmExplicit,
            #[cfg(feature = "legacy")]
            Self::Context { coding, parties: (user_agent, sender) } => {
                Derivation::Context { coding: *coding, parties: Parties { user_agent, sender } }
            }
            #[cfg(feature = "legacy")]
            Self::Explicit { coding } => Derivation::Explicit { coding: *coding },
            #[cfg(feature = "legacy")]
            Self::BareExplicit => Derivation::Bare,
        };
        derivation.derive(secret, salt, |_, _| {})
    }
}

/// Seals records with a schedule that exists on paper only; for aes128gcm the header block is written too.
///
/// # Errors
/// [`EncryptError::RecordSize`] and [`EncryptError::PaddingTooLong`].
pub fn seal_on_paper(
    schedule: PaperSchedule<'_>,
    secret: &[u8],
    salt: [u8; 16],
    rs: u64,
    padding: usize,
    plaintext: &[u8],
) -> Result<Vec<u8>, EncryptError> {
    check_records(schedule.layout(), rs, plaintext.len(), padding)?;
    let mut body = Vec::new();
    match schedule {
        PaperSchedule::Aes128gcmExplicit { keyid } => {
            HeaderBlock { salt, rs: u32::try_from(rs).unwrap_or(u32::MAX), keyid }.write(&mut body);
        }
        #[cfg(feature = "legacy")]
        _ => {}
    }
    record::seal(schedule.layout(), &schedule.keys(secret, &salt), rs, plaintext, padding, &mut body);
    Ok(body)
}

/// Opens records with a schedule that exists on paper only; `records` is the body without a header block.
///
/// # Errors
/// [`RecordError`].
pub fn open_on_paper(
    schedule: PaperSchedule<'_>,
    secret: &[u8],
    salt: [u8; 16],
    rs: u64,
    records: &[u8],
) -> Result<Vec<u8>, RecordError> {
    let mut plaintext = Vec::new();
    record::open(schedule.layout(), &schedule.keys(secret, &salt), rs, records, &mut plaintext)?;
    Ok(plaintext)
}

/// What the header fields of the older codings say, with salt and key of any length.
///
/// # Errors
/// [`ReadError`].
pub fn read_fields(coding: ContentCoding, lines: &HeaderFields<'_>) -> Result<fields::KeyFields, ReadError> {
    LegacyPart::read(coding, lines).map(|part| part.fields)
}

#[cfg(test)]
#[cfg(feature = "os_random")]
mod tests;
