//! `UserAgent`: a simulated user agent of a test, with one subscription.

use std::{
    fmt,
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
};

use push_crypto::{
    ContentCoding, PublicKey, Subscription, SubscriptionError, Timestamp, Urgency, vapid::VapidPublicKey,
};

use crate::{
    config::Style,
    error::ServiceError,
    expect::Addressee,
    received::ReceivedMessage,
    service::{
        PushService,
        exchange::State,
        subscription::{AckMode, KeyChoice, NewSubscription, SubscriptionChange, SubscriptionView},
    },
    space::SpaceName,
    step::TestStep,
};

/// The public half of the key that VAPID tokens are signed with.
pub trait ApplicationServerKey {
    /// The point on P-256.
    fn point(&self) -> PublicKey;
}

impl ApplicationServerKey for PublicKey {
    fn point(&self) -> PublicKey {
        *self
    }
}

impl ApplicationServerKey for VapidPublicKey {
    fn point(&self) -> PublicKey {
        *Self::point(self)
    }
}

/// A user agent to be made; await it.
///
/// # Panics
/// When it is awaited and cannot be made, for example because the label is taken.
#[derive(Clone, Debug)]
#[must_use = "there is no user agent until it is awaited"]
pub struct NewUserAgent {
    service: PushService,
    space: SpaceName,
    new: NewSubscription,
    made_at: &'static Location<'static>,
}

impl NewUserAgent {
    #[track_caller]
    pub(crate) fn new(service: &PushService, space: &SpaceName, label: &str) -> Self {
        let new = NewSubscription { label: Some(label.into()), ..NewSubscription::default() };
        Self { service: service.clone(), space: space.clone(), new, made_at: Location::caller() }
    }

    /// Not connected at first.
    pub fn offline(mut self) -> Self {
        self.new.online = Some(false);
        self
    }

    /// Only the application server with that key may send: what a page gives to `subscribe()`.
    ///
    /// ```
    /// use push_crypto::{provider::aws_lc_rs, vapid::VapidKey};
    /// use push_mock_server::{MockServer, secs};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let push = MockServer::start().await;
    /// let vapid = VapidKey::generate(&aws_lc_rs::PROVIDER).unwrap();
    /// let alice = push.user_agent("alice").application_server_key(vapid.public()).await;
    ///
    /// // The application sends with that key, and the test says so:
    /// let signed = push.expect().to(&alice).signed_by(&vapid.public().to_base64url());
    /// # let _ = signed.try_within(secs(0)).await.unwrap_err();
    /// # });
    /// ```
    pub fn application_server_key(mut self, key: &(impl ApplicationServerKey + ?Sized)) -> Self {
        self.new.application_server_key = KeyChoice::Key(key.point());
        self
    }

    /// Only an application server with the service's own key may send; see
    /// [`PushService::vapid_keys`](crate::PushService::vapid_keys).
    pub fn service_key(mut self) -> Self {
        self.new.application_server_key = KeyChoice::Auto;
        self
    }

    /// What it can open.
    pub fn codings(mut self, codings: &[ContentCoding]) -> Self {
        self.new.codings = Some(codings.to_vec());
        self
    }

    /// The least urgency it takes.
    pub fn min_urgency(mut self, urgency: Urgency) -> Self {
        self.new.min_urgency = Some(urgency);
        self
    }

    /// When it acknowledges; at once without this.
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.new.ack = mode;
        self
    }

    /// The form of its push resource.
    pub fn style(mut self, style: Style) -> Self {
        self.new.style = Some(style);
        self
    }

    /// When its subscription ends, on the clock of the space.
    pub fn expiration_time(mut self, time: Timestamp) -> Self {
        self.new.expiration_time = Some(time);
        self
    }

    /// Another subscription of the user agent with that label.
    pub fn shared_with(mut self, label: &str) -> Self {
        self.new.user_agent = Some(label.into());
        self
    }
}

impl IntoFuture for NewUserAgent {
    type Output = UserAgent;
    type IntoFuture = TestStep<UserAgent>;

    fn into_future(self) -> TestStep<UserAgent> {
        let Self { service, space, new, made_at } = self;
        TestStep::at(made_at, async move {
            let view = service.subscribe(&space, new).await?;
            let label = view.label.clone();
            Ok::<_, ServiceError>(UserAgent { service, space, label, view: Mutex::new(view) })
        })
    }
}

/// A simulated user agent with one subscription. The service holds its keys, so that it can decrypt.
pub struct UserAgent {
    service: PushService,
    space: SpaceName,
    label: String,
    view: Mutex<SubscriptionView>,
}

impl UserAgent {
    /// The label of its subscription.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The id of its subscription, `sub_…`; another one after [`rotate`](Self::rotate).
    #[must_use]
    pub fn id(&self) -> String {
        self.view().id.to_string()
    }

    /// Its push resource: whoever knows it can send.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.view().endpoint.expose().to_owned()
    }

    /// What its browser's `JSON.stringify(subscription)` would give.
    #[must_use]
    pub fn subscription_json(&self) -> String {
        self.view().subscription_json()
    }

    /// Its subscription for an application server in Rust.
    ///
    /// # Errors
    /// [`SubscriptionError`] when the public URL of the service is in clear text and not on loopback.
    pub fn subscription(&self) -> Result<Subscription, SubscriptionError> {
        Subscription::from_json(&self.subscription_json())
    }

    /// Connects; returns the ids of what was delivered, in order of acceptance.
    #[track_caller]
    pub fn go_online(&self) -> TestStep<Vec<String>> {
        self.change(SubscriptionChange { online: Some(true), ..SubscriptionChange::default() })
    }

    /// Disconnects: what it has not acknowledged comes again.
    #[track_caller]
    pub fn go_offline(&self) -> TestStep<Vec<String>> {
        self.change(SubscriptionChange { online: Some(false), ..SubscriptionChange::default() })
    }

    /// Takes another least urgency from now on; returns the ids of what was delivered because of it.
    #[track_caller]
    pub fn take_urgency(&self, least: Urgency) -> TestStep<Vec<String>> {
        self.change(SubscriptionChange { min_urgency: Some(least), ..SubscriptionChange::default() })
    }

    /// Acknowledges in another way from now on.
    #[track_caller]
    pub fn set_ack(&self, mode: AckMode) -> TestStep<Vec<String>> {
        self.change(SubscriptionChange { ack: Some(mode), ..SubscriptionChange::default() })
    }

    /// Ends its subscription: the push resource is answered with that status, 404 or 410.
    #[track_caller]
    pub fn expire(&self, status: u16) -> TestStep<()> {
        let (service, space, id) = (self.service.clone(), self.space.clone(), self.id());
        TestStep::new(async move { service.expire(&space, &id, status).await.map(|_| ()) })
    }

    /// Replaces push resource and keys, as browsers do now and then; the old push resource is gone.
    #[track_caller]
    pub fn rotate(&self) -> impl Future<Output = ()> + '_ {
        let (service, space, id) = (self.service.clone(), self.space.clone(), self.id());
        let step = TestStep::new(async move { service.rotate(&space, &id).await });
        async move {
            let rotated = step.await;
            *self.view.lock().unwrap_or_else(PoisonError::into_inner) = rotated.new.unwrap_or(rotated.old);
        }
    }

    /// Removes its subscription: the push resource is answered as an unknown one.
    #[track_caller]
    pub fn unsubscribe(&self) -> TestStep<()> {
        let (service, space, id) = (self.service.clone(), self.space.clone(), self.id());
        TestStep::new(async move { service.unsubscribe(&space, &id).await })
    }

    /// What was handed over to it, in order of acceptance: delivered, acknowledged or discarded.
    #[track_caller]
    pub fn received(&self) -> TestStep<Vec<ReceivedMessage>> {
        let (service, space, id) = (self.service.clone(), self.space.clone(), self.id());
        TestStep::new(async move {
            let all = service.exchanges(&space).await?;
            let handed_over = all.into_iter().rev().filter(|exchange| {
                exchange.subscription.as_ref() == Some(&id)
                    && matches!(exchange.state, State::Delivered | State::Acknowledged | State::Discarded)
            });
            Ok::<_, ServiceError>(handed_over.map(ReceivedMessage::new).collect())
        })
    }

    /// Acknowledges a message by hand; see [`AckMode::Manual`].
    #[track_caller]
    pub fn acknowledge(&self, message: &ReceivedMessage) -> TestStep<ReceivedMessage> {
        let (service, space, id) = (self.service.clone(), self.space.clone(), message.id().to_owned());
        TestStep::new(async move { service.acknowledge(&space, &id).await.map(ReceivedMessage::new) })
    }

    #[track_caller]
    fn change(&self, change: SubscriptionChange) -> TestStep<Vec<String>> {
        let (service, space, id) = (self.service.clone(), self.space.clone(), self.id());
        TestStep::new(async move {
            let changed = service.change_subscription(&space, &id, change).await?;
            Ok::<_, ServiceError>(changed.delivered)
        })
    }

    fn view(&self) -> SubscriptionView {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Addressee for UserAgent {
    fn address(&self) -> &str {
        &self.label
    }
}

impl Addressee for Arc<UserAgent> {
    fn address(&self) -> &str {
        &self.label
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAgent")
            .field("label", &self.label)
            .field("space", &self.space)
            .finish_non_exhaustive()
    }
}
