//! Replacement by topic: what is outstanding gives way to what was accepted later (PS-060 to PS-066).

use push_mock_server::service::{exchange::State, subscription::AckMode};

use crate::world::{SECOND, Send, World, message_token};

/// PS-060, PS-061: the newer message takes the place of the older, with its own TTL.
#[tokio::test]
async fn a_topic_replaces_what_is_outstanding() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;

    let first = world.send(&alice, Send::ttl("3600").topic("score")).await;
    let second = world.send(&alice, Send::ttl("5").topic("score")).await;

    let replaced = world.exchange(&first.exchange).await;
    assert_eq!((replaced.state, replaced.replaced_by.as_ref()), (State::Replaced, Some(&second.exchange)));
    assert!(!world.service.withdraw(&message_token(&first)).await, "late DELETE is 404");
    assert!(world.service.message_resource(&message_token(&first)).await.is_err());
    assert_eq!(world.advance(5 * SECOND).await.len(), 1);
    assert_eq!(world.fate(&second).await.0, State::Expired);
    assert!(world.online("alice", true).await.is_empty());
    world.check_balance().await;
}

/// PS-062: topics act within one subscription, also of one user agent.
#[tokio::test]
async fn a_topic_ends_at_its_subscription() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let second = world.subscribe("alice-2", |new| new.user_agent = Some("alice".to_owned())).await;

    world.send(&alice, Send::ttl("60").topic("score")).await;
    world.send(&second, Send::ttl("60").topic("score")).await;

    assert_eq!(world.online("alice", true).await.len(), 2);
}

/// PS-064: delivered and unacknowledged is outstanding.
#[tokio::test]
async fn a_delivered_message_is_replaced_too() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;

    let first = world.send(&alice, Send::ttl("60").topic("t")).await;
    assert_eq!(world.fate(&first).await.0, State::Delivered);
    let second = world.send(&alice, Send::ttl("60").topic("t")).await;

    assert_eq!(world.fate(&first).await.0, State::Replaced);
    assert!(world.service.acknowledge(&world.space, &first.exchange).await.is_err(), "late ack");
    assert_eq!(world.fate(&second).await.0, State::Delivered);
    world.online("alice", false).await;
    assert_eq!(world.online("alice", true).await, [second.exchange]);
    world.check_balance().await;
}

/// PS-065, PS-066: TTL 0 replaces; a refused request replaces nothing.
#[tokio::test]
async fn only_accepted_messages_replace() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let kept = world.send(&alice, Send::ttl("60").topic("t")).await;

    for refused in [
        world.send(&alice, Send::ttl("-1").topic("t")).await,
        world.send(&alice, Send::ttl("60").topic("t").urgency("urgent")).await,
    ] {
        assert_eq!(refused.status, 400);
        assert_eq!(world.fate(&refused).await.0, State::Refused);
    }
    assert_eq!(world.fate(&kept).await.0, State::Queued);

    let zero = world.send(&alice, Send::ttl("0").topic("t")).await;
    assert_eq!(world.fate(&kept).await.0, State::Replaced);
    assert_eq!(world.fate(&zero).await, (State::Dropped, Some("ttl-0")));
    assert!(world.online("alice", true).await.is_empty());
    world.check_balance().await;
}

/// A message of TTL 0 that is delivered and unacknowledged is outstanding like any other.
#[tokio::test]
async fn a_delivered_message_of_ttl_zero_is_replaced() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;

    let first = world.send(&alice, Send::ttl("0").topic("t")).await;
    let second = world.send(&alice, Send::ttl("60").topic("t")).await;

    assert_eq!(world.fate(&first).await.0, State::Replaced);
    assert_eq!(world.fate(&second).await.0, State::Delivered);
    world.check_balance().await;
}

/// PS-060: of many posts to one topic at once exactly one survives, and it is one of the posted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_posts_to_one_topic_one_survives() {
    let world = std::sync::Arc::new(World::new());
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let senders: Vec<_> = (0..200)
        .map(|_| {
            let (world, alice) = (std::sync::Arc::clone(&world), alice.clone());
            tokio::spawn(async move { world.send(&alice, Send::ttl("60").topic("t")).await })
        })
        .collect();
    let mut sent = Vec::new();
    for sender in senders {
        let reply = sender.await.unwrap();
        assert_eq!(reply.status, 201);
        sent.push(reply);
    }

    let delivered = world.online("alice", true).await;

    assert_eq!(delivered.len(), 1);
    for reply in &sent {
        let expected = if reply.exchange == delivered[0] { State::Acknowledged } else { State::Replaced };
        assert_eq!(world.fate(reply).await.0, expected);
    }
    world.check_balance().await;
}
