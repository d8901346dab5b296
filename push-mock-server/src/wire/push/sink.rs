//! Push resources of a sink: the body is read and thrown away, the answer is made of what is at hand.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{answer, broken, read_limits, timed_out, with_unread};
use crate::{
    service::sink::{Head, Taken},
    wire::{
        Wire,
        body::{self, Body, Read, empty},
        paths::Place,
    },
};

/// In front of the number of a message: it names nothing that could be asked for.
const LOCATION: &str = "/m/sink-";
const TTL: HeaderName = HeaderName::from_static("ttl");

/// What a sink judges a request by; none when it is no sink, or the request is for something else.
pub(crate) fn for_sink(wire: &Wire, request: &Request<Incoming>) -> Option<Head> {
    let sink = wire.service.sink()?;
    let headers = request.headers();
    let is_other = matches!(*request.method(), Method::CONNECT | Method::OPTIONS)
        || headers.len() > wire.limits.header_fields
        || headers.contains_key(header::UPGRADE);
    if is_other {
        return None;
    }
    let Place::Push(path) = Place::of(request.uri().path(), request.uri().query()) else { return None };
    let mut ttl = headers.get_all(TTL).iter();
    let ttl = ttl.next().filter(|_| ttl.next().is_none()).map(|value| value.to_str().unwrap_or("?"));
    let is_encoded = headers.contains_key(header::CONTENT_ENCODING);
    Some(sink.judge(request.method().as_str(), &path.token, ttl, is_encoded))
}

/// Reads the body of such a request, and answers.
pub(crate) async fn into_sink(wire: Arc<Wire>, head: Head, body: Incoming) -> Response<Body> {
    let limits = read_limits(&wire.limits);
    let (octets, is_unread) = match body::read(body, limits).await {
        Read::Whole(octets) => (Some(octets.len()), false),
        Read::TooLarge { .. } => (None, true),
        Read::TimedOut => return with_unread(timed_out(limits.timeout).into_response()),
        Read::Broken => return with_unread(broken().into_response()),
    };
    let response = match wire.service.sink().map(|sink| sink.take(head, octets)) {
        Some(Ok(taken)) => accepted(taken),
        Some(Err((status, finding))) => answer::refused_with(status, finding.as_deref()),
        None => answer::refused_with(500, None),
    };
    if is_unread { with_unread(response) } else { response }
}

fn accepted(Taken { number, ttl }: Taken) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(format!("{LOCATION}{number}"))) {
        headers.insert(header::LOCATION, location);
    }
    headers.insert(TTL, ttl.as_seconds().into());
    response
}
