//! Going offline and coming back, and waiting for a connection that is about to be made.

use std::{collections::BTreeMap, sync::Arc};

use super::{Enter, Turn};
use crate::{
    clock::{pause, wall},
    error::ServiceError,
    ids::MessageId,
    service::{
        events::EventKind,
        exchange::State,
        link::{Closing, Order},
        state::{Held, lock},
        subscription::AgentKind,
    },
    store::{StoredMessage, SubscriptionRecord},
};

impl Turn {
    /// Switches the user agent on; returns the ids of what was delivered.
    pub(in crate::service) async fn go_online(&self) -> Result<Vec<String>, ServiceError> {
        let before = {
            let mut state = lock(&self.agent.state);
            state.hard = false;
            std::mem::replace(&mut state.online, true)
        };
        if !before {
            self.publish_agent(EventKind::UserAgentOnline);
        }
        self.flush().await
    }

    /// Switches the user agent off: what it has not acknowledged waits for the next connection. A browser keeps its
    /// connection, and what is on its way there may still be acknowledged, unless it is cut the hard way.
    pub(in crate::service) async fn go_offline(&self, hard: bool) {
        let browser = self.agent.kind.is_browser();
        let (before, label, held) = {
            let mut state = lock(&self.agent.state);
            state.hard = hard;
            state.blocked = false;
            let all = std::mem::take(&mut state.window.held);
            let (held, on_its_way) = all.into_iter().partition(|(_, held)| !browser || held.waiting);
            state.window.held = on_its_way;
            (std::mem::replace(&mut state.online, false), state.label.clone(), held)
        };
        self.put_back(held, &format!("{label} went offline before it acknowledged")).await;
        if browser && hard {
            self.cut(Closing::Offline, "was switched off").await;
        }
        if before {
            self.publish_agent(EventKind::UserAgentOffline);
        }
    }

    /// Ends the connection of a browser, which is told how; what it has not acknowledged waits again.
    pub(in crate::service) async fn cut(&self, closing: Closing, why: &str) {
        let (link, label, held) = {
            let mut state = lock(&self.agent.state);
            let Some(link) = state.link.take() else { return };
            state.blocked = false;
            (link, state.label.clone(), std::mem::take(&mut state.window.held))
        };
        let _ = link.orders.send(Order::Close(closing));
        self.put_back(held, &format!("{label} {why} before it acknowledged")).await;
        self.publish_agent(EventKind::UserAgentDisconnected);
    }

    /// What was handed over and not acknowledged waits again, as far as its TTL allows.
    async fn put_back(&self, held: BTreeMap<u64, Held>, why: &str) {
        let clock = self.space.now();
        for held in held.into_values() {
            let message = held.message;
            let why = why.to_owned();
            let enter = if !message.ttl.is_zero() {
                Enter::new(State::Queued, clock).because("unacknowledged", why)
            } else if self.may_wait(&message).await {
                Enter::new(State::Queued, clock).because("grace", why)
            } else {
                Enter::new(State::Dropped, clock).because("ttl-0", format!("TTL is 0, and {why}"))
            };
            self.service.enter(&self.space, message.id, enter);
        }
    }

    /// Whether a message of TTL 0 that could not be handed over may wait a moment longer; it then does.
    async fn may_wait(&self, message: &Arc<StoredMessage>) -> bool {
        match self.record(message.subscription).await {
            Ok(Some(record)) => self.wait_for_connection(&record, message),
            Ok(None) | Err(_) => false,
        }
    }

    /// Lets a message of TTL 0 wait for the connection of a browser that subscribes before it connects (GCM-048);
    /// false when none is to be expected.
    pub(super) fn wait_for_connection(
        &self,
        record: &SubscriptionRecord,
        message: &Arc<StoredMessage>,
    ) -> bool {
        let grace = self.service.0.config.limits.ttl_zero_grace;
        let left = grace.saturating_sub(wall().since(record.created_at));
        let mut state = lock(&self.agent.state);
        let expected = self.agent.kind == AgentKind::Chromium
            && state.online
            && !state.connected(self.agent.kind)
            && !left.is_zero()
            && state.window.has_room(message.body.len(), &self.service.0.config.limits);
        if !expected {
            return false;
        }
        let held = Held { message: Arc::clone(message), waiting: true, unwritten: None, since: wall() };
        state.window.held.insert(message.key.seq, held);
        drop(state);
        let (service, space) = (self.service.clone(), Arc::clone(&self.space));
        let (agent, seq, id) = (Arc::clone(&self.agent), message.key.seq, message.id);
        tokio::spawn(async move {
            pause(left).await;
            service.turn(&space, &agent).await.give_up_waiting(seq, id);
        });
        true
    }

    fn give_up_waiting(&self, seq: u64, id: MessageId) {
        let mut state = lock(&self.agent.state);
        if !state.window.held.get(&seq).is_some_and(|held| held.waiting && held.message.id == id) {
            return;
        }
        let held = state.window.held.remove(&seq);
        let why = format!("TTL is 0, and {} did not connect in time", state.label);
        drop(state);
        if let Some(held) = held {
            let enter = Enter::new(State::Dropped, self.space.now()).because("ttl-0", why);
            self.service.enter(&self.space, held.message.id, enter);
        }
    }

    /// Hands over what waited for the connection and was accepted before that message.
    pub(super) async fn end_waiting(&self, before: u64) -> Result<Vec<String>, ServiceError> {
        let waiting: Vec<_> = {
            let mut state = lock(&self.agent.state);
            let waiting = state.window.held.range_mut(..before).filter(|(_, held)| held.waiting);
            waiting
                .map(|(_, held)| {
                    held.waiting = false;
                    Arc::clone(&held.message)
                })
                .collect()
        };
        let mut delivered = Vec::new();
        for message in waiting {
            if let Some(record) = self.record(message.subscription).await? {
                delivered.extend(self.deliver(&record, &message).await);
            }
        }
        Ok(delivered)
    }
}
