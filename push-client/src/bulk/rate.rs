//! `Rate`: at most so many requests per second, as a bucket of tokens.
//!
//! Pure: `now` is an argument.

use push_crypto::Timestamp;

/// What is saved up while nothing is sent, as a part of a second (our choice: short enough to be no burst).
const SAVED: u64 = 20;

/// A bucket that fills at a steady rate.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    per_second: u64,
    /// Thousandths of a token.
    saved: u64,
    filled: Timestamp,
}

impl Rate {
    /// At most so many per second; zero counts as one.
    pub(crate) fn new(per_second: u32, now: Timestamp) -> Self {
        Self { per_second: u64::from(per_second.max(1)), saved: 1000, filled: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// When there will be one.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let passed = u64::try_from(now.since(self.filled).as_millis()).unwrap_or(u64::MAX);
        let most = (self.per_second * 1000 / SAVED).max(1000);
        self.saved = self.saved.saturating_add(passed.saturating_mul(self.per_second)).min(most);
        // A clock that was stepped back begins anew.
        self.filled = now;
        if self.saved >= 1000 {
            self.saved -= 1000;
            return Ok(());
        }
        let missing = (1000 - self.saved).div_ceil(self.per_second);
        Err(now.after(std::time::Duration::from_millis(missing)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_000_000 + millis)
    }

    #[test]
    fn the_next_token_is_there_when_it_was_said() {
        let mut rate = Rate::new(500, at(0));
        assert_eq!(rate.take(at(0)), Ok(()));
        assert_eq!(rate.take(at(0)), Err(at(2)));
        assert_eq!(rate.take(at(1)), Err(at(2)));
        assert_eq!(rate.take(at(2)), Ok(()));
        assert_eq!(rate.take(at(2)), Err(at(4)));
    }

    #[test]
    fn a_slow_rate_and_a_clock_stepped_back_still_give_tokens() {
        let mut rate = Rate::new(0, at(10_000));
        assert_eq!(rate.take(at(10_000)), Ok(()));
        assert_eq!(rate.take(at(0)), Err(at(1000)));
        assert_eq!(rate.take(at(1000)), Ok(()));
    }

    proptest! {
        /// In any second at most the rate, and what was saved up before it.
        #[test]
        fn no_second_has_more_than_the_rate(per_second in 1_u32..2000, steps in prop::collection::vec(0_u64..40, 1..3000)) {
            let mut rate = Rate::new(per_second, at(0));
            let (mut now, mut taken) = (0, Vec::new());
            for step in steps {
                now += step;
                if rate.take(at(now)).is_ok() {
                    taken.push(at(now));
                }
            }
            let most = per_second as usize + (per_second as usize / 20).max(1) + 1;
            for (index, begin) in taken.iter().enumerate() {
                let within = taken.iter().skip(index).take_while(|at| at.since(*begin) < Duration::from_secs(1)).count();
                prop_assert!(within <= most, "{} of {}", within, most);
            }
        }
    }
}
