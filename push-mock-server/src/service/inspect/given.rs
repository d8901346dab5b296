//! Findings that do not come from a request alone: the service gives them when it admits and delivers messages.

use super::rules::{self, Strictness};
use crate::service::finding::Finding;

/// The finding of a message that is delivered for the `delivery`th time; none for the first.
#[must_use]
pub fn redelivered(delivery: u32) -> Option<Finding> {
    let seen = format!("delivery {delivery} of this message");
    let expected = "an acknowledgement before the connection ends";
    (delivery > 1).then(|| finding("delivery/redelivered", "delivery", seen, expected)).flatten()
}

/// The finding of a request that comes while `waiting` others already use all that is `allowed`; none below that.
/// `of_what` says what is counted, e.g. `messages in the queue`.
#[must_use]
pub fn rate_limited(waiting: u64, allowed: u64, of_what: &str) -> Option<Finding> {
    let (seen, expected) = (format!("{waiting} {of_what}"), format!("at most {allowed} {of_what}"));
    (waiting >= allowed).then(|| finding("request/rate-limited", "path", seen, &expected)).flatten()
}

fn finding(code: &str, place: &str, seen: String, expected: &str) -> Option<Finding> {
    rules::rule(code).map(|rule| rule.finding(Strictness::Lenient, place, seen, expected))
}
