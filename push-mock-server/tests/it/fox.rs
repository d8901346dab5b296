//! A scripted Firefox: its push connection, frame by frame.

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

use crate::support::{Running, within};

/// A name of a subscription; the number makes it another one.
pub(crate) fn channel(number: u32) -> String {
    format!("21782462-f381-457a-927e-{number:012x}")
}

/// A connection that says what it is told to.
pub(crate) struct Fox {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// The answer to the handshake.
    pub(crate) answer: Response<()>,
}

impl Fox {
    /// Opens the WebSocket at `/`, with what Firefox sends.
    pub(crate) async fn open(running: &Running) -> Self {
        Self::open_at(running, "/", &[("sec-websocket-protocol", "push-notification")]).await
    }

    /// Opens it anywhere, with other fields.
    pub(crate) async fn open_at(running: &Running, path: &str, fields: &[(&'static str, &str)]) -> Self {
        Self::open_over(running.connect().await, path, fields).await
    }

    /// Opens it over a connection that is there.
    pub(crate) async fn open_over(stream: TcpStream, path: &str, fields: &[(&'static str, &str)]) -> Self {
        let port = stream.peer_addr().unwrap().port();
        let mut request = format!("ws://localhost:{port}{path}").into_client_request().unwrap();
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, answer) = within(client_async(request, stream)).await.unwrap();
        Self { socket, answer: answer.map(|_| ()) }
    }

    /// A connection that has said hello, and its uaid.
    pub(crate) async fn greeted(running: &Running) -> (Self, String) {
        let mut fox = Self::open(running).await;
        let uaid = fox.hello(None).await;
        (fox, uaid)
    }

    /// One that comes back.
    pub(crate) async fn back(running: &Running, uaid: &str) -> Self {
        let mut fox = Self::open(running).await;
        assert_eq!(fox.hello(Some(uaid)).await, uaid);
        fox
    }

    /// Says hello; the uaid of the answer.
    pub(crate) async fn hello(&mut self, uaid: Option<&str>) -> String {
        let mut hello = json!({"broadcasts": {}, "messageType": "hello", "use_webpush": true});
        if let Some(uaid) = uaid {
            hello["uaid"] = uaid.into();
        }
        self.say(hello).await;
        let answer = self.hear().await;
        assert_eq!((&answer["messageType"], &answer["status"]), (&"hello".into(), &200.into()), "{answer}");
        answer["uaid"].as_str().unwrap().to_owned()
    }

    /// Registers; the answer.
    pub(crate) async fn register(&mut self, channel: &str, key: Option<&str>) -> Value {
        let mut register = json!({"channelID": channel, "messageType": "register"});
        if let Some(key) = key {
            register["key"] = key.into();
        }
        self.say(register).await;
        let answer = self.hear().await;
        assert_eq!(answer["messageType"], "register", "{answer}");
        answer
    }

    /// Subscribes without a key; the path of the push resource.
    pub(crate) async fn subscribe(&mut self, running: &Running, channel: &str) -> String {
        let answer = self.register(channel, None).await;
        assert_eq!(answer["status"], 200, "{answer}");
        path(running, &answer)
    }

    pub(crate) async fn unregister(&mut self, channel: &str, code: Value) -> Value {
        self.say(json!({"channelID": channel, "messageType": "unregister", "code": code})).await;
        self.hear().await
    }

    pub(crate) async fn ack(&mut self, notification: &Value, code: u16) {
        self.ack_all(&[notification["version"].as_str().unwrap()], code).await;
    }

    pub(crate) async fn ack_all(&mut self, versions: &[&str], code: u16) {
        let update = |version: &&str| json!({"channelID": channel(1), "version": version, "code": code});
        let updates: Vec<_> = versions.iter().map(update).collect();
        self.say(json!({"messageType": "ack", "updates": updates})).await;
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        within(self.socket.send(Message::text(text))).await.unwrap();
    }

    /// The next text frame.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("a text frame was expected, {other:?} came"),
            }
        }
    }

    /// The next text frame, which has to be a notification.
    pub(crate) async fn notified(&mut self) -> Value {
        let frame = self.hear().await;
        assert_eq!(frame["messageType"], "notification", "{frame}");
        frame
    }

    /// Everything that was said is done and answered, and nothing else came: a ping goes there and back.
    pub(crate) async fn hears_nothing(&mut self) {
        self.say(json!({})).await;
        assert_eq!(self.hear().await, json!({}));
    }

    /// Reads to the end; the close frame, if there was one. Text frames are a fault.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        let mut frame = None;
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Message::Close(seen))) => frame = seen,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                None | Some(Err(_)) => return frame,
                Some(Ok(other)) => panic!("the end was expected, {other:?} came"),
            }
        }
    }

    /// The close code.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        self.closed().await.map(|frame| frame.code.into())
    }
}

/// The path of the push resource in an answer to register.
pub(crate) fn path(running: &Running, answer: &Value) -> String {
    let endpoint = answer["pushEndpoint"].as_str().unwrap();
    endpoint.strip_prefix(&running.url).unwrap_or_else(|| panic!("{endpoint}")).to_owned()
}

/// A push message without data.
pub(crate) fn tickle(path: &str, ttl: u32) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("host", "localhost").header("ttl", ttl);
    request.body(Full::default()).unwrap()
}

/// Sends a message without data, which is accepted.
pub(crate) async fn poke(running: &Running, path: &str, ttl: u32) {
    let response = running.send(tickle(path, ttl)).await;
    assert_eq!(response.status().as_u16(), 201, "{response:?}");
}
