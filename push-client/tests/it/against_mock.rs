//! The client against the push service of this project, which decrypts and checks without knowing the sender's code.

use futures_util::{StreamExt, stream};
use push_client::{
    ContentCoding, DeliveryMethod, Outcome, Padding, PushClient, PushMessage, Schedule, Ttl, Urgency,
    transport::HttpVersion,
};
use push_crypto::{provider::aws_lc_rs::PROVIDER, vapid::VapidKey};
use push_mock_server::{MockServer, secs, service::finding::Level};

fn client(key: &VapidKey, version: HttpVersion) -> PushClient {
    PushClient::builder()
        .vapid(key.clone(), "mailto:ops@example.com".parse().unwrap())
        .allow_loopback()
        .http_version(version)
        .build()
        .unwrap()
}

fn key() -> VapidKey {
    VapidKey::generate(&PROVIDER).unwrap()
}

/// AS-003, AS-008, AS-010, AS-011, AS-018 to AS-022, AS-025, AS-026, AS-030, AS-035 to AS-039: a foreign checker has
/// nothing to say against a message, over either version of HTTP.
#[tokio::test]
async fn a_message_arrives_and_nothing_is_found() {
    let push = MockServer::start().await;
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let key = key();
        let alice =
            push.user_agent(&format!("alice-{version:?}")).application_server_key(key.public().point()).await;
        let message = PushMessage::text(Ttl::seconds(60), "2 : 1")
            .topic("scores".parse().unwrap())
            .urgency(Urgency::High);

        let outcome = client(&key, version).send(&alice.subscription().unwrap(), &message).await;

        let Outcome::Accepted(accepted) = outcome else { panic!("{outcome}") };
        assert_eq!((accepted.status, accepted.ttl), (201, Some(Ttl::seconds(60))));
        assert!(accepted.message_resource.is_some());
        let received = push.expect().to(&alice).text("2 : 1").topic("scores").urgency(Urgency::High);
        let received = received.once().within(secs(5)).await;
        received.findings().assert_none(Level::Warning);
    }
}

#[tokio::test]
async fn every_coding_and_every_padding_is_decrypted() {
    let push = MockServer::start().await;
    let key = key();
    let client = client(&key, HttpVersion::Http1);
    for (number, schedule) in Schedule::ALL.iter().enumerate() {
        for (other, padding) in [Padding::None, Padding::Maximum].into_iter().enumerate() {
            let agent = push.user_agent(&format!("agent-{number}-{other}")).await;
            let message = PushMessage::text(Ttl::seconds(60), "Hello").schedule(*schedule).padding(padding);

            let outcome = client.send(&agent.subscription().unwrap(), &message).await;

            assert_eq!(outcome.as_str(), "accepted", "{schedule}: {outcome}");
            push.expect().to(&agent).text("Hello").coding(schedule.coding()).once().within(secs(5)).await;
        }
    }
}

/// The request of the page of 2016.
#[tokio::test]
async fn put_with_an_old_coding_is_accepted() {
    let push = MockServer::start().await;
    let agent = push.user_agent("agent").await;
    let message = PushMessage::text(Ttl::seconds(60), "Hello")
        .coding(ContentCoding::Aesgcm128)
        .method(DeliveryMethod::Put);

    let outcome = client(&key(), HttpVersion::Http1).send(&agent.subscription().unwrap(), &message).await;

    assert_eq!(outcome.as_str(), "accepted", "{outcome}");
    push.expect().to(&agent).text("Hello").finding("request/method-put").once().within(secs(5)).await;
}

#[tokio::test]
async fn a_tickle_is_empty_and_an_empty_text_is_not() {
    let push = MockServer::start().await;
    let (one, two) = (push.user_agent("one").await, push.user_agent("two").await);
    let client = client(&key(), HttpVersion::Http1);

    client.send(&one.subscription().unwrap(), &PushMessage::tickle(Ttl::seconds(60))).await;
    client.send(&two.subscription().unwrap(), &PushMessage::text(Ttl::seconds(60), "")).await;

    push.expect().to(&one).empty().once().within(secs(5)).await;
    push.expect().to(&two).text("").once().within(secs(5)).await;
}

/// AS-004: both statuses.
#[tokio::test]
async fn an_ended_subscription_is_gone() {
    let push = MockServer::start().await;
    let client = client(&key(), HttpVersion::Http1);
    for status in [404, 410] {
        let agent = push.user_agent(&format!("agent-{status}")).await;
        agent.expire(status).await;

        let outcome =
            client.send(&agent.subscription().unwrap(), &PushMessage::tickle(Ttl::seconds(60))).await;

        assert_eq!((outcome.as_str(), outcome.status()), ("gone", Some(status)));
    }
}

/// AS-027, AS-028: the restricted subscription takes its own key only, and another is a mismatch, not an end.
#[tokio::test]
async fn another_key_is_a_mismatch() {
    let push = MockServer::start().await;
    let (right, wrong) = (key(), key());
    let agent = push.user_agent("agent").application_server_key(right.public().point()).await;
    let subscription = agent.subscription().unwrap();
    let client = PushClient::builder()
        .vapid_without_subject(wrong)
        .vapid_without_subject(right.clone())
        .allow_loopback()
        .build()
        .unwrap();
    let message = PushMessage::tickle(Ttl::seconds(60));

    let refused = client.send(&subscription, &message).await;
    let accepted = client.send(&subscription, &message.application_server_key(*right.public())).await;

    let Outcome::Refused(refused) = refused else { panic!("{refused}") };
    assert_eq!(
        (refused.reason.as_str(), refused.code.as_deref()),
        ("key-mismatch", Some("vapid/key-mismatch"))
    );
    assert_eq!(accepted.as_str(), "accepted", "{accepted}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large() {
    let push = MockServer::start().await;
    let agent = push.user_agent("agent").await;
    let message = PushMessage::bytes(Ttl::seconds(60), vec![b'x'; 5000]).plaintext_limit(5000);

    let outcome = client(&key(), HttpVersion::Http1).send(&agent.subscription().unwrap(), &message).await;

    let Outcome::Refused(refused) = outcome else { panic!("{outcome}") };
    assert_eq!((refused.status, refused.reason.as_str()), (413, "too-large"));
    assert_eq!(refused.code.as_deref(), Some("body/too-large"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_messages_arrive_over_few_connections() {
    let push = MockServer::start().await;
    let mut items = Vec::new();
    for number in 0..200 {
        let agent = push.user_agent(&format!("agent-{number}")).await;
        let message = PushMessage::text(Ttl::seconds(60), format!("to {number}"));
        items.push((number, agent.subscription().unwrap(), message));
    }

    let outcomes: Vec<_> = client(&key(), HttpVersion::Http2).send_all(stream::iter(items)).collect().await;

    assert_eq!(outcomes.len(), 200);
    for (number, outcome) in outcomes {
        assert_eq!(outcome.as_str(), "accepted", "{number}: {outcome}");
    }
    let received = push.received().await;
    assert_eq!(received.len(), 200);
    for message in received {
        let number = message.to().and_then(|to| to.strip_prefix("agent-")).unwrap().to_owned();
        assert_eq!(message.payload().text().unwrap(), format!("to {number}"));
    }
}
