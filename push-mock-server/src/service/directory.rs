//! `Directory`: the names of one space. Who is called what, and what belongs to whom.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use push_crypto::UserAgentKeys;

use super::{
    state::{Agent, lock},
    subscription::AgentKind,
};
use crate::{
    ids::{SubscriptionId, UserAgentId},
    store::{Address, SubscriptionRecord},
};

/// Names of a space.
#[derive(Debug, Default)]
pub(super) struct Directory {
    pub(super) agents: HashMap<UserAgentId, Arc<Agent>>,
    /// Those of simulated user agents in order of creation.
    pub(super) subscriptions: BTreeMap<SubscriptionId, Listed>,
    of_agents: HashMap<UserAgentId, BTreeSet<SubscriptionId>>,
    pub(super) labels: HashMap<String, SubscriptionId>,
    /// Labels of browsers.
    names: HashMap<String, UserAgentId>,
    /// By kind, the number below which every label with a number is taken.
    numbers: HashMap<AgentKind, u64>,
    /// Browsers' names of their subscriptions in use.
    pub(super) channels: HashMap<String, Address>,
    /// Chromiums that have checked in and done nothing else yet, oldest first.
    pub(super) checked_in: VecDeque<CheckedIn>,
    /// Number of the last subscription without a name of its own.
    pub(super) unnamed: u64,
}

/// What is looked up of a subscription without asking the store.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) at: Address,
    pub(super) label: String,
    /// Of a simulated user agent.
    pub(super) keys: Option<UserAgentKeys>,
    /// Whether it is in use.
    pub(super) active: bool,
}

/// A Chromium that has checked in.
#[derive(Clone, Debug)]
pub(super) struct CheckedIn {
    pub(super) agent: UserAgentId,
    pub(super) secret: u64,
    pub(super) label: Option<String>,
    pub(super) version: Option<String>,
}

impl Directory {
    /// Enters a subscription under its label and its browser's name for it.
    pub(super) fn list(&mut self, record: &SubscriptionRecord) {
        let (at, id) = (record.at, record.at.subscription);
        self.channels.extend(record.channel().map(|channel| (channel.name.clone(), at)));
        self.labels.insert(record.label.clone(), id);
        self.of_agents.entry(at.agent).or_default().insert(id);
        let (label, keys) = (record.label.clone(), record.keys().cloned());
        self.subscriptions.insert(id, Listed { at, label, keys, active: record.gone.is_none() });
    }

    /// Takes a subscription out; true when it was the last of its user agent, which goes with it unless it is
    /// connected.
    pub(super) fn unlist(&mut self, record: &SubscriptionRecord) -> bool {
        let (id, agent) = (record.at.subscription, record.at.agent);
        self.subscriptions.remove(&id);
        if self.labels.get(&record.label) == Some(&id) {
            self.labels.remove(&record.label);
        }
        self.forget_channel(record);
        let last = self.of_agents.get_mut(&agent).is_none_or(|own| {
            own.remove(&id);
            own.is_empty()
        });
        if last {
            self.of_agents.remove(&agent);
            if let Some(agent) = self.agents.get(&agent).filter(|agent| !agent.is_linked()).cloned() {
                self.forget_agent(&agent);
            }
        }
        last
    }

    /// A subscription is no longer in use.
    pub(super) fn retire(&mut self, record: &SubscriptionRecord) {
        if let Some(listed) = self.subscriptions.get_mut(&record.at.subscription) {
            listed.active = false;
        }
        self.forget_channel(record);
    }

    /// Another user agent may have taken the name.
    fn forget_channel(&mut self, record: &SubscriptionRecord) {
        let Some(channel) = record.channel() else { return };
        if self.channels.get(&channel.name) == Some(&record.at) {
            self.channels.remove(&channel.name);
        }
    }

    /// The subscriptions of a user agent.
    pub(super) fn own(&self, agent: UserAgentId) -> impl Iterator<Item = (SubscriptionId, &Listed)> {
        let own = self.of_agents.get(&agent).into_iter().flatten();
        own.filter_map(|id| self.subscriptions.get_key_value(id)).map(|(id, listed)| (*id, listed))
    }

    /// Takes a user agent out, if it is that one.
    pub(super) fn forget_agent(&mut self, agent: &Arc<Agent>) {
        let id = agent.key.agent;
        if self.agents.get(&id).is_some_and(|listed| Arc::ptr_eq(listed, agent)) {
            self.agents.remove(&id);
            self.give_back(agent);
        }
    }

    /// The label of a browser is free again.
    pub(super) fn give_back(&mut self, agent: &Agent) {
        let label = lock(&agent.state).label.clone();
        if self.names.get(&label) != Some(&agent.key.agent) {
            return;
        }
        self.names.remove(&label);
        let numbered = label.strip_prefix(agent.kind.as_str()).and_then(|rest| rest.strip_prefix('-'));
        if let (Some(number), Some(first)) =
            (numbered.and_then(|number| number.parse::<u64>().ok()), self.numbers.get_mut(&agent.kind))
        {
            *first = number.min(*first);
        }
    }

    /// Gives a browser a label: the wanted one, else its kind and a number, and another number while somebody else
    /// has it.
    pub(super) fn name(&mut self, kind: AgentKind, id: UserAgentId, wanted: Option<&str>) -> String {
        let label = match wanted {
            Some(label) if !self.is_taken(label) => label.to_owned(),
            Some(label) => numbered(label, 2, |label| self.is_taken(label)).1,
            None => {
                let from = self.numbers.get(&kind).copied().unwrap_or(1);
                let (number, label) = numbered(kind.as_str(), from, |label| self.is_taken(label));
                self.numbers.insert(kind, number + 1);
                label
            }
        };
        self.names.insert(label.clone(), id);
        label
    }

    /// Enters a browser. It keeps its label, unless that was given to another one meanwhile.
    pub(super) fn keep(&mut self, agent: &Arc<Agent>) {
        let id = agent.key.agent;
        let label = lock(&agent.state).label.clone();
        if self.names.get(&label).is_some_and(|holder| *holder != id) {
            let label = self.name(agent.kind, id, Some(&label));
            lock(&agent.state).label = label;
        } else {
            self.names.insert(label, id);
        }
        self.agents.insert(agent.key.agent, Arc::clone(agent));
    }

    /// The label of a browser's next subscription: its own, and a number for others.
    #[cfg_attr(not(feature = "browsers"), allow(dead_code, reason = "only browsers attach"))]
    pub(super) fn subscription_label(&self, agent: &str) -> String {
        let taken = |label: &str| self.is_used(label);
        if taken(agent) { numbered(agent, 2, taken).1 } else { agent.to_owned() }
    }

    fn is_taken(&self, label: &str) -> bool {
        self.names.contains_key(label) || self.is_used(label)
    }

    /// Whether a subscription in use has that label; a gone one of a browser gives it up.
    fn is_used(&self, label: &str) -> bool {
        let listed = self.labels.get(label).and_then(|id| self.subscriptions.get(id));
        listed.is_some_and(|listed| listed.active || listed.keys.is_some())
    }
}

fn numbered(label: &str, from: u64, taken: impl Fn(&str) -> bool) -> (u64, String) {
    let labels = (from..).map(|number| (number, format!("{label}-{number}")));
    labels.into_iter().find(|(_, label)| !taken(label)).unwrap_or_else(|| (from, label.to_owned()))
}
