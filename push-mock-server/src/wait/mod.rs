//! Waits until messages match, or says why they did not.
//!
//! `read` takes requests from JSON, `judge` is the pure judgement, `drive` repeats it at every change. The time
//! waited is wall time, never the simulated clock of a space.

use core::{fmt, time::Duration};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    error::ServiceError,
    limits::Limits,
    matcher::Match,
    near_miss::Report,
    service::exchange::Exchange,
    space::SpaceName,
    view::{View, message_json},
};

mod drive;
mod judge;
mod read;

pub(crate) use drive::{SpaceWatch, verify_all, wait_for};
pub use drive::{verify, wait};
pub(crate) use judge::{Expected, ExpectedAll};
pub use judge::{Judgement, judge};

/// How many messages should match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    min: u64,
    max: Option<u64>,
}

impl Count {
    /// No message at all: silence.
    pub const NONE: Self = Self { min: 0, max: Some(0) };

    /// Exactly so many.
    #[must_use]
    pub const fn exactly(number: u64) -> Self {
        Self { min: number, max: Some(number) }
    }

    /// So many or more.
    #[must_use]
    pub const fn at_least(number: u64) -> Self {
        Self { min: number, max: None }
    }

    /// From `min` to `max`; none when `min` is greater.
    #[must_use]
    pub const fn between(min: u64, max: u64) -> Option<Self> {
        if min > max { None } else { Some(Self { min, max: Some(max) }) }
    }

    /// The least number.
    #[must_use]
    pub const fn min(self) -> u64 {
        self.min
    }

    /// The greatest number; none when any number will do.
    #[must_use]
    pub const fn max(self) -> Option<u64> {
        self.max
    }

    /// True when no message at all would do, so that only the end of the wait can tell.
    #[must_use]
    pub const fn is_met_by_silence(self) -> bool {
        self.min == 0
    }
}

/// One or more.
impl Default for Count {
    fn default() -> Self {
        Self::at_least(1)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (0, Some(0)) => f.write_str("none"),
            (min, Some(max)) if min == max => write!(f, "exactly {min}"),
            (0, Some(max)) => write!(f, "at most {max}"),
            (min, Some(max)) => write!(f, "{min} to {max}"),
            (min, None) => write!(f, "at least {min}"),
        }
    }
}

/// `POST /wait`.
///
/// ```
/// use push_mock_server::wait::WaitRequest;
/// use serde_json::json;
///
/// let request = WaitRequest::from_value(&json!({"match": {"to": "alice"}, "count": {"max": 0}, "timeout": "300ms"}));
/// assert!(request.unwrap().count.is_met_by_silence());
///
/// let error = WaitRequest::from_value(&json!({"timeout": 5})).unwrap_err();
/// assert_eq!(error.to_string(), "/timeout: expected a duration such as \"5s\", was 5");
/// ```
#[derive(Clone, Debug)]
pub struct WaitRequest {
    /// Space; none when the request names it elsewhere or means the default one.
    pub space: Option<String>,
    /// Which messages.
    pub matcher: Match,
    /// How many.
    pub count: Count,
    /// How long; zero looks once.
    pub timeout: Duration,
    /// Only messages with a greater `seq`.
    pub since: u64,
    /// How long to watch for surplus messages after the least number was reached, when there is a greatest one.
    pub settle: Duration,
}

impl Default for WaitRequest {
    fn default() -> Self {
        Self {
            space: None,
            matcher: Match::default(),
            count: Count::default(),
            timeout: Limits::default().wait_default,
            since: 0,
            settle: Duration::ZERO,
        }
    }
}

/// `POST /verify`: several expectations together.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// Space; none when the request names it elsewhere or means the default one.
    pub space: Option<String>,
    /// The expectations, at least one.
    pub expect: Vec<VerifyItem>,
    /// The first matches come in the order of the list.
    pub ordered: bool,
    /// Every message of the space is matched by one of the expectations.
    pub no_others: bool,
    /// How long; zero, the default, looks once.
    pub timeout: Duration,
}

/// One expectation of [`VerifyRequest`].
#[derive(Clone, Debug, Default)]
pub struct VerifyItem {
    /// Which messages.
    pub matcher: Match,
    /// How many.
    pub count: Count,
}

/// What was waited for is there.
#[derive(Clone, Debug)]
pub struct Met {
    /// The messages that matched, in the order of their arrival.
    pub messages: Vec<Arc<Exchange>>,
    /// `seq` of the newest message of the space, for the `since` of the next wait.
    pub cursor: u64,
}

impl Met {
    /// `{"messages":[…],"cursor":42}`.
    #[must_use]
    pub fn to_json(&self, view: &View<'_>) -> Value {
        let messages: Vec<Value> =
            self.messages.iter().map(|exchange| message_json(exchange, view)).collect();
        json!({"messages": messages, "cursor": self.cursor})
    }
}

/// What was waited for did not come, or too much of it.
#[derive(Clone, Debug)]
pub struct NotMet {
    /// Why, with near misses.
    pub report: Report,
    /// `seq` of the newest message of the space.
    pub cursor: u64,
}

impl fmt::Display for NotMet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report.fmt(f)
    }
}

impl core::error::Error for NotMet {}

/// Why a wait ended without its messages.
#[derive(Debug)]
pub enum WaitError {
    /// They did not come, or too many of them.
    NotMet(Box<NotMet>),
    /// The messages of the space could not be read.
    Service(ServiceError),
}

impl WaitError {
    /// Adds what to do next on the command line.
    fn advised(self, addressee: Option<&str>, space: &SpaceName) -> Self {
        match self {
            Self::NotMet(mut not_met) => {
                not_met.report = not_met.report.advised(addressee, space.as_str());
                Self::NotMet(not_met)
            }
            Self::Service(error) => Self::Service(error),
        }
    }
}

impl From<Box<NotMet>> for WaitError {
    fn from(not_met: Box<NotMet>) -> Self {
        Self::NotMet(not_met)
    }
}

impl From<ServiceError> for WaitError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMet(not_met) => not_met.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for WaitError {}

#[cfg(test)]
mod tests;
