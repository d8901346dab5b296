//! Short pages outside the API: what this is, whether it works, numbers, and the help page of each rule.

use std::fmt::Write as _;

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{
    Wire,
    body::{Body, full},
    listener::Peer,
    paths::{Place, percent_decoded},
    problem::Problem,
};
use crate::service::{exchange::State, inspect::rules};

const TEXT: &str = "text/plain; charset=utf-8";
const MARKDOWN: &str = "text/markdown; charset=utf-8";
/// The format of Prometheus, version 0.0.4.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers for every place that is neither a push resource, a message nor the API.
pub(super) async fn respond(
    wire: &Wire,
    place: &Place<'_>,
    request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    let (request, _body) = request.into_parts();
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    match place {
        Place::Root if is_read => page(StatusCode::OK, TEXT, root(wire)),
        Place::Live if is_read => page(StatusCode::OK, TEXT, "ok\n".into()),
        Place::Ready if is_read => page(StatusCode::OK, TEXT, "ready\n".into()),
        Place::Metrics if is_read => match wire.guard.check(&request, peer) {
            Ok(()) => page(StatusCode::OK, EXPOSITION, metrics(wire).await),
            Err(problem) => problem.into_response(),
        },
        Place::Help(code) if is_read => help(code),
        Place::Root | Place::Live | Place::Ready | Place::Metrics | Place::Help(_) => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "api/method", "Method not allowed")
                .detail(format!("{} cannot be done here", request.method))
                .fix("use GET");
            let mut response = problem.into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        _ => unknown(request.uri.path()).into_response(),
    }
}

fn page(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A path that names nothing; every such answer is the same.
fn unknown(path: &str) -> Problem {
    let shown: String = path.chars().take(100).collect();
    Problem::new(StatusCode::NOT_FOUND, "api/not-found", "Nothing here")
        .detail(format!("{} names nothing", shown.escape_debug()))
        .fix("push resources are /p/…, the API is /api/v1, help is /help; GET / says more")
}

fn root(wire: &Wire) -> String {
    let url = &wire.service.urls().public;
    format!(
        "push {}: a local Web Push service which decrypts, checks and explains every message\n\n\
         push resources   {url}/p/…            send here: POST with TTL, see RFC 8030\n\
         subscriptions    {url}/api/v1/subscriptions\n\
         messages         {url}/api/v1/messages\n\
         everything else  {url}/api/v1/info\n\
         findings         {url}/help\n",
        env!("CARGO_PKG_VERSION"),
    )
}

/// The page of a rule, or the list of all.
fn help(code: &str) -> Response<Body> {
    let code = percent_decoded(code);
    if code.is_empty() {
        return page(StatusCode::OK, MARKDOWN, index());
    }
    match rules::rule(&code) {
        Some(rule) => page(StatusCode::OK, MARKDOWN, rule.page()),
        None => match super::problem::about(&code) {
            Some(text) => page(StatusCode::OK, MARKDOWN, format!("# {code}\n\n{text}\n")),
            None => {
                let shown: String = code.chars().take(100).collect();
                Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such page")
                    .detail(format!("no finding is called \"{}\"", shown.escape_debug()))
                    .fix("GET /help lists all")
                    .into_response()
            }
        },
    }
}

fn index() -> String {
    let mut text = String::from("# Findings\n\n");
    for rule in rules::catalogue() {
        let _ = writeln!(text, "- [{0}](/help/{0}): {1}", rule.code, rule.title);
    }
    text
}

/// Counters of the door and of every space, in the format of Prometheus.
async fn metrics(wire: &Wire) -> String {
    let mut text = String::new();
    for (name, help, value) in wire.door.rows() {
        let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    }
    let _ = writeln!(text, "# HELP push_messages_accepted_total Messages accepted since the last reset.");
    let _ = writeln!(text, "# TYPE push_messages_accepted_total counter");
    let spaces = wire.service.spaces().await;
    for space in &spaces {
        let accepted = space.counters.accepted();
        let _ = writeln!(text, "push_messages_accepted_total{{space=\"{}\"}} {accepted}", space.name);
    }
    let _ = writeln!(text, "# HELP push_messages Messages by state.\n# TYPE push_messages gauge");
    for space in &spaces {
        for state in State::ALL {
            let count = space.counters.in_state(state);
            let _ = writeln!(text, "push_messages{{space=\"{}\",state=\"{state}\"}} {count}", space.name);
        }
    }
    text
}
