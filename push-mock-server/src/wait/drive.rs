//! Repeats a judgement at every change until it is settled or the time is over.

use core::{future::Future, time::Duration};
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    Count, Judgement, Met, VerifyRequest, WaitError, WaitRequest,
    judge::{Expected, ExpectedAll, conclude, judge_expected},
};
use crate::{
    error::ServiceError,
    service::{
        PushService,
        events::{About, EventStream, Notice},
        exchange::Exchange,
    },
    space::SpaceName,
};

/// Longest wait of the harness, so that adding it to now cannot overflow; our choice, a year.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

/// The messages of one space and a signal for their changes.
///
/// `Invariant:` a change after a call of `exchanges` makes the next `changed` return, so none is missed.
pub(crate) trait Watch: Send {
    /// All recorded messages, in any order.
    fn exchanges(&mut self) -> impl Future<Output = Result<Vec<Arc<Exchange>>, ServiceError>> + Send;

    /// Returns after something changed; may return for nothing. Cancel-safe.
    fn changed(&mut self) -> impl Future<Output = ()> + Send;
}

/// A space of a service; reads the events from the moment it is made.
pub(crate) struct SpaceWatch {
    service: PushService,
    space: SpaceName,
    events: EventStream,
}

impl SpaceWatch {
    pub(crate) fn new(service: &PushService, space: &SpaceName) -> Self {
        let events = service.subscribe_events(Some(space.clone()), None);
        Self { service: service.clone(), space: space.clone(), events }
    }
}

impl Watch for SpaceWatch {
    async fn exchanges(&mut self) -> Result<Vec<Arc<Exchange>>, ServiceError> {
        // What happened up to here is in the answer; only what comes later has to wake us.
        while self.events.try_next().is_some() {}
        self.service.exchanges(&self.space).await
    }

    async fn changed(&mut self) {
        loop {
            match self.events.next().await {
                Notice::Event(event) if !matches!(event.about, About::Message(_) | About::Space) => {}
                Notice::Event(_) | Notice::Gap { .. } => return,
            }
        }
    }
}

/// Waits until messages of a space match, as `POST /wait` does. Dropping the future ends the wait.
///
/// # Errors
///
/// [`WaitError::NotMet`] with a report, or [`WaitError::Service`] when the messages could not be read.
pub async fn wait(service: &PushService, space: &SpaceName, request: &WaitRequest) -> Result<Met, WaitError> {
    let expected = Expected { matcher: &request.matcher, count: request.count, since: request.since };
    let mut watch = SpaceWatch::new(service, space);
    let result = wait_for(&mut watch, &expected, request.timeout, request.settle).await;
    result.map_err(|error| error.advised(expected.matcher.addressee(), space))
}

/// Waits until several expectations hold together, as `POST /verify` does. Dropping the future ends the wait.
///
/// # Errors
///
/// As [`wait`].
pub async fn verify(
    service: &PushService,
    space: &SpaceName,
    request: &VerifyRequest,
) -> Result<Met, WaitError> {
    let mut watch = SpaceWatch::new(service, space);
    let result = verify_all(&mut watch, &ExpectedAll::of(request), request.timeout).await;
    result.map_err(|error| error.advised(None, space))
}

/// When enough is really enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// At once.
    AtOnce,
    /// After so much time without surplus.
    Settle(Duration),
    /// At the end of the time, because silence is being asserted.
    WholeTime,
}

impl Hold {
    fn of(count: Count, settle: Duration) -> Self {
        match count.max {
            _ if count.is_met_by_silence() => Self::WholeTime,
            Some(_) if !settle.is_zero() => Self::Settle(settle),
            _ => Self::AtOnce,
        }
    }
}

/// Waits for one expectation. Cancel-safe: dropping the future ends the wait.
pub(crate) async fn wait_for(
    watch: &mut impl Watch,
    expected: &Expected<'_>,
    timeout: Duration,
    settle: Duration,
) -> Result<Met, WaitError> {
    let hold = Hold::of(expected.count, settle);
    let exchanges = drive(watch, timeout, hold, |exchanges| judge_expected(exchanges, expected)).await?;
    Ok(conclude(&exchanges, expected, timeout)?)
}

/// Waits for several expectations together. Cancel-safe.
pub(crate) async fn verify_all(
    watch: &mut impl Watch,
    expected: &ExpectedAll<'_>,
    timeout: Duration,
) -> Result<Met, WaitError> {
    let silence = expected.all.iter().any(|expected| expected.count.is_met_by_silence());
    let hold = if silence { Hold::WholeTime } else { Hold::AtOnce };
    let exchanges = drive(watch, timeout, hold, |exchanges| expected.judgement(exchanges)).await?;
    Ok(expected.conclude(&exchanges, timeout)?)
}

/// Gives the messages on which the judgement was final.
async fn drive(
    watch: &mut impl Watch,
    timeout: Duration,
    hold: Hold,
    judge: impl Fn(&[Arc<Exchange>]) -> Judgement,
) -> Result<Vec<Arc<Exchange>>, ServiceError> {
    let deadline = Instant::now() + timeout.min(FOREVER);
    let mut enough_since = None;
    loop {
        // The time is read before the messages, so that what came before the deadline is always seen.
        let now = Instant::now();
        let exchanges = watch.exchanges().await?;
        let until = match (judge(&exchanges), hold) {
            (Judgement::Surplus, _) | (Judgement::Enough, Hold::AtOnce) => return Ok(exchanges),
            (Judgement::Enough, Hold::Settle(time)) => *enough_since.get_or_insert(now) + time,
            (Judgement::Enough, Hold::WholeTime) => deadline,
            (Judgement::Short, _) => {
                enough_since = None;
                deadline
            }
        };
        if now >= until {
            return Ok(exchanges);
        }
        // Elapsed or changed: both mean looking again.
        let _ = timeout_at(until, watch.changed()).await;
    }
}
