//! The thread that reads receivers, and the stream that hands them to the client.
//!
//! Reading, claiming and its waiting for the disk go on beside the sending, by at most [`AHEAD`] batches.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread::JoinHandle,
    time::Instant,
    vec,
};

use futures_util::Stream;
use push_client::{
    PushClient, PushMessage, Subscription,
    bulk::{
        input::{Receiver, Seen},
        ledger::{Earlier, Ended, Progress},
    },
    vapid::VapidPublicKey,
};
use push_crypto::{Origin, PushResource};
use tokio::sync::mpsc;

use super::{
    BulkArgs,
    books::Books,
    source::{Line, Receivers},
};
use crate::{
    api::Api,
    commands::{
        encrypt::FormArgs,
        send::{identity::Signer, message::MessageOptions, receivers::is_own},
    },
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    text,
};

/// Messages handed over together (our choice: what the client encrypts together).
const BATCH: usize = 64;
/// Batches read ahead (our choice: a block of the ledger, so that its sync is waited for while the last one is sent).
const AHEAD: usize = 16;
/// Lines claimed together in the ledger: 40 syncs a second in a fast run.
const BLOCK: u64 = 1024;
/// The same with --at-most-once, and messages handed over together: whoever is claimed when a crash comes and was not
/// sent to gets nothing, so few are (our choice: three of these, for a sync each).
const SMALL_BLOCK: u64 = 16;

/// Everything the reading thread shares with the rest.
pub(super) struct Feed {
    pub(super) books: Arc<Mutex<Books>>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) at_most_once: bool,
}

/// A message and whom it is for.
pub(super) type Item = (Ticket, Subscription, PushMessage);

/// What is kept of a receiver until its outcome is known.
pub(super) struct Ticket {
    pub(super) index: u64,
    pub(super) id: Option<Box<str>>,
    pub(super) began: Instant,
    pub(super) endpoint: Option<PushResource>,
}

impl Feed {
    /// Starts the thread; it gives true when it has come to the end of the list.
    pub(super) fn start(
        self,
        receivers: Receivers,
        lines: u64,
        messages: Messages,
    ) -> Result<(Items, JoinHandle<bool>)> {
        let (sender, batches) = mpsc::channel(if self.at_most_once { 1 } else { AHEAD });
        let stop = self.stop.clone();
        let work = move || {
            self.read(receivers, lines, &messages, &sender).unwrap_or_else(|failure| {
                lock(&self.books).failure.get_or_insert(failure);
                self.stop.store(true, Ordering::Relaxed);
                false
            })
        };
        let thread = std::thread::Builder::new().name("push-bulk-input".to_owned());
        let thread = thread.spawn(work).map_err(|error| {
            Diagnostic::new(ExitCode::UNEXPECTED, "thread", "no thread can be started")
                .why(text::io_error(&error))
        })?;
        Ok((Items { batches, current: Vec::new().into_iter(), stop, taken: Arc::default() }, thread))
    }

    fn read(
        &self,
        mut receivers: Receivers,
        lines: u64,
        messages: &Messages,
        sender: &mpsc::Sender<Vec<Item>>,
    ) -> Result<bool> {
        let (progress, wants_endpoints, has_ledger) = {
            let books = lock(&self.books);
            (books.progress().clone(), books.wants_endpoints(), books.has_ledger())
        };
        let fixed = messages.fixed(receivers.fixed_payload());
        let mut seen = Seen::with_capacity(lines);
        let most = if self.at_most_once { SMALL_BLOCK as usize } else { BATCH };
        let mut batch = Vec::with_capacity(most);
        let mut claimed = if has_ledger { 0 } else { u64::MAX };
        while !self.stop.load(Ordering::Relaxed) {
            let line = receivers.next().map_err(|error| {
                Diagnostic::new(ExitCode::UNEXPECTED, "file", "the list cannot be read any further")
                    .why(text::io_error(&error))
                    .fix("run the same command again")
            })?;
            // The file may have grown; the run tells at its end that it was changed.
            let Some(line) = line.filter(|line| line.index() < lines) else {
                return Ok(flush(&mut batch, sender));
            };
            let Some((receiver, message)) = self.receiver(line, &mut seen, &progress, messages, &fixed)
            else {
                continue;
            };
            if receiver.index >= claimed {
                if !flush(&mut batch, sender) {
                    return Ok(false);
                }
                claimed = self.claim(receiver.index, lines)?;
            }
            let Receiver { index, id, subscription, .. } = receiver;
            let endpoint = wants_endpoints.then(|| subscription.endpoint.clone());
            batch.push((Ticket { index, id, began: Instant::now(), endpoint }, subscription, message));
            if batch.len() == most && !flush(&mut batch, sender) {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Somebody to send to, and what; whoever is not is noted.
    fn receiver(
        &self,
        line: Line,
        seen: &mut Seen,
        progress: &Progress,
        messages: &Messages,
        fixed: &PushMessage,
    ) -> Option<(Receiver, PushMessage)> {
        let receiver = match line {
            Line::Reject(reject) => {
                if progress.of(reject.index()) != Earlier::Ended {
                    lock(&self.books).reject(&reject);
                }
                return None;
            }
            Line::Gone(receiver) => {
                seen.insert(&receiver.subscription.endpoint);
                if progress.of(receiver.index) != Earlier::Ended {
                    lock(&self.books).unsent(&receiver, Ended::Gone, "marked gone in the address book");
                }
                return None;
            }
            Line::Receiver(receiver) => receiver,
        };
        let earlier = progress.of(receiver.index);
        let message = messages.of(&receiver, fixed);
        // A line that nothing can be sent to stands in the way of no later one; in every run alike.
        let is_usable = message.as_ref().is_ok_and(|message| messages.suits(&receiver, message));
        let is_new = !is_usable || seen.insert(&receiver.subscription.endpoint);
        let (ended, reason) = match (earlier, message) {
            (Earlier::Ended, _) => return None,
            (_, Err(reason)) => (Ended::Invalid, reason),
            _ if !is_new => (Ended::Duplicate, "an earlier line has the same endpoint".to_owned()),
            (Earlier::Ambiguous, _) if self.at_most_once => {
                (Ended::Ambiguous, "may have been sent before a crash".to_owned())
            }
            (_, Ok(message)) => return Some((receiver, message)),
        };
        lock(&self.books).unsent(&receiver, ended, &reason);
        None
    }

    /// Claims the block of this line, waits for the disk, and gives the first line behind it.
    fn claim(&self, index: u64, lines: u64) -> Result<u64> {
        let block = if self.at_most_once { SMALL_BLOCK } else { BLOCK };
        let end = ((index / block + 1) * block).min(lines);
        let count = u16::try_from(end - index).unwrap_or(u16::MAX);
        let sync = lock(&self.books).claim(index, count)?;
        if let Some(sync) = sync {
            // Not under the lock: outcomes are written meanwhile.
            let synced = sync.run()?;
            lock(&self.books).synced(synced)?;
        }
        Ok(end)
    }
}

/// False when nobody takes messages any more.
fn flush(batch: &mut Vec<Item>, sender: &mpsc::Sender<Vec<Item>>) -> bool {
    if batch.is_empty() {
        return true;
    }
    let full = std::mem::replace(batch, Vec::with_capacity(BATCH));
    sender.blocking_send(full).is_ok()
}

/// A panic elsewhere leaves the books as they were; what they say is still true.
pub(super) fn lock(books: &Mutex<Books>) -> std::sync::MutexGuard<'_, Books> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream of messages; it ends early when the run is to stop.
pub(super) struct Items {
    batches: mpsc::Receiver<Vec<Item>>,
    current: vec::IntoIter<Item>,
    stop: Arc<AtomicBool>,
    /// How many were handed over.
    pub(super) taken: Arc<AtomicU64>,
}

impl Stream for Items {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let this = self.get_mut();
        if this.stop.load(Ordering::Relaxed) {
            // The thread may be waiting for room.
            this.batches.close();
            return Poll::Ready(None);
        }
        loop {
            if let Some((mut ticket, subscription, message)) = this.current.next() {
                ticket.began = Instant::now();
                this.taken.fetch_add(1, Ordering::Relaxed);
                return Poll::Ready(Some((ticket, subscription, message)));
            }
            match this.batches.poll_recv(cx) {
                Poll::Ready(Some(batch)) => this.current = batch.into_iter(),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Makes the message for each receiver.
pub(super) struct Messages {
    client: PushClient,
    options: MessageOptions,
    form: FormArgs,
    keys: Keys,
    has_payload: bool,
    allows_private: bool,
}

/// Which key signs.
enum Keys {
    /// One for all, or none.
    Alike,
    /// The service's own for its own endpoints, another one, if there is one, for the rest.
    Own { service: Origin, own: VapidPublicKey, other: Option<VapidPublicKey> },
}

impl Messages {
    /// `service` is given when its own key is the first of the signers.
    pub(super) fn new(
        args: &BulkArgs,
        client: PushClient,
        signers: &[Signer],
        service: Option<&Api>,
        has_payload: bool,
    ) -> Self {
        let keys = match (service, signers) {
            (Some(api), [own, rest @ ..]) if args.signing.vapid.is_none() => Keys::Own {
                service: api.origin().clone(),
                own: *own.key.public(),
                other: rest.first().map(|other| *other.key.public()),
            },
            _ => Keys::Alike,
        };
        Self {
            client,
            options: args.options.clone(),
            form: args.form.clone(),
            keys,
            has_payload,
            allows_private: args.way.allow_private,
        }
    }

    /// The message for those who have nothing of their own.
    fn fixed(&self, payload: Option<bytes::Bytes>) -> PushMessage {
        self.options.message(payload.filter(|_| self.has_payload), &self.form)
    }

    /// True when the message can be sent to this receiver at all.
    fn suits(&self, receiver: &Receiver, message: &PushMessage) -> bool {
        self.client.check(&receiver.subscription, message).is_ok()
    }

    /// The message for one receiver, or why there is none.
    fn of(&self, receiver: &Receiver, fixed: &PushMessage) -> std::result::Result<PushMessage, String> {
        let mut message = match (&receiver.payload, receiver.ttl) {
            (None, None) => fixed.clone(),
            (payload, ttl) => {
                let ttl = ttl.unwrap_or(self.options.ttl);
                match payload {
                    Some(payload) => self.options.message_for(ttl, Some(payload.clone()), &self.form),
                    None => fixed.clone().ttl(ttl),
                }
            }
        };
        if let Some(topic) = &receiver.topic {
            message = message.topic(topic.clone());
        }
        if let Some(urgency) = receiver.urgency {
            message = message.urgency(urgency);
        }
        match &self.keys {
            Keys::Alike => Ok(message),
            Keys::Own { service, own, other } => {
                let origin = receiver.subscription.endpoint.origin();
                let is_own = is_own(origin, service);
                if origin.is_loopback() && !is_own && !self.allows_private {
                    return Err("it is on this machine, but not the local service's; add --allow-private if you mean it"
                        .to_owned());
                }
                let key = if is_own { Some(own) } else { other.as_ref() };
                let key = key.ok_or_else(|| {
                    "there is no VAPID key for it: the list begins with the local service's own endpoints; \
                     give --vapid FILE or set PUSH_VAPID_PRIVATE_KEY"
                        .to_owned()
                })?;
                Ok(message.application_server_key(*key))
            }
        }
    }
}
