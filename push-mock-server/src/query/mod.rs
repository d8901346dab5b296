//! The query language of lists and searches: `to:alice state:refused -finding:vapid/* "goal"`.
//!
//! `read` parses; this file holds the terms and looks at one message.

use core::{fmt, time::Duration};

use push_crypto::Timestamp;

use crate::{
    json_reader::closest,
    matcher::{level_name, via_name},
    service::exchange::Exchange,
    view::{Content, payload_state, readable},
};

mod read;

/// The keys of the language, in the order of the documentation.
pub(crate) const KEYS: [&str; 14] = [
    "to", "state", "topic", "urgency", "coding", "finding", "level", "status", "via", "kind", "ttl", "body",
    "since", "fault",
];

/// A parsed query: all its terms must hold.
///
/// ```
/// use push_mock_server::query::Query;
///
/// assert!(Query::parse("to:alice* -state:refused ttl:>60 body:\"1:0\" since:5m").is_ok());
///
/// let error = Query::parse("to:alice topc:score").unwrap_err();
/// assert_eq!(error.position(), 9);
/// assert_eq!(
///     error.to_string(),
///     "at character 10: \"topc\" is no key; did you mean \"topic\"? Put a text with a colon in quotation marks",
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Text within the payload, in lower case.
    Body(String),
    Coding(Vec<Pattern>),
    Fault(bool),
    Finding(Vec<Pattern>),
    Kind(Vec<Pattern>),
    Level(Vec<Pattern>),
    Since(Since),
    State(Vec<Pattern>),
    Status(Vec<Pattern>),
    To(Vec<Pattern>),
    Topic(Vec<Pattern>),
    Ttl(Comparison, u64),
    Urgency(Vec<Pattern>),
    Via(Vec<Pattern>),
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Above,
    AtLeast,
    AtMost,
    Below,
    Equal,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    /// So long before now.
    Ago(Duration),
    /// A fixed time.
    At(Timestamp),
}

/// A value, or the start of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    open: bool,
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        if self.open { text.starts_with(&self.text) } else { text == self.text }
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

impl Query {
    /// True when all terms hold; `now` is the wall time that `since:5m` counts back from.
    #[must_use]
    pub fn matches(&self, exchange: &Exchange, now: Timestamp) -> bool {
        self.terms.iter().all(|term| term.test.holds(exchange, now) != term.negated)
    }

    /// True when there is no term, so that every message matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

impl Test {
    fn holds(&self, exchange: &Exchange, now: Timestamp) -> bool {
        match self {
            Self::Body(text) => body_holds(exchange, text),
            Self::Coding(patterns) => exchange.coding.is_some_and(|coding| any(patterns, coding.as_str())),
            // No fault rules are offered yet, so no message met one.
            Self::Fault(wanted) => !wanted,
            Self::Finding(patterns) => exchange.findings.iter().any(|finding| any(patterns, finding.code)),
            Self::Kind(patterns) => any(patterns, kind(exchange)),
            Self::Level(patterns) => {
                exchange.findings.iter().any(|finding| any(patterns, level_name(finding.level)))
            }
            Self::Since(Since::Ago(time)) => exchange.at >= now.before(*time),
            Self::Since(Since::At(time)) => exchange.at >= *time,
            Self::State(patterns) => any(patterns, exchange.state.as_str()),
            Self::Status(patterns) => {
                exchange.response.status.is_some_and(|status| any(patterns, &status.to_string()))
            }
            Self::To(patterns) => {
                [&exchange.to, &exchange.subscription].into_iter().flatten().any(|to| any(patterns, to))
            }
            Self::Topic(patterns) => {
                exchange.topic.as_ref().is_some_and(|topic| any(patterns, topic.as_str()))
            }
            Self::Ttl(comparison, wanted) => exchange
                .ttl
                .or(exchange.ttl_requested)
                .is_some_and(|ttl| comparison.holds(u64::from(ttl.as_seconds()), *wanted)),
            Self::Urgency(patterns) => any(patterns, exchange.urgency.as_str()),
            Self::Via(patterns) => any(patterns, via_name(exchange.request.via)),
        }
    }
}

impl Comparison {
    const fn holds(self, number: u64, wanted: u64) -> bool {
        match self {
            Self::Above => number > wanted,
            Self::AtLeast => number >= wanted,
            Self::AtMost => number <= wanted,
            Self::Below => number < wanted,
            Self::Equal => number == wanted,
        }
    }
}

fn body_holds(exchange: &Exchange, text: &str) -> bool {
    let Some(octets) = readable(exchange) else { return false };
    std::str::from_utf8(octets).is_ok_and(|body| body.to_lowercase().contains(text))
}

/// `payload.kind`, or `payload.state` where there is no kind.
fn kind(exchange: &Exchange) -> &'static str {
    readable(exchange).map_or(payload_state(&exchange.payload), |octets| Content::of(octets).kind())
}

/// A query that cannot be read: what is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    position: usize,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Duration(String),
    Empty(&'static str),
    Key(String),
    Negation,
    Number(String),
    Quote,
    TooLong,
    Value { key: &'static str, value: String, allowed: Vec<&'static str> },
    Wildcard,
    YesNo(String),
}

impl QueryError {
    /// The character where it is, counted from 0.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: ", self.position + 1)?;
        match &self.problem {
            Problem::Duration(value) => {
                write!(
                    f,
                    "since:{value} is neither a duration such as 5m nor a time such as 2026-11-23T08:00:00Z"
                )
            }
            Problem::Empty(key) => {
                write!(f, "{key}: has no value; write one after the colon without a blank")
            }
            Problem::Key(key) => {
                write!(f, "{key:?} is no key; ")?;
                match closest(key, KEYS) {
                    Some(near) => write!(f, "did you mean {near:?}? ")?,
                    None => write!(f, "keys are {}. ", KEYS.join(", "))?,
                }
                f.write_str("Put a text with a colon in quotation marks")
            }
            Problem::Negation => f.write_str("- negates what follows it without a blank, but nothing does"),
            Problem::Number(value) => {
                write!(
                    f,
                    "ttl:{value} is no number of seconds; write ttl:60, ttl:>60, ttl:>=60, ttl:<60 or ttl:<=60"
                )
            }
            Problem::Quote => f.write_str("the quotation mark is never closed; add one"),
            Problem::TooLong => f.write_str("the query is longer than 4096 octets; shorten it"),
            Problem::Value { key, value, allowed } => {
                write!(f, "{key}:{value} is not known; ")?;
                if let Some(near) = closest(value, allowed.iter().copied()) {
                    write!(f, "did you mean {near:?}? ")?;
                }
                write!(f, "allowed are {}", allowed.join(", "))
            }
            Problem::Wildcard => f.write_str("* may only end a value; put a text with * in quotation marks"),
            Problem::YesNo(value) => write!(f, "fault:{value} is neither yes nor no"),
        }
    }
}

impl core::error::Error for QueryError {}

#[cfg(test)]
mod tests;
