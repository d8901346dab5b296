//! Browsers as the wire would attach them, without a wire.

mod chromium;
mod told;

use bytes::Bytes;
use push_crypto::{PublicKey, Timestamp};

use super::*;
use crate::{
    Config, Limits,
    config::ClockStart,
    service::{
        controls::Control,
        exchange::{Exchange, Seen},
        reply::Reply,
        request::{DeliveryRequest, RequestBody, Via},
        spaces::{Browsers, NewSpace, Scope, Urls},
        subscription::{Changed, SubscriptionChange, UserAgentChange},
    },
    token::PushTokenText,
};

struct World {
    service: PushService,
    space: SpaceName,
}

impl World {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let local = |scheme: &str| format!("{scheme}://localhost:8030").parse().unwrap();
        let urls = Urls { http: Some(local("http")), https: Some(local("https")), public: local("http") };
        let service = PushService::new(config, urls).unwrap();
        let space: SpaceName = "air".parse().unwrap();
        let start = ClockStart::FrozenAt(Timestamp::from_unix_millis(1_800_000_000_000));
        let new = NewSpace { name: space.clone(), clock: Some(start), ..NewSpace::default() };
        service.create_space(new).await.unwrap();
        Self { service, space }
    }

    fn arriving(&self, kind: AgentKind, id: Option<UserAgentId>) -> Arriving {
        let space = self.space.clone();
        Arriving { space, kind, id, secret: None, label: None, version: None, received: Vec::new() }
    }

    async fn hello(&self, id: Option<UserAgentId>) -> Attached {
        self.service.attach(self.arriving(AgentKind::Firefox, id)).await.unwrap()
    }

    /// A Firefox with one subscription, ready to be sent to.
    async fn firefox(&self) -> (Attached, RegisteredChannel) {
        let attached = self.hello(None).await;
        let channel = attached.register(channel("c1", None)).await.unwrap();
        attached.begin().await;
        (attached, channel)
    }

    async fn login(&self, id: u64, received: &[&str]) -> Attached {
        let who = Arriving {
            secret: Some(7),
            received: received.iter().map(|&id| id.to_owned()).collect(),
            ..self.arriving(AgentKind::Chromium, Some(UserAgentId::from_android(id)))
        };
        self.service.attach(who).await.unwrap()
    }

    async fn register_chromium(&self, id: u64) -> RegisteredChannel {
        let new = NewChannel { secret: Some(7), ..channel("wp:x#1-V2", None) };
        let id = UserAgentId::from_android(id);
        self.service.register_channel(&self.space, AgentKind::Chromium, id, new).await.unwrap()
    }

    async fn send(&self, to: &RegisteredChannel, ttl: &str) -> Reply {
        self.send_with(to, &[("ttl", ttl)], Bytes::new()).await
    }

    async fn send_with(&self, to: &RegisteredChannel, fields: &[(&str, &str)], body: Bytes) -> Reply {
        let token = token_of(to);
        let request = DeliveryRequest {
            method: "POST".into(),
            via: Via::Http,
            http_version: "1.1",
            url: to.endpoint.clone(),
            origin: "http://localhost:8030".parse().ok(),
            headers: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            streamed: false,
            body: RequestBody::Whole(body),
            at: crate::clock::wall(),
        };
        self.service.deliver(Some(PushTokenText(&token)), request).await
    }

    async fn exchange(&self, reply: &Reply) -> Arc<Exchange> {
        self.holds().await;
        self.service.exchange(&self.space, &reply.exchange).await.unwrap()
    }

    async fn holds(&self) {
        assert_eq!(self.service.broken_invariants(&self.space).await.unwrap(), []);
    }

    async fn switch(
        &self,
        named: &str,
        online: bool,
        hard: bool,
    ) -> Changed<crate::service::subscription::SubscriptionView> {
        let change = SubscriptionChange { online: Some(online), hard, ..SubscriptionChange::default() };
        self.service.change_subscription(&self.space, named, change).await.unwrap()
    }
}

fn channel(name: &str, key: Option<PublicKey>) -> NewChannel {
    NewChannel {
        name: name.into(),
        app: Some("org.chromium.linux".into()),
        sender: Some("sender".into()),
        application_server_key: key,
        secret: None,
        label: None,
        version: None,
    }
}

fn token_of(channel: &RegisteredChannel) -> String {
    let path = channel.path.strip_prefix("/wpush/v1/gAAAAA").map(str::to_owned);
    path.unwrap_or_else(|| channel.path.split_once(":APA91b").unwrap().1.to_owned())
}

/// A body that only looks like aes128gcm, which is all that the service can see of one for a browser.
fn sealed(octets: usize) -> Bytes {
    let keys = crate::sample::subscription_keys();
    let provider = push_crypto::provider::aws_lc_rs::PROVIDER;
    let job = push_crypto::EncryptJob { keys: &keys, plaintext: &vec![b'x'; octets] };
    push_crypto::encrypt(&provider, &push_crypto::EncryptOptions::default(), job).unwrap().into_body().into()
}

async fn message(attached: &mut Attached) -> Arc<Handed> {
    match attached.next(true).await {
        ToAgent::Message(handed) => handed,
        ToAgent::Close(closing) => panic!("closed: {closing:?}"),
    }
}

fn unwritten(attached: &Attached) -> usize {
    let state = lock(&attached.agent.state);
    state.window.held.values().filter(|held| held.unwritten.is_some()).count()
}

fn nothing_waits(attached: &mut Attached) -> bool {
    unwritten(attached) == 0 && attached.orders.is_empty()
}

fn codes(exchange: &Exchange) -> Vec<&'static str> {
    exchange
        .findings
        .iter()
        .map(|finding| finding.code)
        .filter(|code| code.starts_with("delivery/"))
        .collect()
}

#[tokio::test]
async fn a_message_is_handed_over_and_acknowledged_with_the_code_of_the_browser() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;

    let fields = [("ttl", "60"), ("content-encoding", "aes128gcm")];
    let sent = world.send_with(&channel, &fields, sealed(5)).await;
    let handed = message(&mut firefox).await;
    assert_eq!(world.exchange(&sent).await.state, State::Delivered);
    firefox.acknowledge(&[(handed.version.clone(), Ack::Code(100))]).await;

    let exchange = world.exchange(&sent).await;
    assert_eq!((exchange.state, exchange.deliveries[0].ack_code), (State::Acknowledged, Some(100)));
    assert!(exchange.deliveries[0].ms.is_some());
    assert_eq!(handed.channel.name, "c1");
    assert_eq!(handed.coded.as_ref().unwrap().coding, push_crypto::ContentCoding::Aes128gcm);
    assert_eq!(codes(&exchange), [""; 0]);
}

/// AP-030
#[tokio::test]
async fn code_101_and_102_discard_with_a_finding() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;

    for (code, finding) in [(101, "delivery/undecryptable"), (102, "delivery/not-delivered")] {
        let sent = world.send(&channel, "60").await;
        let handed = message(&mut firefox).await;
        firefox.acknowledge(&[(handed.version.clone(), Ack::Code(code))]).await;

        let exchange = world.exchange(&sent).await;
        assert_eq!((exchange.state, codes(&exchange)), (State::Discarded, vec![finding]));
    }
}

/// AP-029: the same version again, and 102 then says that it was processed before.
#[tokio::test]
async fn what_was_not_acknowledged_comes_again_under_the_same_version() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let id = firefox.agent();
    let sent = world.send(&channel, "60").await;
    let first = message(&mut firefox).await;

    firefox.detach("was lost").await;
    assert_eq!(world.exchange(&sent).await.state, State::Queued);
    let mut again = world.hello(Some(id)).await;
    assert!(nothing_waits(&mut again), "nothing comes before the greeting");
    again.begin().await;
    let second = message(&mut again).await;
    again.acknowledge(&[(second.version.clone(), Ack::Code(102))]).await;

    let exchange = world.exchange(&sent).await;
    assert_eq!(first.version, second.version);
    assert_eq!((exchange.state, exchange.deliveries.len()), (State::Acknowledged, 2));
    assert_eq!(codes(&exchange), ["delivery/redelivered"]);
}

/// AP-009, AP-010, AP-012
#[tokio::test]
async fn a_uaid_is_known_while_it_is_connected_or_subscribed() {
    let world = World::new().await;
    let passing = world.hello(None).await;
    let passing_id = passing.agent();
    passing.detach("went").await;
    assert!(world.service.user_agents(&world.space).await.unwrap().is_empty());
    assert_ne!(world.hello(Some(passing_id)).await.agent(), passing_id);

    let (firefox, _) = world.firefox().await;
    let id = firefox.agent();
    firefox.detach("went").await;
    assert_eq!(world.hello(Some(id)).await.agent(), id);
}

/// AP-014
#[tokio::test]
async fn the_newest_connection_of_a_user_agent_wins() {
    let world = World::new().await;
    let (mut old, channel) = world.firefox().await;
    let sent = world.send(&channel, "60").await;

    let mut new = world.hello(Some(old.agent())).await;
    new.begin().await;

    assert!(matches!(old.next(true).await, ToAgent::Close(Closing::Replaced)));
    assert_eq!(message(&mut new).await.version, sent.exchange);
    old.detach("was replaced").await;
    assert!(world.service.user_agent(&world.space, "firefox-1").await.unwrap().connected);
    world.holds().await;
}

/// AP-019: again with the same key it is the same subscription; with another key it is refused.
#[tokio::test]
async fn registering_is_idempotent() {
    let world = World::new().await;
    let (firefox, channel_1) = world.firefox().await;

    let again = firefox.register(channel("c1", None)).await.unwrap();
    let other = firefox.register(channel("c1", Some(crate::sample::subscription_keys().p256dh))).await;

    assert_eq!(again.endpoint, channel_1.endpoint);
    assert!(matches!(other, Err(ServiceError::Exists { .. })));
    assert_eq!(world.service.subscriptions(&world.space).await.unwrap().len(), 1);
}

/// AP-022, AP-023
#[tokio::test]
async fn what_is_given_up_is_gone_and_can_be_made_anew() {
    let world = World::new().await;
    let (firefox, channel_1) = world.firefox().await;

    assert!(firefox.unregister("c1", Unregistered::PermissionRevoked).await.unwrap());
    assert!(!firefox.unregister("c1", Unregistered::Unsubscribed).await.unwrap());
    assert!(!firefox.unregister("c2", Unregistered::Unsubscribed).await.unwrap());

    assert_eq!(world.send(&channel_1, "60").await.status, 404);
    let gone = world.service.subscription(&world.space, "firefox-1").await.unwrap().gone.unwrap();
    assert_eq!(gone.reason, "permission-revoked");
    let anew = firefox.register(channel("c1", None)).await.unwrap();
    assert_eq!(anew.label, "firefox-1");
    assert_eq!(world.send(&anew, "60").await.status, 201);
}

/// A Firefox that has lost its last subscription takes a new uaid and then gives the old one's up.
#[tokio::test]
async fn a_channel_is_given_up_by_another_only_while_its_own_user_agent_is_away() {
    let world = World::new().await;
    let (firefox, channel_1) = world.firefox().await;
    let other = world.hello(None).await;

    assert!(!other.unregister("c1", Unregistered::Unsubscribed).await.unwrap());
    assert_eq!(world.send(&channel_1, "60").await.status, 201);
    firefox.detach("went").await;
    assert!(other.unregister("c1", Unregistered::Unsubscribed).await.unwrap());
    assert_eq!(world.send(&channel_1, "60").await.status, 404);
}

/// AP-033, T49
#[tokio::test]
async fn acknowledgements_count_within_the_user_agent_only() {
    let world = World::new().await;
    let (mut alice, channel_1) = world.firefox().await;
    let mallory = world.hello(None).await;
    let sent = world.send(&channel_1, "60").await;
    let handed = message(&mut alice).await;

    mallory.acknowledge(&[(handed.version.clone(), Ack::Code(100))]).await;
    mallory.nack(&handed.version, 301).await;

    let exchange = world.exchange(&sent).await;
    assert_eq!((exchange.state, exchange.deliveries[0].nack_code), (State::Delivered, None));
    assert_eq!(codes(&exchange), [""; 0]);
}

/// AP-032
#[tokio::test]
async fn a_failed_handler_is_noted_on_the_finished_message() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let sent = world.send(&channel, "60").await;
    let version = message(&mut firefox).await.version.clone();

    firefox.acknowledge(&[(version.clone(), Ack::Code(100))]).await;
    firefox.nack(&version, 301).await;

    let exchange = world.exchange(&sent).await;
    assert_eq!((exchange.state, exchange.deliveries[0].nack_code), (State::Acknowledged, Some(301)));
    assert_eq!(codes(&exchange), ["delivery/handler-failed"]);
}

/// AP-038: the window bounds what is on its way, and everything comes in order.
#[tokio::test]
async fn a_burst_comes_in_order_through_the_window() {
    let limits = Limits { window_messages: 3, ..Limits::default() };
    let world = World::with(Config { limits, ..Config::default() }).await;
    let (mut firefox, channel) = world.firefox().await;
    let mut sent = Vec::new();
    for _ in 0..20 {
        sent.push(world.send(&channel, "60").await.exchange);
    }
    assert_eq!(unwritten(&firefox), 3);

    let mut got = Vec::new();
    for _ in 0..20 {
        let version = message(&mut firefox).await.version.clone();
        firefox.acknowledge(&[(version.clone(), Ack::Code(100))]).await;
        got.push(version);
    }

    assert_eq!(got, sent);
    assert!(nothing_waits(&mut firefox));
    world.holds().await;
}

#[tokio::test]
async fn switched_off_softly_the_connection_stays_and_nothing_is_sent() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let before = world.send(&channel, "60").await;
    let on_its_way = message(&mut firefox).await;

    world.switch("firefox-1", false, false).await;
    let queued = world.send(&channel, "60").await;
    let dropped = world.send(&channel, "0").await;
    firefox.acknowledge(&[(on_its_way.version.clone(), Ack::Code(100))]).await;

    assert!(nothing_waits(&mut firefox));
    assert_eq!(world.exchange(&before).await.state, State::Acknowledged);
    assert_eq!(world.exchange(&queued).await.state, State::Queued);
    assert_eq!(world.exchange(&dropped).await.reason, Some("ttl-0"));
    assert_eq!(world.switch("firefox-1", true, false).await.delivered, [queued.exchange]);
    message(&mut firefox).await;
}

#[tokio::test]
async fn switched_off_hard_the_connection_ends_and_none_is_taken() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let sent = world.send(&channel, "60").await;

    world.switch("firefox-1", false, true).await;

    assert!(matches!(firefox.next(true).await, ToAgent::Close(Closing::Offline)));
    assert_eq!(world.exchange(&sent).await.state, State::Queued);
    let id = firefox.agent();
    firefox.detach("was switched off").await;
    let refused = world.service.attach(world.arriving(AgentKind::Firefox, Some(id))).await;
    assert!(matches!(refused, Err(Refused::Offline)));
    world.switch("firefox-1", true, false).await;
    let mut again = world.hello(Some(id)).await;
    again.begin().await;
    assert_eq!(message(&mut again).await.version, sent.exchange);
}

/// AP-039: what expires on its way to the connection is not sent.
#[tokio::test]
async fn what_expired_or_was_replaced_is_not_sent() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let topic = [("ttl", "60"), ("topic", "t123")];
    world.send_with(&channel, &topic, Bytes::new()).await;
    let second = world.send_with(&channel, &topic, Bytes::new()).await;
    assert_eq!(message(&mut firefox).await.version, second.exchange);

    let late = world.send(&channel, "1").await;
    let by = std::time::Duration::from_secs(1);
    world.service.change_clock(&world.space, crate::clock::ClockAction::Advance(by).into()).await.unwrap();
    let next = world.send(&channel, "60").await;

    assert_eq!(world.exchange(&late).await.state, State::Expired);
    assert_eq!(message(&mut firefox).await.version, next.exchange);
}

/// AP-028, GCM-033
#[tokio::test]
async fn bodies_that_no_browser_reads_are_refused() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;

    for (fields, finding) in [
        (&[("ttl", "60")][..], "coding/missing"),
        (&[("ttl", "60"), ("content-encoding", "gzip")], "coding/unknown"),
        (&[("ttl", "60"), ("content-encoding", "aesgcm128")], "coding/not-supported"),
    ] {
        let refused = world.send_with(&channel, fields, sealed(5)).await;
        let exchange = world.exchange(&refused).await;
        assert_eq!((refused.status, exchange.reason), (400, Some(finding)), "{fields:?}");
    }
    // What is named with a tickle means nothing (AP-049).
    let tickle = world.send_with(&channel, &[("ttl", "60"), ("content-encoding", "foo")], Bytes::new()).await;
    assert_eq!(tickle.status, 201);
    assert!(message(&mut firefox).await.coded.is_none());
}

/// T25: a reader that reads nothing costs no more than its window, however often a topic is replaced.
#[tokio::test]
async fn what_is_replaced_does_not_pile_up_for_a_slow_reader() {
    let world = World::new().await;
    let (mut firefox, channel) = world.firefox().await;
    let topic = [("ttl", "60"), ("topic", "t123")];
    for _ in 0..50 {
        world.send_with(&channel, &topic, Bytes::new()).await;
    }
    let last = world.send_with(&channel, &topic, Bytes::new()).await;

    assert_eq!(unwritten(&firefox), 1);
    assert_eq!(message(&mut firefox).await.version, last.exchange);
    assert!(nothing_waits(&mut firefox));
}

/// AP-021: the reply was lost, Firefox came back without its uaid, and registers the same channel again.
#[tokio::test]
async fn a_registration_that_is_made_again_under_another_uaid_ends_the_first() {
    let world = World::new().await;
    let (lost, first) = world.firefox().await;
    lost.detach("was lost").await;

    let again = world.hello(None).await;
    let second = again.register(channel("c1", None)).await.unwrap();

    assert_eq!(world.send(&first, "60").await.status, 404);
    assert_eq!(world.send(&second, "60").await.status, 201);
    assert!(again.unregister("c1", Unregistered::Unsubscribed).await.unwrap());
    assert_eq!(world.send(&second, "60").await.status, 404);
}

/// A page that subscribes and gives up for ever leaves the last few behind.
#[tokio::test]
async fn few_subscriptions_are_remembered_as_gone() {
    let world = World::new().await;
    let firefox = world.hello(None).await;
    for number in 0..40 {
        let name = format!("c{number}");
        firefox.register(channel(&name, None)).await.unwrap();
        assert!(firefox.unregister(&name, Unregistered::Unsubscribed).await.unwrap());
    }

    assert_eq!(world.service.subscriptions(&world.space).await.unwrap().len(), 16);
    world.holds().await;
}

/// A registration that comes while the uaid is taken away would be lost on both sides.
#[tokio::test]
async fn names_of_registrations_are_bounded_and_a_retired_uaid_takes_none() {
    let world = World::new().await;
    let (firefox, _) = world.firefox().await;
    let refused = async |name: &str| firefox.register(channel(name, None)).await.is_err();

    assert!(!refused(&"a".repeat(512)).await);
    assert!(refused(&"a".repeat(513)).await);
    world.service.rotate(&world.space, "firefox-1").await.unwrap();
    assert!(refused("c9").await);
}
