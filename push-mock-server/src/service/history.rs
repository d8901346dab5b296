//! `History`: the recorded requests of one space, and how many are in which state.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use push_crypto::Timestamp;

use super::{
    counters::Counters,
    exchange::{Exchange, State},
};
use crate::ids::{MessageId, SubscriptionId};

/// The last finished exchanges, and all unfinished ones.
///
/// Invariant: every accepted message is counted in exactly one state, whether its exchange is kept or not.
#[derive(Debug)]
pub(crate) struct History {
    slots: BTreeMap<u64, Slot>,
    by_id: HashMap<MessageId, u64>,
    finished: BTreeSet<u64>,
    last: u64,
    counters: Counters,
    of: HashMap<SubscriptionId, Counters>,
    keep: Keep,
}

/// How much is kept of what is finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    pub(crate) exchanges: usize,
    /// On the wall clock.
    pub(crate) age: Option<Duration>,
}

#[derive(Debug)]
struct Slot {
    id: MessageId,
    subscription: Option<SubscriptionId>,
    exchange: Arc<Exchange>,
    /// Forgotten by the user while its message is still on its way.
    hidden: bool,
}

impl History {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            slots: BTreeMap::new(),
            by_id: HashMap::new(),
            finished: BTreeSet::new(),
            last: 0,
            counters: Counters::default(),
            of: HashMap::new(),
            keep,
        }
    }

    /// Records a request; its `seq` is given here.
    pub(crate) fn add(
        &mut self,
        id: MessageId,
        subscription: Option<SubscriptionId>,
        mut exchange: Exchange,
    ) -> Arc<Exchange> {
        self.last += 1;
        let (seq, state, at) = (self.last, exchange.state, exchange.at);
        exchange.seq = seq;
        let exchange = Arc::new(exchange);
        self.slots.insert(seq, Slot { id, subscription, exchange: Arc::clone(&exchange), hidden: false });
        self.by_id.insert(id, seq);
        self.counters.enter(state);
        if let Some(subscription) = subscription {
            self.of.entry(subscription).or_default().enter(state);
        }
        if state.is_final() {
            self.finished.insert(seq);
        }
        self.forget_old(at);
        debug_assert!(self.counters.balanced(), "accepted = sum of the states");
        exchange
    }

    /// Changes an exchange that is not finished; none when it is, or is not there.
    pub(crate) fn change(
        &mut self,
        id: MessageId,
        change: impl FnOnce(&mut Exchange),
    ) -> Option<Arc<Exchange>> {
        let seq = *self.by_id.get(&id)?;
        let slot = self.slots.get_mut(&seq)?;
        let before = slot.exchange.state;
        if before.is_final() {
            return None;
        }
        change(Arc::make_mut(&mut slot.exchange));
        let (exchange, after) = (Arc::clone(&slot.exchange), slot.exchange.state);
        self.counters.change(before, after);
        if let Some(counters) = slot.subscription.and_then(|of| self.of.get_mut(&of)) {
            counters.change(before, after);
        }
        if after.is_final() {
            if slot.hidden {
                self.remove(seq);
            } else {
                self.finished.insert(seq);
            }
        }
        debug_assert!(self.counters.balanced(), "accepted = sum of the states");
        Some(exchange)
    }

    /// Adds to an exchange what was learnt about it, finished or not; its state stays.
    pub(crate) fn note(&mut self, id: MessageId, note: impl FnOnce(&mut Exchange)) -> Option<Arc<Exchange>> {
        let slot = self.by_id.get(&id).and_then(|seq| self.slots.get_mut(seq))?;
        let exchange = Arc::make_mut(&mut slot.exchange);
        let state = exchange.state;
        note(exchange);
        exchange.state = state;
        Some(Arc::clone(&slot.exchange))
    }

    /// The exchange with that id, also one that the user has forgotten.
    pub(crate) fn get(&self, id: MessageId) -> Option<&Arc<Exchange>> {
        self.by_id.get(&id).and_then(|seq| self.slots.get(seq)).map(|slot| &slot.exchange)
    }

    /// The exchanges that are shown, oldest first.
    pub(crate) fn shown(&self) -> impl DoubleEndedIterator<Item = (MessageId, &Arc<Exchange>)> {
        self.slots.values().filter(|slot| !slot.hidden).map(|slot| (slot.id, &slot.exchange))
    }

    /// Forgets an exchange; its message goes on. False when it is not shown.
    pub(crate) fn forget(&mut self, id: MessageId) -> bool {
        let Some(seq) = self.by_id.get(&id).copied() else { return false };
        let Some(slot) = self.slots.get_mut(&seq).filter(|slot| !slot.hidden) else { return false };
        if slot.exchange.state.is_final() {
            self.remove(seq);
        } else {
            slot.hidden = true;
        }
        true
    }

    /// Forgets what is finished and too old, or too much.
    pub(crate) fn forget_old(&mut self, wall: Timestamp) {
        while let Some(oldest) = self.finished.first().copied() {
            let at = self.slots.get(&oldest).map(|slot| slot.exchange.at);
            let aged = self.keep.age.zip(at).is_some_and(|(age, at)| at.after(age) <= wall);
            if !aged && self.finished.len() <= self.keep.exchanges {
                return;
            }
            self.remove(oldest);
        }
    }

    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn counters_of(&self, subscription: SubscriptionId) -> Counters {
        self.of.get(&subscription).copied().unwrap_or_default()
    }

    /// A subscription is removed; its exchanges stay.
    pub(crate) fn forget_counters_of(&mut self, subscription: SubscriptionId) {
        self.of.remove(&subscription);
    }

    /// How many messages of the space are on their way.
    pub(crate) fn unfinished(&self) -> u64 {
        self.counters.in_state(State::Queued) + self.counters.in_state(State::Delivered)
    }

    fn remove(&mut self, seq: u64) {
        self.finished.remove(&seq);
        if let Some(slot) = self.slots.remove(&seq) {
            self.by_id.remove(&slot.id);
        }
    }
}
