//! Acknowledgement, redelivery and withdrawal (RFC 8030 §6.2), and the manual steps of simulated user agents.

use push_crypto::ContentCoding;
use push_mock_server::{
    AckMode,
    service::{
        exchange::State,
        subscription::{NewSubscription, SubscriptionChange},
    },
};

use crate::world::*;

pub(crate) fn manual() -> SubscriptionChange {
    ack(AckMode::Manual)
}

fn ack(mode: AckMode) -> SubscriptionChange {
    SubscriptionChange { ack: Some(mode), ..SubscriptionChange::default() }
}

/// PS-076, PS-079: in order of acceptance, and what was acknowledged does not come again.
#[tokio::test]
async fn a_hundred_waiting_messages_come_in_order_and_once() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.push(air.accepted(&phone, &message("x", 60)).await.id.clone());
    }

    assert_eq!(air.go_online("phone").await, sent);
    air.go_offline("phone").await;
    assert_eq!(air.go_online("phone").await, [] as [String; 0]);
}

/// PS-080, PS-081: once per connection until it ends, with one id.
#[tokio::test]
async fn what_is_not_acknowledged_comes_again_until_its_end() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", ack(AckMode::Never)).await;
    let message = air.accepted(&phone, &message("x", 60)).await;
    for connection in 1..12 {
        air.go_offline("phone").await;
        air.advance(secs(5)).await;
        assert_eq!(
            air.go_online("phone").await,
            std::slice::from_ref(&message.id),
            "connection {connection}"
        );
    }
    air.go_offline("phone").await;
    air.advance(secs(5)).await;
    assert_eq!(air.go_online("phone").await, [] as [String; 0]);

    let expired = air.exchange(&message.id).await;
    assert_eq!(expired.state, State::Expired);
    assert_eq!(expired.deliveries.len(), 12);
    let redelivered = expired.timeline.iter().filter(|step| step.event == "redelivered").count();
    assert_eq!(redelivered, 11);
    assert!(expired.findings.iter().any(|finding| finding.code == "delivery/redelivered"));
}

#[tokio::test]
async fn a_message_is_acknowledged_by_hand() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", manual()).await;
    let first = air.accepted(&phone, &message("1", 60)).await;
    let second = air.accepted(&phone, &message("2", 60)).await;
    air.advance(secs(7)).await;

    let acknowledged = air.service.acknowledge(&air.space, &first.id).await.unwrap();
    let discarded = air.service.discard(&air.space, &second.id).await.unwrap();

    assert_eq!((acknowledged.state, discarded.state), (State::Acknowledged, State::Discarded));
    assert_eq!(acknowledged.deliveries[0].ms, Some(7000));
    let again = air.service.acknowledge(&air.space, &first.id).await.unwrap_err();
    assert_eq!(again.to_string(), "cannot acknowledge a message that is acknowledged");
    air.check().await;
}

#[tokio::test]
async fn who_never_acknowledges_cannot_be_told_to() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", ack(AckMode::Never)).await;
    let message = air.accepted(&phone, &message("x", 60)).await;

    let error = air.service.acknowledge(&air.space, &message.id).await.unwrap_err();

    assert_eq!((error.code(), error.to_string().as_str()), ("api/gone-state", "phone never acknowledges"));
    assert_eq!(air.state(&message.id).await, State::Delivered);
    air.change("phone", ack(AckMode::Auto)).await;
    assert_eq!(air.state(&message.id).await, State::Acknowledged);
}

#[tokio::test]
async fn a_message_is_delivered_by_hand_whatever_its_urgency() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let waiting = air.accepted(&phone, &message("x", 60).urgency("low")).await;
    let offline = air.service.deliver_now(&air.space, &waiting.id).await.unwrap_err();
    assert_eq!(offline.code(), "api/gone-state");
    let change = SubscriptionChange {
        online: Some(true),
        min_urgency: Some(push_crypto::Urgency::High),
        ..SubscriptionChange::default()
    };
    assert_eq!(air.change("phone", change).await, [] as [String; 0]);

    let delivered = air.service.deliver_now(&air.space, &waiting.id).await.unwrap();

    assert_eq!(delivered.state, State::Acknowledged);
    assert!(air.service.deliver_now(&air.space, &waiting.id).await.is_err());
}

/// What the user agent cannot open it throws away, and says so.
#[tokio::test]
async fn what_cannot_be_opened_is_discarded() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    let other = air.online("other").await;
    let legacy = NewSubscription { codings: Some(vec![ContentCoding::Aesgcm]), ..NewSubscription::default() };
    let legacy = air.subscribe("legacy", legacy).await;

    let mixed_up = request(&other, &message("for other", 60));
    let reply = air.service.deliver(Some(token_of(&phone)), mixed_up).await;
    let wrong_key = air.exchange(&reply.exchange).await;
    let wrong_coding = air.accepted(&legacy, &message("too new", 60)).await;

    assert_eq!((wrong_key.state, wrong_key.reason), (State::Discarded, Some("undecryptable")));
    assert!(wrong_key.findings.iter().any(|finding| finding.code == "decrypt/other-subscription"));
    assert_eq!(wrong_coding.state, State::Discarded);
    assert!(wrong_coding.findings.iter().any(|finding| finding.code == "coding/not-supported"));
    air.check().await;
}

/// PS-083, PS-084: who knows the message resource may read it until its end, and take it back.
#[tokio::test]
async fn a_sender_takes_its_message_back() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let kept = air.accepted(&phone, &message("kept", 60)).await;
    let reply = air.send(&phone, &message("taken back", 60)).await;
    let token = message_token(&reply);

    let read = air.service.message_resource(token).await.unwrap();
    assert_eq!(read.body, air.exchange(&reply.exchange).await.request.body);
    assert_eq!(read.headers, [("content-encoding".to_owned(), "aes128gcm".to_owned())]);
    assert_eq!(read.push_resource, format!("/p/{}", token_of(&phone).0));

    assert!(air.service.withdraw(token).await);
    assert!(!air.service.withdraw(token).await);
    assert!(air.service.message_resource(token).await.is_err());
    assert_eq!(air.state(&reply.exchange).await, State::Withdrawn);
    assert_eq!(air.go_online("phone").await, std::slice::from_ref(&kept.id));
    air.check().await;
}

/// PS-022, PS-099: a push token is no message token, and neither is anything else.
#[tokio::test]
async fn only_a_message_token_names_a_message() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let reply = air.send(&phone, &message("x", 60)).await;
    let token = message_token(&reply);

    for wrong in [token_of(&phone).0, "", "x", &token[1..], &format!("{token}A")] {
        assert!(air.service.message_resource(wrong).await.is_err());
        assert!(!air.service.withdraw(wrong).await);
    }
    assert_eq!(air.state(&reply.exchange).await, State::Queued);
}

/// A full window holds later messages back, in order, until there is room.
#[tokio::test]
async fn a_full_window_keeps_the_order() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", manual()).await;
    let mut sent = Vec::new();
    for _ in 0..34 {
        sent.push(air.accepted(&phone, &message("x", 60)).await.id.clone());
    }
    let states = async |of: &[String]| {
        let mut states = Vec::new();
        for id in of {
            states.push(air.exchange(id).await.state);
        }
        states
    };
    assert!(states(&sent[..32]).await.iter().all(|state| *state == State::Delivered));
    assert_eq!(states(&sent[32..]).await, [State::Queued, State::Queued]);
    let waiting = air.exchange(&sent[32]).await;
    assert_eq!(waiting.reason, Some("window"));
    assert_eq!(timeline(&waiting)[1], ("queued", 0, Some("phone has 32 messages unacknowledged")));

    air.service.acknowledge(&air.space, &sent[5]).await.unwrap();

    assert_eq!(states(&sent[32..]).await, [State::Delivered, State::Queued]);
    air.check().await;
}
