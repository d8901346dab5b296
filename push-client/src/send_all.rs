//! `SendAll`: many messages at once, outcomes in the order of completion.
//!
//! What is ready together is encrypted together, in tasks of its own, so that a runtime with several threads uses
//! them all. Memory is bounded by the messages under way, not by the number of recipients.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::{StreamExt, stream::FuturesUnordered};
use push_crypto::{EncryptJob, EncryptOptions, Subscription};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use crate::{
    client::{PushClient, invalid, invalid_outcome},
    message::PushMessage,
    outcome::{Invalid, Outcome},
    proto::request::Sealed,
};

/// Messages encrypted together (measured: more gains nothing, and delays the first).
const BATCH: usize = 64;

/// The stream that [`PushClient::send_all`] returns.
///
/// Dropping it stops everything that is under way.
#[must_use = "nothing is sent unless the stream is polled"]
pub struct SendAll<S, Id> {
    client: PushClient,
    items: Option<Pin<Box<S>>>,
    ids: HashMap<u64, Id>,
    next: u64,
    tasks: JoinSet<()>,
    done: UnboundedReceiver<(u64, Outcome)>,
    report: UnboundedSender<(u64, Outcome)>,
}

struct Item {
    number: u64,
    subscription: Subscription,
    message: PushMessage,
}

impl PushClient {
    /// Sends every message of a stream, [`max_in_flight`](crate::ClientLimits::max_in_flight) at once, and gives
    /// each outcome with its id as soon as it is known.
    ///
    /// Items are taken no faster than they are sent. It must be polled within a tokio runtime.
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
        let (report, done) = unbounded_channel();
        SendAll {
            client: self.clone(),
            items: Some(Box::pin(items)),
            ids: HashMap::new(),
            next: 0,
            tasks: JoinSet::new(),
            done,
            report,
        }
    }
}

impl<S, Id> SendAll<S, Id>
where
    S: Stream<Item = (Id, Subscription, PushMessage)>,
{
    /// Takes what is ready, up to the bound, and starts it in batches.
    fn fill(&mut self, cx: &mut Context<'_>) {
        let most = self.client.limits().max_in_flight.max(1);
        // A full pipeline is refilled in batches, not one by one.
        let refill = (most / 8).clamp(1, BATCH);
        if !self.ids.is_empty() && most.saturating_sub(self.ids.len()) < refill {
            return;
        }
        while self.ids.len() < most {
            let room = (most - self.ids.len()).min(BATCH);
            let batch = self.take(room, cx);
            let taken = batch.len();
            if taken > 0 {
                let work = send_batch(self.client.clone(), batch, self.report.clone());
                self.tasks.spawn(work);
            }
            if taken < room {
                return;
            }
        }
    }

    fn take(&mut self, room: usize, cx: &mut Context<'_>) -> Vec<Item> {
        let mut batch = Vec::new();
        while let Some(items) = self.items.as_mut().filter(|_| batch.len() < room) {
            match items.as_mut().poll_next(cx) {
                Poll::Ready(Some((id, subscription, message))) => {
                    let number = self.next;
                    self.next += 1;
                    self.ids.insert(number, id);
                    batch.push(Item { number, subscription, message });
                }
                Poll::Ready(None) => self.items = None,
                Poll::Pending => break,
            }
        }
        batch
    }

    /// Lets a bug in a batch surface here instead of waiting for its outcomes for ever.
    fn reap(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
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
        this.fill(cx);
        this.reap(cx);
        if this.ids.is_empty() {
            return if this.items.is_none() { Poll::Ready(None) } else { Poll::Pending };
        }
        // The channel stays open, since `report` is kept here.
        let Some((number, outcome)) = ready!(this.done.poll_recv(cx)) else { return Poll::Ready(None) };
        match this.ids.remove(&number) {
            Some(id) => Poll::Ready(Some((id, outcome))),
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl<S, Id> fmt::Debug for SendAll<S, Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SendAll({} under way)", self.ids.len())
    }
}

/// Encrypts a batch and sends its messages at once.
async fn send_batch(client: PushClient, batch: Vec<Item>, report: UnboundedSender<(u64, Outcome)>) {
    let sealed = seal(&client, &batch);
    let mut under_way: FuturesUnordered<_> = batch
        .iter()
        .zip(sealed)
        .map(|(item, sealed)| {
            let client = &client;
            async move {
                let endpoint = &item.subscription.endpoint;
                let outcome = match sealed {
                    Ok(sealed) => client.deliver(endpoint, &item.message, sealed.as_ref()).await,
                    Err(invalid) => {
                        client.known_end(endpoint).unwrap_or_else(|| invalid_outcome(endpoint, invalid))
                    }
                };
                (item.number, outcome)
            }
        })
        .collect();
    while let Some(done) = under_way.next().await {
        // Nobody listens any more when the stream was dropped; then this task is being stopped too.
        let _ = report.send(done);
    }
}

/// One result per item, in order. Items with the same options are encrypted together.
fn seal(client: &PushClient, batch: &[Item]) -> Vec<Result<Option<Sealed>, Invalid>> {
    let mut sealed: Vec<Result<Option<Sealed>, Invalid>> = Vec::with_capacity(batch.len());
    let mut groups: Vec<(EncryptOptions, Vec<usize>)> = Vec::new();
    for (at, item) in batch.iter().enumerate() {
        match client.plan(&item.subscription, &item.message) {
            Ok(Some(options)) => {
                match groups.iter_mut().find(|(of_group, _)| *of_group == options) {
                    Some((_, members)) => members.push(at),
                    None => groups.push((options, vec![at])),
                }
                sealed.push(Ok(None));
            }
            Ok(None) => sealed.push(Ok(None)),
            Err(invalid) => sealed.push(Err(invalid)),
        }
    }
    for (options, members) in groups {
        let jobs: Vec<_> = members
            .iter()
            .filter_map(|at| {
                let Item { subscription, message, .. } = batch.get(*at)?;
                Some(EncryptJob { keys: subscription.keys.as_ref()?, plaintext: message.payload.as_ref()? })
            })
            .collect();
        let mut results = Vec::with_capacity(jobs.len());
        let made = push_crypto::encrypt_batch(client.provider(), &options, &jobs, &mut results);
        let mut results = results.into_iter();
        for at in members {
            let result = match (made, results.next()) {
                (Ok(()), Some(result)) => {
                    result.map(|encrypted| Some(Sealed::from(encrypted))).map_err(invalid)
                }
                _ => Err(Invalid::Provider),
            };
            if let Some(place) = sealed.get_mut(at) {
                *place = result;
            }
        }
    }
    sealed
}
