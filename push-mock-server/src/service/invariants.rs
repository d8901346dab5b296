//! What must hold at any time, checked against the store; for tests, and for whoever suspects a bug.

use std::{collections::HashSet, sync::Arc};

use push_crypto::{Timestamp, Urgency};

use super::{
    PushService,
    exchange::State,
    state::{Agent, Space, lock},
};
use crate::{
    error::ServiceError,
    space::SpaceName,
    store::{QueueQuery, Store, StoredMessage},
};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub invariant: &'static str,
    /// What was seen.
    pub seen: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broken: {}; seen: {}", self.invariant, self.seen)
    }
}

/// What is found on the way.
#[derive(Default)]
struct Checks {
    broken: Vec<Broken>,
    /// Ids of messages in the store, and in windows.
    stored: HashSet<String>,
    held: HashSet<String>,
}

impl Checks {
    fn check(&mut self, invariant: &'static str, holds: bool, seen: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(Broken { invariant, seen: seen() });
        }
    }
}

impl PushService {
    /// Checks the invariants of a space. Meaningful while nothing is in the middle of happening in it.
    ///
    /// # Errors
    /// [`ServiceError::Store`].
    pub async fn broken_invariants(&self, space: &SpaceName) -> Result<Vec<Broken>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let now = space.now();
        let agents: Vec<_> = lock(&space.directory).agents.values().cloned().collect();
        let mut checks = Checks::default();
        for agent in agents {
            let query = QueueQuery {
                of: agent.key,
                after: 0,
                least: Urgency::VeryLow,
                at_most: usize::MAX,
                octets: usize::MAX,
            };
            let queue = self.0.store.queue(now, query).await?;
            self.check_agent(&space, &agent, &queue, &mut checks);
        }
        check_history(&space, now, &mut checks);
        Ok(checks.broken)
    }

    fn check_agent(&self, space: &Space, agent: &Agent, queue: &[Arc<StoredMessage>], checks: &mut Checks) {
        let limits = &self.0.config.limits;
        let in_order = queue.is_sorted_by_key(|message| message.key.seq);
        checks.check("a queue is in order of acceptance", in_order, || format!("{queue:?}"));
        checks.stored.extend(queue.iter().map(|message| message.id.to_string()));
        let first_waiting = {
            let history = lock(&space.history);
            let waits = |id| history.get(id).is_some_and(|of| of.reason == Some("window"));
            queue.iter().find(|message| waits(message.id)).cloned()
        };
        let state = lock(&agent.state);
        if let Some(first) = first_waiting {
            let room = state.online
                && state.connected(agent.kind)
                && state.window.has_room(first.body.len(), limits);
            checks.check("nobody waits for a window that has room", !room, || format!("{first:?}"));
        }
        let octets: usize = state.window.held.values().map(|held| held.octets()).sum();
        // A manual step may hand over one message more.
        let bounded = octets <= limits.window_octets + limits.body_octets;
        checks.check("a window is bounded", bounded, || format!("{octets} octets"));
        let handed = || state.window.held.values().filter(|held| !held.waiting);
        let connected = if agent.kind.is_browser() { state.link.is_some() } else { state.online };
        let holds = connected || handed().next().is_none();
        checks.check("nothing is delivered to who is not connected", holds, || state.label.clone());
        checks.held.extend(handed().map(|held| held.message.id.to_string()));
    }
}

fn check_history(space: &Space, now: Timestamp, checks: &mut Checks) {
    let history = lock(&space.history);
    let counters = *history.counters();
    checks.check("accepted = sum of the states", counters.balanced(), || format!("{counters:?}"));
    let shown = history.shown().map(|(_, exchange)| exchange);
    let open: Vec<_> = shown.filter(|exchange| !exchange.state.is_final()).collect();
    let (shown, counted) = (open.len() as u64, history.unfinished());
    checks.check("what is on its way is counted", shown <= counted, || format!("{shown}, {counted} counted"));
    for exchange in open {
        let lasting = exchange.ttl.is_some_and(|ttl| !ttl.is_zero());
        let overdue = exchange.expires_at.is_none_or(|expires_at| now >= expires_at);
        let seen = || format!("{} is {}", exchange.id, exchange.state);
        checks.check("nothing outlives its expiry", !lasting || !overdue, seen);
        let stored = checks.stored.contains(&exchange.id);
        checks.check("what is on its way is stored", !lasting || stored, seen);
        let (delivered, held) = (exchange.state == State::Delivered, checks.held.contains(&exchange.id));
        checks.check("what is delivered is in the window", delivered == held, seen);
    }
}
