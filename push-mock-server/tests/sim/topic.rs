//! Topics and replacement (RFC 8030 §5.4).

use std::sync::Arc;

use push_mock_server::service::{
    exchange::State,
    request::RequestBody,
    subscription::{KeyChoice, NewSubscription, SubscriptionChange},
};

use crate::{acknowledge::manual, world::*};

/// PS-059: outside of the bounds, and what was there is untouched.
#[tokio::test]
async fn a_topic_that_is_none_is_refused() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let kept = air.accepted(&phone, &message("kept", 60).topic("score")).await;
    let cases = [
        ("", "topic/empty"),
        ("score!", "topic/bad-character"),
        ("a b", "topic/bad-character"),
        ("score=", "topic/bad-character"),
        ("123456789012345678901234567890123", "topic/too-long"),
    ];
    for (topic, code) in cases {
        let reply = air.send(&phone, &message("wrong", 60).topic(topic)).await;
        assert_eq!(refusal(&reply), (400, code), "{topic}");
    }
    let twice = message("wrong", 60).topic("score").topic("score");
    assert_eq!(refusal(&air.send(&phone, &twice).await), (400, "topic/duplicate"));
    let longest = "x".repeat(32);
    air.accepted(&phone, &message("fits", 60).topic(&longest)).await;

    assert_eq!(air.state(&kept.id).await, State::Queued);
}

/// PS-061: TTL and urgency are those of the new message.
#[tokio::test]
async fn replacement_replaces_ttl_and_urgency() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    air.accepted(&phone, &message("long", 3600).topic("t").urgency("high")).await;
    let short = air.accepted(&phone, &message("short", 5).topic("t").urgency("low")).await;
    let change = SubscriptionChange {
        online: Some(true),
        min_urgency: Some(push_crypto::Urgency::High),
        ..SubscriptionChange::default()
    };
    assert_eq!(air.change("phone", change).await, [] as [String; 0]);
    assert_eq!(air.advance(secs(5)).await.len(), 1);
    assert_eq!(air.state(&short.id).await, State::Expired);

    air.go_offline("phone").await;
    air.accepted(&phone, &message("short", 5).topic("t")).await;
    let long = air.accepted(&phone, &message("long", 3600).topic("t")).await;
    assert_eq!(air.advance(secs(6)).await, []);
    assert_eq!(air.state(&long.id).await, State::Queued);
}

/// PS-062: another subscription, even of the same user agent, is not touched.
#[tokio::test]
async fn a_topic_acts_within_one_subscription() {
    let air = World::new().await;
    let first = air.offline("first").await;
    let second = NewSubscription { user_agent: Some("first".into()), ..NewSubscription::default() };
    let second = air.subscribe("second", second).await;
    assert_eq!(first.user_agent.id, second.user_agent.id);

    let one = air.accepted(&first, &message("1", 60).topic("t")).await;
    let other = air.accepted(&second, &message("2", 60).topic("t")).await;

    assert_eq!(air.go_online("second").await, [one.id.clone(), other.id.clone()]);
}

/// PS-063: what was received is not replaced, so the next one is delivered.
#[tokio::test]
async fn a_topic_without_a_waiting_message_acts_like_none() {
    let air = World::new().await;
    let phone = air.online("phone").await;

    let first = air.accepted(&phone, &message("1", 60).topic("t")).await;
    let second = air.accepted(&phone, &message("2", 60).topic("t")).await;

    assert_eq!((first.state, second.state), (State::Acknowledged, State::Acknowledged));
    assert_eq!(air.state(&first.id).await, State::Acknowledged);
}

/// PS-064: delivered and not acknowledged is outstanding still.
#[tokio::test]
async fn an_unacknowledged_message_is_replaced() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", manual()).await;
    let first = air.accepted(&phone, &message("1", 60).topic("t")).await;
    air.go_offline("phone").await;
    let waiting = air.exchange(&first.id).await;
    assert_eq!((waiting.state, waiting.reason), (State::Queued, Some("unacknowledged")));

    let second = air.accepted(&phone, &message("2", 60).topic("t")).await;

    assert_eq!(air.go_online("phone").await, std::slice::from_ref(&second.id));
    assert_eq!(air.state(&first.id).await, State::Replaced);
    assert!(air.service.acknowledge(&air.space, &first.id).await.is_err());
    assert_eq!(air.state(&second.id).await, State::Delivered);
}

/// PS-064 while connected: the one in the user agent's hands is replaced too, with TTL 0 as well.
#[tokio::test]
async fn what_is_in_the_window_is_replaced() {
    for ttl in [0, 60] {
        let air = World::new().await;
        let phone = air.online("phone").await;
        air.change("phone", manual()).await;
        let first = air.accepted(&phone, &message("1", ttl).topic("t")).await;
        assert_eq!(first.state, State::Delivered);

        let second = air.accepted(&phone, &message("2", 60).topic("t")).await;

        assert_eq!(air.state(&first.id).await, State::Replaced, "TTL {ttl}");
        assert_eq!(second.state, State::Delivered);
    }
}

/// PS-065: a message of TTL 0 replaces, though it cannot be delivered itself.
#[tokio::test]
async fn ttl_zero_replaces() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let first = air.accepted(&phone, &message("1", 3600).topic("t")).await;
    let second = air.accepted(&phone, &message("2", 0).topic("t")).await;

    assert_eq!(air.state(&first.id).await, State::Replaced);
    assert_eq!(second.state, State::Dropped);
    assert_eq!(air.go_online("phone").await, [] as [String; 0]);
}

/// PS-066: whatever is wrong with a request, it replaces nothing.
#[tokio::test]
async fn a_refused_request_replaces_nothing() {
    let air = World::new().await;
    let keyed = NewSubscription {
        online: Some(false),
        application_server_key: KeyChoice::Auto,
        ..NewSubscription::default()
    };
    let open = air.offline("open").await;
    let restricted = air.subscribe("restricted", keyed).await;
    let kept = air.accepted(&open, &message("kept", 60).topic("t")).await;

    let bad_urgency = message("x", 60).topic("t").urgency("urgent");
    assert_eq!(refusal(&air.send(&open, &bad_urgency).await), (400, "urgency/unknown"));
    let bad_vapid = message("x", 60).topic("t").with("authorization", "vapid t=a.b.c, k=BA");
    assert_eq!(air.send(&open, &bad_vapid).await.status, 403);
    let mut too_large = request(&open, &message("x", 60).topic("t"));
    too_large.body = RequestBody::Whole(vec![0; 4097].into());
    let reply = air.service.deliver(Some(token_of(&open)), too_large).await;
    assert_eq!(refusal(&reply), (413, "body/too-large"));
    let mut method = request(&open, &message("x", 60).topic("t"));
    method.method = "DELETE".into();
    assert_eq!(air.service.deliver(Some(token_of(&open)), method).await.status, 405);
    assert_eq!(refusal(&air.send(&restricted, &message("x", 60)).await), (401, "vapid/missing"));

    air.check().await;
    assert_eq!(air.go_online("open").await, std::slice::from_ref(&kept.id));
    assert_eq!(air.go_online("restricted").await, [] as [String; 0]);
}

/// PS-060: of 1 000 concurrent posts to one topic exactly one is left, and it is one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_concurrent_posts_one_is_left() {
    let air = Arc::new(World::new().await);
    let phone = Arc::new(air.offline("phone").await);
    let posts: Vec<_> = (0..1000)
        .map(|_| {
            let (air, phone) = (Arc::clone(&air), Arc::clone(&phone));
            tokio::spawn(async move {
                let request = request(&phone, &message("goal", 60).topic("score"));
                air.service.deliver(Some(token_of(&phone)), request).await
            })
        })
        .collect();
    let mut ids = Vec::new();
    for post in posts {
        let reply = post.await.unwrap();
        assert_eq!(reply.status, 201);
        ids.push(reply.exchange);
    }

    air.check().await;
    let counters = air.service.counters(&air.space).await.unwrap();
    assert_eq!(counters.in_state(State::Replaced), 999);
    let delivered = air.go_online("phone").await;
    assert_eq!(delivered.len(), 1);
    assert!(ids.contains(&delivered[0]));
}
