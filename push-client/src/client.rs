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
    outcome::{Gone, Invalid, Outcome, Unsent, UnsentReason},
    proto::{
        Answer, Attempts, RetryPolicy, Step,
        budget::{Admission, Gates, Health},
        classify,
        receipts::Receipts,
        request::{Delivery, Sealed, build},
        retry::{Chance, Lifetime},
        tokens::Tokens,
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
    /// Never held across an `.await`.
    known: Mutex<Known>,
}

/// A key and whom to contact about it.
pub(crate) struct Identity {
    pub(crate) signer: Arc<dyn VapidSigner>,
    pub(crate) subject: Option<Subject>,
}

/// What was learnt while sending.
struct Known {
    gates: Gates,
    tokens: Tokens,
    receipts: Receipts,
    ended: Ended,
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
        let known = Mutex::new(Known {
            gates: Gates::default(),
            tokens: Tokens::new(limits.token_life, limits.token_margin),
            receipts: Receipts::default(),
            ended: Ended::default(),
        });
        let inner = Inner { identities, provider, limits, policy, timer, transport, known };
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
        self.known(|known| known.ended = Ended::default());
    }

    /// The limits this client was built with.
    #[must_use]
    pub fn limits(&self) -> &ClientLimits {
        &self.inner.limits
    }

    pub(crate) fn provider(&self) -> &CryptoProvider {
        &self.inner.provider
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

    /// Sends what is sealed, again and again as the policy allows.
    pub(crate) async fn deliver(
        &self,
        endpoint: &PushResource,
        message: &PushMessage,
        sealed: Option<&Sealed>,
    ) -> Outcome {
        if let Some(gone) = self.known_end(endpoint) {
            return gone;
        }
        let (inner, origin) = (&*self.inner, endpoint.origin());
        let mut now = inner.timer.read();
        let lifetime = Lifetime { ttl: message.ttl, deadline: message.deadline };
        let mut attempts =
            Attempts::new(origin.clone(), inner.policy.clone(), lifetime, message.topic.is_some(), now);
        self.known(|known| known.gates.of(origin, now).earn(inner.limits.retry_budget));
        loop {
            let (step, is_probe_wait) = match self.known(|known| known.gates.of(origin, now).admit(now)) {
                Admission::Wait { until, status } => {
                    (attempts.postpone(until, status, now, self.chance()), true)
                }
                Admission::Go => {
                    let ttl = match attempts.begin(now) {
                        Ok(ttl) => ttl,
                        Err(outcome) => return *outcome,
                    };
                    let result = match self.attempt(endpoint, message, sealed, ttl, now).await {
                        Ok(result) => result,
                        Err(invalid) => return invalid_outcome(endpoint, invalid),
                    };
                    now = inner.timer.read();
                    (attempts.next(result, now, self.chance()), false)
                }
            };
            match step {
                Step::Done(outcome) => return self.finish(endpoint, outcome),
                Step::NewToken(theirs) => self.adjust_clock(origin, theirs, now),
                Step::RetryAt(at) => {
                    if !is_probe_wait && !self.known(|known| known.gates.of(origin, now).spend(now)) {
                        tracing::debug!(%origin, "retry budget spent");
                        return attempts.given_up();
                    }
                    inner.timer.wait_until(at).await;
                    now = inner.timer.read();
                }
            }
        }
    }

    /// One request and what its answer means.
    async fn attempt(
        &self,
        endpoint: &PushResource,
        message: &PushMessage,
        sealed: Option<&Sealed>,
        ttl: Ttl,
        now: Timestamp,
    ) -> Result<Result<Answer, TransportError>, Invalid> {
        let (inner, origin) = (&*self.inner, endpoint.origin());
        let authorization = match self.identity(message)? {
            None => None,
            Some(Identity { signer, subject }) => {
                let scheme = message.scheme_for(sealed.map(Sealed::schedule));
                let made = self.known(|known| {
                    known.tokens.authorization(&**signer, subject.as_ref(), origin, scheme, now)
                });
                Some(made.map_err(|_| Invalid::Token)?)
            }
        };
        let receipt =
            message.receipt.then(|| self.known(|known| known.receipts.of(origin).cloned())).flatten();
        let request = build(&Delivery {
            endpoint,
            message,
            ttl,
            sealed,
            authorization: authorization.as_deref(),
            receipt: receipt.as_ref(),
        })?;
        let octets = request.body().len();
        let response = inner.transport.call(request).await;
        let now = inner.timer.read();
        let result = response.map(|response| classify(&response, endpoint, now));
        log(origin, octets, ttl, &result);
        self.learn(origin, message, &result, now);
        Ok(result)
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
        let origin = endpoint.origin().clone();
        if endpoint.is_permanently_removed() {
            return Some(Outcome::Gone(Gone { origin, status: None, attempts: 0 }));
        }
        let status = self.known(|known| known.ended.status(endpoint))?;
        Some(Outcome::Gone(Gone { origin, status: Some(status), attempts: 0 }))
    }

    fn finish(&self, endpoint: &PushResource, outcome: Outcome) -> Outcome {
        if let Outcome::Gone(Gone { status: Some(status), .. }) = &outcome {
            self.known(|known| known.ended.remember(endpoint, *status));
        }
        outcome
    }

    /// Notes what an answer says about its origin.
    fn learn(
        &self,
        origin: &Origin,
        message: &PushMessage,
        result: &Result<Answer, TransportError>,
        now: Timestamp,
    ) {
        let health = match result {
            Ok(Answer::Deferred { status, .. }) if *status >= 500 => Health::Failing(Some(*status)),
            Ok(_) => Health::Working,
            Err(TransportError::AddressNotAllowed(_) | TransportError::PortNotAllowed(_)) => return,
            Err(_) => Health::Failing(None),
        };
        self.known(|known| {
            known.gates.of(origin, now).note(now, health);
            match result {
                Ok(Answer::Accepted { receipt_subscription: Some(receipt), .. }) if message.receipt => {
                    known.receipts.keep(origin, receipt.clone());
                }
                Ok(Answer::Refused { said, .. })
                    if said.code.as_deref() == Some("request/receipt-invalid") =>
                {
                    known.receipts.forget(origin);
                }
                _ => {}
            }
        });
    }

    fn adjust_clock(&self, origin: &Origin, theirs: Timestamp, now: Timestamp) {
        let (ahead, behind) = (theirs.since(now).as_secs(), now.since(theirs).as_secs());
        tracing::warn!(%origin, ahead, behind, "the push service has another time, a token is made for it");
        self.known(|known| known.tokens.adjust(origin, theirs, now));
    }

    fn known<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.inner.known.lock().unwrap_or_else(PoisonError::into_inner))
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
