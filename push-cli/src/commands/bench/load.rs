//! Load for a service: requests that are made beforehand, over several connections of HTTP/1.1, and user agents on
//! WebSockets that acknowledge what they get.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use push_crypto::{
    EncryptJob, EncryptOptions, Subscription, provider,
    vapid::{AuthorizationScheme, Claims, Token, VapidKey},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
    task,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::{OCTETS, failed};
use crate::{diagnostic::Result, environment, message::member};

/// Requests under way at once, each on a connection of its own (our choice: enough to find work waiting together).
const CONNECTIONS: usize = 32;

pub(super) type Requests = VecDeque<Request<Full<Bytes>>>;

fn wrong(error: &impl std::fmt::Display) -> crate::diagnostic::Diagnostic {
    failed("the load cannot be made", error.to_string())
}

/// Encrypted messages with a VAPID token to these subscriptions in turn.
pub(super) fn requests(targets: &[Subscription], key: &VapidKey, count: usize) -> Result<Requests> {
    let provider = provider::best();
    let Some(first) = targets.first() else { return Ok(Requests::new()) };
    let life = Duration::from_secs(12 * 3600);
    let claims = Claims::new(first.endpoint.origin().clone(), environment::now(), life, None)
        .map_err(|error| wrong(&error))?;
    let token = Token::sign(&provider, key, &claims).map_err(|error| wrong(&error))?;
    let authorization = token.authorization(AuthorizationScheme::Vapid, key.public()).authorization;
    let mut made = Requests::with_capacity(count);
    let text = vec![b'x'; OCTETS];
    for target in targets.iter().cycle().take(count) {
        let keys = target.keys.as_ref().ok_or_else(|| wrong(&"a subscription without keys"))?;
        let job = EncryptJob { keys, plaintext: &text };
        let sealed = push_crypto::encrypt(&provider, &EncryptOptions::default(), job)
            .map_err(|error| wrong(&error))?;
        made.push_back(
            request(target.endpoint.expose_path(), &target.endpoint.origin().authority())
                .header(header::AUTHORIZATION, &authorization)
                .body(Full::new(sealed.into_body().into()))
                .map_err(|error| wrong(&error))?,
        );
    }
    Ok(made)
}

/// The same sealed body to these paths in turn, without VAPID.
pub(super) fn sealed_requests(paths: &[String], port: u16, sealed: &Bytes, count: usize) -> Result<Requests> {
    let host = format!("localhost:{port}");
    let each = paths.iter().cycle().take(count);
    each.map(|path| request(path, &host).body(Full::new(sealed.clone())).map_err(|error| wrong(&error)))
        .collect()
}

fn request(path: &str, host: &str) -> http::request::Builder {
    Request::post(path)
        .header(header::HOST, host)
        .header("ttl", "600")
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_ENCODING, "aes128gcm")
}

/// Sends them all; every one must be accepted. Needs a `LocalSet`.
pub(super) async fn drive(port: u16, requests: Requests) -> Result<()> {
    let queue = Rc::new(RefCell::new(requests));
    let mut lanes = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        lanes.push(task::spawn_local(lane(port, Rc::clone(&queue))));
    }
    for lane in lanes {
        lane.await.map_err(|error| wrong(&error))??;
    }
    Ok(())
}

async fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| wrong(&error))?;
    stream.set_nodelay(true).map_err(|error| wrong(&error))?;
    Ok(stream)
}

async fn lane(port: u16, queue: Rc<RefCell<Requests>>) -> Result<()> {
    let io = TokioIo::new(connect(port).await?);
    let (mut sender, connection) = http1::handshake(io).await.map_err(|error| wrong(&error))?;
    task::spawn_local(connection);
    loop {
        let Some(request) = queue.borrow_mut().pop_front() else { return Ok(()) };
        sender.ready().await.map_err(|error| wrong(&error))?;
        let answer = sender.send_request(request).await.map_err(|error| wrong(&error))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| wrong(&error))?.to_bytes();
        if status != StatusCode::CREATED {
            let said = format!("it answered {status}: {}", String::from_utf8_lossy(&body));
            return Err(failed("the service did not accept a message", said));
        }
    }
}

/// A user agent as Firefox is one: a WebSocket with a subscription.
pub(super) struct Fox {
    socket: WebSocketStream<TcpStream>,
    /// Path of its push resource.
    pub(super) path: String,
}

impl Fox {
    pub(super) async fn connect(port: u16, number: usize) -> Result<Self> {
        let mut stream = connect(port).await?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\
             Sec-WebSocket-Protocol: push-notification\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.map_err(|error| wrong(&error))?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.map_err(|error| wrong(&error))?);
        }
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let hello = json!({"messageType": "hello", "use_webpush": true, "broadcasts": {}});
        ask(&mut socket, &hello).await?;
        let channel = format!("00000000-0000-4000-8000-{number:012x}");
        let answer = ask(&mut socket, &json!({"messageType": "register", "channelID": channel})).await?;
        let endpoint = member(&answer, "pushEndpoint");
        let path = endpoint.splitn(4, '/').nth(3).ok_or_else(|| wrong(&format!("it answered {answer}")))?;
        Ok(Self { path: format!("/{path}"), socket })
    }

    /// Acknowledges each message, and tells of it.
    pub(super) async fn acknowledge(mut self, done: mpsc::UnboundedSender<()>) {
        while let Some(Ok(frame)) = self.socket.next().await {
            let Message::Text(text) = frame else { continue };
            let Ok(message) = serde_json::from_str::<Value>(text.as_str()) else { continue };
            let update = json!({
                "channelID": message.get("channelID"), "version": message.get("version"), "code": 100,
            });
            let ack = json!({"messageType": "ack", "updates": [update]});
            if self.socket.send(Message::text(ack.to_string())).await.is_err() || done.send(()).is_err() {
                break;
            }
        }
    }
}

async fn ask(socket: &mut WebSocketStream<TcpStream>, question: &Value) -> Result<Value> {
    socket.send(Message::text(question.to_string())).await.map_err(|error| wrong(&error))?;
    while let Some(frame) = socket.next().await {
        if let Message::Text(text) = frame.map_err(|error| wrong(&error))? {
            return serde_json::from_str(text.as_str()).map_err(|error| wrong(&error));
        }
    }
    Err(wrong(&"the service closed a connection"))
}
