//! Many scripted Firefoxes at once: each one WebSocket that says hello, registers a channel, and is then idle until
//! its message comes.

use std::{
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{self, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    sync::mpsc,
    time,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::floor::small;
use crate::failure::{Context, Failure};

/// Connections that are being made at once; the service accepts faster than it could refuse.
const AT_ONCE: usize = 64;
/// Connections over which messages are sent.
const LANES: usize = 8;
/// Longer than any of this may take: then it is stuck.
const LIMIT: Duration = Duration::from_secs(120);

/// The number of the next channel.
static CHANNELS: AtomicU64 = AtomicU64::new(0);

/// Where the clients connect, and how.
#[derive(Clone)]
pub(super) struct Target {
    port: u16,
    tls: Option<TlsConnector>,
}

impl Target {
    pub(super) fn clear(port: u16) -> Self {
        Self { port, tls: None }
    }

    /// Over TLS, trusting one certificate authority.
    pub(super) fn tls(port: u16, authority: &Path) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(authority).context(authority.display())?)
            .context("authority")?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { port, tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    async fn connect(&self) -> Result<Socket, Failure> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port)).await?;
        tcp.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Socket::Clear(tcp),
            Some(tls) => {
                let name = ServerName::try_from("localhost").context("name")?;
                Socket::Tls(Box::new(tls.connect(name, tcp).await?))
            }
        })
    }
}

pub(super) enum Socket {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// One connection after its hello and register; `path` is that of its push resource.
pub(super) struct Client {
    socket: WebSocketStream<Socket>,
    path: String,
}

impl Client {
    async fn open(target: &Target) -> Result<Self, Failure> {
        let mut socket = upgrade(target.connect().await?, "/ua/firefox/default").await?;
        ask(&mut socket, &json!({ "messageType": "hello", "use_webpush": true, "broadcasts": {} })).await?;
        // A channel belongs to whoever registered it last.
        let number = CHANNELS.fetch_add(1, Ordering::Relaxed);
        let channel = format!("00000000-0000-4000-8000-{number:012x}");
        let answer = ask(&mut socket, &json!({ "messageType": "register", "channelID": channel })).await?;
        let endpoint = answer["pushEndpoint"].as_str().unwrap_or_default();
        let path = endpoint.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
        Ok(Self { socket, path })
    }

    /// The path of its push resource.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Acknowledges every message until the connection ends, and tells how long each frame was.
    pub(super) async fn acknowledge(mut self, done: mpsc::Sender<usize>) -> Result<(), Failure> {
        while let Some(Ok(frame)) = self.socket.next().await {
            let Message::Text(text) = frame else { continue };
            let message: Value = serde_json::from_str(&text).context("frame")?;
            if message["messageType"] != "notification" {
                return Err(Failure::new(format!("a client was sent {message}")));
            }
            let update =
                json!({ "channelID": message["channelID"], "version": message["version"], "code": 100 });
            let ack = json!({ "messageType": "ack", "updates": [update] });
            self.socket.send(Message::text(ack.to_string())).await.context("ack")?;
            if done.send(text.len()).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Waits for the one message, acknowledges it, and stays.
    async fn receive(mut self, done: mpsc::Sender<Instant>) -> Result<(), Failure> {
        let message = read(&mut self.socket).await?;
        if message["messageType"] != "notification" {
            return Err(Failure::new(format!("a client was sent {message}")));
        }
        _ = done.send(Instant::now()).await;
        let update = json!({ "channelID": message["channelID"], "version": message["version"], "code": 100 });
        let ack = json!({ "messageType": "ack", "updates": [update] });
        self.socket.send(Message::text(ack.to_string())).await.context("ack")?;
        while let Some(Ok(_)) = self.socket.next().await {}
        Ok(())
    }
}

/// A WebSocket to a floor, after its upgrade.
pub(super) async fn bare(port: u16) -> Result<WebSocketStream<Socket>, Failure> {
    upgrade(Target::clear(port).connect().await?, "/").await
}

async fn upgrade(mut socket: Socket, path: &str) -> Result<WebSocketStream<Socket>, Failure> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\
         Sec-WebSocket-Protocol: push-notification\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await?;
    socket.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(Failure::new(format!("no WebSocket: {}", String::from_utf8_lossy(&head))));
    }
    Ok(WebSocketStream::from_raw_socket(socket, Role::Client, Some(small())).await)
}

async fn ask(socket: &mut WebSocketStream<Socket>, question: &Value) -> Result<Value, Failure> {
    socket.send(Message::text(question.to_string())).await.context("question")?;
    read(socket).await
}

async fn read(socket: &mut WebSocketStream<Socket>) -> Result<Value, Failure> {
    while let Some(message) = socket.next().await {
        if let Message::Text(text) = message.context("connection")? {
            return serde_json::from_str(&text).context("frame");
        }
    }
    Err(Failure::new("the service closed a connection"))
}

/// So many, connected and idle.
pub(super) async fn open(target: &Target, count: usize) -> Result<Vec<Client>, Failure> {
    let mut opening = stream::iter(0..count).map(|_| Client::open(target)).buffer_unordered(AT_ONCE);
    let mut clients = Vec::with_capacity(count);
    while let Some(client) = time::timeout(LIMIT, opening.next()).await.context("connecting")? {
        clients.push(client?);
    }
    Ok(clients)
}

/// Sends one message to each; how long it took from the first POST until the last was received.
pub(super) async fn deliver(port: u16, clients: Vec<Client>) -> Result<Duration, Failure> {
    let count = clients.len();
    let (done, mut received) = mpsc::channel(count.max(1));
    let mut paths = Vec::with_capacity(count);
    for client in clients {
        paths.push(client.path.clone());
        tokio::spawn(client.receive(done.clone()));
    }
    drop(done);
    let start = Instant::now();
    let lanes: Vec<_> = paths
        .chunks(count.div_ceil(LANES).max(1))
        .map(|part| tokio::spawn(lane(port, part.to_vec())))
        .collect();
    for lane in lanes {
        lane.await.context("sender")??;
    }
    let mut last = start;
    for number in 0..count {
        let arrival = time::timeout(LIMIT, received.recv()).await.ok().flatten();
        last = last.max(arrival.ok_or_else(|| {
            Failure::new(format!("{number} of {count} clients received their message; the others never did"))
        })?);
    }
    Ok(last - start)
}

/// Messages without data to these push resources, one after the other.
async fn lane(port: u16, paths: Vec<String>) -> Result<(), Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("connection")?;
    tokio::spawn(connection);
    for path in paths {
        let request = Request::post(&path)
            .header(header::HOST, format!("localhost:{port}"))
            .header("ttl", "60")
            .body(Empty::<Bytes>::new())
            .context("request")?;
        sender.ready().await.context("connection")?;
        let answer = sender.send_request(request).await.context("request")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("answer")?.to_bytes();
        if status != StatusCode::CREATED {
            return Err(Failure::new(format!("answered {status}: {}", String::from_utf8_lossy(&body))));
        }
    }
    Ok(())
}
