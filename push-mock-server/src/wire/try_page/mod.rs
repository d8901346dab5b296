//! `/try`: a page and a worker that subscribe the browser which opens them, and tell the service what they see.
//!
//! No API token is asked for: the capability is the push resource that a report names. Calls are same-origin only,
//! and every answer is for known hosts. What the page does is in `page.js`, what the worker does in `worker.js`.

use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use push_crypto::{PushResource, Subscription, SubscriptionKeys};
use serde_json::{Value, json};

use super::{
    Wire,
    body::{self, Body, Read, ReadLimits, full},
    listener::{LeavesBodyUnread, Peer},
    paths::Place,
    problem::{Problem, from_service_error},
    push::{broken, timed_out},
};
use crate::{
    clock,
    json_reader::{self as read, FieldError, Members},
    service::exchange::Seen,
    space::SpaceName,
    token::PushTokenText,
    view::time,
};

/// Nothing but what this service gives out; no frame around the page, no form, no inline script (invariant 29).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Octets of a report besides the data: its endpoint, and a title of any sensible length (our choice).
const ROOM: usize = 16 * 1024;
/// Most characters of a title that is kept.
const TITLE: usize = 1024;

/// A file of the page: name, media type, content.
const FILES: [(&str, &str, &str); 5] = [
    ("", "text/html; charset=utf-8", include_str!("page.html")),
    ("mark.svg", "image/svg+xml", include_str!("mark.svg")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("page.js")),
    ("style.css", "text/css; charset=utf-8", include_str!("style.css")),
    ("worker.js", "text/javascript; charset=utf-8", include_str!("worker.js")),
];

/// Answers what lies at and below `/try`; `below` is without the slash.
pub(super) async fn respond(
    wire: &Wire,
    below: &str,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    let (parts, incoming) = request.into_parts();
    let is_unread = !hyper::body::Body::is_end_stream(&incoming);
    let result = match (&parts.method, below) {
        (&Method::POST, "subscription" | "report") => match wire.guard.check_page_call(&parts, peer) {
            Ok(()) => told(wire, below, incoming).await,
            Err(problem) => Err(problem),
        },
        (&Method::GET | &Method::HEAD, "config" | "fresh") => wire
            .guard
            .check_page_call(&parts, peer)
            .and_then(|()| if below == "config" { config(wire, &parts) } else { Ok(fresh()) }),
        (&Method::GET | &Method::HEAD, name) => wire.guard.check_host(&parts, peer).and_then(|()| file(name)),
        (method, name) => Err(wrong_method(method, name)),
    };
    result.unwrap_or_else(|problem| {
        let mut response = problem.into_response();
        if is_unread {
            response.extensions_mut().insert(LeavesBodyUnread);
        }
        response
    })
}

fn file(name: &str) -> Result<Response<Body>, Problem> {
    let (name, kind, content) = FILES.iter().find(|(known, ..)| *known == name).ok_or_else(unknown)?;
    let mut response = Response::new(full(*content));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Another version of the program may listen here tomorrow.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if *name == "worker.js" {
        // The page lies above the directory of its worker.
        headers.insert("service-worker-allowed", HeaderValue::from_static("/try"));
    }
    Ok(response)
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "api/not-found", "Nothing here")
        .detail("the page has no such file")
        .fix("open /try")
}

fn wrong_method(method: &Method, name: &str) -> Problem {
    let allowed = if matches!(name, "subscription" | "report") { "POST" } else { "GET" };
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "api/method", "Method not allowed")
        .detail(format!("{method} cannot be done here"))
        .fix(format!("use {allowed}"))
}

fn answer(value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the page has to know: the key to subscribe with.
fn config(wire: &Wire, parts: &Parts) -> Result<Response<Body>, Problem> {
    let asked = parts.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("space="));
    let asked = asked.map(super::paths::percent_decoded);
    let space = asked.as_deref().map_or_else(|| Ok(SpaceName::default()), str::parse::<SpaceName>);
    let space = space.map_err(|error| field("", error.to_string()))?;
    let info = wire.service.info();
    Ok(answer(&json!({
        "version": info.version,
        "vapidPublicKey": info.vapid_public_key.to_base64url(),
        "publicUrl": info.urls.public.to_string(),
        "space": space.as_str(),
    })))
}

/// What the worker fetches for a message without a body.
fn fresh() -> Response<Body> {
    let at = time(clock::wall());
    answer(&json!({"title": "Something new", "body": format!("fetched at {at}"), "at": at}))
}

/// Most octets of a report: a body of the largest size, in base64, and room for the rest.
fn most_of_report(body_octets: usize) -> usize {
    body_octets.div_ceil(3).saturating_mul(4).saturating_add(ROOM)
}

/// A page or a worker tells something.
async fn told(wire: &Wire, what: &str, incoming: Incoming) -> Result<Response<Body>, Problem> {
    let most = most_of_report(wire.limits.body_octets);
    let limits =
        ReadLimits { octets: most, timeout: wire.limits.body_timeout, rate: wire.limits.body_rate as u64 };
    let octets = match body::read(incoming, limits).await {
        Read::Whole(octets) => octets,
        Read::TooLarge { .. } => {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "api/too-large",
                "The body is too large",
            )
            .detail(format!("the body has over {most} octets"))
            .fix("report one push at a time"));
        }
        Read::TimedOut => return Err(timed_out(limits.timeout)),
        Read::Broken => return Err(broken()),
    };
    let value: Value = serde_json::from_slice(&octets).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "api/bad-json", "The body is no JSON")
            .detail(error.to_string())
            .fix("send one JSON object in UTF-8")
    })?;
    if what == "subscription" { subscription(wire, &value).await } else { report(wire, &value).await }
}

/// `JSON.stringify(subscription)`, so that the service's own tools know its keys.
async fn subscription(wire: &Wire, value: &Value) -> Result<Response<Body>, Problem> {
    let (endpoint, keys) = parts_of(value)?;
    let (space, label) = wire
        .service
        .report_subscription(PushTokenText(&token_of(&endpoint)?), keys)
        .await
        .map_err(|error| from_service_error(&error))?;
    Ok(answer(&json!({"label": label, "space": space.as_str()})))
}

fn parts_of(value: &Value) -> Result<(PushResource, SubscriptionKeys), Problem> {
    let Subscription { endpoint, keys, .. } =
        Subscription::from_value(value).map_err(|error| field("", error.to_string()))?.subscription;
    let missing =
        "has no keys, so nothing can be encrypted for it; send what JSON.stringify(subscription) gives";
    keys.map(|keys| (endpoint, keys)).ok_or_else(|| field("/keys", missing))
}

/// `{"endpoint", "data": base64 or null, "notificationShown", "title"}`: one push event.
async fn report(wire: &Wire, value: &Value) -> Result<Response<Body>, Problem> {
    let members = Members::of(value, "", &["endpoint", "data", "notificationShown", "title"])?;
    let endpoint = members.read("endpoint", read::parsed::<PushResource>)?;
    let endpoint = endpoint.ok_or_else(|| field("/endpoint", "is missing; give that of the subscription"))?;
    let title = members.read("title", text_or_null)?.flatten();
    let seen = Seen {
        data: members.read("data", octets_or_null)?.flatten(),
        shown: members.read("notificationShown", read::truth)?,
        title: title.map(|title| title.chars().take(TITLE).collect()),
    };
    let message = wire
        .service
        .report_seen(PushTokenText(&token_of(&endpoint)?), seen)
        .await
        .map_err(|error| from_service_error(&error))?;
    Ok(answer(&json!({"message": message})))
}

/// The token of a push resource, whatever its origin: Chromium's have a vendor's.
fn token_of(endpoint: &PushResource) -> Result<String, Problem> {
    let (path, query) = match endpoint.expose_path().split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (endpoint.expose_path(), None),
    };
    match Place::of(path, query) {
        Place::Push(push) => Ok(push.token.into_owned()),
        _ => Err(Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such subscription")
            .detail(format!("the endpoint at {} is none that this service gave out", endpoint.origin()))
            .fix("start the browser with push browser, so that it subscribes here")),
    }
}

fn text_or_null(value: &Value, pointer: &str) -> Result<Option<String>, FieldError> {
    if value.is_null() { Ok(None) } else { read::text(value, pointer).map(Some) }
}

fn octets_or_null(value: &Value, pointer: &str) -> Result<Option<bytes::Bytes>, FieldError> {
    use base64ct::Encoding as _;
    let Some(text) = text_or_null(value, pointer)? else { return Ok(None) };
    let octets = base64ct::Base64::decode_vec(&text);
    octets.map(|octets| Some(octets.into())).map_err(|_| {
        FieldError::new(
            pointer,
            "is no base64 with padding; give what btoa() gives, or null for a push without data",
        )
    })
}

fn field(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "api/bad-field", "A value cannot be used")
        .detail(detail)
        .fix("send what the page /try sends")
        .with("pointer", pointer)
}

#[cfg(not(feature = "api"))]
impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        field(error.pointer(), error.problem())
    }
}
