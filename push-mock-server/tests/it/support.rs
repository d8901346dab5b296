//! A running service on a free port, and small clients for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use push_mock_server::{Config, Limits, Server};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// Longer than anything here takes; only a fault runs into it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A service that stops when this is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// Starts a service on a free port of 127.0.0.1.
pub(crate) fn start(config: Config) -> Running {
    let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..config };
    let server = Server::bind(config).unwrap();
    let (stop, stopped) = oneshot::channel();
    Running {
        address: server.addresses()[0],
        url: server.url().to_string(),
        ca_pem: server.ca_pem().unwrap_or_default().to_owned(),
        task: tokio::spawn(server.run(async {
            let _ = stopped.await;
        })),
        stop: Some(stop),
    }
}

/// Limits short enough for tests that wait for them.
pub(crate) fn impatient() -> Limits {
    let short = Duration::from_secs(1);
    Limits { header_timeout: short, body_timeout: short, idle_timeout: short, ..Limits::default() }
}

impl Running {
    /// Stops it and waits until it has stopped.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        within(self.task).await.unwrap();
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// One request over HTTP/1.1 on a connection of its own.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        Client::http1(self.connect().await).await.send(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        self.send(self.request(Method::GET, path).body(Full::default()).unwrap()).await
    }

    /// A request with `Host`, and the content type of the API when it changes something.
    pub(crate) fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let builder =
            Request::builder().uri(path).header("host", format!("localhost:{}", self.address.port()));
        let is_read = method == Method::GET;
        let builder = builder.method(method);
        if is_read { builder } else { builder.header("content-type", "application/json") }
    }

    /// A call of the API: status and JSON.
    #[cfg(feature = "api")]
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (http::StatusCode, Value) {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let path = format!("/api/v1{path}");
        let response = self.send(self.request(method, &path).body(Full::new(body)).unwrap()).await;
        let json = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status(), json)
    }

    /// Makes a subscription through the API; the path of its push resource and its JSON.
    #[cfg(feature = "api")]
    pub(crate) async fn subscribe(&self, body: Value) -> (String, Value) {
        let (status, object) = self.call(Method::POST, "/subscriptions", body).await;
        assert_eq!(status, http::StatusCode::CREATED, "{object}");
        let endpoint = object["subscription"]["endpoint"].as_str().unwrap();
        let path = endpoint
            .strip_prefix(&self.url)
            .unwrap_or_else(|| panic!("{endpoint} is not below {}", self.url));
        (path.to_owned(), object)
    }
}

/// A request to a push resource with a TTL.
#[cfg(feature = "api")]
pub(crate) fn push(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).header("host", "localhost").header("ttl", "60").body(Full::new(body.into())).unwrap()
}

/// One connection.
pub(crate) enum Client {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Client {
    pub(crate) async fn http1<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self::Http1(sender)
    }

    pub(crate) async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Self {
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        within(self.try_send(request)).await.unwrap()
    }

    pub(crate) async fn try_send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Bytes>> {
        let response = match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(absolute(request)).await?
            }
        };
        let (parts, body) = response.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }
}

/// HTTP/2 has the host in the target.
fn absolute(request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    if let Some(host) = parts.headers.remove("host") {
        let path = parts.uri.path_and_query().unwrap().to_string();
        parts.uri = format!("http://{}{path}", host.to_str().unwrap()).parse().unwrap();
    }
    Request::from_parts(parts, body)
}

/// A client configuration that trusts `ca_pem` alone.
pub(crate) fn trusting(ca_pem: &str, alpn: &[&str]) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    if !ca_pem.is_empty() {
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config).into()
}

/// A TLS connection to the service under `name`.
pub(crate) async fn tls(
    running: &Running,
    name: &'static str,
    alpn: &[&str],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    tls_over(running, running.connect().await, name, alpn).await
}

/// The same over a connection that is there.
pub(crate) async fn tls_over<S: AsyncRead + AsyncWrite + Unpin>(
    running: &Running,
    stream: S,
    name: &'static str,
    alpn: &[&str],
) -> tokio_rustls::client::TlsStream<S> {
    let connector = trusting(&running.ca_pem, alpn);
    let name = ServerName::try_from(name).unwrap();
    within(connector.connect(name, stream)).await.unwrap()
}

/// Sends octets, then reads until the service closes; what came.
pub(crate) async fn raw(running: &Running, octets: &[u8]) -> String {
    let mut stream = running.connect().await;
    // The service may answer and close before it has read everything.
    let _ = stream.write_all(octets).await;
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of a raw answer.
pub(crate) fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default()
}

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("the service answers in time")
}

pub(crate) fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body())
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(response.body())))
}
