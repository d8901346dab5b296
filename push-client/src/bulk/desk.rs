//! `Desk`: what the consumer of a run's outcomes tells the task behind it.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::Waker,
};

use futures_util::task::AtomicWaker;

/// Outcomes that nobody has taken yet, and whether the run is to stop.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    waiting: AtomicUsize,
    stopping: AtomicBool,
    /// The task waits for outcomes to be taken.
    starved: AtomicBool,
    task: AtomicWaker,
}

impl Desk {
    /// So many outcomes were taken.
    pub(crate) fn took(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::SeqCst);
        if self.starved.swap(false, Ordering::SeqCst) {
            self.task.wake();
        }
    }

    /// Nothing new is to be sent.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.task.wake();
    }

    /// Puts an outcome there.
    pub(super) fn put(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// To be woken when that is worth it.
    pub(super) fn watch(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// True when fewer than `most` wait, counting `others`; else the task is woken when some are taken.
    pub(super) fn has_room(&self, others: usize, most: usize) -> bool {
        let room = || self.waiting.load(Ordering::SeqCst) + others < most;
        room() || {
            self.starved.store(true, Ordering::SeqCst);
            // What was taken just before found no sign.
            room()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One below, at and one above the bound.
    #[test]
    fn what_nobody_has_taken_counts() {
        let desk = Desk::default();
        desk.put();
        desk.put();
        assert!(desk.has_room(0, 3));
        assert!(!desk.has_room(1, 3));
        assert!(!desk.has_room(2, 3));

        desk.took(2);

        assert!(desk.has_room(2, 3));
        assert!(!desk.has_room(3, 3));
    }
}
