//! Simulation: the service, simulated user agents and senders under one virtual clock; no socket, no sleep.
//!
//! The invariants are checked after each step.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod acknowledge;
mod clock;
mod events;
mod limits;
mod random;
mod story;
mod subscriptions;
mod topic;
mod ttl;
mod unknown;
mod urgency;
mod world;
