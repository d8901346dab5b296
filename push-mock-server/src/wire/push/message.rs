//! Message resources, `/m/{token}`: the sender reads what is outstanding, or withdraws it (RFC 8030 §5, §6.2).

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::wire::{
    Wire,
    body::{Body, empty, full},
    problem::Problem,
};

/// Answers a request to a message resource.
pub(crate) async fn message_resource(
    wire: &Wire,
    token: &str,
    request: &Request<Incoming>,
) -> Response<Body> {
    match *request.method() {
        Method::DELETE => {
            if wire.service.withdraw(token).await {
                let mut response = Response::new(empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            } else {
                missing().into_response()
            }
        }
        Method::GET | Method::HEAD => match wire.service.message_resource(token).await {
            Ok(message) => {
                let mut response = Response::new(full(message.body));
                let headers = response.headers_mut();
                for (name, value) in &message.headers {
                    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
                    {
                        headers.append(name, value);
                    }
                }
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
                let seconds = std::time::Duration::from_secs(message.last_modified.as_unix_seconds());
                let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + seconds);
                insert(headers, header::LAST_MODIFIED, &date);
                let link = format!("<{}>; rel=\"urn:ietf:params:push\"", message.push_resource);
                insert(headers, header::LINK, &link);
                response
            }
            Err(_) => missing().into_response(),
        },
        // A capability that is unknown is 404 whatever the method (choice P-09).
        _ => match wire.service.message_resource(token).await {
            Ok(_) => {
                let problem =
                    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "api/method", "Method not allowed")
                        .detail(format!("{} cannot be done to a message", request.method()))
                        .fix("GET reads a message that is outstanding, DELETE withdraws it");
                let mut response = problem.into_response();
                insert(response.headers_mut(), header::ALLOW, "DELETE, GET, HEAD");
                response
            }
            Err(_) => missing().into_response(),
        },
    }
}

fn insert(headers: &mut http::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such message")
        .detail("no message is outstanding here: it was delivered and acknowledged, expired, replaced, withdrawn, or never was")
        .fix("use the Location of a 201 while the message waits; GET /api/v1/messages shows what became of it")
}
