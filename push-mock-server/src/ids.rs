//! Identifiers: 128-bit numbers, written as Crockford base 32 behind a prefix, and the randomness they are made of.
//!
//! Ids are names for the API; whoever knows one can do nothing with it. The capabilities in URLs are sealed tokens
//! and live in `token`.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use push_crypto::{
    Timestamp,
    provider::{OsRandom, RandomUnavailable, SecureRandom},
};
use sha2::{Digest, Sha256};

/// Crockford's base 32: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of 128 bits in base 32.
const CHARACTERS: usize = 26;
/// Octets of an id.
pub(crate) const OCTETS: usize = 16;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u128);

        impl $name {
            /// What stands in front of the 26 characters.
            pub const PREFIX: &'static str = $prefix;

            pub(crate) fn octets(self) -> [u8; OCTETS] {
                self.0.to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&to_text(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NoId;
            fn from_str(text: &str) -> Result<Self, NoId> {
                text.strip_prefix($prefix).and_then(from_text).map(Self).ok_or(NoId)
            }
        }
    };
}

id! {
    /// A recorded request and its message: `msg_` and 26 characters, sortable by time.
    MessageId, "msg_"
}
id! {
    /// A subscription: `sub_` and 26 characters.
    SubscriptionId, "sub_"
}
id! {
    /// A user agent: `ua_` and 26 characters.
    UserAgentId, "ua_"
}

/// How browsers name themselves.
impl UserAgentId {
    /// Firefox: all 128 bits are the uaid, 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn uaid(self) -> String {
        format!("{:032x}", self.0)
    }

    /// The id behind a uaid; none for a text that is none, zero included.
    #[must_use]
    pub fn from_uaid(text: &str) -> Option<Self> {
        let plain = text.len() == 32 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|id| plain && *id != 0).map(Self)
    }

    /// Chromium: the android id, the other bits are zero.
    #[must_use]
    pub fn from_android(id: u64) -> Self {
        Self(u128::from(id))
    }

    /// The android id, where it is one.
    #[must_use]
    pub fn android(self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }
}

/// The text is no id of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoId;

impl fmt::Display for NoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the text is no id: a prefix such as sub_ and 26 characters of Crockford's base 32 are needed",
        )
    }
}

impl std::error::Error for NoId {}

fn to_text(number: u128) -> String {
    let mut text = String::with_capacity(CHARACTERS);
    for at in (0..CHARACTERS).rev() {
        let digit = (number >> (5 * at)) as usize & 31;
        text.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'0')));
    }
    text
}

fn from_text(text: &str) -> Option<u128> {
    // The first character holds 3 of the 130 bits' upper 5, so it is at most 7.
    if text.len() != CHARACTERS || text.as_bytes().first().is_some_and(|first| *first > b'7') {
        return None;
    }
    text.bytes().try_fold(0_u128, |number, character| {
        let digit = ALPHABET.iter().position(|letter| *letter == character.to_ascii_uppercase())?;
        Some(number << 5 | digit as u128)
    })
}

/// What randomness is used for; each purpose of each space has a counter of its own when there is a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Ids.
    Id,
    /// Keys of simulated user agents, and the service's own.
    Key,
    /// Nonces and keys of sealed tokens.
    Token,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Key => "key",
            Self::Token => "token",
        }
    }
}

/// The randomness of one space: the system's generator, or numbers that follow from a seed.
///
/// With a seed: SHA-256("push seed" ‖ seed (8, big-endian) ‖ space ‖ purpose ‖ counter (8, big-endian)); the parts of
/// variable length are ended by a zero octet.
#[derive(Debug)]
pub(crate) struct Randomness {
    seed: Option<u64>,
    space: Box<str>,
    counters: [AtomicU64; 3],
    ids: AtomicU64,
    last: Mutex<u128>,
}

/// Where the time part of seeded ids starts, 2000-01-01: they must not depend on the time of the run (our choice).
const SEEDED_EPOCH: u64 = 946_684_800_000;

impl Randomness {
    pub(crate) fn new(seed: Option<u64>, space: &str) -> Self {
        Self {
            seed,
            space: space.into(),
            counters: Default::default(),
            ids: AtomicU64::new(0),
            last: Mutex::new(0),
        }
    }

    /// Fills the buffer for that purpose.
    pub(crate) fn fill(&self, purpose: Purpose, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        let Some(seed) = self.seed else { return OsRandom.fill(out) };
        let Some(counter) = self.counters.get(purpose as usize) else { return Err(RandomUnavailable) };
        for part in out.chunks_mut(32) {
            let count = counter.fetch_add(1, Ordering::Relaxed);
            let digest = Sha256::new()
                .chain_update("push seed")
                .chain_update(seed.to_be_bytes())
                .chain_update(self.space.as_bytes())
                .chain_update([0])
                .chain_update(purpose.name())
                .chain_update([0])
                .chain_update(count.to_be_bytes())
                .finalize();
            part.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }

    /// The same as a source for key generation.
    pub(crate) fn of(&self, purpose: Purpose) -> Drawn<'_> {
        Drawn { from: self, purpose }
    }

    /// 128 bits for an id: 48 of time in milliseconds, 80 random. Each is greater than the one before, also within
    /// one millisecond and when the wall clock is set back.
    pub(crate) fn id(&self, wall: Timestamp) -> Result<u128, RandomUnavailable> {
        let mut low = [0; 16];
        self.fill(Purpose::Id, &mut low[6..])?;
        let millis = match self.seed {
            None => wall.as_unix_millis(),
            Some(_) => SEEDED_EPOCH + self.ids.fetch_add(1, Ordering::Relaxed),
        };
        let drawn = u128::from(millis & 0xFFFF_FFFF_FFFF) << 80 | u128::from_be_bytes(low);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A step of up to 2^64 keeps the distance random, and 2^16 of them fit into a millisecond.
        *last = drawn.max(last.saturating_add(1 + (drawn & u128::from(u64::MAX))));
        Ok(*last)
    }
}

/// Randomness for one purpose.
#[derive(Debug)]
pub(crate) struct Drawn<'a> {
    from: &'a Randomness,
    purpose: Purpose,
}

impl SecureRandom for Drawn<'_> {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        self.from.fill(self.purpose, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_written_and_read_back_and_keep_their_order() {
        let random = Randomness::new(None, "default");
        let early = MessageId(random.id(Timestamp::from_unix_millis(1_700_000_000_000)).unwrap());
        let late = MessageId(random.id(Timestamp::from_unix_millis(1_700_000_000_001)).unwrap());

        assert_eq!(early.to_string().len(), 30);
        assert_eq!(early.to_string().parse::<MessageId>(), Ok(early));
        assert!(early.to_string() < late.to_string());
    }

    #[test]
    fn ids_grow_within_a_millisecond_and_when_the_clock_is_set_back() {
        let random = Randomness::new(None, "default");
        let times = (0..1000).map(|number| Timestamp::from_unix_millis(1_700_000_000_000 - number / 500));

        let ids: Vec<_> = times.map(|time| random.id(time).unwrap()).collect();

        assert!(ids.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn texts_that_are_no_ids_are_refused() {
        let check = |text: &str| assert_eq!(text.parse::<MessageId>(), Err(NoId), "{text}");

        check("");
        check("msg_");
        check("sub_01J00000000000000000000000");
        check("msg_01J0000000000000000000000");
        check("msg_01J000000000000000000000000");
        check("msg_81J00000000000000000000000");
        check("msg_01J0000000000000000000000U");
        check("msg_01J00000000000000000000é00");
        assert!("msg_7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse::<MessageId>().is_ok());
    }

    #[test]
    fn a_seed_repeats_itself_per_space_and_purpose() {
        let draw = |seed, space: &str, purpose| {
            let mut out = [0; 40];
            Randomness::new(seed, space).fill(purpose, &mut out).unwrap();
            out
        };

        assert_eq!(draw(Some(7), "a", Purpose::Id), draw(Some(7), "a", Purpose::Id));
        assert_ne!(draw(Some(7), "a", Purpose::Id), draw(Some(8), "a", Purpose::Id));
        assert_ne!(draw(Some(7), "a", Purpose::Id), draw(Some(7), "b", Purpose::Id));
        assert_ne!(draw(Some(7), "a", Purpose::Id), draw(Some(7), "a", Purpose::Key));
        assert_ne!(draw(None, "a", Purpose::Id), draw(None, "a", Purpose::Id));
    }

    #[test]
    fn seeded_ids_do_not_depend_on_the_time() {
        let ids = |wall| {
            let random = Randomness::new(Some(1), "default");
            [random.id(wall).unwrap(), random.id(wall).unwrap()]
        };

        let first = ids(Timestamp::from_unix_seconds(1));
        assert_eq!(first, ids(Timestamp::from_unix_seconds(2_000_000_000)));
        assert!(first[0] < first[1]);
    }
}
