//! `Problem`: every error answer of the service as `application/problem+json` (RFC 9457, choice P-05).

use std::borrow::Cow;

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};

use super::body::{Body, full};
use crate::error::ServiceError;

/// One error answer: what happened, why, what to do. Boxed, because results carry it on paths that are hot.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Members>);

/// The members of a problem.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// Status.
    pub(crate) status: StatusCode,
    /// Stable code, e.g. `api/not-found` or a finding's code.
    pub(crate) code: Cow<'static, str>,
    /// The kind of problem in a few words.
    pub(crate) title: Cow<'static, str>,
    /// What was seen in this request.
    pub(crate) detail: String,
    /// What to do.
    pub(crate) fix: Cow<'static, str>,
    /// Seconds for `Retry-After`.
    pub(crate) retry_after: Option<u64>,
    /// Further members: `pointer`, `row`, `header`, `matched`, …
    pub(crate) more: Map<String, Value>,
}

impl std::ops::Deref for Problem {
    type Target = Members;
    fn deref(&self) -> &Members {
        &self.0
    }
}

impl std::ops::DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut Members {
        &mut self.0
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self(Box::new(Members {
            status,
            code: code.into(),
            title: title.into(),
            detail: String::new(),
            fix: Cow::Borrowed(""),
            retry_after: None,
            more: Map::new(),
        }))
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    pub(crate) fn fix(mut self, fix: impl Into<Cow<'static, str>>) -> Self {
        self.fix = fix.into();
        self
    }

    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.more.insert(member.to_owned(), value.into());
        self
    }

    /// The members in the order of the documentation.
    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), format!("/help/{}", self.code).into());
        object.insert("code".to_owned(), self.code.as_ref().into());
        object.insert("title".to_owned(), self.title.as_ref().into());
        object.insert("status".to_owned(), self.status.as_u16().into());
        object.insert("detail".to_owned(), self.detail.as_str().into());
        object.insert("fix".to_owned(), self.fix.as_ref().into());
        object.extend(self.more.clone());
        Value::Object(object)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(full(self.to_json().to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What the service could not do, as an answer.
pub(crate) fn from_service_error(error: &ServiceError) -> Problem {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut problem = Problem::new(status, error.code(), "").detail(error.to_string()).fix(error.fix());
    problem.title = error.title().into();
    problem.retry_after = error.retry_after();
    match error.pointer() {
        Some(pointer) => problem.with("pointer", pointer),
        None => problem,
    }
}

/// The help text of the codes that are no findings (`/help/api/…`).
pub(crate) fn about(code: &str) -> Option<&'static str> {
    API_CODES.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}

/// Every code of an error answer that is no finding, with its page.
const API_CODES: [(&str, &str); 21] = [
    ("api/ambiguous-id", "The last characters of an id fit several things. Use the whole id."),
    (
        "api/bad-field",
        "A member of the request is unknown, missing or has a value that cannot be used. `pointer` names it. Unknown members are refused so that a typing error never passes.",
    ),
    ("api/bad-json", "The body of the request is no JSON. `detail` says where reading stopped."),
    ("api/body-incomplete", "The body did not come to its end, or not in time. Check `Content-Length`."),
    (
        "api/content-type",
        "Requests other than GET need `Content-Type: application/json`, so that no form of a foreign page can send them.",
    ),
    (
        "api/cross-site",
        "A page of another site asked. Allow its origin with `--allow-origin` if that is wanted.",
    ),
    ("api/exists", "The name is taken. Use another one, or what is there."),
    ("api/gone-state", "The action is impossible in the state that the thing is in."),
    (
        "api/handshake",
        "The request asks for a WebSocket and is no handshake that RFC 6455 §4.2.1 allows. `detail` names the field.",
    ),
    ("api/internal", "The service broke a promise of its own. Please report it as a bug."),
    ("api/limit", "A limit of the service is reached. `push serve --print-limits` shows all of them."),
    ("api/method", "The path exists, the method does not. `Allow` names those that do."),
    ("api/not-found", "There is no such thing, or no longer. `detail` names what looks alike."),
    (
        "api/not-met",
        "What was waited for did not come. `report` says what came closest and in what it differed.",
    ),
    (
        "api/proxy-target",
        "The service was used as a proxy for a host that it does not stand in for. It stands in for the push hosts of the vendors and those of `--intercept-host`; put other hosts into `NO_PROXY`, or start it with `--intercept pass`.",
    ),
    (
        "api/proxy-unreachable",
        "With `--intercept pass` other hosts are let through; this one has no address, or does not take the connection. `detail` says which.",
    ),
    ("api/read-only", "What is shown cannot be changed."),
    (
        "api/store",
        "The store cannot be used at the moment. Nothing was accepted; try again after `Retry-After`.",
    ),
    ("api/too-large", "The body of an API request is over its limit. `push serve --print-limits` shows it."),
    ("api/unauthorized", "The API needs the bearer token that the service was started with."),
    (
        "api/unknown-host",
        "The `Host` of the request is none of the service's names, as it would be after DNS rebinding. Allow it with `--allow-host`.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_documented_order() {
        let problem = Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No such subscription")
            .detail("no subscription is called \"alcie\"")
            .fix("GET /api/v1/subscriptions")
            .with("pointer", "/to");

        assert_eq!(
            problem.to_json().to_string(),
            r#"{"type":"/help/api/not-found","code":"api/not-found","title":"No such subscription","status":404,"detail":"no subscription is called \"alcie\"","fix":"GET /api/v1/subscriptions","pointer":"/to"}"#
        );
    }
}
