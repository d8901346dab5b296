//! Batches on the curve in eight lanes of AVX-512 IFMA; everything else is the next provider's.
//!
//! Eight agreements run side by side in the eight 64-bit lanes of a register. Batches from two entries on go through
//! the lanes, 64 at a time; single operations, signatures and randomness are `aws_lc_rs`'s where that is built, else
//! [`rust_crypto`](super::rust_crypto)'s.
//!
//! * [`provider`] asks the processor at run time; without the instructions it *is* the next provider.
//! * Known answers go through every lane at first use. If one is wrong, the next provider serves everything, under a
//!   name that says so.
//! * No branch, address or shift depends on a secret. Scalars, registers of points, their Z and the results are wiped
//!   on the heap at the end of a batch. Values on the stack (the selected entry, steps of an inversion, digits on their
//!   way in and out) and in registers are not wiped.
//! * The same text of the arithmetic is compiled a second time over plain arrays, for tests on processors without
//!   the instructions.
//!
//! ```text
//!  mod ── lanes (detection, the only unsafe calls) ── ifma ┐  batch ── borders, inverse
//!                                                     twin ┘    ├─ variable (k P) ┐
//!                                                               └─ fixed (k G)    ┴─ scalar, point ── field ── vector
//! ```

#![cfg_attr(
    not(any(target_arch = "x86_64", test, feature = "__twin")),
    allow(
        dead_code,
        unreachable_code,
        unused_imports,
        unused_macros,
        unused_variables,
        reason = "there are no lanes on this architecture: `provider` is the next provider"
    )
)]
#![expect(clippy::duplicate_mod, reason = "the lanes and their twin are one text, and so are both forms")]

/// The files of the arithmetic, compiled into a module that has a `vector`, with one of the reductions.
macro_rules! arithmetic {
    ($reduction:literal) => {
        #[path = "../batch.rs"]
        pub(in crate::provider::p256_ifma) mod batch;
        #[path = "../borders.rs"]
        mod borders;
        #[path = "../field.rs"]
        mod field;
        #[path = "../fixed.rs"]
        mod fixed;
        #[path = "../inverse.rs"]
        mod inverse;
        #[path = "../point.rs"]
        mod point;
        #[cfg(test)]
        #[path = "../tests/probe.rs"]
        pub(in crate::provider::p256_ifma) mod probe;
        #[path = $reduction]
        mod reduction;
        #[path = "../scalar.rs"]
        mod scalar;
        #[path = "../variable.rs"]
        mod variable;
    };
}

mod lanes;
mod numbers;
mod self_test;

#[cfg(target_arch = "x86_64")]
mod ifma;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "__twin"))]
mod twin;

use alloc::{boxed::Box, vec::Vec};
use std::sync::OnceLock;

use zeroize::{Zeroize, Zeroizing};

use self::lanes::Lanes;
use super::{
    Agreement, CryptoProvider, KeyAgreement, ProviderError, SecureRandom, SharedSecret, without_lanes,
};
use crate::{
    protocol::{PrivateKey, PublicKey},
    secret::Secret,
};

/// Entries of one pass. Each block of eight needs 15 KiB for its tables; with 128, twice the memory, a
/// message cost the same (`cargo bench -p push-crypto --all-features -- batch`).
const CHUNK: usize = 64;

/// The provider; on a processor without AVX-512 IFMA it is the next one.
///
/// The first call takes about two milliseconds for the self-test and the table of the generator.
///
/// ```
/// use push_crypto::{EncryptJob, EncryptOptions, UserAgentKeys, provider::p256_ifma};
/// let provider = p256_ifma::provider();
/// let keys = UserAgentKeys::generate(&provider)?.subscription_keys();
/// let jobs = [EncryptJob { keys: &keys, plaintext: b"Hello" }; 8];
/// let mut messages = Vec::new();
/// push_crypto::encrypt_batch(&provider, &EncryptOptions::default(), &jobs, &mut messages)?;
/// assert_eq!(messages.len(), 8);
/// # Ok::<(), push_crypto::provider::ProviderError>(())
/// ```
#[must_use]
pub fn provider() -> CryptoProvider {
    static CHOICE: OnceLock<Choice> = OnceLock::new();
    CHOICE.get_or_init(|| choose(Lanes::detect(), self_test::passes)).provider()
}

/// The safe twin as a provider, for checkers and other processors: not for use, it is slow.
#[cfg(feature = "__twin")]
#[must_use]
pub fn twin() -> CryptoProvider {
    static TWIN: P256Lanes = P256Lanes { lanes: Lanes::TWINS[0] };
    CryptoProvider { name: "p256_twin", key_agreement: &TWIN, ..without_lanes() }
}

/// What serves this process.
enum Choice {
    Lanes(P256Lanes),
    Next,
    NextForFailure,
}

fn choose(found: Option<Lanes>, passes: impl FnOnce(Lanes) -> bool) -> Choice {
    match found {
        None => Choice::Next,
        Some(lanes) if passes(lanes) => Choice::Lanes(P256Lanes { lanes }),
        Some(_) => Choice::NextForFailure,
    }
}

impl Choice {
    fn provider(&'static self) -> CryptoProvider {
        match self {
            Self::Lanes(lanes) => {
                CryptoProvider { name: "p256_ifma", key_agreement: lanes, ..without_lanes() }
            }
            Self::Next => without_lanes(),
            Self::NextForFailure if cfg!(feature = "aws_lc_rs") => {
                CryptoProvider { name: "aws_lc_rs, since p256_ifma failed its self-test", ..without_lanes() }
            }
            Self::NextForFailure => CryptoProvider {
                name: "rust_crypto, since p256_ifma failed its self-test",
                ..without_lanes()
            },
        }
    }
}

/// Key agreement in the lanes, single entries by the next provider.
#[derive(Clone, Copy, Debug)]
struct P256Lanes {
    lanes: Lanes,
}

impl KeyAgreement for P256Lanes {
    fn public_keys(&self, private: &[PrivateKey], out: &mut Vec<PublicKey>) -> Result<(), ProviderError> {
        in_chunks(private, out, |chunk, out| {
            if chunk.len() == 1 {
                return without_lanes().key_agreement.public_keys(chunk, out);
            }
            let scalars: Vec<_> = chunk.iter().map(PrivateKey::expose).collect();
            let mut publics = alloc::vec![[0; 65]; chunk.len()];
            self.lanes.public(&scalars, &mut publics);
            out.extend(publics.into_iter().map(PublicKey::from_provider));
            Ok(())
        })
    }

    fn agree(
        &self,
        pairs: &[(&PrivateKey, &PublicKey)],
        out: &mut Vec<SharedSecret>,
    ) -> Result<(), ProviderError> {
        in_chunks(pairs, out, |chunk, out| {
            if chunk.len() == 1 {
                return without_lanes().key_agreement.agree(chunk, out);
            }
            let points: Vec<_> = chunk.iter().map(|(_, public)| public.as_octets()).collect();
            let scalars: Vec<_> = chunk.iter().map(|(private, _)| private.expose()).collect();
            let mut secrets = wiped(chunk.len(), Shared::EMPTY);
            self.lanes.agree(&points, &scalars, &mut secrets);
            secrets.iter().try_for_each(|shared| {
                out.push(shared.secret()?);
                Ok(())
            })
        })
    }

    fn agree_fresh(
        &self,
        random: &dyn SecureRandom,
        recipients: &[PublicKey],
        out: &mut Vec<Agreement>,
    ) -> Result<(), ProviderError> {
        in_chunks(recipients, out, |chunk, out| {
            if chunk.len() == 1 {
                return without_lanes().key_agreement.agree_fresh(random, chunk, out);
            }
            let scalars = self.fresh_scalars(random, chunk.len())?;
            let scalars: Vec<_> = scalars.iter().collect();
            let points: Vec<_> = chunk.iter().map(PublicKey::as_octets).collect();
            let mut pairs = wiped(chunk.len(), Pair { public: [0; 65], shared: Shared::EMPTY });
            self.lanes.pair(&points, &scalars, &mut pairs);
            pairs.iter().try_for_each(|Pair { public, shared }| {
                out.push(Agreement {
                    sender_key: PublicKey::from_provider(*public),
                    shared: shared.secret()?,
                });
                Ok(())
            })
        })
    }
}

impl P256Lanes {
    /// One draw for all of them; a number that is no scalar (one in 2^32) is drawn again.
    fn fresh_scalars(
        self,
        random: &dyn SecureRandom,
        count: usize,
    ) -> Result<Wiped<[u8; 32]>, ProviderError> {
        let mut scalars = wiped(count, [0; 32]);
        random.fill(scalars.as_flattened_mut())?;
        for eight in scalars.chunks_mut(8) {
            let numbers: Vec<_> = eight.iter().collect();
            let good = self.lanes.scalars_in_range(&numbers);
            for (lane, scalar) in eight.iter_mut().enumerate() {
                if good >> lane & 1 == 0 {
                    *scalar = *PrivateKey::generate(random)?.expose();
                }
            }
        }
        Ok(scalars)
    }
}

/// Appends the results of one chunk after the other, or nothing on `Err`.
fn in_chunks<T, R>(
    inputs: &[T],
    out: &mut Vec<R>,
    compute: impl Fn(&[T], &mut Vec<R>) -> Result<(), ProviderError>,
) -> Result<(), ProviderError> {
    let before = out.len();
    // Reserved first: a list that grows leaves copies of the secrets in it behind, unwiped.
    out.reserve(inputs.len());
    let done = inputs.chunks(CHUNK).try_for_each(|chunk| compute(chunk, out));
    if done.is_err() {
        out.truncate(before);
    }
    done
}

/// A list of secrets that is wiped when it goes and cannot grow.
type Wiped<T> = Zeroizing<Box<[T]>>;

fn wiped<T: Copy + Zeroize>(length: usize, value: T) -> Wiped<T> {
    Zeroizing::new(alloc::vec![value; length].into_boxed_slice())
}

/// A fresh public key and the secret it shares.
#[derive(Clone, Copy, Zeroize)]
struct Pair {
    public: [u8; 65],
    shared: Shared,
}

/// A shared X, big-endian.
#[derive(Clone, Copy, Zeroize)]
struct Shared {
    octets: [u8; 32],
    /// False where the point was none; the octets mean nothing then.
    accepted: bool,
}

impl Shared {
    const EMPTY: Self = Self { octets: [0; 32], accepted: false };

    /// The secret; a point that was refused breaks the promise of its type.
    fn secret(&self) -> Result<SharedSecret, ProviderError> {
        if self.accepted { Ok(Secret::new(self.octets)) } else { Err(ProviderError::Internal) }
    }
}
