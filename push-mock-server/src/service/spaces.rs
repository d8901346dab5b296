//! What is asked of spaces, and how they and the service are shown.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use push_crypto::{Origin, PublicKey, Timestamp};

use super::{
    PushService,
    counters::Counters,
    directory::Directory,
    events::{About, EventKind},
    link::Closing,
    state::{Space, Spaces, lock},
};
use crate::{
    clock::{Clock, ClockView, wall},
    config::ClockStart,
    error::ServiceError,
    limits::LimitRow,
    profile::Profile,
    space::{SpaceId, SpaceName},
    store::{Owner, Page, Store, SubscriptionRecord},
};

/// A space to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSpace {
    /// Name.
    pub name: SpaceName,
    /// Start of its clock; none: that of the configuration.
    pub clock: Option<ClockStart>,
    /// Profile of its subscriptions.
    pub profile: Profile,
}

/// A space as it is shown.
#[derive(Clone, Debug)]
pub struct SpaceView {
    /// Name.
    pub name: SpaceName,
    /// Its clock.
    pub clock: ClockView,
    /// Profile of new subscriptions.
    pub profile: Profile,
    /// Number of subscriptions, gone ones too.
    pub subscriptions: usize,
    /// Messages since the last reset.
    pub counters: Counters,
}

/// Whether subscriptions of connected browsers outlive a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Browsers {
    /// They stay, without their messages.
    Stay,
    /// They go with the rest.
    Go,
}

/// What is reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every space.
    All,
    /// One space.
    Space(SpaceName),
}

/// Where the service is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// In clear text, when it is spoken.
    pub http: Option<Origin>,
    /// Over TLS, when it is spoken.
    pub https: Option<Origin>,
    /// Used in push resources.
    pub public: Origin,
}

/// About the service.
#[derive(Clone, Debug)]
pub struct Info {
    /// Version of the program.
    pub version: &'static str,
    /// Where it is reached.
    pub urls: Urls,
    /// Wall time of its start.
    pub started_at: Timestamp,
    /// Key used for `applicationServerKey: "auto"`.
    pub vapid_public_key: PublicKey,
    /// Profile of new spaces.
    pub profile: Profile,
    /// Whether it is strict.
    pub strict: bool,
    /// `memory`.
    pub store: &'static str,
    /// All limits.
    pub limits: Vec<LimitRow>,
}

impl PushService {
    /// Makes a space; false: it was there already, with the same settings.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] when it is there with other settings, [`ServiceError::Limit`].
    pub async fn create_space(&self, new: NewSpace) -> Result<(SpaceView, bool), ServiceError> {
        let (space, made) = self.space_or(&new)?;
        if !made && space.made != new {
            return Err(ServiceError::Exists {
                what: "space",
                named: new.name.to_string(),
                space: new.name.to_string(),
            });
        }
        Ok((self.space_view(&space).await, made))
    }

    /// All spaces, by name.
    pub async fn spaces(&self) -> Vec<SpaceView> {
        let mut all = self.all_spaces();
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut views = Vec::with_capacity(all.len());
        for space in all {
            views.push(self.space_view(&space).await);
        }
        views
    }

    /// Removes a space with everything in it.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn remove_space(&self, name: &SpaceName) -> Result<(), ServiceError> {
        let space = self.read_spaces().by_name.get(name).cloned();
        let space = space.ok_or_else(|| ServiceError::NotFound {
            what: "space",
            named: name.to_string(),
            space: name.to_string(),
            alike: Vec::new(),
        })?;
        self.empty(&space, Browsers::Go).await?;
        {
            let mut spaces = self.0.spaces.write().unwrap_or_else(PoisonError::into_inner);
            spaces.by_name.remove(name);
            spaces.by_id.remove(&space.id);
        }
        self.0.publish(&space, EventKind::SpaceRemoved, About::Space);
        Ok(())
    }

    /// Removes all messages, controls, simulated subscriptions and those of browsers that are not connected, and sets
    /// the clock to real; idempotent.
    ///
    /// # Errors
    /// [`ServiceError::Store`].
    pub async fn reset(&self, scope: &Scope, browsers: Browsers) -> Result<(), ServiceError> {
        let spaces = match scope {
            Scope::All => self.all_spaces(),
            Scope::Space(name) => vec![self.space(name)?],
        };
        for space in spaces {
            self.empty(&space, browsers).await?;
            self.0.publish(&space, EventKind::SpaceReset, About::Space);
        }
        Ok(())
    }

    /// Nobody is in the middle of anything while a space is emptied.
    async fn empty(&self, space: &Arc<Space>, browsers: Browsers) -> Result<(), ServiceError> {
        let _walking = space.walking.lock().await;
        let _shaping = space.shaping.lock().await;
        let (agents, subscriptions) = {
            let directory = lock(&space.directory);
            let agents: Vec<_> = directory.agents.values().cloned().collect();
            (agents, directory.subscriptions.len())
        };
        let mut turns = Vec::with_capacity(agents.len());
        for agent in &agents {
            turns.push(self.turn(space, agent).await);
        }
        let page = Page { after: None, at_most: usize::MAX };
        let records = self.0.store.list(space.now(), space.id, page).await?;
        self.0.store.drop_all(space.now(), Owner::Space(space.id)).await?;
        self.0.subscriptions.fetch_sub(subscriptions, Ordering::Relaxed);
        let mut stay = Directory::default();
        for turn in &turns {
            let agent = &turn.agent;
            if browsers == Browsers::Stay && agent.is_linked() {
                lock(&agent.state).forget_messages();
                stay.keep(agent);
            } else {
                turn.cut(Closing::Fin, "was removed").await;
            }
        }
        for record in &records {
            if record.gone.is_some() || !stay.agents.contains_key(&record.at.agent) {
                continue;
            }
            self.0.store.register(space.now(), SubscriptionRecord::clone(record)).await?;
            self.0.subscriptions.fetch_add(1, Ordering::Relaxed);
            stay.list(record);
        }
        space.empty(Clock::new(ClockStart::Real, wall()), &self.0.config.limits, stay);
        self.0.nudge.notify_one();
        Ok(())
    }

    /// The space of that name, which is made if it is not there.
    pub(super) fn space(&self, name: &SpaceName) -> Result<Arc<Space>, ServiceError> {
        if let Some(space) = self.read_spaces().by_name.get(name) {
            return Ok(Arc::clone(space));
        }
        let profile = Profile::default();
        self.space_or(&NewSpace { name: name.clone(), clock: None, profile }).map(|(space, _)| space)
    }

    /// The space of that name, if it is there.
    #[cfg(feature = "browsers")]
    pub(super) fn known_space(&self, name: &SpaceName) -> Option<Arc<Space>> {
        self.read_spaces().by_name.get(name).cloned()
    }

    /// True when it is there; the default space always is.
    #[cfg(feature = "browsers")]
    pub(crate) fn has_space(&self, name: &SpaceName) -> bool {
        *name == SpaceName::default() || self.read_spaces().by_name.contains_key(name)
    }

    pub(super) fn space_by_id(&self, id: SpaceId) -> Option<Arc<Space>> {
        self.read_spaces().by_id.get(&id).cloned()
    }

    pub(super) fn all_spaces(&self) -> Vec<Arc<Space>> {
        self.read_spaces().by_name.values().cloned().collect()
    }

    fn read_spaces(&self) -> std::sync::RwLockReadGuard<'_, Spaces> {
        self.0.spaces.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when it was made just now.
    fn space_or(&self, new: &NewSpace) -> Result<(Arc<Space>, bool), ServiceError> {
        let config = &self.0.config;
        let mut spaces = self.0.spaces.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(space) = spaces.by_name.get(&new.name) {
            return Ok((Arc::clone(space), false));
        }
        let limit = config.limits.spaces;
        if spaces.by_name.len() >= limit {
            return Err(ServiceError::Limit { name: "spaces", limit });
        }
        if let Some(other) = spaces.by_id.get(&new.name.id()) {
            // Two names with the same 31 bits; one in 2^31 pairs.
            let (named, space) = (new.name.to_string(), other.name.to_string());
            return Err(ServiceError::Exists { what: "space", named, space });
        }
        let clock = Clock::new(new.clock.unwrap_or(config.clock), wall());
        let space = Arc::new(Space::new(new.clone(), clock, config.seed, &config.limits));
        spaces.by_name.insert(new.name.clone(), Arc::clone(&space));
        spaces.by_id.insert(space.id, Arc::clone(&space));
        drop(spaces);
        self.0.publish(&space, EventKind::SpaceCreated, About::Space);
        Ok((space, true))
    }

    async fn space_view(&self, space: &Arc<Space>) -> SpaceView {
        self.settle(space).await;
        let clock = self.clock_view(space).await;
        let counters = *lock(&space.history).counters();
        let subscriptions = lock(&space.directory).subscriptions.len();
        SpaceView { name: space.name.clone(), clock, profile: space.profile(), subscriptions, counters }
    }
}
