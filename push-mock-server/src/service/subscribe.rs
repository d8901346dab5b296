//! Subscriptions: those of simulated user agents are made here; all are changed, ended, rotated and removed here.

use std::sync::{Arc, atomic::Ordering};

use push_crypto::{AuthSecret, ContentCoding, PrivateKey, PublicKey, Timestamp, Urgency, UserAgentKeys};
use sha2::{Digest, Sha256};

use super::{
    PushService,
    delivery::Enter,
    events::{About, EventKind},
    exchange::State,
    inspect::Gone,
    state::{Agent, Space, lock},
    subscription::{
        AckMode, AgentKind, Changed, KeyChoice, NewSubscription, Rotated, SubscriptionChange,
        SubscriptionView, check_label,
    },
};
use crate::{
    clock::wall,
    config::Style,
    error::ServiceError,
    ids::{Purpose, SubscriptionId, UserAgentId},
    profile::Profile,
    space::SpaceName,
    store::{
        Address, AgentKey, Change, Owner, Page, Receiver, Registered, Store, StoreError, StoredMessage,
        SubscriptionRecord,
    },
};

/// Keys that are remembered of one subscription that is rotated again and again (our choice).
const STALE_KEYS: usize = 4;

impl PushService {
    /// Makes a subscription of a simulated user agent.
    ///
    /// # Errors
    /// [`ServiceError::Exists`] when the label is taken, [`ServiceError::NotFound`] for an unknown user agent,
    /// [`ServiceError::Limit`], [`ServiceError::BadField`].
    pub async fn subscribe(
        &self,
        space: &SpaceName,
        new: NewSubscription,
    ) -> Result<SubscriptionView, ServiceError> {
        let space = self.space(space)?;
        let shaping = space.shaping.lock().await;
        let label = self.free_label(&space, new.label.as_deref())?;
        check_options(&new, space.now())?;
        let shared = match &new.user_agent {
            Some(named) => Some(self.find_simulated(&space, named)?),
            None => None,
        };
        let agent = match &shared {
            Some(agent) => Arc::clone(agent),
            None => {
                let key = AgentKey { space: space.id, agent: UserAgentId(space.random.id(wall())?) };
                Arc::new(Agent::new(key, AgentKind::Simulated, label.clone(), new.online.unwrap_or(true)))
            }
        };
        let wanted = Wanted {
            id: SubscriptionId(space.random.id(wall())?),
            label,
            receiver: Receiver::Simulated { keys: self.new_keys(&space)?, stale: Vec::new() },
            profile: new.profile.unwrap_or(space.profile()),
            application_server_key: match new.application_server_key {
                KeyChoice::Unrestricted => None,
                KeyChoice::Auto => Some(self.0.vapid.0),
                KeyChoice::Key(key) => Some(key),
            },
            codings: new.codings.unwrap_or_else(|| ContentCoding::ALL.to_vec()),
            min_urgency: new.min_urgency.unwrap_or(Urgency::VeryLow),
            ack: new.ack,
            style: new.style.unwrap_or(self.0.config.style),
            expires_at: new.expiration_time,
        };
        let record = self.register(&space, &agent, wanted).await?;
        drop(shaping);
        if let (Some(online), true) = (new.online, shared.is_some()) {
            let turn = self.turn(&space, &agent).await;
            if online {
                turn.go_online().await?;
            } else {
                turn.go_offline(false).await;
            }
        }
        let view = self.subscription_view(&space, &record);
        let about = About::Subscription(Box::new(view.clone()));
        self.0.publish(&space, EventKind::SubscriptionCreated, about);
        Ok(view)
    }

    /// All subscriptions, in order of creation; gone ones too.
    ///
    /// # Errors
    /// [`ServiceError::Store`], [`ServiceError::Limit`].
    pub async fn subscriptions(&self, space: &SpaceName) -> Result<Vec<SubscriptionView>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let page = Page { after: None, at_most: usize::MAX };
        let mut records = self.0.store.list(space.now(), space.id, page).await?;
        records.sort_by_key(|record| (record.created_at, record.at.subscription));
        Ok(records.iter().map(|record| self.subscription_view(&space, record)).collect())
    }

    /// One subscription.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::AmbiguousId`].
    pub async fn subscription(&self, space: &SpaceName, id: &str) -> Result<SubscriptionView, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let record = self.find_record(&space, id).await?;
        Ok(self.subscription_view(&space, &record))
    }

    /// Changes a subscription; going online delivers what waits.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Exists`], [`ServiceError::GoneState`].
    pub async fn change_subscription(
        &self,
        space: &SpaceName,
        id: &str,
        change: SubscriptionChange,
    ) -> Result<Changed<SubscriptionView>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let shaping = space.shaping.lock().await;
        let record = self.find_record(&space, id).await?;
        if let Some(gone) = record.gone {
            return Err(ServiceError::GoneState {
                detail: format!("{} is gone ({}) and cannot be changed", record.label, gone.reason),
                fix: "make a new subscription".into(),
            });
        }
        let agent = space.agent(record.at.agent).ok_or(NO_AGENT)?;
        if change.ack.is_some() && record.kind().is_browser() {
            return Err(acknowledges_itself("/ack", &record.label));
        }
        let label = match &change.label {
            Some(label) if *label != record.label => Some(self.free_label(&space, Some(label))?),
            _ => None,
        };
        let turn = self.turn(&space, &agent).await;
        let changes = [
            label.clone().map(Change::Label),
            change.profile.map(Change::Profile),
            change.min_urgency.map(Change::MinUrgency),
            change.ack.map(Change::Ack),
        ];
        let mut now = Arc::clone(&record);
        for change in changes.into_iter().flatten() {
            let updated = self.0.store.update(space.now(), &record.at, change).await?;
            now = updated.map_or(now, |updated| updated.record);
        }
        if let Some(label) = label {
            rename(&space, &agent, &record, label);
        }
        drop(shaping);
        if now.ack == AckMode::Auto && !now.kind().is_browser() {
            turn.acknowledge_all(&now).await?;
        }
        let delivered = match change.online {
            Some(true) => turn.go_online().await?,
            Some(false) => {
                turn.go_offline(change.hard).await;
                Vec::new()
            }
            None => turn.flush().await?,
        };
        Ok(Changed { now: self.subscription_view(&space, &now), delivered })
    }

    /// Ends a subscription; its push resource is answered with that status, 404 or 410.
    ///
    /// # Errors
    /// [`ServiceError::BadField`] for another status, [`ServiceError::NotFound`].
    pub async fn expire(
        &self,
        space: &SpaceName,
        id: &str,
        status: u16,
    ) -> Result<SubscriptionView, ServiceError> {
        if !matches!(status, 404 | 410) {
            return Err(ServiceError::BadField {
                pointer: "/status",
                detail: format!("a subscription that is gone is answered 404 or 410, not {status}"),
                fix: "give 404 or 410".into(),
            });
        }
        let space = self.space(space)?;
        self.settle(&space).await;
        let record = self.find_record(&space, id).await?;
        let gone = Gone { reason: record.gone.map_or("expired", |gone| gone.reason), status };
        let ended = self.end(&space, &record, gone, EventKind::SubscriptionGone).await?;
        Ok(self.subscription_view(&space, &ended))
    }

    /// Gives a subscription a new push resource and new keys; the old one is gone.
    ///
    /// Firefox gets a new uaid instead: all its subscriptions end, it tells their workers (`pushsubscriptionchange`),
    /// and these subscribe again. Chromium cannot be told.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::GoneState`].
    pub async fn rotate(&self, space: &SpaceName, id: &str) -> Result<Rotated, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let shaping = space.shaping.lock().await;
        let old = self.find_record(&space, id).await?;
        if let Some(gone) = old.gone {
            return Err(ServiceError::GoneState {
                detail: format!("{} is gone ({}) and cannot be rotated", old.label, gone.reason),
                fix: "make a new subscription".into(),
            });
        }
        let agent = space.agent(old.at.agent).ok_or(NO_AGENT)?;
        let Receiver::Simulated { keys, stale } = &old.receiver else {
            drop(shaping);
            return self.rotate_browser(&space, &agent, &old).await;
        };
        let mut stale_keys = vec![keys.clone()];
        stale_keys.extend(stale.iter().take(STALE_KEYS - 1).cloned());
        let wanted = Wanted {
            id: SubscriptionId(space.random.id(wall())?),
            label: old.label.clone(),
            receiver: Receiver::Simulated { keys: self.new_keys(&space)?, stale: stale_keys },
            profile: old.profile,
            application_server_key: old.application_server_key,
            codings: old.codings.clone(),
            min_urgency: old.min_urgency,
            ack: old.ack,
            style: old.style,
            expires_at: old.expires_at,
        };
        let new = self.register(&space, &agent, wanted).await?;
        drop(shaping);
        let gone = Gone { reason: "rotated", status: 404 };
        let old = self.end(&space, &old, gone, EventKind::SubscriptionRotated).await?;
        let view = self.subscription_view(&space, &new);
        let about = About::Subscription(Box::new(view.clone()));
        self.0.publish(&space, EventKind::SubscriptionCreated, about);
        Ok(Rotated { old: self.subscription_view(&space, &old), new: Some(view) })
    }

    /// Removes a subscription; its push resource is answered as an unknown one.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub async fn unsubscribe(&self, space: &SpaceName, id: &str) -> Result<(), ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let shaping = space.shaping.lock().await;
        let record = self.find_record(&space, id).await?;
        let agent = space.agent(record.at.agent).ok_or(NO_AGENT)?;
        let turn = self.turn(&space, &agent).await;
        let dropped = self.0.store.unregister(space.now(), &record.at).await?;
        let dropped = dropped.unwrap_or_default();
        self.subscription_ended(&space, &record, &dropped, EventKind::SubscriptionGone);
        turn.room_again().await;
        drop(turn);
        if self.forget_subscription(&space, &record) {
            self.0.store.drop_all(space.now(), Owner::Agent(record.at.owner())).await?;
        }
        drop(shaping);
        Ok(())
    }

    /// Takes a subscription out of every table of the space; true when its user agent went with it.
    pub(super) fn forget_subscription(&self, space: &Space, record: &SubscriptionRecord) -> bool {
        let of = record.at.subscription;
        lock(&space.lookback).forget(of);
        lock(&space.admission).forget(of);
        lock(&space.history).forget_counters_of(of);
        self.0.subscriptions.fetch_sub(1, Ordering::Relaxed);
        lock(&space.directory).unlist(record)
    }

    pub(super) async fn end(
        &self,
        space: &Arc<Space>,
        record: &Arc<SubscriptionRecord>,
        gone: Gone,
        kind: EventKind,
    ) -> Result<Arc<SubscriptionRecord>, ServiceError> {
        let agent = space.agent(record.at.agent).ok_or(NO_AGENT)?;
        let turn = self.turn(space, &agent).await;
        let updated = self.0.store.update(space.now(), &record.at, Change::End(gone)).await?;
        let Some(updated) = updated else { return Ok(Arc::clone(record)) };
        self.subscription_ended(space, &updated.record, &updated.dropped, kind);
        turn.room_again().await;
        Ok(updated.record)
    }

    /// What happens to the messages of a subscription that takes no more. Its user agent may have room again.
    pub(super) fn subscription_ended(
        &self,
        space: &Arc<Space>,
        record: &Arc<SubscriptionRecord>,
        dropped: &[Arc<StoredMessage>],
        kind: EventKind,
    ) {
        if let Some(agent) = space.agent(record.at.agent) {
            let why = format!("the subscription of {} is gone", record.label);
            let enter = Enter::new(State::Dropped, space.now()).because("subscription-gone", why);
            self.lost(space, &agent, dropped, &enter);
            let of_it = |held: &super::state::Held| held.message.subscription == record.at.subscription;
            self.lost_transient(space, &agent, of_it, &enter);
        }
        lock(&space.directory).retire(record);
        let view = self.subscription_view(space, record);
        self.0.publish(space, kind, About::Subscription(Box::new(view)));
    }

    /// Makes a token, and registers the subscription under its label.
    pub(super) async fn register(
        &self,
        space: &Arc<Space>,
        agent: &Arc<Agent>,
        wanted: Wanted,
    ) -> Result<Arc<SubscriptionRecord>, ServiceError> {
        let inner = &*self.0;
        let limit = inner.config.limits.subscriptions;
        let more = |count| (count < limit).then_some(count + 1);
        if inner.subscriptions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(ServiceError::Limit { name: "subscriptions", limit });
        }
        let registered = self.register_counted(space, agent, wanted).await;
        if registered.is_err() {
            inner.subscriptions.fetch_sub(1, Ordering::Relaxed);
        }
        registered
    }

    async fn register_counted(
        &self,
        space: &Arc<Space>,
        agent: &Arc<Agent>,
        wanted: Wanted,
    ) -> Result<Arc<SubscriptionRecord>, ServiceError> {
        let inner = &*self.0;
        let subscription = wanted.id;
        let at = Address { space: space.id, agent: agent.key.agent, subscription };
        let key_digest = wanted.application_server_key.as_ref().map(digest);
        let token = inner.sealer.seal_push(&space.random, &at, key_digest.as_ref())?;
        lock(&inner.handed_out).remember(&token);
        let record = SubscriptionRecord {
            at,
            label: wanted.label.clone(),
            profile: wanted.profile,
            application_server_key: wanted.application_server_key,
            key_digest,
            receiver: wanted.receiver,
            codings: wanted.codings,
            min_urgency: wanted.min_urgency,
            ack: wanted.ack,
            style: wanted.style,
            token: token.into(),
            created_at: wall(),
            expires_at: wanted.expires_at,
            gone: None,
        };
        let record = Arc::new(record);
        let registered = inner.store.register(space.now(), SubscriptionRecord::clone(&record)).await?;
        if registered != Registered::Created {
            return Err(ServiceError::Store(StoreError::Unavailable));
        }
        if let Some(deadline) = record.expires_at
            && space.due_at(deadline)
        {
            inner.nudge.notify_one();
        }
        let mut directory = lock(&space.directory);
        directory.agents.entry(agent.key.agent).or_insert_with(|| Arc::clone(agent));
        directory.list(&record);
        Ok(record)
    }

    fn new_keys(&self, space: &Space) -> Result<UserAgentKeys, ServiceError> {
        let random = space.random.of(Purpose::Key);
        let private = PrivateKey::generate(&random)?;
        let auth = AuthSecret::generate(&random)?;
        Ok(UserAgentKeys::new(&self.0.settings.provider, private, Some(auth))?)
    }

    /// The label, if it is free and can be one; none: the next of `ua-1`, `ua-2`, …
    fn free_label(&self, space: &Space, wanted: Option<&str>) -> Result<String, ServiceError> {
        let mut directory = lock(&space.directory);
        let Some(label) = wanted else {
            loop {
                directory.unnamed += 1;
                let label = format!("ua-{}", directory.unnamed);
                if !directory.labels.contains_key(&label) {
                    return Ok(label);
                }
            }
        };
        check_label(label)?;
        if directory.labels.contains_key(label) {
            let space = space.name.to_string();
            return Err(ServiceError::Exists { what: "subscription", named: label.into(), space });
        }
        Ok(label.into())
    }
}

/// What a subscription is to be, with every choice made.
pub(super) struct Wanted {
    pub(super) id: SubscriptionId,
    pub(super) label: String,
    pub(super) receiver: Receiver,
    pub(super) profile: Profile,
    pub(super) application_server_key: Option<PublicKey>,
    pub(super) codings: Vec<ContentCoding>,
    pub(super) min_urgency: Urgency,
    pub(super) ack: AckMode,
    pub(super) style: Style,
    pub(super) expires_at: Option<Timestamp>,
}

/// A subscription without its user agent; they are made and removed together.
pub(super) const NO_AGENT: ServiceError =
    ServiceError::Internal { detail: "a subscription has no user agent in its space" };

/// Nobody but itself decides when a browser acknowledges.
pub(super) fn acknowledges_itself(pointer: &'static str, label: &str) -> ServiceError {
    ServiceError::BadField {
        pointer,
        detail: format!("{label} is a real browser, which acknowledges by itself"),
        fix: "leave the member out; ack is for simulated user agents".into(),
    }
}

fn check_options(new: &NewSubscription, now: Timestamp) -> Result<(), ServiceError> {
    if new.codings.as_ref().is_some_and(Vec::is_empty) {
        return Err(ServiceError::BadField {
            pointer: "/codings",
            detail: "the list of codings is empty, so nothing could be opened".into(),
            fix: "name at least one of aes128gcm, aesgcm, aesgcm128, or leave the member out".into(),
        });
    }
    if new.expiration_time.is_some_and(|time| time <= now) {
        return Err(ServiceError::BadField {
            pointer: "/expirationTime",
            detail: "the time is not later than the clock of the space".into(),
            fix: "give a later time, or null".into(),
        });
    }
    Ok(())
}

fn digest(key: &PublicKey) -> [u8; 32] {
    Sha256::digest(key.as_octets()).into()
}

/// A user agent that was named after its only subscription is renamed with it.
fn rename(space: &Space, agent: &Arc<Agent>, record: &SubscriptionRecord, label: String) {
    let mut directory = lock(&space.directory);
    directory.labels.remove(&record.label);
    directory.labels.insert(label.clone(), record.at.subscription);
    if let Some(listed) = directory.subscriptions.get_mut(&record.at.subscription) {
        listed.label.clone_from(&label);
    }
    if lock(&agent.state).label != record.label {
        return;
    }
    directory.give_back(agent);
    lock(&agent.state).label = label;
    if agent.kind.is_browser() {
        directory.keep(agent);
    }
}
