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

use push_crypto::{Origin, PrivateKey, PublicKey, Timestamp};
use tokio::sync::Notify;

use super::{
    admission::Admission,
    controls::Controls,
    directory::Directory,
    events::{About, EventKind, Events},
    history::{History, Keep},
    inspect::Settings,
    link::Link,
    lookback::Lookback,
    openings::Openings,
    sink::Sink,
    spaces::{NewSpace, Urls},
    subscription::AgentKind,
};
use crate::{
    clock::{Clock, VapidClock},
    config::Config,
    ids::{MessageId, Randomness, UserAgentId},
    limits::Limits,
    profile::Profile,
    space::{SpaceId, SpaceName},
    store::{AgentKey, AnyStore, Channel, StoredMessage},
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
    pub(super) openings: Arc<Openings>,
    /// Origins that `aud` may name for subscriptions in clear text, and for those over TLS.
    pub(super) origins: Origins,
    pub(super) store: AnyStore,
    pub(super) sealer: Sealer,
    /// Set when messages are only counted.
    pub(super) sink: Option<Sink>,
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
    /// Chromium puts Google's origin in front of what it is given.
    pub(super) chromium: Vec<Origin>,
}

/// Where Chromium's push resources seem to be: its stable channel, and every other build.
const CHROMIUM_ORIGINS: [&str; 2] = ["https://fcm.googleapis.com", "https://jmt17.google.com"];

impl Origins {
    pub(super) fn new(urls: &Urls) -> Self {
        let local = vec![urls.public.clone()];
        let tls: Vec<_> = urls.https.iter().chain(&local).cloned().collect();
        let google = CHROMIUM_ORIGINS.iter().filter_map(|origin| origin.parse().ok());
        let chromium = tls.iter().cloned().chain(google).collect();
        Self { local, tls, chromium }
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
    /// What tests have told connections of browsers to do.
    pub(super) controls: Mutex<Controls>,
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
            controls: Mutex::default(),
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
    pub(super) fn empty(&self, clock: Clock, limits: &Limits, stay: Directory) {
        *self.clock.write().unwrap_or_else(PoisonError::into_inner) = (clock, VapidClock::Wall);
        *lock(&self.history) = new_history(limits);
        *lock(&self.lookback) = Lookback::new(limits.vapid_cache);
        *lock(&self.admission) = Admission::default();
        *lock(&self.controls) = Controls::default();
        *lock(&self.directory) = stay;
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

/// A user agent. A simulated one is data, without a task; a browser has a connection while it is attached.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) key: AgentKey,
    pub(super) kind: AgentKind,
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
    /// The connection of a browser.
    pub(super) link: Option<Link>,
    /// Connections there have been; each is newer than those before.
    pub(super) epoch: u64,
    /// It has been told to take a new name, so its old one is not known any more.
    pub(super) retired: bool,
    pub(super) version: Option<String>,
    /// Chromium's security token.
    pub(super) secret: Option<u64>,
    pub(super) acks: BTreeMap<&'static str, u64>,
}

impl AgentState {
    /// The space was emptied, and it stays.
    pub(super) fn forget_messages(&mut self) {
        self.window = Window::default();
        self.blocked = false;
        self.acks.clear();
        (self.online, self.hard) = (true, false);
    }

    /// Whether messages can be handed over.
    pub(super) fn connected(&self, kind: AgentKind) -> bool {
        !kind.is_browser() || self.link.as_ref().is_some_and(|link| link.open)
    }
}

/// What was handed over and not acknowledged, by sequence number.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) held: BTreeMap<u64, Held>,
}

/// A message in the window, or about to be in it.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) message: Arc<StoredMessage>,
    /// It could not be handed over yet, but may be in a moment: TTL 0, and a connection is expected.
    pub(super) waiting: bool,
    /// A browser's name for its subscription, until it is written.
    pub(super) unwritten: Option<Arc<Channel>>,
    /// Wall time at which it was handed over.
    pub(super) since: Timestamp,
}

impl Held {
    pub(super) fn octets(&self) -> usize {
        self.message.body.len()
    }

    /// TTL 0: the store does not know it.
    pub(super) fn transient(&self) -> bool {
        self.message.ttl.is_zero()
    }
}

impl Window {
    /// Whether a message of that size fits.
    pub(super) fn has_room(&self, octets: usize, limits: &Limits) -> bool {
        let held: usize = self.held.values().map(|held| held.octets()).sum();
        self.held.len() < limits.window_messages && held.saturating_add(octets) <= limits.window_octets
    }

    /// The next one to be written, which counts as written.
    #[cfg(feature = "browsers")]
    pub(super) fn take_unwritten(&mut self) -> Option<(Arc<Channel>, Arc<StoredMessage>)> {
        let mut handed = self.held.values_mut().filter(|held| !held.waiting);
        handed.find_map(|held| Some((held.unwritten.take()?, Arc::clone(&held.message))))
    }

    pub(super) fn remove(&mut self, id: MessageId) -> Option<Held> {
        let seq = self.seq_of(id)?;
        self.held.remove(&seq)
    }

    pub(super) fn seq_of(&self, id: MessageId) -> Option<u64> {
        self.held.iter().find(|(_, held)| held.message.id == id).map(|(seq, _)| *seq)
    }
}

impl Agent {
    pub(super) fn new(key: AgentKey, kind: AgentKind, label: String, online: bool) -> Self {
        let state = AgentState {
            label,
            online,
            hard: false,
            window: Window::default(),
            blocked: false,
            link: None,
            epoch: 0,
            retired: false,
            version: None,
            secret: None,
            acks: BTreeMap::new(),
        };
        Self { key, kind, turn: Arc::default(), state: Mutex::new(state) }
    }

    /// Whether it is switched on.
    pub(super) fn online(&self) -> bool {
        lock(&self.state).online
    }

    /// Whether messages reach it now.
    pub(super) fn reachable(&self) -> bool {
        let state = lock(&self.state);
        state.online && state.connected(self.kind)
    }

    /// Whether it has a connection, open or not.
    pub(super) fn is_linked(&self) -> bool {
        lock(&self.state).link.is_some()
    }
}

impl Inner {
    pub(super) fn publish(&self, space: &Space, kind: EventKind, about: About) {
        self.events.publish(kind, &space.name, crate::clock::wall(), space.now(), about);
    }
}
