//! Limits that act on messages, each at one below, at, and one above.
//!
//! Those of tokens, keys, header fields and connections are tested where they are checked.

use std::num::NonZeroU32;

use push_mock_server::{
    AckMode, Config, Limits, QueuePolicy, Rate,
    service::{
        exchange::State,
        reply::Outcome,
        request::RequestBody,
        subscription::{NewSubscription, SubscriptionView},
    },
};

use crate::world::*;

async fn world(limits: Limits, queue_policy: QueuePolicy) -> World {
    World::with(Config { limits, queue_policy, ..Config::default() }).await
}

/// A body of that size; nobody can open it, and it is accepted all the same.
async fn send_sized(air: &World, to: &SubscriptionView, octets: usize) -> Answer {
    let mut request = request(to, &message("", 60));
    request.body = RequestBody::Whole(vec![7; octets].into());
    let reply = air.service.deliver(Some(token_of(to)), request).await;
    air.check().await;
    (reply.status, air.exchange(&reply.exchange).await.state)
}

type Answer = (u16, State);
/// A limit's name, the limits, and bodies with their answers.
type Case = (&'static str, Limits, &'static [(usize, Answer)]);

const KEPT: Answer = (201, State::Queued);
const REFUSED: Answer = (429, State::Refused);

/// `body_octets`, PS-085, PS-086; also for a body that was not read to its end.
#[tokio::test]
async fn bodies_are_limited() {
    for body_octets in [4096, 5000] {
        let air = world(Limits { body_octets, ..Limits::default() }, QueuePolicy::Newest).await;
        let phone = air.offline("phone").await;
        for (octets, expected) in
            [(body_octets - 1, KEPT), (body_octets, KEPT), (body_octets + 1, (413, State::Refused))]
        {
            assert_eq!(send_sized(&air, &phone, octets).await, expected, "{octets}");
        }
        let mut request = request(&phone, &message("", 60));
        request.body = RequestBody::TooLarge { kept: vec![0; 100].into(), declared: Some(1 << 40) };
        let reply = air.service.deliver(Some(token_of(&phone)), request).await;
        assert_eq!(refusal(&reply), (413, "body/too-large"));
        let recorded = air.exchange(&reply.exchange).await;
        assert_eq!((recorded.request.body_bytes, recorded.request.body.len()), (1 << 40, 100));
    }
}

/// `queue_messages`, `queue_octets`, `agent_octets`: the newest is refused, what waits stays.
#[tokio::test]
async fn a_full_queue_refuses_the_newest() {
    let small = Limits { queue_octets: 8192, agent_octets: 12_000, queue_messages: 3, ..Limits::default() };
    let cases: [Case; 3] = [
        ("queue_messages", small.clone(), &[(10, KEPT), (10, KEPT), (10, KEPT), (10, REFUSED), (0, REFUSED)]),
        ("queue_octets", small.clone(), &[(4096, KEPT), (4095, KEPT), (2, REFUSED), (1, KEPT), (1, REFUSED)]),
        (
            "agent_octets",
            Limits { agent_octets: 100, ..small },
            &[(99, KEPT), (2, REFUSED), (1, KEPT), (1, REFUSED)],
        ),
    ];
    for (name, limits, sizes) in cases {
        let air = world(limits, QueuePolicy::Newest).await;
        let phone = air.offline("phone").await;
        for (at, (octets, expected)) in sizes.iter().enumerate() {
            assert_eq!(send_sized(&air, &phone, *octets).await, *expected, "{name}, message {at}");
        }
        let kept = sizes.iter().filter(|(_, answer)| *answer == KEPT).count();
        assert_eq!(air.go_online("phone").await.len(), kept, "{name}");
    }
}

/// The other policy: the oldest is dropped, and the sender of the newest gets its 201.
#[tokio::test]
async fn a_full_queue_drops_the_oldest_if_told() {
    let limits = Limits { queue_messages: 2, ..Limits::default() };
    let air = world(limits, QueuePolicy::Oldest).await;
    let phone = air.offline("phone").await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(air.accepted(&phone, &message("x", 60)).await.id.clone());
    }

    let dropped = air.exchange(&sent[0]).await;
    assert_eq!((dropped.state, dropped.reason), (State::Dropped, Some("queue-full")));
    assert_eq!(air.go_online("phone").await, sent[2..]);
}

/// `store_octets`: 503 with `Retry-After`, never 201; TTL 0 goes on.
#[tokio::test]
async fn a_full_store_answers_503() {
    let air = world(Limits { store_octets: 200, ..Limits::default() }, QueuePolicy::Newest).await;
    let phone = air.offline("phone").await;
    assert_eq!(send_sized(&air, &phone, 199).await, KEPT);
    assert_eq!(send_sized(&air, &phone, 2).await, (503, State::Refused));
    assert_eq!(send_sized(&air, &phone, 1).await, KEPT);

    let full = air.send(&phone, &message("x", 60)).await;
    let Outcome::Unavailable(error) = &full.outcome else { panic!("{full:?}") };
    assert_eq!(error.code(), "api/store");
    assert_eq!(full.headers, [("retry-after", "1".to_owned())]);
    assert_eq!(air.send(&phone, &message("x", 0)).await.status, 201);
    assert_eq!(air.go_online("phone").await.len(), 2);
    assert_eq!(air.send(&phone, &message("x", 60)).await.status, 201, "there is room again");
}

/// `window_messages` and `window_octets`.
#[tokio::test]
async fn a_window_is_limited() {
    for (limits, octets, delivered) in [
        (Limits { window_messages: 3, ..Limits::default() }, 10, 3),
        (Limits { window_octets: 4096, ..Limits::default() }, 1365, 3),
        (Limits { window_octets: 4096, ..Limits::default() }, 1366, 2),
    ] {
        let air = world(limits, QueuePolicy::Newest).await;
        let never = NewSubscription { ack: AckMode::Never, ..NewSubscription::default() };
        let phone = air.subscribe("phone", never).await;
        for number in 1..=5 {
            let expected = if number <= delivered { State::Delivered } else { State::Queued };
            assert_eq!(send_sized(&air, &phone, octets).await, (201, expected), "message {number}");
        }
    }
}

/// `rate_per_subscription`, PS-101 to PS-103, on the clock of the space.
#[tokio::test]
async fn a_rate_is_limited() {
    let two = NonZeroU32::new(2).unwrap();
    let rate = Some(Rate::per_second(two));
    let air = world(Limits { rate_per_subscription: rate, ..Limits::default() }, QueuePolicy::Newest).await;
    let (phone, other) = (air.offline("phone").await, air.offline("other").await);
    for _ in 0..2 {
        assert_eq!(air.send(&phone, &message("x", 60)).await.status, 201);
    }

    let limited = air.send(&phone, &message("x", 60)).await;
    assert_eq!(refusal(&limited), (429, "request/rate-limited"));
    assert_eq!(limited.headers, [("retry-after", "1".to_owned())]);
    let again = air.exchange(&limited.exchange).await;
    assert!(again.findings.iter().any(|finding| finding.code == "request/rate-limited"));
    assert_eq!(air.send(&other, &message("x", 60)).await.status, 201);

    air.advance(millis(499)).await;
    assert_eq!(air.send(&phone, &message("x", 60)).await.status, 429);
    air.advance(millis(1)).await;
    assert_eq!(air.send(&phone, &message("x", 60)).await.status, 201);
    // A refused request takes nothing out of the bucket.
    air.advance(millis(500)).await;
    assert_eq!(air.send(&phone, &message("x", 60).urgency("wrong")).await.status, 400);
    assert_eq!(air.send(&phone, &message("x", 60)).await.status, 201);
}

/// `exchanges`: the oldest finished one is forgotten; what is on its way is not, and stays counted.
#[tokio::test]
async fn finished_exchanges_are_forgotten() {
    for keep in [0, 1, 3] {
        let air = world(Limits { exchanges: keep, ..Limits::default() }, QueuePolicy::Newest).await;
        let (phone, away) = (air.online("phone").await, air.offline("away").await);
        let waiting = air.send(&away, &message("waits", 60)).await;
        for _ in 0..5 {
            air.send(&phone, &message("x", 60)).await;
        }

        let kept = air.service.exchanges(&air.space).await.unwrap();
        assert_eq!(kept.len(), keep + 1, "{keep}");
        assert_eq!(kept.last().map(|exchange| &exchange.id), Some(&waiting.exchange));
        assert!(kept.is_sorted_by(|one, other| one.seq > other.seq));
        let counters = air.service.counters(&air.space).await.unwrap();
        assert_eq!((counters.accepted(), counters.in_state(State::Acknowledged)), (6, 5));
        assert_eq!(air.go_online("away").await, std::slice::from_ref(&waiting.exchange));
    }
}

/// `exchange_age`, on the wall clock: the age is over at once, but not for what is on its way.
#[tokio::test]
async fn old_exchanges_are_forgotten() {
    for (age, kept) in [(Some(secs(0)), 1), (Some(secs(3600)), 2), (None, 2)] {
        let air = world(Limits { exchange_age: age, ..Limits::default() }, QueuePolicy::Newest).await;
        let (phone, away) = (air.online("phone").await, air.offline("away").await);
        air.send(&away, &message("waits", 60)).await;
        air.send(&phone, &message("x", 60)).await;

        assert_eq!(air.service.exchanges(&air.space).await.unwrap().len(), kept, "{age:?}");
    }
}

/// `expire_step`: one step is bounded, and yet everything due happens.
#[tokio::test]
async fn expiry_goes_on_step_by_step() {
    for expire_step in [1, 4, 5, 6] {
        let air = world(Limits { expire_step, ..Limits::default() }, QueuePolicy::Newest).await;
        let phone = air.offline("phone").await;
        for ttl in [30, 10, 20, 10, 10] {
            air.accepted(&phone, &message("x", ttl)).await;
        }

        let fired = air.advance(secs(30)).await;

        assert_eq!(fired.len(), 5, "{expire_step}");
        assert!(fired.is_sorted_by_key(|fired| fired.at));
        assert_eq!(air.service.clock(&air.space).await.unwrap().next, None);
    }
}
/// A message that fits is not held back by one that did not fit and is no longer there.
#[tokio::test]
async fn who_waits_for_nobody_does_not_wait() {
    let limits = Limits { window_octets: 4096, ..Limits::default() };
    let air = world(limits, QueuePolicy::Newest).await;
    let never = NewSubscription { ack: AckMode::Never, ..NewSubscription::default() };
    let phone = air.subscribe("phone", never).await;
    let send = async |octets: usize| {
        let mut request = request(&phone, &message("", 60).topic("t"));
        request.body = RequestBody::Whole(vec![7; octets].into());
        if octets == 4000 {
            request.headers.retain(|(name, _)| name != "topic");
        }
        let reply = air.service.deliver(Some(token_of(&phone)), request).await;
        air.check().await;
        air.exchange(&reply.exchange).await.state
    };
    assert_eq!(send(4000).await, State::Delivered);
    assert_eq!(send(200).await, State::Queued);

    assert_eq!(send(96).await, State::Delivered);
}
