//! What a request may look like, and what its answer grants.

use std::collections::HashSet;

use push_mock_server::{Config, config::ClockStart, service::exchange::State};

use crate::world::{Send, World, header, message_token};

/// A push token opens no message resource, and the other way round.
#[tokio::test]
async fn tokens_are_bound_to_their_kind() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    world.send(&alice, Send::ttl("60")).await;
    let push_token = alice.endpoint.expose().rsplit('/').next().unwrap().to_owned();

    assert!(!world.service.withdraw(&push_token).await);
    assert!(world.service.message_resource(&push_token).await.is_err());
}

/// PS-017: every message resource has a URL of its own, which tells nothing.
#[tokio::test]
async fn message_resources_differ() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let reply = world.send(&alice, Send::ttl("60").topic("very-secret-topic")).await;
        let token = message_token(&reply);
        assert!(!token.contains("very-secret-topic"));
        assert!(seen.insert(token));
    }
}

/// PS-041 to PS-044: the TTL granted is at most the one asked for, and at most the service's.
#[tokio::test]
async fn the_ttl_granted_is_never_above_the_one_asked_for() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    for (asked, granted) in [
        ("0", "0"),
        ("00060", "60"),
        ("2592000", "2592000"),
        ("2592001", "2592000"),
        ("2147483647", "2592000"),
        ("2147483648", "2592000"),
        ("4294967296", "2592000"),
        ("9223372036854775808", "2592000"),
        (&"9".repeat(100), "2592000"),
    ] {
        let reply = world.send(&alice, Send::ttl(asked)).await;
        assert_eq!((reply.status, header(&reply, "ttl")), (201, Some(granted)), "{asked}");
    }
}

/// PS-039, PS-040: what is no TTL is refused, and nothing is stored.
#[tokio::test]
async fn what_is_no_ttl_is_refused() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    for ttl in ["-1", "+5", "1.5", "1e3", "0x10", "10s", "", "\u{663}", "5, 6"] {
        let reply = world.send(&alice, Send::ttl(ttl)).await;
        assert_eq!((reply.status, world.fate(&reply).await.0), (400, State::Refused), "{ttl:?}");
    }
    assert!(world.online("alice", true).await.is_empty());
    world.check_balance().await;
}

/// PS-020: a message may have no body.
#[tokio::test]
async fn a_tickle_is_delivered() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;

    let reply = world.post(&alice, vec![("ttl".to_owned(), "60".to_owned())], bytes::Bytes::new()).await;

    assert_eq!(reply.status, 201);
    assert_eq!(world.fate(&reply).await.0, State::Acknowledged);
}

/// What cannot be opened is accepted by the service and thrown away by the user agent.
#[tokio::test]
async fn what_cannot_be_opened_is_discarded() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let bob = world.subscribe("bob", |_| {}).await;
    let keys_of_bob =
        push_mock_server::service::subscription::SubscriptionView { keys: bob.keys.clone(), ..alice.clone() };

    let reply = world.send(&keys_of_bob, Send::ttl("60")).await;

    assert_eq!(reply.status, 201);
    assert_eq!(world.fate(&reply).await.0, State::Discarded);
    let exchange = world.exchange(&reply.exchange).await;
    assert!(exchange.findings.iter().any(|finding| finding.code == "decrypt/other-subscription"));
    world.check_balance().await;
}

#[tokio::test]
async fn strict_refuses_what_cannot_be_opened() {
    let world = World::with(Config { clock: ClockStart::Frozen, strict: true, ..Config::default() });
    let alice = world.subscribe("alice", |_| {}).await;

    let reply = world
        .post(
            &alice,
            vec![
                ("ttl".to_owned(), "60".to_owned()),
                ("content-encoding".to_owned(), "aes128gcm".to_owned()),
            ],
            bytes::Bytes::from_static(&[7; 200]),
        )
        .await;

    assert_eq!((reply.status, world.fate(&reply).await.0), (400, State::Refused));
}

/// PS-086: the limit of the body, at one below, at, and one above.
#[tokio::test]
async fn a_body_has_4096_octets_at_most() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    for (plaintext, status) in [(3992, 201), (3993, 201)] {
        let text = "x".repeat(plaintext);
        assert_eq!(world.send(&alice, Send::ttl("60").text(&text)).await.status, status);
    }
    let headers =
        || vec![("ttl".to_owned(), "60".to_owned()), ("content-encoding".to_owned(), "aes128gcm".to_owned())];
    let too_large = world.post(&alice, headers(), bytes::Bytes::from(vec![0; 4097])).await;
    assert_eq!((too_large.status, world.fate(&too_large).await.0), (413, State::Refused));
    assert_eq!(world.post(&alice, headers(), bytes::Bytes::from(vec![0; 4096])).await.status, 201);
}

/// Neither `Debug` of what is recorded nor of what is published shows a token, a plaintext or a push resource.
#[tokio::test]
async fn debug_shows_no_secret() {
    let world = World::new();
    let mut events = world.service.subscribe_events(None, None);
    let alice = world.subscribe("alice", |_| {}).await;
    let reply = world.send(&alice, Send::ttl("60").text("canary-plaintext")).await;
    let token = alice.endpoint.expose().rsplit('/').next().unwrap();
    let mut texts = vec![
        format!("{:?}", world.exchange(&reply.exchange).await),
        format!("{alice:?}"),
        format!("{:?}", world.service),
    ];
    while let Some(notice) = events.try_next() {
        texts.push(format!("{notice:?}"));
    }

    for text in texts {
        assert!(!text.contains(token), "push token in {}", &text[..60]);
        assert!(!text.contains("canary-plaintext"), "plaintext in {}", &text[..60]);
        assert!(!text.contains(&message_token(&reply)), "message token in {}", &text[..60]);
    }
}
