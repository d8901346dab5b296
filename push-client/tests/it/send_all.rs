//! Many messages at once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use push_client::{
    ClientLimits, ContentCoding, PushClient, PushMessage, StubTransport, Transport, TransportError, Ttl,
    transport::HttpVersion,
};
use tokio::sync::Semaphore;

use crate::support::{Kind, Peer, local, open, subscribe, without_keys};

/// Answers when it is told to, and counts what is under way.
#[derive(Clone)]
struct Gated {
    answers: Arc<Semaphore>,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gated {
    fn new(answers: usize) -> Self {
        Self { answers: Arc::new(Semaphore::new(answers)), under_way: Arc::default(), most: Arc::default() }
    }
}

struct Leave(Arc<AtomicUsize>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Transport for Gated {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        let _leave = Leave(Arc::clone(&self.under_way));
        self.most.fetch_max(now, Ordering::SeqCst);
        if !request.uri().path().ends_with("/fast") {
            self.answers.acquire().await.unwrap().forget();
        }
        Ok(Response::builder().status(201).body(Bytes::new()).unwrap())
    }
}

fn tickles(
    count: usize,
) -> impl futures_util::Stream<Item = (usize, push_client::Subscription, PushMessage)> {
    stream::iter((0..count).map(|number| {
        let subscription = without_keys(&format!("https://push.example/p/{number}"));
        (number, subscription, PushMessage::tickle(Ttl::seconds(60)))
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_has_one_outcome_and_opens_with_its_own_keys() {
    let peer = Peer::with_status(Kind::Http2, 201).await;
    let client = local().http_version(HttpVersion::Http2).build().unwrap();
    let recipients: Vec<_> =
        (0..500).map(|number| subscribe(&peer.endpoint(&format!("/p/{number}")))).collect();
    let items: Vec<_> = recipients
        .iter()
        .enumerate()
        .map(|(number, (_, subscription))| {
            let message = match number % 3 {
                0 => PushMessage::text(Ttl::seconds(60), format!("to {number}")),
                1 => {
                    PushMessage::text(Ttl::seconds(60), format!("to {number}")).coding(ContentCoding::Aesgcm)
                }
                _ => PushMessage::tickle(Ttl::seconds(60)),
            };
            (number, subscription.clone(), message)
        })
        .collect();

    let outcomes: Vec<_> = client.send_all(stream::iter(items)).collect().await;

    assert!(outcomes.iter().all(|(_, outcome)| outcome.status() == Some(201)));
    assert_eq!(outcomes.iter().map(|(number, _)| *number).collect::<BTreeSet<_>>(), (0..500).collect());
    assert_eq!(outcomes.len(), 500);
    let seen = peer.seen();
    assert_eq!(seen.len(), 500);
    for seen in seen {
        let number: usize = seen.uri.path().rsplit_once('/').unwrap().1.parse().unwrap();
        if number % 3 == 2 {
            assert!(seen.body.is_empty());
        } else {
            assert_eq!(open(&recipients[number].0, &seen), format!("to {number}").as_bytes());
        }
    }
    assert!(peer.connections() <= 8, "{}", peer.connections());
}

#[tokio::test]
async fn outcomes_come_in_the_order_of_completion() {
    let gated = Gated::new(0);
    let client = PushClient::builder().transport(gated.clone()).build().unwrap();
    let items = ["slow", "fast"].map(|name| {
        let subscription = without_keys(&format!("https://push.example/{name}"));
        (name, subscription, PushMessage::tickle(Ttl::ZERO))
    });
    let mut outcomes = client.send_all(stream::iter(items));

    assert_eq!(outcomes.next().await.unwrap().0, "fast");
    gated.answers.add_permits(1);
    assert_eq!(outcomes.next().await.unwrap().0, "slow");
    assert!(outcomes.next().await.is_none());
    assert!(outcomes.next().await.is_none());
}

/// `max_in_flight`: one below, at, and one above a batch.
#[tokio::test]
async fn no_more_are_under_way_than_allowed() {
    for most in [1, 63, 64, 65, 100] {
        let gated = Gated::new(usize::MAX >> 4);
        let limits = ClientLimits { max_in_flight: most, ..ClientLimits::default() };
        let client = PushClient::builder().transport(gated.clone()).limits(limits).build().unwrap();

        let outcomes: Vec<_> = client.send_all(tickles(300)).collect().await;

        assert_eq!(outcomes.len(), 300);
        assert!(gated.most.load(Ordering::SeqCst) <= most, "{most}");
    }
}

#[tokio::test]
async fn items_are_taken_no_faster_than_they_are_sent() {
    let gated = Gated::new(0);
    let limits = ClientLimits { max_in_flight: 10, ..ClientLimits::default() };
    let client = PushClient::builder().transport(gated.clone()).limits(limits).build().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let items = tickles(1000).inspect({
        let taken = Arc::clone(&taken);
        move |_| {
            taken.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut outcomes = client.send_all(items);

    let nothing = tokio::time::timeout(Duration::from_millis(20), outcomes.next()).await;

    assert!(nothing.is_err());
    assert_eq!(taken.load(Ordering::SeqCst), 10);
    assert_eq!(gated.under_way.load(Ordering::SeqCst), 10);
}

#[tokio::test]
async fn dropping_the_stream_stops_what_is_under_way() {
    let gated = Gated::new(0);
    let client = PushClient::builder().transport(gated.clone()).build().unwrap();
    let mut outcomes = client.send_all(tickles(100));
    assert!(tokio::time::timeout(Duration::from_millis(20), outcomes.next()).await.is_err());
    assert_eq!(gated.under_way.load(Ordering::SeqCst), 32, "the first window");

    drop(outcomes);

    while gated.under_way.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
}

/// An item that cannot be sent has its own outcome and disturbs no other; one that has ended is not asked again.
#[tokio::test]
async fn unusable_items_disturb_no_other() {
    let stub = StubTransport::answering([410]);
    let limits = ClientLimits { max_in_flight: 1, ..ClientLimits::default() };
    let client = PushClient::builder().transport(stub.clone()).limits(limits).build().unwrap();
    let (_, good) = subscribe("https://push.example/p/good");
    let tickle = || PushMessage::tickle(Ttl::ZERO);
    let items = [
        ("ended", without_keys("https://push.example/p/1"), tickle()),
        ("again", without_keys("https://push.example/p/1"), tickle()),
        ("no keys", without_keys("https://push.example/p/2"), PushMessage::text(Ttl::ZERO, "x")),
        ("too large", good.clone(), PushMessage::bytes(Ttl::ZERO, vec![0; 4000])),
        ("removed", without_keys("https://permanently-removed.invalid/x"), tickle()),
        ("good", good, PushMessage::text(Ttl::ZERO, "x")),
    ];

    let outcomes: Vec<_> =
        client.send_all(stream::iter(items)).map(|(id, outcome)| (id, outcome.as_str())).collect().await;

    assert_eq!(
        outcomes,
        [
            ("ended", "gone"),
            ("again", "gone"),
            ("no keys", "unsent"),
            ("too large", "unsent"),
            ("removed", "gone"),
            ("good", "accepted")
        ]
    );
    assert_eq!(stub.requests().len(), 2);
}

struct Breaks;

impl Transport for Breaks {
    async fn call(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        panic!("a bug in a transport")
    }
}

/// A bug in a transport surfaces; it does not leave the stream waiting for ever.
#[tokio::test]
async fn a_panic_under_way_is_not_swallowed() {
    let client = PushClient::builder().transport(Breaks).build().unwrap();

    let run = tokio::spawn(async move { client.send_all(tickles(3)).count().await });

    assert!(run.await.unwrap_err().is_panic());
}
