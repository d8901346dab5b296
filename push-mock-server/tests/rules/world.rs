//! A service with a frozen clock, and a sender that encrypts for its subscriptions.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use push_crypto::{EncryptJob, EncryptOptions, provider::aws_lc_rs::PROVIDER};
use push_mock_server::{
    ClockAction, ClockStart, Config, Fired, PushService, PushTokenText, SpaceName,
    clock::wall,
    service::{
        exchange::{Exchange, State},
        reply::Reply,
        request::{DeliveryRequest, RequestBody, Via},
        spaces::Urls,
        subscription::{NewSubscription, SubscriptionChange, SubscriptionView},
    },
};

pub(crate) struct World {
    pub(crate) service: PushService,
    pub(crate) space: SpaceName,
}

/// What a sender says besides the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send<'a> {
    pub(crate) ttl: &'a str,
    pub(crate) topic: Option<&'a str>,
    pub(crate) urgency: Option<&'a str>,
    pub(crate) text: &'a str,
}

impl<'a> Send<'a> {
    pub(crate) const fn ttl(ttl: &'a str) -> Self {
        Self { ttl, topic: None, urgency: None, text: "Hello" }
    }

    pub(crate) const fn topic(self, topic: &'a str) -> Self {
        Self { topic: Some(topic), ..self }
    }

    pub(crate) const fn urgency(self, urgency: &'a str) -> Self {
        Self { urgency: Some(urgency), ..self }
    }

    pub(crate) const fn text(self, text: &'a str) -> Self {
        Self { text, ..self }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Config { clock: ClockStart::Frozen, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let origin: push_crypto::Origin = "http://localhost:8030".parse().unwrap();
        let urls = Urls { http: Some(origin.clone()), https: None, public: origin };
        Self { service: PushService::new(config, urls).unwrap(), space: "t1".parse().unwrap() }
    }

    pub(crate) async fn subscribe(
        &self,
        label: &str,
        change: impl FnOnce(&mut NewSubscription),
    ) -> SubscriptionView {
        let mut new = NewSubscription { label: Some(label.to_owned()), ..NewSubscription::default() };
        change(&mut new);
        self.service.subscribe(&self.space, new).await.unwrap()
    }

    pub(crate) async fn online(&self, label: &str, online: bool) -> Vec<String> {
        let change = SubscriptionChange { online: Some(online), ..SubscriptionChange::default() };
        self.service.change_subscription(&self.space, label, change).await.unwrap().delivered
    }

    /// Sends an encrypted message to a subscription as it was handed out.
    pub(crate) async fn send(&self, to: &SubscriptionView, send: Send<'_>) -> Reply {
        let job = EncryptJob { keys: to.keys.as_ref().unwrap(), plaintext: send.text.as_bytes() };
        let encrypted = push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).unwrap();
        let mut headers = vec![("ttl".to_owned(), send.ttl.to_owned())];
        headers.extend(encrypted.headers().into_iter().map(|(name, value)| (name.to_owned(), value)));
        headers.extend(send.topic.map(|topic| ("topic".to_owned(), topic.to_owned())));
        headers.extend(send.urgency.map(|urgency| ("urgency".to_owned(), urgency.to_owned())));
        self.post(to, headers, Bytes::from(encrypted.into_body())).await
    }

    pub(crate) async fn post(
        &self,
        to: &SubscriptionView,
        headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Reply {
        let url = to.endpoint.expose().to_owned();
        let token = url.rsplit('/').next().unwrap_or_default().to_owned();
        self.service.deliver(Some(PushTokenText(&token)), Self::request(url, headers, body)).await
    }

    /// A tickle to whatever that token names.
    pub(crate) async fn post_token(&self, token: &str, url: &str) -> Reply {
        let headers = vec![("ttl".to_owned(), "60".to_owned())];
        self.service
            .deliver(Some(PushTokenText(token)), Self::request(url.to_owned(), headers, Bytes::new()))
            .await
    }

    fn request(url: String, headers: Vec<(String, String)>, body: Bytes) -> DeliveryRequest {
        DeliveryRequest {
            method: "POST".to_owned(),
            via: Via::Http,
            http_version: "1.1",
            origin: Some("http://localhost:8030".parse().unwrap()),
            url,
            headers,
            streamed: false,
            body: RequestBody::Whole(body),
            at: wall(),
        }
    }

    pub(crate) async fn exchange(&self, id: &str) -> Arc<Exchange> {
        self.service.exchange(&self.space, id).await.unwrap()
    }

    /// State and reason of a message.
    pub(crate) async fn fate(&self, reply: &Reply) -> (State, Option<&'static str>) {
        let exchange = self.exchange(&reply.exchange).await;
        (exchange.state, exchange.reason)
    }

    pub(crate) async fn timeline(&self, reply: &Reply) -> Vec<&'static str> {
        self.exchange(&reply.exchange).await.timeline.iter().map(|step| step.event).collect()
    }

    pub(crate) async fn advance(&self, by: Duration) -> Vec<Fired> {
        let (_, fired) =
            self.service.change_clock(&self.space, ClockAction::Advance(by).into()).await.unwrap();
        fired
    }

    /// The sum of the states, asked of the service as a user can.
    pub(crate) async fn check_balance(&self) {
        assert!(self.service.counters(&self.space).await.unwrap().balanced());
    }
}

/// Token of a message resource, from the `Location` of the answer.
pub(crate) fn message_token(reply: &Reply) -> String {
    let location = reply.headers.iter().find(|(name, _)| *name == "location").map(|(_, value)| value.clone());
    location.unwrap().rsplit('/').next().unwrap().to_owned()
}

pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
