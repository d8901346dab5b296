//! Subscriptions of browsers: checked in, registered, unregistered.

use std::sync::Arc;

use push_crypto::{ContentCoding, PublicKey, Urgency};
use sha2::{Digest, Sha256};

use super::{
    PushService,
    attached::Refused,
    controls::{Effects, Moment},
    directory::CheckedIn,
    events::{About, EventKind},
    inspect::Gone,
    state::{Agent, Space, lock},
    subscribe::Wanted,
    subscription::{AckMode, AgentKind, LONGEST_LABEL, check_label},
};
use crate::{
    config::Style,
    error::ServiceError,
    ids::{Purpose, SubscriptionId, UserAgentId},
    space::{SpaceId, SpaceName},
    store::{Address, AgentKey, Channel, Receiver, Store, SubscriptionRecord},
};

/// Subscriptions of one browser that are remembered as gone; our choice.
const GONE_KEPT: usize = 16;
/// What browsers read.
const CODINGS: [ContentCoding; 2] = [ContentCoding::Aes128gcm, ContentCoding::Aesgcm];

/// A subscription that a browser asks for.
#[derive(Clone, Debug)]
pub(crate) struct NewChannel {
    /// autopush: `channelID`; Chromium: `X-subtype`, percent-decoded.
    pub(crate) name: String,
    /// Chromium: `app`.
    pub(crate) app: Option<String>,
    /// Chromium: `sender`, as registered.
    pub(crate) sender: Option<String>,
    pub(crate) application_server_key: Option<PublicKey>,
    /// Chromium: security token.
    pub(crate) secret: Option<u64>,
    /// The name that the user agent is to have.
    pub(crate) label: Option<String>,
    pub(crate) version: Option<String>,
}

/// Most octets of a browser's name for a subscription, and of the other texts that come with it; our choice: an origin
/// and a GUID, a name of a package, a key.
const LONGEST_NAME: usize = 512;

impl NewChannel {
    fn check(&self) -> Result<(), ServiceError> {
        let texts = [Some(&self.name), self.app.as_ref(), self.sender.as_ref()];
        if texts.into_iter().flatten().all(|text| text.len() <= LONGEST_NAME) {
            return Ok(());
        }
        Err(ServiceError::BadField {
            pointer: "",
            detail: format!("a name of the registration has more than {LONGEST_NAME} octets"),
            fix: "shorten it".into(),
        })
    }
}

/// What a version is cut to.
pub(super) fn short(version: &str) -> String {
    version.chars().take(32).collect()
}

/// A subscription that a browser has.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredChannel {
    /// Path of the push resource.
    pub(crate) path: String,
    /// The push resource.
    pub(crate) endpoint: String,
    pub(crate) label: String,
}

/// Why a subscription was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unregistered {
    Unsubscribed,
    Quota,
    PermissionRevoked,
}

impl Unregistered {
    const fn reason(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::Quota => "quota",
            Self::PermissionRevoked => "permission-revoked",
        }
    }
}

impl CheckedIn {
    /// The Chromium that checked in under this id, which is then forgotten here; none: nobody did, or long ago.
    pub(super) fn take(
        space: &Space,
        agent: UserAgentId,
        secret: Option<u64>,
    ) -> Result<Option<Self>, Refused> {
        let mut directory = lock(&space.directory);
        let at = directory.checked_in.iter().position(|one| one.agent == agent);
        match at.and_then(|at| directory.checked_in.get(at)) {
            Some(one) if secret != Some(one.secret) => Err(Refused::Secret),
            _ => Ok(at.and_then(|at| directory.checked_in.remove(at))),
        }
    }
}

impl PushService {
    /// The android id and security token of a Chromium: those it has, else new ones. Nothing is kept but the last few
    /// names, until it subscribes.
    pub(crate) fn check_in(
        &self,
        space: &SpaceName,
        known: Option<(u64, u64)>,
        label: Option<&str>,
        version: Option<&str>,
    ) -> Result<(u64, u64), ServiceError> {
        let space = self.space(space)?;
        if let Some(known) = known {
            return Ok(known);
        }
        let mut drawn = [0; 12];
        space.random.fill(Purpose::Id, &mut drawn)?;
        let (low, secret) = drawn.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let id = u64::from(space.id.0) << 32 | u64::from(u32::from_be_bytes(*low));
        // Zero says that there is none.
        let secret = secret.first_chunk::<8>().map_or(1, |secret| u64::from_be_bytes(*secret)).max(1);
        let checked_in = CheckedIn {
            agent: UserAgentId::from_android(id),
            secret,
            label: label.map(|label| label.chars().take(LONGEST_LABEL + 1).collect()),
            version: version.map(short),
        };
        let mut directory = lock(&space.directory);
        while directory.checked_in.len() >= self.0.config.limits.checked_in {
            directory.checked_in.pop_front();
        }
        directory.checked_in.push_back(checked_in);
        Ok((id, secret))
    }

    /// The space of an android id; `default` when it was made by nobody here.
    pub(crate) fn space_of_android(&self, id: u64) -> SpaceName {
        let space = u32::try_from(id >> 32).ok().and_then(|space| self.space_by_id(SpaceId(space)));
        space.map_or_else(SpaceName::default_space, |space| space.name.clone())
    }

    /// Registers a subscription of a browser; again with the same key it is the same subscription.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] for another key, [`ServiceError::GoneState`] for a wrong security token,
    /// [`ServiceError::Limit`], [`ServiceError::Store`].
    pub(crate) async fn register_channel(
        &self,
        space: &SpaceName,
        kind: AgentKind,
        id: UserAgentId,
        new: NewChannel,
    ) -> Result<RegisteredChannel, ServiceError> {
        new.check()?;
        let space = self.space(space)?;
        self.settle(&space).await;
        let shaping = space.shaping.lock().await;
        let agent = self.registering_agent(&space, kind, id, &new)?;
        let at = Address { space: space.id, agent: id, subscription: channel_id(space.id, id, &new.name) };
        if let Some(there) = self.0.store.find(space.now(), &at).await? {
            if there.gone.is_none() && there.application_server_key == new.application_server_key {
                return Ok(self.registered(&there));
            }
            if there.gone.is_none() {
                let (named, space) = (new.name, space.name.to_string());
                return Err(ServiceError::Exists { what: "subscription", named, space });
            }
            // It was given up and is asked for again under the same name.
            self.0.store.unregister(space.now(), &at).await?;
            self.forget_subscription(&space, &there);
            lock(&space.directory).keep(&agent);
        }
        self.end_orphan(&space, kind, &new).await?;
        let name = lock(&agent.state).label.clone();
        let label = lock(&space.directory).subscription_label(&name);
        let channel = Channel {
            name: new.name,
            app: new.app.unwrap_or_default(),
            sender: new.sender.unwrap_or_default(),
        };
        let wanted = Wanted {
            id: at.subscription,
            label,
            receiver: Receiver::Browser { kind, channel: Arc::new(channel), told: None },
            profile: space.profile(),
            application_server_key: new.application_server_key,
            codings: CODINGS.to_vec(),
            min_urgency: Urgency::VeryLow,
            ack: AckMode::Auto,
            style: Style::Vendor,
            expires_at: None,
        };
        let record = self.register(&space, &agent, wanted).await?;
        drop(shaping);
        let view = self.subscription_view(&space, &record);
        self.0.publish(&space, EventKind::SubscriptionCreated, About::Subscription(Box::new(view)));
        Ok(self.registered(&record))
    }

    /// A Firefox whose first registration was not answered comes back without its uaid and registers the same channel
    /// under another one (AP-021): the first is nobody's.
    async fn end_orphan(
        &self,
        space: &Arc<Space>,
        kind: AgentKind,
        new: &NewChannel,
    ) -> Result<(), ServiceError> {
        let orphan = {
            let directory = lock(&space.directory);
            let at = directory.channels.get(&new.name).copied().filter(|_| kind == AgentKind::Firefox);
            at.filter(|at| !directory.agents.get(&at.agent).is_some_and(|agent| agent.is_linked()))
        };
        let Some(at) = orphan else { return Ok(()) };
        let Some(record) = self.0.store.find(space.now(), &at).await? else { return Ok(()) };
        if record.application_server_key == new.application_server_key {
            let gone = Gone { reason: "unsubscribed", status: 404 };
            self.end(space, &record, gone, EventKind::SubscriptionGone).await?;
            if let Some(agent) = space.agent(at.agent) {
                lock(&space.directory).give_back(&agent);
            }
        }
        Ok(())
    }

    /// Gives up a subscription; false when there is none. One of another user agent is given up too when that one is
    /// not connected: Firefox takes a new uaid with its last subscription, and then gives that one up.
    ///
    /// # Errors
    /// [`ServiceError::GoneState`] for a wrong security token, [`ServiceError::Store`].
    pub(crate) async fn unregister_channel(
        &self,
        space: &SpaceName,
        id: UserAgentId,
        secret: Option<u64>,
        channel: &str,
        why: Unregistered,
    ) -> Result<bool, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        if space.agent(id).is_some_and(|agent| lock(&agent.state).secret.is_some_and(|of| secret != Some(of)))
        {
            return Err(wrong_secret());
        }
        let at = {
            let directory = lock(&space.directory);
            let connected =
                |at: &Address| directory.agents.get(&at.agent).is_some_and(|agent| agent.is_linked());
            let own = Address { space: space.id, agent: id, subscription: channel_id(space.id, id, channel) };
            // Another one's is given up by a Firefox only, and none has a security token.
            let foreign = directory.channels.get(channel).filter(|_| secret.is_none()).copied();
            match directory.subscriptions.get(&own.subscription) {
                Some(listed) if listed.active => Some(own),
                _ => foreign.filter(|at| !connected(at)),
            }
        };
        let Some(at) = at else { return Ok(false) };
        let Some(record) = self.0.store.find(space.now(), &at).await? else { return Ok(false) };
        let gone = Gone { reason: why.reason(), status: 404 };
        if record.gone.is_some() || (record.kind() == AgentKind::Chromium && at.agent != id) {
            return Ok(false);
        }
        self.end(&space, &record, gone, EventKind::SubscriptionGone).await?;
        self.forget_oldest_gone(&space, at.agent).await?;
        Ok(true)
    }

    /// Pages subscribe and give up again and again; the last few that are gone are remembered.
    async fn forget_oldest_gone(&self, space: &Arc<Space>, agent: UserAgentId) -> Result<(), ServiceError> {
        let gone: Vec<_> = {
            let directory = lock(&space.directory);
            let gone = directory.own(agent).filter(|(_, listed)| !listed.active);
            gone.map(|(_, listed)| listed.at).collect()
        };
        if gone.len() <= GONE_KEPT {
            return Ok(());
        }
        let mut records = Vec::with_capacity(gone.len());
        for at in gone {
            records.extend(self.0.store.find(space.now(), &at).await?);
        }
        if let Some(oldest) = records.iter().min_by_key(|record| record.created_at) {
            self.0.store.unregister(space.now(), &oldest.at).await?;
            self.forget_subscription(space, oldest);
        }
        Ok(())
    }

    /// What tests want done to the reply to that; each counts.
    pub(crate) fn effects(
        &self,
        space: &SpaceName,
        kind: AgentKind,
        agent: Option<UserAgentId>,
        moment: Moment,
    ) -> Effects {
        match self.known_space(space) {
            Some(space) => lock(&space.controls).take(kind, agent, moment),
            None => Effects::default(),
        }
    }

    /// 128 random bits.
    pub(super) fn new_uaid(&self, space: &Space) -> Result<UserAgentId, ServiceError> {
        let mut drawn = [0; 16];
        space.random.fill(Purpose::Id, &mut drawn)?;
        // Zero is no uaid.
        Ok(UserAgentId(u128::from_be_bytes(drawn).max(1)))
    }

    /// A label for a browser; one that is wanted and cannot be one is none.
    pub(super) fn agent_label(
        &self,
        space: &Space,
        kind: AgentKind,
        id: UserAgentId,
        wanted: Option<&str>,
    ) -> String {
        let wanted = wanted.filter(|label| check_label(label).is_ok());
        lock(&space.directory).name(kind, id, wanted)
    }

    fn registering_agent(
        &self,
        space: &Arc<Space>,
        kind: AgentKind,
        id: UserAgentId,
        new: &NewChannel,
    ) -> Result<Arc<Agent>, ServiceError> {
        if let Some(agent) = space.agent(id).filter(|agent| agent.kind == kind) {
            if lock(&agent.state).retired {
                return Err(ServiceError::GoneState {
                    detail: "the user agent is about to take another name".into(),
                    fix: "say hello again".into(),
                });
            }
            let known = lock(&agent.state).secret;
            return if known.is_none_or(|known| new.secret == Some(known)) {
                Ok(agent)
            } else {
                Err(wrong_secret())
            };
        }
        let checked_in = CheckedIn::take(space, id, new.secret).map_err(|_| wrong_secret())?;
        let wanted = new.label.clone().or_else(|| checked_in.as_ref()?.label.clone());
        let label = self.agent_label(space, kind, id, wanted.as_deref());
        let agent = Agent::new(AgentKey { space: space.id, agent: id }, kind, label, true);
        {
            let mut state = lock(&agent.state);
            state.secret = new.secret;
            state.version = new.version.as_deref().map(short).or_else(|| checked_in?.version);
        }
        Ok(Arc::new(agent))
    }

    fn registered(&self, record: &SubscriptionRecord) -> RegisteredChannel {
        let path = record.resource_path();
        RegisteredChannel {
            endpoint: format!("{}{path}", self.0.urls.public),
            path,
            label: record.label.clone(),
        }
    }
}

fn wrong_secret() -> ServiceError {
    ServiceError::GoneState {
        detail: "the android id is known with another security token".into(),
        fix: "use the pair that the check-in gave".into(),
    }
}

/// The same for the same name of the same user agent, so that a repeated register finds what is there.
fn channel_id(space: SpaceId, agent: UserAgentId, name: &str) -> SubscriptionId {
    let digest = Sha256::new()
        .chain_update(space.0.to_be_bytes())
        .chain_update(agent.octets())
        .chain_update(name.as_bytes())
        .finalize();
    let first = digest.first_chunk::<16>().copied().unwrap_or_default();
    SubscriptionId(u128::from_be_bytes(first))
}
