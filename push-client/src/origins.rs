//! `Origins`: what a client has learnt of each push service, found once per message and shared from then on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use push_crypto::{Origin, Timestamp};

use crate::{
    outcome::{Invalid, ReceiptSubscription},
    proto::{budget::Gate, request::Site, tokens},
};

/// Most origins remembered (our choice: more than there are push services).
const MOST: usize = 4096;

/// One entry per origin; their number is bounded.
#[derive(Default)]
pub(crate) struct Origins {
    by_origin: RwLock<HashMap<Origin, Arc<AtOrigin>>>,
}

/// What is prepared for an origin, and what was learnt of it.
pub(crate) struct AtOrigin {
    pub(crate) origin: Origin,
    site: Result<Site, Invalid>,
    /// Never held across an `.await`.
    learnt: Mutex<Learnt>,
}

pub(crate) struct Learnt {
    pub(crate) gate: Gate,
    pub(crate) tokens: tokens::OfOrigin,
    /// Named in later requests that ask for a receipt (AS-005).
    pub(crate) receipt: Option<ReceiptSubscription>,
}

impl Origins {
    /// What is known of this origin, made at its first use.
    pub(crate) fn of(&self, origin: &Origin, now: Timestamp) -> Arc<AtOrigin> {
        let by_origin = self.by_origin.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = by_origin.get(origin) {
            return Arc::clone(known);
        }
        drop(by_origin);
        let mut by_origin = self.by_origin.write().unwrap_or_else(PoisonError::into_inner);
        if by_origin.len() >= MOST && !by_origin.contains_key(origin) {
            // Healthy gates hold nothing worth keeping; if all are failing, a flood of names is under way.
            by_origin.retain(|_, known| known.with(|learnt| learnt.gate.is_failing()));
            if by_origin.len() >= MOST {
                by_origin.clear();
            }
        }
        let new = || Arc::new(AtOrigin::new(origin.clone(), now));
        Arc::clone(by_origin.entry(origin.clone()).or_insert_with(new))
    }
}

impl AtOrigin {
    fn new(origin: Origin, now: Timestamp) -> Self {
        let learnt = Learnt { gate: Gate::new(now), tokens: tokens::OfOrigin::default(), receipt: None };
        Self { site: Site::of(&origin), learnt: Mutex::new(learnt), origin }
    }

    /// The prepared part of its requests.
    pub(crate) fn site(&self) -> Result<&Site, Invalid> {
        self.site.as_ref().map_err(Clone::clone)
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Learnt) -> T) -> T {
        f(&mut self.learnt.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::budget::Health;

    #[test]
    fn a_flood_of_origins_is_bounded_and_the_failing_are_kept_longest() {
        let (origins, now) = (Origins::default(), Timestamp::from_unix_seconds(1));
        let name = |number: usize| format!("https://h{number}.example").parse().unwrap();
        origins.of(&name(0), now).with(|learnt| learnt.gate.note(now, Health::Failing(None)));
        for number in 1..=MOST {
            origins.of(&name(number), now);
        }

        assert!(origins.of(&name(0), now).with(|learnt| learnt.gate.is_failing()));
        assert!(origins.by_origin.read().unwrap().len() <= MOST);
        for number in 0..=MOST {
            origins.of(&name(number), now).with(|learnt| learnt.gate.note(now, Health::Failing(None)));
        }
        assert!(origins.by_origin.read().unwrap().len() <= MOST);
    }
}
