//! The public API from outside: one binary, no socket, no order.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking"
)]

mod lifecycle;
mod oracle;
mod queues;
mod requests;
mod requirements;
mod subscriptions;
mod topics;
mod waiting;
mod world;
