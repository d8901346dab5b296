//! `Admission`: how many requests a subscription may get in a time, on the clock of its space.

use std::collections::HashMap;

use push_crypto::Timestamp;

use crate::{ids::SubscriptionId, limits::Rate};

/// Thousandths of a request, so that milliseconds count exactly.
const ONE: u64 = 1000;

/// One bucket per subscription that has sent lately.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    buckets: HashMap<SubscriptionId, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of requests that may come now.
    level: u64,
    at: Timestamp,
}

impl Admission {
    /// Takes one request out of the bucket, or says after how many seconds there is one.
    ///
    /// PS-101 to PS-103.
    pub(crate) fn admit(&mut self, of: SubscriptionId, rate: Rate, now: Timestamp) -> Result<(), u64> {
        let (per_second, full) = (u64::from(rate.per_second.get()), u64::from(rate.burst.get()) * ONE);
        let bucket = self.buckets.entry(of).or_insert(Bucket { level: full, at: now });
        // A rate per second is as many thousandths per millisecond.
        let millis = u64::try_from(now.since(bucket.at).as_millis()).unwrap_or(u64::MAX);
        bucket.level = bucket.level.saturating_add(millis.saturating_mul(per_second)).min(full);
        bucket.at = now;
        match bucket.level.checked_sub(ONE) {
            Some(rest) => {
                bucket.level = rest;
                Ok(())
            }
            None => Err((ONE - bucket.level).div_ceil(per_second).div_ceil(1000).max(1)),
        }
    }

    /// A subscription is removed.
    pub(crate) fn forget(&mut self, of: SubscriptionId) {
        self.buckets.remove(&of);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate::per_second(NonZeroU32::new(per_second).unwrap()).with_burst(NonZeroU32::new(burst).unwrap())
    }

    /// PS-101, PS-102: 100 a second for 5 seconds against 10/s.
    #[test]
    fn no_more_than_rate_and_burst_are_admitted() {
        let mut admission = Admission::default();
        let admitted = (0..500)
            .filter(|number| {
                let now = Timestamp::from_unix_millis(1_000_000 + number * 10);
                admission.admit(SubscriptionId(1), rate(10, 20), now).is_ok()
            })
            .count();

        assert_eq!(admitted, 20 + 49);
    }

    /// PS-103: waiting as long as told is enough, and one millisecond less than needed is not.
    #[test]
    fn waiting_as_told_is_enough() {
        for per_second in [1, 3, 7, 1000] {
            let mut admission = Admission::default();
            let start = Timestamp::from_unix_seconds(1000);
            let rate = rate(per_second, 1);
            assert_eq!(admission.admit(SubscriptionId(1), rate, start), Ok(()));

            assert_eq!(admission.admit(SubscriptionId(1), rate, start), Err(1));
            assert_eq!(admission.admit(SubscriptionId(2), rate, start), Ok(()), "another subscription");
            let later = Timestamp::from_unix_seconds(1001);
            assert_eq!(admission.admit(SubscriptionId(1), rate, later), Ok(()));
        }
        let mut admission = Admission::default();
        let at = Timestamp::from_unix_millis;
        assert_eq!(admission.admit(SubscriptionId(1), rate(1, 1), at(5000)), Ok(()));
        assert_eq!(admission.admit(SubscriptionId(1), rate(1, 1), at(5999)), Err(1));
        assert_eq!(admission.admit(SubscriptionId(1), rate(1, 1), at(6000)), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_fills_no_more_than_the_burst() {
        let mut admission = Admission::default();
        admission.admit(SubscriptionId(1), rate(1, 2), Timestamp::from_unix_seconds(0)).unwrap();

        let admit = |_: &u8| admission.admit(SubscriptionId(1), rate(1, 2), Timestamp::MAX).is_ok();

        assert_eq!((0..9).filter(admit).count(), 2);
    }
}
