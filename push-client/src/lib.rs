//! Sends Web Push messages: one or many, over HTTP/1.1 and HTTP/2, with a typed outcome for each.
//!
//! ```no_run
//! // no_run: it would send
//! use push_client::{Outcome, PushClient, PushMessage, Subscription, Ttl, Urgency, vapid::VapidKey};
//! # async fn example(pem: &[u8], json: &str) -> Result<(), Box<dyn std::error::Error>> {
//! # let provider = push_client::provider::rust_crypto::PROVIDER;
//! let (key, _) = VapidKey::import(&provider, pem)?;
//! let client = PushClient::builder().vapid(key, "mailto:ops@example.com".parse()?).build()?;
//!
//! let subscription = Subscription::from_json(json)?;
//! let message = PushMessage::text(Ttl::seconds(3600), "2 : 1").topic("scores".parse()?).urgency(Urgency::High);
//!
//! match client.send(&subscription, &message).await {
//!     Outcome::Accepted(accepted) => println!("until delivery: {:?}", accepted.ttl),
//!     Outcome::Gone(_) => println!("delete the subscription"),
//!     other => println!("{other}"),
//! }
//! # Ok(()) }
//! ```
//!
//! # What happens to a message
//!
//! ```text
//! Subscription + PushMessage
//!    │ tokens     one VAPID token per origin, 12 h
//!    │ encrypt    alone, or together with what else is ready
//!    │ request    POST, TTL, fields                             ┐
//!    │ transport  checked address, TLS, HTTP/2                  │ again, with a smaller TTL,
//!    │ response   status and words → Answer                     │ until the TTL is over
//!    ▼ attempts   done, or when to try again                    ┘
//! Outcome: Accepted · Gone · Refused · Deferred · Unanswered · Unsent
//! ```
//!
//! # Many messages
//!
//! [`PushClient::send_all`] takes a stream of any length and gives each outcome as soon as it is known. What is
//! ready together is encrypted together, on threads of its own, while connections send:
//!
//! ```text
//! items ──▶ waiting ──64 in turn──▶ encryption ──▶ ready ──window──▶ under way ──▶ outcomes
//!           by origin               threads        by origin         HTTP/2
//! ```
//!
//! Each origin has its own window of requests under way, which grows while messages are accepted and is halved when
//! the push service asks for less, fails or slows down. `Retry-After` stops that origin only. Memory is bounded by
//! [`BulkOptions`], not by the number of recipients. More in [`bulk`].
//!
//! # What it leaves to you
//!
//! * Deleting a subscription after [`Outcome::Gone`]; or use the [`Registry`].
//! * A [`Topic`] where a message must not be seen twice: delivery is at least once, because an answer can be lost.
//! * Keeping messages: there is no queue, and a message that is still waiting is lost with the process.
//!
//! # Safety of the network
//!
//! An endpoint is text from a stranger. By default only `https` on port 443 is used, every address a name stands
//! for must be public, the connection goes to the very address that was checked, and no redirect is followed.
//! `allow_loopback()` and `allow_private()` on the builder lift that for development.
//!
//! # Other HTTP clients
//!
//! Everything but sockets is pure and public in [`proto`]; [`Transport`] is one method. Without the feature
//! `transport` neither hyper nor rustls is built.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `transport` | yes | [`HyperTransport`](transport::HyperTransport), and the builder's settings of the network |
//! | `aws_lc_rs` | yes | the fast provider, and its use by default |
//! | `p256_ifma` | yes | the provider that encrypts eight messages side by side, where the processor can |
//! | `bulk` | yes | [`bulk`]: receivers from files, payload templates, the ledger of a run
//! | `legacy` | yes | aesgcm and aesgcm128, never chosen without being asked for |

mod builder;
pub mod bulk;
mod client;
mod ended;
pub mod error;
mod limits;
mod message;
mod origins;
pub mod outcome;
pub mod proto;
pub mod registry;
mod send_all;
mod timer;
pub mod transport;

pub use builder::PushClientBuilder;
pub use bulk::BulkOptions;
pub use client::PushClient;
pub use error::{BuildError, Error, MessageError, SendError};
pub use limits::ClientLimits;
pub use message::{DeliveryMethod, PushMessage};
pub use outcome::Outcome;
pub use proto::retry::RepeatUnanswered;
pub use push_crypto::{
    ContentCoding, Padding, Schedule, Subscription, SubscriptionKeys, Timestamp, Topic, Ttl, Urgency,
    provider, vapid,
};
pub use registry::{Recipient, Registry, RegistryError};
pub use send_all::SendAll;
pub use timer::{StubTimer, SystemTimer, Timer};
pub use transport::{StubTransport, Transport, TransportError};

/// The code of the README is compiled with the doc tests.
#[cfg(doctest)]
#[cfg(feature = "transport")]
#[doc = include_str!("../README.md")]
struct Readme;
