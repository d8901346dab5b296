//! A small client of WebDriver BiDi: opens one page in a Firefox that has no window.
//!
//! The handshake of the WebSocket is written here, since the peer is on this machine and says where it listens.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    message::{member, pointer},
    text,
};

/// How long each answer may take: a first page needs seconds on a loaded machine (our choice).
const PATIENCE: Duration = Duration::from_secs(60);
/// Most octets of the answer to the handshake.
const HANDSHAKE: usize = 8 * 1024;
/// RFC 6455 §1.3 wants a nonce, against caches between client and server; there is none here.
const KEY: &str = "cHVzaCBicm93c2VyICAgIA==";

/// A session; the browser ends it when this is dropped.
pub(super) struct Session {
    socket: WebSocketStream<TcpStream>,
    last: u64,
}

/// Opens `page` in the first tab of the browser at `address` (`ws://127.0.0.1:PORT`).
pub(super) async fn open(address: &str, page: &str) -> Result<Session> {
    let failed = |why: String| {
        Diagnostic::new(ExitCode::UNREACHABLE, "browser/bidi", "the browser runs, but cannot be driven")
            .why(why)
            .fix("leave --headless out, or drive it with your own driver: push browser firefox --print json")
    };
    let opening = async {
        let mut session = connect(address).await.map_err(&failed)?;
        session.call("session.new", json!({"capabilities": {}})).await.map_err(&failed)?;
        let tree = session.call("browsingContext.getTree", json!({"maxDepth": 0})).await.map_err(&failed)?;
        let context = pointer(&tree, "/contexts/0/context").to_owned();
        let navigate = json!({"context": context, "url": page, "wait": "interactive"});
        session.call("browsingContext.navigate", navigate).await.map_err(|why| {
            Diagnostic::new(
                ExitCode::UNREACHABLE,
                "browser/page",
                format!("the browser cannot open {}", text::cut(page, 200)),
            )
            .why(why)
            .fix("check the address of the page, and whether its server runs")
        })?;
        Ok(session)
    };
    match tokio::time::timeout(PATIENCE, opening).await {
        Ok(result) => result,
        Err(_) => Err(failed(format!("it did not open the page within {} s", PATIENCE.as_secs()))),
    }
}

async fn connect(address: &str) -> std::result::Result<Session, String> {
    let authority = address.trim_start_matches("ws://").split('/').next().unwrap_or_default();
    let mut stream = TcpStream::connect(authority).await.map_err(|error| text::io_error(&error))?;
    let request = format!(
        "GET /session HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| text::io_error(&error))?;
    let mut answer = Vec::new();
    // The browser is silent until it is asked something, so nothing behind the answer is read here.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() > HANDSHAKE {
            return Err("its answer to the handshake has no end".to_owned());
        }
        answer.push(stream.read_u8().await.map_err(|error| text::io_error(&error))?);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if !answer.starts_with("HTTP/1.1 101") {
        let line = answer.lines().next().unwrap_or_default();
        return Err(format!("it answered the handshake with {}", text::quote(line, 80)));
    }
    Ok(Session { socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await, last: 0 })
}

impl Session {
    /// One command and its result; events in between are passed over.
    async fn call(&mut self, method: &str, params: Value) -> std::result::Result<Value, String> {
        self.last += 1;
        let command = json!({"id": self.last, "method": method, "params": params}).to_string();
        self.socket.send(Message::text(command)).await.map_err(|error| error.to_string())?;
        while let Some(message) = self.socket.next().await {
            let Message::Text(text) = message.map_err(|error| error.to_string())? else { continue };
            let Ok(answer) = serde_json::from_str::<Value>(text.as_str()) else { continue };
            if answer.get("id").and_then(Value::as_u64) != Some(self.last) {
                continue;
            }
            if member(&answer, "type") == "error" {
                return Err(format!("{method}: {}", text::cut(member(&answer, "message"), 200)));
            }
            return Ok(answer.get("result").cloned().unwrap_or(Value::Null));
        }
        Err(format!("it hung up instead of answering {method}"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A browser that answers every command with what `answer` makes of it.
    async fn browser(answer: fn(&str) -> Value) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("ws://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
                .await
                .unwrap();
            let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                let command: Value = serde_json::from_str(text.as_str()).unwrap();
                let mut reply = answer(command["method"].as_str().unwrap());
                reply["id"] = command["id"].clone();
                let event = json!({"type": "event", "method": "log.entryAdded", "params": {}});
                socket.send(Message::text(event.to_string())).await.unwrap();
                socket.send(Message::text(reply.to_string())).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn a_page_is_opened_in_the_first_tab() {
        let address = browser(|method| {
            let result = json!({"contexts": [{"context": "tab-1"}]});
            json!({"type": "success", "result": if method == "browsingContext.getTree" { result } else { json!({}) }})
        })
        .await;

        assert!(open(&address, "http://localhost/").await.is_ok());
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_opened_is_named() {
        let address = browser(|method| match method {
            "browsingContext.navigate" => json!({"type": "error", "message": "NS_ERROR_CONNECTION_REFUSED"}),
            _ => json!({"type": "success", "result": {}}),
        })
        .await;

        let Err(error) = open(&address, "http://localhost:1/").await else { panic!("it opened") };
        assert_eq!((error.code(), error.exit()), ("browser/page", ExitCode::UNREACHABLE));
        assert!(error.render(false).contains("NS_ERROR_CONNECTION_REFUSED"));
    }
}
