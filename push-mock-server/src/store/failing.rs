//! A store for tests that fails when it is told to, before it does anything.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use push_crypto::Timestamp;

use super::{
    Acceptance, Address, Change, Expired, MemoryStore, MessageKey, NewMessage, Owner, Page, QueueQuery,
    Registered, Store, StoreError, StoredMessage, SubscriptionRecord, Updated,
};
use crate::{ids::MessageId, space::SpaceId};

/// Every `every`-th call fails; 0: none.
#[derive(Debug)]
pub(crate) struct FailingStore {
    inner: MemoryStore,
    pub(crate) every: Arc<AtomicUsize>,
    calls: AtomicUsize,
}

impl FailingStore {
    pub(crate) fn new(every: Arc<AtomicUsize>) -> Self {
        Self { inner: MemoryStore::new(usize::MAX), every, calls: AtomicUsize::new(0) }
    }

    fn call(&self) -> Result<&MemoryStore, StoreError> {
        let every = self.every.load(Ordering::Relaxed);
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if every > 0 && call.is_multiple_of(every) { Err(StoreError::Unavailable) } else { Ok(&self.inner) }
    }
}

impl Store for FailingStore {
    async fn register(&self, now: Timestamp, record: SubscriptionRecord) -> Result<Registered, StoreError> {
        self.call()?.register(now, record).await
    }
    async fn update(
        &self,
        now: Timestamp,
        at: &Address,
        change: Change,
    ) -> Result<Option<Updated>, StoreError> {
        self.call()?.update(now, at, change).await
    }
    async fn unregister(
        &self,
        now: Timestamp,
        at: &Address,
    ) -> Result<Option<Vec<Arc<StoredMessage>>>, StoreError> {
        self.call()?.unregister(now, at).await
    }
    async fn find(
        &self,
        now: Timestamp,
        at: &Address,
    ) -> Result<Option<Arc<SubscriptionRecord>>, StoreError> {
        self.call()?.find(now, at).await
    }
    async fn list(
        &self,
        now: Timestamp,
        space: SpaceId,
        page: Page,
    ) -> Result<Vec<Arc<SubscriptionRecord>>, StoreError> {
        self.call()?.list(now, space, page).await
    }
    async fn accept(&self, now: Timestamp, message: NewMessage) -> Result<Acceptance, StoreError> {
        self.call()?.accept(now, message).await
    }
    async fn queue(&self, now: Timestamp, query: QueueQuery) -> Result<Vec<Arc<StoredMessage>>, StoreError> {
        self.call()?.queue(now, query).await
    }
    async fn acknowledge(
        &self,
        now: Timestamp,
        keys: &[MessageKey],
    ) -> Result<Vec<Arc<StoredMessage>>, StoreError> {
        self.call()?.acknowledge(now, keys).await
    }
    async fn withdraw(
        &self,
        now: Timestamp,
        key: &MessageKey,
        id: MessageId,
    ) -> Result<Option<Arc<StoredMessage>>, StoreError> {
        self.call()?.withdraw(now, key, id).await
    }
    async fn expire(&self, now: Timestamp, space: SpaceId, at_most: usize) -> Result<Expired, StoreError> {
        self.call()?.expire(now, space, at_most).await
    }
    async fn drop_all(&self, now: Timestamp, of: Owner) -> Result<Vec<Arc<StoredMessage>>, StoreError> {
        self.call()?.drop_all(now, of).await
    }
}
