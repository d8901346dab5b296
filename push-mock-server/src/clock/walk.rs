//! `Walk`: moving a clock on, from deadline to deadline.

use push_crypto::Timestamp;

use super::{Clock, ClockMode, Mode, wall};

/// A clock that is being moved. It stands at the last step until the walk ends, also when its future is dropped.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    clock: &'a Clock,
    resume: Resume,
}

#[derive(Clone, Copy, Debug)]
enum Resume {
    Frozen,
    Moving { kind: ClockMode, speed: f64 },
}

impl<'a> Walk<'a> {
    /// Stops the clock; it goes on as before when the walk ends.
    ///
    /// One walk at a time: the caller sees to that.
    pub(crate) fn new(clock: &'a Clock) -> Self {
        let mut state = clock.state();
        let resume = match state.mode {
            Mode::Frozen(_) => Resume::Frozen,
            Mode::Moving { kind, speed, .. } => Resume::Moving { kind, speed },
        };
        state.mode = Mode::Frozen(state.now());
        Self { clock, resume }
    }

    /// It is frozen when the walk ends.
    pub(crate) fn then_freeze(&mut self) {
        self.resume = Resume::Frozen;
    }

    /// It runs at that speed when the walk ends.
    pub(crate) fn then_run(&mut self, speed: f64) {
        self.resume = Resume::Moving { kind: ClockMode::Running, speed };
    }

    /// It goes with the wall clock when the walk ends.
    pub(crate) fn then_real(&mut self) {
        self.resume = Resume::Moving { kind: ClockMode::Real, speed: 1.0 };
    }

    /// The earliest deadline of a sleeper.
    pub(crate) fn next_sleeper(&self) -> Option<Timestamp> {
        self.clock.state().sleepers.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Moves on to that time, unless the clock is there already. Sleepers are woken by [`Walk::settle`].
    pub(crate) fn step_to(&self, at: Timestamp) {
        let mut state = self.clock.state();
        let at = at.max(state.now());
        state.mode = Mode::Frozen(at);
        state.shown = at;
    }

    /// Wakes who sleeps until now or earlier, and returns when all that is done.
    pub(crate) async fn settle(&self) {
        self.clock.0.changed.notify_waiters();
        loop {
            let settled = self.clock.0.settled.notified();
            tokio::pin!(settled);
            settled.as_mut().enable();
            {
                let mut state = self.clock.state();
                let now = state.now();
                let waiting = state.sleepers.keys().next().is_some_and(|(deadline, _)| *deadline <= now);
                if !waiting && state.due == 0 {
                    return;
                }
            }
            settled.await;
        }
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        let mut state = self.clock.state();
        let now = state.now();
        state.mode = match self.resume {
            Resume::Frozen => Mode::Frozen(now),
            Resume::Moving { kind, speed } => {
                let since = wall();
                // A walk takes time, and a clock that is not ahead shows the time of the wall.
                let origin = if kind == ClockMode::Real { now.max(since) } else { now };
                Mode::Moving { kind, speed, origin, since }
            }
        };
        drop(state);
        self.clock.0.changed.notify_waiters();
    }
}
