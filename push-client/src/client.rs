//! `PushClient`: joins the pure half, the transport and the timer; one message at a time.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use push_crypto::{
    CryptoProvider, EncryptError, EncryptJob, EncryptOptions, Origin, PushResource, Subscription, Timestamp,
    Ttl, Unsuited,
    vapid::{Subject, VapidSigner},
};

use crate::{
    builder::PushClientBuilder,
    ended::Ended,
    limits::ClientLimits,
    message::PushMessage,
    origins::{AtOrigin, Learnt, Origins},
    outcome::{Gone, Invalid, Outcome, Unsent, UnsentReason},
    proto::{
        Answer, Attempts, RetryPolicy, Step,
        budget::{Admission, Health},
        classify,
        request::{Delivery, Sealed, assemble},
        retry::{Chance, Lifetime},
        tokens::{Signing, Written},
    },
    timer::ErasedTimer,
    transport::{ErasedTransport, TransportError},
};

/// Sends push messages. Cloning is cheap; clones share connections, tokens and what is known of origins.
///
/// ```
/// use push_client::{Outcome, PushClient, PushMessage, StubTransport, Subscription, Ttl};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let json = r#"{"endpoint":"https://push.example/p/1"}"#;
/// let client = PushClient::builder().transport(StubTransport::answering([201, 404])).build().unwrap();
/// let subscription = Subscription::from_json(json).unwrap();
/// let message = PushMessage::tickle(Ttl::seconds(3600));
/// assert!(matches!(client.send(&subscription, &message).await, Outcome::Accepted(_)));
/// assert!(matches!(client.send(&subscription, &message).await, Outcome::Gone(_)));
/// # });
/// ```
#[derive(Clone)]
pub struct PushClient {
    inner: Arc<Inner>,
}

struct Inner {
    identities: Vec<Identity>,
    provider: CryptoProvider,
    limits: ClientLimits,
    policy: RetryPolicy,
    timer: Box<dyn ErasedTimer>,
    transport: Box<dyn ErasedTransport>,
    origins: Origins,
    /// Never held across an `.await`.
    ended: Mutex<Ended>,
}

/// A key and whom to contact about it.
pub(crate) struct Identity {
    pub(crate) signer: Arc<dyn VapidSigner>,
    pub(crate) subject: Option<Subject>,
}

/// One message on its way to one push service.
#[derive(Clone, Copy)]
pub(crate) struct Parcel<'a> {
    pub(crate) at: &'a AtOrigin,
    pub(crate) endpoint: &'a PushResource,
    pub(crate) message: &'a PushMessage,
    pub(crate) sealed: Option<&'a Sealed>,
}

/// What follows from one request.
pub(crate) enum Verdict {
    Done(Outcome),
    /// Send again at once: with a new token, or over another connection.
    Again,
    RetryAt(Timestamp),
}

/// What one request tells about its origin, for whoever bounds what is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Accepted,
    /// 404, 410, refusals: the push service works, and is not asked for less.
    Answered,
    /// No answer, or 5xx other than 503.
    Failed,
    /// Nothing was asked.
    None,
    /// 429, 406 of WNS, 503; and how long it asks for rest, clamped.
    Throttled {
        status: u16,
        until: Option<Timestamp>,
    },
}

impl PushClient {
    /// Begins with the defaults: no key, public addresses only, 3 repeats.
    pub fn builder() -> PushClientBuilder {
        PushClientBuilder::default()
    }

    pub(crate) fn assemble(
        identities: Vec<Identity>,
        provider: CryptoProvider,
        limits: ClientLimits,
        policy: RetryPolicy,
        timer: Box<dyn ErasedTimer>,
        transport: Box<dyn ErasedTransport>,
    ) -> Self {
        let (origins, ended) = (Origins::default(), Mutex::default());
        let inner = Inner { identities, provider, limits, policy, timer, transport, origins, ended };
        Self { inner: Arc::new(inner) }
    }

    /// Encrypts and sends one message, repeating it as the retry policy allows.
    ///
    /// Delivery is at least once: after a lost answer a repeated message can arrive twice, which a topic makes
    /// harmless. A subscription that has ended is not asked again by this client. Dropping the future is safe;
    /// the message may or may not have been sent then.
    pub async fn send(&self, subscription: &Subscription, message: &PushMessage) -> Outcome {
        let endpoint = &subscription.endpoint;
        if let Some(gone) = self.known_end(endpoint) {
            return gone;
        }
        let sealed = match self.seal(subscription, message) {
            Ok(sealed) => sealed,
            Err(invalid) => return invalid_outcome(endpoint, invalid),
        };
        self.deliver(endpoint, message, sealed.as_ref()).await
    }

    /// Forgets which subscriptions have ended, as at the begin of a new run.
    pub fn forget_ended(&self) {
        self.ended(|ended| *ended = Ended::default());
    }

    /// The limits this client was built with.
    #[must_use]
    pub fn limits(&self) -> &ClientLimits {
        &self.inner.limits
    }

    pub(crate) fn provider(&self) -> &CryptoProvider {
        &self.inner.provider
    }

    /// Whether the message suits the keys of the subscription and the limits: whatever can be said without a secret
    /// or a network.
    ///
    /// # Errors
    /// [`Invalid`]; sending would end with the same.
    pub fn check(&self, subscription: &Subscription, message: &PushMessage) -> Result<(), Invalid> {
        self.plan(subscription, message).map(drop)
    }

    /// How to encrypt this message; `None` for a tickle.
    pub(crate) fn plan(
        &self,
        subscription: &Subscription,
        message: &PushMessage,
    ) -> Result<Option<EncryptOptions>, Invalid> {
        let Some(octets) = message.payload_octets() else { return Ok(None) };
        let limit = message.plaintext_limit.unwrap_or(self.inner.limits.plaintext);
        if octets > limit {
            return Err(Invalid::TooLarge { octets, limit });
        }
        let schedule = message.schedule_for(subscription.keys.as_ref().ok_or(Invalid::NoKeys)?)?;
        let body_limit = push_crypto::BODY_LIMIT.max(limit.saturating_add(schedule.overhead()));
        Ok(Some(EncryptOptions { padding: message.padding, body_limit, ..EncryptOptions::new(schedule) }))
    }

    /// Now, by the client's timer.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.timer.read()
    }

    /// Ends at `deadline`, by the client's timer.
    pub(crate) async fn wait_until(&self, deadline: Timestamp) {
        self.inner.timer.wait_until(deadline).await;
    }

    /// What is known of this origin.
    pub(crate) fn at(&self, origin: &Origin, now: Timestamp) -> Arc<AtOrigin> {
        self.inner.origins.of(origin, now)
    }

    /// The attempts of a message whose TTL runs from `now`.
    pub(crate) fn attempts(&self, origin: &Origin, message: &PushMessage, now: Timestamp) -> Attempts {
        let lifetime = Lifetime { ttl: message.ttl, deadline: message.deadline };
        Attempts::new(origin.clone(), self.inner.policy.clone(), lifetime, message.topic.is_some(), now)
    }

    /// May a request go now? The first one of each message earns a part of a retry.
    pub(crate) fn admit(&self, at: &AtOrigin, attempts: &Attempts, now: Timestamp) -> Admission {
        at.with(|learnt| {
            if attempts.is_fresh() {
                learnt.gate.earn(self.inner.limits.retry_budget);
            }
            learnt.gate.admit(now)
        })
    }

    /// Takes a retry from the origin's budget; the outcome when it is spent.
    pub(crate) fn spend(&self, at: &AtOrigin, attempts: &Attempts, now: Timestamp) -> Option<Outcome> {
        if at.with(|learnt| learnt.gate.spend(now)) {
            return None;
        }
        tracing::debug!(origin = %at.origin, "retry budget spent");
        Some(attempts.given_up())
    }

    /// Puts a message off until a probe of its origin is due.
    pub(crate) fn postpone(
        &self,
        attempts: &mut Attempts,
        (until, status): (Timestamp, Option<u16>),
        now: Timestamp,
    ) -> Verdict {
        match attempts.postpone(until, status, now, self.chance()) {
            Step::Done(outcome) => Verdict::Done(outcome),
            Step::NewToken(_) | Step::Again => Verdict::Again,
            Step::RetryAt(at) => Verdict::RetryAt(at),
        }
    }

    /// Sends what is sealed, again and again as the policy allows.
    async fn deliver(
        &self,
        endpoint: &PushResource,
        message: &PushMessage,
        sealed: Option<&Sealed>,
    ) -> Outcome {
        let mut now = self.now();
        let at = &*self.at(endpoint.origin(), now);
        let mut attempts = self.attempts(&at.origin, message, now);
        let parcel = Parcel { at, endpoint, message, sealed };
        loop {
            let (verdict, is_probe_wait) = match self.admit(at, &attempts, now) {
                Admission::Wait { until, status } => {
                    (self.postpone(&mut attempts, (until, status), now), true)
                }
                Admission::Go => (self.try_once(parcel, &mut attempts, now).await.0, false),
            };
            now = self.now();
            match verdict {
                Verdict::Done(outcome) => return outcome,
                Verdict::Again => {}
                Verdict::RetryAt(when) => {
                    if !is_probe_wait && let Some(outcome) = self.spend(at, &attempts, now) {
                        return outcome;
                    }
                    self.wait_until(when).await;
                    now = self.now();
                }
            }
        }
    }

    /// One request, what its answer means, and what follows.
    pub(crate) async fn try_once(
        &self,
        parcel: Parcel<'_>,
        attempts: &mut Attempts,
        now: Timestamp,
    ) -> (Verdict, Signal) {
        let ttl = match attempts.begin(now) {
            Ok(ttl) => ttl,
            Err(outcome) => return (Verdict::Done(*outcome), Signal::None),
        };
        let Parcel { at, endpoint, message, .. } = parcel;
        let result = match self.attempt(parcel, ttl, now).await {
            Ok(result) => result,
            Err(invalid) => return (Verdict::Done(invalid_outcome(endpoint, invalid)), Signal::None),
        };
        let now = self.now();
        self.learn(at, message, &result, now);
        let signal = self.signal(&result, now);
        let verdict = match attempts.decide(result, now, || self.chance()) {
            Step::Done(outcome) => Verdict::Done(self.finish(endpoint, outcome)),
            Step::NewToken(theirs) => {
                adjust_clock(at, theirs, now);
                Verdict::Again
            }
            Step::Again => Verdict::Again,
            Step::RetryAt(at) => Verdict::RetryAt(at),
        };
        (verdict, signal)
    }

    /// One request and its answer.
    async fn attempt(
        &self,
        parcel: Parcel<'_>,
        ttl: Ttl,
        now: Timestamp,
    ) -> Result<Result<Answer, TransportError>, Invalid> {
        let Parcel { at, endpoint, message, sealed } = parcel;
        let (written, receipt) = self.prepared(at, message, sealed, now)?;
        let delivery = Delivery {
            endpoint,
            message,
            ttl,
            sealed,
            authorization: written.as_ref().map(|written| &*written.fields),
            receipt: receipt.as_ref(),
        };
        let authorization = written.as_ref().map(|written| written.value.clone());
        let request = assemble(&delivery, at.site()?, authorization)?;
        let octets = request.body().len();
        let response = self.inner.transport.call(request).await;
        let result = response.map(|response| classify(&response, endpoint, self.now()));
        log(&at.origin, octets, ttl, &result);
        Ok(result)
    }

    /// Token and receipt subscription for a request to this origin.
    fn prepared(
        &self,
        at: &AtOrigin,
        message: &PushMessage,
        sealed: Option<&Sealed>,
        now: Timestamp,
    ) -> Result<(Option<Written>, Option<crate::outcome::ReceiptSubscription>), Invalid> {
        let identity = self.identity(message)?;
        let limits = &self.inner.limits;
        at.with(|Learnt { tokens, receipt, .. }| {
            let written = identity.map(|Identity { signer, subject }| {
                let signing = Signing {
                    signer: &**signer,
                    subject: subject.as_ref(),
                    scheme: message.scheme_for(sealed.map(Sealed::schedule)),
                    life: limits.token_life,
                    margin: limits.token_margin,
                };
                tokens.authorization(signing, &at.origin, now).map_err(|_| Invalid::Token)
            });
            let receipt = receipt.as_ref().filter(|_| message.receipt).cloned();
            Ok((written.transpose()?, receipt))
        })
    }

    fn identity(&self, message: &PushMessage) -> Result<Option<&Identity>, Invalid> {
        let identities = &self.inner.identities;
        match &message.key {
            None => Ok(identities.first()),
            Some(key) => identities
                .iter()
                .find(|identity| identity.signer.public_key() == key)
                .map(Some)
                .ok_or(Invalid::NoVapidKey),
        }
    }

    /// Encrypts one message; `None` for a tickle.
    fn seal(&self, subscription: &Subscription, message: &PushMessage) -> Result<Option<Sealed>, Invalid> {
        self.identity(message)?;
        let Some(options) = self.plan(subscription, message)? else { return Ok(None) };
        let (Some(keys), Some(plaintext)) = (&subscription.keys, &message.payload) else { return Ok(None) };
        push_crypto::encrypt(self.provider(), &options, EncryptJob { keys, plaintext })
            .map(|encrypted| Some(encrypted.into()))
            .map_err(invalid)
    }

    /// Draws the chance of one decision; without randomness the longest wait is the safest.
    fn chance(&self) -> Chance {
        let mut octets = [0; 4];
        match self.inner.provider.random.fill(&mut octets) {
            Ok(()) => Chance(u32::from_be_bytes(octets)),
            Err(_) => Chance(u32::MAX),
        }
    }

    pub(crate) fn known_end(&self, endpoint: &PushResource) -> Option<Outcome> {
        let origin = || endpoint.origin().clone();
        if endpoint.is_permanently_removed() {
            return Some(Outcome::Gone(Gone { origin: origin(), status: None, attempts: 0 }));
        }
        let status = self.ended(|ended| ended.status(endpoint))?;
        Some(Outcome::Gone(Gone { origin: origin(), status: Some(status), attempts: 0 }))
    }

    fn finish(&self, endpoint: &PushResource, outcome: Outcome) -> Outcome {
        if let Outcome::Gone(Gone { status: Some(status), .. }) = &outcome {
            self.ended(|ended| ended.remember(endpoint, *status));
        }
        outcome
    }

    /// Notes what an answer says about its origin.
    fn learn(
        &self,
        at: &AtOrigin,
        message: &PushMessage,
        result: &Result<Answer, TransportError>,
        now: Timestamp,
    ) {
        let health = match result {
            Ok(Answer::Deferred { status, .. }) if *status >= 500 => Health::Failing(Some(*status)),
            Ok(_) => Health::Working,
            Err(TransportError::AddressNotAllowed(_) | TransportError::PortNotAllowed(_)) => return,
            Err(error) if error.is_of_connection() => return,
            Err(_) => Health::Failing(None),
        };
        at.with(|learnt| {
            learnt.gate.note(now, health);
            match result {
                Ok(Answer::Accepted { receipt_subscription: Some(receipt), .. }) if message.receipt => {
                    learnt.receipt = Some(receipt.clone());
                }
                Ok(Answer::Refused { said, .. })
                    if said.code.as_deref() == Some("request/receipt-invalid") =>
                {
                    learnt.receipt = None;
                }
                _ => {}
            }
        });
    }

    fn signal(&self, result: &Result<Answer, TransportError>, now: Timestamp) -> Signal {
        match result {
            Ok(Answer::Accepted { .. }) => Signal::Accepted,
            Ok(Answer::Gone { .. } | Answer::Refused { .. }) => Signal::Answered,
            Ok(Answer::Deferred { status: status @ (406 | 429 | 503), retry_after, .. }) => {
                let (least, longest) = self.inner.policy.retry_after;
                let until = retry_after.map(|wait| now.after(wait.max(least).min(longest)));
                Signal::Throttled { status: *status, until }
            }
            Ok(Answer::Deferred { .. }) => Signal::Failed,
            Err(TransportError::AddressNotAllowed(_) | TransportError::PortNotAllowed(_)) => Signal::None,
            Err(error) if error.is_of_connection() => Signal::None,
            Err(_) => Signal::Failed,
        }
    }

    fn ended<T>(&self, f: impl FnOnce(&mut Ended) -> T) -> T {
        f(&mut self.inner.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for PushClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushClient")
            .field("provider", &self.inner.provider.name)
            .field("keys", &self.inner.identities.len())
            .finish_non_exhaustive()
    }
}

fn adjust_clock(at: &AtOrigin, theirs: Timestamp, now: Timestamp) {
    let (ahead, behind) = (theirs.since(now).as_secs(), now.since(theirs).as_secs());
    tracing::warn!(origin = %at.origin, ahead, behind, "the push service has another time, a token is made for it");
    at.with(|learnt| learnt.tokens.adjust(theirs, now));
}

pub(crate) fn invalid_outcome(endpoint: &PushResource, invalid: Invalid) -> Outcome {
    let reason = UnsentReason::Invalid(invalid);
    Outcome::Unsent(Unsent { origin: endpoint.origin().clone(), reason, attempts: 0 })
}

/// Why a message cannot be encrypted, in the words of an outcome.
pub(crate) fn invalid(error: EncryptError) -> Invalid {
    match error {
        EncryptError::PaddingTooLong { octets, padding, most } => {
            Invalid::TooLarge { octets: octets.saturating_add(padding), limit: octets.saturating_add(most) }
        }
        EncryptError::Provider(_) => Invalid::Provider,
        EncryptError::TooLong { octets, limit } => Invalid::TooLarge { octets, limit },
        EncryptError::Unsuited(Unsuited::NoAuth) => Invalid::NoAuth,
        _ => Invalid::Unsuited,
    }
}

fn log(origin: &Origin, octets: usize, ttl: Ttl, result: &Result<Answer, TransportError>) {
    match result {
        Ok(answer) => tracing::debug!(%origin, octets, %ttl, status = answer.status(), "answered"),
        Err(error) => tracing::debug!(%origin, octets, %ttl, %error, "no answer"),
    }
}
