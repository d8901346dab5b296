//! `Attached`: the connection of a browser, from its greeting to its end.
//!
//! The wire reads and writes; here is what it may ask and what it is told. A user agent that is attached for the
//! first time is kept while its connection lasts, and longer only when it subscribes.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::{Notify, mpsc};

use super::channels::short;
use super::{
    PushService,
    delivery::Answer,
    directory::CheckedIn,
    events::{About, EventKind},
    exchange::State,
    inspect,
    link::{Link, Order},
    state::{Agent, Space, lock},
    subscription::AgentKind,
};
pub(crate) use super::{
    channels::{NewChannel, RegisteredChannel, Unregistered},
    controls::{Effects, Moment},
    link::{Closing, Handed, ToAgent},
};
use crate::{
    error::ServiceError,
    ids::{MessageId, UserAgentId},
    space::SpaceName,
    store::AgentKey,
};

/// Who says hello, or logs in.
#[derive(Clone, Debug)]
pub(crate) struct Arriving {
    pub(crate) space: SpaceName,
    pub(crate) kind: AgentKind,
    /// As it names itself.
    pub(crate) id: Option<UserAgentId>,
    /// Chromium's security token.
    pub(crate) secret: Option<u64>,
    /// The name it is to have.
    pub(crate) label: Option<String>,
    pub(crate) version: Option<String>,
    /// Messages that it has and that must not come again.
    pub(crate) received: Vec<String>,
}

/// Why nobody was attached.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// It was switched off the hard way.
    Offline,
    /// It is known, with another security token.
    Secret,
    /// The service has no room, or cannot work now.
    Service(ServiceError),
}

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

/// How a browser acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Chromium: the message was received.
    Received,
    /// Firefox: 100 delivered, 101 not decrypted, 102 not delivered.
    Code(u16),
}

/// A connection of a browser; ends with [`detach`](Self::detach).
#[derive(Debug)]
pub(crate) struct Attached {
    service: PushService,
    space: Arc<Space>,
    agent: Arc<Agent>,
    epoch: u64,
    wake: Arc<Notify>,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl PushService {
    /// Takes a connection; the newest of a user agent wins. Nothing is handed over before [`Attached::begin`].
    ///
    /// Firefox without a name, or with one that is not known, gets a new one. A Chromium that is not known is taken
    /// as one without subscriptions: it would never check in again.
    pub(crate) async fn attach(&self, who: Arriving) -> Result<Attached, Refused> {
        let space = self.space(&who.space)?;
        self.settle(&space).await;
        let shaping = space.shaping.lock().await;
        let known = who.id.and_then(|id| space.agent(id));
        let known = known.filter(|agent| agent.kind == who.kind && !lock(&agent.state).retired);
        let agent = match known {
            Some(agent) => agent,
            None => self.new_agent(&space, &who)?,
        };
        {
            let mut state = lock(&agent.state);
            if state.hard && !state.online {
                return Err(Refused::Offline);
            }
            if state.secret.is_some() && state.secret != who.secret {
                return Err(Refused::Secret);
            }
            state.secret = who.secret;
            state.version = who.version.as_deref().map(short).or(state.version.take());
        }
        let turn = self.turn(&space, &agent).await;
        turn.cut(Closing::Replaced, "connected anew").await;
        let (sender, orders) = mpsc::unbounded_channel();
        let wake = Arc::new(Notify::new());
        let epoch = {
            let mut state = lock(&agent.state);
            state.epoch += 1;
            let wake = Arc::clone(&wake);
            state.link = Some(Link { epoch: state.epoch, open: false, wake, orders: sender });
            state.epoch
        };
        lock(&space.directory).keep(&agent);
        drop(shaping);
        turn.publish_agent(EventKind::UserAgentConnected);
        drop(turn);
        let attached = Attached { service: self.clone(), space, agent, epoch, wake, orders };
        attached.received(&who.received).await;
        Ok(attached)
    }

    fn new_agent(&self, space: &Arc<Space>, who: &Arriving) -> Result<Arc<Agent>, Refused> {
        let id = match (who.kind, who.id) {
            (AgentKind::Chromium, Some(id)) => id,
            _ => self.new_uaid(space)?,
        };
        let checked_in = CheckedIn::take(space, id, who.secret)?;
        let wanted = who.label.clone().or_else(|| checked_in.as_ref()?.label.clone());
        let label = self.agent_label(space, who.kind, id, wanted.as_deref());
        let key = AgentKey { space: space.id, agent: id };
        let agent = Agent::new(key, who.kind, label, true);
        {
            let mut state = lock(&agent.state);
            state.secret = checked_in.as_ref().map(|checked_in| checked_in.secret);
            state.version = checked_in.and_then(|checked_in| checked_in.version);
        }
        Ok(Arc::new(agent))
    }
}

impl Attached {
    pub(crate) fn agent(&self) -> UserAgentId {
        self.agent.key.agent
    }

    pub(crate) fn space(&self) -> &SpaceName {
        &self.space.name
    }

    pub(crate) fn label(&self) -> String {
        lock(&self.agent.state).label.clone()
    }

    /// What to do next; messages only while there is room to write them. Cancel-safe. After a `Close` nothing more
    /// comes but that.
    pub(crate) async fn next(&mut self, has_room: bool) -> ToAgent {
        loop {
            if let Some(handed) = has_room.then(|| self.unwritten()).flatten() {
                return ToAgent::Message(handed);
            }
            let wake = Arc::clone(&self.wake);
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(Order::Close(closing)) => return ToAgent::Close(closing),
                    Some(Order::Again(handed)) => return ToAgent::Message(handed),
                    None => return ToAgent::Close(Closing::Replaced),
                },
                () = wake.notified() => {}
            }
        }
    }

    /// The next message of the window, if there is one now: what has expired, was withdrawn or replaced is no longer there.
    pub(crate) fn unwritten(&self) -> Option<Arc<Handed>> {
        let mut state = lock(&self.agent.state);
        state.link.as_ref().filter(|link| link.epoch == self.epoch)?;
        let (channel, message) = state.window.take_unwritten()?;
        Some(Arc::new(Handed::new(&channel, &message)))
    }

    /// The greeting is over: what waits is handed over.
    pub(crate) async fn begin(&self) {
        let turn = self.service.turn(&self.space, &self.agent).await;
        let current = match &mut lock(&self.agent.state).link {
            Some(link) if link.epoch == self.epoch => {
                link.open = true;
                true
            }
            _ => false,
        };
        if current {
            turn.room_again().await;
        }
    }

    /// A subscription of Firefox.
    pub(crate) async fn register(&self, new: NewChannel) -> Result<RegisteredChannel, ServiceError> {
        self.service.register_channel(&self.space.name, self.agent.kind, self.agent.key.agent, new).await
    }

    /// As [`PushService::unregister_channel`].
    pub(crate) async fn unregister(&self, channel: &str, why: Unregistered) -> Result<bool, ServiceError> {
        let secret = lock(&self.agent.state).secret;
        self.service.unregister_channel(&self.space.name, self.agent.key.agent, secret, channel, why).await
    }

    /// Acknowledges messages of this user agent; unknown ones are ignored.
    pub(crate) async fn acknowledge(&self, acks: &[(String, Ack)]) {
        let turn = self.service.turn(&self.space, &self.agent).await;
        let mut finished = false;
        for (version, ack) in acks {
            *lock(&self.agent.state).acks.entry(ack.name()).or_default() += 1;
            let Ok(id) = version.parse::<MessageId>() else { continue };
            let Some(seq) = lock(&self.agent.state).window.seq_of(id) else { continue };
            let attempts = lock(&self.space.history).get(id).map_or(1, |exchange| exchange.deliveries.len());
            finished = true;
            if let Err(error) = turn.finish(seq, ack.answer(&self.label(), attempts)).await {
                tracing::warn!(%error, "an acknowledgement is lost; the message comes again");
            }
        }
        // Nothing has changed otherwise, and looking through the queue is not for nothing.
        if finished {
            turn.room_again().await;
        }
    }

    /// The worker failed with a message.
    pub(crate) async fn nack(&self, version: &str, code: u16) {
        let Ok(id) = version.parse::<MessageId>() else { return };
        let label = self.label();
        let agent = self.agent();
        let mut changed = false;
        let noted = lock(&self.space.history).note(id, |exchange| {
            // Only of what this user agent was given.
            let Some(last) = exchange.deliveries.last_mut().filter(|last| last.user_agent == agent) else {
                return;
            };
            changed = last.nack_code != Some(code);
            if last.nack_code.replace(code).is_none() {
                exchange.findings.extend(inspect::handler_failed(&label, code));
            }
        });
        if let Some(exchange) = noted.filter(|_| changed) {
            self.service.0.publish(&self.space, EventKind::MessageNoted, About::Message(exchange));
        }
    }

    /// The connection is over: what was not acknowledged waits again. A user agent without a subscription is
    /// forgotten.
    pub(crate) async fn detach(self, why: &str) {
        let shaping = self.space.shaping.lock().await;
        let turn = self.service.turn(&self.space, &self.agent).await;
        let current = lock(&self.agent.state).link.as_ref().is_some_and(|link| link.epoch == self.epoch);
        if current {
            turn.cut(Closing::Fin, why).await;
        }
        let mut directory = lock(&self.space.directory);
        if !self.agent.is_linked() {
            if directory.own(self.agent()).next().is_none() {
                directory.forget_agent(&self.agent);
            } else if !directory.own(self.agent()).any(|(_, listed)| listed.active) {
                directory.give_back(&self.agent);
            }
        }
        drop(directory);
        drop(shaping);
    }

    /// Messages that were received over an earlier connection.
    async fn received(&self, versions: &[String]) {
        if versions.is_empty() {
            return;
        }
        let turn = self.service.turn(&self.space, &self.agent).await;
        let ids: HashSet<_> = versions.iter().filter_map(|version| version.parse().ok()).collect();
        *lock(&self.agent.state).acks.entry(Ack::Received.name()).or_default() += ids.len() as u64;
        if let Err(error) = turn.received(&ids).await {
            tracing::warn!(%error, "an acknowledgement is lost; the message comes again");
        }
    }
}

impl Ack {
    const fn name(self) -> &'static str {
        match self {
            Self::Received => "stream",
            Self::Code(100) => "100",
            Self::Code(101) => "101",
            Self::Code(102) => "102",
            Self::Code(_) => "other",
        }
    }

    /// What it means for a message that was handed over that many times.
    pub(super) fn answer(self, label: &str, attempts: usize) -> Answer {
        let Self::Code(code) = self else { return Answer::new(State::Acknowledged, None) };
        let answer = match code {
            101 => Answer {
                finding: inspect::undecryptable(label),
                ..Answer::new(State::Discarded, Some("undecryptable"))
            },
            // It has had it already: a repeated version is not delivered again.
            102 if attempts > 1 => Answer {
                why: Some(format!("{label} had it already")),
                ..Answer::new(State::Acknowledged, None)
            },
            102 => Answer {
                finding: inspect::not_delivered(label),
                ..Answer::new(State::Discarded, Some("not-delivered"))
            },
            _ => Answer::new(State::Acknowledged, None),
        };
        Answer { code: Some(code), ..answer }
    }
}

#[cfg(test)]
mod tests;
