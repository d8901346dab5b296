//! What the push service decides: rules without bytes.
//!
//! | part | what |
//! |---|---|
//! | [`request`], [`reply`] | what comes in and goes out, before and after HTTP |
//! | [`inspect`] | everything that can be said about a request; pure |
//! | `deliver` | the hot path: token, inspection, verdict, acceptance, answer |
//! | `delivery`, `acknowledge` | handing over to user agents, and what they answer |
//! | `attached`, `browsers`, `link`, [`controls`] | connections of real browsers, and their subscriptions |
//! | `expiry` | what is due by the clock of a space |
//! | `subscribe`, `show`, `lookup`, [`spaces`] | what the API and the harness ask for |
//! | [`sink`] | a target for measuring senders |
//! | `history`, [`events`], [`counters`], `lookback` | what is remembered |

mod acknowledge;
mod admission;
#[cfg(feature = "browsers")]
pub(crate) mod attached;
mod browsers;
#[cfg(feature = "browsers")]
pub(crate) mod channels;
#[cfg_attr(not(feature = "browsers"), allow(dead_code, reason = "only browsers attach"))]
pub mod controls;
pub mod counters;
mod deliver;
#[cfg_attr(not(feature = "browsers"), allow(dead_code, reason = "only browsers attach"))]
mod delivery;
mod directory;
pub mod events;
pub mod exchange;
mod expiry;
pub mod finding;
mod history;
pub mod inspect;
pub mod invariants;
#[cfg_attr(not(feature = "browsers"), allow(dead_code, reason = "only browsers attach"))]
mod link;
mod lookback;
mod lookup;
mod openings;
pub mod reply;
pub mod request;
mod show;
pub mod sink;
pub mod spaces;
#[cfg_attr(not(feature = "browsers"), allow(dead_code, reason = "only browsers attach"))]
mod state;
mod subscribe;
pub mod subscription;

use std::sync::{Arc, Mutex, atomic::AtomicUsize};

use push_crypto::{PrivateKey, PublicKey, provider};
use tokio::sync::Notify;

use self::{
    events::{EventStream, Events},
    inspect::Settings,
    sink::Sink,
    spaces::{Info, Urls},
    state::{Inner, Origins},
};
use crate::{
    clock::wall,
    config::Config,
    error::{ServiceError, StartError},
    ids::{Purpose, Randomness},
    profile::Profile,
    space::SpaceName,
    store::{AnyStore, MemoryStore},
    token::{HandedOut, Sealer},
};

/// The push service without sockets. Clones are the same service.
///
/// Wherever an id is asked for, the whole id, its last four characters where they are unique, and the label are
/// taken. A space that is not there yet is made.
#[derive(Clone)]
pub struct PushService(Arc<Inner>);

impl std::fmt::Debug for PushService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PushService({})", self.0.urls.public)
    }
}

impl PushService {
    /// A service that is reached at these URLs; it starts no task and opens no socket.
    ///
    /// # Errors
    /// [`StartError`] when the configuration contradicts itself, or no key can be made.
    pub fn new(config: Config, urls: Urls) -> Result<Self, StartError> {
        let store = AnyStore::Memory(MemoryStore::new(config.limits.store_octets));
        Self::with_store(config, urls, store)
    }

    pub(crate) fn with_store(config: Config, urls: Urls, store: AnyStore) -> Result<Self, StartError> {
        config.check()?;
        let settings = settings(&config);
        // No space has an empty name, so this source is the service's own.
        let random = Randomness::new(config.seed, "");
        let private = PrivateKey::generate(&random.of(Purpose::Key)).map_err(ServiceError::from)?;
        let public = settings.provider.public_key(&private).map_err(ServiceError::from)?;
        let service = Self(Arc::new(Inner {
            sink: config.sink.then(|| Sink::new(config.limits.body_octets, config.limits.ttl_longest)),
            settings,
            openings: Arc::default(),
            origins: Origins::new(&urls),
            store,
            sealer: Sealer::generate(&random).map_err(ServiceError::from)?,
            vapid: (public, private),
            spaces: Default::default(),
            events: Arc::new(Events::new(config.limits.events_buffered, config.limits.events_octets)),
            handed_out: Mutex::new(HandedOut::default()),
            nudge: Notify::new(),
            started_at: wall(),
            subscriptions: AtomicUsize::new(0),
            config,
            urls,
        }));
        service.space(&SpaceName::default_space())?;
        Ok(service)
    }

    /// What it was started with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Where it is reached.
    #[must_use]
    pub fn urls(&self) -> &Urls {
        &self.0.urls
    }

    /// Reads events after the cursor, of one space or of all; without a cursor only new ones.
    #[must_use]
    pub fn subscribe_events(&self, space: Option<SpaceName>, since: Option<u64>) -> EventStream {
        EventStream::new(&self.0.events, space, since)
    }

    /// About the service.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            version: env!("CARGO_PKG_VERSION"),
            urls: self.0.urls.clone(),
            started_at: self.0.started_at,
            vapid_public_key: self.0.vapid.0,
            profile: Profile::default(),
            strict: self.0.config.strict,
            store: "memory",
            limits: self.0.config.limits.rows(),
        }
    }

    /// The key pair used for `applicationServerKey: "auto"`.
    #[must_use]
    pub fn vapid_keys(&self) -> (PublicKey, PrivateKey) {
        self.0.vapid.clone()
    }
}

fn settings(config: &Config) -> Settings {
    let limits = &config.limits;
    Settings {
        strict: config.strict,
        refuse_put: config.refuse_put,
        ttl_longest: limits.ttl_longest,
        body_octets: limits.body_octets,
        vapid_skew: limits.vapid_skew,
        vapid_token_octets: limits.vapid_token,
        header_fields: limits.header_fields,
        header_octets: limits.header_octets,
        provider: provider::best(),
    }
}

#[cfg(test)]
mod tests;
