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

/// The finding of a message that Firefox acknowledged with 101.
#[must_use]
pub fn undecryptable(label: &str) -> Option<Finding> {
    let seen = format!("{label} answered 101: it could not decrypt the message");
    finding("delivery/undecryptable", "delivery", seen, "code 100")
}

/// The finding of a message that Firefox acknowledged with 102.
#[must_use]
pub fn not_delivered(label: &str) -> Option<Finding> {
    let seen = format!("{label} answered 102: it did not hand the message to a worker");
    finding("delivery/not-delivered", "delivery", seen, "code 100")
}

/// The finding of a message whose worker failed: 301 it threw, 302 its promise was rejected, 303 anything else.
#[must_use]
pub fn handler_failed(label: &str, code: u16) -> Option<Finding> {
    let what = match code {
        301 => "its push handler threw an error",
        302 => "the promise of waitUntil was rejected",
        _ => "its worker could not be run",
    };
    finding(
        "delivery/handler-failed",
        "delivery",
        format!("{label} answered {code}: {what}"),
        "a handler that ends well",
    )
}

/// The finding of a message for which no notification was shown.
#[must_use]
pub fn silent(label: &str) -> Option<Finding> {
    finding("delivery/silent", "delivery", format!("{label} showed no notification for it"), "a notification")
}

fn finding(code: &str, place: &str, seen: String, expected: &str) -> Option<Finding> {
    rules::rule(code).map(|rule| rule.finding(Strictness::Lenient, place, seen, expected))
}
