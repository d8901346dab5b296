//! Expectations and waits against a running service.

use std::time::Duration;

use push_mock_server::{
    SpaceName,
    expect::{Expect, Verify},
    service::{exchange::State, finding::Level},
    view::{View, notice_json, subscription_json, user_agent_json},
    wait::{WaitError, WaitRequest, wait},
};
use serde_json::{Value, json};

use crate::world::{MS, SECOND, Send, World};

fn expect(world: &World) -> Expect {
    Expect::new(&world.service, &world.space)
}

#[tokio::test]
async fn an_expectation_before_the_send_is_met_by_it() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let waiting =
        tokio::spawn(expect(&world).to("alice").json(json!({"title": "1:0"})).once().within(30 * SECOND));
    tokio::task::yield_now().await;

    world.send(&alice, Send::ttl("60").text("{\"title\":\"1:0\",\"n\":1}")).await;

    let got = waiting.await.unwrap();
    assert_eq!((got.to(), got.state()), (Some("alice"), State::Acknowledged));
    assert_eq!(got.payload().json::<Value>().unwrap()["n"], 1);
    got.findings().assert_none(Level::Error);
}

#[tokio::test]
async fn an_expectation_after_the_send_is_met_at_once() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    world.send(&alice, Send::ttl("60").topic("score")).await;

    let got = expect(&world).to("alice").topic("score").ttl(60..).text("Hello").within(Duration::ZERO).await;

    assert_eq!(got.topic(), Some("score"));
    expect(&world).to("bob").none().within(Duration::ZERO).await;
}

/// A change of state wakes a wait, not only a new message.
#[tokio::test]
async fn a_wait_sees_a_message_being_acknowledged_later() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    world.send(&alice, Send::ttl("60")).await;
    let waiting = tokio::spawn(expect(&world).state(State::Acknowledged).within(30 * SECOND));
    tokio::task::yield_now().await;

    world.online("alice", true).await;

    assert_eq!(waiting.await.unwrap().timeline().len(), 4);
}

#[tokio::test]
async fn a_wait_sees_a_message_expire() {
    let world = World::new();
    let alice = world.subscribe("alice", |new| new.online = Some(false)).await;
    world.send(&alice, Send::ttl("60")).await;
    let waiting = tokio::spawn(expect(&world).state(State::Expired).within(30 * SECOND));
    tokio::task::yield_now().await;

    world.advance(60 * SECOND).await;

    waiting.await.unwrap();
}

#[tokio::test]
async fn a_report_names_the_refused_message() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    world.send(&alice, Send::ttl("soon")).await;

    let report = expect(&world).to("alice").try_within(Duration::ZERO).await.unwrap_err();

    assert!(
        report.to_string().contains("✗ state  expected accepted   was refused (400 ttl/not-a-number)"),
        "{report}"
    );
}

#[tokio::test]
async fn silence_is_broken_at_once() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let waiting = tokio::spawn(expect(&world).to("alice").none().try_within(300 * SECOND));
    tokio::task::yield_now().await;

    world.send(&alice, Send::ttl("60")).await;

    let report = waiting.await.unwrap().unwrap_err();
    assert_eq!(report.headline(), "1 message matched, none was expected: to alice");
    expect(&world).to("bob").none().within(20 * MS).await;
}

#[tokio::test]
async fn verification_sees_order_and_others() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let bob = world.subscribe("bob", |_| {}).await;
    world.send(&alice, Send::ttl("60")).await;
    world.send(&bob, Send::ttl("60")).await;
    let verify = || Verify::new(&world.service, &world.space);
    let (to_alice, to_bob) = (expect(&world).to("alice").once(), expect(&world).to("bob").once());

    let all = verify().ordered().no_others().expect(to_alice.clone()).expect(to_bob.clone()).await;
    assert_eq!(all.len(), 2);

    let wrong = verify().ordered().expect(to_bob).expect(to_alice.clone()).try_run().await.unwrap_err();
    assert!(wrong.headline().starts_with("out of order"), "{wrong}");
    let others = verify().no_others().expect(to_alice).try_run().await.unwrap_err();
    assert_eq!(others.headline(), "1 message was matched by no expectation");
}

#[tokio::test]
async fn a_wait_of_the_api_advises_the_command_line() {
    let world = World::new();
    let request = WaitRequest::from_value(&json!({"match": {"to": "alice"}, "timeout": "0s"})).unwrap();

    let Err(WaitError::NotMet(not_met)) = wait(&world.service, &world.space, &request).await else {
        panic!("nothing was sent");
    };

    assert_eq!(not_met.cursor, 0);
    assert!(not_met.report.to_string().contains("push sub ls --space t1"), "{not_met}");
}

#[tokio::test]
async fn a_wait_in_another_space_sees_nothing() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let other: SpaceName = "t2".parse().unwrap();
    world.send(&alice, Send::ttl("60")).await;

    Expect::new(&world.service, &other).none().within(Duration::ZERO).await;
}

#[tokio::test]
async fn objects_have_the_documented_members() {
    let world = World::new();
    let alice = world.subscribe("alice", |_| {}).await;
    let view = View::new("http://localhost:8030");
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");

    let subscription = subscription_json(&alice, &view);
    assert_eq!(
        names(&subscription),
        "id label space profile status goneReason userAgent applicationServerKey codings subscription endpoints \
         minUrgency ack counts createdAt links"
    );
    assert_eq!(subscription["subscription"]["endpoint"], alice.endpoint.expose());
    assert!(subscription_json(&alice, &View { secrets: true, ..view }).get("privateKey").is_some());
    let agents = world.service.user_agents(&world.space).await.unwrap();
    assert_eq!(user_agent_json(&agents[0])["label"], "alice");
}

#[tokio::test]
async fn events_carry_the_message_as_it_was() {
    let world = World::new();
    let mut events = world.service.subscribe_events(Some(world.space.clone()), None);
    let alice = world.subscribe("alice", |_| {}).await;
    world.send(&alice, Send::ttl("60")).await;

    let mut seen = Vec::new();
    while let Some(notice) = events.try_next() {
        let event = notice_json(&notice, &View::new(""));
        let state = event.pointer("/message/state").and_then(Value::as_str).map(str::to_owned);
        seen.push((event["type"].as_str().unwrap().to_owned(), state));
    }

    let messages: Vec<_> = seen.into_iter().filter_map(|(kind, state)| Some((kind, state?))).collect();
    let expected = ["delivered", "acknowledged"].map(|state| (format!("message.{state}"), state.to_owned()));
    assert_eq!(messages, expected);
}
