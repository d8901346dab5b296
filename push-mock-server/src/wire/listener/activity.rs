//! `Activity`: what one connection is doing, so that slow and idle ones can be ended (T21).
//!
//! It is written by the stream wrapper and the HTTP service and read by the connection's own task; the three
//! agree on milliseconds since the connection began. Socket time is real time, never the clock of a space.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Marks "not now" in the fields that hold a moment.
const NOT: u64 = u64::MAX;
/// How far away the next look is while there is nothing to end; our choice.
const FAR: Duration = Duration::from_secs(3_600);

/// How long a connection may stay in each condition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the first octet of a head to its last.
    pub(super) head: Duration,
    /// Without a request.
    pub(super) idle: Duration,
    /// With an answer that the peer does not take.
    pub(super) write: Duration,
}

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The head of a request did not come to its end.
    Head,
    /// No request came.
    Idle,
    /// The answer was not read.
    Write,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    start: Instant,
    /// HTTP/2 has frames between requests, so its octets do not say that a head has begun.
    heads_are_visible: bool,
    requests: AtomicUsize,
    idle_since: AtomicU64,
    head_since: AtomicU64,
    write_blocked_since: AtomicU64,
    unread_body: AtomicBool,
}

impl Activity {
    /// A connection that has just sent its first octets.
    pub(super) fn new(heads_are_visible: bool) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            heads_are_visible,
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            head_since: AtomicU64::new(if heads_are_visible { 0 } else { NOT }),
            write_blocked_since: AtomicU64::new(NOT),
            unread_body: AtomicBool::new(false),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NOT - 1)
    }

    /// A request has been read; the guard ends it, and lives as long as the body of its answer.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        self.head_since.store(NOT, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Octets came.
    pub(super) fn received(&self) {
        if self.heads_are_visible && self.head_since.load(Relaxed) == NOT && self.requests.load(Relaxed) == 0
        {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// The peer took octets, or did not.
    pub(super) fn written(&self, blocked: bool) {
        let since = self.write_blocked_since.load(Relaxed);
        match (blocked, since == NOT) {
            (true, true) => self.write_blocked_since.store(self.now(), Relaxed),
            (false, false) => self.write_blocked_since.store(NOT, Relaxed),
            _ => {}
        }
    }

    /// A request was answered without reading its body, so the end of the connection has to be gentle.
    pub(super) fn leave_body_unread(&self) {
        self.unread_body.store(true, Relaxed);
    }

    /// True when a body was left unread.
    pub(super) fn has_unread_body(&self) -> bool {
        self.unread_body.load(Relaxed)
    }

    /// The condition that ends next, and when.
    fn next(&self, patience: &Patience) -> Option<(Overdue, u64)> {
        let after =
            |since: u64, wait: Duration| since.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(NOT));
        let blocked = self.write_blocked_since.load(Relaxed);
        if blocked != NOT {
            return Some((Overdue::Write, after(blocked, patience.write)));
        }
        if self.requests.load(Relaxed) > 0 {
            return None;
        }
        match self.head_since.load(Relaxed) {
            NOT => Some((Overdue::Idle, after(self.idle_since.load(Relaxed), patience.idle))),
            since => Some((Overdue::Head, after(since, patience.head))),
        }
    }
}

/// One request being answered.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    /// What its connection is doing.
    pub(super) fn activity(&self) -> &Activity {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

/// Waits until a condition has lasted too long; has to be polled after the connection, in the same task.
pub(super) struct Watchdog {
    activity: Arc<Activity>,
    patience: Patience,
    sleep: Pin<Box<Sleep>>,
}

impl Watchdog {
    pub(super) fn new(activity: Arc<Activity>, patience: Patience) -> Self {
        let sleep = Box::pin(tokio::time::sleep_until(activity.start + patience.head));
        Self { activity, patience, sleep }
    }

    /// Ready when the connection is to be ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        loop {
            let next = self.activity.next(&self.patience);
            let deadline = match next {
                Some((overdue, at)) if self.activity.now() >= at => return Poll::Ready(overdue),
                Some((_, at)) => self.activity.start + Duration::from_millis(at),
                None => self.activity.start + self.activity.start.elapsed() + FAR,
            };
            // A later deadline is found when the earlier one has passed: most requests then cost no timer.
            if deadline < self.sleep.deadline() {
                self.sleep.as_mut().reset(deadline);
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        write: Duration::from_secs(30),
    };

    async fn overdue(activity: &Arc<Activity>) -> (Overdue, u64) {
        let mut watchdog = Watchdog::new(Arc::clone(activity), PATIENCE);
        let why = std::future::poll_fn(|cx| watchdog.poll(cx)).await;
        (why, activity.now() / 1000)
    }

    #[tokio::test(start_paused = true)]
    async fn unfinished_head_ends_after_its_time() {
        let activity = Activity::new(true);

        assert_eq!(overdue(&activity).await, (Overdue::Head, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_ends_after_a_longer_time() {
        let activity = Activity::new(true);
        drop(activity.begin());

        assert_eq!(overdue(&activity).await, (Overdue::Idle, 60));
        assert_eq!(overdue(&Activity::new(false)).await, (Overdue::Idle, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn first_octet_of_the_next_head_shortens_the_wait() {
        let activity = Activity::new(true);
        drop(activity.begin());
        tokio::time::advance(Duration::from_secs(5)).await;
        let mut watchdog = Watchdog::new(Arc::clone(&activity), PATIENCE);
        assert!(std::future::poll_fn(|cx| Poll::Ready(watchdog.poll(cx))).await.is_pending());

        activity.received();
        let why = std::future::poll_fn(|cx| watchdog.poll(cx)).await;

        assert_eq!((why, activity.now() / 1000), (Overdue::Head, 15));
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_nobody_reads_ends_but_a_long_request_does_not() {
        let activity = Activity::new(true);
        let in_flight = activity.begin();
        let mut watchdog = Watchdog::new(Arc::clone(&activity), PATIENCE);
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(std::future::poll_fn(|cx| Poll::Ready(watchdog.poll(cx))).await.is_pending());

        activity.written(true);
        assert_eq!(overdue(&activity).await, (Overdue::Write, 630));
        activity.written(false);
        drop(in_flight);
        assert_eq!(overdue(&activity).await, (Overdue::Idle, 690));
    }
}
