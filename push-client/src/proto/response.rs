//! What an answer means: every status a push service gives, sorted by what the sender should do.

use std::time::Duration;

use http::{HeaderMap, Response, header};
use push_crypto::{PushResource, Timestamp, Ttl};

use super::{receipts, retry_after, vendor};
use crate::outcome::{MessageResource, ReceiptSubscription, RefusedReason};

/// A difference between two clocks that is worth a new token: 10 min, twice the tolerance of known services.
const NOTABLE_SKEW: Duration = Duration::from_secs(600);

/// One answer, classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 2xx: taken over. Statuses other than 200, 201, 202 count as 200 (RFC 9110 §15).
    Accepted {
        /// The status.
        status: u16,
        /// `Location`.
        message_resource: Option<MessageResource>,
        /// `TTL`, the value which counts.
        ttl: Option<Ttl>,
        /// The link of the receipt relation.
        receipt_subscription: Option<ReceiptSubscription>,
    },
    /// 404 or 410: the subscription has ended.
    Gone {
        /// The status.
        status: u16,
    },
    /// Other 3xx, 4xx and what is no status of HTTP: the same request will be refused again.
    Refused {
        /// The status.
        status: u16,
        /// What kind of refusal it is.
        reason: RefusedReason,
        /// Code and words.
        said: vendor::Reason,
        /// The push service's time, when a 401 or 403 speaks of the clock or shows that it is another.
        clock: Option<Timestamp>,
    },
    /// 429, a throttled 406 of WNS, 5xx: later perhaps.
    Deferred {
        /// The status.
        status: u16,
        /// `Retry-After`, not yet clamped.
        retry_after: Option<Duration>,
        /// Code and words.
        said: vendor::Reason,
    },
}

impl Answer {
    /// The status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Accepted { status, .. }
            | Self::Gone { status }
            | Self::Refused { status, .. }
            | Self::Deferred { status, .. } => *status,
        }
    }
}

/// Classifies the answer to a message for this push resource; `now` is when it came.
///
/// ```
/// use push_client::proto::{Answer, classify};
/// use push_crypto::{PushResource, Timestamp};
/// let endpoint: PushResource = "https://push.example/p/1".parse()?;
/// let response = http::Response::builder().status(410).body("").unwrap();
/// assert_eq!(classify(&response, &endpoint, Timestamp::from_unix_seconds(0)), Answer::Gone { status: 410 });
/// # Ok::<(), push_crypto::PushResourceError>(())
/// ```
#[must_use]
pub fn classify<B: AsRef<[u8]>>(response: &Response<B>, endpoint: &PushResource, now: Timestamp) -> Answer {
    let (status, fields) = (response.status().as_u16(), response.headers());
    let said = || vendor::reason(status, fields, response.body().as_ref(), endpoint);
    match status {
        200..=299 => accepted(status, fields, endpoint),
        404 | 410 => Answer::Gone { status },
        429 | 500..=599 => Answer::Deferred { status, retry_after: wait(fields, now), said: said() },
        406 if is_throttled(fields) => {
            Answer::Deferred { status, retry_after: wait(fields, now), said: said() }
        }
        _ => refused(status, fields, said(), now),
    }
}

fn accepted(status: u16, fields: &HeaderMap, endpoint: &PushResource) -> Answer {
    let location = text(fields, header::LOCATION.as_str());
    let links = fields.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    Answer::Accepted {
        status,
        message_resource: location.and_then(|reference| MessageResource::resolve(reference, endpoint)),
        ttl: text(fields, "ttl").and_then(|value| value.parse().ok()),
        receipt_subscription: receipts::link_target(links)
            .and_then(|reference| ReceiptSubscription::resolve(reference, endpoint)),
    }
}

fn refused(status: u16, fields: &HeaderMap, said: vendor::Reason, now: Timestamp) -> Answer {
    let code = said.code.as_deref();
    let reason = match status {
        _ if code == Some("vapid/key-mismatch") => RefusedReason::KeyMismatch,
        300..=399 => RefusedReason::Redirect,
        401 | 403 => RefusedReason::Vapid,
        _ if code.is_some_and(|code| code.starts_with("vapid/")) => RefusedReason::Vapid,
        413 => RefusedReason::TooLarge,
        _ if code == Some("body/too-large") => RefusedReason::TooLarge,
        400..=499 => RefusedReason::BadRequest,
        _ => RefusedReason::Other,
    };
    let about_token = matches!(status, 401 | 403) && reason == RefusedReason::Vapid;
    let clock = about_token.then(|| their_time(fields, &said, now)).flatten();
    Answer::Refused { status, reason, said, clock }
}

/// The push service's time when the clock is the trouble: its words say so, or its `Date` is far from ours.
fn their_time(fields: &HeaderMap, said: &vendor::Reason, now: Timestamp) -> Option<Timestamp> {
    let date = date(fields)?;
    let named = vendor::names_the_clock(said.text.as_deref().unwrap_or_default(), said.code.as_deref());
    let skew = date.since(now).max(now.since(date));
    (named || skew > NOTABLE_SKEW).then_some(date)
}

fn wait(fields: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let now = date(fields).unwrap_or(now);
    retry_after::read(text(fields, header::RETRY_AFTER.as_str())?, now)
}

fn date(fields: &HeaderMap) -> Option<Timestamp> {
    retry_after::read_date(text(fields, header::DATE.as_str())?)
}

/// `X-WNS-STATUS: appthrottled` or `channelthrottled`: what makes a 406 of WNS temporary.
fn is_throttled(fields: &HeaderMap) -> bool {
    text(fields, "x-wns-status").is_some_and(|status| status.to_ascii_lowercase().ends_with("throttled"))
}

fn text<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests;
