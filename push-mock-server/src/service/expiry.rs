//! What is due by the clock of a space: messages and subscriptions that end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use push_crypto::Timestamp;

use super::{
    PushService,
    delivery::Enter,
    events::{About, EventKind},
    exchange::State,
    state::{Agent, Space, lock},
};
use crate::{
    clock::{
        Clock, ClockAction, ClockChange, ClockMode, ClockView, Fired, FiredWhat, NextDue, Walk, wait_wall,
        wall,
    },
    error::ServiceError,
    ids::UserAgentId,
    space::SpaceName,
    store::{Expired, Store, StoredMessage},
};

/// The wall clock may be set while we wait, so nobody waits longer at once (our choice).
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// After a failure of the store (our choice).
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// A million seconds a second pass 30 days of TTL in three seconds; beyond, a time step is no time (our choice).
const FASTEST: f64 = 1e6;

impl PushService {
    /// Lets things happen when they are due under clocks that move. Never returns; the server runs it as a task.
    ///
    /// Without it nothing is delivered too late all the same, but events come only when somebody looks.
    pub async fn keep_time(&self) {
        loop {
            let mut wait: Option<Duration> = None;
            for space in self.all_spaces() {
                let clock = space.clock();
                let Some(due) = space.next_due().and_then(|next| clock.wall_until(next)) else { continue };
                let due = if !due.is_zero() {
                    due
                } else if let Err(error) = self.expire_due(&space).await {
                    tracing::warn!(%error, "what is due cannot be cleared");
                    AFTER_FAILURE
                } else {
                    let next = space.next_due().and_then(|next| clock.wall_until(next));
                    next.unwrap_or(LONGEST_WAIT)
                };
                // Rounded up, since a part of a millisecond is not visible on a clock.
                let due = due.min(LONGEST_WAIT) + Duration::from_millis(1);
                wait = Some(wait.map_or(due, |wait| wait.min(due)));
            }
            wait_wall(&self.0.nudge, wait).await;
        }
    }

    /// Lets what is due happen now, so that whoever looks sees nothing that has expired.
    pub(super) async fn settle(&self, space: &Arc<Space>) {
        if space.is_due(space.now())
            && let Err(error) = Box::pin(self.expire_due(space)).await
        {
            // What has expired is not delivered in any case: the store does not show it.
            tracing::warn!(%error, "what is due cannot be cleared");
        }
    }

    /// The clock of a space.
    ///
    /// # Errors
    /// [`ServiceError::Limit`] when the space would be one too many.
    pub async fn clock(&self, space: &SpaceName) -> Result<ClockView, ServiceError> {
        let space = self.space(space)?;
        self.settle(&space).await;
        Ok(self.clock_view(&space).await)
    }

    /// The clock of a space itself, for whoever wants to sleep on it. A reset of the space starts another one.
    ///
    /// # Errors
    /// [`ServiceError::Limit`] when the space would be one too many.
    pub fn clock_of(&self, space: &SpaceName) -> Result<Clock, ServiceError> {
        Ok(self.space(space)?.clock())
    }

    /// Changes the clock of a space. Returns after everything that became due has happened.
    ///
    /// # Errors
    /// [`ServiceError::BadField`] for a time in the past, a step over the limit `clock_advance`, or a speed that is none.
    pub async fn change_clock(
        &self,
        space: &SpaceName,
        change: ClockChange,
    ) -> Result<(ClockView, Vec<Fired>), ServiceError> {
        let space = self.space(space)?;
        let one_at_a_time = space.walking.lock().await;
        if change == (ClockChange { action: None, vapid_clock: None }) {
            return Err(ServiceError::BadField {
                pointer: "",
                detail: "nothing is asked of the clock".into(),
                fix: "give one of freeze, advance, set, run, real, or vapidClock".into(),
            });
        }
        let fired = match change.action {
            None => Vec::new(),
            Some(action) => {
                self.check_action(&space, action)?;
                self.walk(&space, action).await?
            }
        };
        if let Some(by) = change.vapid_clock {
            space.set_vapid_clock(by);
        }
        drop(one_at_a_time);
        let view = self.clock_view(&space).await;
        self.0.publish(&space, EventKind::ClockChanged, About::Clock(view.clone()));
        self.0.nudge.notify_one();
        Ok((view, fired))
    }

    fn check_action(&self, space: &Space, action: ClockAction) -> Result<(), ServiceError> {
        let (now, furthest) = (space.now(), self.0.config.limits.clock_advance);
        let bad = |pointer, detail: String, fix: &str| {
            Err(ServiceError::BadField { pointer, detail, fix: fix.into() })
        };
        match action {
            ClockAction::Advance(by) if by > furthest => bad(
                "/advance",
                format!("a clock is advanced by at most {} days at once", days(furthest)),
                "advance it in several steps",
            ),
            ClockAction::Set(to) if to < now => bad(
                "/set",
                "the time lies before the clock's, and no clock runs backwards".into(),
                "make a new space, whose clock may start in the past, or reset this one",
            ),
            ClockAction::Set(to) if to > now.after(furthest) => bad(
                "/set",
                format!("the time lies more than {} days ahead", days(furthest)),
                "set it in several steps",
            ),
            ClockAction::Run(speed) if !(speed > 0.0 && speed <= FASTEST) => bad(
                "/run",
                "a speed is more than 0 and at most 1000000 seconds a second".into(),
                "use freeze to stop the clock",
            ),
            _ => Ok(()),
        }
    }

    /// Moves the clock from deadline to deadline; everything due at one happens before the next.
    async fn walk(&self, space: &Arc<Space>, action: ClockAction) -> Result<Vec<Fired>, ServiceError> {
        let clock = space.clock();
        let mut walk = Walk::new(&clock);
        let now = clock.now();
        let target = match action {
            ClockAction::Advance(by) => now.after(by),
            ClockAction::Set(to) => to,
            ClockAction::Freeze => {
                walk.then_freeze();
                now
            }
            ClockAction::Run(speed) => {
                walk.then_run(speed);
                now
            }
            ClockAction::Real => {
                walk.then_real();
                now.max(wall())
            }
        };
        let mut fired = Vec::new();
        loop {
            let next = [space.next_due(), walk.next_sleeper()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= target) else { break };
            walk.step_to(next);
            // Ours first: whoever slept until now may look at what has happened.
            fired.extend(self.expire_due(space).await?);
            walk.settle().await;
        }
        walk.step_to(target);
        Ok(fired)
    }

    /// Removes everything that is due at the time of the clock, and says what it was, in order.
    pub(super) async fn expire_due(&self, space: &Arc<Space>) -> Result<Vec<Fired>, ServiceError> {
        let mut fired = Vec::new();
        loop {
            space.nothing_due();
            let now = space.now();
            let step = self.0.config.limits.expire_step;
            let expired = match self.0.store.expire(now, space.id, step).await {
                Ok(expired) => expired,
                Err(error) => {
                    space.due_at(now);
                    return Err(error.into());
                }
            };
            let next = expired.next;
            self.happened(space, expired, &mut fired).await;
            if let Some(next) = next {
                space.due_at(next);
            }
            if next.is_none_or(|next| next > now) {
                return Ok(fired);
            }
        }
    }

    /// The store has removed these; the rest follows without a wait, so that nobody who stops waiting for us leaves
    /// half of it undone.
    async fn happened(&self, space: &Arc<Space>, expired: Expired, fired: &mut Vec<Fired>) {
        let mut freed: BTreeMap<UserAgentId, Arc<Agent>> = BTreeMap::new();
        let mut unrecorded = Vec::new();
        let seq_of = |message: &Arc<StoredMessage>| {
            lock(&space.history).get(message.id).map_or(u64::MAX, |exchange| exchange.seq)
        };
        let mut messages: Vec<_> =
            expired.messages.iter().map(|message| (message.expires_at, seq_of(message), message)).collect();
        messages.sort_unstable_by_key(|(at, seq, _)| (*at, *seq));
        let mut happened = Vec::new();
        for (at, _, message) in messages {
            let agent = space.agent(message.key.of.agent);
            if let Some(agent) = agent {
                lock(&agent.state).window.remove(message.id);
                freed.insert(message.key.of.agent, agent);
            }
            let to = match self.enter(space, message.id, Enter::new(State::Expired, at)) {
                Some(exchange) => exchange.to.clone(),
                None => {
                    unrecorded.push(message);
                    None
                }
            };
            let message = Some(message.id.to_string());
            happened.push(Fired { at, what: FiredWhat::Expired, message, to });
        }
        let mut dropped_of: HashMap<_, Vec<_>> = HashMap::new();
        for message in expired.dropped {
            dropped_of.entry(message.subscription).or_default().push(message);
        }
        for record in expired.subscriptions {
            let dropped = dropped_of.remove(&record.at.subscription).unwrap_or_default();
            self.subscription_ended(space, &record, &dropped, EventKind::SubscriptionGone);
            freed.extend(space.agent(record.at.agent).map(|agent| (record.at.agent, agent)));
            let at = record.expires_at.unwrap_or_default();
            let what = FiredWhat::SubscriptionExpired;
            happened.push(Fired { at, what, message: None, to: Some(record.label.clone()) });
        }
        // Stable, so that messages come before subscriptions and stay in order of acceptance.
        happened.sort_by_key(|fired| fired.at);
        fired.extend(happened);
        for message in unrecorded {
            // Whoever accepts it has the turn and has not recorded it yet.
            if let Some(agent) = freed.get(&message.key.of.agent) {
                let _turn = self.turn(space, agent).await;
                lock(&agent.state).window.remove(message.id);
                self.enter(space, message.id, Enter::new(State::Expired, message.expires_at));
            }
        }
        for agent in freed.into_values() {
            self.turn(space, &agent).await.room_again().await;
        }
    }

    /// Without what is due next, if the store does not answer.
    pub(super) async fn clock_view(&self, space: &Arc<Space>) -> ClockView {
        let clock = space.clock();
        // In this order a real clock is never behind.
        let (wall, now) = (wall(), clock.now());
        let next = self.0.store.expire(now, space.id, 0).await.ok().and_then(|expired| expired.next);
        let next = next.map(|at| NextDue { at, what: "expire", message: message_due(space, at) });
        let (mode, speed): (ClockMode, f64) = clock.mode();
        let vapid_clock = space.vapid_clock();
        ClockView { space: space.name.clone(), mode, now, wall, speed, vapid_clock, next }
    }
}

const fn days(time: Duration) -> u64 {
    time.as_secs() / 86_400
}

/// The first message that ends at that time.
fn message_due(space: &Space, at: Timestamp) -> Option<String> {
    let history = lock(&space.history);
    let mut shown = history.shown().map(|(_, exchange)| exchange);
    let due = shown.find(|exchange| {
        !exchange.state.is_final()
            && exchange.expires_at == Some(at)
            && exchange.ttl.is_some_and(|ttl| !ttl.is_zero())
    });
    due.map(|exchange| exchange.id.clone())
}
