//! Check-in: a Chromium asks for its android id and its security token (GCM-001 to GCM-005).
//!
//! Never 400 or 401, which would make Chromium throw away all its subscriptions: what cannot be read is answered as
//! if it were the first check-in, and what cannot be done with 503, which Chromium tries again.

use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use prost::Message as _;

use super::{
    answer, instead, label,
    protobuf::{CheckinRequest, CheckinResponse},
    read_limits,
};
use crate::{
    clock,
    ids::UserAgentId,
    service::{attached::Moment, subscription::AgentKind},
    space::SpaceName,
    wire::{
        Wire,
        body::{self, Body, Read},
        listener::LeavesBodyUnread,
        problem::Problem,
    },
};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuffer");

/// What the check-in says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Android id and security token, when it has both.
    pub(crate) known: Option<(u64, u64)>,
    /// Version of the browser.
    pub(crate) version: Option<String>,
}

impl Asked {
    /// What cannot be read says nothing.
    pub(crate) fn read(body: &[u8]) -> Self {
        let Ok(request) = CheckinRequest::decode(body) else { return Self { known: None, version: None } };
        let id = request.android_id.and_then(|id| u64::try_from(id).ok()).filter(|id| *id != 0);
        let token = request.security_token.filter(|token| *token != 0);
        let build = request.checkin.and_then(|checkin| checkin.chrome_build);
        Self { known: id.zip(token), version: build.and_then(|build| build.version) }
    }
}

/// Answers a check-in; `space` is none when the path names none that can be.
pub(crate) async fn respond(
    wire: &Arc<Wire>,
    space: Result<SpaceName, Problem>,
    request: Request<Incoming>,
) -> Response<Body> {
    if *request.method() != Method::POST {
        return only_post();
    }
    let label = label(request.uri().query());
    let body = body::read(request.into_body(), read_limits(wire)).await;
    let (space, asked) = match (space, body) {
        (Ok(space), Read::Whole(octets)) => (space, Asked::read(&octets)),
        (Err(problem), _) => return later(problem),
        (Ok(_), _) => {
            let limit = wire.limits.gcm_form;
            let mut response = later(
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "api/body-incomplete",
                    "The check-in is not whole",
                )
                .detail(format!("the body was cut, came too slowly, or has over {limit} octets"))
                .fix("send one AndroidCheckinRequest, or raise gcm_form"),
            );
            response.extensions_mut().insert(LeavesBodyUnread);
            return response;
        }
    };
    let agent = asked.known.map(|(id, _)| UserAgentId::from_android(id));
    let effects = wire.service.effects(&space, AgentKind::Chromium, agent, Moment::CheckIn);
    if let Some(response) = instead(effects, PROTOBUF).await {
        tracing::info!(status = response.status().as_u16(), "a test answers the check-in of a Chromium");
        return response;
    }
    let is_first = asked.known.is_none();
    match wire.service.check_in(&space, asked.known, label.as_deref(), asked.version.as_deref()) {
        Ok((id, token)) => {
            tracing::info!(is_first, "a Chromium checked in");
            answer(StatusCode::OK, PROTOBUF, granted(id, token))
        }
        Err(error) => later(crate::wire::problem::from_service_error(&error)),
    }
}

/// No setting: one could send the browser to another service (GCM-005).
fn granted(android_id: u64, security_token: u64) -> Vec<u8> {
    let response = CheckinResponse {
        stats_ok: true,
        time_msec: i64::try_from(clock::wall().as_unix_millis()).ok(),
        android_id: Some(android_id),
        security_token: Some(security_token),
    };
    response.encode_to_vec()
}

/// As a failure that passes, whatever it is.
fn later(mut problem: Problem) -> Response<Body> {
    tracing::warn!(code = %problem.code, detail = %problem.detail.escape_debug(), "a check-in of a Chromium failed");
    problem.status = StatusCode::SERVICE_UNAVAILABLE;
    problem.into_response()
}

/// Chromium posts.
pub(super) fn only_post() -> Response<Body> {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "api/method", "Only POST")
        .detail("check-in and registration of Chromium are sent with POST")
        .fix("send a POST");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first check-in of Chromium 156, as it was seen on the wire.
    const FIRST: &[u8] = &[
        0x10, 0, 0x1a, 42, b'1', b'-', b'd', b'a', b'3', b'9', b'a', b'3', b'e', b'e', b'5', b'e', b'6',
        b'b', b'4', b'b', b'0', b'd', b'3', b'2', b'5', b'5', b'b', b'f', b'e', b'f', b'9', b'5', b'6', b'0',
        b'1', b'8', b'9', b'0', b'a', b'f', b'd', b'8', b'0', b'7', b'0', b'9', 0x22, 23, 0x60, 3, 0x6a, 19,
        8, 3, 0x12, 13, b'1', b'5', b'6', b'.', b'0', b'.', b'8', b'0', b'7', b'8', b'.', b'7', b'9', 0x18,
        5, 0x69, 0, 0, 0, 0, 0, 0, 0, 0, 0x70, 3, 0xb0, 1, 0,
    ];

    #[test]
    fn the_first_check_in_has_no_names_and_says_the_version() {
        let asked = Asked::read(FIRST);

        assert_eq!(asked.known, None);
        assert_eq!(asked.version.as_deref(), Some("156.0.8078.79"));
    }

    #[test]
    fn both_names_or_none() {
        let id = [0x10, 0x85, 2];
        let token = [0x69, 7, 0, 0, 0, 0, 0, 0, 0x80];

        assert_eq!(Asked::read(&[&id[..], &token].concat()).known, Some((261, 7 + (1 << 63))));
        assert_eq!(Asked::read(&id).known, None);
        assert_eq!(Asked::read(&token).known, None);
    }

    /// A foreign example of what Chromium takes.
    #[test]
    fn the_answer_has_the_fields_of_the_protocol() {
        let octets = granted(5_000_000_000_000_000_001, 8_000_000_000_000_000_003);

        assert!(octets.starts_with(&[8, 1]), "{octets:02x?}");
        let names =
            [0x39, 1, 0, 0xf4, 0x44, 0x82, 0x91, 0x63, 0x45, 0x41, 3, 0, 0x20, 0x3b, 0x9d, 0xb5, 5, 0x6f];
        assert!(octets.ends_with(&names), "{octets:02x?}");
    }

    proptest! {
        #[test]
        fn no_octets_panic(octets: Vec<u8>) {
            let asked = Asked::read(&octets);
            prop_assert!(asked.known.is_none_or(|(id, token)| id != 0 && token != 0));
        }
    }
}
