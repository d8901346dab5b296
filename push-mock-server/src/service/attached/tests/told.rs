//! What tests and pages tell: rotation, controls, reset, reports, labels.

use super::*;

#[tokio::test]
async fn rotating_a_firefox_gives_it_another_uaid_and_its_label_to_the_next_subscription() {
    let world = World::new().await;
    let (mut firefox, channel_1) = world.firefox().await;
    let id = firefox.agent();

    let rotated = world.service.rotate(&world.space, "firefox-1").await.unwrap();

    assert_eq!(rotated.old.gone.unwrap().reason, "rotated");
    assert!(rotated.new.is_none());
    assert!(matches!(firefox.next(true).await, ToAgent::Close(Closing::Code(1001))));
    firefox.detach("takes a new name").await;
    let again = world.hello(Some(id)).await;
    assert_ne!(again.agent(), id);
    let anew = again.register(channel("c2", None)).await.unwrap();
    assert_eq!((anew.label.as_str(), again.label().as_str()), ("firefox-1", "firefox-1"));
    assert_eq!(world.send(&channel_1, "60").await.status, 404);
    let named = world.service.subscription(&world.space, "firefox-1").await.unwrap();
    assert_eq!(named.endpoint.expose(), anew.endpoint);
}

#[tokio::test]
async fn a_chromium_cannot_be_rotated_and_nobody_else_acknowledges_for_a_browser() {
    let world = World::new().await;
    let channel = world.register_chromium(5).await;
    let mut chromium = world.login(5, &[]).await;
    chromium.begin().await;
    let sent = world.send(&channel, "60").await;
    message(&mut chromium).await;

    let rotated = world.service.rotate(&world.space, "chromium-1").await;
    let acknowledged = world.service.acknowledge(&world.space, &sent.exchange).await;
    let change = UserAgentChange { ack: Some(crate::AckMode::Manual), ..UserAgentChange::default() };
    let changed = world.service.change_user_agent(&world.space, "chromium-1", change).await;

    assert!(matches!(rotated, Err(ServiceError::GoneState { .. })), "{rotated:?}");
    assert!(matches!(acknowledged, Err(ServiceError::GoneState { .. })), "{acknowledged:?}");
    assert!(matches!(changed, Err(ServiceError::BadField { .. })), "{changed:?}");
    assert_eq!(world.exchange(&sent).await.state, State::Delivered);
}

/// AP-057
#[tokio::test]
async fn controls_close_and_send_again() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let sent = world.send(&channel, "60").await;
    let version = message(&mut firefox).await.version.clone();
    firefox.acknowledge(&[(version.clone(), Ack::Code(100))]).await;
    let control = async |control| world.service.control(&world.space, "firefox-1", control).await;

    control(Control::Resend(sent.exchange.clone())).await.unwrap();
    assert_eq!(message(&mut firefox).await.version, version);
    control(Control::Close(4774)).await.unwrap();
    assert!(matches!(firefox.next(true).await, ToAgent::Close(Closing::Code(4774))));
    assert!(matches!(control(Control::Close(1000)).await, Err(ServiceError::GoneState { .. })));
    assert!(matches!(control(Control::Resend(sent.exchange)).await, Err(ServiceError::GoneState { .. })));
    world.holds().await;
}

#[tokio::test]
async fn a_reset_keeps_the_subscriptions_of_connected_browsers_unless_they_are_to_go() {
    let world = World::new().await;
    let (mut firefox, channel_1) = world.firefox().await;
    let channel_2 = world.register_chromium(5).await;
    world.send(&channel_1, "60").await;
    world.send(&channel_2, "60").await;
    let reset =
        async |browsers| world.service.reset(&Scope::Space(world.space.clone()), browsers).await.unwrap();

    reset(Browsers::Stay).await;

    assert!(world.service.exchanges(&world.space).await.unwrap().is_empty());
    assert_eq!(world.send(&channel_2, "60").await.status, 404);
    let after = world.send(&channel_1, "60").await;
    assert_eq!(message(&mut firefox).await.version, after.exchange, "what was reset is not sent");
    world.holds().await;

    reset(Browsers::Go).await;
    assert!(matches!(firefox.next(true).await, ToAgent::Close(Closing::Fin)));
    assert_eq!(world.send(&channel_1, "60").await.status, 404);
    let id = firefox.agent();
    firefox.detach("was removed").await;
    assert_ne!(world.hello(Some(id)).await.agent(), id);
}

#[tokio::test]
async fn what_a_worker_saw_is_kept_with_the_message_it_can_be() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let token = token_of(&channel);
    let fields = [("ttl", "60"), ("content-encoding", "aes128gcm")];
    let tickle = world.send(&channel, "60").await;
    let long = world.send_with(&channel, &fields, sealed(500)).await;
    for _ in 0..2 {
        let version = message(&mut firefox).await.version.clone();
        firefox.acknowledge(&[(version, Ack::Code(100))]).await;
    }
    let report = async |seen| world.service.report_seen(PushTokenText(&token), seen).await.unwrap();

    let data = Some(Bytes::from(vec![b'x'; 500]));
    let told = report(Seen { data: data.clone(), shown: Some(true), title: Some("1:0".into()) }).await;
    assert_eq!(told, Some(long.exchange.clone()));
    assert_eq!(report(Seen { data, ..Seen::default() }).await, None, "nothing else was as long");
    let told = report(Seen { data: None, shown: Some(false), title: None }).await;
    assert_eq!(told, Some(tickle.exchange.clone()));

    assert_eq!(codes(&*world.exchange(&long).await), [""; 0]);
    assert_eq!(codes(&*world.exchange(&tickle).await), ["delivery/silent"]);
}

#[tokio::test]
async fn a_page_tells_the_keys_of_its_subscription_once_it_proves_that_it_has_one() {
    let world = World::new().await;
    let (firefox, channel) = world.firefox().await;
    let keys = crate::sample::subscription_keys();
    let view = async || world.service.subscription(&world.space, "firefox-1").await.unwrap();
    assert!(view().await.keys.is_none() && view().await.private_key.is_none());

    let told = world.service.report_subscription(PushTokenText(&token_of(&channel)), keys.clone()).await;
    assert_eq!(told.unwrap(), (world.space.clone(), "firefox-1".to_owned()));
    assert_eq!(view().await.keys.unwrap().p256dh, keys.p256dh);

    let unknown = world.service.report_subscription(PushTokenText("nonsense"), keys).await;
    assert!(matches!(unknown, Err(ServiceError::NotFound { .. })));
    drop(firefox);
}

#[tokio::test]
async fn labels_are_given_in_turn_and_given_back() {
    let world = World::new().await;
    let labelled =
        |label: &str| Arriving { label: Some(label.into()), ..world.arriving(AgentKind::Firefox, None) };
    let one = world.hello(None).await;
    let two = world.hello(None).await;
    let lab = world.service.attach(labelled("lab")).await.unwrap();
    let lab_2 = world.service.attach(labelled("lab")).await.unwrap();
    let bad = world.service.attach(labelled("\u{7}")).await.unwrap();

    let labels = [&one, &two, &lab, &lab_2, &bad].map(Attached::label);
    assert_eq!(labels, ["firefox-1", "firefox-2", "lab", "lab-2", "firefox-3"]);
    assert_eq!(one.register(channel("a", None)).await.unwrap().label, "firefox-1");
    assert_eq!(one.register(channel("b", None)).await.unwrap().label, "firefox-1-2");
    two.detach("went").await;
    assert_eq!(world.hello(None).await.label(), "firefox-2");
}
