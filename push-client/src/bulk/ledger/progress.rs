//! What a ledger knows of earlier runs: which lines have ended, and which may have been sent: pure.

use super::record::{Ended, Kind, Record};

/// What earlier runs did. It does not change while this run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// One bit for each line that has ended.
    ended: Vec<u64>,
    /// Lines which may have been sent, from and to: ascending, and none touches the next.
    claimed: Vec<(u64, u64)>,
    counts: [u64; Ended::ALL.len()],
    pub(super) resumed: bool,
}

/// What earlier runs did with one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It has ended.
    Ended,
    /// It may have been sent; how it ended is not known.
    Ambiguous,
    /// It was not sent.
    Untouched,
}

impl Progress {
    /// What earlier runs did with the line of this index.
    #[must_use]
    pub fn of(&self, index: u64) -> Earlier {
        if self.has_ended(index) {
            Earlier::Ended
        } else if self.is_claimed(index) {
            Earlier::Ambiguous
        } else {
            Earlier::Untouched
        }
    }

    /// How many lines ended so.
    #[must_use]
    pub fn count(&self, ended: Ended) -> u64 {
        self.counts.get(ended.place()).copied().unwrap_or(0)
    }

    /// How many lines have ended.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// True when there was a ledger already.
    #[must_use]
    pub const fn is_resumed(&self) -> bool {
        self.resumed
    }

    fn has_ended(&self, index: u64) -> bool {
        let (word, bit) = place(index);
        self.ended.get(word).is_some_and(|word| word & bit != 0)
    }

    /// False when the record speaks of a line that the input does not have.
    pub(crate) fn apply(&mut self, record: &Record, lines: u64) -> bool {
        match record.kind {
            Kind::Claim { count } => {
                let to = record.index + u64::from(count);
                if to > lines {
                    return false;
                }
                self.claim(record.index, to);
            }
            Kind::End { ended, .. } => {
                if record.index >= lines {
                    return false;
                }
                self.end(record.index, ended);
            }
            Kind::Settled => self.claimed.clear(),
            Kind::Synced => {}
        }
        true
    }

    fn is_claimed(&self, index: u64) -> bool {
        let at = self.claimed.partition_point(|(_, to)| *to <= index);
        self.claimed.get(at).is_some_and(|(from, _)| *from <= index)
    }

    fn claim(&mut self, from: u64, to: u64) {
        // Blocks are claimed in the order of the input, so they nearly always grow the last range; a run that goes on
        // after a crash begins further in front.
        let begin = self.claimed.partition_point(|(_, last)| *last < from);
        let end = self.claimed.partition_point(|(first, _)| *first <= to).max(begin);
        let touched = self.claimed.get(begin..end).unwrap_or_default();
        let first = touched.first().map_or(from, |(first, _)| from.min(*first));
        let last = touched.last().map_or(to, |(_, last)| to.max(*last));
        self.claimed.splice(begin..end, [(first, last)]);
    }

    fn end(&mut self, index: u64, ended: Ended) {
        let (word, bit) = place(index);
        if self.ended.len() <= word {
            self.ended.resize(word + 1, 0);
        }
        let Some(word) = self.ended.get_mut(word).filter(|word| **word & bit == 0) else { return };
        *word |= bit;
        if let Some(count) = self.counts.get_mut(ended.place()) {
            *count += 1;
        }
    }
}

/// The word of a bit, and the bit. Indices are below 2^40, so words are below 2^34.
fn place(index: u64) -> (usize, u64) {
    (usize::try_from(index / 64).unwrap_or(usize::MAX), 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(index: u64) -> Record {
        Record { index, kind: Kind::End { ended: Ended::Gone, status: 410, attempts: 1 }, time: 0 }
    }

    fn claim(index: u64, count: u16) -> Record {
        Record { index, kind: Kind::Claim { count }, time: 0 }
    }

    #[test]
    fn a_claimed_line_is_ambiguous_until_it_has_ended() {
        let mut progress = Progress::default();
        for record in [claim(0, 4), claim(4, 4), end(5)] {
            assert!(progress.apply(&record, 10));
        }

        let of: Vec<_> = (3..10).map(|index| progress.of(index)).collect();
        let (ended, may, not) = (Earlier::Ended, Earlier::Ambiguous, Earlier::Untouched);
        assert_eq!(of, [may, may, ended, may, may, not, not]);
        assert_eq!((progress.total(), progress.count(Ended::Gone)), (1, 1));
    }

    #[test]
    fn what_was_settled_has_not_been_sent() {
        let mut progress = Progress::default();
        for record in [claim(0, 4), end(1), Record { index: 0, kind: Kind::Settled, time: 0 }, claim(8, 1)] {
            assert!(progress.apply(&record, 10));
        }

        let of = [0, 1, 8].map(|index| progress.of(index));
        assert_eq!(of, [Earlier::Untouched, Earlier::Ended, Earlier::Ambiguous]);
    }

    #[test]
    fn claims_in_any_order_are_as_if_each_line_had_a_bit() {
        // Steps of a generator with full period, so that the claims overlap, touch and contain each other.
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = (state * 4_801 + 12_497) % 65_536;
            state * below / 65_536
        };
        for _ in 0..200 {
            let (mut progress, mut bits) = (Progress::default(), [false; 64]);
            for _ in 0..next(12) {
                let (from, count) = (next(56), 1 + next(8));
                assert!(progress.apply(&claim(from, u16::try_from(count).unwrap()), 64));
                (from..from + count).for_each(|at| bits[at as usize] = true);
                let ascends = progress.claimed.windows(2).all(|pair| pair[0].1 < pair[1].0);
                assert!(ascends, "{:?}", progress.claimed);
            }
            for (at, bit) in bits.into_iter().enumerate() {
                assert_eq!(progress.of(at as u64) == Earlier::Ambiguous, bit, "{at} {:?}", progress.claimed);
            }
        }
    }

    #[test]
    fn a_line_counts_once() {
        let mut progress = Progress::default();
        assert!(progress.apply(&end(3), 4) && progress.apply(&end(3), 4));
        assert_eq!(progress.total(), 1);
    }

    #[test]
    fn lines_beyond_the_input_are_refused() {
        let mut progress = Progress::default();

        assert!(!progress.apply(&end(10), 10));
        assert!(!progress.apply(&claim(8, 3), 10));
        assert!(progress.apply(&end(9), 10) && progress.apply(&claim(8, 2), 10));
    }
}
