//! The pure half: what is sent, what an answer means, and whether to try again. No futures, no sockets, no clock.
//!
//! [`request::build`] makes an `http::Request`, [`response::classify`] reads an `http::Response`, and
//! [`retry::Attempts`] decides; time and randomness are arguments, so any HTTP client can be driven with them.
//!
//! | module | takes → gives |
//! |---|---|
//! | [`tokens`] | origin, now → `Authorization` fields, cached |
//! | [`request`] | push resource, message, body, fields → `http::Request` |
//! | [`response`] | `http::Response` → [`Answer`] |
//! | [`retry_after`] | field value → time to wait |
//! | [`vendor`] | error bodies of known push services → finding code and text |
//! | [`retry`] | [`Answer`] or failure, now → done, or when to try again |
//! | [`budget`] | retry budget and circuit breaker of one origin |
//! | [`receipts`] | receipt subscriptions, one per origin |

pub mod budget;
pub mod receipts;
pub mod request;
pub mod response;
pub mod retry;
pub mod retry_after;
pub mod tokens;
pub mod vendor;

pub use response::{Answer, classify};
pub use retry::{Attempts, RetryPolicy, Step};
