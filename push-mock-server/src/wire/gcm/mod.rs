//! Chromium: check-in, registration and the push connection MCS, as a stock browser speaks them.
//!
//! The protocol has no public document; what is here follows from watching Chromium 156.

pub(crate) mod checkin;
pub(crate) mod form;
pub(crate) mod mcs;
mod protobuf;
pub(crate) mod register3;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{
    Wire,
    body::{Body, ReadLimits, full},
    paths::percent_decoded,
};
use crate::{clock, service::attached::Effects};

/// How long a reply that a test wants left out is held back; our choice: longer than any browser waits.
const OMITTED: Duration = Duration::from_secs(600);

/// How a form or a check-in is read.
fn read_limits(wire: &Wire) -> ReadLimits {
    ReadLimits {
        octets: wire.limits.gcm_form,
        timeout: wire.limits.body_timeout,
        rate: wire.limits.body_rate as u64,
    }
}

/// The label in the query, as the user agent is to be called.
fn label(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&');
    let value = pairs.filter_map(|pair| pair.strip_prefix("label=")).find(|value| !value.is_empty())?;
    Some(percent_decoded(&value.replace('+', " ")).into_owned())
}

/// Lets the time pass that a test wants; then what is answered instead, if anything.
async fn instead(effects: Effects, kind: HeaderValue) -> Option<Response<Body>> {
    if let Some(delay) = effects.delay {
        clock::pause(delay).await;
    }
    if effects.omit {
        clock::pause(OMITTED).await;
        return Some(answer(StatusCode::GATEWAY_TIMEOUT, kind, Vec::new()));
    }
    if effects.status.is_none() && effects.error.is_none() {
        return None;
    }
    let status =
        effects.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::OK);
    let body = effects.error.map(|error| format!("Error={error}").into_bytes()).unwrap_or_default();
    Some(answer(status, kind, body))
}

fn answer(status: StatusCode, kind: HeaderValue, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_may_name_the_user_agent() {
        assert_eq!(label(None), None);
        assert_eq!(label(Some("label=")), None);
        assert_eq!(label(Some("x=1&label=my%20phone")), Some("my phone".to_owned()));
        assert_eq!(label(Some("label=a+b&label=c")), Some("a b".to_owned()));
        assert_eq!(label(Some("labels=a")), None);
    }
}
