//! `Openings`: messages that wait to be opened at the same time are opened together.
//!
//! Key agreement is most of what a message costs, and costs far less in a batch. Who comes first lets whatever else is
//! ready run once, then opens its own message and those that came in the meantime; there is no timer, and whoever
//! comes alone waits for nobody.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use push_crypto::{
    DecryptError, DecryptJob, Decrypted, Encrypted, UserAgentKeys, decrypt_batch, provider::CryptoProvider,
};
use tokio::sync::oneshot;

use super::{inspect::Opening, state::lock};
use crate::store::SubscriptionRecord;

/// Messages of one batch at most: where the lanes of `p256_ifma` are no faster per message (measured by
/// `cargo bench -p push-crypto`).
const MOST: usize = 64;

/// The messages that wait to be opened.
#[derive(Debug, Default)]
pub(super) struct Openings(Mutex<Waiting>);

/// Invariant: as long as `jobs` is not empty, `is_led` is true and a [`Lead`] exists.
#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    is_led: bool,
}

/// A message that somebody else is to open.
#[derive(Debug)]
struct Job {
    record: Arc<SubscriptionRecord>,
    message: Encrypted,
    answer: oneshot::Sender<Answer>,
}

/// What becomes of a job.
#[derive(Debug)]
enum Answer {
    /// Whoever led is gone, and this one leads now.
    Lead(Encrypted, Lead),
    Opened(Opening),
}

/// The duty to open what waits. Whoever lets go of it passes it on.
#[derive(Debug)]
struct Lead(Arc<Openings>);

impl Openings {
    /// Opens a message with the keys of its subscription; none when it has no keys, or the provider failed.
    ///
    /// Cancel-safe: what others wait for is done by one of them.
    pub(super) async fn open(
        self: &Arc<Self>,
        provider: &CryptoProvider,
        record: &Arc<SubscriptionRecord>,
        message: Encrypted,
    ) -> Option<Opening> {
        record.keys()?;
        match self.enter(record, message) {
            Ok((message, lead)) => lead.open(provider, record, message).await,
            Err(answer) => match answer.await.ok()? {
                Answer::Lead(message, lead) => lead.open(provider, record, message).await,
                Answer::Opened(opening) => Some(opening),
            },
        }
    }

    /// The lead, where nobody has it, or what is to be waited for.
    fn enter(
        self: &Arc<Self>,
        record: &Arc<SubscriptionRecord>,
        message: Encrypted,
    ) -> Result<(Encrypted, Lead), oneshot::Receiver<Answer>> {
        let mut waiting = lock(&self.0);
        if !waiting.is_led {
            waiting.is_led = true;
            return Ok((message, Lead(Arc::clone(self))));
        }
        let (answer, receiver) = oneshot::channel();
        waiting.jobs.push_back(Job { record: Arc::clone(record), message, answer });
        Err(receiver)
    }

    /// Jobs that somebody still waits for, oldest first, at most so many.
    fn take(&self, most: usize) -> Vec<Job> {
        let mut waiting = lock(&self.0);
        let mut taken = Vec::with_capacity(most.min(waiting.jobs.len()));
        while taken.len() < most
            && let Some(job) = waiting.jobs.pop_front()
        {
            if !job.answer.is_closed() {
                taken.push(job);
            }
        }
        taken
    }
}

impl Lead {
    async fn open(
        self,
        provider: &CryptoProvider,
        record: &Arc<SubscriptionRecord>,
        message: Encrypted,
    ) -> Option<Opening> {
        tokio::task::yield_now().await;
        let others = self.0.take(MOST - 1);
        // Others may lead on while this batch is computed.
        drop(self);
        let own = open_all(provider, record.keys()?, &message, &others);
        let mut results = own.into_iter();
        let result = results.next()?;
        for (Job { message, answer, .. }, result) in others.into_iter().zip(results) {
            // Nobody waits any more when this fails.
            let _ = answer.send(Answer::Opened(Opening { message, result }));
        }
        Some(Opening { message, result })
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let next = self.0.take(1).pop().or_else(|| {
            let mut waiting = lock(&self.0.0);
            // Somebody may have come since.
            let next = waiting.jobs.pop_front();
            waiting.is_led = next.is_some();
            next
        });
        if let Some(Job { message, answer, .. }) = next {
            // If it is gone, what comes back is dropped here, and passed on again.
            let _ = answer.send(Answer::Lead(message, Self(Arc::clone(&self.0))));
        }
    }
}

/// Results of the first message and of the others, in order; nothing when the provider failed.
fn open_all(
    provider: &CryptoProvider,
    keys: &UserAgentKeys,
    message: &Encrypted,
    others: &[Job],
) -> Vec<Result<Decrypted, DecryptError>> {
    let first = DecryptJob { keys, message };
    let others =
        others.iter().filter_map(|job| Some(DecryptJob { keys: job.record.keys()?, message: &job.message }));
    let jobs: Vec<_> = std::iter::once(first).chain(others).collect();
    let mut results = Vec::with_capacity(jobs.len());
    match decrypt_batch(provider, &jobs, &mut results) {
        Ok(()) => results,
        Err(error) => {
            tracing::warn!(%error, "messages were not opened together");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
