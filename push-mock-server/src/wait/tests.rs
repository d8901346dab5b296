use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{Instant, advance},
};

use super::{
    drive::{Watch, verify_all, wait_for},
    judge::{conclude, judge_expected},
    *,
};
use crate::{matcher::tests::any_json, sample::sample, service::exchange::State};

fn request(value: &Value) -> WaitRequest {
    WaitRequest::from_value(value).unwrap()
}

fn expected(request: &WaitRequest) -> Expected<'_> {
    Expected { matcher: &request.matcher, count: request.count, since: request.since }
}

#[test]
fn a_request_has_defaults() {
    let request = request(&json!({}));

    assert_eq!(request.count, Count::at_least(1));
    assert_eq!(request.timeout, Duration::from_secs(5));
    assert_eq!((request.since, request.settle, request.space), (0, Duration::ZERO, None));
}

#[test]
fn counts_are_read_in_every_form() {
    let check = |value: Value, expected: &str| {
        let text = match WaitRequest::from_value(&json!({"count": value})) {
            Ok(request) => request.count.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(text, expected, "{value}");
    };

    check(json!(2), "exactly 2");
    check(json!({"exact": 2}), "exactly 2");
    check(json!({"min": 1, "max": 1}), "exactly 1");
    check(json!({"min": 2}), "at least 2");
    check(json!({"max": 0}), "none");
    check(json!(0), "none");
    check(json!({"max": 3}), "at most 3");
    check(json!({"min": 1, "max": 3}), "1 to 3");
    check(json!({}), "/count: no limit is given; name min, max or exact");
    check(json!({"min": 2, "max": 1}), "/count: min 2 is greater than max 1; exchange the two");
    check(json!({"exact": 2, "max": 1}), "/count/exact: goes with neither min nor max; leave them out");
    check(json!("1"), "/count: expected an object, was \"1\"");
    check(json!(1.5), "/count: expected a whole number of 0 or more, was 1.5");
}

#[test]
fn errors_name_their_place() {
    let check = |value: Value, expected: &str| {
        assert_eq!(WaitRequest::from_value(&value).unwrap_err().to_string(), expected);
    };

    check(json!({"match": {"ttl": "60"}}), "/match/ttl: expected an object, was \"60\"");
    check(
        json!({"timeuot": "5s"}),
        "/timeuot: unknown member; did you mean \"timeout\"? known are match, count, timeout, since, settle, space",
    );
    check(
        json!({"timeout": "600s1ms"}),
        "/timeout: 10 m 1 ms is longer than the 10 m allowed; use a shorter one",
    );
    let error = VerifyRequest::from_value(&json!({"expect": [{"match": {"state": "x"}}]})).unwrap_err();
    assert_eq!(error.pointer(), "/expect/0/match/state");
    for value in [json!({}), json!({"expect": []}), json!({"expect": {}})] {
        assert_eq!(VerifyRequest::from_value(&value).unwrap_err().pointer(), "/expect");
    }
}

/// The longest wait at one below, at, and one above.
#[test]
fn a_wait_takes_ten_minutes_at_most() {
    let check = |timeout: &str, fits| {
        assert_eq!(WaitRequest::from_value(&json!({"timeout": timeout})).is_ok(), fits, "{timeout}");
    };

    check("9m59s999ms", true);
    check("10m", true);
    check("10m1ms", false);
}

/// `wait_longest` and `wait_default` are those of the service, for `/wait` and `/verify`.
#[test]
fn the_times_of_a_wait_are_limits() {
    let limits = Limits {
        wait_longest: Duration::from_secs(2),
        wait_default: Duration::from_millis(1500),
        ..Limits::default()
    };
    let check = |timeout: &str, fits| {
        let wait = json!({"timeout": timeout});
        let settle = json!({"settle": timeout});
        let verify = json!({"expect": [{}], "timeout": timeout});
        assert_eq!(WaitRequest::within(&limits, &wait).is_ok(), fits, "{timeout}");
        assert_eq!(WaitRequest::within(&limits, &settle).is_ok(), fits, "{timeout}");
        assert_eq!(VerifyRequest::within(&limits, &verify).is_ok(), fits, "{timeout}");
    };

    check("1999ms", true);
    check("2s", true);
    check("2001ms", false);
    let untold = |limits: &Limits| WaitRequest::within(limits, &json!({})).unwrap().timeout;
    assert_eq!(untold(&limits), Duration::from_millis(1500));
    let longer = Limits { wait_default: Duration::from_secs(3), ..limits };
    assert_eq!(untold(&longer), Duration::from_secs(2));
}

#[test]
fn the_judgement_counts_what_matches_now() {
    let alice = [sample(3, "alice").build(), sample(2, "alice").build(), sample(1, "bob").build()];
    let check = |value: Value, expected| {
        let mut value = value;
        value["match"] = json!({"to": "alice"});
        assert_eq!(judge(&alice, &request(&value)), expected, "{value}");
    };

    check(json!({}), Judgement::Enough);
    check(json!({"count": 1}), Judgement::Surplus);
    check(json!({"count": 2}), Judgement::Enough);
    check(json!({"count": 3}), Judgement::Short);
    check(json!({"count": {"max": 0}}), Judgement::Surplus);
    check(json!({"count": 1, "since": 2}), Judgement::Enough);
    check(json!({"since": 3}), Judgement::Short);
    check(json!({"count": {"max": 0}, "since": 3}), Judgement::Enough);
}

#[test]
fn the_conclusion_has_the_messages_in_order_and_the_cursor() {
    let all = [sample(3, "alice").build(), sample(4, "bob").build(), sample(2, "alice").build()];
    let request = request(&json!({"match": {"to": "alice"}}));
    let met = conclude(&all, &expected(&request), Duration::ZERO).unwrap();

    assert_eq!(met.messages.iter().map(|exchange| exchange.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(met.cursor, 4);
    assert_eq!(met.to_json(&View::new(""))["messages"][1]["seq"], 3);
}

fn headline(value: &Value, all: &[Arc<Exchange>], waited: Duration) -> String {
    let request = request(value);
    conclude(all, &expected(&request), waited).unwrap_err().report.headline().to_owned()
}

#[test]
fn headlines_say_how_many_and_how_long() {
    let all = [sample(1, "alice").build(), sample(2, "alice").build()];
    let five = Duration::from_secs(5);
    let check = |value: Value, waited, expected: &str| assert_eq!(headline(&value, &all, waited), expected);

    check(json!({"match": {"to": "bob"}}), five, "nothing matched within 5 s: to bob");
    check(json!({"match": {"to": "bob"}}), Duration::ZERO, "nothing matched: to bob");
    check(json!({"count": 3}), five, "2 of 3 matched within 5 s: any message");
    check(json!({"count": 1}), five, "2 messages matched, at most 1 was expected: any message");
    check(json!({"count": 0}), five, "2 messages matched, none was expected: any message");
}

/// A space that changes when the test says so.
#[derive(Clone)]
struct Scripted {
    messages: Arc<Mutex<Vec<Arc<Exchange>>>>,
    changed: watch::Sender<()>,
    receiver: watch::Receiver<()>,
}

impl Scripted {
    fn new(messages: Vec<Arc<Exchange>>) -> Self {
        let (changed, receiver) = watch::channel(());
        Self { messages: Arc::new(Mutex::new(messages)), changed, receiver }
    }

    fn set(&self, messages: Vec<Arc<Exchange>>) {
        *self.messages.lock().unwrap() = messages;
        self.changed.send_replace(());
    }
}

impl Watch for Scripted {
    async fn exchanges(&mut self) -> Result<Vec<Arc<Exchange>>, ServiceError> {
        Ok(self.messages.lock().unwrap().clone())
    }

    async fn changed(&mut self) {
        self.receiver.changed().await.unwrap();
    }
}

/// Waits, while the script goes on; gives the result and the time it took.
async fn run(
    value: Value,
    script: impl AsyncFnOnce(Scripted),
    before: Vec<Arc<Exchange>>,
) -> (Result<Met, WaitError>, Duration) {
    let space = Scripted::new(before);
    let mut watch = space.clone();
    let start = Instant::now();
    let waiter = tokio::spawn(async move {
        let request = request(&value);
        let result = wait_for(&mut watch, &expected(&request), request.timeout, request.settle).await;
        (result, start.elapsed())
    });
    script(space).await;
    waiter.await.unwrap()
}

async fn pass(time: Duration) {
    tokio::task::yield_now().await;
    advance(time).await;
    tokio::task::yield_now().await;
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn what_is_there_already_is_met_at_once() {
    let (result, took) = run(json!({}), async |_| {}, vec![sample(1, "alice").build()]).await;

    assert_eq!((result.unwrap().messages.len(), took), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_later_is_waited_for() {
    let script = async |space: Scripted| {
        pass(700 * MS).await;
        space.set(vec![sample(1, "bob").build()]);
        pass(200 * MS).await;
        space.set(vec![sample(1, "bob").build(), sample(2, "alice").build()]);
    };
    let (result, took) = run(json!({"match": {"to": "alice"}}), script, vec![]).await;

    assert_eq!((result.unwrap().cursor, took), (2, 900 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_state_is_waited_for() {
    let script = async |space: Scripted| {
        pass(100 * MS).await;
        space.set(vec![sample(1, "alice").build()]);
    };
    let before = vec![sample(1, "alice").state(State::Queued, Some("offline")).build()];
    let (result, took) = run(json!({"match": {"state": "acknowledged"}}), script, before).await;

    assert_eq!((result.is_ok(), took), (true, 100 * MS));
}

#[tokio::test(start_paused = true)]
async fn the_time_is_over_at_the_timeout() {
    let (result, took) = run(json!({"timeout": "300ms"}), async |_| {}, vec![]).await;

    assert_eq!(took, 300 * MS);
    assert_eq!(
        result.unwrap_err().to_string(),
        "nothing matched within 300 ms: any message\n  No message arrived."
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_of_zero_looks_once() {
    let (result, took) = run(json!({"timeout": "0s"}), async |_| {}, vec![]).await;

    assert_eq!((result.is_err(), took), (true, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn silence_takes_the_whole_time() {
    let (result, took) = run(json!({"count": {"max": 0}, "timeout": "2s"}), async |_| {}, vec![]).await;

    assert_eq!((result.is_ok(), took), (true, 2000 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_message_breaks_the_silence_at_once() {
    let script = async |space: Scripted| {
        pass(500 * MS).await;
        space.set(vec![sample(1, "alice").build()]);
    };
    let (result, took) = run(json!({"count": 0, "timeout": "2s"}), script, vec![]).await;

    assert_eq!(took, 500 * MS);
    insta::assert_snapshot!(result.unwrap_err(), @r#"
    1 message matched, none was expected: any message
        0001  alice  201 acknowledged  ttl 3600  "Hello"
    "#);
}

#[tokio::test(start_paused = true)]
async fn settling_waits_for_surplus() {
    let value = json!({"count": 1, "settle": "100ms"});
    let before = vec![sample(1, "alice").build()];
    let surplus = |after: Duration| {
        async move |space: Scripted| {
            pass(after.min(100 * MS)).await;
            pass(after.saturating_sub(100 * MS)).await;
            space.set(vec![sample(1, "alice").build(), sample(2, "alice").build()]);
        }
    };

    let (result, took) = run(value.clone(), surplus(99 * MS), before.clone()).await;
    assert_eq!((result.is_err(), took), (true, 99 * MS));

    let (result, took) = run(value.clone(), surplus(101 * MS), before.clone()).await;
    assert_eq!((result.is_ok(), took), (true, 100 * MS));

    let (result, took) = run(json!({"count": 1}), async |_| {}, before).await;
    assert_eq!((result.is_ok(), took), (true, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_adds_nothing_does_not_prolong_settling() {
    let value = json!({"match": {"to": "alice"}, "count": 1, "settle": "100ms"});
    let script = async |space: Scripted| {
        pass(60 * MS).await;
        space.set(vec![sample(1, "alice").build(), sample(2, "bob").build()]);
    };
    let (result, took) = run(value, script, vec![sample(1, "alice").build()]).await;

    assert_eq!((result.is_ok(), took), (true, 100 * MS));
}

fn verify(value: &Value, all: &[Arc<Exchange>]) -> Result<Vec<u64>, String> {
    let request = VerifyRequest::from_value(value).unwrap();
    let result = ExpectedAll::of(&request).conclude(all, request.timeout);
    result
        .map(|met| met.messages.iter().map(|exchange| exchange.seq).collect())
        .map_err(|not_met| not_met.report.to_string())
}

#[test]
fn several_expectations_hold_together() {
    let all = [sample(2, "bob").build(), sample(1, "alice").build(), sample(3, "bob").build()];
    let both = json!([{"match": {"to": "alice"}, "count": 1}, {"match": {"to": "bob"}}]);

    assert_eq!(verify(&json!({"expect": both}), &all), Ok(vec![1, 2, 3]));
    assert_eq!(verify(&json!({"expect": both, "ordered": true, "noOthers": true}), &all), Ok(vec![1, 2, 3]));
}

#[test]
fn what_does_not_hold_is_told_together() {
    let all = [
        sample(1, "bob").build(),
        sample(2, "alice").build(),
        sample(3, "carol").refused(404, "subscription/gone").build(),
    ];
    let value = json!({
        "expect": [{"match": {"to": "alice"}}, {"match": {"to": "bob"}}, {"match": {"topic": "score"}}],
        "ordered": true,
        "noOthers": true,
    });

    insta::assert_snapshot!(verify(&value, &all).unwrap_err(), @r#"
    nothing matched: topic score
      3 messages arrived. Closest: 0002, 0 of 1 condition
        ✗ topic  expected score   was absent
      Next: 0001, 0 of 1 condition
        ✗ topic  expected score   was absent
      Next: 0003, 0 of 2 conditions
        ✗ state  expected accepted   was refused (404 subscription/gone)
        ✗ topic  expected score   was absent
    out of order: expectation 2 (to bob) first matched 0001, which is not after 0002, the first match of expectation 1 (to alice)
        0002  alice  201 acknowledged  ttl 3600  "Hello"
        0001  bob  201 acknowledged  ttl 3600  "Hello"
    1 message was matched by no expectation
        0003  carol  404 refused (subscription/gone)  "Hello"
    "#);
}

#[test]
fn one_message_cannot_come_before_itself() {
    let all = [sample(1, "alice").build()];
    let value = json!({"expect": [{"match": {"to": "alice"}}, {"match": {"ttl": 3600}}], "ordered": true});

    assert!(verify(&value, &all).unwrap_err().starts_with("out of order: expectation 2 (ttl 3600)"));
}

#[tokio::test(start_paused = true)]
async fn verification_waits_for_the_last_expectation() {
    let space = Scripted::new(vec![sample(1, "alice").build()]);
    let mut watch = space.clone();
    let value = json!({"expect": [{"match": {"to": "alice"}}, {"match": {"to": "bob"}}], "timeout": "1s"});
    let start = Instant::now();
    let waiter = tokio::spawn(async move {
        let request = VerifyRequest::from_value(&value).unwrap();
        verify_all(&mut watch, &ExpectedAll::of(&request), request.timeout).await
    });
    pass(400 * MS).await;
    space.set(vec![sample(1, "alice").build(), sample(2, "bob").build()]);

    assert_eq!((waiter.await.unwrap().unwrap().messages.len(), start.elapsed()), (2, 400 * MS));
}

proptest! {
    #[test]
    fn reading_requests_never_panics(value in any_json()) {
        for error in [WaitRequest::from_value(&value).err(), VerifyRequest::from_value(&value).err()] {
            prop_assert!(error.is_none_or(|error| !error.problem().is_empty()));
        }
    }

    /// A count is met exactly when its number is between its limits.
    #[test]
    fn judging_is_counting(present in 0_u64..6, min in 0_u64..4, more in proptest::option::of(0_u64..4)) {
        let all: Vec<_> = (1..=present).map(|seq| sample(seq, "alice").build()).collect();
        let count = more.map_or(Count::at_least(min), |more| Count::between(min, min + more).unwrap());
        let matcher = Match::default();
        let expected = Expected { matcher: &matcher, count, since: 0 };
        let judgement = judge_expected(&all, &expected);

        prop_assert_eq!(judgement == Judgement::Short, present < min);
        prop_assert_eq!(judgement == Judgement::Surplus, more.is_some_and(|more| present > min + more));
        prop_assert_eq!(conclude(&all, &expected, Duration::ZERO).is_ok(), judgement == Judgement::Enough);
    }
}
