//! Where the connections of real user agents go: Firefox's WebSocket, Chromium's check-in, registration and push
//! connection.

use std::sync::Arc;

use http::{Request, Response, Version, header};
use hyper::body::Incoming;
use tokio::sync::watch;

use super::{
    Wire, autopush,
    body::Body,
    gcm,
    listener::{Duplex, LeavesBodyUnread},
    paths::percent_decoded,
    problem::{Problem, from_service_error},
};
use crate::space::{SpaceName, SpaceNameError};

/// True for a request that begins Firefox's push connection: everything but our own pages may be its path, since a
/// preference of the browser names it.
pub(super) fn is_websocket(request: &Request<Incoming>) -> bool {
    let asks = |value: &header::HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|name| name.trim().eq_ignore_ascii_case("websocket"))
    };
    request.version() == Version::HTTP_11
        && !is_page(request.uri().path())
        && request.headers().get_all(header::UPGRADE).iter().any(asks)
}

/// The API and everything that is made for people.
fn is_page(path: &str) -> bool {
    let first = path.split('/').nth(1);
    first.is_some_and(|first| matches!(first, "api" | "help" | "try" | "ui"))
}

/// Firefox: the answer to its handshake; what follows goes on through [`super::listener::converse_after`].
///
/// A page may open a WebSocket anywhere, but makes no space with it (T37).
pub(super) async fn websocket(wire: &Arc<Wire>, request: Request<Incoming>) -> Response<Body> {
    let makes_no_space = wire.guard.is_foreign(request.uri(), request.headers());
    autopush::upgrade(wire, request, makes_no_space)
}

/// Chromium asks once per profile, and then each day, who it is.
pub(super) async fn check_in(
    wire: &Arc<Wire>,
    space: Option<&str>,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Err(problem) = wire.guard.check_no_page(request.uri(), request.headers()) {
        return refuse(problem);
    }
    gcm::checkin::respond(wire, space_of(space), request).await
}

/// Chromium registers at each `subscribe()`, and takes it back at each `unsubscribe()`.
pub(super) async fn register3(
    wire: &Arc<Wire>,
    space: Option<&str>,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Err(problem) = wire.guard.check_no_page(request.uri(), request.headers()) {
        return refuse(problem);
    }
    gcm::register3::respond(wire, space_of(space), request).await
}

/// What a page asked for instead of a browser; its body is not read.
fn refuse(problem: Problem) -> Response<Body> {
    tracing::warn!(detail = problem.detail, "a page may not ask what browsers ask");
    let mut response = problem.into_response();
    response.extensions_mut().insert(LeavesBodyUnread);
    response
}

/// Chromium's push connection, inside of TLS.
pub(super) async fn mcs(wire: Arc<Wire>, stream: Box<dyn Duplex>, stop: watch::Receiver<bool>) {
    gcm::mcs::serve(wire.service.clone(), stream, stop).await;
}

/// The space that a path names; the vendors' own paths name none.
fn space_of(segment: Option<&str>) -> Result<SpaceName, Problem> {
    let Some(segment) = segment else { return Ok(SpaceName::default()) };
    percent_decoded(segment).parse().map_err(|error: SpaceNameError| from_service_error(&error.into()))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn paths_name_a_space_or_the_default() {
        assert_eq!(space_of(None).unwrap(), SpaceName::default());
        assert_eq!(space_of(Some("t%3A1")).unwrap().as_str(), "t:1");
        let problem = space_of(Some("a%20b")).unwrap_err();
        assert_eq!(problem.status, StatusCode::BAD_REQUEST, "{problem:?}");
    }
}
