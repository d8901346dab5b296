//! The codings of 2015 and 2016, end to end.

use push_client::{ContentCoding, DeliveryMethod, PushMessage, Schedule, Ttl};
use push_crypto::vapid::AuthorizationScheme;

use crate::support::{Kind, Peer, local, open, subscribe};

#[tokio::test]
async fn every_schedule_opens_by_its_fields_alone() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let (keys, subscription) = subscribe(&peer.endpoint("/p"));
    let client = local().build().unwrap();

    for schedule in Schedule::ALL {
        let message = PushMessage::text(Ttl::seconds(1), "Hello").schedule(*schedule);
        let outcome = client.send(&subscription, &message).await;
        assert_eq!(outcome.status(), Some(201), "{schedule}: {outcome}");
    }

    let seen = peer.seen();
    assert_eq!(seen.len(), 4);
    for (seen, schedule) in seen.iter().zip(Schedule::ALL) {
        assert_eq!(seen.headers["content-encoding"], schedule.coding().as_str());
        assert_eq!(open(&keys, seen), b"Hello", "{schedule}");
    }
}

/// The request of the page of 2016: `PUT`, aesgcm128, `WebPush`, and the signing key beside the message's key.
#[tokio::test]
async fn the_request_of_2016_has_one_crypto_key_entry() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let (_, subscription) = subscribe(&peer.endpoint("/push-service/send/x"));
    let message = PushMessage::text(Ttl::seconds(1), "Hello")
        .coding(ContentCoding::Aesgcm128)
        .method(DeliveryMethod::Put);

    local().build().unwrap().send(&subscription, &message).await;

    let [seen] = peer.seen().try_into().unwrap();
    assert_eq!(seen.method, http::Method::PUT);
    let key = seen.headers["crypto-key"].to_str().unwrap();
    let (dh, p256ecdsa) = key.split_once(';').unwrap();
    assert!(dh.starts_with("dh=B") && p256ecdsa.starts_with("p256ecdsa=B"), "{key}");
    assert!(seen.headers["authorization"].to_str().unwrap().starts_with("WebPush ey"));
    assert_eq!(seen.headers.get_all("crypto-key").iter().count(), 1);
}

#[tokio::test]
async fn the_scheme_of_today_can_be_asked_for_with_an_older_coding() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let (keys, subscription) = subscribe(&peer.endpoint("/p"));
    let message = PushMessage::text(Ttl::seconds(1), "Hello")
        .coding(ContentCoding::Aesgcm)
        .authorization_scheme(AuthorizationScheme::Vapid);

    local().build().unwrap().send(&subscription, &message).await;

    let [seen] = peer.seen().try_into().unwrap();
    assert!(seen.headers["authorization"].to_str().unwrap().starts_with("vapid t=ey"));
    assert!(!seen.headers["crypto-key"].to_str().unwrap().contains("p256ecdsa"));
    assert_eq!(open(&keys, &seen), b"Hello");
}
