//! MCS: the push connection of Chromium, over TLS.

mod connection;
mod frame;
mod line;
mod stanza;
mod streams;

pub(crate) use connection::serve;
#[cfg(feature = "__fuzz")]
pub(crate) use stanza::check;
