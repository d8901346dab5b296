//! Random steps of senders, user agents and the clock; the invariants are checked after each, and a simple account
//! of what must have happened at the end.

use std::collections::HashMap;

use proptest::prelude::*;
use push_crypto::Urgency;
use push_mock_server::{
    AckMode, Config, Limits, QueuePolicy,
    service::{
        exchange::State,
        subscription::{NewSubscription, SubscriptionChange, SubscriptionView},
    },
};

use crate::world::*;

#[derive(Clone, Debug)]
enum Step {
    Send { to: usize, ttl: u64, topic: Option<bool>, urgency: usize, sound: bool },
    Online(usize, bool),
    Ack(usize, AckMode),
    Least(usize, usize),
    Advance(u64),
    Acknowledge(usize),
    Withdraw(usize),
    Expire(usize),
    Rotate(usize),
    Remove(usize),
    Forget(usize),
}

const LABELS: [&str; 3] = ["alice", "bob", "bob's tablet"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ack = prop_oneof![Just(AckMode::Auto), Just(AckMode::Manual), Just(AckMode::Never)];
    let send =
        (0..3_usize, 0..12_u64, prop::option::of(any::<bool>()), 0..4_usize, prop::bool::weighted(0.85))
            .prop_map(|(to, ttl, topic, urgency, sound)| Step::Send { to, ttl, topic, urgency, sound });
    let step = prop_oneof![
        10 => send,
        4 => (0..3_usize, any::<bool>()).prop_map(|(of, online)| Step::Online(of, online)),
        2 => (0..3_usize, ack).prop_map(|(of, mode)| Step::Ack(of, mode)),
        2 => (0..3_usize, 0..4_usize).prop_map(|(of, urgency)| Step::Least(of, urgency)),
        5 => (0..6_u64).prop_map(Step::Advance),
        3 => (0..40_usize).prop_map(Step::Acknowledge),
        2 => (0..40_usize).prop_map(Step::Withdraw),
        1 => (0..3_usize).prop_map(Step::Expire),
        1 => (0..3_usize).prop_map(Step::Rotate),
        1 => (0..3_usize).prop_map(Step::Remove),
        1 => (0..40_usize).prop_map(Step::Forget),
    ];
    prop::collection::vec(step, 1..60)
}

/// What the test knows by itself of a message.
struct Known {
    id: String,
    token: String,
}

struct Play {
    air: World,
    there: HashMap<&'static str, SubscriptionView>,
    accepted: Vec<Known>,
    refused: u64,
}

impl Play {
    async fn new(policy: QueuePolicy) -> Self {
        let limits = Limits { queue_messages: 4, window_messages: 2, ..Limits::default() };
        let air = World::with(Config { limits, queue_policy: policy, ..Config::default() }).await;
        let mut play = Self { air, there: HashMap::new(), accepted: Vec::new(), refused: 0 };
        for label in LABELS {
            play.subscribe(label).await;
        }
        play
    }

    async fn subscribe(&mut self, label: &'static str) {
        let shared = (label == LABELS[2] && self.there.contains_key(LABELS[1])).then(|| LABELS[1].to_owned());
        // Renaming does not happen here, so the user agent has the label of whichever came first.
        let shared = match shared {
            Some(label) if self.air.service.user_agent(&self.air.space, &label).await.is_ok() => Some(label),
            _ => None,
        };
        let new = NewSubscription { user_agent: shared, ..NewSubscription::default() };
        let view = self.air.subscribe(label, new).await;
        self.there.insert(label, view);
    }

    async fn act(&mut self, step: Step) {
        let change = SubscriptionChange::default;
        match step {
            Step::Send { to, ttl, topic, urgency, sound } => {
                let urgency = Urgency::ALL[urgency].as_str();
                let mut sent = message("x", ttl).urgency(urgency);
                if let Some(topic) = topic {
                    sent = sent.topic(if topic { "t" } else { "u" });
                }
                self.send(LABELS[to], sent, sound).await;
            }
            Step::Online(of, online) => {
                let _ = self
                    .air
                    .try_change(LABELS[of], SubscriptionChange { online: Some(online), ..change() })
                    .await;
            }
            Step::Ack(of, mode) => {
                let _ =
                    self.air.try_change(LABELS[of], SubscriptionChange { ack: Some(mode), ..change() }).await;
            }
            Step::Least(of, urgency) => {
                let min_urgency = Some(Urgency::ALL[urgency]);
                let _ = self.air.try_change(LABELS[of], SubscriptionChange { min_urgency, ..change() }).await;
            }
            Step::Advance(seconds) => drop(self.air.advance(secs(seconds)).await),
            Step::Acknowledge(of) => {
                if let Some(known) = self.accepted.get(of) {
                    let _ = self.air.service.acknowledge(&self.air.space, &known.id).await;
                }
            }
            Step::Withdraw(of) => {
                if let Some(known) = self.accepted.get(of) {
                    let before = self.air.service.exchange(&self.air.space, &known.id).await;
                    let withdrawn = self.air.service.withdraw(&known.token).await;
                    if let Ok(before) = before {
                        assert_eq!(withdrawn, !before.state.is_final(), "{} was {}", known.id, before.state);
                    }
                }
            }
            Step::Expire(of) => drop(self.air.service.expire(&self.air.space, LABELS[of], 410).await),
            Step::Rotate(of) => {
                if let Ok(rotated) = self.air.service.rotate(&self.air.space, LABELS[of]).await {
                    self.there.insert(LABELS[of], rotated.new.unwrap());
                }
            }
            Step::Remove(of) => {
                self.air.service.unsubscribe(&self.air.space, LABELS[of]).await.unwrap();
                self.subscribe(LABELS[of]).await;
            }
            Step::Forget(of) => {
                if let Some(known) = self.accepted.get(of) {
                    self.air.service.forget(&self.air.space, std::slice::from_ref(&known.id)).await.unwrap();
                }
            }
        }
        self.air.check().await;
    }

    async fn send(&mut self, to: &str, sent: Message, sound: bool) {
        let sent = if sound { sent } else { sent.with("ttl", "again") };
        let reply = self.air.send(&self.there[to], &sent).await;
        if reply.status == 201 {
            let token = message_token(&reply).to_owned();
            self.accepted.push(Known { id: reply.exchange, token });
        } else {
            assert!(!sound || matches!(reply.status, 404 | 410 | 429), "{reply:?}");
            self.refused += 1;
        }
    }

    /// Every message that was promised is in exactly one state; with time, each reaches a final one.
    async fn settle_accounts(&self) {
        let count = |counters: &push_mock_server::service::counters::Counters| {
            let all: u64 = State::ALL.iter().map(|state| counters.in_state(*state)).sum();
            assert_eq!(all, counters.accepted() + self.refused);
            assert_eq!(counters.accepted(), self.accepted.len() as u64);
        };
        count(&self.air.service.counters(&self.air.space).await.unwrap());
        for label in LABELS {
            let _ = self
                .air
                .try_change(
                    label,
                    SubscriptionChange { online: Some(false), ..SubscriptionChange::default() },
                )
                .await;
        }
        self.air.advance(secs(60)).await;
        let counters = self.air.service.counters(&self.air.space).await.unwrap();
        count(&counters);
        assert_eq!((counters.in_state(State::Queued), counters.in_state(State::Delivered)), (0, 0));
        assert_eq!(self.air.service.clock(&self.air.space).await.unwrap().next, None);
        for exchange in self.air.service.exchanges(&self.air.space).await.unwrap() {
            let ends = exchange.timeline.iter().filter(|step| is_final(step.event)).count();
            assert_eq!(ends, 1, "a final state is entered once: {:?}", exchange.timeline);
            assert!(exchange.timeline.is_sorted_by_key(|step| step.clock), "{:?}", exchange.timeline);
            let lasting = exchange.ttl.is_some_and(|ttl| !ttl.is_zero());
            let in_time = |clock| !lasting || exchange.expires_at.is_none_or(|expires| clock < expires);
            assert!(exchange.deliveries.iter().all(|attempt| in_time(attempt.clock)), "{exchange:?}");
        }
    }
}

fn is_final(event: &str) -> bool {
    State::ALL.iter().any(|state| state.is_final() && state.as_str() == event)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The sum of the states, no delivery at or after expiry, and no trace of what is refused; PS-045, PS-066.
    #[test]
    fn whatever_happens_the_accounts_are_right(steps in steps(), oldest in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let policy = if oldest { QueuePolicy::Oldest } else { QueuePolicy::Newest };
            let mut play = Play::new(policy).await;
            for step in steps {
                play.act(step).await;
            }
            play.settle_accounts().await;
        });
    }
}
