//! The client against servers written here, over real sockets on loopback; and its rules over a scripted transport.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test the place of a panic is the message"
)]

mod against_mock;
mod bulk;
mod hostile_http2;
mod hostile_peer;
mod legacy;
mod network;
mod rebinding;
mod retry;
mod send;
mod send_all;
mod stopping;
mod support;
mod tls;
