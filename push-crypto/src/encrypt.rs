//! Encryption of one message and of batches; a batch of one is the single message.
//!
//! Every recipient gets a fresh sender key pair and a fresh salt; neither can be chosen here.

mod room;

use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "danger")]
pub(crate) use room::check_records;
use room::{Room, check_record_size};

use crate::{
    coding::{
        Encrypted, HeaderBlock, Parameters, Schedule, Unsuited, record,
        schedule::{Derivation, Parties},
    },
    padding::Padding,
    protocol::{ContentCoding, PublicKey, SubscriptionKeys},
    provider::{Agreement, CryptoProvider, ProviderError},
};

/// What a push service must accept: bodies of up to 4 096 octets (RFC 8030 §7.2).
pub const BODY_LIMIT: usize = 4096;

/// How to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptOptions {
    /// Coding and key schedule; aes128gcm by default.
    pub schedule: Schedule,
    /// Padding; none by default.
    pub padding: Padding,
    /// Record size as the coding counts it. By default one record holds all, with 4 096 where that suffices.
    pub record_size: Option<u32>,
    /// Most octets of the body, 4 096 by default.
    pub body_limit: usize,
}

impl EncryptOptions {
    /// One record without padding, in a body of at most 4 096 octets.
    #[must_use]
    pub const fn new(schedule: Schedule) -> Self {
        Self { schedule, padding: Padding::None, record_size: None, body_limit: BODY_LIMIT }
    }
}

impl Default for EncryptOptions {
    fn default() -> Self {
        Self::new(Schedule::Aes128gcm)
    }
}

/// One recipient and its text.
#[derive(Clone, Copy)]
pub struct EncryptJob<'a> {
    /// The subscription's keys.
    pub keys: &'a SubscriptionKeys,
    /// The text; empty text is a message too, unlike a tickle.
    pub plaintext: &'a [u8],
}

impl fmt::Debug for EncryptJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptJob({} octets)", self.plaintext.len())
    }
}

/// Encrypts one message.
///
/// # Errors
/// [`EncryptError`]: too long, not suited to the subscription, or no randomness.
///
/// ```
/// use push_crypto::{EncryptJob, EncryptOptions, UserAgentKeys, provider::rust_crypto::PROVIDER};
/// let receiver = UserAgentKeys::generate(&PROVIDER)?;
/// let keys = receiver.subscription_keys();
/// let message = push_crypto::encrypt(
///     &PROVIDER,
///     &EncryptOptions::default(),
///     EncryptJob { keys: &keys, plaintext: b"Hello" },
/// )?;
/// assert_eq!(message.body().len(), 86 + 5 + 1 + 16);
/// assert_eq!(push_crypto::decrypt(&PROVIDER, &receiver, &message)?.plaintext, b"Hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encrypt(
    provider: &CryptoProvider,
    options: &EncryptOptions,
    job: EncryptJob<'_>,
) -> Result<Encrypted, EncryptError> {
    let mut out = Vec::with_capacity(1);
    encrypt_batch(provider, options, core::slice::from_ref(&job), &mut out)?;
    out.pop().unwrap_or(Err(EncryptError::Provider(ProviderError::Internal)))
}

/// Encrypts for many recipients at once and appends one result per job, in order.
///
/// A job that cannot be encrypted gets its own error and never touches the others.
///
/// # Errors
/// [`ProviderError`] when there is no randomness; nothing was appended then.
pub fn encrypt_batch(
    provider: &CryptoProvider,
    options: &EncryptOptions,
    jobs: &[EncryptJob<'_>],
    out: &mut Vec<Result<Encrypted, EncryptError>>,
) -> Result<(), ProviderError> {
    let plans: Vec<Result<Plan, EncryptError>> =
        jobs.iter().map(|job| Plan::make(options, job, provider)).collect();
    let recipients: Vec<PublicKey> =
        jobs.iter().zip(&plans).filter(|(_, plan)| plan.is_ok()).map(|(job, _)| job.keys.p256dh).collect();
    let mut agreements = Vec::with_capacity(recipients.len());
    provider.key_agreement.agree_fresh(provider.random, &recipients, &mut agreements)?;
    let mut salts = alloc::vec![[0_u8; 16]; recipients.len()];
    provider.random.fill(salts.as_flattened_mut())?;
    if agreements.len() != recipients.len() {
        return Err(ProviderError::Internal);
    }
    // Borrowed, so that the list wipes its secrets when it goes.
    let mut fresh = agreements.iter().zip(salts);
    out.extend(jobs.iter().zip(plans).map(|(job, plan)| {
        let plan = plan?;
        let (agreement, salt) = fresh.next().ok_or(EncryptError::Provider(ProviderError::Internal))?;
        Ok(plan.seal(job, agreement, salt))
    }));
    Ok(())
}

/// A checked job: nothing about it can fail any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    schedule: Schedule,
    padding: usize,
    rs: u64,
    octets: usize,
}

impl Plan {
    /// Decides padding and record size and checks every limit.
    pub(crate) fn make(
        options: &EncryptOptions,
        job: &EncryptJob<'_>,
        provider: &CryptoProvider,
    ) -> Result<Self, EncryptError> {
        let EncryptOptions { schedule, padding, record_size, body_limit } = *options;
        check_auth(schedule, job.keys)?;
        let (layout, data) = (schedule.layout(), job.plaintext.len());
        let least = schedule.overhead();
        if body_limit < least {
            return Err(EncryptError::BodyLimit { octets: body_limit, least });
        }
        let rs = record_size.map(u64::from);
        if let Some(rs) = rs {
            check_record_size(layout, rs)?;
        }
        let room = Room { layout, rs, octets: body_limit - schedule.header_octets() };
        if !room.holds(data, 0) {
            return Err(EncryptError::TooLong { octets: data, limit: room.most_data() });
        }
        // Searched for only where it matters; 0 always fits.
        let most = if padding == Padding::None { 0 } else { room.most_padding(data) };
        let padding = padding
            .octets(data, most, provider.random)
            .map_err(|error| EncryptError::Provider(error.into()))?;
        if padding > most {
            return Err(EncryptError::PaddingTooLong { octets: data, padding, most });
        }
        Ok(Self::sized(schedule, room.record_size(data + padding), data, padding))
    }

    /// A plan with everything chosen, for vectors; only what no record can hold is refused.
    #[cfg(feature = "danger")]
    pub(crate) fn exactly(
        schedule: Schedule,
        rs: u64,
        data: usize,
        padding: usize,
    ) -> Result<Self, EncryptError> {
        check_records(schedule.layout(), rs, data, padding)?;
        Ok(Self::sized(schedule, rs, data, padding))
    }

    fn sized(schedule: Schedule, rs: u64, data: usize, padding: usize) -> Self {
        let octets = schedule.layout().sealed_length(rs, data, padding);
        // Both callers have checked that the records are fewer than `usize::MAX` octets.
        let octets = usize::try_from(octets).unwrap_or(usize::MAX).saturating_add(schedule.header_octets());
        Self { schedule, padding, rs, octets }
    }

    /// Derives the keys and writes the body.
    pub(crate) fn seal(self, job: &EncryptJob<'_>, agreement: &Agreement, salt: [u8; 16]) -> Encrypted {
        let Self { schedule, padding, rs, octets } = self;
        let sender_key = agreement.sender_key;
        let parties = Parties { user_agent: &job.keys.p256dh, sender: &sender_key };
        let auth = job.keys.auth.as_ref().map_or(&[][..], |auth| auth.expose());
        let keys = derivation(schedule, auth, parties).derive(agreement.shared.expose(), &salt, |_, _| {});
        let mut body = Vec::with_capacity(octets);
        if schedule == Schedule::Aes128gcm {
            let rs = u32::try_from(rs).unwrap_or(u32::MAX);
            HeaderBlock { salt, rs, keyid: sender_key.as_octets() }.write(&mut body);
        }
        record::seal(schedule.layout(), &keys, rs, job.plaintext, padding, &mut body);
        debug_assert_eq!(body.len(), octets, "the size is known before");
        Encrypted { parameters: Parameters { schedule, salt, rs, sender_key }, body }
    }
}

/// The derivation of a deployed schedule.
pub(crate) fn derivation<'a>(schedule: Schedule, auth: &'a [u8], parties: Parties<'a>) -> Derivation<'a> {
    match schedule {
        Schedule::Aes128gcm => Derivation::Aes128gcm { auth, parties },
        #[cfg(feature = "legacy")]
        Schedule::Aesgcm => Derivation::AuthContext { coding: ContentCoding::Aesgcm, auth, parties },
        #[cfg(feature = "legacy")]
        Schedule::Aesgcm128AuthContext => {
            Derivation::AuthContext { coding: ContentCoding::Aesgcm128, auth, parties }
        }
        #[cfg(feature = "legacy")]
        Schedule::Aesgcm128Bare => Derivation::Bare,
    }
}

/// The two newer codings take a secret of 16 octets, the auth-context form one of either length.
pub(crate) fn check_auth(schedule: Schedule, keys: &SubscriptionKeys) -> Result<(), EncryptError> {
    let newer = matches!(schedule.coding(), ContentCoding::Aes128gcm | ContentCoding::Aesgcm);
    match &keys.auth {
        None if schedule.needs_auth() => Err(EncryptError::Unsuited(Unsuited::NoAuth)),
        Some(auth) if newer && auth.is_pre_release() => Err(EncryptError::Unsuited(Unsuited::AuthPreRelease)),
        _ => Ok(()),
    }
}

/// Why a message cannot be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncryptError {
    /// The body's limit is below an empty message.
    BodyLimit {
        /// The limit.
        octets: usize,
        /// Octets of an empty message.
        least: usize,
    },
    /// The padding asked for does not fit.
    PaddingTooLong {
        /// Octets of plaintext.
        octets: usize,
        /// Octets of padding asked for.
        padding: usize,
        /// The most that fits.
        most: usize,
    },
    /// The provider failed.
    Provider(ProviderError),
    /// A record of this size carries nothing, or the coding has no number so large.
    RecordSize {
        /// What was asked for.
        rs: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// The text does not fit into the body's limit.
    TooLong {
        /// Octets of plaintext.
        octets: usize,
        /// The most that fits.
        limit: usize,
    },
    /// The coding is not suited to the subscription.
    Unsuited(Unsuited),
}

impl From<ProviderError> for EncryptError {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl EncryptError {
    /// The code of the finding which explains this, where there is one.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Unsuited(Unsuited::AuthPreRelease | Unsuited::NoAuth) => Some("subscription/auth-length"),
            Self::PaddingTooLong { .. } | Self::TooLong { .. } => Some("body/too-large"),
            Self::Unsuited(Unsuited::NotBuilt) => Some("coding/not-supported"),
            Self::BodyLimit { .. } | Self::Provider(_) | Self::RecordSize { .. } => None,
        }
    }
}

impl fmt::Display for EncryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyLimit { octets, least } => write!(
                f,
                "a body of at most {octets} octets holds no message, not even an empty one; allow at least {least}"
            ),
            Self::PaddingTooLong { octets, padding, most } => write!(
                f,
                "{padding} octets of padding do not fit beside {octets} octets of text; at most {most} do"
            ),
            Self::Provider(error) => error.fmt(f),
            Self::RecordSize { rs, least, most } => {
                write!(f, "a record size of {rs} is not from {least} to {most}; leave it out for one record")
            }
            Self::TooLong { octets, limit } => write!(
                f,
                "the text has {octets} octets, at most {limit} fit; shorten it, or send a tickle and let the worker \
                 fetch the data"
            ),
            Self::Unsuited(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EncryptError {}

#[cfg(test)]
#[cfg(all(feature = "legacy", feature = "os_random"))]
mod tests;
