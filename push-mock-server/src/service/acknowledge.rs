//! Steps of single messages: manual ones of simulated user agents, and what the sender does with a message resource.

use std::{collections::HashSet, sync::Arc};

use super::{
    PushService,
    delivery::{Answer, Enter, Turn},
    exchange::{Exchange, State},
    lookup::Found,
    reply::{MessageView, Missing},
    state::{Space, lock},
    subscription::AckMode,
};
use crate::{
    error::ServiceError,
    ids::{MessageId, SubscriptionId},
    space::SpaceName,
    store::{Store, StoredMessage},
};

/// Fields that belong to a message and are handed on with it.
const HANDED_ON: [&str; 5] =
    ["content-type", "content-encoding", "encryption", "crypto-key", "encryption-key"];

impl PushService {
    /// Reads a message resource; the token is what stands behind `/m/`.
    ///
    /// # Errors
    /// [`Missing`] when there is no such message, or no longer.
    pub async fn message_resource(&self, token: &str) -> Result<MessageView, Missing> {
        let (key, id) = self.0.sealer.open_message(token).ok_or(Missing)?;
        let space = self.space_by_id(key.of.space).ok_or(Missing)?;
        self.settle(&space).await;
        let exchange = lock(&space.history).get(id).cloned().ok_or(Missing)?;
        if exchange.state.is_final() {
            return Err(Missing);
        }
        let of = exchange.subscription.as_deref().and_then(|of| of.parse().ok()).ok_or(Missing)?;
        let agent = space.agent(key.of.agent).ok_or(Missing)?;
        let turn = self.turn(&space, &agent).await;
        let record = turn.record(of).await.ok().flatten().ok_or(Missing)?;
        let handed_on =
            exchange.request.headers.iter().filter(|(name, _)| HANDED_ON.contains(&name.as_str()));
        Ok(MessageView {
            body: exchange.request.body.clone(),
            headers: handed_on.cloned().collect(),
            last_modified: exchange.at,
            push_resource: record.resource_path(),
        })
    }

    /// Withdraws a message; false when there is no such message, or no longer.
    pub async fn withdraw(&self, token: &str) -> bool {
        let Some((key, id)) = self.0.sealer.open_message(token) else { return false };
        let Some(space) = self.space_by_id(key.of.space) else { return false };
        self.settle(&space).await;
        let Some(agent) = space.agent(key.of.agent) else { return false };
        let turn = self.turn(&space, &agent).await;
        let transient = {
            let state = lock(&agent.state);
            state.window.held.get(&key.seq).is_some_and(|held| held.message.id == id && held.transient())
        };
        let now = space.now();
        let removed = transient || matches!(self.0.store.withdraw(now, &key, id).await, Ok(Some(_)));
        if !removed {
            return false;
        }
        lock(&agent.state).window.remove(id);
        let withdrawn = self.enter(&space, id, Enter::new(State::Withdrawn, now)).is_some();
        turn.room_again().await;
        withdrawn
    }

    /// Hands a waiting message to its connected user agent, whatever urgency it takes.
    ///
    /// # Errors
    /// [`ServiceError::GoneState`] when the message does not wait or the user agent is not connected.
    pub async fn deliver_now(&self, space: &SpaceName, id: &str) -> Result<Arc<Exchange>, ServiceError> {
        let step = self.step(space, id, State::Queued, "hand over").await?;
        if !step.turn.agent.reachable() {
            return Err(ServiceError::GoneState {
                detail: format!("{} is not connected, so nothing can be handed over", step.label()),
                fix: format!("bring it online: push sub online {}", step.label()),
            });
        }
        let record = step.turn.record(step.of).await?.ok_or_else(|| step.vanished())?;
        let message = step.waiting().await?.ok_or_else(|| step.vanished())?;
        step.turn.deliver(&record, &message).await;
        step.now()
    }

    /// Acknowledges a delivered message for its simulated user agent.
    ///
    /// # Errors
    /// [`ServiceError::GoneState`] when the message is not delivered, or is never to be acknowledged.
    pub async fn acknowledge(&self, space: &SpaceName, id: &str) -> Result<Arc<Exchange>, ServiceError> {
        self.finish_manually(space, id, State::Acknowledged).await
    }

    /// Acknowledges a delivered message as thrown away.
    ///
    /// # Errors
    /// As [`acknowledge`](Self::acknowledge).
    pub async fn discard(&self, space: &SpaceName, id: &str) -> Result<Arc<Exchange>, ServiceError> {
        self.finish_manually(space, id, State::Discarded).await
    }

    async fn finish_manually(
        &self,
        space: &SpaceName,
        id: &str,
        state: State,
    ) -> Result<Arc<Exchange>, ServiceError> {
        let step = self.step(space, id, State::Delivered, "acknowledge").await?;
        if step.turn.agent.kind.is_browser() {
            return Err(ServiceError::GoneState {
                detail: format!("{} is a real browser, which acknowledges by itself", step.label()),
                fix: "manual steps are for simulated user agents: push sub new".into(),
            });
        }
        let record = step.turn.record(step.of).await?.ok_or_else(|| step.vanished())?;
        if record.ack == AckMode::Never {
            return Err(ServiceError::GoneState {
                detail: format!("{} never acknowledges", record.label),
                fix: "set \"ack\" to \"manual\"".into(),
            });
        }
        let seq = {
            let state = lock(&step.turn.agent.state);
            state.window.seq_of(step.id)
        };
        let seq = seq.ok_or_else(|| step.vanished())?;
        let finished =
            step.turn.finish(seq, Answer::new(state, None)).await?.ok_or_else(|| step.vanished())?;
        step.turn.flush().await?;
        Ok(finished)
    }

    /// Finds a message in that state and takes the turn of its user agent.
    async fn step(
        &self,
        space: &SpaceName,
        id: &str,
        wanted: State,
        action: &'static str,
    ) -> Result<StepOf, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        let Found { id, exchange } = self.find_exchange(&space, id)?;
        let impossible = |exchange: &Exchange| ServiceError::GoneState {
            detail: format!("cannot {action} a message that is {}", exchange.state),
            fix: format!("it works for messages that are {wanted}"),
        };
        let of = exchange.subscription.as_deref().and_then(|of| of.parse().ok());
        let of: SubscriptionId = of.ok_or_else(|| impossible(&exchange))?;
        let agent = {
            let directory = lock(&space.directory);
            let at = directory.subscriptions.get(&of).map(|listed| listed.at);
            at.and_then(|at| directory.agents.get(&at.agent).cloned())
        };
        let agent = agent.ok_or_else(|| impossible(&exchange))?;
        let turn = self.turn(&space, &agent).await;
        // It may have gone on while somebody else had the turn.
        let exchange = lock(&space.history).get(id).cloned().unwrap_or(exchange);
        if exchange.state != wanted {
            return Err(impossible(&exchange));
        }
        Ok(StepOf { space, turn, of, id, exchange })
    }
}

/// A message of which one step is made by hand.
struct StepOf {
    space: Arc<Space>,
    turn: Turn,
    of: SubscriptionId,
    id: MessageId,
    exchange: Arc<Exchange>,
}

impl StepOf {
    fn label(&self) -> &str {
        self.exchange.to.as_deref().unwrap_or_default()
    }

    fn vanished(&self) -> ServiceError {
        ServiceError::GoneState {
            detail: format!("the message to {} expired just now", self.label()),
            fix: "send it again with a longer TTL".into(),
        }
    }

    fn now(&self) -> Result<Arc<Exchange>, ServiceError> {
        lock(&self.space.history).get(self.id).cloned().ok_or_else(|| self.vanished())
    }

    /// The message in the store.
    async fn waiting(&self) -> Result<Option<Arc<StoredMessage>>, ServiceError> {
        Ok(self.turn.stored(&HashSet::from([self.id])).await?.pop())
    }
}
