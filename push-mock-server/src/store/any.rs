//! `AnyStore`: the stores that can be chosen, as one type, so that the service is not generic.

use std::sync::Arc;

use push_crypto::Timestamp;

#[cfg(test)]
use super::failing::FailingStore;
use super::{
    Acceptance, Address, Change, Expired, MemoryStore, MessageKey, NewMessage, Owner, Page, QueueQuery,
    Registered, Store, StoreError, StoredMessage, SubscriptionRecord, Updated,
};
use crate::{ids::MessageId, space::SpaceId};

/// One of the stores.
#[derive(Debug)]
pub(crate) enum AnyStore {
    Memory(MemoryStore),
    #[cfg(test)]
    Failing(FailingStore),
}

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Store for AnyStore {
            $(async fn $name(&self, now: Timestamp, $($argument: $type),*) -> Result<$result, StoreError> {
                match self {
                    Self::Memory(store) => store.$name(now, $($argument),*).await,
                    #[cfg(test)]
                    Self::Failing(store) => store.$name(now, $($argument),*).await,
                }
            })+
        }
    };
}

forward! {
    register(record: SubscriptionRecord) -> Registered;
    update(at: &Address, change: Change) -> Option<Updated>;
    unregister(at: &Address) -> Option<Vec<Arc<StoredMessage>>>;
    find(at: &Address) -> Option<Arc<SubscriptionRecord>>;
    list(space: SpaceId, page: Page) -> Vec<Arc<SubscriptionRecord>>;
    accept(message: NewMessage) -> Acceptance;
    queue(query: QueueQuery) -> Vec<Arc<StoredMessage>>;
    acknowledge(keys: &[MessageKey]) -> Vec<Arc<StoredMessage>>;
    withdraw(key: &MessageKey, id: MessageId) -> Option<Arc<StoredMessage>>;
    expire(space: SpaceId, at_most: usize) -> Expired;
    drop_all(of: Owner) -> Vec<Arc<StoredMessage>>;
}
