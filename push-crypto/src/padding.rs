//! `Padding`: how much of a message's length is hidden (RFC 8291 §7).

use core::num::NonZeroU16;

use crate::provider::{RandomUnavailable, SecureRandom};

/// How much padding a message gets. Policies never push a body over its limit: what does not fit is left out,
/// except for [`Padding::Exactly`], which is refused then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Padding {
    /// So many octets.
    Exactly(u16),
    /// As much as the body's limit and one record admit (aesgcm128: at most 255 octets).
    Maximum,
    /// None: the length of the text can be read off the body.
    #[default]
    None,
    /// A random number of octets, 0 to this many.
    Random {
        /// The most.
        at_most: u16,
    },
    /// Up to the next multiple of this many octets of data and padding.
    ToMultiple(NonZeroU16),
}

impl Padding {
    /// Octets of padding for so much data, of which at most `room` fit.
    pub(crate) fn octets(
        self,
        data: usize,
        room: usize,
        random: &dyn SecureRandom,
    ) -> Result<usize, RandomUnavailable> {
        Ok(match self {
            Self::Exactly(octets) => usize::from(octets),
            Self::Maximum => room,
            Self::None => 0,
            Self::Random { at_most } => uniform(usize::from(at_most).min(room), random)?,
            Self::ToMultiple(of) => {
                let of = usize::from(of.get());
                (data.div_ceil(of) * of - data).min(room)
            }
        })
    }
}

/// A number from 0 to `most`, each equally likely: draws outside a multiple of the range are thrown away.
fn uniform(most: usize, random: &dyn SecureRandom) -> Result<usize, RandomUnavailable> {
    let range = most as u64 + 1;
    let bound = u64::from(u32::MAX) + 1;
    let usable = bound - bound % range;
    // Each draw is usable with probability over 1/2; 128 in a row fail with a broken source only.
    for _ in 0..128 {
        let mut octets = [0; 4];
        random.fill(&mut octets)?;
        let draw = u64::from(u32::from_be_bytes(octets));
        if draw < usable {
            return Ok((draw % range) as usize);
        }
    }
    Err(RandomUnavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed([u8; 4]);
    impl SecureRandom for Fixed {
        fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
            out.copy_from_slice(&self.0);
            Ok(())
        }
    }

    /// AS-041
    #[test]
    fn each_policy_gives_what_it_promises() {
        let check = |padding: Padding, data, room, expected| {
            assert_eq!(
                padding.octets(data, room, &Fixed([0, 0, 0, 7])),
                Ok(expected),
                "{padding:?} {data} {room}"
            );
        };
        let multiple = |of| Padding::ToMultiple(NonZeroU16::new(of).unwrap());

        check(Padding::None, 5, 100, 0);
        check(Padding::Exactly(9), 5, 3, 9);
        check(Padding::Maximum, 5, 100, 100);
        check(multiple(16), 0, 100, 0);
        check(multiple(16), 1, 100, 15);
        check(multiple(16), 16, 100, 0);
        check(multiple(16), 17, 100, 15);
        check(multiple(16), 17, 4, 4);
        check(Padding::Random { at_most: 20 }, 5, 100, 7);
        check(Padding::Random { at_most: 20 }, 5, 2, 1);
        check(Padding::Random { at_most: 0 }, 5, 2, 0);
    }

    #[test]
    fn a_source_that_never_gives_a_usable_draw_ends_in_an_error() {
        assert_eq!(uniform(2, &Fixed([0xff; 4])), Err(RandomUnavailable));
    }
}
