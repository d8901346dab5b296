//! `Work` and its encryption: messages that are taken together are encrypted together, whatever their origin.

use push_crypto::{EncryptJob, EncryptOptions, Subscription};

use crate::{
    client::{PushClient, invalid},
    message::PushMessage,
    outcome::Invalid,
    proto::{Attempts, request::Sealed},
};

/// One message of a run.
pub(crate) struct Work {
    /// The caller's number for it.
    pub(crate) number: usize,
    pub(crate) subscription: Subscription,
    pub(crate) message: PushMessage,
    pub(crate) attempts: Attempts,
    /// `None` for a tickle, and before encryption.
    pub(crate) sealed: Option<Sealed>,
}

/// Messages that are handed over together, as pointers: a message goes from list to list many times.
pub(crate) type Works = Vec<Box<Work>>;

/// A batch after encryption: a message that could not be encrypted never touches the others.
pub(crate) type Batch = Vec<(Box<Work>, Result<(), Invalid>)>;

/// True when something in it has to be encrypted.
pub(crate) fn has_payload(batch: &[Box<Work>]) -> bool {
    batch.iter().any(|work| work.message.payload.is_some())
}

/// Encrypts what has a payload; messages with the same options together.
pub(crate) fn seal(client: &PushClient, batch: Works) -> Batch {
    let mut groups: Vec<(EncryptOptions, Vec<usize>)> = Vec::new();
    let mut batch: Batch = batch.into_iter().map(|work| (work, Ok(()))).collect();
    for (at, (work, result)) in batch.iter_mut().enumerate() {
        match client.plan(&work.subscription, &work.message) {
            Ok(Some(options)) => match groups.iter_mut().find(|(of_group, _)| *of_group == options) {
                Some((_, members)) => members.push(at),
                None => groups.push((options, vec![at])),
            },
            Ok(None) => {}
            Err(invalid) => *result = Err(invalid),
        }
    }
    for (options, members) in groups {
        let jobs: Vec<_> = members.iter().filter_map(|at| job(&batch.get(*at)?.0)).collect();
        let mut results = Vec::with_capacity(jobs.len());
        let made = push_crypto::encrypt_batch(client.provider(), &options, &jobs, &mut results);
        let mut results = results.into_iter();
        for at in members {
            let Some((work, result)) = batch.get_mut(at) else { continue };
            match (made, results.next()) {
                (Ok(()), Some(Ok(encrypted))) => work.sealed = Some(Sealed::from(encrypted)),
                (Ok(()), Some(Err(error))) => *result = Err(invalid(error)),
                _ => *result = Err(Invalid::Provider),
            }
        }
    }
    batch
}

fn job(work: &Work) -> Option<EncryptJob<'_>> {
    let (keys, plaintext) = (work.subscription.keys.as_ref()?, work.message.payload.as_ref()?);
    Some(EncryptJob { keys, plaintext })
}
