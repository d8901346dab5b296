use proptest::prelude::*;

use super::*;
use crate::proto::vendor::Reason;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);
const HALF: Chance = Chance(1 << 31);

fn attempts(ttl: u64, topic: bool) -> Attempts {
    let lifetime = Lifetime { ttl: Ttl::seconds(ttl), deadline: None };
    Attempts::new("https://push.example".parse().unwrap(), RetryPolicy::default(), lifetime, topic, NOW)
}

fn busy(retry_after: Option<u64>) -> Result<Answer, TransportError> {
    Ok(Answer::Deferred {
        status: 503,
        retry_after: retry_after.map(Duration::from_secs),
        said: Reason::default(),
    })
}

fn refused(clock: Option<Timestamp>) -> Result<Answer, TransportError> {
    let reason = crate::outcome::RefusedReason::Vapid;
    Ok(Answer::Refused { status: 403, reason, said: Reason::default(), clock })
}

const LOST: TransportError = TransportError::Unanswered { phase: Phase::Headers, problem: Problem::TimedOut };
const DOWN: TransportError =
    TransportError::Unreachable { phase: Phase::Connect, problem: Problem::ConnectionRefused };

fn after(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

#[test]
fn waits_are_drawn_from_zero_to_a_bound_that_doubles() {
    let mut attempts = attempts(3600, false);
    for expected in [500, 1000, 2000] {
        attempts.begin(NOW).unwrap();
        let step = attempts.next(busy(None), NOW, HALF);
        assert_eq!(step, Step::RetryAt(NOW.after(Duration::from_millis(expected))));
    }

    attempts.begin(NOW).unwrap();
    let Step::Done(Outcome::Deferred(deferred)) = attempts.next(busy(None), NOW, HALF) else { panic!() };

    assert_eq!((deferred.status, deferred.attempts, deferred.not_before), (503, 4, None));
}

#[test]
fn the_bound_of_a_wait_stops_growing() {
    let mut attempts = attempts(100_000, false);
    attempts.policy.retries = 64;
    for _ in 0..64 {
        let Step::RetryAt(at) = attempts.next(busy(None), NOW, Chance(u32::MAX)) else { panic!() };
        assert!(at < after(60));
    }
}

#[test]
fn no_repeat_is_later_than_the_time_for_repeats() {
    let last = |seconds| {
        let mut attempts = attempts(3600, false);
        attempts.policy.within = Some(Duration::from_secs(30));
        attempts.next(busy(Some(seconds)), NOW, HALF)
    };

    assert_eq!(last(30), Step::RetryAt(after(30)));
    assert!(matches!(last(31), Step::Done(Outcome::Deferred(_))));
}

/// AS-016: `Retry-After` wins, and absurd values are clamped to 1 s … 1 h.
#[test]
fn retry_after_wins_and_is_clamped() {
    let check = |value, expected| {
        let step = attempts(100_000, false).next(busy(Some(value)), NOW, HALF);
        assert_eq!(step, Step::RetryAt(after(expected)), "{value}");
    };

    check(0, 1);
    check(1, 1);
    check(5, 5);
    check(3600, 3600);
    check(3601, 3600);
    check(1_000_000_000, 3600);
}

#[test]
fn a_wait_past_the_ttl_ends_the_attempts() {
    let end = |ttl, wait| attempts(ttl, false).next(busy(Some(wait)), NOW, HALF);

    assert_eq!(end(6, 5), Step::RetryAt(after(5)));
    let Step::Done(Outcome::Deferred(deferred)) = end(5, 5) else { panic!() };
    assert_eq!(deferred.not_before, Some(after(5)));
    assert!(matches!(end(0, 1), Step::Done(Outcome::Deferred(_))));
}

fn is_expired(begun: Result<Ttl, Box<Outcome>>) -> bool {
    let expired = |outcome: Box<Outcome>| matches!(*outcome, Outcome::Unsent(unsent) if unsent.reason == UnsentReason::Expired);
    begun.is_err_and(expired)
}

/// AS-008, AS-009
#[test]
fn the_ttl_sent_shrinks_by_the_time_spent() {
    let mut attempts = attempts(60, false);

    assert_eq!(attempts.begin(NOW), Ok(Ttl::seconds(60)));
    assert_eq!(attempts.begin(NOW.after(Duration::from_millis(1))), Ok(Ttl::seconds(59)));
    assert_eq!(attempts.begin(after(20)), Ok(Ttl::seconds(40)));
    assert_eq!(attempts.begin(NOW.after(Duration::from_millis(59_999))), Ok(Ttl::ZERO));
    assert!(is_expired(attempts.begin(after(60))));
}

#[test]
fn a_ttl_of_zero_is_sent_once_and_at_once() {
    let mut attempts = attempts(0, true);

    assert_eq!(attempts.begin(NOW), Ok(Ttl::ZERO));
    assert!(matches!(attempts.next(Err(LOST), NOW, Chance(0)), Step::Done(Outcome::Unanswered(_))));
    assert!(attempts.begin(NOW.after(Duration::from_millis(1))).is_err());
}

/// AS-009: with a deadline, TTL = deadline - now, and an elapsed deadline is not sent.
#[test]
fn a_deadline_shortens_the_ttl() {
    let with = |ttl, deadline| {
        let lifetime = Lifetime { ttl: Ttl::seconds(ttl), deadline: Some(after(deadline)) };
        let origin = "https://push.example".parse().unwrap();
        Attempts::new(origin, RetryPolicy::default(), lifetime, false, NOW).begin(NOW)
    };

    assert_eq!(with(3600, 60), Ok(Ttl::seconds(60)));
    assert_eq!(with(30, 60), Ok(Ttl::seconds(30)));
    assert!(is_expired(with(3600, 0)));
}

#[test]
fn only_a_topic_or_a_wish_repeats_an_unanswered_request() {
    let check = |topic, unanswered, again| {
        let mut attempts = attempts(60, topic);
        attempts.policy.unanswered = unanswered;
        let step = attempts.next(Err(LOST), NOW, HALF);
        assert_eq!(matches!(step, Step::RetryAt(_)), again, "{topic} {unanswered:?}");
    };

    check(false, RepeatUnanswered::WithTopic, false);
    check(true, RepeatUnanswered::WithTopic, true);
    check(false, RepeatUnanswered::Always, true);
    check(true, RepeatUnanswered::Never, false);
}

#[test]
fn a_failed_repeat_does_not_make_an_unanswered_message_unsent() {
    let mut attempts = attempts(60, true);
    let _ = attempts.next(Err(LOST), NOW, HALF);
    for _ in 0..2 {
        let _ = attempts.next(Err(DOWN), NOW, HALF);
    }

    assert!(matches!(attempts.next(Err(DOWN), NOW, HALF), Step::Done(Outcome::Unanswered(_))));
}

#[test]
fn what_will_fail_again_is_not_repeated() {
    use crate::transport::{AddressClass, CertificateProblem};
    let check = |error| match attempts(60, true).next(Err(error), NOW, HALF) {
        Step::Done(Outcome::Unsent(unsent)) => unsent.reason.as_str(),
        other => panic!("{other:?}"),
    };

    assert_eq!(check(TransportError::AddressNotAllowed(AddressClass::Loopback)), "invalid");
    assert_eq!(check(TransportError::PortNotAllowed(22)), "invalid");
    let problem = Problem::Certificate(CertificateProblem::Expired);
    assert_eq!(check(TransportError::Unreachable { phase: Phase::Tls, problem }), "unreachable");
    let problem = Problem::ProxyRefused(403);
    assert_eq!(check(TransportError::Unreachable { phase: Phase::Proxy, problem }), "unreachable");
}

/// T10: one new token, for the time of the push service.
#[test]
fn a_refusal_that_names_the_clock_gets_one_new_token() {
    let mut attempts = attempts(60, false);
    let theirs = after(7200);
    attempts.begin(NOW).unwrap();

    assert_eq!(attempts.next(refused(Some(theirs)), NOW, HALF), Step::NewToken(theirs));
    attempts.begin(NOW).unwrap();
    let Step::Done(Outcome::Refused(end)) = attempts.next(refused(Some(theirs)), NOW, HALF) else { panic!() };

    assert_eq!((end.attempts, end.clock_skew), (2, Some(7200)));
}

/// AS-004, AS-028
#[test]
fn gone_and_refused_are_final() {
    let gone = attempts(60, true).next(Ok(Answer::Gone { status: 404 }), NOW, HALF);
    assert!(matches!(gone, Step::Done(Outcome::Gone(Gone { status: Some(404), .. }))));
    assert!(matches!(attempts(60, true).next(refused(None), NOW, HALF), Step::Done(Outcome::Refused(_))));
}

#[test]
fn a_message_before_an_open_breaker_waits_past_it_or_is_deferred() {
    let mut waiting = attempts(60, false);
    assert_eq!(
        waiting.postpone(after(2), Some(503), NOW, HALF),
        Step::RetryAt(NOW.after(Duration::from_millis(2500)))
    );

    let Step::Done(Outcome::Deferred(deferred)) = attempts(1, false).postpone(after(2), Some(503), NOW, HALF)
    else {
        panic!()
    };
    assert_eq!((deferred.attempts, deferred.not_before), (0, Some(after(2))));
    assert!(matches!(attempts(1, false).postpone(after(2), None, NOW, HALF), Step::Done(Outcome::Unsent(_))));
}

#[derive(Clone, Debug)]
enum Event {
    Busy(Option<u64>),
    Down,
    Lost,
    Clock(u64),
    Breaker(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        proptest::option::of(any::<u64>()).prop_map(Event::Busy),
        proptest::option::of(0..100_u64).prop_map(Event::Busy),
        Just(Event::Down),
        Just(Event::Lost),
        any::<u64>().prop_map(Event::Clock),
        (0..100_u64).prop_map(Event::Breaker),
    ]
}

proptest! {
    /// Invariant: no attempt starts at or past the message's expiry (but the first, at once), nor before
    /// `Retry-After`, and the TTL sent never reaches past it.
    #[test]
    fn no_attempt_starts_past_the_ttl_nor_before_retry_after(
        ttl in prop_oneof![0..200_u64, any::<u64>()],
        topic: bool,
        deadline in proptest::option::of(0..200_u64),
        events in proptest::collection::vec((event(), any::<u32>(), 0..5_000_u64), 0..12),
    ) {
        let ttl = Ttl::seconds(ttl);
        let deadline = deadline.map(after);
        let origin = "https://push.example".parse().unwrap();
        let mut attempts =
            Attempts::new(origin, RetryPolicy::default(), Lifetime { ttl, deadline }, topic, NOW);
        let expiry = deadline.map_or(NOW.expiry(ttl), |deadline| deadline.min(NOW.expiry(ttl)));
        let (mut now, mut count) = (NOW, 0);
        for (event, chance, delay) in events {
            match attempts.begin(now) {
                Err(_) => { prop_assert!(now >= expiry); break }
                Ok(sent) => {
                    count += 1;
                    prop_assert!(now < expiry || (count == 1 && ttl.is_zero() && now == NOW));
                    prop_assert!(now.expiry(sent) <= expiry && sent <= ttl);
                }
            }
            now = now.after(Duration::from_millis(delay));
            let chance = Chance(chance);
            let (step, least) = match event {
                Event::Busy(wait) => {
                    let least = wait.map_or(0, |wait| wait.clamp(1, 3600));
                    (attempts.next(busy(wait), now, chance), least)
                }
                Event::Down => (attempts.next(Err(DOWN), now, chance), 0),
                Event::Lost => (attempts.next(Err(LOST), now, chance), 0),
                Event::Clock(theirs) => {
                    (attempts.next(refused(Some(Timestamp::from_unix_millis(theirs))), now, chance), 0)
                }
                Event::Breaker(wait) => {
                    (attempts.postpone(now.after(Duration::from_secs(wait)), Some(503), now, chance), wait)
                }
            };
            match step {
                Step::Done(_) => break,
                Step::NewToken(_) | Step::Again => {}
                Step::RetryAt(at) => {
                    prop_assert!(at >= now.after(Duration::from_secs(least)) && at < expiry);
                    now = at;
                }
            }
        }
        prop_assert!(count <= 5, "3 repeats and one new token");
    }
}
