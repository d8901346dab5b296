//! A service with one space, and a sender; every step is followed by a check of the invariants.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use push_crypto::{EncryptJob, EncryptOptions, Timestamp, encrypt, provider::aws_lc_rs};
use push_mock_server::{
    ClockAction, ClockStart, Config, Fired, PushService, PushTokenText, ServiceError, SpaceName,
    clock::wall,
    service::{
        exchange::{Exchange, State},
        reply::{Outcome, Reply},
        request::{DeliveryRequest, RequestBody, Via},
        spaces::{NewSpace, Urls},
        subscription::{NewSubscription, SubscriptionChange, SubscriptionView},
    },
};

/// 2026-11-23T08:00:00Z.
pub(crate) const EIGHT: Timestamp = Timestamp::from_unix_seconds(1_795_420_800);

pub(crate) struct World {
    pub(crate) service: PushService,
    pub(crate) space: SpaceName,
}

/// A message as a sender writes it; `None` leaves a field out.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) text: Option<&'static str>,
    pub(crate) fields: Vec<(&'static str, String)>,
}

/// A message with that TTL.
pub(crate) fn message(text: &'static str, ttl: u64) -> Message {
    Message { text: Some(text), fields: vec![("ttl", ttl.to_string())] }
}

impl Message {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    pub(crate) fn topic(self, topic: &str) -> Self {
        self.with("topic", topic)
    }

    pub(crate) fn urgency(self, urgency: &str) -> Self {
        self.with("urgency", urgency)
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    /// A space that is frozen at eight o'clock.
    pub(crate) async fn with(config: Config) -> Self {
        let origin = |text: &str| text.parse().unwrap();
        let urls = Urls {
            http: Some(origin("http://localhost:8030")),
            https: Some(origin("https://localhost:8030")),
            public: origin("http://localhost:8030"),
        };
        let service = PushService::new(config, urls).unwrap();
        let space: SpaceName = "air".parse().unwrap();
        let clock = Some(ClockStart::FrozenAt(EIGHT));
        let (_, made) = service
            .create_space(NewSpace { name: space.clone(), clock, ..NewSpace::default() })
            .await
            .unwrap();
        assert!(made);
        Self { service, space }
    }

    pub(crate) async fn subscribe(&self, label: &str, new: NewSubscription) -> SubscriptionView {
        let new = NewSubscription { label: Some(label.into()), ..new };
        self.service.subscribe(&self.space, new).await.unwrap()
    }

    pub(crate) async fn online(&self, label: &str) -> SubscriptionView {
        self.subscribe(label, NewSubscription::default()).await
    }

    pub(crate) async fn offline(&self, label: &str) -> SubscriptionView {
        self.subscribe(label, NewSubscription { online: Some(false), ..NewSubscription::default() }).await
    }

    /// Sends; the message is encrypted for the subscription.
    pub(crate) async fn send(&self, to: &SubscriptionView, message: &Message) -> Reply {
        let reply = self.service.deliver(Some(token_of(to)), request(to, message)).await;
        self.check().await;
        reply
    }

    /// Sends what must be accepted, and returns the exchange.
    pub(crate) async fn accepted(&self, to: &SubscriptionView, message: &Message) -> Arc<Exchange> {
        let reply = self.send(to, message).await;
        assert!(matches!(reply.outcome, Outcome::Accepted { .. }), "{reply:?}");
        self.exchange(&reply.exchange).await
    }

    pub(crate) async fn exchange(&self, id: &str) -> Arc<Exchange> {
        self.service.exchange(&self.space, id).await.unwrap()
    }

    pub(crate) async fn state(&self, id: &str) -> State {
        self.exchange(id).await.state
    }

    pub(crate) async fn advance(&self, by: Duration) -> Vec<Fired> {
        let (_, fired) =
            self.service.change_clock(&self.space, ClockAction::Advance(by).into()).await.unwrap();
        self.check().await;
        fired
    }

    /// Ids of what was delivered.
    pub(crate) async fn go_online(&self, label: &str) -> Vec<String> {
        self.change(label, SubscriptionChange { online: Some(true), ..SubscriptionChange::default() }).await
    }

    /// Code of the error with which going online fails.
    pub(crate) async fn go_online_error(&self, label: &str) -> &'static str {
        let change = SubscriptionChange { online: Some(true), ..SubscriptionChange::default() };
        self.try_change(label, change).await.err().map_or("none", |error| error.code())
    }

    pub(crate) async fn go_offline(&self, label: &str) {
        self.change(label, SubscriptionChange { online: Some(false), ..SubscriptionChange::default() }).await;
    }

    pub(crate) async fn change(&self, label: &str, change: SubscriptionChange) -> Vec<String> {
        self.try_change(label, change).await.unwrap()
    }

    pub(crate) async fn try_change(
        &self,
        label: &str,
        change: SubscriptionChange,
    ) -> Result<Vec<String>, ServiceError> {
        let changed = self.service.change_subscription(&self.space, label, change).await;
        self.check().await;
        changed.map(|changed| changed.delivered)
    }

    pub(crate) async fn check(&self) {
        let broken = self.service.broken_invariants(&self.space).await.unwrap();
        assert!(broken.is_empty(), "{broken:?}");
    }
}

pub(crate) fn token_of(subscription: &SubscriptionView) -> PushTokenText<'_> {
    PushTokenText(subscription.endpoint.expose().rsplit('/').next().unwrap())
}

/// The token of the message resource in an answer.
pub(crate) fn message_token(reply: &Reply) -> &str {
    let Outcome::Accepted { location, .. } = &reply.outcome else { panic!("not accepted: {reply:?}") };
    location.strip_prefix("/m/").unwrap()
}

pub(crate) fn request(to: &SubscriptionView, message: &Message) -> DeliveryRequest {
    let mut headers: Vec<_> =
        message.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut body = Bytes::new();
    if let Some(text) = message.text {
        let job = EncryptJob { keys: to.keys.as_ref().unwrap(), plaintext: text.as_bytes() };
        let encrypted = encrypt(&aws_lc_rs::PROVIDER, &EncryptOptions::default(), job).unwrap();
        headers.extend(encrypted.headers().into_iter().map(|(name, value)| (name.to_owned(), value)));
        body = encrypted.into_body().into();
    }
    headers.push(("content-length".into(), body.len().to_string()));
    DeliveryRequest {
        method: "POST".into(),
        via: Via::Http,
        http_version: "1.1",
        url: to.endpoint.expose().into(),
        origin: Some("http://localhost:8030".parse().unwrap()),
        headers,
        streamed: false,
        body: RequestBody::Whole(body),
        at: wall(),
    }
}

pub(crate) fn refusal(reply: &Reply) -> (u16, &'static str) {
    match &reply.outcome {
        Outcome::Refused(finding) => (reply.status, finding.code),
        other => panic!("not refused: {other:?}"),
    }
}

/// Events of a timeline with their times, in milliseconds after eight o'clock.
pub(crate) fn timeline(exchange: &Exchange) -> Vec<(&'static str, u64, Option<&str>)> {
    exchange
        .timeline
        .iter()
        .map(|step| {
            let millis = u64::try_from(step.clock.since(EIGHT).as_millis()).unwrap();
            (step.event, millis, step.why.as_deref())
        })
        .collect()
}

pub(crate) fn plaintext(exchange: &Exchange) -> &[u8] {
    match &exchange.payload {
        push_mock_server::service::finding::Payload::Decrypted(opened) => &opened.plaintext,
        other => panic!("not decrypted: {other:?}"),
    }
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
