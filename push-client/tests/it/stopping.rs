//! Ends of a run before the end of its list: `stop`, a consumer that takes no outcomes, a bug.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::{Request, Response};
use push_client::{
    BulkOptions, Outcome, PushClient, PushMessage, SendAll, Subscription, Transport, TransportError, Ttl,
    outcome::UnsentReason,
};
use tokio::sync::{Notify, Semaphore};

use crate::support::without_keys;

/// Answers when it is told to, and counts.
#[derive(Clone)]
struct Gated {
    answers: Arc<Semaphore>,
    status: u16,
    calls: Arc<AtomicUsize>,
    called: Arc<Notify>,
}

impl Gated {
    fn new(answers: usize, status: u16) -> Self {
        Self {
            answers: Arc::new(Semaphore::new(answers)),
            status,
            calls: Arc::default(),
            called: Arc::default(),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Transport for Gated {
    async fn call(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.called.notify_one();
        self.answers.acquire().await.unwrap().forget();
        Ok(Response::builder().status(self.status).body(Bytes::new()).unwrap())
    }
}

fn client(transport: impl Transport + 'static) -> PushClient {
    PushClient::builder().transport(transport).build().unwrap()
}

fn tickles(count: usize) -> impl Stream<Item = (usize, Subscription, PushMessage)> {
    stream::iter((0..count).map(|number| {
        let subscription = without_keys(&format!("https://push.example/p/{number}"));
        (number, subscription, PushMessage::tickle(Ttl::seconds(60)))
    }))
}

/// Polls until this many requests were made.
async fn until<S>(outcomes: &mut SendAll<S, usize>, gated: &Gated, calls: usize)
where
    S: Stream<Item = (usize, Subscription, PushMessage)>,
{
    while gated.calls() < calls {
        assert!(outcomes.next().now_or_never().is_none());
        gated.called.notified().await;
    }
}

fn is_stopped(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unsent(unsent) if unsent.reason == UnsentReason::Stopped && unsent.attempts == 0)
}

#[tokio::test]
async fn stopping_gives_back_what_was_never_sent_and_finishes_the_rest() {
    for (most, parked) in [(512, 512), (512, 0), (32, 0), (1, 0)] {
        let gated = Gated::new(0, 201);
        let options = BulkOptions { max_in_flight: most, parked, ..BulkOptions::default() };
        let mut outcomes = client(gated.clone()).send_all_with(options, tickles(5000));
        let under_way = most.min(32);
        until(&mut outcomes, &gated, under_way).await;

        outcomes.stop();
        outcomes.stop();
        let mut stopped = 0;
        while let Some(Some((_, outcome))) = outcomes.next().now_or_never() {
            assert!(is_stopped(&outcome), "{outcome}");
            stopped += 1;
        }
        gated.answers.add_permits(10_000);
        let rest: Vec<_> = outcomes.collect().await;

        let sent = rest.iter().filter(|(_, outcome)| outcome.status() == Some(201)).count();
        let late = rest.iter().filter(|(_, outcome)| is_stopped(outcome)).count();
        assert_eq!(sent + late, rest.len(), "nothing else happened");
        stopped += late;
        assert_eq!(sent, under_way, "what was on the wire finishes");
        assert_eq!(gated.calls(), under_way, "nothing more was sent");
        let taken = sent + stopped;
        assert!((most - most / 8..=most + parked).contains(&taken), "{taken} of {most} and {parked}");
    }
}

#[tokio::test]
async fn nothing_is_repeated_after_a_stop() {
    let gated = Gated::new(0, 500);
    let mut outcomes = client(gated.clone()).send_all(tickles(1));
    until(&mut outcomes, &gated, 1).await;

    outcomes.stop();
    gated.answers.add_permits(10);
    let outcomes: Vec<_> = outcomes.collect().await;

    assert!(matches!(&outcomes[..], [(0, Outcome::Deferred(it))] if it.attempts == 1), "{outcomes:?}");
}

#[tokio::test]
async fn without_parking_everything_arrives() {
    let gated = Gated::new(usize::MAX >> 4, 201);
    for max_in_flight in [1, 8, 512] {
        let options = BulkOptions { max_in_flight, parked: 0, ..BulkOptions::default() };
        let outcomes: Vec<_> = client(gated.clone()).send_all_with(options, tickles(2000)).collect().await;
        assert_eq!(outcomes.len(), 2000);
        assert!(outcomes.iter().all(|(_, outcome)| outcome.status() == Some(201)));
    }
}

/// An outcome that nobody has taken counts as under way.
#[tokio::test]
async fn who_takes_no_outcomes_stops_the_sending() {
    let gated = Gated::new(usize::MAX >> 4, 201);
    let options = BulkOptions { max_in_flight: 10, ..BulkOptions::default() };
    let mut outcomes = client(gated.clone()).send_all_with(options, tickles(1000));

    // One was taken, so the pipeline may have sent 10, and one for each outcome of the report it came with.
    assert!(outcomes.next().await.is_some());
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }

    assert!((1..=20).contains(&gated.calls()), "{}", gated.calls());
    assert_eq!(outcomes.count().await, 999, "and it goes on where it was");
    assert_eq!(gated.calls(), 1000);
}

/// Its first request is a bug, and its second is slow to be dropped.
struct Breaks {
    calls: AtomicUsize,
    dropped: Mutex<Option<Slow>>,
}

struct Slow {
    begun: Option<tokio::sync::oneshot::Sender<()>>,
    leave: mpsc::Receiver<()>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.begun.take().unwrap().send(());
        let _ = self.leave.recv();
    }
}

impl Transport for Breaks {
    async fn call(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 1 {
            panic!("a bug in a transport");
        }
        let _slow = self.dropped.lock().unwrap().take();
        std::future::pending().await
    }
}

/// Between the panic and the end of the task there is a while in which the stream must not seem to be over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bug_is_not_taken_for_the_end() {
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (leave, left) = mpsc::channel();
    let slow = Mutex::new(Some(Slow { begun: Some(begun), leave: left }));
    let mut outcomes = client(Breaks { calls: AtomicUsize::new(0), dropped: slow }).send_all(tickles(2));
    assert!(outcomes.next().now_or_never().is_none());
    has_begun.await.unwrap();

    assert!(outcomes.next().now_or_never().is_none(), "the task has not ended yet");
    leave.send(()).unwrap();
    let panic = AssertUnwindSafe(outcomes.next()).catch_unwind().await.unwrap_err();

    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a bug in a transport"));
}
