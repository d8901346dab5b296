//! What is Chromium's own: what it says it has, TTL 0 before it connects, its android id and security token.

use super::*;

/// GCM-024, GCM-028
#[tokio::test]
async fn what_chromium_says_it_has_does_not_come_again() {
    let world = World::new().await;
    let channel = world.register_chromium(5).await;
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(world.send(&channel, "60").await);
    }

    let mut chromium = world.login(5, &[&sent[1].exchange, &sent[3].exchange, "unknown"]).await;
    chromium.begin().await;

    for at in [0, 2, 4] {
        assert_eq!(message(&mut chromium).await.version, sent[at].exchange);
    }
    assert!(nothing_waits(&mut chromium));
    assert_eq!(world.exchange(&sent[1]).await.state, State::Acknowledged);
    chromium.acknowledge(&[(sent[0].exchange.clone(), Ack::Received)]).await;
    let exchange = world.exchange(&sent[0]).await;
    assert_eq!((exchange.state, exchange.deliveries[0].ack_code), (State::Acknowledged, None));
}

/// GCM-048: right after the subscription TTL 0 waits for the connection.
#[tokio::test(start_paused = true)]
async fn ttl_0_right_after_the_subscription_waits_for_the_connection() {
    let world = World::new().await;
    let channel = world.register_chromium(5).await;
    let first = world.send(&channel, "60").await;
    let waits = world.send(&channel, "0").await;
    let exchange = world.exchange(&waits).await;
    assert_eq!((exchange.state, exchange.reason), (State::Queued, Some("grace")));

    let mut chromium = world.login(5, &[]).await;
    chromium.begin().await;

    assert_eq!(message(&mut chromium).await.version, first.exchange);
    assert_eq!(message(&mut chromium).await.version, waits.exchange);
    world.holds().await;
}

/// GCM-048: and no longer than that.
#[tokio::test(start_paused = true)]
async fn ttl_0_does_not_wait_longer_than_its_grace() {
    let world = World::new().await;
    let channel = world.register_chromium(5).await;
    let waits = world.send(&channel, "0").await;

    // Longer than the default, on the time of the runtime, which stands still while there is something to do.
    crate::clock::pause(std::time::Duration::from_millis(1500)).await;

    let exchange = world.exchange(&waits).await;
    assert_eq!((exchange.state, exchange.reason), (State::Dropped, Some("ttl-0")));
}

#[tokio::test]
async fn without_grace_ttl_0_is_dropped_at_once() {
    let limits = Limits { ttl_zero_grace: std::time::Duration::ZERO, ..Limits::default() };
    let world = World::with(Config { limits, ..Config::default() }).await;
    let channel = world.register_chromium(5).await;

    let dropped = world.send(&channel, "0").await;

    assert_eq!(world.exchange(&dropped).await.state, State::Dropped);
}

/// T51
#[tokio::test]
async fn a_known_android_id_needs_its_security_token() {
    let world = World::new().await;
    let (id, secret) = world.service.check_in(&world.space, None, Some("lab"), Some("156")).unwrap();
    assert_eq!(world.service.space_of_android(id), world.space);
    assert_eq!(world.service.space_of_android(5), SpaceName::default_space());
    let agent = UserAgentId::from_android(id);
    let with = |secret| NewChannel { secret: Some(secret), ..channel("wp:y#1-V2", None) };

    let register = async |secret| {
        world.service.register_channel(&world.space, AgentKind::Chromium, agent, with(secret)).await
    };
    assert!(matches!(register(secret ^ 1).await, Err(ServiceError::GoneState { .. })));
    assert_eq!(register(secret).await.unwrap().label, "lab");
    assert!(matches!(register(secret ^ 1).await, Err(ServiceError::GoneState { .. })));

    let who = |secret| Arriving { secret: Some(secret), ..world.arriving(AgentKind::Chromium, Some(agent)) };
    assert!(matches!(world.service.attach(who(secret ^ 1)).await, Err(Refused::Secret)));
    let attached = world.service.attach(who(secret)).await.unwrap();
    assert_eq!(attached.label(), "lab");
    // GCM-003: a later check-in keeps the pair.
    assert_eq!(world.service.check_in(&world.space, Some((id, secret)), None, None).unwrap(), (id, secret));
}

#[tokio::test]
async fn the_oldest_check_in_is_forgotten_first() {
    let limits = Limits { checked_in: 2, ..Limits::default() };
    let world = World::with(Config { limits, ..Config::default() }).await;
    let check_in = |label| world.service.check_in(&world.space, None, Some(label), None).unwrap();
    let ids = [check_in("a"), check_in("b"), check_in("c")];

    let mut labels = Vec::new();
    for (id, secret) in ids {
        let who = Arriving {
            secret: Some(secret),
            ..world.arriving(AgentKind::Chromium, Some(UserAgentId::from_android(id)))
        };
        labels.push(world.service.attach(who).await.unwrap().label());
    }

    assert_eq!(labels, ["chromium-1", "b", "c"]);
}

/// T51: before there is a subscription, too.
#[tokio::test]
async fn a_login_with_another_token_takes_no_android_id_that_checked_in() {
    let world = World::new().await;
    let (id, secret) = world.service.check_in(&world.space, None, Some("lab"), None).unwrap();
    let agent = Some(UserAgentId::from_android(id));
    let who = |secret| Arriving { secret, ..world.arriving(AgentKind::Chromium, agent) };

    for wrong in [Some(secret ^ 1), None] {
        assert!(matches!(world.service.attach(who(wrong)).await, Err(Refused::Secret)));
    }

    assert_eq!(world.service.attach(who(Some(secret))).await.unwrap().label(), "lab");
}

/// A stranger gives up nothing of a Chromium, whatever android id it claims.
#[tokio::test]
async fn a_chromium_gives_up_its_own_subscriptions_only() {
    let world = World::new().await;
    let channel = world.register_chromium(5).await;
    let give_up = async |id, secret| {
        let id = UserAgentId::from_android(id);
        world
            .service
            .unregister_channel(&world.space, id, secret, "wp:x#1-V2", Unregistered::Unsubscribed)
            .await
    };

    assert!(!give_up(6, Some(1)).await.unwrap());
    assert!(!give_up(6, None).await.unwrap());
    assert!(matches!(give_up(5, Some(8)).await, Err(ServiceError::GoneState { .. })));
    assert_eq!(world.send(&channel, "60").await.status, 201);
    assert!(give_up(5, Some(7)).await.unwrap());
}
