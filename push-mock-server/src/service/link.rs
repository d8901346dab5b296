//! What passes from the service to the connection of a browser.

use std::sync::Arc;

use bytes::Bytes;
use push_crypto::{Timestamp, Ttl};
use tokio::sync::{Notify, mpsc};

use crate::store::{Channel, Coded, StoredMessage};

/// The service's end of a connection. Messages are not passed through it: the connection takes them from the window of
/// its user agent, so that nothing piles up for one that reads slowly.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) epoch: u64,
    /// It has been greeted, so messages may follow.
    pub(super) open: bool,
    /// There is something in the window.
    pub(super) wake: Arc<Notify>,
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

/// What a connection is told beside its messages; tests and the end of things send these, so they are few.
#[derive(Debug)]
pub(super) enum Order {
    /// A test wants it sent once more, whether it is still on its way or not.
    Again(Arc<Handed>),
    Close(Closing),
}

/// What a connection does next.
#[derive(Clone, Debug)]
pub(crate) enum ToAgent {
    Message(Arc<Handed>),
    Close(Closing),
}

/// Why and how a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// A test asked for this close code.
    Code(u16),
    /// A test asked for a reset.
    Reset,
    /// A test asked for an end without a word.
    Fin,
    /// A newer connection of the same user agent is there.
    Replaced,
    /// The user agent was switched off.
    Offline,
    /// The service ends.
    Shutdown,
}

/// A message on its way to a browser.
#[derive(Debug)]
pub(crate) struct Handed {
    /// Unique, and the same when it comes again.
    pub(crate) version: String,
    pub(crate) channel: Arc<Channel>,
    pub(crate) body: Bytes,
    /// None for a tickle.
    pub(crate) coded: Option<Coded>,
    pub(crate) ttl: Ttl,
    /// Simulated time of acceptance.
    pub(crate) sent: Timestamp,
    pub(crate) topic: Option<String>,
}

impl Handed {
    pub(super) fn new(channel: &Arc<Channel>, message: &StoredMessage) -> Self {
        let life = u64::from(message.ttl.as_seconds()) * 1000;
        Self {
            version: message.id.to_string(),
            channel: Arc::clone(channel),
            body: message.body.clone(),
            coded: message.coded.clone(),
            ttl: message.ttl,
            sent: Timestamp::from_unix_millis(message.expires_at.as_unix_millis().saturating_sub(life)),
            topic: message.topic.as_ref().map(|topic| topic.as_str().to_owned()),
        }
    }
}
