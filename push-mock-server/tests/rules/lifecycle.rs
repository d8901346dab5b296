//! The life of a message, transition by transition, and the conformance rows that speak of it.

use push_mock_server::service::{exchange::State, subscription::AckMode};

use crate::world::{MS, SECOND, Send, World, message_token};

#[tokio::test]
async fn a_connected_user_agent_gets_and_acknowledges_at_once() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;

    let reply = world.send(&alice, Send::ttl("60")).await;

    assert_eq!(reply.status, 201);
    assert_eq!(world.fate(&reply).await, (State::Acknowledged, None));
    assert_eq!(world.timeline(&reply).await, ["accepted", "delivered", "acknowledged"]);
    world.check_balance().await;
}

/// PS-018, PS-076: 201 is not delivery; what waits comes in order of acceptance.
#[tokio::test]
async fn what_waits_is_delivered_in_order_of_acceptance() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let mut sent = Vec::new();
    for _ in 0..100 {
        let reply = world.send(&alice, Send::ttl("60")).await;
        assert_eq!(reply.status, 201);
        assert_eq!(world.fate(&reply).await, (State::Queued, Some("offline")));
        sent.push(reply.exchange);
    }

    assert_eq!(world.online("alice", true).await, sent);
    world.check_balance().await;
}

/// PS-047, PS-048: TTL 0 is now or never.
#[tokio::test]
async fn ttl_zero_is_delivered_at_once_or_dropped() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let offline = world.subscribe("bob", |new| new.online = Some(false)).await;

    let now = world.send(&alice, Send::ttl("0")).await;
    let never = world.send(&offline, Send::ttl("0")).await;

    assert_eq!((now.status, never.status), (201, 201));
    assert_eq!(world.fate(&now).await, (State::Acknowledged, None));
    assert_eq!(world.fate(&never).await, (State::Dropped, Some("ttl-0")));
    assert!(world.online("bob", true).await.is_empty());
    world.check_balance().await;
}

/// PS-045: at exactly `expiresAt` a message is expired, one millisecond before it is delivered.
#[tokio::test]
async fn the_border_of_the_ttl_is_exclusive() {
    let world = World::new();
    let phone = world.subscribe("phone", |new| new.online = Some(false)).await;

    let in_time = world.send(&phone, Send::ttl("60")).await;
    assert!(world.advance(60 * SECOND - MS).await.is_empty());
    assert_eq!(world.online("phone", true).await, std::slice::from_ref(&in_time.exchange));
    assert_eq!(world.fate(&in_time).await.0, State::Acknowledged);

    world.online("phone", false).await;
    let late = world.send(&phone, Send::ttl("60")).await;
    let expires_at = world.exchange(&late.exchange).await.expires_at;
    let fired = world.advance(60 * SECOND).await;
    assert_eq!(fired.len(), 1);
    assert_eq!((Some(fired[0].at), fired[0].message.as_ref()), (expires_at, Some(&late.exchange)));
    assert!(world.online("phone", true).await.is_empty());
    assert_eq!(world.timeline(&late).await, ["accepted", "queued", "expired"]);
    world.check_balance().await;
}

/// PS-080, PS-081: what is not acknowledged comes again, with the same id; TTL 0 does not.
#[tokio::test]
async fn a_lost_connection_brings_back_what_has_time_left() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;
    let long = world.send(&alice, Send::ttl("60")).await;
    let zero = world.send(&alice, Send::ttl("0")).await;
    assert_eq!(world.fate(&zero).await.0, State::Delivered);

    world.online("alice", false).await;

    assert_eq!(world.fate(&long).await, (State::Queued, Some("unacknowledged")));
    assert_eq!(world.fate(&zero).await, (State::Dropped, Some("ttl-0")));
    assert_eq!(world.online("alice", true).await, std::slice::from_ref(&long.exchange));
    let again = world.exchange(&long.exchange).await;
    assert_eq!((again.state, again.deliveries.len()), (State::Delivered, 2));
    assert!(again.findings.iter().any(|finding| finding.code == "delivery/redelivered"));
    world.check_balance().await;
}

/// A delivered message expires like a waiting one.
#[tokio::test]
async fn a_delivered_message_expires() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Never).await;
    let reply = world.send(&alice, Send::ttl("10")).await;

    let fired = world.advance(10 * SECOND).await;

    assert_eq!(fired.len(), 1);
    assert_eq!(world.fate(&reply).await.0, State::Expired);
    assert!(world.service.acknowledge(&world.space, &reply.exchange).await.is_err());
    world.check_balance().await;
}

/// PS-079, PS-084: the sender can withdraw, once, and only what is still on its way.
#[tokio::test]
async fn a_message_is_withdrawn_once() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let reply = world.send(&alice, Send::ttl("60")).await;
    let token = message_token(&reply);

    assert!(world.service.message_resource(&token).await.is_ok());
    assert!(world.service.withdraw(&token).await);
    assert!(!world.service.withdraw(&token).await);
    assert!(world.service.message_resource(&token).await.is_err());
    assert_eq!(world.fate(&reply).await.0, State::Withdrawn);
    assert!(world.online("alice", true).await.is_empty());
    world.check_balance().await;
}

/// PS-056, PS-058: below the least urgency a message waits, without counting as delivered.
#[tokio::test]
async fn a_message_below_the_least_urgency_waits() {
    let names = ["very-low", "low", "normal", "high"];
    for (least, least_name) in names.iter().enumerate() {
        for (urgency, name) in names.iter().enumerate() {
            let world = World::new();
            let alice =
                world.subscribe("alice", |new| new.min_urgency = Some(least_name.parse().unwrap())).await;

            let reply = world.send(&alice, Send::ttl("60").urgency(name)).await;

            let expected =
                if urgency >= least { (State::Acknowledged, None) } else { (State::Queued, Some("urgency")) };
            assert_eq!(world.fate(&reply).await, expected, "{name} to {least_name}");
            if expected.0 == State::Queued {
                let exchange = world.exchange(&reply.exchange).await;
                assert!(exchange.deliveries.is_empty());
                let change = push_mock_server::service::subscription::SubscriptionChange {
                    min_urgency: Some(push_crypto::Urgency::VeryLow),
                    ..Default::default()
                };
                let changed = world.service.change_subscription(&world.space, "alice", change).await.unwrap();
                assert_eq!(
                    changed.delivered,
                    std::slice::from_ref(&reply.exchange),
                    "a lower least urgency lets it through"
                );
            }
            world.check_balance().await;
        }
    }
}

/// Everything due at one instant happens in order of `seq`, and in order of time across instants.
#[tokio::test]
async fn what_is_due_fires_in_order() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let bob = world.subscribe("bob", |new| new.online = Some(false)).await;
    let late = world.send(&alice, Send::ttl("20")).await;
    let first = world.send(&bob, Send::ttl("10")).await;
    let second = world.send(&alice, Send::ttl("10")).await;

    let fired: Vec<_> =
        world.advance(60 * SECOND).await.into_iter().filter_map(|fired| fired.message).collect();

    assert_eq!(fired, [first.exchange, second.exchange, late.exchange]);
}

/// Final states accept no transition.
#[tokio::test]
async fn nothing_leaves_a_final_state() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let reply = world.send(&alice, Send::ttl("60")).await;
    let id = &reply.exchange;

    assert!(world.service.deliver_now(&world.space, id).await.is_err());
    assert!(world.service.acknowledge(&world.space, id).await.is_err());
    assert!(world.service.discard(&world.space, id).await.is_err());
    assert!(!world.service.withdraw(&message_token(&reply)).await);
    world.advance(120 * SECOND).await;
    assert_eq!(world.timeline(&reply).await, ["accepted", "delivered", "acknowledged"]);
}

/// PS-079: of racing withdrawals one removes the message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_withdrawals_one_succeeds() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    for _ in 0..50 {
        let token = message_token(&world.send(&alice, Send::ttl("60")).await);
        let race: Vec<_> = (0..2)
            .map(|_| {
                let (service, token) = (world.service.clone(), token.clone());
                tokio::spawn(async move { service.withdraw(&token).await })
            })
            .collect();
        let mut removed = 0;
        for one in race {
            removed += u32::from(one.await.unwrap());
        }
        assert_eq!(removed, 1);
    }
    world.check_balance().await;
}

/// What is sent while the user agent comes and goes is delivered once or waits, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_between_attaching_and_reading() {
    let world = std::sync::Arc::new(World::new());
    let alice = world.subscribe("alice", |_| {}).await;
    let sender = {
        let (world, alice) = (std::sync::Arc::clone(&world), alice.clone());
        tokio::spawn(async move {
            let mut sent = Vec::new();
            for _ in 0..90 {
                sent.push(world.send(&alice, Send::ttl("60")).await);
                tokio::task::yield_now().await;
            }
            sent
        })
    };
    for round in 0..60 {
        world.online("alice", round % 2 == 1).await;
        tokio::task::yield_now().await;
    }
    let sent = sender.await.unwrap();
    world.online("alice", true).await;

    for reply in &sent {
        assert_eq!((reply.status, world.fate(reply).await.0), (201, State::Acknowledged));
        assert_eq!(world.exchange(&reply.exchange).await.deliveries.len(), 1);
    }
    world.check_balance().await;
}
