//! What ends with a subscription, and what spaces and unknown push resources keep apart.

use push_mock_server::service::{exchange::State, subscription::KeyChoice};

use crate::world::{SECOND, Send, World, header};

/// PS-021: messages of a subscription that ends are dropped, and its resource is gone with the status asked for.
#[tokio::test]
async fn an_expired_subscription_drops_and_refuses() {
    for status in [404, 410] {
        let world = World::new();
        let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
        let waiting = world.send(&alice, Send::ttl("60")).await;

        let gone = world.service.expire(&world.space, "alice", status).await.unwrap();

        assert_eq!(gone.status(), "gone");
        assert_eq!(world.fate(&waiting).await, (State::Dropped, Some("subscription-gone")));
        let refused = world.send(&alice, Send::ttl("60")).await;
        assert_eq!(refused.status, status);
        assert_eq!(world.fate(&refused).await, (State::Refused, Some("subscription/gone")));
        world.check_balance().await;
    }
}

#[tokio::test]
async fn rotation_gives_new_keys_and_drops_what_waits() {
    let world = World::new();
    let old = world.subscribe("alice", |new| new.online = Some(false)).await;
    let waiting = world.send(&old, Send::ttl("60")).await;

    let rotated = world.service.rotate(&world.space, "alice").await.unwrap();

    assert_eq!(world.fate(&waiting).await, (State::Dropped, Some("subscription-gone")));
    assert_ne!(rotated.new.as_ref().unwrap().endpoint.expose(), old.endpoint.expose());
    assert_ne!(rotated.new.as_ref().unwrap().keys, old.keys);
    assert_eq!(rotated.new.as_ref().unwrap().label, "alice");
    assert_eq!(world.send(&old, Send::ttl("60")).await.status, 404);
    let to_new = world.send(rotated.new.as_ref().unwrap(), Send::ttl("60")).await;
    assert_eq!(world.fate(&to_new).await, (State::Queued, Some("offline")));
    world.check_balance().await;
}

#[tokio::test]
async fn a_removed_subscription_is_unknown() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;

    world.service.unsubscribe(&world.space, "alice").await.unwrap();

    let reply = world.send(&alice, Send::ttl("60")).await;
    assert_eq!((reply.status, finding_of(&reply)), (404, "subscription/unknown"), "its token is not altered");
    assert!(world.service.subscription(&world.space, "alice").await.is_err());
}

fn finding_of(reply: &push_mock_server::service::reply::Reply) -> &'static str {
    match &reply.outcome {
        push_mock_server::service::reply::Outcome::Refused(finding) => finding.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_altered_endpoint_is_told_from_an_unknown_one() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let url = alice.endpoint.expose();
    let token = url.rsplit('/').next().unwrap();

    for altered in [token.to_lowercase(), token[..token.len() - 3].to_owned(), format!("{token}x")] {
        let reply = world.post_token(&altered, url).await;
        assert_eq!((reply.status, finding_of(&reply)), (404, "subscription/endpoint-altered"));
    }
    let unknown = "A".repeat(token.len());
    let reply = world.post_token(&unknown, url).await;
    assert_eq!((reply.status, finding_of(&reply)), (404, "subscription/unknown"));
}

#[tokio::test]
async fn a_restricted_subscription_needs_a_token() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.application_server_key = KeyChoice::Auto).await;

    let reply = world.send(&alice, Send::ttl("60")).await;

    assert_eq!((reply.status, world.fate(&reply).await), (401, (State::Refused, Some("vapid/missing"))));
    assert!(header(&reply, "www-authenticate").is_some());
}

/// Spaces do not see each other, and a push request belongs to the space of its subscription.
#[tokio::test]
async fn spaces_are_isolated() {
    let world = World::new();
    let other = World { service: world.service.clone(), space: "t2".parse().unwrap() };
    let here = world.subscribe("alice", |_| {}).await;
    let there = other.subscribe("alice", |new| new.online = Some(false)).await;

    world.send(&here, Send::ttl("60")).await;
    other.send(&there, Send::ttl("60")).await;
    world.advance(60 * SECOND).await;

    assert_eq!(world.service.exchanges(&world.space).await.unwrap().len(), 1);
    let kept = other.service.exchanges(&other.space).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].state, State::Queued, "the clock of the other space has not moved");
    assert_eq!(kept[0].seq, 1);
}

/// A request with an unknown token is recorded in the space `default`.
#[tokio::test]
async fn an_unknown_token_is_recorded_in_the_default_space() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    world.service.remove_space(&world.space).await.unwrap();

    let reply = world.send(&alice, Send::ttl("60")).await;

    assert_eq!(reply.status, 404);
    let default = push_mock_server::SpaceName::default_space();
    let recorded = world.service.exchanges(&default).await.unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].state, State::Refused);
}

/// A reset leaves nothing, and the old push resources are unknown.
#[tokio::test]
async fn a_reset_leaves_nothing() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    world.send(&alice, Send::ttl("60")).await;

    for _ in 0..2 {
        let scope = push_mock_server::service::spaces::Scope::Space(world.space.clone());
        world.service.reset(&scope, push_mock_server::service::spaces::Browsers::Stay).await.unwrap();
        assert!(world.service.exchanges(&world.space).await.unwrap().is_empty());
        assert!(world.service.subscriptions(&world.space).await.unwrap().is_empty());
    }
    assert_eq!(world.send(&alice, Send::ttl("60")).await.status, 404);
    world.subscribe("alice", |_| {}).await;
}
