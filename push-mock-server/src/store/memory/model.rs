//! `Model`: the reference for every store, as plain collections with `&mut self`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use push_crypto::{Timestamp, Topic};

use crate::{
    config::QueuePolicy,
    ids::{MessageId, SubscriptionId},
    service::inspect::Gone,
    space::SpaceId,
    store::{
        Acceptance, Address, AgentKey, Caps, Change, Expired, Fullness, MessageKey, NewMessage, QueueQuery,
        Receiver, Registered, StoredMessage, SubscriptionRecord, Updated,
    },
};

/// Subscriptions and their messages.
///
/// Invariant: `deadlines` has exactly one entry per waiting message, and one per subscription in use that ends by
/// itself; `octets` of agent and model are the sums of their parts.
#[derive(Debug, Default)]
pub(super) struct Model {
    agents: HashMap<AgentKey, Agent>,
    deadlines: BTreeSet<(SpaceId, Timestamp, Due)>,
    octets: usize,
}

/// What is due at a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Message(MessageKey, SubscriptionId),
    Subscription(Address),
}

#[derive(Debug, Default)]
struct Agent {
    /// The last sequence number that was given out; it outlives the messages and subscriptions.
    seq: u64,
    octets: usize,
    /// Boxed: a tree has room for eleven, and most user agents have one.
    subscriptions: BTreeMap<SubscriptionId, Box<Subscription>>,
}

#[derive(Debug)]
struct Subscription {
    record: Arc<SubscriptionRecord>,
    queue: BTreeMap<u64, Arc<StoredMessage>>,
    topics: HashMap<Topic, u64>,
    octets: usize,
}

impl Model {
    pub(super) fn register(&mut self, now: Timestamp, record: SubscriptionRecord) -> Registered {
        if let Some(there) = self.subscription(&record.at).map(|there| &there.record) {
            // An id is never given out again, so one that has ended counts as another.
            let same = there.shown(now) && there.application_server_key == record.application_server_key;
            return if same { Registered::Same } else { Registered::OtherKey };
        }
        if let Some(deadline) = record.expires_at {
            self.deadlines.insert((record.at.space, deadline, Due::Subscription(record.at)));
        }
        let at = record.at;
        let new = Subscription {
            record: Arc::new(record),
            queue: BTreeMap::new(),
            topics: HashMap::new(),
            octets: 0,
        };
        self.agents.entry(at.owner()).or_default().subscriptions.insert(at.subscription, Box::new(new));
        Registered::Created
    }

    pub(super) fn update(&mut self, now: Timestamp, at: &Address, change: Change) -> Option<Updated> {
        self.find(now, at)?;
        let dropped = match change {
            Change::End(_) => self.clear(at),
            _ => Vec::new(),
        };
        let record = &mut self.subscription(at)?.record;
        let changed = Arc::make_mut(record);
        match change {
            Change::Label(label) => changed.label = label,
            Change::Profile(profile) => changed.profile = profile,
            Change::MinUrgency(urgency) => changed.min_urgency = urgency,
            Change::Ack(ack) => changed.ack = ack,
            Change::Told(keys) => {
                if let Receiver::Browser { told, .. } = &mut changed.receiver {
                    *told = Some(keys);
                }
            }
            Change::End(gone) => changed.gone = Some(gone),
        }
        Some(Updated { record: Arc::clone(record), dropped })
    }

    pub(super) fn unregister(&mut self, at: &Address) -> Option<Vec<Arc<StoredMessage>>> {
        let dropped = self.clear(at);
        self.agents.get_mut(&at.owner())?.subscriptions.remove(&at.subscription)?;
        Some(dropped)
    }

    pub(super) fn find(&self, now: Timestamp, at: &Address) -> Option<Arc<SubscriptionRecord>> {
        let subscription = self.agents.get(&at.owner())?.subscriptions.get(&at.subscription)?;
        subscription.record.shown(now).then(|| Arc::clone(&subscription.record))
    }

    pub(super) fn list(&self, now: Timestamp, space: SpaceId, out: &mut Vec<Arc<SubscriptionRecord>>) {
        let agents = self.agents.iter().filter(|(key, _)| key.space == space);
        let records = agents.flat_map(|(_, agent)| agent.subscriptions.values()).map(|of| &of.record);
        out.extend(records.filter(|record| record.shown(now)).map(Arc::clone));
    }

    pub(super) fn accept(&mut self, now: Timestamp, new: NewMessage) -> Acceptance {
        if self.find(now, &new.at).is_none_or(|record| record.gone.is_some()) {
            return Acceptance::Missing;
        }
        let dropped = match self.make_room(now, &new) {
            Ok(dropped) => dropped,
            Err(fullness) => return Acceptance::Full(fullness),
        };
        let replaced = self.replaced_by(now, &new).and_then(|key| self.remove(&key, new.at.subscription));
        let Some(agent) = self.agents.get_mut(&new.at.owner()) else { return Acceptance::Missing };
        agent.seq += 1;
        let message = Arc::new(StoredMessage {
            key: MessageKey { of: new.at.owner(), seq: agent.seq },
            id: new.id,
            subscription: new.at.subscription,
            body: new.body,
            coded: new.coded,
            ttl: new.ttl,
            expires_at: now.expiry(new.ttl),
            urgency: new.urgency,
            topic: new.topic,
        });
        if !message.ttl.is_zero() {
            self.insert(&message);
        }
        Acceptance::Accepted { message, replaced, dropped }
    }

    pub(super) fn queue(&self, now: Timestamp, query: &QueueQuery) -> Vec<Arc<StoredMessage>> {
        let Some(agent) = self.agents.get(&query.of) else { return Vec::new() };
        let Some(after) = query.after.checked_add(1) else { return Vec::new() };
        let mut found: Vec<_> = agent
            .subscriptions
            .values()
            .filter(|subscription| subscription.record.shown(now))
            .flat_map(|subscription| {
                let behind = subscription.queue.range(after..).map(|(_, message)| message);
                let shown = |message: &&Arc<StoredMessage>| {
                    now < message.expires_at && message.urgency >= query.least
                };
                // No more than that of each, so that a page of a long queue does not cost the whole queue.
                behind.filter(shown).take(query.at_most).map(Arc::clone)
            })
            .collect();
        found.sort_unstable_by_key(|message| message.key.seq);
        let mut octets = 0_usize;
        let within = found.iter().take(query.at_most).take_while(|message| {
            let first = octets == 0;
            octets = octets.saturating_add(message.body.len().max(1));
            first || octets <= query.octets
        });
        let count = within.count();
        found.truncate(count);
        found
    }

    /// Removes a message that has not expired; with an id only if it is that one.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        key: &MessageKey,
        id: Option<MessageId>,
    ) -> Option<Arc<StoredMessage>> {
        let agent = self.agents.get(&key.of)?;
        let message = agent.subscriptions.values().find_map(|of| of.queue.get(&key.seq))?;
        if now >= message.expires_at || id.is_some_and(|id| id != message.id) {
            return None;
        }
        let subscription = message.subscription;
        self.remove(key, subscription)
    }

    pub(super) fn next_deadline(&self, space: SpaceId) -> Option<Timestamp> {
        self.due(space).map(|(deadline, _)| deadline)
    }

    /// Removes what is due at that deadline or before.
    pub(super) fn expire(&mut self, now: Timestamp, space: SpaceId, at_most: usize, out: &mut Expired) {
        for _ in 0..at_most {
            let Some((deadline, due)) = self.due(space).filter(|(deadline, _)| *deadline <= now) else {
                return;
            };
            match due {
                Due::Message(key, subscription) => out.messages.extend(self.remove(&key, subscription)),
                Due::Subscription(at) => {
                    out.dropped.extend(self.clear(&at));
                    self.deadlines.remove(&(space, deadline, due));
                    if let Some(subscription) = self.subscription(&at) {
                        let record = Arc::make_mut(&mut subscription.record);
                        // RFC 8030 §7.3 answers 404, and so does profile rfc (P-04).
                        record.gone = Some(Gone { reason: "expired", status: 404 });
                        out.subscriptions.push(Arc::clone(&subscription.record));
                    }
                }
            }
        }
    }

    pub(super) fn drop_agent(&mut self, of: AgentKey, out: &mut Vec<Arc<StoredMessage>>) {
        let subscriptions: Vec<_> =
            self.agents.get(&of).into_iter().flat_map(|agent| agent.subscriptions.keys().copied()).collect();
        for subscription in subscriptions {
            let at = Address { space: of.space, agent: of.agent, subscription };
            out.extend(self.unregister(&at).unwrap_or_default());
        }
        self.agents.remove(&of);
    }

    pub(super) fn drop_space(&mut self, space: SpaceId, out: &mut Vec<Arc<StoredMessage>>) {
        let agents: Vec<_> = self.agents.keys().filter(|key| key.space == space).copied().collect();
        agents.into_iter().for_each(|agent| self.drop_agent(agent, out));
    }

    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    fn due(&self, space: SpaceId) -> Option<(Timestamp, Due)> {
        let least = Address { space, agent: crate::ids::UserAgentId(0), subscription: SubscriptionId(0) };
        let key = MessageKey { of: least.owner(), seq: 0 };
        let from = (space, Timestamp::from_unix_millis(0), Due::Message(key, least.subscription));
        let first = self.deadlines.range(from..).next()?;
        (first.0 == space).then_some((first.1, first.2))
    }

    fn subscription(&mut self, at: &Address) -> Option<&mut Subscription> {
        self.agents.get_mut(&at.owner())?.subscriptions.get_mut(&at.subscription).map(Box::as_mut)
    }

    /// The waiting message which that one replaces. One that has expired is left for [`Model::expire`] to name.
    fn replaced_by(&self, now: Timestamp, new: &NewMessage) -> Option<MessageKey> {
        let subscription = self.agents.get(&new.at.owner())?.subscriptions.get(&new.at.subscription)?;
        let seq = subscription.topics.get(new.topic.as_ref()?)?;
        let old = subscription.queue.get(seq)?;
        (now < old.expires_at).then_some(old.key)
    }

    /// Drops what must go before the message fits; changes nothing when it cannot fit.
    fn make_room(&mut self, now: Timestamp, new: &NewMessage) -> Result<Vec<Arc<StoredMessage>>, Fullness> {
        if new.ttl.is_zero() {
            return Ok(Vec::new());
        }
        let going = self.replaced_by(now, new);
        let Some(agent) = self.agents.get(&new.at.owner()) else { return Ok(Vec::new()) };
        let Some(subscription) = agent.subscriptions.get(&new.at.subscription) else { return Ok(Vec::new()) };
        let mut room = Room {
            messages: subscription.queue.len() + 1,
            octets: subscription.octets + new.body.len(),
            agent_octets: agent.octets + new.body.len(),
        };
        if room.over(&new.caps).is_none() {
            return Ok(Vec::new());
        }
        // Expired ones that are not cleared yet take no room from anybody, nor does the one that is replaced.
        let dead = |message: &StoredMessage| message.expires_at <= now || Some(message.key) == going;
        for of in agent.subscriptions.values() {
            let own = of.record.at.subscription == new.at.subscription;
            for message in of.queue.values().filter(|message| dead(message)) {
                room.release(message.body.len(), own);
            }
        }
        let mut leaving = Vec::new();
        let held = |message: &StoredMessage| new.held.binary_search(&message.key.seq).is_ok();
        for message in subscription.queue.values().filter(|message| !dead(message) && !held(message)) {
            match (room.over(&new.caps), new.caps.policy) {
                (None, _) => break,
                (Some(fullness), QueuePolicy::Newest) => return Err(fullness),
                (Some(_), QueuePolicy::Oldest) => {
                    room.release(message.body.len(), true);
                    leaving.push(message.key);
                }
            }
        }
        if let Some(fullness) = room.over(&new.caps) {
            return Err(fullness);
        }
        Ok(leaving.iter().filter_map(|key| self.remove(key, new.at.subscription)).collect())
    }

    fn insert(&mut self, message: &Arc<StoredMessage>) {
        let (key, octets) = (message.key, message.body.len());
        let Some(agent) = self.agents.get_mut(&key.of) else { return };
        let Some(subscription) = agent.subscriptions.get_mut(&message.subscription) else { return };
        if let Some(topic) = &message.topic {
            subscription.topics.insert(topic.clone(), key.seq);
        }
        subscription.queue.insert(key.seq, Arc::clone(message));
        subscription.octets += octets;
        agent.octets += octets;
        self.octets += octets;
        self.deadlines.insert((key.of.space, message.expires_at, Due::Message(key, message.subscription)));
    }

    fn remove(&mut self, key: &MessageKey, of: SubscriptionId) -> Option<Arc<StoredMessage>> {
        let agent = self.agents.get_mut(&key.of)?;
        let subscription = agent.subscriptions.get_mut(&of)?;
        let message = subscription.queue.remove(&key.seq)?;
        if let Some(topic) = &message.topic
            && subscription.topics.get(topic) == Some(&key.seq)
        {
            subscription.topics.remove(topic);
        }
        let octets = message.body.len();
        subscription.octets -= octets;
        agent.octets -= octets;
        self.octets -= octets;
        self.deadlines.remove(&(key.of.space, message.expires_at, Due::Message(*key, of)));
        Some(message)
    }

    /// Removes the messages and the deadline of a subscription, but not itself.
    fn clear(&mut self, at: &Address) -> Vec<Arc<StoredMessage>> {
        let Some(subscription) = self.subscription(at) else { return Vec::new() };
        let deadline = subscription.record.expires_at;
        let seqs: Vec<_> = subscription.queue.keys().copied().collect();
        if let Some(deadline) = deadline {
            self.deadlines.remove(&(at.space, deadline, Due::Subscription(*at)));
        }
        let keys = seqs.into_iter().map(|seq| MessageKey { of: at.owner(), seq });
        keys.filter_map(|key| self.remove(&key, at.subscription)).collect()
    }
}

/// What a queue would hold.
struct Room {
    messages: usize,
    octets: usize,
    agent_octets: usize,
}

impl Room {
    fn over(&self, caps: &Caps) -> Option<Fullness> {
        if self.messages > caps.messages {
            Some(Fullness::Messages(caps.messages))
        } else if self.octets > caps.octets {
            Some(Fullness::Octets(caps.octets))
        } else if self.agent_octets > caps.agent_octets {
            Some(Fullness::AgentOctets(caps.agent_octets))
        } else {
            None
        }
    }

    /// Takes a message out, which is one of the subscription's own or of another one of its user agent.
    fn release(&mut self, octets: usize, own: bool) {
        self.agent_octets -= octets;
        if own {
            self.messages -= 1;
            self.octets -= octets;
        }
    }
}
