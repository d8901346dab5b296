//! The table of states and transitions as a small model, compared with the service on random sequences.

use std::time::Duration;

use proptest::prelude::*;
use push_mock_server::service::{
    exchange::State,
    reply::Reply,
    subscription::{AckMode, SubscriptionView},
};

use crate::world::{MS, Send, World, message_token};

/// Subscriptions: two of one user agent, one that acknowledges by hand, one that takes only high urgency.
const LABELS: [&str; 4] = ["one", "two", "manual", "high"];
const TTLS: [u64; 4] = [0, 1, 10, 60];
const TOPICS: [Option<&str>; 3] = [None, Some("a"), Some("b")];
const URGENCIES: [&str; 2] = ["low", "high"];

#[derive(Clone, Debug)]
enum Step {
    Ack(usize),
    Advance(u64),
    Expire(usize),
    Offline(usize),
    Online(usize),
    Send { to: usize, ttl: usize, topic: usize, urgency: usize },
    Withdraw(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..LABELS.len(), 0..TTLS.len(), 0..TOPICS.len(), 0..URGENCIES.len())
            .prop_map(|(to, ttl, topic, urgency)| Step::Send { to, ttl, topic, urgency }),
        2 => (0..LABELS.len()).prop_map(Step::Online),
        2 => (0..LABELS.len()).prop_map(Step::Offline),
        2 => prop::sample::select(vec![1, 999, 1000, 9_999, 10_000, 60_000]).prop_map(Step::Advance),
        2 => (0..40_usize).prop_map(Step::Ack),
        1 => (0..40_usize).prop_map(Step::Withdraw),
        1 => (0..LABELS.len()).prop_map(Step::Expire),
    ]
}

#[derive(Debug)]
struct Message {
    to: usize,
    ttl: u64,
    topic: Option<&'static str>,
    high: bool,
    expires: u64,
    state: State,
    reason: Option<&'static str>,
}

impl Message {
    fn outstanding(&self) -> bool {
        matches!(self.state, State::Queued | State::Delivered)
    }

    fn enter(&mut self, state: State, reason: Option<&'static str>) {
        (self.state, self.reason) = (state, reason);
    }
}

#[derive(Debug, Default)]
struct Oracle {
    now: u64,
    offline: [bool; 4],
    gone: [bool; 4],
    messages: Vec<Message>,
}

impl Oracle {
    /// `one` and `two` share a user agent.
    fn sharing(of: usize) -> Vec<usize> {
        if of < 2 { vec![0, 1] } else { vec![of] }
    }

    fn hand_over(message: &mut Message, offline: bool) {
        let reason = if offline {
            Some("offline")
        } else if LABELS[message.to] == "high" && !message.high {
            Some("urgency")
        } else {
            None
        };
        match reason {
            Some(_) if message.ttl == 0 => message.enter(State::Dropped, Some("ttl-0")),
            Some(reason) => message.enter(State::Queued, Some(reason)),
            None if LABELS[message.to] == "manual" => message.enter(State::Delivered, None),
            None => message.enter(State::Acknowledged, None),
        }
    }

    fn send(&mut self, to: usize, ttl: u64, topic: Option<&'static str>, high: bool) {
        let mut message = Message {
            to,
            ttl,
            topic,
            high,
            expires: self.now + ttl * 1000,
            state: State::Refused,
            reason: Some("subscription/gone"),
        };
        if !self.gone[to] {
            let same = |old: &&mut Message| old.to == to && topic.is_some() && old.topic == topic;
            for old in self.messages.iter_mut().filter(|old| old.outstanding()).filter(same) {
                old.enter(State::Replaced, Some("topic"));
            }
            Self::hand_over(&mut message, self.offline[to]);
        }
        self.messages.push(message);
    }

    fn online(&mut self, of: usize) {
        for of in Self::sharing(of) {
            self.offline[of] = false;
        }
        for message in self.messages.iter_mut().filter(|message| message.state == State::Queued) {
            if Self::sharing(of).contains(&message.to) {
                Self::hand_over(message, false);
            }
        }
    }

    fn offline(&mut self, of: usize) {
        for of in Self::sharing(of) {
            self.offline[of] = true;
        }
        for message in self.messages.iter_mut().filter(|message| message.state == State::Delivered) {
            if Self::sharing(of).contains(&message.to) {
                match message.ttl {
                    0 => message.enter(State::Dropped, Some("ttl-0")),
                    _ => message.enter(State::Queued, Some("unacknowledged")),
                }
            }
        }
    }

    fn advance(&mut self, millis: u64) {
        self.now += millis;
        for message in self.messages.iter_mut().filter(|message| message.outstanding() && message.ttl > 0) {
            if message.expires <= self.now {
                message.enter(State::Expired, None);
            }
        }
    }

    fn expire(&mut self, of: usize) {
        self.gone[of] = true;
        for message in self.messages.iter_mut().filter(|message| message.to == of && message.outstanding()) {
            message.enter(State::Dropped, Some("subscription-gone"));
        }
    }
}

struct Real {
    world: World,
    subscriptions: Vec<SubscriptionView>,
    replies: Vec<Reply>,
}

impl Real {
    async fn new() -> Self {
        let world = World::new();
        let subscriptions = vec![
            world.subscribe("one", |_| {}).await,
            world.subscribe("two", |new| new.user_agent = Some("one".to_owned())).await,
            world.subscribe("manual", |new| new.ack = AckMode::Manual).await,
            world.subscribe("high", |new| new.min_urgency = Some(push_crypto::Urgency::High)).await,
        ];
        Self { world, subscriptions, replies: Vec::new() }
    }

    async fn apply(&mut self, step: &Step, oracle: &mut Oracle) {
        let world = &self.world;
        match *step {
            Step::Send { to, ttl, topic, urgency } => {
                let seconds = TTLS[ttl].to_string();
                let mut send = Send::ttl(&seconds).urgency(URGENCIES[urgency]);
                send.topic = TOPICS[topic];
                self.replies.push(world.send(&self.subscriptions[to], send).await);
                oracle.send(to, TTLS[ttl], TOPICS[topic], URGENCIES[urgency] == "high");
            }
            Step::Online(of) if !oracle.gone[of] => {
                world.online(LABELS[of], true).await;
                oracle.online(of);
            }
            Step::Offline(of) if !oracle.gone[of] => {
                world.online(LABELS[of], false).await;
                oracle.offline(of);
            }
            Step::Advance(millis) => {
                let before: Vec<_> = oracle.messages.iter().map(|message| message.state).collect();
                let fired = world.advance(Duration::from_millis(millis)).await;
                oracle.advance(millis);
                let after = oracle.messages.iter().map(|message| message.state);
                let expired = before.iter().zip(after).filter(|(before, after)| *before != after).count();
                assert_eq!(fired.len(), expired, "everything that fired is told");
            }
            Step::Expire(of) if !oracle.gone[of] => {
                world.service.expire(&world.space, LABELS[of], 404).await.unwrap();
                oracle.expire(of);
            }
            Step::Ack(at) if at < self.replies.len() => {
                let done = world.service.acknowledge(&world.space, &self.replies[at].exchange).await.is_ok();
                let message = &mut oracle.messages[at];
                assert_eq!(done, message.state == State::Delivered, "acknowledge");
                if done {
                    message.enter(State::Acknowledged, None);
                }
            }
            Step::Withdraw(at) if at < self.replies.len() && self.replies[at].status == 201 => {
                let done = world.service.withdraw(&message_token(&self.replies[at])).await;
                let message = &mut oracle.messages[at];
                assert_eq!(done, message.outstanding(), "withdraw");
                if done {
                    message.enter(State::Withdrawn, None);
                }
            }
            _ => {}
        }
    }

    async fn compare(&self, oracle: &Oracle, steps: &[Step]) {
        for (at, (reply, message)) in self.replies.iter().zip(&oracle.messages).enumerate() {
            let fate = self.world.fate(reply).await;
            assert_eq!(fate, (message.state, message.reason), "message {at} after {steps:?}");
        }
        self.world.check_balance().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_service_does_what_the_table_says(steps in prop::collection::vec(step(), 1..40)) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
            let mut real = Real::new().await;
            let mut oracle = Oracle::default();
            for at in 0..steps.len() {
                real.apply(&steps[at], &mut oracle).await;
                real.compare(&oracle, &steps[..=at]).await;
            }
            // Whatever is left runs out.
            real.world.advance(3_600_000 * MS).await;
        });
    }
}
