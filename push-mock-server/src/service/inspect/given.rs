//! Findings that do not come from a request alone: the service gives them when it admits and delivers messages.

use super::rules::{self, Strictness};
use crate::service::finding::Finding;

/// The finding of a message that `label` is given for the `delivery`th time; none for the first.
#[must_use]
pub fn redelivered(label: &str, delivery: usize) -> Option<Finding> {
    let seen = format!("{label} got it again");
    let expected = "an acknowledgement before the connection ends";
    (delivery > 1).then(|| finding("delivery/redelivered", "delivery", seen, expected)).flatten()
}

/// The finding of a request that comes too soon, or for which there is no room.
#[must_use]
pub fn rate_limited(seen: String, expected: &str) -> Option<Finding> {
    finding("request/rate-limited", "path", seen, expected)
}

fn finding(code: &str, place: &str, seen: String, expected: &str) -> Option<Finding> {
    rules::rule(code).map(|rule| rule.finding(Strictness::Lenient, place, seen, expected))
}
