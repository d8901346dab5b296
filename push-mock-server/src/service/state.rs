//! The state of the service: its spaces, and in each its user agents, its clock and what it remembers.
//!
//! Lock order: `walking`, `shaping`, the turns of user agents (all async; more than one turn only where the whole
//! space is emptied), then one of the `std` locks, which are never held across an await and never two at once.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use push_crypto::{Origin, PrivateKey, PublicKey, Timestamp, Topic, UserAgentKeys};
use tokio::sync::Notify;

use super::{
    admission::Admission,
    events::{About, EventKind, Events},
    history::{History, Keep},
    inspect::Settings,
    lookback::Lookback,
    spaces::{NewSpace, Urls},
};
use crate::{
    clock::{Clock, VapidClock},
    config::Config,
    ids::{MessageId, Randomness, SubscriptionId, UserAgentId},
    limits::Limits,
    profile::Profile,
    space::{SpaceId, SpaceName},
    store::{Address, AgentKey, AnyStore},
    token::{HandedOut, Sealer},
};

/// Locks; what is guarded here is whole after every statement, so a panic elsewhere does not spoil it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything of one service.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) config: Config,
    pub(super) urls: Urls,
    pub(super) settings: Settings,
    /// Origins that `aud` may name for subscriptions in clear text, and for those over TLS.
    pub(super) origins: Origins,
    pub(super) store: AnyStore,
    pub(super) sealer: Sealer,
    pub(super) vapid: (PublicKey, PrivateKey),
    pub(super) spaces: RwLock<Spaces>,
    pub(super) events: Arc<Events>,
    pub(super) handed_out: Mutex<HandedOut>,
    /// Something became due earlier, or a clock was changed.
    pub(super) nudge: Notify,
    pub(super) started_at: Timestamp,
    /// Subscriptions of all spaces.
    pub(super) subscriptions: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct Origins {
    pub(super) local: Vec<Origin>,
    pub(super) tls: Vec<Origin>,
}

impl Origins {
    pub(super) fn new(urls: &Urls) -> Self {
        let local = vec![urls.public.clone()];
        let tls = urls.https.iter().chain(&local).cloned().collect();
        Self { local, tls }
    }
}

#[derive(Debug, Default)]
pub(super) struct Spaces {
    pub(super) by_name: HashMap<SpaceName, Arc<Space>>,
    pub(super) by_id: HashMap<SpaceId, Arc<Space>>,
}

/// One space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) name: SpaceName,
    pub(super) id: SpaceId,
    /// How it was made, so that making it again can be compared.
    pub(super) made: NewSpace,
    pub(super) random: Randomness,
    clock: RwLock<(Clock, VapidClock)>,
    /// One change of the clock at a time.
    pub(super) walking: tokio::sync::Mutex<()>,
    /// One change of the set of subscriptions at a time.
    pub(super) shaping: tokio::sync::Mutex<()>,
    pub(super) directory: Mutex<Directory>,
    pub(super) history: Mutex<History>,
    pub(super) lookback: Mutex<Lookback>,
    pub(super) admission: Mutex<Admission>,
    /// No deadline of the store lies before this time; in milliseconds since 1970.
    next_due: AtomicU64,
}

impl Space {
    pub(super) fn new(made: NewSpace, clock: Clock, seed: Option<u64>, limits: &Limits) -> Self {
        Self {
            id: made.name.id(),
            random: Randomness::new(seed, made.name.as_str()),
            name: made.name.clone(),
            made,
            clock: RwLock::new((clock, VapidClock::Wall)),
            walking: tokio::sync::Mutex::default(),
            shaping: tokio::sync::Mutex::default(),
            directory: Mutex::default(),
            history: Mutex::new(new_history(limits)),
            lookback: Mutex::new(Lookback::new(limits.vapid_cache)),
            admission: Mutex::default(),
            next_due: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn profile(&self) -> Profile {
        self.made.profile
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub(super) fn vapid_clock(&self) -> VapidClock {
        self.clock.read().unwrap_or_else(PoisonError::into_inner).1
    }

    pub(super) fn set_vapid_clock(&self, by: VapidClock) {
        self.clock.write().unwrap_or_else(PoisonError::into_inner).1 = by;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.read().unwrap_or_else(PoisonError::into_inner).0.now()
    }

    /// Forgets everything but the subscriptions' store records, and starts another clock.
    pub(super) fn empty(&self, clock: Clock, limits: &Limits) {
        *self.clock.write().unwrap_or_else(PoisonError::into_inner) = (clock, VapidClock::Wall);
        *lock(&self.history) = new_history(limits);
        *lock(&self.lookback) = Lookback::new(limits.vapid_cache);
        *lock(&self.admission) = Admission::default();
        *lock(&self.directory) = Directory::default();
        self.next_due.store(u64::MAX, Ordering::SeqCst);
    }

    /// Whether something may be due at that time.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now.as_unix_millis() >= self.next_due.load(Ordering::SeqCst)
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let next = self.next_due.load(Ordering::SeqCst);
        (next != u64::MAX).then(|| Timestamp::from_unix_millis(next))
    }

    /// Something is due at that time; true when nothing was due earlier.
    pub(super) fn due_at(&self, deadline: Timestamp) -> bool {
        let deadline = deadline.as_unix_millis();
        self.next_due.fetch_min(deadline, Ordering::SeqCst) > deadline
    }

    /// Everything due is about to be looked for, so nothing is known to be due.
    pub(super) fn nothing_due(&self) {
        self.next_due.store(u64::MAX, Ordering::SeqCst);
    }

    pub(super) fn agent(&self, id: UserAgentId) -> Option<Arc<Agent>> {
        lock(&self.directory).agents.get(&id).cloned()
    }
}

fn new_history(limits: &Limits) -> History {
    History::new(Keep { exchanges: limits.exchanges, age: limits.exchange_age })
}

/// Names of a space.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) agents: HashMap<UserAgentId, Arc<Agent>>,
    /// In order of creation.
    pub(super) subscriptions: BTreeMap<SubscriptionId, Listed>,
    pub(super) labels: HashMap<String, SubscriptionId>,
    /// Number of the last subscription without a name of its own.
    pub(super) unnamed: u64,
}

/// What is looked up of a subscription without asking the store.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) at: Address,
    pub(super) label: String,
    pub(super) keys: UserAgentKeys,
}

/// A simulated user agent: data, no task.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) key: AgentKey,
    /// Who holds it may change the agent and its messages.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    pub(super) state: Mutex<AgentState>,
}

#[derive(Debug)]
pub(super) struct AgentState {
    pub(super) label: String,
    pub(super) online: bool,
    pub(super) hard: bool,
    pub(super) window: Window,
    /// Messages wait because the window was full, so later ones must wait behind them.
    pub(super) blocked: bool,
}

/// What was handed over and not acknowledged, by sequence number.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) held: BTreeMap<u64, Held>,
}

/// A message in the window.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) id: MessageId,
    pub(super) subscription: SubscriptionId,
    pub(super) octets: usize,
    pub(super) topic: Option<Topic>,
    /// TTL 0: the store does not know it.
    pub(super) transient: bool,
}

impl Window {
    /// Whether a message of that size fits.
    pub(super) fn has_room(&self, octets: usize, limits: &Limits) -> bool {
        let held: usize = self.held.values().map(|held| held.octets).sum();
        self.held.len() < limits.window_messages && held.saturating_add(octets) <= limits.window_octets
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Held> {
        let seq = self.held.iter().find(|(_, held)| held.id == id).map(|(seq, _)| *seq)?;
        self.held.remove(&seq)
    }
}

impl Agent {
    pub(super) fn new(key: AgentKey, label: String, online: bool) -> Self {
        let state = AgentState { label, online, hard: false, window: Window::default(), blocked: false };
        Self { key, turn: Arc::default(), state: Mutex::new(state) }
    }

    pub(super) fn online(&self) -> bool {
        lock(&self.state).online
    }
}

impl Inner {
    pub(super) fn publish(&self, space: &Space, kind: EventKind, about: About) {
        self.events.publish(kind, &space.name, crate::clock::wall(), space.now(), about);
    }
}
