//! Whether and when a message is tried again: [`RetryPolicy`] and [`Attempts`], a pure state machine for one message.
//!
//! Only answers that say "later" and failures before the request was processed are repeated; an unanswered request
//! only when a topic makes the repeat harmless, or on request. `Retry-After` wins, clamped; else the wait is drawn
//! from zero to a bound that doubles (full jitter). Nothing is sent at or after the message's expiry.

use std::time::Duration;

use push_crypto::{Origin, Timestamp, Ttl};

use super::response::Answer;
use crate::{
    limits::ClientLimits,
    outcome::{Accepted, Deferred, Gone, Invalid, Outcome, Refused, Unanswered, Unsent, UnsentReason},
    transport::{Phase, Problem, TransportError},
};

/// What may be repeated, and how soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Repeats of one message.
    pub retries: u32,
    /// No repeat later than this after the first attempt; `None`: only the TTL bounds it.
    pub within: Option<Duration>,
    /// Bound of the first wait; it doubles with each repeat.
    pub first_wait: Duration,
    /// The bound does not grow over this.
    pub longest_wait: Duration,
    /// Least and longest wait after `Retry-After`.
    pub retry_after: (Duration, Duration),
    /// What is done about a request that got no answer.
    pub unanswered: RepeatUnanswered,
}

impl RetryPolicy {
    /// The policy that these limits ask for: waits of up to 1 s, 2 s, 4 s, … 60 s (our choice).
    #[must_use]
    pub const fn of(limits: &ClientLimits) -> Self {
        Self {
            retries: limits.retries,
            within: None,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            retry_after: (limits.retry_after_least, limits.retry_after_longest),
            unanswered: RepeatUnanswered::WithTopic,
        }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::of(&ClientLimits::default())
    }
}

/// A first attempt so soon after the message was taken is in time and has the whole TTL (a TTL counts seconds).
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// Connections that may be closed under one message before that counts as a failure (our choice: a service that
/// restarts closes many, but the new ones stay).
const LEAVING: u32 = 3;

/// What is done about a request that may have been received but got no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatUnanswered {
    /// Repeat it: better twice than not at all.
    Always,
    /// Never repeat it: better not at all than twice.
    Never,
    /// Repeat it when a topic makes the repeat replace the first.
    #[default]
    WithTopic,
}

/// A fraction of 2^32, drawn by the caller for each decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance(pub u32);

impl Chance {
    fn of(self, bound: Duration) -> Duration {
        let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
        let part = (u128::from(millis) * u128::from(self.0)) >> 32;
        Duration::from_millis(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

/// How long the message is worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The message's TTL, counted from the first attempt.
    pub ttl: Ttl,
    /// An instant after which it is worthless, whatever the TTL.
    pub deadline: Option<Timestamp>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: this is the outcome.
    Done(Outcome),
    /// Make a new VAPID token for this time of the push service, and send at once.
    NewToken(Timestamp),
    /// Send again at once, over another connection: the push service was leaving this one.
    Again,
    /// Send again at this instant, not before.
    RetryAt(Timestamp),
}

/// The attempts of one message.
///
/// Call [`Attempts::begin`] before each request, and give each result to [`Attempts::next`].
///
/// ```
/// use push_client::proto::retry::{Attempts, Chance, Lifetime, RetryPolicy, Step};
/// use push_client::proto::Answer;
/// use push_crypto::{Timestamp, Ttl};
/// let now = Timestamp::from_unix_seconds(1_000);
/// let lifetime = Lifetime { ttl: Ttl::seconds(60), deadline: None };
/// let mut attempts =
///     Attempts::new("https://push.example".parse()?, RetryPolicy::default(), lifetime, false, now);
/// assert_eq!(attempts.begin(now), Ok(Ttl::seconds(60)));
/// let wait = std::time::Duration::from_secs(20);
/// let busy = Answer::Deferred { status: 503, retry_after: Some(wait), said: Default::default() };
/// let Step::RetryAt(at) = attempts.next(Ok(busy), now, Chance(0)) else { panic!() };
/// assert_eq!(at, now.after(wait));
/// assert_eq!(attempts.begin(at), Ok(Ttl::seconds(40)));
/// # Ok::<(), push_crypto::PushResourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attempts {
    origin: Origin,
    policy: RetryPolicy,
    lifetime: Lifetime,
    has_topic: bool,
    /// When the TTL began; without meaning before `runs`.
    started: Timestamp,
    runs: bool,
    /// Requests made, or begun.
    made: u32,
    /// Waits granted; the renewal of a token is none.
    repeats: u32,
    token_renewed: bool,
    /// Connections that were closed in good order before they took it.
    left: u32,
    clock_skew: Option<i64>,
    /// What is reported when nothing more is tried.
    last: Option<Last>,
}

/// The last thing that can be followed by a further attempt.
#[derive(Clone, Debug)]
enum Last {
    Busy { status: u16, not_before: Option<Timestamp>, said: super::vendor::Reason },
    Unreachable { phase: Phase, problem: Problem },
    Unanswered { phase: Phase, problem: Problem },
}

impl Attempts {
    /// For a message that is about to be sent for the first time; its TTL runs from `now`.
    #[must_use]
    pub const fn new(
        origin: Origin,
        policy: RetryPolicy,
        lifetime: Lifetime,
        has_topic: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            origin,
            policy,
            lifetime,
            has_topic,
            started: now,
            runs: true,
            made: 0,
            repeats: 0,
            token_renewed: false,
            left: 0,
            clock_skew: None,
            last: None,
        }
    }

    /// The same for a message that waits for its turn: its TTL runs from its first attempt, or from the moment when it
    /// could have been sent but for its origin.
    #[must_use]
    pub(crate) const fn in_stock(mut self) -> Self {
        self.runs = false;
        self
    }

    /// Lets the TTL run from now, unless it does already.
    const fn start(&mut self, now: Timestamp) {
        if !self.runs {
            self.started = now;
            self.runs = true;
        }
    }

    /// Counts an attempt and gives the TTL to send: what is left of the message's own, in whole seconds.
    ///
    /// # Errors
    /// The outcome, when nothing is left.
    pub fn begin(&mut self, now: Timestamp) -> Result<Ttl, Box<Outcome>> {
        self.start(now);
        let first = now <= self.started || (self.made == self.left && now.since(self.started) < FIRST_WITHIN);
        let late = self.lifetime.deadline.is_some_and(|deadline| now >= deadline);
        // A first attempt at once is in time even with a TTL of zero: now or never.
        if late || (!first && now >= self.expiry()) {
            return Err(Box::new(self.given_up()));
        }
        self.made = self.made.saturating_add(1);
        let left = self.expiry().since(now.max(self.started));
        Ok(if first && self.lifetime.deadline.is_none() {
            self.lifetime.ttl
        } else {
            Ttl::seconds(left.as_secs()).min(self.lifetime.ttl)
        })
    }

    /// Decides what follows from an answer, or from its absence.
    #[must_use]
    pub fn next(&mut self, result: Result<Answer, TransportError>, now: Timestamp, chance: Chance) -> Step {
        self.decide(result, now, || chance)
    }

    /// Like [`Attempts::next`]; the chance is drawn only when something is to be waited for.
    #[must_use]
    pub fn decide(
        &mut self,
        result: Result<Answer, TransportError>,
        now: Timestamp,
        chance: impl FnOnce() -> Chance,
    ) -> Step {
        match result {
            Ok(answer) => self.answered(answer, now, chance),
            Err(error) => self.failed(error, now, chance),
        }
    }

    /// Decides what to do while the origin's breaker is open until `until`; counts as a repeat.
    ///
    /// The wait is drawn past `until`, so that one message probes and the others find its result.
    #[must_use]
    pub fn postpone(
        &mut self,
        until: Timestamp,
        status: Option<u16>,
        now: Timestamp,
        chance: Chance,
    ) -> Step {
        self.note_origin(until, status);
        let slack = chance.of(self.bound());
        self.repeat_at(until.after(slack), now)
    }

    /// Notes that nothing can be sent to the origin until `until`; gives the outcome when the message cannot wait so
    /// long. Other than [`Attempts::postpone`] it is no repeat: the origin asked everybody to wait.
    pub(crate) fn hold(&mut self, until: Timestamp, status: Option<u16>, now: Timestamp) -> Option<Outcome> {
        self.start(now);
        if self.is_alive(until) {
            return None;
        }
        Some(self.abandon(until, status))
    }

    /// The outcome of a message whose origin has failed for so long that waiting on has no point.
    pub(crate) fn abandon(&mut self, until: Timestamp, status: Option<u16>) -> Outcome {
        self.note_origin(until, status);
        self.given_up()
    }

    /// What the origin's state says, unless this message has an answer of its own.
    fn note_origin(&mut self, until: Timestamp, status: Option<u16>) {
        self.last.get_or_insert_with(|| match status {
            Some(status) => {
                Last::Busy { status, not_before: Some(until), said: super::vendor::Reason::default() }
            }
            None => Last::Unreachable { phase: Phase::Connect, problem: Problem::Closed },
        });
    }

    /// The outcome if nothing more is tried, for instance because the retry budget is spent.
    #[must_use]
    pub fn given_up(&self) -> Outcome {
        let (origin, attempts) = (self.origin.clone(), self.made);
        match &self.last {
            Some(Last::Busy { status, not_before, said }) => Outcome::Deferred(Deferred {
                origin,
                status: *status,
                not_before: *not_before,
                code: said.code.clone(),
                text: said.text.clone(),
                attempts,
            }),
            Some(Last::Unanswered { phase, problem }) => {
                Outcome::Unanswered(Unanswered { origin, phase: *phase, problem: *problem, attempts })
            }
            Some(Last::Unreachable { phase, problem }) => {
                self.unsent(UnsentReason::Unreachable { phase: *phase, problem: *problem })
            }
            None => self.unsent(UnsentReason::Expired),
        }
    }

    /// The outcome when the run ends before the next attempt.
    pub(crate) fn stopped(&self) -> Outcome {
        if self.last.is_some() { self.given_up() } else { self.unsent(UnsentReason::Stopped) }
    }

    /// True before anything was tried or waited for.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.made == 0 && self.repeats == 0
    }

    /// How many requests were made.
    #[must_use]
    pub const fn made(&self) -> u32 {
        self.made
    }

    fn answered(&mut self, answer: Answer, now: Timestamp, chance: impl FnOnce() -> Chance) -> Step {
        let (origin, attempts) = (self.origin.clone(), self.made);
        Step::Done(match answer {
            Answer::Accepted { status, message_resource, ttl, receipt_subscription } => {
                Outcome::Accepted(Accepted {
                    origin,
                    status,
                    message_resource,
                    ttl,
                    receipt_subscription,
                    attempts,
                })
            }
            Answer::Gone { status } => Outcome::Gone(Gone { origin, status: Some(status), attempts }),
            Answer::Refused { status, reason, said, clock } => {
                if let Some(theirs) = clock {
                    self.clock_skew = Some(skew(theirs, now));
                    if !self.token_renewed && self.is_alive(now) {
                        self.token_renewed = true;
                        return Step::NewToken(theirs);
                    }
                }
                Outcome::Refused(Refused {
                    origin,
                    status,
                    reason,
                    code: said.code,
                    text: said.text,
                    clock_skew: self.clock_skew,
                    attempts,
                })
            }
            Answer::Deferred { status, retry_after, said } => {
                let (least, longest) = self.policy.retry_after;
                let told = retry_after.map(|wait| now.after(wait.max(least).min(longest)));
                self.last = Some(Last::Busy { status, not_before: told, said });
                let at = told.unwrap_or_else(|| now.after(chance().of(self.bound())));
                return self.repeat_at(at, now);
            }
        })
    }

    fn failed(&mut self, error: TransportError, now: Timestamp, chance: impl FnOnce() -> Chance) -> Step {
        let again = match error {
            TransportError::AddressNotAllowed(class) => {
                return Step::Done(self.unsent(UnsentReason::Invalid(Invalid::AddressNotAllowed(class))));
            }
            TransportError::PortNotAllowed(port) => {
                return Step::Done(self.unsent(UnsentReason::Invalid(Invalid::PortNotAllowed(port))));
            }
            TransportError::Unreachable { phase, problem } => {
                // A repeat that never left does not make an earlier, unanswered one unsent.
                if !matches!(self.last, Some(Last::Unanswered { .. })) {
                    self.last = Some(Last::Unreachable { phase, problem });
                }
                true
            }
            TransportError::Unanswered { phase, problem } => {
                self.last = Some(Last::Unanswered { phase, problem });
                match self.policy.unanswered {
                    RepeatUnanswered::Always => true,
                    RepeatUnanswered::Never => false,
                    RepeatUnanswered::WithTopic => self.has_topic,
                }
            }
        };
        if error.is_of_connection() && self.left < LEAVING {
            self.left += 1;
            return Step::Again;
        }
        if again && error.is_worth_retrying() {
            self.repeat_at(now.after(chance().of(self.bound())), now)
        } else {
            Step::Done(self.given_up())
        }
    }

    /// Waits until `at` if a repeat is left and the message is still alive then.
    fn repeat_at(&mut self, at: Timestamp, now: Timestamp) -> Step {
        let at = at.max(now);
        let is_late = self.policy.within.is_some_and(|within| at.since(self.started) > within);
        if self.repeats >= self.policy.retries || is_late || !self.is_alive(at) {
            return Step::Done(self.given_up());
        }
        self.repeats += 1;
        Step::RetryAt(at)
    }

    /// The bound of the next wait.
    fn bound(&self) -> Duration {
        let doubled = self.policy.first_wait.saturating_mul(1_u32 << self.repeats.min(20));
        doubled.min(self.policy.longest_wait)
    }

    fn expiry(&self) -> Timestamp {
        let expiry = self.started.expiry(self.lifetime.ttl);
        self.lifetime.deadline.map_or(expiry, |deadline| deadline.min(expiry))
    }

    fn is_alive(&self, at: Timestamp) -> bool {
        at < self.expiry()
    }

    fn unsent(&self, reason: UnsentReason) -> Outcome {
        Outcome::Unsent(Unsent { origin: self.origin.clone(), reason, attempts: self.made })
    }
}

/// How many seconds `theirs` is ahead of `ours`.
fn skew(theirs: Timestamp, ours: Timestamp) -> i64 {
    let ahead = i64::try_from(theirs.since(ours).as_secs()).unwrap_or(i64::MAX);
    let behind = i64::try_from(ours.since(theirs).as_secs()).unwrap_or(i64::MAX);
    if ahead > 0 { ahead } else { -behind }
}

#[cfg(test)]
mod tests;
