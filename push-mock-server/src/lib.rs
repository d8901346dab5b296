//! A local Web Push service which decrypts, checks and explains every message.
//!
//! # In a test
//! [`MockServer`] is a push service on a free port, in the process of the test. A simulated user agent gives the
//! subscription that a browser would have sent to the application; the application sends as it does in production;
//! the test says what should have arrived.
//!
//! ```
//! use push_mock_server::{Clock, MockServer, minutes, secs};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let push = MockServer::builder().clock(Clock::frozen()).start().await;
//! let alice = push.user_agent("alice").offline().await;
//!
//! let subscription = alice.subscription_json();   // hand it to the application, and let it send
//! # let _ = subscription;
//!
//! push.clock().advance(minutes(5)).await;         // returns after everything due has happened
//! alice.go_online().await;
//! push.expect().to(&alice).none().within(secs(0)).await;
//! # });
//! ```
//!
//! Without a runtime there is [`blocking`]. Parts of a test suite that run in parallel take a
//! [`space`](MockServer::space) each.
//!
//! # As a service
//! [`Server`] is the same on the caller's runtime, for a program that only serves. [`PushService`] is what both
//! decide with; it knows no socket.
//!
//! # What is where
//! | layer | modules | knows |
//! |---|---|---|
//! | harness | [`mock_server`], [`user_agent`], [`expect`], [`received`] | tests |
//! | wire | [`server`] | HTTP, TLS, JSON; no rules |
//! | rules | [`service`], [`profile`], [`matcher`] | messages; no octets of HTTP |
//! | store | [`store`] | records; no rules |

pub mod blocking;
#[cfg(feature = "browsers")]
pub mod browser;
pub mod builder;
pub mod clock;
pub mod config;
pub mod duration_text;
pub mod error;
pub mod expect;
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub mod fuzzing;
pub mod host_name;
pub mod ids;
mod json_reader;
pub mod limits;
pub mod matcher;
pub mod mock_server;
pub mod near_miss;
pub mod profile;
pub mod query;
pub mod received;
pub mod reproduce;
pub mod server;
pub mod service;
pub mod space;
pub mod step;
pub mod store;
pub mod token;
pub mod user_agent;
pub mod view;
pub mod wait;
mod wire;

#[cfg(test)]
mod sample;

pub use builder::Builder;
pub use clock::{Clock, ClockAction, ClockChange, ClockMode, ClockView, Due, Fired, FiredWhat, VapidClock};
#[cfg(feature = "browsers")]
pub use config::Intercept;
pub use config::{ApiToken, ClockStart, Config, ConfigError, QueuePolicy, Style, TlsSource};
pub use error::{ServiceError, StartError};
pub use expect::{Expect, Verify};
pub use host_name::HostNameError;
pub use ids::{MessageId, SubscriptionId, UserAgentId};
pub use limits::{LimitRow, LimitSetError, LimitValue, Limits, Rate};
pub use matcher::{Match, Matcher};
pub use mock_server::{MockServer, Space, SpaceClock, hours, millis, minutes, secs};
pub use near_miss::Report;
pub use profile::Profile;
pub use received::ReceivedMessage;
pub use server::Server;
pub use service::{PushService, exchange::State, finding::Level, subscription::AckMode};
pub use space::SpaceName;
pub use store::StoreError;
pub use token::PushTokenText;
pub use user_agent::{ApplicationServerKey, NewUserAgent, UserAgent};

/// The code of the README is compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
