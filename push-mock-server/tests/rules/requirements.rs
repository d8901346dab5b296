//! Requirements of the specifications that no other test happens to show, each named by its row.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use push_crypto::{
    EncryptJob, EncryptOptions, Origin,
    provider::aws_lc_rs::PROVIDER,
    vapid::{AuthorizationScheme, Claims, Token, VapidKey, VapidPublicKey},
};
use push_mock_server::{
    clock::wall,
    service::{
        exchange::State,
        finding::Payload,
        reply::Reply,
        subscription::{KeyChoice, SubscriptionView},
    },
};

use crate::world::{Send, World, message_token};

/// UA-027, PS-126, PS-127: an endpoint is an absolute URL of one subscription, and is never given out again.
#[tokio::test]
async fn endpoints_are_absolute_and_never_the_same() {
    let world = World::new();
    let mut seen = HashSet::new();

    for number in 0..600 {
        let label = format!("user-{number}");
        let made = world.subscribe(&label, |_| {}).await;
        let endpoint = made.endpoint.expose().to_owned();
        assert!(endpoint.starts_with("http://localhost:8030/p/"), "{endpoint}");
        assert!(!endpoint.contains(&label) && !endpoint.contains("t1/"), "{endpoint}");
        assert!(seen.insert(endpoint), "given out twice");
        if number % 2 == 0 {
            world.service.unsubscribe(&world.space, &label).await.unwrap();
        }
    }
}

/// UA-021, UA-022, UA-030: each subscription has a key pair and a secret of its own, and shows no private half.
#[tokio::test]
async fn every_subscription_has_fresh_keys() {
    let world = World::new();
    let (mut keys, mut secrets) = (HashSet::new(), HashSet::new());

    for number in 0..200 {
        let made = world.subscribe(&format!("user-{number}"), |_| {}).await;
        let secret = made.keys.as_ref().unwrap().auth.as_ref().unwrap().expose().to_owned();
        assert_eq!(secret.len(), 16);
        assert!(
            keys.insert(*made.keys.as_ref().unwrap().p256dh.as_octets()) && secrets.insert(secret),
            "used twice"
        );
        let json = push_crypto::Subscription::from_json(&json_of(&made)).unwrap();
        assert_eq!(json.keys.unwrap().p256dh, made.keys.as_ref().unwrap().p256dh);
    }
}

/// What a page would send to its application server.
fn json_of(made: &SubscriptionView) -> String {
    let auth = push_crypto::base64url::encode(made.keys.as_ref().unwrap().auth.as_ref().unwrap().expose());
    format!(
        r#"{{"endpoint":"{}","expirationTime":null,"keys":{{"p256dh":"{}","auth":"{auth}"}}}}"#,
        made.endpoint.expose(),
        made.keys.as_ref().unwrap().p256dh.to_base64url(),
    )
}

/// PS-097, PS-099: message resources of two subscriptions have nothing in common.
#[tokio::test]
async fn message_resources_of_two_subscriptions_cannot_be_linked() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let bob = world.subscribe("bob", |_| {}).await;
    let mut of_alice = HashSet::new();

    for _ in 0..50 {
        let token = message_token(&world.send(&alice, Send::ttl("60")).await);
        // Behind the key id every run of 7 characters is new: by chance alone that fails once in 10^5 runs.
        of_alice.extend(token.as_bytes()[2..].windows(7).map(<[u8]>::to_vec));
    }
    for _ in 0..50 {
        let token = message_token(&world.send(&bob, Send::ttl("60")).await);
        assert!(token.as_bytes()[2..].windows(7).all(|run| !of_alice.contains(run)), "{token}");
    }
}

/// PS-125: nothing is delivered after a subscription was removed, and nothing waits for it any more.
#[tokio::test]
async fn a_removed_subscription_leaves_nothing_to_deliver() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    let waiting = world.send(&alice, Send::ttl("3600")).await;

    world.service.unsubscribe(&world.space, "alice").await.unwrap();

    assert_eq!(world.send(&alice, Send::ttl("60")).await.status, 404);
    assert!(world.service.message_resource(&message_token(&waiting)).await.is_err());
    assert!(world.service.subscriptions(&world.space).await.unwrap().is_empty());
    let again = world.subscribe("alice", |_| {}).await;
    assert_ne!(again.endpoint.expose(), alice.endpoint.expose());
    assert_eq!(world.fate(&waiting).await.0, State::Dropped);
    world.check_balance().await;
}

/// PS-115: without valid identification nothing is stored on a restricted subscription, and nothing is replaced.
#[tokio::test]
async fn a_restricted_subscription_refuses_every_other_identification() {
    let world = World::new();
    let key = VapidKey::generate(&PROVIDER).unwrap();
    let other = VapidKey::generate(&PROVIDER).unwrap();
    let alice = world
        .subscribe("alice", |new| {
            new.online = Some(false);
            new.application_server_key = KeyChoice::Key(*key.public().point());
        })
        .await;
    let here: Origin = "http://localhost:8030".parse().unwrap();
    let elsewhere: Origin = "https://push.example.net".parse().unwrap();
    let hour = Duration::from_secs(3600);
    let token = |key: &VapidKey, origin: &Origin, now| {
        let claims =
            Claims::new(origin.clone(), now, hour, Some("mailto:a@example.com".parse().unwrap())).unwrap();
        Token::sign(&PROVIDER, key, &claims).unwrap().authorization(AuthorizationScheme::Vapid, key.public())
    };
    let good = token(&key, &here, wall()).authorization;

    let accepted = send_as(&world, &alice, Some(&good)).await;
    let mut altered = good.clone();
    // the last character before the comma belongs to the signature
    let at = altered.find(", k=").unwrap() - 4;
    altered.replace_range(at..=at, if &altered[at..=at] == "A" { "B" } else { "A" });
    let refused = [
        (None, 401),
        (Some(altered), 403),
        (Some(token(&other, &here, wall()).authorization), 403),
        (Some(token(&key, &elsewhere, wall()).authorization), 403),
        (Some(token(&key, &here, wall().before(hour * 2)).authorization), 403),
        (Some(good.split(", k=").next().unwrap().to_owned()), 403),
    ];

    assert_eq!(accepted.status, 201);
    for (authorization, status) in refused {
        let reply = send_as(&world, &alice, authorization.as_deref()).await;
        let (state, reason) = world.fate(&reply).await;
        assert_eq!((reply.status, state), (status, State::Refused), "{reason:?}");
    }
    assert_eq!(world.fate(&accepted).await.0, State::Queued, "nothing refused replaces");
    assert_eq!(world.online("alice", true).await, [accepted.exchange]);
    world.check_balance().await;
}

/// A message with a topic, so that it would replace the one before.
async fn send_as(world: &World, to: &SubscriptionView, authorization: Option<&str>) -> Reply {
    let job = EncryptJob { keys: to.keys.as_ref().unwrap(), plaintext: b"score" };
    let encrypted = push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).unwrap();
    let mut headers = vec![("ttl".to_owned(), "3600".to_owned()), ("topic".to_owned(), "goal".to_owned())];
    headers.extend(encrypted.headers().into_iter().map(|(name, value)| (name.to_owned(), value)));
    headers.extend(authorization.map(|value| ("authorization".to_owned(), value.to_owned())));
    world.post(to, headers, Bytes::from(encrypted.into_body())).await
}

/// UA-019, UA-038: what is not encrypted or cannot be decrypted is acknowledged and gives the application nothing.
#[tokio::test]
async fn what_is_not_authentic_gives_no_data() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let ttl = || ("ttl".to_owned(), "60".to_owned());
    let coding = |name: &str| ("content-encoding".to_owned(), name.to_owned());

    for headers in [vec![ttl()], vec![ttl(), coding("identity")], vec![ttl(), coding("aes128gcm")]] {
        let reply = world.post(&alice, headers, Bytes::from_static(b"a message in clear")).await;
        let exchange = world.exchange(&reply.exchange).await;
        assert!(!matches!(exchange.payload, Payload::Decrypted(_)));
        assert!(matches!(exchange.state, State::Discarded | State::Refused), "{:?}", exchange.state);
        assert!(world.online("alice", true).await.is_empty(), "it does not come again");
    }
}

/// UA-034: an application server key is an uncompressed point on the curve, in base64url.
#[test]
fn an_application_server_key_is_a_point_in_base64url() {
    let key = VapidKey::generate(&PROVIDER).unwrap();
    let text = key.public().to_base64url();
    let mut off_the_curve = *key.public().point().as_octets();
    off_the_curve[64] ^= 1;
    let compressed = &key.public().point().as_octets()[..33];

    let (read, form) = VapidPublicKey::from_text(&text).unwrap();
    assert_eq!((read, form.is_canonical()), (*key.public(), true));
    let (_, padded) = VapidPublicKey::from_text(&format!("{text}=")).unwrap();
    assert!(!padded.is_canonical(), "padding is told");
    for bad in [&off_the_curve[..], compressed, &off_the_curve[..64]] {
        assert!(VapidPublicKey::from_text(&push_crypto::base64url::encode(bad)).is_err());
    }
}

/// UA-028: an expiration time is null or milliseconds since 1970.
#[test]
fn an_expiration_time_is_milliseconds_or_null() {
    let with = |time: &str| {
        let json = format!(r#"{{"endpoint":"https://push.example.net/p/1","expirationTime":{time}}}"#);
        push_crypto::Subscription::from_json(&json)
    };

    assert_eq!(with("null").unwrap().expiration_time, None);
    let time = with("1700000000123").unwrap().expiration_time.unwrap();
    assert_eq!(time.as_unix_millis(), 1_700_000_000_123);
    for wrong in ["\"soon\"", "-1", "{}"] {
        assert!(with(wrong).is_err(), "{wrong}");
    }
}
