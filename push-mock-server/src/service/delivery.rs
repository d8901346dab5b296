//! `Turn`: handing messages to one user agent, in order, one step at a time.
//!
//! Whoever has the turn of a user agent is the only one who accepts messages for it, delivers them and acknowledges
//! them. The store decides what is still there; the history follows.

mod absence;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use push_crypto::{Timestamp, Urgency};
use tokio::sync::OwnedMutexGuard;

use super::{
    PushService,
    events::{About, EventKind},
    exchange::{DeliveryAttempt, Exchange, State, Step},
    finding::{Finding, Payload},
    inspect,
    state::{Agent, Held, Space, lock},
    subscription::AckMode,
};
use crate::{
    clock::wall,
    error::ServiceError,
    ids::{MessageId, SubscriptionId},
    store::{Address, MessageKey, QueueQuery, Store, StoredMessage, SubscriptionRecord},
};

/// A state to be entered, and why.
#[derive(Clone, Debug)]
pub(super) struct Enter {
    pub(super) state: State,
    pub(super) reason: Option<&'static str>,
    pub(super) why: Option<String>,
    /// The message that caused it.
    pub(super) by: Option<MessageId>,
    pub(super) clock: Timestamp,
}

impl Enter {
    pub(super) fn new(state: State, clock: Timestamp) -> Self {
        Self { state, reason: None, why: None, by: None, clock }
    }

    pub(super) fn because(self, reason: &'static str, why: String) -> Self {
        Self { reason: Some(reason), why: Some(why), ..self }
    }

    fn apply(self, exchange: &mut Exchange) {
        exchange.state = self.state;
        exchange.reason = self.reason;
        let by = self.by.map(|id| id.to_string());
        if self.state == State::Replaced {
            exchange.replaced_by.clone_from(&by);
        }
        let event = self.state.as_str();
        add_bounded(&mut exchange.timeline, Step { event, clock: self.clock, why: self.why, by });
    }
}

/// Steps and attempts that are kept of one message; our choice. A browser that comes and goes makes new ones.
const MOST_STEPS: usize = 100;

/// Adds to what happened; of too much the oldest but the first few is left out.
fn add_bounded<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= MOST_STEPS {
        list.remove(MOST_STEPS / 2);
    }
    list.push(item);
}

/// Why a message is not handed over now.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) reason: &'static str,
    pub(super) why: String,
}

/// The right to change one user agent and its messages.
pub(super) struct Turn {
    pub(super) service: PushService,
    pub(super) space: Arc<Space>,
    pub(super) agent: Arc<Agent>,
    _guard: OwnedMutexGuard<()>,
}

impl PushService {
    pub(super) async fn turn(&self, space: &Arc<Space>, agent: &Arc<Agent>) -> Turn {
        let guard = Arc::clone(&agent.turn).lock_owned().await;
        Turn { service: self.clone(), space: Arc::clone(space), agent: Arc::clone(agent), _guard: guard }
    }

    /// Moves a message to a state, and tells whoever listens; none when it was in a final state.
    pub(super) fn enter(&self, space: &Space, id: MessageId, enter: Enter) -> Option<Arc<Exchange>> {
        let state = enter.state;
        self.change_exchange(space, id, EventKind::Message(state), |exchange| enter.apply(exchange))
    }

    /// Messages that the store has given up, which needs no turn: no final state is left again; true when others may be handed over because of it.
    pub(super) fn lost(
        &self,
        space: &Space,
        agent: &Agent,
        messages: &[Arc<StoredMessage>],
        enter: &Enter,
    ) -> bool {
        let mut room = false;
        for message in messages {
            let mut state = lock(&agent.state);
            // One that waited for room may be what the others waited for.
            room |= state.window.remove(message.id).is_some() || state.blocked;
            drop(state);
            let enter = if message.expires_at <= enter.clock {
                Enter::new(State::Expired, message.expires_at)
            } else {
                enter.clone()
            };
            self.enter(space, message.id, enter);
        }
        room
    }

    /// Messages of TTL 0 in the window that are given up, by a condition; true when there were any.
    pub(super) fn lost_transient(
        &self,
        space: &Space,
        agent: &Agent,
        which: impl Fn(&Held) -> bool,
        enter: &Enter,
    ) -> bool {
        let gone: Vec<_> = {
            let mut state = lock(&agent.state);
            let held = &mut state.window.held;
            let gone: Vec<_> = held
                .iter()
                .filter(|(_, held)| held.transient() && which(held))
                .map(|(seq, _)| *seq)
                .collect();
            gone.into_iter().filter_map(|seq| held.remove(&seq)).collect()
        };
        let any = !gone.is_empty();
        for held in gone {
            self.enter(space, held.message.id, enter.clone());
        }
        any
    }

    fn change_exchange(
        &self,
        space: &Space,
        id: MessageId,
        kind: EventKind,
        change: impl FnOnce(&mut Exchange),
    ) -> Option<Arc<Exchange>> {
        let changed = lock(&space.history).change(id, change)?;
        self.0.publish(space, kind, About::Message(Arc::clone(&changed)));
        Some(changed)
    }
}

impl Turn {
    /// Why a message cannot be handed over now; none: it can.
    pub(super) fn hold(&self, record: &SubscriptionRecord, urgency: Urgency, octets: usize) -> Option<Hold> {
        let state = lock(&self.agent.state);
        let label = &record.label;
        if !state.online {
            return Some(Hold { reason: "offline", why: format!("{label} is offline") });
        }
        if !state.connected(self.agent.kind) {
            return Some(Hold { reason: "offline", why: format!("{label} is not connected") });
        }
        if urgency < record.min_urgency {
            let why = format!("{label} takes urgency {} and above", record.min_urgency);
            return Some(Hold { reason: "urgency", why });
        }
        if state.blocked || !state.window.has_room(octets, &self.service.0.config.limits) {
            let why = format!("{label} has {} messages unacknowledged", state.window.held.len());
            return Some(Hold { reason: "window", why });
        }
        None
    }

    /// Records a message that was accepted just now, and hands it over or holds it back.
    pub(super) async fn place(
        &self,
        record: &SubscriptionRecord,
        message: &Arc<StoredMessage>,
        mut exchange: Exchange,
    ) -> Arc<Exchange> {
        let clock = exchange.clock;
        exchange.timeline.push(Step { event: "accepted", clock, why: None, by: None });
        let hold = self.hold(record, message.urgency, message.body.len());
        let delivered = hold.is_none();
        match hold {
            None => {
                Enter::new(State::Delivered, clock).apply(&mut exchange);
                exchange.deliveries.push(self.attempt(clock));
            }
            Some(_) if message.ttl.is_zero() && self.wait_for_connection(record, message) => {
                let why = format!("{} subscribed just now and is about to connect", record.label);
                Enter::new(State::Queued, clock).because("grace", why).apply(&mut exchange);
            }
            Some(hold) if message.ttl.is_zero() => {
                let why = format!("TTL is 0, and {}", hold.why);
                Enter::new(State::Dropped, clock).because("ttl-0", why).apply(&mut exchange);
            }
            Some(hold) => {
                lock(&self.agent.state).blocked |= hold.reason == "window";
                Enter::new(State::Queued, clock).because(hold.reason, hold.why).apply(&mut exchange);
            }
        }
        let state = exchange.state;
        let added = lock(&self.space.history).add(message.id, Some(message.subscription), exchange);
        self.publish(state, &added);
        if delivered { self.held(record, message, added).await } else { added }
    }

    /// Hands over what waits, in order of acceptance; returns the ids of what was delivered.
    pub(super) async fn flush(&self) -> Result<Vec<String>, ServiceError> {
        let limits = &self.service.0.config.limits;
        let mut delivered = Vec::new();
        let mut records: HashMap<SubscriptionId, Option<Arc<SubscriptionRecord>>> = HashMap::new();
        {
            let mut state = lock(&self.agent.state);
            if !state.online || !state.connected(self.agent.kind) {
                return Ok(delivered);
            }
            state.blocked = false;
        }
        let mut after = 0;
        loop {
            let query = QueueQuery {
                of: self.agent.key,
                after,
                least: Urgency::VeryLow,
                at_most: limits.window_messages,
                octets: limits.window_octets,
            };
            let waiting = self.service.0.store.queue(self.space.now(), query).await?;
            let Some(last) = waiting.last() else {
                delivered.extend(self.end_waiting(u64::MAX).await?);
                return Ok(delivered);
            };
            after = last.key.seq;
            for message in &waiting {
                delivered.extend(self.end_waiting(message.key.seq).await?);
                if lock(&self.agent.state).window.held.contains_key(&message.key.seq) {
                    continue;
                }
                let of = message.subscription;
                if let std::collections::hash_map::Entry::Vacant(missing) = records.entry(of) {
                    missing.insert(self.record(of).await?);
                }
                let Some(record) = records.get(&of).and_then(Option::as_ref) else { continue };
                match self.hold(record, message.urgency, message.body.len()) {
                    Some(hold) => self.still_waits(message.id, &hold),
                    None => delivered.extend(self.deliver(record, message).await),
                }
            }
        }
    }

    /// Hands over one message that waits, whatever would hold it back but the connection.
    pub(super) async fn deliver(
        &self,
        record: &SubscriptionRecord,
        message: &Arc<StoredMessage>,
    ) -> Option<String> {
        let clock = self.space.now();
        let attempt = self.attempt(clock);
        let again = self.was_delivered(message.id)?;
        let kind = if again { EventKind::MessageRedelivered } else { EventKind::Message(State::Delivered) };
        let changed = self.service.change_exchange(&self.space, message.id, kind, |exchange| {
            Enter::new(State::Delivered, clock).apply(exchange);
            add_bounded(&mut exchange.deliveries, attempt);
            if again {
                if let Some(step) = exchange.timeline.last_mut() {
                    step.event = "redelivered";
                }
                note_redelivery(exchange, &record.label);
            }
        })?;
        let id = changed.id.clone();
        self.held(record, message, changed).await;
        Some(id)
    }

    /// Puts a delivered message into the window, and sends it to its browser; a simulated user agent acknowledges it
    /// if its subscription does so at once.
    async fn held(
        &self,
        record: &SubscriptionRecord,
        message: &Arc<StoredMessage>,
        exchange: Arc<Exchange>,
    ) -> Arc<Exchange> {
        self.hold_in_window(record, message);
        if record.kind().is_browser() || record.ack != AckMode::Auto {
            return exchange;
        }
        match self.finish(message.key.seq, fate(record, &exchange)).await {
            Ok(Some(finished)) => finished,
            // It stays delivered; what is not acknowledged comes again.
            Ok(None) | Err(_) => exchange,
        }
    }

    fn hold_in_window(&self, record: &SubscriptionRecord, message: &Arc<StoredMessage>) {
        let (message, unwritten) = (Arc::clone(message), record.channel().cloned());
        let seq = message.key.seq;
        let held = Held { message, waiting: false, unwritten, since: wall() };
        let mut state = lock(&self.agent.state);
        state.window.held.insert(seq, held);
        if let Some(link) = &state.link {
            link.wake.notify_one();
        }
    }

    /// Takes a message out of the window in a final state; none when it is no longer there.
    pub(super) async fn finish(
        &self,
        seq: u64,
        answer: Answer,
    ) -> Result<Option<Arc<Exchange>>, ServiceError> {
        let Some(held) = lock(&self.agent.state).window.held.get(&seq).cloned() else { return Ok(None) };
        let clock = self.space.now();
        if !held.transient() {
            let key = MessageKey { of: self.agent.key, seq };
            if self.service.0.store.acknowledge(clock, &[key]).await?.is_empty() {
                // It has expired just now, and takes no room any more.
                lock(&self.agent.state).window.held.remove(&seq);
                return Ok(None);
            }
        }
        lock(&self.agent.state).window.held.remove(&seq);
        let Answer { state, reason, why, code, finding } = answer;
        let simulated = !self.agent.kind.is_browser();
        let kind = EventKind::Message(state);
        Ok(self.service.change_exchange(&self.space, held.message.id, kind, |exchange| {
            Enter { reason, why, ..Enter::new(state, clock) }.apply(exchange);
            exchange.findings.extend(finding);
            if let Some(last) = exchange.deliveries.last_mut() {
                // A simulated user agent answers at once, or when it is told to: simulated time is all there is. A
                // browser answers on its own time.
                let took = if simulated { clock.since(last.clock) } else { wall().since(held.since) };
                last.ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
                last.ack_code = code;
            }
        }))
    }

    /// Those of these messages that are in the store, in order; one pass over the queue.
    pub(super) async fn stored(
        &self,
        ids: &HashSet<MessageId>,
    ) -> Result<Vec<Arc<StoredMessage>>, ServiceError> {
        let mut query = QueueQuery {
            of: self.agent.key,
            after: 0,
            least: Urgency::VeryLow,
            at_most: 100,
            octets: usize::MAX,
        };
        let mut found = Vec::new();
        while found.len() < ids.len() {
            let page = self.service.0.store.queue(self.space.now(), query).await?;
            let Some(last) = page.last() else { break };
            query.after = last.key.seq;
            found.extend(page.into_iter().filter(|message| ids.contains(&message.id)));
        }
        Ok(found)
    }

    /// Messages were received, although nobody knew it: they wait to be handed over again.
    #[cfg(feature = "browsers")]
    pub(super) async fn received(&self, ids: &HashSet<MessageId>) -> Result<(), ServiceError> {
        for message in self.stored(ids).await? {
            let seq = message.key.seq;
            let held = Held { message, waiting: false, unwritten: None, since: wall() };
            lock(&self.agent.state).window.held.insert(seq, held);
        }
        for id in ids {
            let seq = lock(&self.agent.state).window.seq_of(*id);
            if let Some(seq) = seq {
                self.finish(seq, Answer::new(State::Acknowledged, None)).await?;
            }
        }
        Ok(())
    }

    /// As [`PushService::lost`].
    pub(super) fn lost(&self, messages: &[Arc<StoredMessage>], enter: &Enter) -> bool {
        self.service.lost(&self.space, &self.agent, messages, enter)
    }

    /// As [`PushService::lost_transient`].
    pub(super) fn lost_transient(&self, which: impl Fn(&Held) -> bool, enter: &Enter) -> bool {
        self.service.lost_transient(&self.space, &self.agent, which, enter)
    }

    /// Hands over what waits because there is room again. If the store fails now, the next step finds it.
    pub(super) async fn room_again(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "what waits cannot be handed over");
        }
    }

    /// Acknowledges everything of a subscription that is in the window.
    pub(super) async fn acknowledge_all(&self, record: &SubscriptionRecord) -> Result<(), ServiceError> {
        let held: Vec<_> = {
            let state = lock(&self.agent.state);
            let of = |held: &&Held| held.message.subscription == record.at.subscription;
            let held = state.window.held.iter().map(|(seq, held)| (*seq, held));
            held.filter(|(_, held)| of(held)).map(|(seq, held)| (seq, held.message.id)).collect()
        };
        for (seq, id) in held {
            let Some(exchange) = lock(&self.space.history).get(id).cloned() else { continue };
            self.finish(seq, fate(record, &exchange)).await?;
        }
        Ok(())
    }

    /// The record of one of the user agent's subscriptions.
    pub(super) async fn record(
        &self,
        of: SubscriptionId,
    ) -> Result<Option<Arc<SubscriptionRecord>>, ServiceError> {
        let at = Address { space: self.space.id, agent: self.agent.key.agent, subscription: of };
        Ok(self.service.0.store.find(self.space.now(), &at).await?)
    }

    fn attempt(&self, clock: Timestamp) -> DeliveryAttempt {
        let user_agent = self.agent.key.agent;
        DeliveryAttempt { clock, user_agent, ack_code: None, nack_code: None, ms: None }
    }

    /// None when there is no such message on its way.
    fn was_delivered(&self, id: MessageId) -> Option<bool> {
        lock(&self.space.history).get(id).map(|exchange| !exchange.deliveries.is_empty())
    }

    /// A waiting message waits on, perhaps for another reason.
    fn still_waits(&self, id: MessageId, hold: &Hold) {
        lock(&self.agent.state).blocked |= hold.reason == "window";
        let mut history = lock(&self.space.history);
        if history.get(id).is_some_and(|exchange| exchange.reason != Some(hold.reason)) {
            history.change(id, |exchange| exchange.reason = Some(hold.reason));
        }
    }

    fn publish(&self, state: State, exchange: &Arc<Exchange>) {
        self.service.0.publish(&self.space, EventKind::Message(state), About::Message(Arc::clone(exchange)));
    }

    pub(super) fn publish_agent(&self, kind: EventKind) {
        let view = self.service.agent_view(&self.space, &self.agent);
        self.service.0.publish(&self.space, kind, About::UserAgent(view));
    }
}

/// How a message that was handed over ends.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) state: State,
    pub(super) reason: Option<&'static str>,
    pub(super) why: Option<String>,
    /// The browser's own code.
    pub(super) code: Option<u16>,
    pub(super) finding: Option<Finding>,
}

impl Answer {
    pub(super) const fn new(state: State, reason: Option<&'static str>) -> Self {
        Self { state, reason, why: None, code: None, finding: None }
    }
}

/// What a simulated user agent makes of a message.
fn fate(record: &SubscriptionRecord, exchange: &Exchange) -> Answer {
    match exchange.payload {
        Payload::Empty => Answer::new(State::Acknowledged, None),
        Payload::Decrypted(_) if exchange.coding.is_none_or(|coding| record.codings.contains(&coding)) => {
            Answer::new(State::Acknowledged, None)
        }
        Payload::Decrypted(_) => Answer::new(State::Discarded, Some("coding")),
        Payload::Opaque | Payload::Undecryptable | Payload::Unencrypted => {
            Answer::new(State::Discarded, Some("undecryptable"))
        }
    }
}

fn note_redelivery(exchange: &mut Exchange, label: &str) {
    if exchange.findings.iter().any(|finding| finding.code == "delivery/redelivered") {
        return;
    }
    exchange.findings.extend(inspect::redelivered(label, exchange.deliveries.len()));
}
