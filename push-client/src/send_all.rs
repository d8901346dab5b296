//! `SendAll`: many messages at once, outcomes in the order of completion.
//!
//! It takes messages and gives outcomes; what is between is the pipeline of [`bulk`](crate::bulk).

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    vec,
};

use futures_core::Stream;
use futures_util::FutureExt;
use push_crypto::Subscription;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinError, JoinHandle},
};

use crate::{
    bulk::{BATCH, BulkOptions, Desk, Report, Work, Works, conduct},
    client::PushClient,
    message::PushMessage,
    outcome::Outcome,
};

/// The stream that [`PushClient::send_all`] returns.
///
/// Dropping it stops everything that is under way.
#[must_use = "nothing is sent unless the stream is polled"]
pub struct SendAll<S, Id> {
    client: PushClient,
    options: BulkOptions,
    items: Option<Pin<Box<S>>>,
    ids: Ids<Id>,
    /// Messages that wait for their origin, of those without an outcome.
    parked: usize,
    done: vec::IntoIter<(usize, Outcome)>,
    /// Outcomes given away since the pipeline was told.
    given: usize,
    pipeline: Option<Pipeline>,
}

/// The running task and the way to and from it.
struct Pipeline {
    /// `None` once there are no more messages.
    work: Option<UnboundedSender<Works>>,
    desk: Arc<Desk>,
    reports: UnboundedReceiver<Report>,
    task: JoinHandle<()>,
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PushClient {
    /// Sends every message of a stream, [`max_in_flight`](crate::ClientLimits::max_in_flight) at once, and gives
    /// each outcome with its id as soon as it is known.
    ///
    /// Items are taken no faster than they are sent, so memory does not grow with their number. An outcome that nobody
    /// has taken yet counts as under way: who stops polling stops the sending. The TTL of a message runs from its first
    /// attempt, or from when its push service is found not to take any. A push service that is slow, dead or asks for rest does not stop the
    /// others: up to [`parked`](crate::ClientLimits::parked) of its messages wait aside; only when that is full,
    /// and the stream goes on with more of the same, everybody waits. A push service whose circuit breaker has
    /// stayed open for 15 s gets probes only, and its messages the outcome of the last probe; but when there is nothing
    /// else to send and more to come, they wait for about 5 minutes, as far as their TTL allows.
    ///
    /// An endpoint that comes twice gets two messages; leaving the second out is the caller's affair. It must be
    /// polled within a tokio runtime, of either kind.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use push_client::{PushClient, PushMessage, StubTransport, Subscription, Ttl};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let client = PushClient::builder().transport(StubTransport::accepting()).build().unwrap();
    /// let message = PushMessage::tickle(Ttl::seconds(60));
    /// let items = stream::iter((0..3).map(move |user| {
    ///     let json = format!(r#"{{"endpoint":"https://push.example/p/{user}"}}"#);
    ///     (user, Subscription::from_json(&json).unwrap(), message.clone())
    /// }));
    /// let mut outcomes: Vec<_> = client.send_all(items).map(|(user, outcome)| (user, outcome.as_str())).collect().await;
    /// outcomes.sort();
    /// assert_eq!(outcomes, [(0, "accepted"), (1, "accepted"), (2, "accepted")]);
    /// # });
    /// ```
    pub fn send_all<S, Id>(&self, items: S) -> SendAll<S, Id>
    where
        S: Stream<Item = (Id, Subscription, PushMessage)>,
    {
        self.send_all_with(BulkOptions::of(self.limits()), items)
    }

    /// Like [`PushClient::send_all`], with bounds of this run's own.
    pub fn send_all_with<S, Id>(&self, options: BulkOptions, items: S) -> SendAll<S, Id>
    where
        S: Stream<Item = (Id, Subscription, PushMessage)>,
    {
        SendAll {
            client: self.clone(),
            options,
            items: Some(Box::pin(items)),
            ids: Ids::default(),
            parked: 0,
            done: Vec::new().into_iter(),
            given: 0,
            pipeline: None,
        }
    }
}

impl<S, Id> SendAll<S, Id> {
    /// Takes no more, and gives back what was never sent, as [`Unsent`](Outcome::Unsent) with
    /// [`UnsentReason::Stopped`](crate::outcome::UnsentReason::Stopped).
    ///
    /// What is on the wire finishes; nothing is repeated any more. The stream is to be polled to its end as before:
    /// each item that was taken has one outcome. A second call does nothing.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use push_client::{PushClient, PushMessage, StubTransport, Subscription, Ttl};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let client = PushClient::builder().transport(StubTransport::accepting()).build().unwrap();
    /// let subscription = Subscription::from_json(r#"{"endpoint":"https://push.example/p/1"}"#).unwrap();
    /// let item = (1, subscription, PushMessage::tickle(Ttl::seconds(60)));
    /// let mut outcomes = client.send_all(stream::iter([item]));
    /// outcomes.stop();
    /// assert!(outcomes.next().await.is_none(), "nothing was taken yet");
    /// # });
    /// ```
    pub fn stop(&mut self) {
        self.items = None;
        if let Some(pipeline) = &mut self.pipeline {
            // First the end of the items: who sees the sign finds all that was handed over.
            pipeline.work = None;
            pipeline.desk.stop();
        }
    }

    /// Tells the pipeline what was taken from it, all of a report at once.
    fn settle(&mut self) {
        self.given += 1;
        if self.done.len() == 0
            && let Some(pipeline) = &self.pipeline
        {
            pipeline.desk.took(std::mem::take(&mut self.given));
        }
    }
}

impl<S, Id> SendAll<S, Id>
where
    S: Stream<Item = (Id, Subscription, PushMessage)>,
{
    /// Takes what is ready, up to the bound, and hands it over in batches.
    fn fill(&mut self, cx: &mut Context<'_>) {
        let most = self.options.max_in_flight.max(1);
        let under_way = self.ids.len().saturating_sub(self.parked);
        let mut room = most.saturating_sub(under_way);
        // A full pipeline is refilled in batches, not one by one.
        let refill = (most / 8).clamp(1, BATCH);
        if under_way > 0 && room < refill {
            return;
        }
        while room > 0 && self.items.is_some() {
            let wanted = room.min(BATCH);
            let batch = self.take(wanted, cx);
            let taken = batch.len();
            if taken > 0 {
                self.hand_over(batch);
            }
            if taken < wanted {
                break;
            }
            room -= taken;
        }
        if self.items.is_none()
            && let Some(pipeline) = &mut self.pipeline
        {
            pipeline.work = None;
        }
    }

    fn take(&mut self, wanted: usize, cx: &mut Context<'_>) -> Works {
        let mut batch = Vec::new();
        while let Some(items) = self.items.as_mut().filter(|_| batch.len() < wanted) {
            match items.as_mut().poll_next(cx) {
                Poll::Ready(Some((id, subscription, message))) => {
                    let origin = subscription.endpoint.origin();
                    let attempts = self.client.attempts(origin, &message, self.client.now()).in_stock();
                    let number = self.ids.keep(id);
                    batch.push(Box::new(Work { number, subscription, message, attempts, sealed: None }));
                }
                Poll::Ready(None) => self.items = None,
                Poll::Pending => break,
            }
        }
        batch
    }

    fn hand_over(&mut self, batch: Works) {
        let (client, options) = (&self.client, &self.options);
        let pipeline = self.pipeline.get_or_insert_with(|| {
            let (work, items) = unbounded_channel();
            let (report, reports) = unbounded_channel();
            let desk = Arc::<Desk>::default();
            let task =
                tokio::spawn(conduct(client.clone(), options.clone(), items, report, Arc::clone(&desk)));
            Pipeline { work: Some(work), desk, reports, task }
        });
        if let Some(work) = &pipeline.work {
            // The task ends early only by a bug, which `poll_next` lets surface.
            let _ = work.send(batch);
        }
    }
}

impl<S, Id> Stream for SendAll<S, Id>
where
    S: Stream<Item = (Id, Subscription, PushMessage)>,
    Id: Unpin,
{
    type Item = (Id, Outcome);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some((number, outcome)) = this.done.next() {
                this.settle();
                if let Some(id) = this.ids.release(number) {
                    return Poll::Ready(Some((id, outcome)));
                }
                continue;
            }
            this.fill(cx);
            if this.ids.is_empty() {
                return if this.items.is_none() { Poll::Ready(None) } else { Poll::Pending };
            }
            let Some(pipeline) = &mut this.pipeline else { return Poll::Pending };
            match pipeline.reports.poll_recv(cx) {
                Poll::Ready(Some(Report { outcomes, parked })) => {
                    this.parked = parked;
                    this.done = outcomes.into_iter();
                }
                Poll::Ready(None) => {
                    let ended = ready!(pipeline.task.poll_unpin(cx));
                    this.ids = Ids::default();
                    this.items = None;
                    this.pipeline = None;
                    return ended_early(ended);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Lets a bug in the pipeline surface here instead of waiting for its outcomes for ever.
fn ended_early<T>(ended: Result<(), JoinError>) -> Poll<Option<T>> {
    if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
        std::panic::resume_unwind(panic);
    }
    // The runtime is being shut down.
    Poll::Ready(None)
}

impl<S, Id> fmt::Debug for SendAll<S, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendAll({} under way)", self.ids.len())
    }
}

/// The ids of messages without an outcome; numbers are used again.
struct Ids<Id> {
    kept: Vec<Option<Id>>,
    free: Vec<usize>,
}

impl<Id> Default for Ids<Id> {
    fn default() -> Self {
        Self { kept: Vec::new(), free: Vec::new() }
    }
}

impl<Id> Ids<Id> {
    fn keep(&mut self, id: Id) -> usize {
        match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.kept.get_mut(number) {
                    *place = Some(id);
                }
                number
            }
            None => {
                self.kept.push(Some(id));
                self.kept.len() - 1
            }
        }
    }

    fn release(&mut self, number: usize) -> Option<Id> {
        let id = self.kept.get_mut(number)?.take()?;
        self.free.push(number);
        Some(id)
    }

    const fn len(&self) -> usize {
        self.kept.len() - self.free.len()
    }

    const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
