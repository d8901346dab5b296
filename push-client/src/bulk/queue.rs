//! `Queue`: the messages of one origin, where they are in the pipeline, and whether the next may go.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use push_crypto::Timestamp;

use super::{BATCH, batch::Work, window::Window};
use crate::{origins::AtOrigin, outcome::Outcome};

/// Everything of one origin.
pub(crate) struct Queue {
    pub(crate) at: Arc<AtOrigin>,
    pub(crate) window: Window,
    /// Taken, not encrypted.
    pub(crate) waiting: VecDeque<Box<Work>>,
    /// How many are being encrypted.
    pub(crate) sealing: usize,
    /// Encrypted, to be sent next.
    pub(crate) ready: VecDeque<Box<Work>>,
    /// To be sent again, not before an instant.
    later: BinaryHeap<Reverse<Later>>,
    pub(crate) in_flight: usize,
    /// The push service asked for rest.
    asked: Option<Frozen>,
    /// The circuit breaker is open. Apart, as one ends earlier than the other.
    broken: Option<Frozen>,
}

/// Nothing is sent until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(crate) until: Timestamp,
    /// The status that asked for it, if it was an answer.
    pub(crate) status: Option<u16>,
    pub(crate) cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The circuit breaker is open; the first success ends it.
    Breaker,
    /// `Retry-After`.
    Asked,
}

struct Later {
    at: Timestamp,
    work: Box<Work>,
}

/// What one queue contributes to the counts of the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Messages that wait for the origin and not for the rest of the pipeline.
    pub(crate) parked: usize,
    /// Messages that could be sent at once.
    pub(crate) sendable: usize,
}

impl Queue {
    pub(crate) fn new(at: Arc<AtOrigin>, most: usize) -> Self {
        Self {
            at,
            window: Window::new(most),
            waiting: VecDeque::new(),
            sealing: 0,
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            in_flight: 0,
            asked: None,
            broken: None,
        }
    }

    /// True when a message can be sent now.
    pub(crate) fn can_send(&self) -> bool {
        !self.ready.is_empty() && !self.is_blocked()
    }

    /// True when a message should be encrypted: at most two batches ahead of what the window lets go.
    pub(crate) fn can_seal(&self) -> bool {
        let ahead = (2 * self.window.size()).min(2 * BATCH);
        !self.waiting.is_empty() && self.frozen().is_none() && self.ready.len() + self.sealing < ahead
    }

    pub(crate) fn share(&self) -> Share {
        let blocked = self.is_blocked();
        let waiting = self.waiting.len() + self.ready.len();
        Share {
            parked: self.later.len() + if blocked { waiting } else { 0 },
            sendable: if blocked { 0 } else { self.ready.len() },
        }
    }

    fn is_blocked(&self) -> bool {
        self.frozen().is_some() || self.in_flight >= self.window.size()
    }

    /// Why nothing goes at present.
    pub(crate) fn frozen(&self) -> Option<Frozen> {
        self.asked.into_iter().chain(self.broken).max_by_key(|frozen| frozen.until)
    }

    /// Sends nothing until then; gives the outcomes of the messages that cannot wait so long.
    pub(crate) fn freeze(&mut self, frozen: Frozen, now: Timestamp) -> Vec<(usize, Outcome)> {
        let place = match frozen.cause {
            Cause::Asked => &mut self.asked,
            Cause::Breaker => &mut self.broken,
        };
        if place.is_none_or(|already| already.until < frozen.until) {
            *place = Some(frozen);
        }
        let mut lost = Vec::new();
        for list in [&mut self.ready, &mut self.waiting] {
            list.retain_mut(|work| match work.attempts.hold(frozen.until, frozen.status, now) {
                Some(outcome) => {
                    lost.push((work.number, outcome));
                    false
                }
                None => true,
            });
        }
        lost
    }

    /// Ends a freeze whose time is over, and makes ready what is due.
    pub(crate) fn thaw(&mut self, now: Timestamp) {
        for frozen in [&mut self.asked, &mut self.broken] {
            frozen.take_if(|frozen| frozen.until <= now);
        }
        while let Some(Reverse(later)) = self.later.peek()
            && later.at <= now
            && let Some(Reverse(later)) = self.later.pop()
        {
            self.ready.push_front(later.work);
        }
    }

    /// The push service works again.
    pub(crate) fn close_breaker(&mut self) {
        self.broken = None;
    }

    /// Takes everything that is not under way or being encrypted.
    pub(crate) fn empty(&mut self) -> impl Iterator<Item = Box<Work>> + use<> {
        let later = std::mem::take(&mut self.later).into_iter().map(|Reverse(later)| later.work);
        let [ready, waiting] = [&mut self.ready, &mut self.waiting].map(std::mem::take);
        ready.into_iter().chain(waiting).chain(later)
    }

    /// Keeps a message until it is to be sent again.
    pub(crate) fn put_off(&mut self, work: Box<Work>, at: Timestamp) {
        self.later.push(Reverse(Later { at, work }));
    }

    /// True when it has messages, and its breaker is closed.
    pub(crate) fn is_working(&self) -> bool {
        let is_down = self.broken.is_some() || self.at.with(|learnt| learnt.gate.failed_probes() > 0);
        let has_messages = !self.waiting.is_empty()
            || !self.ready.is_empty()
            || !self.later.is_empty()
            || self.sealing + self.in_flight > 0;
        has_messages && !is_down
    }

    /// True when nothing is left of it.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.ready.is_empty()
            && self.later.is_empty()
            && self.sealing + self.in_flight == 0
            && self.frozen().is_none()
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PushClient, StubTransport};

    /// What the push service asked for outlasts the breaker, whichever of them is the longer.
    #[test]
    fn a_breaker_that_closes_leaves_the_rest_that_was_asked_for() {
        let client = PushClient::builder().transport(StubTransport::accepting()).build().unwrap();
        let at = |seconds| Timestamp::from_unix_seconds(seconds);
        let mut queue = Queue::new(client.at(&"https://push.example".parse().unwrap(), at(0)), 8);
        let asked = Frozen { until: at(30), status: Some(429), cause: Cause::Asked };
        let broken = Frozen { until: at(40), status: None, cause: Cause::Breaker };
        queue.freeze(asked, at(0));
        queue.freeze(broken, at(0));
        assert_eq!(queue.frozen(), Some(broken));

        queue.close_breaker();

        assert_eq!(queue.frozen(), Some(asked));
        queue.thaw(at(29));
        assert_eq!(queue.frozen(), Some(asked));
        queue.thaw(at(30));
        assert_eq!(queue.frozen(), None);
    }
}
