//! Servers, certificates and subscriptions for the tests.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use push_client::{ClientLimits, PushClient, PushClientBuilder, Subscription};
use push_crypto::{
    ContentCoding, Encrypted, HeaderFields, UserAgentKeys, provider::aws_lc_rs::PROVIDER, vapid::VapidKey,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// One request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A server that answers by a function of the request's number, from 0.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

pub(crate) enum Kind {
    Http1,
    Http2,
    Tls(TlsAcceptor),
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) async fn start(
        kind: Kind,
        answer: impl Fn(usize, &Seen) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (kind, answer) = (Arc::new(kind), Arc::new(answer));
        let task = tokio::spawn({
            let (seen, connections) = (Arc::clone(&seen), Arc::clone(&connections));
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    connections.fetch_add(1, Ordering::SeqCst);
                    let (kind, seen, answer) = (Arc::clone(&kind), Arc::clone(&seen), Arc::clone(&answer));
                    tokio::spawn(async move { serve(&kind, stream, seen, answer).await });
                }
            }
        });
        Self { address, seen, connections, task }
    }

    pub(crate) async fn with_status(kind: Kind, status: u16) -> Self {
        Self::start(kind, move |_, _| Response::builder().status(status).body(Bytes::new()).unwrap()).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// An endpoint of this server in clear text.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve<A>(kind: &Kind, stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>, answer: Arc<A>)
where
    A: Fn(usize, &Seen) -> Response<Bytes> + Send + Sync + 'static,
{
    match kind {
        Kind::Http1 => http1(stream, seen, answer).await,
        Kind::Http2 => http2(stream, seen, answer).await,
        Kind::Tls(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2(stream, seen, answer).await;
            } else {
                http1(stream, seen, answer).await;
            }
        }
    }
}

async fn http1<A>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<A>,
) where
    A: Fn(usize, &Seen) -> Response<Bytes> + Send + Sync + 'static,
{
    let service = service_fn(move |request| handle(request, Arc::clone(&seen), Arc::clone(&answer)));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
}

async fn http2<A>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<A>,
) where
    A: Fn(usize, &Seen) -> Response<Bytes> + Send + Sync + 'static,
{
    let service = service_fn(move |request| handle(request, Arc::clone(&seen), Arc::clone(&answer)));
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(io), service)
        .await;
}

async fn handle<A>(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<A>,
) -> Result<Response<Full<Bytes>>, hyper::Error>
where
    A: Fn(usize, &Seen) -> Response<Bytes> + Send + Sync,
{
    let (parts, body) = request.into_parts();
    let one = Seen {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
    };
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(one.clone());
        seen.len() - 1
    };
    Ok(answer(number, &one).map(Full::new))
}

/// A server that does with each connection what the function says, without HTTP.
pub(crate) async fn raw_peer<F>(act: impl Fn(TcpStream) -> F + Send + 'static) -> Raw
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let task = tokio::spawn({
        let connections = Arc::clone(&connections);
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(act(stream));
            }
        }
    });
    Raw { address, connections, task }
}

pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Raw {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/p/1", self.address)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keys of a user agent, and its subscription with this endpoint.
pub(crate) fn subscribe(endpoint: &str) -> (UserAgentKeys, Subscription) {
    let keys = UserAgentKeys::generate(&PROVIDER).unwrap();
    let subscription = Subscription {
        endpoint: endpoint.parse().unwrap(),
        expiration_time: None,
        keys: Some(keys.subscription_keys()),
    };
    (keys, subscription)
}

/// A subscription for tickles only.
pub(crate) fn without_keys(endpoint: &str) -> Subscription {
    Subscription { endpoint: endpoint.parse().unwrap(), expiration_time: None, keys: None }
}

/// Opens a request with the keys of its recipient, by the fields alone.
pub(crate) fn open(keys: &UserAgentKeys, seen: &Seen) -> Vec<u8> {
    let field = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
    let coding: ContentCoding = field("content-encoding").unwrap().parse().unwrap();
    let (encryption, crypto_key, encryption_key) =
        (field("encryption"), field("crypto-key"), field("encryption-key"));
    let fields = HeaderFields {
        encryption: encryption.as_slice(),
        crypto_key: crypto_key.as_slice(),
        encryption_key: encryption_key.as_slice(),
    };
    let message = Encrypted::read(coding, &fields, seen.body.to_vec()).unwrap();
    push_crypto::decrypt(&PROVIDER, keys, &message).unwrap().plaintext.clone()
}

/// A client with a fresh key that may talk to this machine, and does not repeat.
pub(crate) fn local() -> PushClientBuilder {
    let key = VapidKey::generate(&PROVIDER).unwrap();
    PushClient::builder().vapid(key, "mailto:ops@example.com".parse().unwrap()).allow_loopback().retries(0)
}

/// Limits short enough for peers that never answer, and long enough for a busy machine to answer.
pub(crate) fn short() -> ClientLimits {
    ClientLimits {
        headers_within: Duration::from_secs(1),
        total: Duration::from_secs(3),
        ..ClientLimits::default()
    }
}
