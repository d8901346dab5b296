//! `conduct`: the task that moves the messages of one run along, from being taken to their outcome.
//!
//! It owns every queue and window, so nothing here is locked. Encryption is done elsewhere, by threads that may
//! block; requests are futures that this task polls.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use push_crypto::{Origin, Timestamp};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use super::{
    BATCH, BulkOptions,
    batch::{self, Batch, Work, Works},
    desk::Desk,
    fair::Turns,
    queue::{Cause, Frozen, Queue},
    rate::Rate,
    window::Round,
};
use crate::{
    client::{Parcel, PushClient, Signal, Verdict, invalid_outcome},
    origins::AtOrigin,
    outcome::Outcome,
    proto::budget::Admission,
};

/// Failed probes of a breaker in a row after which an origin's messages no longer wait (1 + 2 + 4 + 8 s; our choice).
const PROBES: u32 = 4;
/// The same while nothing else can be sent and the list is not at its end, so that an outage of everything does not use
/// the list up: it waits (our choice: about 5 min, 36 more times 8 s).
const PROBES_ALONE: u32 = 40;
/// Most origins whose queues are kept after they have nothing left (our choice: more than there are push services).
const QUEUES: usize = 4096;

/// What happened since the last report.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) outcomes: Vec<(usize, Outcome)>,
    /// Messages that wait for an origin which takes no more now: others may be taken meanwhile.
    pub(crate) parked: usize,
}

/// One request that has ended.
struct Landed {
    queue: usize,
    round: Round,
    latency: Duration,
    work: Box<Work>,
    verdict: Verdict,
    signal: Signal,
}

/// Where a request goes, and what is remembered for its end.
struct Flight {
    client: PushClient,
    at: Arc<AtOrigin>,
    queue: usize,
    round: Round,
    work: Box<Work>,
    now: Timestamp,
}

/// Moves messages along until all that came in have an outcome and no more can come.
pub(crate) async fn conduct(
    client: PushClient,
    options: BulkOptions,
    items: UnboundedReceiver<Works>,
    reports: UnboundedSender<Report>,
    desk: Arc<Desk>,
) {
    let rate = options.rate.map(|rate| Rate::new(rate, client.now()));
    let mut conductor = Conductor {
        options,
        items: Some(items),
        reports,
        desk,
        report: Report::default(),
        reported: 0,
        queues: Vec::new(),
        by_origin: HashMap::new(),
        to_seal: Turns::default(),
        to_send: Turns::default(),
        sealing: FuturesUnordered::new(),
        flights: FuturesUnordered::new(),
        launch: fly,
        threads: thread::available_parallelism().map_or(1, usize::from),
        parked: 0,
        sendable: 0,
        open: 0,
        rate,
        alarms: BinaryHeap::new(),
        alarm: None,
        client,
    };
    poll_fn(|cx| conductor.poll(cx)).await;
}

async fn fly(flight: Flight) -> Landed {
    let Flight { client, at, queue, round, mut work, now } = flight;
    let begun = Instant::now();
    let Work { subscription, message, attempts, sealed, .. } = &mut *work;
    let parcel = Parcel { at: &at, endpoint: &subscription.endpoint, message, sealed: sealed.as_ref() };
    let (verdict, signal) = client.try_once(parcel, attempts, now).await;
    Landed { queue, round, latency: begun.elapsed(), work, verdict, signal }
}

type Alarm = (Timestamp, Pin<Box<dyn Future<Output = ()> + Send>>);

struct Conductor<F, L> {
    client: PushClient,
    options: BulkOptions,
    /// `None` once no more can come.
    items: Option<UnboundedReceiver<Works>>,
    reports: UnboundedSender<Report>,
    desk: Arc<Desk>,
    report: Report,
    /// The number of parked messages that was reported last.
    reported: usize,
    queues: Vec<Queue>,
    by_origin: HashMap<Origin, usize>,
    to_seal: Turns,
    to_send: Turns,
    sealing: FuturesUnordered<JoinHandle<(Vec<usize>, Batch)>>,
    flights: FuturesUnordered<F>,
    launch: L,
    threads: usize,
    /// Sums of what the queues contribute.
    parked: usize,
    sendable: usize,
    /// Messages without an outcome.
    open: usize,
    rate: Option<Rate>,
    /// When a queue is to be looked at.
    alarms: BinaryHeap<Reverse<(Timestamp, usize)>>,
    alarm: Option<Alarm>,
}

impl<F, L> Conductor<F, L>
where
    F: Future<Output = Landed>,
    L: Fn(Flight) -> F,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.desk.watch(cx.waker());
        loop {
            let now = self.client.now();
            // First the sign, then the items: none comes after it.
            let stopping = self.desk.is_stopping();
            let mut moved = self.receive(cx, now);
            moved |= self.land(cx, now);
            moved |= self.unpack(cx, now);
            if stopping {
                self.give_back();
            }
            let (sent, tokens_at) = self.send(now);
            moved |= sent;
            moved |= self.seal(now);
            moved |= self.watch_time(cx, tokens_at);
            if !moved {
                break;
            }
        }
        self.tell();
        if self.items.is_none() && self.open == 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes what was handed over, and sorts it by origin.
    fn receive(&mut self, cx: &mut Context<'_>, now: Timestamp) -> bool {
        let mut moved = false;
        while let Some(items) = &mut self.items {
            match items.poll_recv(cx) {
                Poll::Ready(Some(batch)) => {
                    moved = true;
                    self.open += batch.len();
                    for work in batch {
                        self.admit(work, now);
                    }
                }
                Poll::Ready(None) => {
                    self.items = None;
                    moved = true;
                }
                Poll::Pending => break,
            }
        }
        moved
    }

    fn admit(&mut self, mut work: Box<Work>, now: Timestamp) {
        let index = self.index(work.subscription.endpoint.origin(), now);
        let held = self.queues.get(index).and_then(Queue::frozen);
        if let Some(Frozen { until, status, .. }) = held
            && let Some(outcome) = work.attempts.hold(until, status, now)
        {
            return self.finish(work.number, outcome);
        }
        self.change(index, |queue| queue.waiting.push_back(work));
    }

    /// The queue of this origin, made at its first use.
    fn index(&mut self, origin: &Origin, now: Timestamp) -> usize {
        if let Some(index) = self.by_origin.get(origin) {
            return *index;
        }
        let new = Queue::new(self.client.at(origin, now), self.most_per_origin());
        // Over the bound the place of a queue with nothing left is taken: what it had learnt is lost.
        let idle =
            (self.queues.len() >= QUEUES).then(|| self.queues.iter().position(Queue::is_idle)).flatten();
        let index = match idle.and_then(|index| Some((index, self.queues.get_mut(index)?))) {
            Some((index, place)) => {
                self.by_origin.remove(&place.at.origin);
                *place = new;
                index
            }
            None => {
                self.queues.push(new);
                self.queues.len() - 1
            }
        };
        self.by_origin.insert(origin.clone(), index);
        index
    }

    fn most_per_origin(&self) -> usize {
        self.options.per_origin.min(self.options.max_in_flight)
    }

    /// Changes a queue, and keeps the sums and the turns right.
    fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Queue) -> T) -> Option<T> {
        let queue = self.queues.get_mut(index)?;
        let before = queue.share();
        let result = change(queue);
        let after = queue.share();
        self.parked = self.parked + after.parked - before.parked;
        self.sendable = self.sendable + after.sendable - before.sendable;
        if queue.can_seal() {
            self.to_seal.join(index);
        }
        if queue.can_send() {
            self.to_send.join(index);
        }
        Some(result)
    }

    /// Takes the requests that have ended.
    fn land(&mut self, cx: &mut Context<'_>, now: Timestamp) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some(landed)) = self.flights.poll_next_unpin(cx) {
            moved = true;
            self.touch_down(landed, now);
        }
        moved
    }

    fn touch_down(&mut self, landed: Landed, now: Timestamp) {
        let Landed { queue: index, round, latency, work, verdict, signal } = landed;
        let mut alarm = None;
        let lost = self.change(index, |queue| {
            queue.in_flight -= 1;
            match signal {
                Signal::Accepted => queue.window.accepted(round, latency),
                Signal::Answered => queue.window.answered(round, latency),
                Signal::Failed | Signal::Throttled { .. } => queue.window.congested(round),
                Signal::None => {}
            }
            match signal {
                Signal::Accepted | Signal::Answered => queue.close_breaker(),
                Signal::Throttled { status, until: Some(until) } => {
                    alarm = Some(until);
                    let asked = Frozen { until, status: Some(status), cause: Cause::Asked };
                    return queue.freeze(asked, now);
                }
                _ => {}
            }
            Vec::new()
        });
        self.set_alarm(index, alarm);
        for (number, outcome) in lost.into_iter().flatten() {
            self.finish(number, outcome);
        }
        self.follow(index, work, verdict, now);
    }

    /// Does what follows from a request.
    fn follow(&mut self, index: usize, work: Box<Work>, verdict: Verdict, now: Timestamp) {
        match verdict {
            Verdict::Done(outcome) => self.finish(work.number, outcome),
            Verdict::Again => {
                self.change(index, |queue| queue.ready.push_front(work));
            }
            Verdict::RetryAt(_) if self.desk.is_stopping() => {
                self.finish(work.number, work.attempts.stopped());
            }
            Verdict::RetryAt(at) => {
                let Some(queue) = self.queues.get(index) else { return };
                match self.client.spend(&queue.at, &work.attempts, now) {
                    None => {
                        self.change(index, |queue| queue.put_off(work, at));
                        self.set_alarm(index, Some(at));
                    }
                    Some(outcome) => self.finish(work.number, outcome),
                }
            }
        }
    }

    /// Ends everything that is neither under way nor being encrypted.
    fn give_back(&mut self) {
        for index in 0..self.queues.len() {
            for work in self.change(index, Queue::empty).into_iter().flatten() {
                self.finish(work.number, work.attempts.stopped());
            }
        }
    }

    fn finish(&mut self, number: usize, outcome: Outcome) {
        self.desk.put();
        self.open -= 1;
        self.report.outcomes.push((number, outcome));
    }

    fn set_alarm(&mut self, index: usize, at: Option<Timestamp>) {
        self.alarms.extend(at.map(|at| Reverse((at, index))));
    }

    /// Takes the batches that are encrypted. A bug there surfaces here.
    fn unpack(&mut self, cx: &mut Context<'_>, now: Timestamp) -> bool {
        let mut moved = false;
        while let Poll::Ready(Some(done)) = self.sealing.poll_next_unpin(cx) {
            moved = true;
            match done {
                Ok((indices, batch)) => self.spread(&indices, batch, now),
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        moved
    }

    fn spread(&mut self, indices: &[usize], batch: Batch, now: Timestamp) {
        for (index, (mut work, result)) in indices.iter().zip(batch) {
            let endpoint = &work.subscription.endpoint;
            let outcome = match result {
                Ok(()) => {
                    let frozen = self.queues.get(*index).and_then(Queue::frozen);
                    frozen.and_then(|Frozen { until, status, .. }| work.attempts.hold(until, status, now))
                }
                Err(invalid) => {
                    let ended = self.client.known_end(endpoint);
                    Some(ended.unwrap_or_else(|| invalid_outcome(endpoint, invalid)))
                }
            };
            let number = work.number;
            self.change(*index, |queue| {
                queue.sealing -= 1;
                if outcome.is_none() {
                    queue.ready.push_back(work);
                }
            });
            if let Some(outcome) = outcome {
                self.finish(number, outcome);
            }
        }
    }

    /// Sends what may go, in turn; and tells when there will be a token, if that is what is missing.
    fn send(&mut self, now: Timestamp) -> (bool, Option<Timestamp>) {
        let mut moved = false;
        while self.desk.has_room(self.flights.len(), self.options.max_in_flight.max(1)) {
            let Some(index) = self.to_send.next() else { break };
            if !self.queues.get(index).is_some_and(Queue::can_send) {
                continue;
            }
            if let Some(Err(at)) = self.rate.as_mut().map(|rate| rate.take(now)) {
                self.to_send.join(index);
                return (moved, Some(at));
            }
            moved = true;
            self.send_one(index, now);
        }
        (moved, None)
    }

    fn send_one(&mut self, index: usize, now: Timestamp) {
        let Some(work) = self.change(index, |queue| queue.ready.pop_front()).flatten() else { return };
        let Some(queue) = self.queues.get(index) else { return };
        if work.attempts.is_fresh()
            && let Some(ended) = self.client.known_end(&work.subscription.endpoint)
        {
            return self.finish(work.number, ended);
        }
        let at = Arc::clone(&queue.at);
        match self.client.admit(&at, &work.attempts, now) {
            Admission::Go => {
                let client = self.client.clone();
                let round = queue.window.round();
                self.flights.push((self.launch)(Flight { client, at, queue: index, round, work, now }));
                self.change(index, |queue| queue.in_flight += 1);
            }
            Admission::Wait { until, status } => self.wait_for_probe(index, work, (until, status), now),
        }
    }

    /// The breaker is open: the origin waits for its probe, and the message with it.
    fn wait_for_probe(
        &mut self,
        index: usize,
        mut work: Box<Work>,
        (until, status): (Timestamp, Option<u16>),
        now: Timestamp,
    ) {
        let failed = self.queues.get(index).map(|queue| queue.at.with(|learnt| learnt.gate.failed_probes()));
        let patience = if self.is_alone(index) { PROBES_ALONE } else { PROBES };
        if failed.is_some_and(|probes| probes >= patience) {
            let outcome = work.attempts.abandon(until, status);
            return self.finish(work.number, outcome);
        }
        let lost = self.change(index, |queue| {
            queue.ready.push_front(work);
            queue.freeze(Frozen { until, status, cause: Cause::Breaker }, now)
        });
        self.set_alarm(index, Some(until));
        for (number, outcome) in lost.into_iter().flatten() {
            self.finish(number, outcome);
        }
    }

    /// True while more is to come and no other origin that has messages works: waiting keeps nobody up.
    fn is_alone(&self, index: usize) -> bool {
        let others = || self.queues.iter().enumerate().filter(|(at, _)| *at != index);
        self.items.is_some() && !others().any(|(_, queue)| queue.is_working())
    }

    /// Has the next batch encrypted, if a thread is free and not enough is ready.
    ///
    /// A batch is not full only when no more is there, and then only when the connections would fall idle.
    fn seal(&mut self, now: Timestamp) -> bool {
        let mut moved = false;
        while self.sealing.len() < self.threads && self.sendable < 2 * BATCH {
            let (mut indices, mut batch) = (Vec::new(), Vec::new());
            while batch.len() < BATCH
                && let Some(index) = self.to_seal.next()
            {
                if self.queues.get(index).is_some_and(Queue::can_seal)
                    && let Some(work) = self
                        .change(index, |queue| {
                            queue.sealing += 1;
                            queue.waiting.pop_front()
                        })
                        .flatten()
                {
                    indices.push(index);
                    batch.push(work);
                }
            }
            if batch.is_empty() {
                break;
            }
            moved = true;
            if batch::has_payload(&batch) {
                let client = self.client.clone();
                self.sealing.push(spawn_blocking(move || (indices, batch::seal(&client, batch))));
            } else {
                let batch = batch::seal(&self.client, batch);
                self.spread(&indices, batch, now);
            }
        }
        moved
    }

    /// Thaws what is due, and sleeps until the next instant that matters.
    fn watch_time(&mut self, cx: &mut Context<'_>, tokens_at: Option<Timestamp>) -> bool {
        let now = self.client.now();
        let mut moved = false;
        while let Some(Reverse((at, index))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            self.change(index, |queue| queue.thaw(now));
            moved = true;
        }
        let next = self.alarms.peek().map(|Reverse((at, _))| *at).into_iter().chain(tokens_at).min();
        let Some(next) = next else {
            self.alarm = None;
            return moved;
        };
        let (_, sleep) = match &mut self.alarm {
            Some(alarm) if alarm.0 == next => alarm,
            alarm => {
                let client = self.client.clone();
                alarm.insert((next, async move { client.wait_until(next).await }.boxed()))
            }
        };
        if sleep.poll_unpin(cx).is_ready() {
            self.alarm = None;
            moved = true;
        }
        moved
    }

    /// Reports outcomes, and how many messages are parked if that has changed.
    fn tell(&mut self) {
        let parked = self.parked.min(self.options.parked);
        if self.report.outcomes.is_empty() && parked == self.reported {
            return;
        }
        self.reported = parked;
        let outcomes = std::mem::take(&mut self.report.outcomes);
        // Nobody listens any more when the stream was dropped; then this task is being stopped too.
        let _ = self.reports.send(Report { outcomes, parked });
    }
}
