//! How subscriptions, user agents and recorded requests are shown.

use std::sync::Arc;

use super::{
    PushService,
    counters::Counters,
    exchange::{Exchange, State},
    lookup::Found,
    state::{Agent, Space, lock},
    subscribe::acknowledges_itself,
    subscription::{
        AgentKind, Changed, Counts, Endpoints, ResourceUrl, SubscriptionView, UserAgentChange,
        UserAgentSummary, UserAgentView, check_label,
    },
};
use crate::{
    clock::wall,
    config::Style,
    error::ServiceError,
    space::SpaceName,
    store::{Change, Store, SubscriptionRecord},
};

impl PushService {
    /// All user agents, by id: simulated ones in order of creation.
    ///
    /// # Errors
    /// [`ServiceError::Limit`] when the space would be one too many.
    pub async fn user_agents(&self, space: &SpaceName) -> Result<Vec<UserAgentView>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let mut agents: Vec<_> = lock(&space.directory).agents.values().cloned().collect();
        // A Firefox that has taken another uaid is listed under that one.
        agents.retain(|agent| !lock(&agent.state).retired);
        agents.sort_unstable_by_key(|agent| agent.key);
        Ok(agents.iter().map(|agent| self.agent_view(&space, agent)).collect())
    }

    /// One user agent.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::AmbiguousId`].
    pub async fn user_agent(&self, space: &SpaceName, id: &str) -> Result<UserAgentView, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let agent = self.find_agent(&space, id)?;
        Ok(self.agent_view(&space, &agent))
    }

    /// Changes a user agent; going online delivers what waits.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::AmbiguousId`].
    pub async fn change_user_agent(
        &self,
        space: &SpaceName,
        id: &str,
        change: UserAgentChange,
    ) -> Result<Changed<UserAgentView>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let agent = self.find_agent(&space, id)?;
        let turn = self.turn(&space, &agent).await;
        if let Some(label) = change.label {
            check_label(&label)?;
            let mut directory = lock(&space.directory);
            directory.give_back(&agent);
            lock(&agent.state).label = label;
            if agent.kind.is_browser() && directory.agents.contains_key(&agent.key.agent) {
                directory.keep(&agent);
            }
        }
        if change.ack.is_some() && agent.kind.is_browser() {
            return Err(acknowledges_itself("/ack", &lock(&agent.state).label));
        }
        let owned: Vec<_> = {
            let directory = lock(&space.directory);
            directory.own(agent.key.agent).map(|(_, listed)| listed.at).collect()
        };
        for at in owned {
            let changes = [change.min_urgency.map(Change::MinUrgency), change.ack.map(Change::Ack)];
            for change in changes.into_iter().flatten() {
                self.0.store.update(space.now(), &at, change).await?;
            }
            if change.ack == Some(super::subscription::AckMode::Auto)
                && let Some(record) = turn.record(at.subscription).await?
            {
                turn.acknowledge_all(&record).await?;
            }
        }
        let delivered = match change.online {
            Some(true) => turn.go_online().await?,
            Some(false) => {
                turn.go_offline(change.hard).await;
                Vec::new()
            }
            None => turn.flush().await?,
        };
        Ok(Changed { now: self.agent_view(&space, &agent), delivered })
    }

    /// All recorded requests, newest first.
    ///
    /// # Errors
    /// [`ServiceError::Limit`] when the space would be one too many.
    pub async fn exchanges(&self, space: &SpaceName) -> Result<Vec<Arc<Exchange>>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let mut history = lock(&space.history);
        history.forget_old(wall());
        Ok(history.shown().rev().map(|(_, exchange)| Arc::clone(exchange)).collect())
    }

    /// One recorded request.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::AmbiguousId`].
    pub async fn exchange(&self, space: &SpaceName, id: &str) -> Result<Arc<Exchange>, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        lock(&space.history).forget_old(wall());
        self.find_exchange(&space, id).map(|found| found.exchange)
    }

    /// Forgets recorded requests; their messages are not withdrawn. Returns how many were there.
    ///
    /// # Errors
    /// [`ServiceError::Limit`] when the space would be one too many.
    pub async fn forget(&self, space: &SpaceName, ids: &[String]) -> Result<usize, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let found: Vec<_> = ids.iter().filter_map(|id| self.find_exchange(&space, id).ok()).collect();
        let mut history = lock(&space.history);
        Ok(found.into_iter().filter(|Found { id, .. }| history.forget(*id)).count())
    }

    /// Messages of a space by state.
    ///
    /// # Errors
    /// [`ServiceError::Limit`] when the space would be one too many.
    pub async fn counters(&self, space: &SpaceName) -> Result<Counters, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        Ok(*lock(&space.history).counters())
    }

    pub(super) fn agent_view(&self, space: &Space, agent: &Agent) -> UserAgentView {
        let subscriptions = {
            let directory = lock(&space.directory);
            directory.own(agent.key.agent).map(|(id, listed)| (id, listed.label.clone())).collect()
        };
        let state = lock(&agent.state);
        UserAgentView {
            id: agent.key.agent,
            kind: agent.kind,
            version: state.version.clone(),
            label: state.label.clone(),
            space: space.name.clone(),
            online: state.online,
            hard: state.hard,
            connected: if agent.kind.is_browser() { state.link.is_some() } else { state.online },
            acks: state.acks.clone(),
            subscriptions,
        }
    }

    pub(super) fn subscription_view(&self, space: &Space, record: &SubscriptionRecord) -> SubscriptionView {
        let urls = &self.0.urls;
        let path = record.resource_path();
        let at = |origin: &push_crypto::Origin| ResourceUrl::new(origin, &path);
        let endpoint = match (record.style, &urls.https) {
            (Style::Tls, Some(https)) => at(https),
            _ => at(&urls.public),
        };
        let agent = space.agent(record.at.agent);
        let user_agent = UserAgentSummary {
            id: record.at.agent,
            kind: record.kind(),
            online: agent.as_ref().is_some_and(|agent| agent.online()),
            connected: agent.as_ref().is_some_and(|agent| match agent.kind {
                AgentKind::Simulated => agent.online(),
                AgentKind::Firefox | AgentKind::Chromium => agent.is_linked(),
            }),
        };
        let counters = lock(&space.history).counters_of(record.at.subscription);
        SubscriptionView {
            id: record.at.subscription,
            label: record.label.clone(),
            space: space.name.clone(),
            profile: record.profile,
            gone: record.gone,
            user_agent,
            application_server_key: record.application_server_key,
            codings: record.codings.clone(),
            endpoint,
            endpoints: Endpoints { http: urls.http.as_ref().map(at), https: urls.https.as_ref().map(at) },
            expiration_time: record.expires_at,
            keys: record.sender_keys(),
            private_key: record.keys().map(|keys| keys.private().clone()),
            min_urgency: record.min_urgency,
            ack: record.ack,
            counts: counts(&counters),
            created_at: record.created_at,
        }
    }
}

fn counts(counters: &Counters) -> Counts {
    Counts {
        queued: counters.in_state(State::Queued),
        delivered: counters.in_state(State::Delivered),
        acknowledged: counters.in_state(State::Acknowledged),
        refused: counters.in_state(State::Refused),
    }
}
