//! Pure conditions on a message: which messages an expectation is about, and how one differs from it.
//!
//! `read` builds them from JSON, `evaluate` looks at one message, `json_diff` compares payloads. Counting and
//! waiting are left to `wait`.

use core::fmt;

use push_crypto::{ContentCoding, Topic, Urgency};
use serde_json::{Value, json};

use crate::service::{
    exchange::{Exchange, State},
    finding::Level,
    request::Via,
};

mod evaluate;
mod json_diff;
mod read;

pub use crate::json_reader::FieldError;

/// Something that can say which messages it means.
///
/// [`Match`] is the implementation for all members of the API; a test may bring its own:
///
/// ```
/// use push_mock_server::{matcher::{Condition, Difference, Matcher}, service::exchange::Exchange};
///
/// #[derive(Debug)]
/// struct SentWithin(u64);
///
/// impl Matcher for SentWithin {
///     fn conditions(&self, exchange: &Exchange) -> Vec<Condition> {
///         let (wanted, took) = (self.0, exchange.response.ms);
///         let expected = Some(wanted.into());
///         let differences = match took > wanted {
///             true => vec![Difference::new("ms", String::new(), expected, Some(took.into()))],
///             false => vec![],
///         };
///         vec![Condition { member: "ms", wanted: format!("≤ {wanted}"), differences }]
///     }
///     fn description(&self) -> String {
///         format!("answered within {} ms", self.0)
///     }
/// }
/// ```
pub trait Matcher: fmt::Debug + Send + Sync {
    /// Every condition with its result for this message.
    fn conditions(&self, exchange: &Exchange) -> Vec<Condition>;

    /// The conditions in words, e.g. `to alice, topic score`; empty when there are none.
    fn description(&self) -> String;

    /// The subscription meant, when it is exactly one.
    fn addressee(&self) -> Option<&str> {
        None
    }

    /// True when every condition is met.
    fn matches(&self, exchange: &Exchange) -> bool {
        self.conditions(exchange).iter().all(Condition::is_met)
    }
}

/// One condition and how a message differs from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Name of the match member, e.g. `payload`.
    pub member: &'static str,
    /// What is wanted, in words: `alice`, `≥ 60`, `includes {"title":"1:0"}`.
    pub wanted: String,
    /// Empty when the condition is met.
    pub differences: Vec<Difference>,
}

impl Condition {
    /// True when nothing differs.
    #[must_use]
    pub const fn is_met(&self) -> bool {
        self.differences.is_empty()
    }
}

/// One place where a message differs from what was wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Name of the match member.
    pub member: &'static str,
    /// JSON pointer into the member's value; empty for all of it.
    pub pointer: String,
    /// What was wanted; none when there should be nothing.
    pub expected: Option<Value>,
    /// What was there; none when there was nothing.
    pub actual: Option<Value>,
    pub(crate) texts: Texts,
}

/// The words for a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) expected: String,
    pub(crate) actual: String,
    /// True when both are texts of the same kind, so that their first difference can be pointed at.
    pub(crate) comparable: bool,
}

impl Difference {
    /// A difference of two values, shown as they are.
    #[must_use]
    pub fn new(
        member: &'static str,
        pointer: String,
        expected: Option<Value>,
        actual: Option<Value>,
    ) -> Self {
        let text = |value: &Option<Value>, none: &str| value.as_ref().map_or(none.to_owned(), plain);
        let comparable = matches!((&expected, &actual), (Some(Value::String(_)), Some(Value::String(_))));
        let texts =
            Texts { expected: text(&expected, "absent"), actual: text(&actual, "absent"), comparable };
        Self { member, pointer, expected, actual, texts }
    }

    /// As JSON: `{"member":"payload","pointer":"/title","expected":"Goal!","actual":"Goal"}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "member": self.member,
            "pointer": self.pointer,
            "expected": self.expected,
            "actual": self.actual,
        })
    }
}

/// A value in words: texts without quotation marks.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => crate::view::printable(text),
        other => other.to_string(),
    }
}

/// The conditions of `match` in `POST /wait`; those that are not stated are none.
///
/// ```
/// use push_mock_server::matcher::Match;
/// use serde_json::json;
///
/// let wanted = Match::from_value(&json!({"to": "alice", "ttl": {"gte": 60}})).unwrap();
/// assert_eq!(wanted.to_string(), "to alice, ttl ≥ 60");
///
/// let error = Match::from_value(&json!({"ttl": {"gt": 60}})).unwrap_err();
/// assert_eq!(error.to_string(), "/ttl/gt: unknown member; did you mean \"gte\"? known are gte, lte");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Match {
    pub(crate) to: Option<Vec<String>>,
    pub(crate) state: Option<Vec<State>>,
    pub(crate) topic: Option<Vec<Option<Topic>>>,
    pub(crate) urgency: Option<Vec<Urgency>>,
    pub(crate) coding: Option<Vec<Option<ContentCoding>>>,
    pub(crate) status: Option<Vec<u16>>,
    pub(crate) via: Option<Vec<Via>>,
    pub(crate) ttl: Option<Bounds>,
    pub(crate) body_bytes: Option<Bounds>,
    pub(crate) payload: Option<PayloadMatch>,
    pub(crate) findings: FindingsMatch,
    pub(crate) vapid: VapidMatch,
    pub(crate) fault: Option<FaultMatch>,
}

/// Limits of a number, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub(crate) gte: Option<u64>,
    pub(crate) lte: Option<u64>,
}

impl Bounds {
    pub(crate) fn hold(self, number: u64) -> bool {
        self.gte.is_none_or(|least| number >= least) && self.lte.is_none_or(|most| number <= most)
    }

    fn to_json(self) -> Value {
        match (self.gte, self.lte) {
            (Some(least), Some(most)) if least == most => json!(least),
            (Some(least), Some(most)) => json!({"gte": least, "lte": most}),
            (Some(least), None) => json!({"gte": least}),
            (None, most) => json!({"lte": most}),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.gte, self.lte) {
            (Some(least), Some(most)) if least == most => write!(f, "{least}"),
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "≥ {least}"),
            (None, Some(most)) => write!(f, "≤ {most}"),
            (None, None) => f.write_str("any"),
        }
    }
}

/// Condition on the payload as the user agent gets it.
#[derive(Clone, Debug)]
pub(crate) enum PayloadMatch {
    Empty(bool),
    JsonEquals(Value),
    JsonIncludes(Value),
    Octets(Vec<u8>),
    TextEquals(String),
    TextIncludes(String),
    TextMatches(regex_lite::Regex),
}

/// Condition on findings; all parts that are stated must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct FindingsMatch {
    pub(crate) none: Option<Level>,
    pub(crate) any: Vec<CodePattern>,
    pub(crate) all: Vec<CodePattern>,
}

/// A finding's code, or the start of one followed by `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodePattern(pub(crate) String);

impl CodePattern {
    pub(crate) fn matches(&self, code: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => code.starts_with(start),
            None => code == self.0,
        }
    }
}

/// Condition on VAPID; all parts that are stated must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct VapidMatch {
    pub(crate) sub: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) signature: Option<String>,
}

/// Condition on the fault rule that acted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultMatch {
    Any(bool),
    Id(String),
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Matcher::description(self))
    }
}

/// `via` as text.
pub(crate) const fn via_name(via: Via) -> &'static str {
    match via {
        Via::Alias => "alias",
        Via::Api => "api",
        Via::Http => "http",
        Via::Https => "https",
        Via::Intercept => "intercept",
    }
}

/// `level` as text.
pub(crate) const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Info => "info",
        Level::Warning => "warning",
    }
}

#[cfg(test)]
pub(crate) mod tests;
