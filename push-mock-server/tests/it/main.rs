//! The service over real sockets: what a client of HTTP sees, by public means only.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes helpers of integration tests for library code"
)]

#[cfg(feature = "api")]
mod api;
#[cfg(feature = "api")]
mod events;
#[cfg(feature = "api")]
mod guard;
mod hostile;
#[cfg(feature = "api")]
mod limits;
#[cfg(feature = "api")]
mod push;
mod support;
mod tls;
mod transport;
