//! The pipeline of `send_all` under paused time: origins that are slow, dead, or ask for rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response};
use push_client::{
    BulkOptions, Outcome, PushClient, PushMessage, Subscription, Timer, Timestamp, Transport, TransportError,
    Ttl,
    transport::{HttpVersion, Phase, Problem},
};
use push_mock_server::MockServer;
use tokio::time::Instant;

use crate::support::{local, without_keys};

/// Time that runs with tokio's, and so stands still while anything can be done.
#[derive(Clone, Copy)]
struct Virtual(Instant);

impl Virtual {
    fn start() -> Self {
        Self(Instant::now())
    }
}

impl Timer for Virtual {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000).after(self.0.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the timer")]
    async fn sleep_until(&self, deadline: Timestamp) {
        tokio::time::sleep(deadline.since(self.now())).await;
    }
}

/// What an origin does with its n-th request, from 0.
type Act = fn(usize) -> (Duration, Result<Response<Bytes>, TransportError>);

/// One request as it arrived.
#[derive(Clone, Debug)]
struct Arrival {
    host: String,
    after: Duration,
    ttl: String,
}

/// Origins by host, each with its own behaviour.
#[derive(Clone)]
struct Hosts {
    started: Instant,
    acts: Arc<BTreeMap<&'static str, Act>>,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    under_way: Arc<Mutex<BTreeMap<String, (usize, usize)>>>,
}

impl Hosts {
    fn new(acts: impl IntoIterator<Item = (&'static str, Act)>) -> Self {
        Self {
            started: Instant::now(),
            acts: Arc::new(acts.into_iter().collect()),
            counts: Arc::default(),
            arrivals: Arc::default(),
            under_way: Arc::default(),
        }
    }

    fn client(&self) -> PushClient {
        PushClient::builder().transport(self.clone()).timer(Virtual::start()).build().unwrap()
    }

    fn arrivals(&self, host: &str) -> Vec<Arrival> {
        self.arrivals.lock().unwrap().iter().filter(|arrival| arrival.host == host).cloned().collect()
    }

    /// The most requests to this host that were under way at once.
    fn most(&self, host: &str) -> usize {
        self.under_way.lock().unwrap().get(host).map_or(0, |(_, most)| *most)
    }
}

impl Transport for Hosts {
    #[expect(clippy::disallowed_methods, reason = "virtual time, which these origins take to answer")]
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let host = request.uri().host().unwrap().to_owned();
        let ttl = request.headers()["ttl"].to_str().unwrap().to_owned();
        self.arrivals.lock().unwrap().push(Arrival {
            host: host.clone(),
            after: self.started.elapsed(),
            ttl,
        });
        let number = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(host.clone()).or_default();
            *count += 1;
            *count - 1
        };
        {
            let mut under_way = self.under_way.lock().unwrap();
            let (now, most) = under_way.entry(host.clone()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        let (wait, result) = self.acts[host.as_str()](number);
        tokio::time::sleep(wait).await;
        self.under_way.lock().unwrap().get_mut(&host).unwrap().0 -= 1;
        result
    }
}

const FOREVER: Duration = Duration::from_secs(1 << 30);

fn status(status: u16) -> Result<Response<Bytes>, TransportError> {
    Ok(Response::builder().status(status).body(Bytes::new()).unwrap())
}

fn rest(seconds: u64) -> Result<Response<Bytes>, TransportError> {
    Ok(Response::builder().status(429).header("retry-after", seconds).body(Bytes::new()).unwrap())
}

fn quick(_: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
    (Duration::from_millis(5), status(201))
}

fn never(_: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
    (FOREVER, status(201))
}

type Item = ((&'static str, usize), Subscription, PushMessage);

fn item(host: &'static str, number: usize, ttl: u64) -> Item {
    let subscription = without_keys(&format!("https://{host}/p/{number}"));
    ((host, number), subscription, PushMessage::tickle(Ttl::seconds(ttl)))
}

/// Messages for each host in turn.
fn mixed(hosts: &'static [&'static str], each: usize, ttl: u64) -> impl Stream<Item = Item> {
    stream::iter((0..each).flat_map(move |number| hosts.iter().map(move |host| item(host, number, ttl))))
}

fn options(change: impl FnOnce(&mut BulkOptions)) -> BulkOptions {
    let mut options = BulkOptions::default();
    change(&mut options);
    options
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_never_answers_does_not_stop_the_others() {
    let hosts = Hosts::new([("dead.example", never as Act), ("good.example", quick)]);
    let client = hosts.client();

    let options = options(|options| options.parked = 4000);
    let outcomes = client.send_all_with(options, mixed(&["dead.example", "good.example"], 4000, 3600));
    let good: Vec<_> = outcomes.take(4000).collect().await;

    assert!(good.iter().all(|((host, _), outcome)| *host == "good.example" && outcome.status() == Some(201)));
    assert_eq!(hosts.most("dead.example"), 32, "its window has not grown");
}

/// `parked`: what waits for a stuck origin is bounded, and only then the reader waits.
#[tokio::test(start_paused = true)]
async fn the_reader_waits_when_all_that_is_parked_is_for_a_stuck_origin() {
    for parked in [0, 1, 100] {
        let hosts = Hosts::new([("dead.example", never as Act), ("good.example", quick)]);
        let taken = Arc::new(AtomicUsize::new(0));
        let items = mixed(&["dead.example"], 1000, 3600).chain(mixed(&["good.example"], 10, 3600)).inspect({
            let taken = Arc::clone(&taken);
            move |_| {
                taken.fetch_add(1, Ordering::SeqCst);
            }
        });
        let options = options(|options| {
            options.max_in_flight = 64;
            options.parked = parked;
        });
        let mut outcomes = hosts.client().send_all_with(options, items);

        let nothing = tokio::time::timeout(Duration::from_secs(60), outcomes.next()).await;

        assert!(nothing.is_err());
        let taken = taken.load(Ordering::SeqCst);
        // A refill is an eighth of what may be under way.
        assert!((64 + parked - 8..=64 + parked).contains(&taken), "{taken} taken, {parked} parked");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_freezes_that_origin_only() {
    fn busy(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        (Duration::from_millis(5), if number == 0 { rest(30) } else { status(201) })
    }
    let hosts = Hosts::new([("busy.example", busy as Act), ("good.example", quick)]);

    let options = options(|options| options.parked = 1000);
    let items = mixed(&["busy.example", "good.example"], 1000, 3600);

    let outcomes: Vec<_> = hosts.client().send_all_with(options, items).collect().await;

    assert_eq!(outcomes.len(), 2000);
    assert!(outcomes.iter().all(|(_, outcome)| outcome.status() == Some(201)));
    let busy = hosts.arrivals("busy.example");
    let early = busy.iter().filter(|arrival| arrival.after < Duration::from_secs(30)).count();
    assert!(early <= 64, "{early}: the first window, and what was sent before the answer came");
    assert!(hosts.arrivals("good.example").iter().all(|arrival| arrival.after < Duration::from_secs(5)));
}

/// `retry_after_least` and `retry_after_longest` hold for the freeze too.
#[tokio::test(start_paused = true)]
async fn a_freeze_is_clamped() {
    fn busy(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        (Duration::ZERO, if number == 0 { rest(1 << 40) } else { status(201) })
    }
    let hosts = Hosts::new([("busy.example", busy as Act)]);

    let outcomes: Vec<_> = hosts.client().send_all(mixed(&["busy.example"], 200, 7200)).collect().await;

    assert!(outcomes.iter().all(|(_, outcome)| outcome.status() == Some(201)));
    let last = hosts.arrivals("busy.example").last().unwrap().after;
    assert!(last >= Duration::from_secs(3600) && last < Duration::from_secs(3610), "{last:?}");
}

/// AS-009: the TTL runs on during a freeze; one that ends meanwhile is not waited for.
#[tokio::test(start_paused = true)]
async fn what_waits_is_sent_with_what_is_left_of_its_ttl() {
    fn busy(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        (Duration::from_millis(1), if number == 0 { rest(30) } else { status(201) })
    }
    let hosts = Hosts::new([("busy.example", busy as Act)]);
    let items = stream::iter((0..300).map(|number| {
        let ttl = [100, 20, 0][number % 3];
        item("busy.example", number, ttl)
    }));
    // Few at once, so that most wait when the freeze comes.
    let options = options(|options| options.per_origin = 4);

    let outcomes: BTreeMap<_, _> = hosts.client().send_all_with(options, items).collect().await;

    assert_eq!(outcomes.len(), 300);
    for ((_, number), outcome) in outcomes {
        match (number % 3, outcome) {
            (0, Outcome::Accepted(_)) => {}
            (1 | 2, Outcome::Deferred(deferred)) => {
                assert_eq!((deferred.status, deferred.attempts <= 1), (429, true))
            }
            (_, Outcome::Accepted(_)) if number <= 4 => {}
            (_, other) => panic!("{number}: {other}"),
        }
    }
    for arrival in hosts.arrivals("busy.example") {
        let late = arrival.after >= Duration::from_secs(30);
        let expected = if late { &["70", "69"][..] } else { &["100", "20", "0"] };
        assert!(expected.contains(&arrival.ttl.as_str()), "{arrival:?}");
    }
}

/// `per_origin` and the window: one below, at, and one above where the window begins.
#[tokio::test(start_paused = true)]
async fn no_more_go_to_one_origin_than_its_window_allows() {
    for per_origin in [0, 1, 31, 32, 33] {
        let hosts = Hosts::new([("good.example", quick as Act)]);
        let options = options(|options| options.per_origin = per_origin);

        let outcomes = hosts.client().send_all_with(options, mixed(&["good.example"], 500, 60));

        assert_eq!(outcomes.count().await, 500);
        assert_eq!(hosts.most("good.example"), per_origin.max(1), "{per_origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_window_grows_with_what_is_accepted() {
    let hosts = Hosts::new([("good.example", quick as Act)]);

    let outcomes = hosts.client().send_all(mixed(&["good.example"], 3200, 60));

    assert_eq!(outcomes.count().await, 3200);
    let most = hosts.most("good.example");
    assert!((60..=64).contains(&most), "{most}");
}

/// T11: a push service that fails gets fewer and fewer requests, and its messages do not wait for ever.
#[tokio::test(start_paused = true)]
async fn an_origin_that_only_fails_is_given_up() {
    fn fails(_: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        (Duration::from_millis(5), status(503))
    }
    fn gone(_: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        let error =
            TransportError::Unreachable { phase: Phase::Connect, problem: Problem::ConnectionRefused };
        (Duration::from_millis(5), Err(error))
    }
    let hosts =
        Hosts::new([("fails.example", fails as Act), ("gone.example", gone), ("good.example", quick)]);
    let started = Instant::now();

    let outcomes: Vec<_> = hosts
        .client()
        .send_all(mixed(&["fails.example", "gone.example", "good.example"], 3000, 1_000_000))
        .collect()
        .await;

    assert_eq!(outcomes.len(), 9000);
    for ((host, _), outcome) in &outcomes {
        let expected = match *host {
            "fails.example" => "deferred",
            "gone.example" => "unsent",
            _ => "accepted",
        };
        assert_eq!(outcome.as_str(), expected, "{host}");
    }
    assert!(started.elapsed() < Duration::from_secs(600), "{:?}", started.elapsed());
    for host in ["fails.example", "gone.example"] {
        let requests = hosts.arrivals(host).len();
        assert!(requests < 200, "{requests} to {host}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_recovers_gets_everything() {
    fn recovers(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        (Duration::from_millis(5), status(if number < 34 { 500 } else { 201 }))
    }
    let hosts = Hosts::new([("sick.example", recovers as Act)]);

    let outcomes: Vec<_> = hosts.client().send_all(mixed(&["sick.example"], 1000, 3600)).collect().await;

    let accepted = outcomes.iter().filter(|(_, outcome)| outcome.status() == Some(201)).count();
    // Those that were refused before the breaker opened have the retry budget between them.
    assert!(outcomes.len() == 1000 && accepted >= 960, "{accepted}");
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds() {
    for (rate, seconds) in [(10, 29.9..31.0), (500, 0.5..0.7)] {
        let hosts = Hosts::new([("good.example", quick as Act)]);
        let options = options(|options| options.rate = Some(rate));
        let started = Instant::now();

        let outcomes = hosts.client().send_all_with(options, mixed(&["good.example"], 300, 3600));

        assert_eq!(outcomes.count().await, 300);
        let took = started.elapsed().as_secs_f64();
        assert!(seconds.contains(&took), "{rate} per second: {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn origins_are_served_in_turn() {
    let hosts = Hosts::new([("a.example", quick as Act), ("b.example", quick)]);
    let options = options(|options| {
        options.max_in_flight = 128;
        options.per_origin = 1;
    });
    let items = mixed(&["a.example"], 60, 60).chain(mixed(&["b.example"], 60, 60));

    let outcomes: Vec<_> = hosts.client().send_all_with(options, items).collect().await;

    assert_eq!(outcomes.len(), 120);
    let order = hosts.arrivals.lock().unwrap().clone();
    for (number, arrival) in order.iter().enumerate() {
        let served = order.iter().take(number).filter(|before| before.host == arrival.host).count();
        assert!(served.abs_diff(number - served) <= 1, "{number}: {arrival:?}");
    }
}

/// Whatever the push services do, each message has exactly one outcome.
#[tokio::test(start_paused = true)]
async fn every_item_has_exactly_one_outcome() {
    fn wild(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        // A fixed sequence that looks random (the multiplier of Knuth's MMIX).
        let chance = (number as u64).wrapping_add(17).wrapping_mul(6_364_136_223_846_793_005) >> 33;
        let wait = Duration::from_millis(chance % 700);
        let lost = TransportError::Unanswered { phase: Phase::Headers, problem: Problem::Closed };
        (
            wait,
            match chance % 11 {
                0 => status(404),
                1 => status(429),
                2 => rest(chance % 9),
                3 => status(500),
                4 => status(503),
                5 => status(413),
                6 => Err(lost),
                _ => status(201),
            },
        )
    }
    let hosts = Hosts::new([
        ("a.example", wild as Act),
        ("b.example", wild),
        ("c.example", wild),
        ("d.example", quick),
    ]);
    let options = options(|options| {
        options.max_in_flight = 100;
        options.parked = 50;
    });
    let items = mixed(&["a.example", "b.example", "c.example", "d.example"], 700, 600);

    let outcomes: Vec<_> = hosts.client().send_all_with(options, items).collect().await;

    assert_eq!(outcomes.len(), 2800);
    assert_eq!(outcomes.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>().len(), 2800);
}

/// Messages are encrypted together, sent over HTTP/2, and decrypted by a foreign checker.
#[tokio::test]
async fn a_run_on_one_thread_arrives_at_the_service() {
    arrives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_on_several_threads_arrives_at_the_service() {
    arrives().await;
}

async fn arrives() {
    let push = MockServer::start().await;
    let client = local().http_version(HttpVersion::Http2).build().unwrap();
    let mut agents = Vec::new();
    for number in 0..10 {
        agents.push(push.user_agent(&format!("agent-{number}")).await);
    }
    let items: Vec<_> = (0..200)
        .map(|number: usize| {
            let subscription = agents[number % 10].subscription().unwrap();
            (number, subscription, PushMessage::text(Ttl::seconds(600), format!("message {number}")))
        })
        .collect();

    let outcomes: Vec<_> = client.send_all(stream::iter(items)).collect().await;

    assert_eq!(outcomes.iter().map(|(number, _)| *number).collect::<BTreeSet<_>>(), (0..200).collect());
    for (number, outcome) in &outcomes {
        assert_eq!(outcome.as_str(), "accepted", "{number}: {outcome}");
    }
    for number in [0, 99, 199] {
        let expected = push.expect().to(&agents[number % 10]).text(&format!("message {number}"));
        expected.once().within(push_mock_server::secs(5)).await;
    }
}

/// Waiting for the rate is no waiting for the push service: each message has its whole TTL when it is its turn.
#[tokio::test(start_paused = true)]
async fn the_ttl_runs_from_the_first_attempt() {
    for (ttl, rate, count) in [(0, 100, 1000), (60, 5, 1000)] {
        let hosts = Hosts::new([("good.example", quick as Act)]);
        let options = options(|options| options.rate = Some(rate));

        let outcomes: Vec<_> =
            hosts.client().send_all_with(options, mixed(&["good.example"], count, ttl)).collect().await;

        assert!(outcomes.iter().all(|(_, outcome)| outcome.status() == Some(201)));
        let arrivals = hosts.arrivals("good.example");
        assert_eq!(arrivals.len(), count);
        assert!(arrivals.iter().all(|arrival| arrival.ttl == ttl.to_string()));
    }
}

/// Connections that a push service closes in good order say nothing against it.
#[tokio::test(start_paused = true)]
async fn who_leaves_in_good_order_is_neither_failing_nor_slow() {
    fn leaves(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        let leaving = TransportError::Unreachable { phase: Phase::Send, problem: Problem::Leaving };
        (Duration::from_millis(5), if number < 90 { Err(leaving) } else { status(201) })
    }
    let hosts = Hosts::new([("leaves.example", leaves as Act)]);

    let outcomes: Vec<_> = hosts.client().send_all(mixed(&["leaves.example"], 500, 0)).collect().await;

    // Each of the first 32 was turned away at most three times: no breaker, no budget, no smaller window.
    assert!(outcomes.iter().all(|(_, outcome)| outcome.status() == Some(201)), "{outcomes:?}");
    assert_eq!(hosts.arrivals("leaves.example").len(), 590);
    assert!(hosts.arrivals("leaves.example").last().unwrap().after < Duration::from_millis(200));
}

/// A service that only leaves is not asked for ever.
#[tokio::test(start_paused = true)]
async fn who_only_leaves_is_given_up() {
    fn leaves(_: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        let leaving = TransportError::Unreachable { phase: Phase::Send, problem: Problem::Leaving };
        (Duration::from_millis(5), Err(leaving))
    }
    let hosts = Hosts::new([("leaves.example", leaves as Act)]);

    let outcomes: Vec<_> = hosts.client().send_all(mixed(&["leaves.example"], 1, 3600)).collect().await;

    // Three at once, then the usual repeats.
    assert!(matches!(&outcomes[..], [(_, Outcome::Unsent(unsent))] if unsent.attempts == 7), "{outcomes:?}");
}

/// An outage of everything does not use the list up: it waits.
#[tokio::test(start_paused = true)]
async fn an_outage_of_a_minute_costs_no_message_that_was_not_sent() {
    fn returns(number: usize) -> (Duration, Result<Response<Bytes>, TransportError>) {
        let error =
            TransportError::Unreachable { phase: Phase::Connect, problem: Problem::ConnectionRefused };
        (Duration::from_millis(5), if number < 45 { Err(error) } else { status(201) })
    }
    let hosts = Hosts::new([("away.example", returns as Act)]);
    let started = Instant::now();

    let outcomes: Vec<_> = hosts.client().send_all(mixed(&["away.example"], 5000, 3600)).collect().await;

    assert!(started.elapsed() > Duration::from_secs(60), "{:?}", started.elapsed());
    let accepted = outcomes.iter().filter(|(_, outcome)| outcome.status() == Some(201)).count();
    assert!(outcomes.len() == 5000 && accepted >= 4950, "{accepted}");
    assert!(outcomes.iter().all(|(_, outcome)| outcome.attempts() > 0), "none was given up unsent");
}
