//! `MemoryStore`: models in shards of user agents, each behind a lock that is never held across an await.

mod model;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use model::Model;
use push_crypto::Timestamp;

use super::{
    Acceptance, Address, AgentKey, Change, Expired, MessageKey, NewMessage, Owner, Page, QueueQuery,
    Registered, Store, StoreError, StoredMessage, SubscriptionRecord, Updated,
};
use crate::{ids::MessageId, space::SpaceId};

/// Twice the cores of a large machine would not make two senders meet less often in practice (our choice).
const SHARDS: usize = 16;

/// A store that forgets everything when it ends.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    shards: [Mutex<Model>; SHARDS],
    /// Octets of all shards, and of messages that are just being accepted.
    octets: AtomicUsize,
    limit: usize,
}

impl MemoryStore {
    /// A store for at most that many octets of waiting messages.
    pub(crate) fn new(limit: usize) -> Self {
        Self { shards: Default::default(), octets: AtomicUsize::new(0), limit }
    }

    fn shard(&self, of: AgentKey) -> MutexGuard<'_, Model> {
        // Ids end in random bits, so the shards fill evenly.
        let [first, rest @ ..] = &self.shards;
        let at = (of.agent.0 % SHARDS as u128) as usize;
        lock(at.checked_sub(1).and_then(|at| rest.get(at)).unwrap_or(first))
    }

    /// Does something to one shard and keeps the sum of octets.
    fn change<T>(&self, model: &mut Model, reserved: usize, work: impl FnOnce(&mut Model) -> T) -> T {
        let before = model.octets();
        let result = work(model);
        let (after, counted) = (model.octets(), before + reserved);
        if after >= counted {
            self.octets.fetch_add(after - counted, Ordering::Relaxed);
        } else {
            self.octets.fetch_sub(counted - after, Ordering::Relaxed);
        }
        result
    }

    fn reserve(&self, octets: usize) -> Result<(), StoreError> {
        let add = |sum: usize| sum.checked_add(octets).filter(|sum| *sum <= self.limit);
        match self.octets.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Full { limit: self.limit }),
        }
    }
}

fn lock(shard: &Mutex<Model>) -> MutexGuard<'_, Model> {
    // A model is whole after each of its operations, and none of them calls foreign code.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    async fn register(&self, now: Timestamp, record: SubscriptionRecord) -> Result<Registered, StoreError> {
        Ok(self.shard(record.at.owner()).register(now, record))
    }

    async fn update(
        &self,
        now: Timestamp,
        at: &Address,
        change: Change,
    ) -> Result<Option<Updated>, StoreError> {
        let mut shard = self.shard(at.owner());
        Ok(self.change(&mut shard, 0, |model| model.update(now, at, change)))
    }

    async fn unregister(
        &self,
        _now: Timestamp,
        at: &Address,
    ) -> Result<Option<Vec<Arc<StoredMessage>>>, StoreError> {
        let mut shard = self.shard(at.owner());
        Ok(self.change(&mut shard, 0, |model| model.unregister(at)))
    }

    async fn find(
        &self,
        now: Timestamp,
        at: &Address,
    ) -> Result<Option<Arc<SubscriptionRecord>>, StoreError> {
        Ok(self.shard(at.owner()).find(now, at))
    }

    async fn list(
        &self,
        now: Timestamp,
        space: SpaceId,
        page: Page,
    ) -> Result<Vec<Arc<SubscriptionRecord>>, StoreError> {
        let mut all = Vec::new();
        self.shards.iter().for_each(|shard| lock(shard).list(now, space, &mut all));
        all.sort_unstable_by_key(|record| (record.created_at, record.at.subscription));
        let after = page.after.and_then(|id| all.iter().position(|record| record.at.subscription == id));
        Ok(all.into_iter().skip(after.map_or(0, |at| at + 1)).take(page.at_most).collect())
    }

    async fn accept(&self, now: Timestamp, message: NewMessage) -> Result<Acceptance, StoreError> {
        let octets = if message.ttl.is_zero() { 0 } else { message.body.len() };
        self.reserve(octets)?;
        let mut shard = self.shard(message.at.owner());
        Ok(self.change(&mut shard, octets, |model| model.accept(now, message)))
    }

    async fn queue(&self, now: Timestamp, query: QueueQuery) -> Result<Vec<Arc<StoredMessage>>, StoreError> {
        Ok(self.shard(query.of).queue(now, &query))
    }

    async fn acknowledge(
        &self,
        now: Timestamp,
        keys: &[MessageKey],
    ) -> Result<Vec<Arc<StoredMessage>>, StoreError> {
        let mut removed = Vec::with_capacity(keys.len());
        for key in keys {
            let mut shard = self.shard(key.of);
            removed.extend(self.change(&mut shard, 0, |model| model.take(now, key, None)));
        }
        Ok(removed)
    }

    async fn withdraw(
        &self,
        now: Timestamp,
        key: &MessageKey,
        id: MessageId,
    ) -> Result<Option<Arc<StoredMessage>>, StoreError> {
        let mut shard = self.shard(key.of);
        Ok(self.change(&mut shard, 0, |model| model.take(now, key, Some(id))))
    }

    async fn expire(&self, now: Timestamp, space: SpaceId, at_most: usize) -> Result<Expired, StoreError> {
        let mut expired = Expired::default();
        loop {
            // Deadline by deadline, so that the earliest come first whatever shard they are in.
            let next = self.shards.iter().filter_map(|shard| lock(shard).next_deadline(space)).min();
            let left = |expired: &Expired| {
                at_most.saturating_sub(expired.messages.len() + expired.subscriptions.len())
            };
            let Some(deadline) = next.filter(|next| *next <= now && left(&expired) > 0) else {
                expired.next = next;
                return Ok(expired);
            };
            for shard in &self.shards {
                let (mut shard, left) = (lock(shard), left(&expired));
                self.change(&mut shard, 0, |model| model.expire(deadline, space, left, &mut expired));
            }
        }
    }

    async fn drop_all(&self, _now: Timestamp, of: Owner) -> Result<Vec<Arc<StoredMessage>>, StoreError> {
        let mut dropped = Vec::new();
        match of {
            Owner::Agent(agent) => {
                let mut shard = self.shard(agent);
                self.change(&mut shard, 0, |model| model.drop_agent(agent, &mut dropped));
            }
            Owner::Space(space) => {
                for shard in &self.shards {
                    let mut shard = lock(shard);
                    self.change(&mut shard, 0, |model| model.drop_space(space, &mut dropped));
                }
            }
        }
        Ok(dropped)
    }
}
