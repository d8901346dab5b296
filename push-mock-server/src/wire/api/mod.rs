//! The HTTP API under `/api/v1`: one table of routes, one guard in front of all.
//!
//! Handlers turn JSON into commands of the service and its views into JSON; they decide nothing.

#[cfg(feature = "browsers")]
mod browsers;
mod catalogue;
mod clock;
mod control;
mod events;
mod information;
mod messages;
mod reading;
mod routes;
mod spaces;
mod subscriptions;
mod user_agents;
mod wait;

use std::sync::Arc;

use axum::response::IntoResponse;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::{
    Wire,
    authority::Authority,
    body::{self, Body, BoxError, Read, ReadLimits},
    guard::Guard,
    listener::{LeavesBodyUnread, Peer},
    problem::{Problem, from_service_error},
    push::{broken, timed_out},
};
use crate::{error::ServiceError, service::PushService};

/// What handlers know.
#[derive(Clone)]
struct Context {
    service: PushService,
    guard: Guard,
    ca_pem: Option<Arc<str>>,
    spki: Option<[u8; 32]>,
    readers: Arc<Semaphore>,
    stop: watch::Receiver<bool>,
}

/// The API behind the front door.
pub(crate) struct Api {
    router: axum::Router,
    guard: Guard,
    limits: ReadLimits,
}

impl Api {
    pub(super) fn new(
        service: &PushService,
        guard: &Guard,
        authority: Option<&Authority>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let limits = &service.config().limits;
        let context = Context {
            service: service.clone(),
            guard: guard.clone(),
            ca_pem: authority.map(|authority| authority.pem().into()),
            spki: authority.map(Authority::spki),
            readers: Arc::new(Semaphore::new(limits.event_clients)),
            stop,
        };
        Self {
            router: routes::router(context),
            guard: guard.clone(),
            limits: ReadLimits {
                octets: limits.api_body,
                timeout: limits.body_timeout,
                rate: limits.body_rate as u64,
            },
        }
    }
}

/// Guards, reads the body, routes.
pub(crate) async fn respond(wire: Arc<Wire>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
    let api = &wire.api;
    let (mut parts, incoming) = request.into_parts();
    if parts.method == Method::OPTIONS
        && let Some(answer) = api.guard.preflight(&parts.headers)
    {
        return answer;
    }
    let asked = parts.headers.clone();
    let read = match api.guard.check(&parts, peer) {
        Ok(()) => body::read(incoming, api.limits).await,
        Err(problem) => return refuse(problem, !hyper::body::Body::is_end_stream(&incoming)),
    };
    let octets = match read {
        Read::Whole(octets) => octets,
        Read::TooLarge { declared, .. } => return refuse(too_large(declared, api.limits.octets), true),
        Read::TimedOut => return refuse(timed_out(api.limits.timeout), true),
        Read::Broken => return refuse(broken(), true),
    };
    parts.extensions.insert(peer);
    let request = Request::from_parts(parts, axum::body::Body::from(octets));
    let answer = api.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    let mut answer = answer.map(|body| Body::Stream(body.map_err(BoxError::from).boxed_unsync()));
    let headers = answer.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    api.guard.cors(&asked, headers);
    answer
}

fn refuse(problem: Problem, leaves_body_unread: bool) -> Response<Body> {
    let needs_token = problem.status == StatusCode::UNAUTHORIZED;
    let mut answer = problem.into_response();
    if needs_token {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if leaves_body_unread {
        answer.extensions_mut().insert(LeavesBodyUnread);
    }
    answer
}

fn too_large(declared: Option<u64>, limit: usize) -> Problem {
    let seen = declared.map_or_else(|| format!("over {limit}"), |octets| octets.to_string());
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "api/too-large", "The body is too large")
        .detail(format!("the body has {seen} octets, at most {limit} are allowed"))
        .fix("send less, or raise api_body")
}

/// What a handler gives.
type Answer = Result<Json, Problem>;

/// An answer in JSON.
struct Json(StatusCode, Value);

impl Json {
    fn ok(value: Value) -> Answer {
        Ok(Self(StatusCode::OK, value))
    }

    fn created(value: Value) -> Answer {
        Ok(Self(StatusCode::CREATED, value))
    }

    /// A list that is given as a whole.
    fn list(items: Vec<Value>) -> Answer {
        Self::page(items, None)
    }

    /// A part of a list; the cursor leads to the next one.
    fn page(items: Vec<Value>, cursor: Option<String>) -> Answer {
        let mut object = serde_json::Map::new();
        object.insert("items".to_owned(), Value::Array(items));
        object.insert("cursor".to_owned(), cursor.map_or(Value::Null, Value::String));
        Self::ok(Value::Object(object))
    }
}

impl IntoResponse for Json {
    fn into_response(self) -> axum::response::Response {
        let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (self.0, json, self.1.to_string()).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        Self::into_response(self).map(axum::body::Body::new)
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        from_service_error(&error)
    }
}
