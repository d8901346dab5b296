//! The service over real sockets: what a client of HTTP sees, by public means only.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes helpers of integration tests for library code"
)]

#[cfg(feature = "api")]
mod api;
#[cfg(all(feature = "api", feature = "browsers"))]
mod autopush;
#[cfg(all(feature = "api", feature = "browsers"))]
mod autopush_delivery;
#[cfg(all(feature = "api", feature = "browsers"))]
mod autopush_endpoint;
#[cfg(all(feature = "api", feature = "browsers"))]
mod autopush_hostile;
#[cfg(feature = "api")]
mod events;
#[cfg(all(feature = "api", feature = "browsers"))]
mod fox;
#[cfg(all(feature = "api", feature = "browsers"))]
mod gcm;
#[cfg(feature = "api")]
mod guard;
mod hostile;
#[cfg(all(feature = "api", feature = "browsers"))]
mod intercept;
#[cfg(feature = "api")]
mod limits;
#[cfg(feature = "api")]
mod push;
#[cfg(feature = "api")]
mod sink;
mod support;
mod tls;
mod transport;
#[cfg(all(feature = "api", feature = "browsers"))]
mod try_page;
