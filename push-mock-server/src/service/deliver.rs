//! The hot path: a request to a push resource, from its token to its answer.

use std::sync::Arc;

use push_crypto::{ContentCoding, Origin, PublicKey, Timestamp, UserAgentKeys};

use super::{
    PushService,
    delivery::{Enter, Turn},
    events::{About, EventKind},
    exchange::{Arrival, Exchange, ShownRequest, ShownResponse, State, Step},
    finding::{Finding, Inspected, Level},
    inspect::{self, KnownToken, Opening, Recall, Strictness, Subject, Target},
    lookback::Noted,
    reply::{Outcome, Reply},
    request::DeliveryRequest,
    state::{Agent, Inner, Space, lock},
    subscription::AgentKind,
};
use crate::{
    clock::{VapidClock, wall},
    config::{QueuePolicy, Style},
    error::ServiceError,
    ids::MessageId,
    profile::{Profile, Verdict},
    space::SpaceName,
    store::{Acceptance, Address, Caps, Coded, Fullness, NewMessage, Store, SubscriptionRecord},
    token::PushTokenText,
};

/// What a token leads to.
pub(super) enum Looked {
    Altered,
    Known(Arc<SubscriptionRecord>, Arc<Agent>),
    Unknown,
}

/// A request on its way, with what is known about it.
struct Passing<'a> {
    space: Arc<Space>,
    token: &'a str,
    id: MessageId,
    request: DeliveryRequest,
    inspected: Inspected,
    to: Option<(Arc<SubscriptionRecord>, Arc<Agent>)>,
    clock: Timestamp,
}

impl PushService {
    /// A request to a push resource. `token` is what stands in its URL; none: nothing stands there.
    ///
    /// Every request is recorded, also one that is refused. One with an unknown token is recorded in the space
    /// `default`. Cancel-safe in the sense of HTTP: a message is accepted as a whole or not at all.
    pub async fn deliver(&self, token: Option<PushTokenText<'_>>, request: DeliveryRequest) -> Reply {
        let token = token.map_or("", |token| token.0);
        let (space, looked) = match self.look_up(token).await {
            Ok(found) => found,
            Err(error) => return self.unavailable(request, error),
        };
        let id = match self.0.random_id(&space) {
            Ok(id) => id,
            Err(error) => return self.unavailable(request, error),
        };
        let clock = space.now();
        let opening = self.open_together(&request, &looked).await;
        let inspected = self.inspect(&space, token, &request, &looked, clock, opening);
        let to = match looked {
            Looked::Known(record, agent) => Some((record, agent)),
            Looked::Altered | Looked::Unknown => None,
        };
        let passing = Box::new(Passing { space, token, id, request, inspected, to, clock });
        let profile = passing.to.as_ref().map_or(Profile::Rfc, |(record, _)| record.profile);
        let verdict = profile.verdict(&passing.inspected);
        match (verdict, &passing.to) {
            (Verdict::Refuse { status, finding }, _) => {
                let finding = passing.inspected.findings.get(finding).cloned();
                self.refuse(passing, status, finding, None)
            }
            (Verdict::Accept, None) => self.refuse_unknown(passing),
            (Verdict::Accept, Some((record, _))) if passing.no_browser_reads(record) => {
                let finding =
                    passing.inspected.findings.iter().find(|of| UNREADABLE.contains(&of.code)).cloned();
                let finding =
                    finding.map(|finding| Finding { level: Level::Error, refuses: Some(400), ..finding });
                self.refuse(passing, 400, finding, None)
            }
            (Verdict::Accept, Some((record, agent))) => {
                let (record, agent) = (Arc::clone(record), Arc::clone(agent));
                self.admit(passing, &record, &agent).await
            }
        }
    }

    /// Opens the token and reads the record.
    pub(super) async fn look_up(&self, token: &str) -> Result<(Arc<Space>, Looked), ServiceError> {
        let inner = &*self.0;
        if let Some((at, digest)) = inner.sealer.open_push(token)
            && let Some(space) = self.space_by_id(at.space)
        {
            self.settle(&space).await;
            let record = inner.store.find(space.now(), &at).await?;
            if let Some(record) = record.filter(|record| record.key_digest == digest)
                && let Some(agent) = space.agent(at.agent)
            {
                return Ok((space, Looked::Known(record, agent)));
            }
        }
        let space = self.space(&SpaceName::default_space())?;
        let altered = !token.is_empty() && lock(&inner.handed_out).is_altered(&inner.sealer, token);
        Ok((space, if altered { Looked::Altered } else { Looked::Unknown }))
    }

    /// Opens the message beside others that came at the same time.
    async fn open_together(&self, request: &DeliveryRequest, looked: &Looked) -> Option<Opening> {
        let Looked::Known(record, _) = looked else { return None };
        let message = record.keys().and_then(|_| inspect::sealed(request))?;
        self.0.openings.open(&self.0.settings.provider, record, message).await
    }

    fn inspect(
        &self,
        space: &Arc<Space>,
        token: &str,
        request: &DeliveryRequest,
        looked: &Looked,
        clock: Timestamp,
        opening: Option<Opening>,
    ) -> Inspected {
        let (target, at) = match looked {
            Looked::Altered => (Target::Altered, None),
            Looked::Unknown => (Target::Unknown, None),
            Looked::Known(record, agent) => {
                let subject = Subject {
                    label: &record.label,
                    keys: record.keys(),
                    stale_keys: record.stale_keys(),
                    application_server_key: record.application_server_key,
                    codings: &record.codings,
                    origins: self.0.origins_of(record),
                    gone: record.gone,
                    online: agent.reachable(),
                };
                (Target::Known(subject), Some(record.at))
            }
        };
        let vapid_now = match space.vapid_clock() {
            VapidClock::Wall => request.at,
            VapidClock::Space => clock,
        };
        let recall = SpaceRecall { service: self, space, at, resource: token };
        let times = (request.at, vapid_now);
        inspect::inspect_opened(&self.0.settings, request, &target, times, &recall, opening)
    }

    /// Rates, then acceptance.
    async fn admit(
        &self,
        passing: Box<Passing<'_>>,
        record: &Arc<SubscriptionRecord>,
        agent: &Arc<Agent>,
    ) -> Reply {
        if let Some(rate) = self.0.config.limits.rate_per_subscription {
            let admitted = lock(&passing.space.admission).admit(record.at.subscription, rate, passing.clock);
            if let Err(retry_after) = admitted {
                let expected = format!("at most {rate}");
                let finding = inspect::rate_limited("more requests than that".into(), &expected);
                return self.refuse(passing, 429, finding, Some(retry_after));
            }
        }
        let turn = self.turn(&passing.space, agent).await;
        self.accept(passing, record, &turn).await
    }

    /// Makes it durable, records it, answers, and hands it over.
    async fn accept(&self, passing: Box<Passing<'_>>, record: &SubscriptionRecord, turn: &Turn) -> Reply {
        let (inner, now) = (&*self.0, passing.space.now());
        let Some(ttl) = passing.inspected.ttl else {
            return self.refuse_internal(passing, "a request without a usable TTL was not refused");
        };
        let new = NewMessage {
            at: record.at,
            id: passing.id,
            body: passing.request.body.octets().clone(),
            coded: passing.coded(),
            ttl,
            urgency: passing.inspected.urgency,
            topic: passing.inspected.topic.clone(),
            caps: inner.caps(),
            held: match inner.config.queue_policy {
                QueuePolicy::Newest => Vec::new(),
                QueuePolicy::Oldest => lock(&turn.agent.state).window.held.keys().copied().collect(),
            },
        };
        let (message, replaced, dropped) = match inner.store.accept(now, new).await {
            Ok(Acceptance::Accepted { message, replaced, dropped }) => (message, replaced, dropped),
            Ok(Acceptance::Full(fullness)) => {
                let finding = queue_full(&record.label, fullness);
                return self.refuse(passing, 429, finding, None);
            }
            Ok(Acceptance::Missing) => return self.refuse_unknown(passing),
            Err(error) => return self.refuse_unavailable(passing, error.into()),
        };
        let Ok(token) = inner.sealer.seal_message(&passing.space.random, &message.key, message.id) else {
            // Without randomness nothing can be named; the message is taken back, so that nobody counts on it.
            let _ = inner.store.withdraw(now, &message.key, message.id).await;
            return self.refuse_internal(passing, "the system gave no randomness");
        };
        if self.clear_away(turn, &message, &replaced, &dropped, now) {
            // The new message is not recorded yet, so it is not among those that are handed over.
            Box::pin(turn.room_again()).await;
        }
        if !ttl.is_zero() && passing.space.due_at(message.expires_at) {
            inner.nudge.notify_one();
        }
        let location = format!("/m/{token}");
        let headers = vec![
            (
                "location",
                passing.request.origin.as_ref().map_or(location.clone(), |of| format!("{of}{location}")),
            ),
            ("ttl", ttl.to_string()),
        ];
        self.remember(&passing, Some(record.at));
        let exchange = passing.exchange(201, headers.clone(), Some((now, message.expires_at)));
        let placed = turn.place(record, &message, exchange).await;
        Reply {
            exchange: placed.id.clone(),
            status: 201,
            headers,
            outcome: Outcome::Accepted { location, ttl },
        }
    }

    /// What had to go for the new message; true when there is room in the window because of it.
    fn clear_away(
        &self,
        turn: &Turn,
        message: &crate::store::StoredMessage,
        replaced: &Option<Arc<crate::store::StoredMessage>>,
        dropped: &[Arc<crate::store::StoredMessage>],
        now: Timestamp,
    ) -> bool {
        let enter = Enter::new(State::Dropped, now).because("queue-full", "the queue was full".into());
        let room = turn.lost(dropped, &enter);
        let Some(topic) = &message.topic else { return room };
        let enter = Enter {
            by: Some(message.id),
            ..Enter::new(State::Replaced, now).because("topic", format!("topic {topic}"))
        };
        let room = turn.lost(replaced.as_slice(), &enter) || room;
        let same = |held: &super::state::Held| {
            held.message.subscription == message.subscription && held.message.topic.as_ref() == Some(topic)
        };
        turn.lost_transient(same, &enter) || room
    }

    /// Refuses a request: it changes nothing but its record (PS-066).
    fn refuse(
        &self,
        mut passing: Box<Passing<'_>>,
        status: u16,
        finding: Option<Finding>,
        retry_after: Option<u64>,
    ) -> Reply {
        let Some(finding) = finding else {
            return self.refuse_internal(passing, "a refusal has no finding");
        };
        if !passing.inspected.findings.contains(&finding) {
            passing.inspected.findings.insert(0, finding.clone());
        }
        let mut headers = Vec::new();
        match status {
            401 => headers.push(("www-authenticate", "vapid".into())),
            405 if self.0.settings.strict || self.0.settings.refuse_put => {
                headers.push(("allow", "POST, OPTIONS".into()));
            }
            405 => headers.push(("allow", "POST, PUT, OPTIONS".into())),
            404 | 410 => lock(&passing.space.lookback).answered_gone(passing.token),
            _ => {}
        }
        headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        self.remember(&passing, None);
        let why = format!("{}: {}", finding.code, finding.seen);
        let id = self.record_refused(passing, status, headers.clone(), Some(finding.code), why);
        Reply { exchange: id, status, headers, outcome: Outcome::Refused(Box::new(finding)) }
    }

    fn refuse_unknown(&self, passing: Box<Passing<'_>>) -> Reply {
        let finding = inspect::rule("subscription/unknown").map(|rule| {
            rule.finding(Strictness::Lenient, "path", "a token of no subscription", "one in use")
        });
        self.refuse(passing, 404, finding, None)
    }

    fn refuse_internal(&self, passing: Box<Passing<'_>>, detail: &'static str) -> Reply {
        self.refuse_unavailable(passing, ServiceError::Internal { detail })
    }

    fn refuse_unavailable(&self, passing: Box<Passing<'_>>, error: ServiceError) -> Reply {
        let (status, headers) = (error.status(), retry_after(&error));
        let id = self.record_refused(passing, status, headers.clone(), None, error.to_string());
        Reply { exchange: id, status, headers, outcome: Outcome::Unavailable(error) }
    }

    /// The answer when not even a record can be made.
    fn unavailable(&self, request: DeliveryRequest, error: ServiceError) -> Reply {
        let headers = retry_after(&error);
        let space = self.space(&SpaceName::default_space());
        let recorded = space.and_then(|space| {
            let id = self.0.random_id(&space)?;
            let inspected = self.inspect(&space, "", &request, &Looked::Unknown, space.now(), None);
            // Nothing is known about the subscription, so nothing is said about it.
            let inspected = Inspected { findings: Vec::new(), ..inspected };
            let clock = space.now();
            let passing = Box::new(Passing { space, token: "", id, request, inspected, to: None, clock });
            Ok(self.record_refused(passing, error.status(), headers.clone(), None, error.to_string()))
        });
        Reply {
            exchange: recorded.unwrap_or_default(),
            status: error.status(),
            headers,
            outcome: Outcome::Unavailable(error),
        }
    }

    fn record_refused(
        &self,
        passing: Box<Passing<'_>>,
        status: u16,
        headers: Vec<(&'static str, String)>,
        reason: Option<&'static str>,
        why: String,
    ) -> String {
        let (space, id) = (Arc::clone(&passing.space), passing.id);
        let of = passing.to.as_ref().map(|(record, _)| record.at.subscription);
        let mut exchange = passing.exchange(status, headers, None);
        exchange.state = State::Refused;
        exchange.reason = reason;
        exchange.timeline.push(Step { event: "refused", clock: exchange.clock, why: Some(why), by: None });
        let added = lock(&space.history).add(id, of, exchange);
        self.0.publish(&space, EventKind::Message(State::Refused), About::Message(Arc::clone(&added)));
        added.id.clone()
    }

    /// Keeps what later requests are compared with.
    fn remember(&self, passing: &Passing<'_>, accepted: Option<Address>) {
        let noted = Noted {
            at: passing.request.at,
            inspected: &passing.inspected,
            origin: passing.request.origin.as_ref(),
            has_body: !passing.request.body.is_empty(),
        };
        let mut lookback = lock(&passing.space.lookback);
        match accepted {
            Some(at) => lookback.accepted(at.subscription, noted),
            None => lookback.refused(noted),
        }
    }
}

/// What makes a body unreadable for every browser, whatever its keys.
const UNREADABLE: [&str; 7] = [
    "coding/missing",
    "coding/unknown",
    "coding/several",
    "coding/not-supported",
    "encryption/missing",
    "crypto-key/missing",
    "crypto-key/wrong-field",
];

impl Passing<'_> {
    /// A browser would take such a body for none, or not say a word; no service for browsers accepts it (AP-028,
    /// GCM-033).
    fn no_browser_reads(&self, record: &SubscriptionRecord) -> bool {
        let known = self.inspected.coding.is_some_and(|coding| record.codings.contains(&coding));
        let fields = |name| self.request.fields(name).next().is_some();
        // The fields of aesgcm are half of the message.
        let whole = self.inspected.coding != Some(ContentCoding::Aesgcm)
            || (fields("encryption") && fields("crypto-key"));
        record.kind().is_browser() && !self.request.body.is_empty() && !(known && whole)
    }

    /// What is handed on beside the body.
    fn coded(&self) -> Option<Coded> {
        let coding = self.inspected.coding.filter(|_| !self.request.body.is_empty())?;
        let joined = |name| {
            let values: Vec<_> = self.request.fields(name).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        Some(Coded { coding, encryption: joined("encryption"), crypto_key: joined("crypto-key") })
    }

    /// What is recorded; of a message that was accepted, with the time of that and of its expiry.
    fn exchange(
        self,
        status: u16,
        headers: Vec<(&'static str, String)>,
        accepted: Option<(Timestamp, Timestamp)>,
    ) -> Exchange {
        let Self { space, id, request, inspected, to, clock, .. } = self;
        let ms = u64::try_from(wall().since(request.at).as_millis()).unwrap_or(u64::MAX);
        let record = to.map(|(record, _)| record);
        let arrival = Arrival {
            id: id.to_string(),
            space: space.name.as_str().to_owned(),
            subscription: record.as_ref().map(|record| record.at.subscription.to_string()),
            to: record.as_ref().map(|record| record.label.clone()),
            at: request.at,
            clock: accepted.map_or(clock, |(at, _)| at),
            expires_at: accepted.map(|(_, expires_at)| expires_at),
            ttl: accepted.and(inspected.ttl),
            ttl_requested: inspected.ttl_requested,
            topic: inspected.topic,
            urgency: inspected.urgency,
            coding: inspected.coding,
            request: ShownRequest {
                via: request.via,
                http_version: request.http_version,
                body_bytes: request.body.len(),
                body: request.body.octets().clone(),
                method: request.method,
                url: request.url,
                headers: request.headers,
            },
            response: ShownResponse { status: Some(status), headers, ms },
            payload: inspected.payload,
            vapid: inspected.vapid,
        };
        Exchange {
            arrival: Arc::new(arrival),
            seq: 0,
            state: State::Queued,
            reason: None,
            replaced_by: None,
            findings: inspected.findings,
            timeline: Vec::with_capacity(3),
            deliveries: Vec::new(),
            seen: None,
        }
    }
}

impl Inner {
    fn random_id(&self, space: &Space) -> Result<MessageId, ServiceError> {
        Ok(MessageId(space.random.id(wall())?))
    }

    fn origins_of(&self, record: &SubscriptionRecord) -> &[Origin] {
        match (record.kind(), record.style) {
            (AgentKind::Chromium, _) => &self.origins.chromium,
            (AgentKind::Firefox, _) | (AgentKind::Simulated, Style::Tls) => &self.origins.tls,
            (AgentKind::Simulated, Style::Local | Style::Vendor) => &self.origins.local,
        }
    }

    fn caps(&self) -> Caps {
        let limits = &self.config.limits;
        Caps {
            messages: limits.queue_messages,
            octets: limits.queue_octets,
            agent_octets: limits.agent_octets,
            policy: self.config.queue_policy,
        }
    }
}

fn retry_after(error: &ServiceError) -> Vec<(&'static str, String)> {
    error.retry_after().map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect()
}

fn queue_full(label: &str, fullness: Fullness) -> Option<Finding> {
    let (seen, expected) = match fullness {
        Fullness::Messages(limit) => ("messages", format!("at most {limit} waiting messages")),
        Fullness::Octets(limit) => ("octets", format!("at most {limit} octets waiting")),
        Fullness::AgentOctets(limit) => {
            ("octets of its user agent", format!("at most {limit} octets waiting for a user agent"))
        }
    };
    inspect::rate_limited(format!("the queue of {label} is full by {seen}"), &expected)
}

/// Looking back in the space of a request.
struct SpaceRecall<'a> {
    service: &'a PushService,
    space: &'a Arc<Space>,
    at: Option<Address>,
    resource: &'a str,
}

impl Recall for SpaceRecall<'_> {
    fn other_keys(&self) -> Vec<(String, UserAgentKeys)> {
        self.service.keys_of_others(self.space, self.at)
    }

    fn sender_key_seen(&self, key: &PublicKey) -> bool {
        lock(&self.space.lookback).sender_key_seen(key)
    }

    fn salt_seen(&self, key: &PublicKey, salt: &[u8; 16]) -> bool {
        lock(&self.space.lookback).salt_seen(key, salt)
    }

    fn token_verified(&self, digest: &[u8; 32]) -> Option<bool> {
        lock(&self.space.lookback).token_verified(digest).then_some(true)
    }

    fn known_token(&self, authorization: &str) -> Option<Arc<KnownToken>> {
        lock(&self.space.lookback).known_token(authorization)
    }

    fn keep_token(&self, authorization: &str, token: Arc<KnownToken>) {
        lock(&self.space.lookback).keep_token(authorization, token);
    }

    fn token_renewed(&self, key: &PublicKey, audience: &str, digest: &[u8; 32], since: Timestamp) -> bool {
        lock(&self.space.lookback).token_renewed(key, audience, digest, since)
    }

    fn fresh_tokens(&self, key: &PublicKey, since: Timestamp) -> usize {
        lock(&self.space.lookback).fresh_tokens(key, since)
    }

    fn token_used_for(&self, digest: &[u8; 32]) -> Option<String> {
        lock(&self.space.lookback).token_used_for(digest)
    }

    fn payloads_are_signed(&self) -> bool {
        self.at.is_some_and(|at| lock(&self.space.lookback).payloads_are_signed(at.subscription))
    }

    fn plaintext_seen(&self, digest: &[u8; 32], since: Timestamp) -> bool {
        self.at.is_some_and(|at| lock(&self.space.lookback).plaintext_seen(at.subscription, digest, since))
    }

    fn refused_as_gone(&self) -> usize {
        lock(&self.space.lookback).refused_as_gone(self.resource)
    }
}
