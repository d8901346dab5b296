//! Events: every change of state is told once, in order, with the message as it was then.

use push_mock_server::service::{
    events::{About, Event, EventStream, Notice},
    spaces::{Browsers, Scope},
};

use crate::{acknowledge::manual, world::*};

fn read(stream: &mut EventStream) -> Vec<std::sync::Arc<Event>> {
    let notices = std::iter::from_fn(|| stream.try_next());
    notices
        .map(|notice| match notice {
            Notice::Event(event) => event,
            Notice::Gap { lost_to } => panic!("lost up to {lost_to}"),
        })
        .collect()
}

fn kinds(stream: &mut EventStream) -> Vec<&'static str> {
    read(stream).iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn the_life_of_a_message_is_told() {
    let air = World::new().await;
    let mut events = air.service.subscribe_events(Some(air.space.clone()), None);
    let phone = air.offline("phone").await;
    assert_eq!(kinds(&mut events), ["subscription.created"]);

    air.accepted(&phone, &message("1", 60).topic("t")).await;
    air.accepted(&phone, &message("2", 60).topic("t")).await;
    assert_eq!(kinds(&mut events), ["message.queued", "message.replaced", "message.queued"]);
    air.go_online("phone").await;
    assert_eq!(kinds(&mut events), ["userAgent.online", "message.delivered", "message.acknowledged"]);
    air.change("phone", manual()).await;
    air.accepted(&phone, &message("3", 60)).await;
    air.go_offline("phone").await;
    assert_eq!(kinds(&mut events), ["message.delivered", "message.queued", "userAgent.offline"]);
    air.go_online("phone").await;
    assert_eq!(kinds(&mut events), ["userAgent.online", "message.redelivered"]);
    air.advance(secs(60)).await;
    assert_eq!(kinds(&mut events), ["message.expired", "clock.changed"]);
    air.send(&phone, &Message { text: None, fields: Vec::new() }).await;
    assert_eq!(kinds(&mut events), ["message.refused"]);
    air.service.rotate(&air.space, "phone").await.unwrap();
    assert_eq!(kinds(&mut events), ["subscription.rotated", "subscription.created"]);
    air.service.unsubscribe(&air.space, "phone").await.unwrap();
    assert_eq!(kinds(&mut events), ["subscription.gone"]);
    air.service.reset(&Scope::Space(air.space.clone()), Browsers::Stay).await.unwrap();
    air.service.remove_space(&air.space).await.unwrap();
    assert_eq!(kinds(&mut events), ["space.reset", "space.removed"]);
}

#[tokio::test]
async fn an_event_shows_the_message_as_it_was_then() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    let mut events = air.service.subscribe_events(Some(air.space.clone()), None);
    air.accepted(&phone, &message("x", 60)).await;

    let seen: Vec<_> = read(&mut events)
        .iter()
        .map(|event| match &event.about {
            About::Message(exchange) => {
                (event.kind.as_str(), exchange.state.as_str(), exchange.timeline.len())
            }
            other => panic!("{other:?}"),
        })
        .collect();

    assert_eq!(seen, [("message.delivered", "delivered", 2), ("message.acknowledged", "acknowledged", 3)]);
}

/// T56: an event of one space is not told to who listens to another.
#[tokio::test]
async fn events_are_filtered_by_space() {
    let air = World::new().await;
    let mut elsewhere = air.service.subscribe_events(Some("sea".parse().unwrap()), Some(0));
    let mut everywhere = air.service.subscribe_events(None, Some(0));
    air.online("phone").await;

    assert_eq!(kinds(&mut elsewhere), [] as [&str; 0]);
    assert_eq!(kinds(&mut everywhere), ["space.created", "space.created", "subscription.created"]);
}
