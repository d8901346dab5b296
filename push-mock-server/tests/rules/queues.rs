//! Full queues and full windows: who has to wait, who has to go, and who comes when there is room again.

use push_mock_server::{
    Config,
    config::{ClockStart, QueuePolicy},
    service::{exchange::State, subscription::AckMode},
};

use crate::world::{SECOND, Send, World};

/// Queue limit, policy *newest*: the new one is refused; nothing else changes.
#[tokio::test]
async fn a_full_queue_refuses_the_newest() {
    let mut config = Config { clock: ClockStart::Frozen, ..Config::default() };
    config.limits.queue_messages = 2;
    let world = World::with(config);
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let kept =
        [world.send(&alice, Send::ttl("60")).await, world.send(&alice, Send::ttl("60").topic("t")).await];

    let refused = world.send(&alice, Send::ttl("60")).await;
    assert_eq!((refused.status, world.fate(&refused).await.0), (429, State::Refused));
    for reply in &kept {
        assert_eq!(world.fate(reply).await.0, State::Queued);
    }

    let replacing = world.send(&alice, Send::ttl("60").topic("t")).await;
    assert_eq!(replacing.status, 201, "a replacement needs no room");
    world.check_balance().await;
}

/// Queue limit, policy *oldest*: the oldest is dropped.
#[tokio::test]
async fn a_full_queue_drops_the_oldest() {
    let mut config =
        Config { clock: ClockStart::Frozen, queue_policy: QueuePolicy::Oldest, ..Config::default() };
    config.limits.queue_messages = 2;
    let world = World::with(config);
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let first = world.send(&alice, Send::ttl("60")).await;
    let second = world.send(&alice, Send::ttl("60")).await;

    let third = world.send(&alice, Send::ttl("60")).await;

    assert_eq!(third.status, 201);
    assert_eq!(world.fate(&first).await, (State::Dropped, Some("queue-full")));
    assert_eq!(world.online("alice", true).await, [second.exchange, third.exchange]);
    world.check_balance().await;
}

/// The window: what does not fit waits, in order, and comes when there is room again.
#[tokio::test]
async fn what_does_not_fit_into_the_window_waits() {
    let mut config = Config { clock: ClockStart::Frozen, ..Config::default() };
    config.limits.window_messages = 2;
    let world = World::with(config);
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(world.send(&alice, Send::ttl("60")).await);
    }
    let states = async |world: &World| {
        let mut states = Vec::new();
        for reply in &sent {
            states.push(world.fate(reply).await.0);
        }
        states
    };
    assert_eq!(world.fate(&sent[2]).await, (State::Queued, Some("window")));
    assert_eq!(states(&world).await, [State::Delivered, State::Delivered, State::Queued, State::Queued]);

    world.service.acknowledge(&world.space, &sent[1].exchange).await.unwrap();

    assert_eq!(
        states(&world).await,
        [State::Delivered, State::Acknowledged, State::Delivered, State::Queued]
    );
    world.check_balance().await;
}

/// A service whose user agents hold one unacknowledged message at most.
fn narrow(policy: QueuePolicy) -> World {
    let mut config = Config { clock: ClockStart::Frozen, queue_policy: policy, ..Config::default() };
    config.limits.window_messages = 1;
    config.limits.queue_messages = 2;
    World::with(config)
}

/// Room in the window is used however it came about: nobody else would wake what waits.
#[tokio::test]
async fn a_replacement_makes_room_in_the_window() {
    let world = narrow(QueuePolicy::Newest);
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;
    let replaced = world.send(&alice, Send::ttl("60").topic("t")).await;
    let waiting = world.send(&alice, Send::ttl("60")).await;
    assert_eq!(world.fate(&waiting).await, (State::Queued, Some("window")));

    let newer = world.send(&alice, Send::ttl("60").topic("t")).await;

    assert_eq!(world.fate(&replaced).await.0, State::Replaced);
    assert_eq!(world.fate(&waiting).await.0, State::Delivered, "it is the oldest that waits");
    assert_eq!(world.fate(&newer).await, (State::Queued, Some("window")));
}

/// What was handed over is not the queue's to drop: the oldest that waits goes, and when nothing waits the newest.
#[tokio::test]
async fn a_delivered_message_is_not_dropped_for_a_newer_one() {
    let world = narrow(QueuePolicy::Oldest);
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;
    let delivered = world.send(&alice, Send::ttl("60")).await;
    let waiting = world.send(&alice, Send::ttl("60")).await;

    let newer = world.send(&alice, Send::ttl("60")).await;

    assert_eq!(world.fate(&delivered).await.0, State::Delivered);
    assert_eq!(world.fate(&waiting).await, (State::Dropped, Some("queue-full")));
    assert_eq!(world.fate(&newer).await, (State::Queued, Some("window")));
    world.service.deliver_now(&world.space, &newer.exchange).await.unwrap();
    let refused = world.send(&alice, Send::ttl("60")).await;
    assert_eq!((refused.status, world.fate(&refused).await.0), (429, State::Refused));
    world.check_balance().await;
}

#[tokio::test]
async fn an_ended_subscription_makes_room_in_the_window_of_its_user_agent() {
    let world = narrow(QueuePolicy::Newest);
    let one = world.subscribe("one", |new| new.ack = AckMode::Manual).await;
    let two = world.subscribe("two", |new| {
        new.ack = AckMode::Manual;
        new.user_agent = Some("one".to_owned());
    });
    let two = two.await;
    world.send(&one, Send::ttl("60")).await;
    let waiting = world.send(&two, Send::ttl("60")).await;
    assert_eq!(world.fate(&waiting).await, (State::Queued, Some("window")));

    world.service.expire(&world.space, "one", 410).await.unwrap();

    assert_eq!(world.fate(&waiting).await.0, State::Delivered);
}

#[tokio::test]
async fn a_message_that_expires_makes_room_in_the_window() {
    let world = narrow(QueuePolicy::Newest);
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;
    world.send(&alice, Send::ttl("10")).await;
    let waiting = world.send(&alice, Send::ttl("60")).await;

    world.advance(10 * SECOND).await;

    assert_eq!(world.fate(&waiting).await.0, State::Delivered);
}

/// Whoever acknowledges by itself from now on does so with what it holds.
#[tokio::test]
async fn a_subscription_that_turns_to_auto_acknowledges_what_it_holds() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.ack = AckMode::Manual).await;
    let reply = world.send(&alice, Send::ttl("60")).await;
    let change = push_mock_server::service::subscription::SubscriptionChange {
        ack: Some(AckMode::Auto),
        ..Default::default()
    };

    world.service.change_subscription(&world.space, "alice", change).await.unwrap();

    assert_eq!(world.fate(&reply).await.0, State::Acknowledged);
}
