//! `Clock`: the time of one space, which may be real, frozen, or running at a speed; and the only place where the
//! wall clock is read.
//!
//! What is due at which time is not known here, but for those who sleep on the clock.

mod walk;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use push_crypto::Timestamp;
use tokio::sync::Notify;
pub(crate) use walk::Walk;

use crate::{config::ClockStart, space::SpaceName};

/// The wall clock, milliseconds since 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub fn wall() -> Timestamp {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// Waits for a nudge, at most that long; none: for ever. True when it was nudged.
pub(crate) async fn wait_wall(nudge: &Notify, at_most: Option<Duration>) -> bool {
    match at_most {
        None => {
            nudge.notified().await;
            true
        }
        Some(at_most) => tokio::time::timeout(at_most, nudge.notified()).await.is_ok(),
    }
}

/// Waits that long on the wall clock, for what has to do with connections and not with the time of a space.
#[expect(clippy::disallowed_methods, reason = "the one place where waiting by the wall clock is done")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// How a clock moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClockMode {
    /// With the wall clock; ahead of it when it was advanced.
    Real,
    /// Not by itself.
    Frozen,
    /// At a speed.
    Running,
}

impl ClockMode {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Frozen => "frozen",
            Self::Running => "running",
        }
    }
}

/// By which time VAPID tokens are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VapidClock {
    /// Wall time: the sender under test does not live on our clock.
    #[default]
    Wall,
    /// The time of the space.
    Space,
}

/// What is due next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextDue {
    /// When.
    pub at: Timestamp,
    /// `expire`.
    pub what: &'static str,
    /// The message, when it is one.
    pub message: Option<String>,
}

/// A clock as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockView {
    /// Its space.
    pub space: SpaceName,
    /// How it moves.
    pub mode: ClockMode,
    /// Its time.
    pub now: Timestamp,
    /// Wall time.
    pub wall: Timestamp,
    /// Seconds per second: 0 frozen, 1 real.
    pub speed: f64,
    /// By which time VAPID tokens are judged.
    pub vapid_clock: VapidClock,
    /// What is due next.
    pub next: Option<NextDue>,
}

/// What a clock is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClockAction {
    /// Stop.
    Freeze,
    /// Move on by that much.
    Advance(Duration),
    /// Move on to that time.
    Set(Timestamp),
    /// Run at that speed.
    Run(f64),
    /// Go with the wall clock. A clock ahead of it keeps its lead, since no clock runs backwards.
    Real,
}

/// A change of a clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockChange {
    /// What it is told; none: nothing but the next member.
    pub action: Option<ClockAction>,
    /// By which time VAPID tokens are judged from now on; none: as before.
    pub vapid_clock: Option<VapidClock>,
}

impl From<ClockAction> for ClockChange {
    fn from(action: ClockAction) -> Self {
        Self { action: Some(action), vapid_clock: None }
    }
}

/// What kind of thing was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FiredWhat {
    /// A message expired.
    Expired,
    /// A subscription expired.
    SubscriptionExpired,
}

impl FiredWhat {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::SubscriptionExpired => "subscription-expired",
        }
    }
}

/// Something that was due and has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    /// When, on the clock of the space.
    pub at: Timestamp,
    /// What.
    pub what: FiredWhat,
    /// The message, when it is one.
    pub message: Option<String>,
    /// Label of the subscription.
    pub to: Option<String>,
}

/// The clock of one space. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// The time or the mode changed.
    changed: Notify,
    /// A sleeper or a [`Due`] is gone.
    settled: Notify,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// The latest time that was ever shown.
    shown: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), ()>,
    next_sleeper: u64,
    /// Number of [`Due`]s that are alive.
    due: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Frozen(Timestamp),
    /// `origin + (wall - since) * speed`.
    Moving {
        kind: ClockMode,
        speed: f64,
        origin: Timestamp,
        since: Timestamp,
    },
}

impl Mode {
    fn at(self, wall: Timestamp) -> Timestamp {
        match self {
            Self::Frozen(at) => at,
            // Exact, since a product of floats would round milliseconds of today.
            Self::Moving { speed: 1.0, origin, since, .. } => origin.after(wall.since(since)),
            Self::Moving { speed, origin, since, .. } => origin.after(scaled(wall.since(since), speed)),
        }
    }
}

/// Saturates instead of overflowing.
fn scaled(time: Duration, by: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * by).unwrap_or(Duration::MAX)
}

impl Clock {
    /// For settings: a clock that stands at the time of its start.
    #[must_use]
    pub const fn frozen() -> ClockStart {
        ClockStart::Frozen
    }

    /// For settings: a clock that stands at that time, which may lie in the past.
    #[must_use]
    pub const fn frozen_at(time: Timestamp) -> ClockStart {
        ClockStart::FrozenAt(time)
    }

    /// A clock that starts so at that wall time.
    #[must_use]
    pub fn new(start: ClockStart, wall: Timestamp) -> Self {
        let mode = match start {
            ClockStart::Real => Mode::Moving { kind: ClockMode::Real, speed: 1.0, origin: wall, since: wall },
            ClockStart::Frozen => Mode::Frozen(wall),
            ClockStart::FrozenAt(at) => Mode::Frozen(at),
        };
        let state = State { mode, shown: mode.at(wall), sleepers: BTreeMap::new(), next_sleeper: 0, due: 0 };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: Notify::new(), settled: Notify::new() }))
    }

    /// The time; it never runs backwards.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.state().now()
    }

    /// How it moves, and how fast.
    #[must_use]
    pub fn mode(&self) -> (ClockMode, f64) {
        match self.state().mode {
            Mode::Frozen(_) => (ClockMode::Frozen, 0.0),
            Mode::Moving { kind, speed, .. } => (kind, speed),
        }
    }

    /// Wall time until the clock shows that time; none while it is frozen.
    #[must_use]
    pub fn wall_until(&self, deadline: Timestamp) -> Option<Duration> {
        self.state().wall_until(deadline)
    }

    /// Returns when the clock shows that time or a later one. Wakes early when the mode changes, then sleeps again.
    ///
    /// Whoever moves the clock waits until the [`Due`] is dropped, so do what is due before that. A sleeper that is
    /// not polled holds up whoever moves the clock past its deadline. Cancel-safe: dropping it ends it.
    pub async fn sleep_until(&self, deadline: Timestamp) -> Due {
        let sleeper = Sleeper::new(self, deadline);
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let at_most = {
                let mut state = self.state();
                if state.now() >= deadline {
                    state.due += 1;
                    break;
                }
                state.wall_until(deadline)
            };
            match at_most {
                None => changed.await,
                // Rounded up, since the last part of a millisecond is not visible.
                Some(at_most) => {
                    let _ = tokio::time::timeout(at_most + Duration::from_millis(1), changed).await;
                }
            }
        }
        drop(sleeper);
        Due { clock: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is consistent after every statement, so a panic elsewhere does not spoil it.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&mut self) -> Timestamp {
        self.shown = self.shown.max(self.mode.at(wall()));
        self.shown
    }

    fn wall_until(&mut self, deadline: Timestamp) -> Option<Duration> {
        let left = deadline.since(self.now());
        match self.mode {
            Mode::Frozen(_) => None,
            Mode::Moving { speed, .. } => Some(scaled(left, 1.0 / speed)),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} at {})", self.mode().0.as_str(), self.now())
    }
}

/// Stands for work that is due now; drop it when the work is done.
#[must_use = "the clock moves on when this is dropped"]
#[derive(Debug)]
pub struct Due {
    clock: Clock,
}

impl Drop for Due {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        state.due = state.due.saturating_sub(1);
        drop(state);
        self.clock.0.settled.notify_waiters();
    }
}

/// An entry in the table of sleepers, which ends with it.
struct Sleeper<'a> {
    clock: &'a Clock,
    key: (Timestamp, u64),
}

impl<'a> Sleeper<'a> {
    fn new(clock: &'a Clock, deadline: Timestamp) -> Self {
        let mut state = clock.state();
        let key = (deadline, state.next_sleeper);
        state.next_sleeper += 1;
        state.sleepers.insert(key, ());
        Self { clock, key }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
        self.clock.0.settled.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
