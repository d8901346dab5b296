//! What needs a look inside: a store that fails, and the bound of the caches.

use std::sync::atomic::Ordering;

use super::*;
use crate::{
    config::ClockStart,
    service::{
        exchange::State,
        reply::Outcome,
        request::{DeliveryRequest, RequestBody, Via},
        subscription::{NewSubscription, SubscriptionChange},
    },
    store::failing::FailingStore,
    token::PushTokenText,
};

fn urls() -> Urls {
    Urls {
        http: Some("http://localhost:8030".parse().unwrap()),
        https: None,
        public: "http://localhost:8030".parse().unwrap(),
    }
}

fn tickle(url: &str, ttl: &str) -> DeliveryRequest {
    DeliveryRequest {
        method: "POST".into(),
        via: Via::Http,
        http_version: "1.1",
        url: url.into(),
        origin: None,
        headers: vec![("ttl".into(), ttl.into()), ("topic".into(), "t".into())],
        streamed: false,
        body: RequestBody::Whole(bytes::Bytes::new()),
        at: wall(),
    }
}

/// T28: whichever call of the store fails, 201 is answered only after a message was accepted, and
/// what was accepted is delivered when the store works again.
#[tokio::test]
async fn a_failing_store_never_makes_the_service_lie() {
    for failing in 1..=7 {
        let every = Arc::new(AtomicUsize::new(0));
        let store = AnyStore::Failing(FailingStore::new(Arc::clone(&every)));
        let config = Config { clock: ClockStart::Frozen, ..Config::default() };
        let service = PushService::with_store(config, urls(), store).unwrap();
        let space = SpaceName::default();
        let offline =
            NewSubscription { online: Some(false), label: Some("phone".into()), ..Default::default() };
        let phone = service.subscribe(&space, offline).await.unwrap();
        let token = PushTokenText(phone.endpoint.expose().rsplit('/').next().unwrap());

        every.store(failing, Ordering::Relaxed);
        let mut last_accepted = None;
        for number in 0..20 {
            let reply = service.deliver(Some(token), tickle(phone.endpoint.expose(), "60")).await;
            match reply.outcome {
                Outcome::Accepted { .. } => last_accepted = Some(reply.exchange),
                Outcome::Unavailable(error) => {
                    assert_eq!((error.code(), reply.status), ("api/store", 503));
                    assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"));
                }
                Outcome::Refused(finding) => unreachable!("message {number}: {finding:?}"),
            }
        }
        every.store(0, Ordering::Relaxed);

        let broken = service.broken_invariants(&space).await.unwrap();
        assert!(broken.is_empty(), "{broken:?}");
        let online = SubscriptionChange { online: Some(true), ..Default::default() };
        let delivered = service.change_subscription(&space, "phone", online).await.unwrap().delivered;
        assert_eq!(delivered, last_accepted.into_iter().collect::<Vec<_>>(), "every {failing}. call fails");
    }
}

/// A store that fails while a message is acknowledged leaves it delivered, so that it comes again.
#[tokio::test]
async fn an_acknowledgement_that_is_not_stored_does_not_count() {
    let every = Arc::new(AtomicUsize::new(0));
    let store = AnyStore::Failing(FailingStore::new(Arc::clone(&every)));
    let service = PushService::with_store(Config::default(), urls(), store).unwrap();
    let space = SpaceName::default();
    let new = NewSubscription { label: Some("phone".into()), ..Default::default() };
    let phone = service.subscribe(&space, new).await.unwrap();
    let token = PushTokenText(phone.endpoint.expose().rsplit('/').next().unwrap());

    // register was the first call; find, accept, and then acknowledge is the fourth.
    every.store(4, Ordering::Relaxed);
    let reply = service.deliver(Some(token), tickle(phone.endpoint.expose(), "60")).await;
    every.store(0, Ordering::Relaxed);

    assert_eq!(reply.status, 201);
    let state = async || service.exchange(&space, &reply.exchange).await.unwrap().state;
    assert_eq!(state().await, State::Delivered);
    for online in [false, true] {
        let change = SubscriptionChange { online: Some(online), ..Default::default() };
        service.change_subscription(&space, "phone", change).await.unwrap();
    }
    assert_eq!(state().await, State::Acknowledged);
}

/// No secret and no capability is printed, whatever is printed.
#[tokio::test]
async fn nothing_secret_is_in_debug_output() {
    let service = PushService::new(Config::default(), urls()).unwrap();
    let view = service.subscribe(&SpaceName::default(), NewSubscription::default()).await.unwrap();
    let token = view.endpoint.expose().rsplit('/').next().unwrap();
    service.deliver(Some(PushTokenText(token)), tickle("http://localhost:8030/", "60")).await;
    let private = push_crypto::base64url::encode(view.private_key.as_ref().unwrap().expose());
    let auth = push_crypto::base64url::encode(view.keys.as_ref().unwrap().auth.as_ref().unwrap().expose());

    let printed = format!("{view:?} {:?} {:?}", service.info(), service.vapid_keys());

    for secret in [token, &private, &auth, &push_crypto::base64url::encode(service.vapid_keys().1.expose())] {
        assert!(!printed.contains(secret));
    }
}

/// A request that is given up in the middle of an expiry leaves nothing half done.
#[tokio::test]
async fn an_expiry_that_nobody_waits_for_is_done_all_the_same() {
    let config = Config { clock: ClockStart::Frozen, ..Config::default() };
    let service = PushService::new(config, urls()).unwrap();
    let space = SpaceName::default();
    let new = NewSubscription { online: Some(false), label: Some("phone".into()), ..Default::default() };
    let phone = service.subscribe(&space, new).await.unwrap();
    let token = PushTokenText(phone.endpoint.expose().rsplit('/').next().unwrap());
    let reply = service.deliver(Some(token), tickle(phone.endpoint.expose(), "60")).await;
    let agent = service.space(&space).unwrap().agent(phone.user_agent.id).unwrap();

    let somebody_else = Arc::clone(&agent.turn).lock_owned().await;
    let minute = crate::clock::ClockAction::Advance(std::time::Duration::from_secs(60));
    let mut advance = Box::pin(service.change_clock(&space, minute.into()));
    let pending =
        std::future::poll_fn(|context| std::task::Poll::Ready(advance.as_mut().poll(context).is_pending()));
    assert!(pending.await, "it waits for the turn");
    drop(advance);
    drop(somebody_else);

    assert_eq!(service.exchange(&space, &reply.exchange).await.unwrap().state, State::Expired);
    let broken = service.broken_invariants(&space).await.unwrap();
    assert!(broken.is_empty(), "{broken:?}");
}
