//! Delivery receipts (RFC 8030 §5.1, §6.3): one receipt subscription per origin, and what a receipt says.

use std::collections::HashMap;

use push_crypto::Origin;

use crate::outcome::ReceiptSubscription;

/// The relation of a receipt subscription's link (RFC 8030 §5.1).
pub const RELATION: &str = "urn:ietf:params:push:receipt";

/// Most origins whose receipt subscription is kept (our choice: more origins than there are push services).
const ORIGINS: usize = 1024;

/// The receipt subscriptions that push services gave, to be named in later requests to the same origin.
#[derive(Debug, Default)]
pub struct Receipts {
    by_origin: HashMap<Origin, ReceiptSubscription>,
}

impl Receipts {
    /// The one to name in a request to this origin (AS-005).
    #[must_use]
    pub fn of(&self, origin: &Origin) -> Option<&ReceiptSubscription> {
        self.by_origin.get(origin)
    }

    /// Keeps what an answer from this origin gave; a newer one replaces it (PS-028).
    pub fn keep(&mut self, origin: &Origin, receipt: ReceiptSubscription) {
        if self.by_origin.len() < ORIGINS || self.by_origin.contains_key(origin) {
            self.by_origin.insert(origin.clone(), receipt);
        }
    }

    /// Forgets the one of this origin, after it was refused.
    pub fn forget(&mut self, origin: &Origin) {
        self.by_origin.remove(origin);
    }
}

/// What the status of a receipt says about its message (RFC 8030 §6.3).
///
/// ```
/// use push_client::proto::receipts::Receipt;
/// assert_eq!(Receipt::from_status(204), Receipt::Delivered);
/// assert_eq!(Receipt::from_status(299), Receipt::Other(299));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// 204: the user agent acknowledged the message.
    Delivered,
    /// 410: the push service gave up before the message's expiry.
    Undelivered,
    /// Any other status, kept as it came.
    Other(u16),
}

impl Receipt {
    /// Reads the status of a receipt.
    #[must_use]
    pub const fn from_status(status: u16) -> Self {
        match status {
            204 => Self::Delivered,
            410 => Self::Undelivered,
            other => Self::Other(other),
        }
    }
}

/// The target of the first link with the receipt relation in `Link` field values (RFC 8288 §3).
#[must_use]
pub fn link_target<'a>(values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    values.flat_map(links).find_map(|(target, parameters)| has_relation(parameters).then_some(target))
}

/// Each link of a field value: target and the text of its parameters.
fn links(mut value: &str) -> impl Iterator<Item = (&str, &str)> {
    std::iter::from_fn(move || {
        let start = value.find('<')?;
        let (target, rest) = value.get(start + 1..)?.split_once('>')?;
        let end = end_of_parameters(rest);
        value = rest.get(end..).unwrap_or_default();
        Some((target, rest.get(..end).unwrap_or_default()))
    })
}

/// Position of the comma that ends a link; commas in quoted strings do not.
fn end_of_parameters(text: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn has_relation(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        name.trim().eq_ignore_ascii_case("rel")
            && value
                .trim()
                .trim_matches('"')
                .split_ascii_whitespace()
                .any(|relation| relation.eq_ignore_ascii_case(RELATION))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS-007
    #[test]
    fn unknown_receipts_are_reported_as_they_are() {
        assert_eq!(Receipt::from_status(204), Receipt::Delivered);
        assert_eq!(Receipt::from_status(410), Receipt::Undelivered);
        assert_eq!(Receipt::from_status(200), Receipt::Other(200));
        assert_eq!(Receipt::from_status(503), Receipt::Other(503));
    }

    #[test]
    fn the_link_of_the_receipt_relation_is_found() {
        let check = |value: &'static str, expected: Option<&str>| {
            assert_eq!(link_target([value].into_iter()), expected, "{value}");
        };

        check("<https://a.example/r/1>; rel=\"urn:ietf:params:push:receipt\"", Some("https://a.example/r/1"));
        check("</r/1>;rel=urn:ietf:params:push:receipt", Some("/r/1"));
        check("</x>; rel=next, </r>; title=\"a,b\"; REL=\"x urn:ietf:params:push:receipt\"", Some("/r"));
        check("</x>; title=\"rel=urn:ietf:params:push:receipt\"", None);
        check("</x>; rel=\"urn:ietf:params:push\"", None);
        check("</x", None);
        check("", None);
    }

    /// AS-005
    #[test]
    fn a_receipt_subscription_stays_with_its_origin() {
        let (a, b): (Origin, Origin) =
            ("https://a.example".parse().unwrap(), "https://b.example".parse().unwrap());
        let mut receipts = Receipts::default();

        receipts.keep(&a, ReceiptSubscription::parse("https://a.example/r/1").unwrap());

        assert_eq!(receipts.of(&a).map(|receipt| receipt.expose()), Some("https://a.example/r/1"));
        assert!(receipts.of(&b).is_none());
    }
}
