//! Urgency (RFC 8030 §5.3).

use push_crypto::Urgency;
use push_mock_server::service::{
    exchange::State,
    subscription::{NewSubscription, SubscriptionChange},
};

use crate::world::*;

fn least(urgency: Urgency) -> SubscriptionChange {
    SubscriptionChange { min_urgency: Some(urgency), ..SubscriptionChange::default() }
}

/// PS-053, PS-054: two values, unknown names and case.
#[tokio::test]
async fn an_urgency_that_is_none_is_refused() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    for wrong in ["low, high", "urgent", "", "HIGH"] {
        let reply = air.send(&phone, &message("wrong", 60).urgency(wrong)).await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    let twice = message("wrong", 60).urgency("low").urgency("high");
    assert_eq!(refusal(&air.send(&phone, &twice).await), (400, "urgency/duplicate"));

    assert_eq!(air.go_online("phone").await, [] as [String; 0]);
}

/// PS-056, PS-057: 4 × 4, and a reader that names none gets all.
#[tokio::test]
async fn only_what_is_urgent_enough_is_delivered() {
    for reader in
        [None, Some(Urgency::VeryLow), Some(Urgency::Low), Some(Urgency::Normal), Some(Urgency::High)]
    {
        for sent in Urgency::ALL {
            let air = World::new().await;
            let new = NewSubscription { min_urgency: reader, ..NewSubscription::default() };
            let phone = air.subscribe("phone", new).await;

            let message = air.accepted(&phone, &message("x", 60).urgency(sent.as_str())).await;

            let expected = if reader.is_none_or(|reader| sent >= reader) {
                (State::Acknowledged, None)
            } else {
                (State::Queued, Some("urgency"))
            };
            assert_eq!((message.state, message.reason), expected, "{sent} for {reader:?}");
        }
    }
}

/// PS-054: missing means normal.
#[tokio::test]
async fn without_the_field_it_is_normal() {
    for (reader, state) in [(Urgency::Normal, State::Acknowledged), (Urgency::High, State::Queued)] {
        let air = World::new().await;
        let phone = air.online("phone").await;
        air.change("phone", least(reader)).await;

        assert_eq!(air.accepted(&phone, &message("x", 60)).await.state, state);
    }
}

/// PS-058: what is held back stays until its end and goes to a later reader that takes it, in order.
#[tokio::test]
async fn what_is_held_back_is_delivered_later() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", least(Urgency::High)).await;
    let low = air.accepted(&phone, &message("low", 60).urgency("low")).await;
    let very_low = air.accepted(&phone, &message("very low", 60).urgency("very-low")).await;
    let high = air.accepted(&phone, &message("high", 60).urgency("high")).await;
    assert_eq!(high.state, State::Acknowledged);
    assert_eq!(timeline(&low)[1], ("queued", 0, Some("phone takes urgency high and above")));
    assert_eq!(air.service.subscription(&air.space, "phone").await.unwrap().counts.queued, 2);

    assert_eq!(air.change("phone", least(Urgency::Low)).await, std::slice::from_ref(&low.id));
    assert_eq!(air.change("phone", least(Urgency::VeryLow)).await, std::slice::from_ref(&very_low.id));
}

/// TTL 0 that is not urgent enough is gone.
#[tokio::test]
async fn ttl_zero_is_not_held_back() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", least(Urgency::High)).await;

    let dropped = air.accepted(&phone, &message("x", 0).urgency("low")).await;

    assert_eq!((dropped.state, dropped.reason), (State::Dropped, Some("ttl-0")));
}
