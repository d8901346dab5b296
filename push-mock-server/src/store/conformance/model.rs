//! Random operations on the store and on a list, which must agree after each step.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Operation {
    Register(usize),
    Unregister(usize),
    End(usize),
    Accept { to: usize, ttl: u64, topic: Option<usize>, urgency: usize, octets: usize, policy: QueuePolicy },
    Acknowledge { agent: usize, seq: u64 },
    Withdraw { agent: usize, seq: u64, right: bool },
    Queue { agent: usize, after: u64, urgency: usize, at_most: usize },
    Expire(usize),
    DropAgent(usize),
    Pass(u64),
}

/// Three subscriptions: two of one user agent, one of another.
const PLACES: [(u128, u128); 3] = [(1, 1), (1, 2), (2, 3)];
const SPACE: u32 = 1;
const TIGHT: Caps = Caps { messages: 4, octets: 60, agent_octets: 90, policy: QueuePolicy::Newest };

fn place(at: usize) -> Address {
    address(SPACE, PLACES[at].0, PLACES[at].1)
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let policy = prop_oneof![Just(QueuePolicy::Newest), Just(QueuePolicy::Oldest)];
    let accept = (0..3_usize, 0..20_u64, prop::option::of(0..2_usize), 0..4_usize, 0..30_usize, policy)
        .prop_map(|(to, ttl, topic, urgency, octets, policy)| Operation::Accept {
            to,
            ttl,
            topic,
            urgency,
            octets,
            policy,
        });
    let operation = prop_oneof![
        2 => (0..3_usize).prop_map(Operation::Register),
        1 => (0..3_usize).prop_map(Operation::Unregister),
        1 => (0..3_usize).prop_map(Operation::End),
        8 => accept,
        3 => (0..3_usize, 1..20_u64).prop_map(|(agent, seq)| Operation::Acknowledge { agent, seq }),
        2 => (0..3_usize, 1..20_u64, any::<bool>())
            .prop_map(|(agent, seq, right)| Operation::Withdraw { agent, seq, right }),
        3 => (0..3_usize, 0..20_u64, 0..4_usize, 0..6_usize)
            .prop_map(|(agent, after, urgency, at_most)| Operation::Queue { agent, after, urgency, at_most }),
        2 => (0..4_usize).prop_map(Operation::Expire),
        1 => (0..3_usize).prop_map(Operation::DropAgent),
        4 => (0..8_u64).prop_map(Operation::Pass),
    ];
    prop::collection::vec(operation, 1..60)
}

/// The naive model: one list of messages, in order of acceptance.
#[derive(Default)]
struct Naive {
    subscriptions: Vec<(Address, bool)>,
    messages: Vec<Waiting>,
    last: std::collections::HashMap<AgentKey, u64>,
}

#[derive(Clone)]
struct Waiting {
    id: u128,
    at: Address,
    seq: u64,
    octets: usize,
    topic: Option<usize>,
    urgency: Urgency,
    expires: Timestamp,
}

#[derive(Debug, PartialEq)]
enum Answer {
    Accepted { seq: u64, replaced: Option<u128>, dropped: Vec<u128> },
    Full,
    Missing,
}

impl Naive {
    fn in_use(&self, at: Address) -> bool {
        self.subscriptions.contains(&(at, true))
    }

    fn accept(&mut self, now: Timestamp, new: &Waiting, policy: QueuePolicy) -> Answer {
        if !self.in_use(new.at) {
            return Answer::Missing;
        }
        let alive = |of: &Waiting| now < of.expires;
        let replaces =
            |of: &Waiting| alive(of) && of.at == new.at && new.topic.is_some() && of.topic == new.topic;
        let replaced = self.messages.iter().find(|of| replaces(of)).map(|of| of.id);
        let mut kept: Vec<_> =
            self.messages.iter().filter(|of| alive(of) && Some(of.id) != replaced).cloned().collect();
        let mut dropped = Vec::new();
        let lasting = new.expires > now;
        loop {
            let own: Vec<_> = kept.iter().filter(|of| of.at == new.at).collect();
            let agent = kept.iter().filter(|of| of.at.owner() == new.at.owner());
            let fits = own.len() < TIGHT.messages
                && own.iter().map(|of| of.octets).sum::<usize>() + new.octets <= TIGHT.octets
                && agent.map(|of| of.octets).sum::<usize>() + new.octets <= TIGHT.agent_octets;
            match (fits || !lasting, policy, own.first()) {
                (true, ..) => break,
                (false, QueuePolicy::Oldest, Some(oldest)) => {
                    let oldest = oldest.id;
                    dropped.push(oldest);
                    kept.retain(|of| of.id != oldest);
                }
                _ => return Answer::Full,
            }
        }
        self.messages.retain(|of| Some(of.id) != replaced && !dropped.contains(&of.id));
        let seq = self.last.entry(new.at.owner()).or_default();
        *seq += 1;
        let seq = *seq;
        if new.expires > now {
            self.messages.push(Waiting { seq, ..new.clone() });
        }
        Answer::Accepted { seq, replaced, dropped }
    }

    fn take(&mut self, gone: impl Fn(&Waiting) -> bool) -> Vec<u128> {
        let ids = self.messages.iter().filter(|of| gone(of)).map(|of| of.id).collect();
        self.messages.retain(|of| !gone(of));
        ids
    }
}

struct Pair {
    store: MemoryStore,
    naive: Naive,
    now: Timestamp,
    next_id: u128,
}

impl Pair {
    async fn run(&mut self, operation: Operation) {
        let (now, space) = (self.now, SpaceId(SPACE));
        match operation {
            Operation::Pass(seconds) => self.now = now.after(Duration::from_secs(seconds)),
            Operation::Register(at) => {
                let there = self.naive.subscriptions.iter().any(|(there, _)| *there == place(at));
                let expected = if there { Registered::Same } else { Registered::Created };
                assert_eq!(self.store.register(now, record(place(at))).await, Ok(expected));
                if !there {
                    self.naive.subscriptions.push((place(at), true));
                }
            }
            Operation::Unregister(at) => {
                let gone = self.store.unregister(now, &place(at)).await.unwrap();
                assert_eq!(ids(&gone.unwrap_or_default()), self.naive.take(|of| of.at == place(at)));
                self.naive.subscriptions.retain(|(there, _)| *there != place(at));
            }
            Operation::End(at) => {
                let end = Change::End(Gone { reason: "expired", status: 404 });
                let ended = self.store.update(now, &place(at), end).await.unwrap();
                let dropped = ended.map(|updated| ids(&updated.dropped)).unwrap_or_default();
                assert_eq!(dropped, self.naive.take(|of| of.at == place(at)));
                self.naive
                    .subscriptions
                    .iter_mut()
                    .filter(|of| of.0 == place(at))
                    .for_each(|of| of.1 = false);
            }
            Operation::DropAgent(at) => {
                let owner = place(at).owner();
                let mut dropped = ids(&self.store.drop_all(now, Owner::Agent(owner)).await.unwrap());
                let mut expected = self.naive.take(|of| of.at.owner() == owner);
                dropped.sort_unstable();
                expected.sort_unstable();
                assert_eq!(dropped, expected);
                self.naive.subscriptions.retain(|(there, _)| there.owner() != owner);
                self.naive.last.remove(&owner);
            }
            Operation::Expire(at_most) => {
                let expired = self.store.expire(now, space, at_most).await.unwrap();
                let mut due: Vec<_> = self.naive.messages.iter().map(|of| of.expires).collect();
                due.sort_unstable();
                let times: Vec<_> = expired.messages.iter().map(|message| message.expires_at).collect();
                let expected: Vec<_> =
                    due.iter().filter(|time| **time <= now).take(at_most).copied().collect();
                assert_eq!(times, expected);
                let gone = ids(&expired.messages);
                assert_eq!(self.naive.take(|of| gone.contains(&of.id)).len(), gone.len());
                assert_eq!(expired.next, self.naive.messages.iter().map(|of| of.expires).min());
            }
            other => self.run_message(other).await,
        }
    }

    async fn run_message(&mut self, operation: Operation) {
        let now = self.now;
        match operation {
            Operation::Accept { to, ttl, topic, urgency, octets, policy } => {
                self.next_id += 1;
                let (id, urgency) = (self.next_id, Urgency::ALL[urgency]);
                let new = NewMessage {
                    body: vec![0; octets].into(),
                    coded: None,
                    urgency,
                    topic: topic.map(|topic| ["t", "u"][topic].parse().unwrap()),
                    caps: Caps { policy, ..TIGHT },
                    ..message(place(to), id, ttl)
                };
                let expires = now.expiry(Ttl::seconds(ttl));
                let waiting = Waiting { id, at: place(to), seq: 0, octets, topic, urgency, expires };
                let answer = match self.store.accept(now, new).await.unwrap() {
                    Acceptance::Accepted { message, replaced, dropped } => Answer::Accepted {
                        seq: message.key.seq,
                        replaced: replaced.map(|of| of.id.0),
                        dropped: ids(&dropped),
                    },
                    Acceptance::Full(_) => Answer::Full,
                    Acceptance::Missing => Answer::Missing,
                };
                assert_eq!(answer, self.naive.accept(now, &waiting, policy));
            }
            Operation::Acknowledge { agent, seq } => {
                let key = MessageKey { of: place(agent).owner(), seq };
                let removed = ids(&self.store.acknowledge(now, &[key, key]).await.unwrap());
                let gone = |of: &Waiting| of.at.owner() == key.of && of.seq == seq && now < of.expires;
                assert_eq!(removed, self.naive.take(gone));
            }
            Operation::Withdraw { agent, seq, right } => {
                let key = MessageKey { of: place(agent).owner(), seq };
                let there =
                    |of: &Waiting| right && of.at.owner() == key.of && of.seq == seq && now < of.expires;
                let id = self.naive.messages.iter().find(|of| there(of)).map_or(0, |of| of.id);
                let removed = self.store.withdraw(now, &key, MessageId(id)).await.unwrap();
                assert_eq!(removed.map(|of| of.id.0).into_iter().collect::<Vec<_>>(), self.naive.take(there));
            }
            Operation::Queue { agent, after, urgency, at_most } => {
                let (of, least) = (place(agent).owner(), Urgency::ALL[urgency]);
                let query = QueueQuery { of, after, least, at_most, octets: usize::MAX };
                let read = ids(&self.store.queue(now, query).await.unwrap());
                let wanted = |m: &&Waiting| {
                    m.at.owner() == of && m.seq > after && m.urgency >= least && now < m.expires
                };
                let expected: Vec<_> =
                    self.naive.messages.iter().filter(wanted).take(at_most).map(|m| m.id).collect();
                assert_eq!(read, expected);
            }
            _ => unreachable!("handled above"),
        }
    }
}

proptest! {
    #[test]
    fn random_operations_agree_with_a_list(operations in operations()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair {
                store: MemoryStore::new(1 << 20), naive: Naive::default(), now: at(1000), next_id: 0,
            };
            for operation in operations {
                pair.run(operation).await;
            }
        });
    }
}
