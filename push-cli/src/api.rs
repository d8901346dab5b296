//! A small HTTP client for the service's API: one connection per call, JSON in and out, problems as diagnostics.
//!
//! It never sends push messages; that is push-client's work.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use push_crypto::{Origin, Scheme};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use crate::{
    cli::ServiceArgs,
    commands::ca,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    input, text,
};

/// Most octets of one answer (our choice: a thousand full message objects have less).
const MOST: usize = 64 * 1024 * 1024;
/// How long a connection may take; the service is near (our choice).
const CONNECT: Duration = Duration::from_secs(5);
/// What is encoded in a query besides control characters: all but the unreserved of RFC 3986 §2.3.
const UNRESERVED: &[u8] = b"-._~";

/// The service that commands talk to.
#[derive(Clone)]
pub(crate) struct Api {
    origin: Origin,
    token: Option<String>,
    space: Option<String>,
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body as JSON; null when empty.
    pub(crate) fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            Diagnostic::new(
                ExitCode::UNREACHABLE,
                "api/not-push",
                "the service answered with something else than JSON",
            )
            .why(format!("status {}, {} octets", self.status, self.body.len()))
            .fix("check --url: it must be the address which push serve prints")
        })
    }
}

impl Api {
    /// From flags and environment.
    ///
    /// # Errors
    /// When the URL is not usable.
    pub(crate) fn new(service: &ServiceArgs) -> Result<Self> {
        let origin = text::parse_origin(&service.url).map_err(|error| {
            Diagnostic::input("url", format!("{} is not the URL of a service", text::quote(&service.url, 80)))
                .because(&error)
                .fix("give what push serve prints, e.g. --url http://localhost:8030")
        })?;
        let token = service.token.as_deref().map(input::value_text).transpose()?;
        Ok(Self { origin, token, space: service.space.clone() })
    }

    /// A client of a service that this process runs.
    pub(crate) const fn to(origin: Origin, token: Option<String>, space: Option<String>) -> Self {
        Self { origin, token, space }
    }

    /// The same in another space.
    pub(crate) fn in_space(&self, space: &str) -> Self {
        Self { space: Some(space.to_owned()), ..self.clone() }
    }

    /// The same without a space.
    pub(crate) fn everywhere(&self) -> Self {
        Self { space: None, ..self.clone() }
    }

    /// Where the service is.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The space that commands act in.
    pub(crate) fn space(&self) -> &str {
        self.space.as_deref().unwrap_or("default")
    }

    /// `GET`, JSON.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.good(Method::GET, path, query, None).await?.json()
    }

    /// `GET`, the octets.
    pub(crate) async fn get_octets(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes> {
        Ok(self.good(Method::GET, path, query, None).await?.body)
    }

    /// `POST`, JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.good(Method::POST, path, &[], Some(body)).await?.json()
    }

    /// `PATCH`, JSON.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.good(Method::PATCH, path, &[], Some(body)).await?.json()
    }

    /// `DELETE`.
    pub(crate) async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.good(Method::DELETE, path, query, None).await?.json()
    }

    /// All items of a list, in pages as large as the service likes.
    pub(crate) async fn items(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = query.to_vec();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let answer = self.get(path, &query).await?;
            items.extend(answer.get("items").and_then(Value::as_array).into_iter().flatten().cloned());
            cursor = answer.get("cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Every item of a list, page by page, at most `limit`.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, &str)], limit: usize) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let page = (limit - items.len()).min(1000).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &page));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let answer = self.get(path, &query).await?;
            let Some(found) = answer.get("items").and_then(Value::as_array) else { break };
            items.extend(found.iter().cloned());
            cursor = answer.get("cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || found.is_empty() {
                break;
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// A call whose every answer below 400 is good; a problem becomes a diagnostic.
    async fn good(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        // An empty segment would name another route than the one that was meant.
        if path.ends_with('/') || path.contains("//") {
            return Err(Diagnostic::input("api/empty", "the id, label or name is empty")
                .fix("give one; push msg ls, push sub ls and push space ls list them"));
        }
        let reply = self.call(method, path, query, body).await?;
        if reply.status.as_u16() < 400 { Ok(reply) } else { Err(problem(&reply)) }
    }

    /// A call with any answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply> {
        let response = self.exchange(self.request(method, &self.target(path, query), body)?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|_| self.broken("the answer broke off"))?.to_bytes();
        Ok(Reply { status, body })
    }

    /// The lines of a stream, one JSON value each.
    pub(crate) async fn stream(&self, path: &str, query: &[(&str, &str)]) -> Result<Lines> {
        let mut request = self.request(Method::GET, &self.target(path, query), None)?;
        request
            .headers_mut()
            .insert(header::ACCEPT, header::HeaderValue::from_static("application/x-ndjson"));
        let response = self.exchange(request).await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST).collect().await;
            let body = body.map_err(|_| self.broken("the answer broke off"))?.to_bytes();
            return Err(problem(&Reply { status, body }));
        }
        Ok(Lines { body: response.into_body(), buffer: Vec::new() })
    }

    /// A `GET` outside the API, e.g. `/readyz`.
    pub(crate) async fn probe(&self, path: &str) -> Result<Reply> {
        let response = self.exchange(self.request(Method::GET, path, None)?).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|_| self.broken("the answer broke off"))?.to_bytes();
        Ok(Reply { status, body })
    }

    /// A request to a push resource of this service, with the given fields and octets.
    pub(crate) async fn push(
        &self,
        method: Method,
        path: &str,
        fields: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Reply> {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, self.origin.authority());
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|_| {
            Diagnostic::input("request", "the request has characters that no field can carry")
        })?;
        let response = self.exchange(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|_| self.broken("the answer broke off"))?.to_bytes();
        Ok(Reply { status, body })
    }

    fn target(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut target = format!("/api/v1{path}");
        let space = self.space.as_deref().map(|space| ("space", space));
        for (index, (name, value)) in query.iter().copied().chain(space).enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(name);
            target.push('=');
            target.push_str(&encode(value));
        }
        target
    }

    fn request(&self, method: Method, target: &str, body: Option<&Value>) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(target);
        request = request.header(header::HOST, self.origin.authority());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let octets = match body {
            None => Bytes::new(),
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(value.to_string())
            }
        };
        request.body(Full::new(octets)).map_err(|_| {
            Diagnostic::input("url", "the token or an id has characters that no request can carry")
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>> {
        let stream = self.connect().await?;
        match self.origin.scheme() {
            Scheme::Http => self.over(stream, request).await,
            Scheme::Https => self.over(self.secure(stream).await?, request).await,
        }
    }

    async fn connect(&self) -> Result<TcpStream> {
        let host = self.origin.host().trim_start_matches('[').trim_end_matches(']');
        let connecting = TcpStream::connect((host, self.origin.port()));
        let result = tokio::time::timeout(CONNECT, connecting).await;
        let error = match result {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => text::io_error(&error),
            Err(_) => "no answer within 5 s".to_owned(),
        };
        Err(Diagnostic::new(
            ExitCode::UNREACHABLE,
            "service/unreachable",
            format!("no push service answers at {}", self.origin),
        )
        .why(error)
        .fix("start one with push serve, or name another with --url or PUSH_URL"))
    }

    async fn secure(
        &self,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(ca::local_certificates());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| self.broken("TLS cannot be set up").caused_by(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = self.origin.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = rustls_pki_types::ServerName::try_from(host)
            .map_err(|error| self.broken("the host of the URL fits no certificate").caused_by(&error))?;
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| {
            Diagnostic::new(
                ExitCode::UNREACHABLE,
                "service/certificate",
                format!("certificate not trusted: {}", self.origin),
            )
            .why("this program does not know the CA of the push service")
            .fix("eval \"$(push env)\", or give the service's directory to its clients with --ca-dir")
            .caused_by(&error)
        })
    }

    async fn over<S>(&self, stream: S, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken("the connection broke off").caused_by(&error))?;
        tokio::spawn(connection);
        sender
            .send_request(request)
            .await
            .map_err(|error| self.broken("the service hung up without an answer").caused_by(&error))
    }

    fn broken(&self, what: &str) -> Diagnostic {
        Diagnostic::new(ExitCode::UNREACHABLE, "service/broken", format!("{what}: {}", self.origin))
            .fix("push ready --wait 10s waits until the service answers")
    }
}

/// Lines of a streamed answer.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    /// The next line as JSON; none at the end. Cancel-safe: what was read stays in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let Ok(value) = serde_json::from_slice(&line) else { continue };
                return Ok(Some(value));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(Diagnostic::new(
                        ExitCode::UNREACHABLE,
                        "service/broken",
                        "the stream of events broke off",
                    )
                    .why("the service stopped, or the connection was cut")
                    .caused_by(&error));
                }
                Some(Ok(frame)) => {
                    if let Ok(octets) = frame.into_data() {
                        self.buffer.extend_from_slice(&octets);
                    }
                }
            }
        }
    }
}

/// A problem document as a diagnostic.
pub(crate) fn problem(reply: &Reply) -> Diagnostic {
    let body = serde_json::from_slice(&reply.body).unwrap_or_else(|_| json!({}));
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let status = reply.status;
    let exit = match (status.as_u16(), member("code")) {
        (409, Some("api/not-met")) => ExitCode::EXPECTATION,
        (401 | 403 | 421, _) => ExitCode::REFUSED,
        (503 | 429, _) => ExitCode::TEMPORARY,
        (400..=499, _) => ExitCode::INPUT,
        _ => ExitCode::UNEXPECTED,
    };
    let code = member("code").unwrap_or("api/not-push").to_owned();
    let message = member("detail").or(member("title")).map_or_else(
        || format!("the service answered {status}, in a form that this program does not know"),
        str::to_owned,
    );
    // The API says in one sentence what is wrong and what to do; where it has both, they are two lines here.
    let (what, advice) = text::split_advice(&message);
    let pointer = member("pointer").unwrap_or_default();
    let mut diagnostic = match flag_of(pointer) {
        Some(flag) => Diagnostic::new(exit, code.clone(), format!("{flag}: {what}")),
        None => Diagnostic::new(exit, code.clone(), what),
    };
    if pointer.starts_with("/match") {
        diagnostic = diagnostic.why(format!("member {pointer}"));
    }
    if let Some(advice) = advice {
        diagnostic = diagnostic.fix(advice);
    }
    match (code.as_str(), member("fix")) {
        ("api/unauthorized", _) => {
            diagnostic.fix("give the token of the service: --token @FILE, or PUSH_TOKEN")
        }
        ("api/not-push", _) => diagnostic.fix("check --url: it must be the address which push serve prints"),
        (_, Some(fix)) if advice.is_none() => match command_for(fix) {
            Some(fix) => diagnostic.fix(fix),
            None => diagnostic,
        },
        _ => diagnostic,
    }
}

/// The flag that fills a member of a request, where the sentence alone would not say what it is about.
fn flag_of(pointer: &str) -> Option<&'static str> {
    let member = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
    match member {
        "applicationServerKey" => Some("--key"),
        "codings" => Some("--codings"),
        "q" => Some("the query"),
        _ => None,
    }
}

/// What the API advises, in words of the command line; none where it speaks of its own requests only.
fn command_for(fix: &str) -> Option<String> {
    let routes = [
        ("subscriptions", "sub ls"),
        ("messages", "msg ls"),
        ("spaces", "space ls"),
        ("findings", "help findings"),
    ];
    if let Some(route) = fix.strip_prefix("GET /api/v1/") {
        let (route, query) = route.split_once('?').unwrap_or((route, ""));
        let command = routes.into_iter().find(|(name, _)| *name == route)?.1;
        let space = query.strip_prefix("space=").filter(|space| *space != "default" && route != "spaces");
        return Some(match space {
            Some(space) => format!("push {command} --space {space}"),
            None => format!("push {command}"),
        });
    }
    (!fix.contains("/api/v1")).then(|| fix.to_owned())
}

/// A text as a value of a query or as one segment of a path.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || UNRESERVED.contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_names_the_space_and_encodes_values() {
        let api = Api::to("http://localhost:1".parse().unwrap(), None, Some("t 1".to_owned()));

        assert_eq!(
            api.target("/messages", &[("q", "to:ä&b")]),
            "/api/v1/messages?q=to%3A%C3%A4%26b&space=t%201"
        );
    }

    #[test]
    fn a_problem_becomes_a_diagnostic() {
        let body = json!({"code": "api/not-found", "title": "No such subscription", "status": 404,
            "detail": "no subscription is called \"x\"", "fix": "GET /api/v1/subscriptions"});
        let reply = Reply { status: StatusCode::NOT_FOUND, body: body.to_string().into() };

        let diagnostic = problem(&reply);

        assert_eq!(diagnostic.code(), "api/not-found");
        assert_eq!(diagnostic.exit(), ExitCode::INPUT);
        assert_eq!(diagnostic.message(), "no subscription is called \"x\"");
    }

    #[test]
    fn advice_is_given_in_words_of_the_command_line() {
        let check =
            |fix: &str, command: Option<&str>| assert_eq!(command_for(fix).as_deref(), command, "{fix}");

        check("GET /api/v1/subscriptions?space=default", Some("push sub ls"));
        check("GET /api/v1/messages?space=t1", Some("push msg ls --space t1"));
        check("GET /api/v1/spaces", Some("push space ls"));
        check("change the member named by pointer; the reference is GET /api/v1", None);
        check("use another name", Some("use another name"));
    }

    #[test]
    fn an_answer_that_is_not_ours_says_so() {
        let reply = Reply { status: StatusCode::BAD_GATEWAY, body: "<html>".into() };

        assert_eq!(problem(&reply).code(), "api/not-push");
    }
}
