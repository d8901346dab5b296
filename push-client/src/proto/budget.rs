//! What keeps retries from becoming a storm: a retry budget and a circuit breaker for each origin.
//!
//! Pure: `now` is an argument, and nothing is remembered but a few numbers per origin.

use std::{collections::HashMap, time::Duration};

use push_crypto::{Origin, Timestamp};

/// Failures in a row that open the breaker (our choice: more than one message's own attempts).
const FAILURES: u32 = 10;
/// First and longest time that the breaker stays open (our choice: full speed within 10 s of a recovery).
const OPEN_FIRST: Duration = Duration::from_secs(1);
const OPEN_LONGEST: Duration = Duration::from_secs(8);
/// Retries that are always in the purse, so that a sender of few messages can repeat them (our choice).
const RESERVE: u32 = 10;
/// One retry is put back into an empty purse so often (our choice: ten a minute).
const REFILL: Duration = Duration::from_secs(6);
/// Most retries that are saved up (our choice: a burst of one tenth of the largest window).
const SAVED: u32 = 100;
/// Most origins remembered (our choice: more than there are push services).
const ORIGINS: usize = 4096;

/// May a message go to this origin now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes.
    Go,
    /// No: the origin has failed many times in a row; ask again at this instant.
    Wait {
        /// When the next probe is due.
        until: Timestamp,
        /// The status of the last failure, if it was an answer.
        status: Option<u16>,
    },
}

/// How an attempt ended, as far as the health of its origin is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// An answer that shows a working service, refusals included.
    Working,
    /// 5xx with its status, or no answer.
    Failing(Option<u16>),
}

/// Budget and breaker of one origin.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Retries in the purse, in percent of one.
    purse: u32,
    refilled: Timestamp,
    failures: u32,
    open_for: Duration,
    /// While the breaker is open: when the next probe may go.
    probe_at: Option<Timestamp>,
    /// A probe is under way.
    probing: bool,
    failed_probes: u32,
    status: Option<u16>,
}

impl Gate {
    /// A closed breaker and a purse with the reserve.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            purse: RESERVE * 100,
            refilled: now,
            failures: 0,
            open_for: OPEN_FIRST,
            probe_at: None,
            probing: false,
            failed_probes: 0,
            status: None,
        }
    }

    /// Counts a message that is about to be sent for the first time: it earns `percent` of a retry.
    pub fn earn(&mut self, percent: u32) {
        self.purse = self.purse.saturating_add(percent).min(SAVED * 100);
    }

    /// Takes one retry out of the purse; false when it is empty.
    #[must_use]
    pub fn spend(&mut self, now: Timestamp) -> bool {
        let due = now.since(self.refilled).as_millis() / REFILL.as_millis();
        if due > 0 {
            self.refilled = now;
            if self.purse < RESERVE * 100 {
                let due = u32::try_from(due).unwrap_or(RESERVE).min(RESERVE);
                self.purse = (self.purse + due * 100).min(RESERVE * 100);
            }
        }
        let enough = self.purse >= 100;
        if enough {
            self.purse -= 100;
        }
        enough
    }

    /// May a request go now? While the breaker is open, one in each period may, as a probe.
    #[must_use]
    pub fn admit(&mut self, now: Timestamp) -> Admission {
        match self.probe_at {
            Some(until) if now < until => Admission::Wait { until, status: self.status },
            Some(_) => {
                // This one is the probe; the others wait until it has had time to be answered.
                self.probe_at = Some(now.after(self.open_for));
                self.probing = true;
                Admission::Go
            }
            None => Admission::Go,
        }
    }

    /// True when the last attempt failed.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Probes in a row that failed since the breaker opened.
    #[must_use]
    pub const fn failed_probes(&self) -> u32 {
        self.failed_probes
    }

    /// Notes how an attempt ended.
    pub fn note(&mut self, now: Timestamp, health: Health) {
        match health {
            Health::Working => {
                self.failures = 0;
                self.probe_at = None;
                self.probing = false;
                self.failed_probes = 0;
                self.open_for = OPEN_FIRST;
            }
            Health::Failing(status) => {
                self.status = status;
                self.failures = self.failures.saturating_add(1);
                if self.probing {
                    self.probing = false;
                    self.failed_probes = self.failed_probes.saturating_add(1);
                    self.open_for = (self.open_for * 2).min(OPEN_LONGEST);
                    self.probe_at = Some(now.after(self.open_for));
                } else if self.probe_at.is_none() && self.failures >= FAILURES {
                    self.probe_at = Some(now.after(self.open_for));
                }
            }
        }
    }
}

/// One gate per origin; the number of origins is bounded.
#[derive(Debug, Default)]
pub struct Gates {
    by_origin: HashMap<Origin, Gate>,
}

impl Gates {
    /// The gate of this origin, made at its first use.
    pub fn of(&mut self, origin: &Origin, now: Timestamp) -> &mut Gate {
        if !self.by_origin.contains_key(origin) {
            if self.by_origin.len() >= ORIGINS {
                // Healthy gates hold nothing worth keeping; if all are failing, a flood of names is under way.
                self.by_origin.retain(|_, gate| gate.failures > 0);
                if self.by_origin.len() >= ORIGINS {
                    self.by_origin.clear();
                }
            }
            self.by_origin.insert(origin.clone(), Gate::new(now));
        }
        self.by_origin.entry(origin.clone()).or_insert_with(|| Gate::new(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_000_000 + millis)
    }

    #[test]
    fn the_purse_holds_a_tenth_of_the_messages_and_a_reserve() {
        let mut gate = Gate::new(at(0));
        for _ in 0..200 {
            gate.earn(10);
        }

        let spent = (0..1000).filter(|_| gate.spend(at(0))).count();

        assert_eq!(spent, 30);
    }

    #[test]
    fn an_empty_purse_is_refilled_to_the_reserve_and_no_further() {
        let mut gate = Gate::new(at(0));
        while gate.spend(at(0)) {}

        assert!(!gate.spend(at(5_999)));
        assert!(gate.spend(at(6_000)));
        assert!(!gate.spend(at(6_000)));
        let spent = (0..100).filter(|_| gate.spend(at(10_000_000))).count();
        assert_eq!(spent, 10);
    }

    #[test]
    fn ten_failures_in_a_row_open_the_breaker_and_one_success_closes_it() {
        let mut gate = Gate::new(at(0));
        for _ in 0..9 {
            gate.note(at(0), Health::Failing(Some(503)));
        }
        assert_eq!(gate.admit(at(0)), Admission::Go);

        gate.note(at(0), Health::Failing(Some(503)));

        assert_eq!(gate.admit(at(999)), Admission::Wait { until: at(1000), status: Some(503) });
        assert_eq!(gate.admit(at(1000)), Admission::Go, "the probe");
        assert_eq!(gate.admit(at(1001)), Admission::Wait { until: at(2000), status: Some(503) });
        gate.note(at(1500), Health::Working);
        assert_eq!(gate.admit(at(1501)), Admission::Go);
        assert_eq!(gate.admit(at(1501)), Admission::Go);
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_8_s() {
        let mut gate = Gate::new(at(0));
        for _ in 0..10 {
            gate.note(at(0), Health::Failing(None));
        }
        let mut now = 1000;
        for (failed, expected) in [(1, 2000), (2, 4000), (3, 8000), (4, 8000)] {
            assert_eq!(gate.admit(at(now)), Admission::Go);
            gate.note(at(now), Health::Failing(None));
            assert_eq!(gate.failed_probes(), failed);
            let Admission::Wait { until, .. } = gate.admit(at(now)) else { panic!("still open") };
            assert_eq!(until, at(now + expected));
            now += expected;
        }
    }

    #[test]
    fn requests_that_were_under_way_do_not_lengthen_the_wait() {
        let mut gate = Gate::new(at(0));
        for _ in 0..500 {
            gate.note(at(0), Health::Failing(None));
        }

        assert_eq!(gate.admit(at(1)), Admission::Wait { until: at(1000), status: None });
    }

    /// T11: an origin that fails for 60 s gets at most one request per message, a tenth more, and probes.
    #[test]
    fn a_minute_of_503_causes_no_storm() {
        let mut gate = Gate::new(at(0));
        let (mut messages, mut requests) = (0_u32, 0_u32);
        for tick in 0..12_000_u64 {
            let now = at(tick * 5);
            messages += 1;
            gate.earn(10);
            if gate.admit(now) == Admission::Go {
                requests += 1;
                gate.note(now, Health::Failing(Some(503)));
                if gate.spend(now) && gate.admit(now) == Admission::Go {
                    requests += 1;
                    gate.note(now, Health::Failing(Some(503)));
                }
            }
        }
        assert!(requests * 10 <= messages * 11 + 200, "{requests} requests for {messages} messages");
        let recovered = at(60_000 + 8_000);
        assert_eq!(gate.admit(recovered), Admission::Go);
        gate.note(recovered, Health::Working);
        assert_eq!(gate.admit(recovered), Admission::Go);
    }

    #[test]
    fn a_flood_of_origins_is_bounded() {
        let mut gates = Gates::default();
        for number in 0..10_000 {
            let origin = format!("https://h{number}.example").parse().unwrap();
            gates.of(&origin, at(0)).note(at(0), Health::Failing(None));
        }
        assert!(gates.by_origin.len() <= ORIGINS);
    }
}
