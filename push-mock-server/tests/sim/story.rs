//! The story that the page of 2016 explains TTL with: a phone in airplane mode, a message with 60 seconds to live.

use push_mock_server::{FiredWhat, service::exchange::State};

use crate::world::*;

/// PS-045, PS-076: within its time it is delivered, at its end it is not.
#[tokio::test]
async fn a_message_is_delivered_after_airplane_mode_only_while_it_lives() {
    let air = World::new().await;
    let phone = air.offline("phone").await;

    let first = air.accepted(&phone, &message("Hello", 60)).await;
    assert_eq!((first.state, first.reason), (State::Queued, Some("offline")));
    assert_eq!(first.expires_at, Some(EIGHT.after(secs(60))));
    assert_eq!(air.advance(millis(59_999)).await, []);
    assert_eq!(air.go_online("phone").await, std::slice::from_ref(&first.id));
    let first = air.exchange(&first.id).await;
    assert_eq!((first.state, first.reason), (State::Acknowledged, None));
    assert_eq!(plaintext(&first), b"Hello");
    assert_eq!(
        timeline(&first),
        [
            ("accepted", 0, None),
            ("queued", 0, Some("phone is offline")),
            ("delivered", 59_999, None),
            ("acknowledged", 59_999, None),
        ]
    );

    air.go_offline("phone").await;
    let second = air.accepted(&phone, &message("Hello again", 60)).await;
    let fired = air.advance(secs(60)).await;
    let [expired] = fired.as_slice() else { panic!("{fired:?}") };
    assert_eq!(expired.at, EIGHT.after(millis(119_999)));
    assert_eq!((expired.what, expired.to.as_deref()), (FiredWhat::Expired, Some("phone")));
    assert_eq!(expired.message.as_ref(), Some(&second.id));
    assert_eq!(air.go_online("phone").await, [] as [String; 0]);
    let second = air.exchange(&second.id).await;
    assert_eq!(second.state, State::Expired);
    assert_eq!(
        timeline(&second),
        [
            ("accepted", 59_999, None),
            ("queued", 59_999, Some("phone is offline")),
            ("expired", 119_999, None),
        ]
    );

    let counters = air.service.counters(&air.space).await.unwrap();
    assert_eq!(counters.accepted(), 2);
    assert_eq!(counters.in_state(State::Acknowledged), 1);
    assert_eq!(counters.in_state(State::Expired), 1);
}

/// PS-048: the first variant.
#[tokio::test]
async fn without_time_to_live_it_is_dropped_at_once() {
    let air = World::new().await;
    let phone = air.offline("phone").await;

    let dropped = air.accepted(&phone, &message("now or never", 0)).await;

    assert_eq!((dropped.state, dropped.reason), (State::Dropped, Some("ttl-0")));
    assert_eq!(dropped.response.status, Some(201));
    assert_eq!(
        timeline(&dropped),
        [("accepted", 0, None), ("dropped", 0, Some("TTL is 0, and phone is offline")),]
    );
    assert!(dropped.findings.iter().any(|finding| finding.code == "ttl/zero-dropped"));
    assert_eq!(air.go_online("phone").await, [] as [String; 0]);
}

/// PS-060: the second variant.
#[tokio::test]
async fn of_two_messages_of_one_topic_the_second_is_left() {
    let air = World::new().await;
    let phone = air.offline("phone").await;

    let first = air.accepted(&phone, &message("1:0", 60).topic("t")).await;
    let second = air.accepted(&phone, &message("2:0", 60).topic("t")).await;

    assert_eq!(air.go_online("phone").await, std::slice::from_ref(&second.id));
    let first = air.exchange(&first.id).await;
    assert_eq!((first.state, first.reason), (State::Replaced, Some("topic")));
    assert_eq!(first.replaced_by.as_ref(), Some(&second.id));
    assert_eq!(timeline(&first)[2], ("replaced", 0, Some("topic t")));
    assert_eq!(first.timeline[2].by.as_ref(), Some(&second.id));
    assert_eq!(air.state(&second.id).await, State::Acknowledged);
}

/// The third variant without a browser: a hard disconnection is the same to the sender.
#[tokio::test]
async fn a_hard_disconnection_holds_messages_too() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    let change = push_mock_server::service::subscription::SubscriptionChange {
        online: Some(false),
        hard: true,
        ..Default::default()
    };
    air.change("phone", change).await;

    let waiting = air.accepted(&phone, &message("later", 60)).await;

    assert_eq!(waiting.state, State::Queued);
    assert!(air.service.user_agent(&air.space, "phone").await.unwrap().hard);
    assert_eq!(air.go_online("phone").await, std::slice::from_ref(&waiting.id));
    assert!(!air.service.user_agent(&air.space, "phone").await.unwrap().hard);
}
