//! Push resources and message resources: requests of HTTP become [`DeliveryRequest`]s, replies become responses.
//!
//! Nothing is judged here: wrong methods, missing fields and bodies over the limit go to the service, which records
//! them with everything else that is wrong. Any page may send (CORS), because the URL is the permission.

mod answer;
mod message;
mod request;
mod sink;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

pub(crate) use answer::respond_with;
pub(crate) use message::message_resource;
pub(crate) use request::{authority, authority_of, received_origin};
pub(crate) use sink::{for_sink, into_sink};

use super::{
    Wire,
    body::{self, Body, Read, ReadLimits, empty},
    listener::{LeavesBodyUnread, Peer},
    paths::PushPath,
    problem::Problem,
};
use crate::{clock, limits::Limits, service::request::RequestBody, token::PushTokenText};

/// Methods that a page may use, as Mozilla's service says it.
const CORS_METHODS: &str = "DELETE, GET, POST, PUT";
/// Fields of the answer that a page may read.
const CORS_EXPOSED: &str = "location, ttl, link, retry-after, www-authenticate";
/// Seconds for which a browser remembers the above, as Mozilla's service says it.
const CORS_AGE: &str = "3600";

/// Answers a request to a push resource (RFC 8030 §5, PS-016 to PS-022).
pub(crate) async fn push_resource(
    wire: &Wire,
    path: &PushPath<'_>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    if *request.method() == Method::OPTIONS {
        return preflight(&request);
    }
    let at = clock::wall();
    let (parts, incoming) = request.into_parts();
    let limits = read_limits(&wire.limits);
    let streamed =
        !parts.headers.contains_key(header::CONTENT_LENGTH) && !hyper::body::Body::is_end_stream(&incoming);
    let (body, is_unread) = match body::read(incoming, limits).await {
        // A copy: it may be kept for long, and would keep the whole buffer that it was read into.
        Read::Whole(octets) => (RequestBody::Whole(Bytes::copy_from_slice(&octets)), false),
        Read::TooLarge { kept, declared } => (RequestBody::TooLarge { kept, declared }, true),
        Read::TimedOut => return cors(with_unread(timed_out(limits.timeout).into_response())),
        Read::Broken => return cors(with_unread(broken().into_response())),
    };
    let request = request::delivery_request(&parts, path, peer, body, streamed, at);
    let token = (!path.token.is_empty()).then_some(PushTokenText(&path.token));
    let reply = wire.service.deliver(token, request).await;
    let response = respond_with(&reply);
    cors(if is_unread { with_unread(response) } else { response })
}

fn read_limits(limits: &Limits) -> ReadLimits {
    ReadLimits { octets: limits.body_octets, timeout: limits.body_timeout, rate: limits.body_rate as u64 }
}

fn with_unread(mut response: Response<Body>) -> Response<Body> {
    response.extensions_mut().insert(LeavesBodyUnread);
    response
}

/// A body that comes too slowly.
pub(crate) fn timed_out(timeout: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "api/body-incomplete", "The body did not come")
        .detail(format!("the body was not complete after {timeout:?}"))
        .fix("send the whole body at once; check Content-Length against the octets sent")
}

/// A body whose framing is broken, or whose sender gave up.
pub(crate) fn broken() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "api/body-incomplete", "The body is broken")
        .detail("the body ended before its Content-Length or its last chunk")
        .fix("check Content-Length against the octets sent")
}

fn preflight(request: &Request<Incoming>) -> Response<Body> {
    let mut response = cors(Response::new(empty()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    // Any field: the ones asked for are allowed, since `*` does not stand for Authorization.
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("OPTIONS, POST, PUT"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(CORS_METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(HeaderValue::from_static("*")));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(CORS_AGE));
    response
}

fn cors(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(CORS_EXPOSED));
    response
}
