//! `Timer`: the only place where this crate reads a clock and waits; socket timeouts aside, which use real time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use push_crypto::Timestamp;
use tokio::sync::Notify;

/// Time for retries, tokens and TTLs.
pub trait Timer: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Ends at or after `deadline`; dropping it has no effect.
    fn sleep_until(&self, deadline: Timestamp) -> impl Future<Output = ()> + Send;
}

/// The system's clock and tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTimer;

impl Timer for SystemTimer {
    #[expect(clippy::disallowed_methods, reason = "this is the place where the clock is read")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the place where waiting is done")]
    async fn sleep_until(&self, deadline: Timestamp) {
        // The wall clock may be stepped while sleeping, so it is looked at again.
        loop {
            let left = deadline.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(Duration::from_secs(60))).await;
        }
    }
}

/// Virtual time for tests: it moves by [`StubTimer::advance`], or jumps to whatever is waited for.
///
/// Clones share the same time.
///
/// ```
/// use push_client::{StubTimer, Timer};
/// use push_crypto::Timestamp;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let timer = StubTimer::jumping(Timestamp::from_unix_seconds(1_000));
/// timer.sleep_until(Timestamp::from_unix_seconds(4_600)).await;
/// assert_eq!(timer.now(), Timestamp::from_unix_seconds(4_600));
/// assert_eq!(timer.waited_for(), [Timestamp::from_unix_seconds(4_600)]);
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct StubTimer {
    shared: Arc<Shared>,
    jumps: bool,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    moved: Notify,
}

#[derive(Debug)]
struct State {
    now: Timestamp,
    waited_for: Vec<Timestamp>,
}

impl StubTimer {
    /// Time that stands still until it is advanced.
    #[must_use]
    pub fn frozen(at: Timestamp) -> Self {
        let state = Mutex::new(State { now: at, waited_for: Vec::new() });
        Self { shared: Arc::new(Shared { state, moved: Notify::new() }), jumps: false }
    }

    /// Time that stands still, but jumps to each instant that is waited for: no test has to wait.
    #[must_use]
    pub fn jumping(at: Timestamp) -> Self {
        Self { jumps: true, ..Self::frozen(at) }
    }

    /// Moves time on, and wakes who waited for an instant up to then.
    pub fn advance(&self, by: Duration) {
        self.with(|state| state.now = state.now.after(by));
        self.shared.moved.notify_waiters();
    }

    /// Steps the clock to any instant, as a system's clock may be.
    pub fn set(&self, at: Timestamp) {
        self.with(|state| state.now = at);
        self.shared.moved.notify_waiters();
    }

    /// The instants that were waited for, in order.
    #[must_use]
    pub fn waited_for(&self) -> Vec<Timestamp> {
        self.with(|state| state.waited_for.clone())
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.shared.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Timer for StubTimer {
    fn now(&self) -> Timestamp {
        self.with(|state| state.now)
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        self.with(|state| {
            state.waited_for.push(deadline);
            if self.jumps {
                state.now = state.now.max(deadline);
            }
        });
        loop {
            // Registered before looking, so that no movement between the two is missed.
            let moved = self.shared.moved.notified();
            let mut moved = std::pin::pin!(moved);
            moved.as_mut().enable();
            if self.now() >= deadline {
                return;
            }
            moved.await;
        }
    }
}

/// A [`Timer`] behind a pointer: erased once, so that the client has no type parameter.
pub(crate) trait ErasedTimer: Send + Sync + 'static {
    fn read(&self) -> Timestamp;
    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

impl<T: Timer> ErasedTimer for T {
    fn read(&self) -> Timestamp {
        self.now()
    }

    fn wait_until(&self, deadline: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.sleep_until(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frozen_time_wakes_sleepers_only_when_it_reaches_them() {
        let timer = StubTimer::frozen(Timestamp::from_unix_seconds(10));
        let sleeper = tokio::spawn({
            let timer = timer.clone();
            async move { timer.sleep_until(Timestamp::from_unix_seconds(20)).await }
        });
        tokio::task::yield_now().await;

        timer.advance(Duration::from_millis(9_999));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        timer.advance(Duration::from_millis(1));

        sleeper.await.unwrap();
    }

    #[tokio::test]
    async fn an_instant_in_the_past_is_no_wait() {
        SystemTimer.sleep_until(Timestamp::default()).await;
    }
}
