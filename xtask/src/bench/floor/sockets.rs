//! WebSockets with nothing behind them: one kind answers what it is sent, the other is written to on demand.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::failure::{Context, Failure};

/// Buffers that fit what is sent here; the usual ones take 128 KiB per connection.
pub(in super::super) fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0)
}

pub(super) async fn echo() -> Result<Value, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let ready = json!({ "port": listener.local_addr()?.port() });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(ready)
}

async fn answer(stream: TcpStream) -> Result<(), Failure> {
    let mut socket = upgrade(stream).await?;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            socket.send(Message::Text(text)).await.context("echo")?;
        }
    }
    Ok(())
}

async fn upgrade(mut stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Failure> {
    stream.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .await?;
    Ok(WebSocketStream::from_raw_socket(stream, Role::Server, Some(small())).await)
}

type Writing = SplitSink<WebSocketStream<TcpStream>, Message>;

/// The connections that are written to, in the order in which they came.
type All = Arc<Mutex<Vec<Writing>>>;

/// The first connection says how much: `{"connections":N,"times":N,"octets":N}` writes a text of so many octets to each of
/// the other connections, so many times over, and answers when as many texts have come back.
pub(super) async fn writer() -> Result<Value, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let ready = json!({ "port": listener.local_addr()?.port() });
    tokio::spawn(async move {
        let all = All::default();
        let (came, coming) = mpsc::unbounded_channel();
        if let Ok((first, _)) = listener.accept().await {
            tokio::spawn(command(first, Arc::clone(&all), coming));
        }
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(wait(stream, Arc::clone(&all), came.clone()));
        }
    });
    Ok(ready)
}

async fn wait(stream: TcpStream, all: All, came: mpsc::UnboundedSender<()>) -> Result<(), Failure> {
    let (writing, mut reading) = upgrade(stream).await?.split();
    all.lock().await.push(writing);
    while let Some(Ok(message)) = reading.next().await {
        if message.is_text() && came.send(()).is_err() {
            break;
        }
    }
    Ok(())
}

async fn command(
    stream: TcpStream,
    all: All,
    mut coming: mpsc::UnboundedReceiver<()>,
) -> Result<(), Failure> {
    let mut socket = upgrade(stream).await?;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let order: Value = serde_json::from_str(&text)?;
        let number = |name: &str| order[name].as_u64().and_then(|value| usize::try_from(value).ok());
        let text = Message::text("x".repeat(number("octets").unwrap_or_default()));
        // A connection is counted a moment after its handshake has been answered.
        while all.lock().await.len() < number("connections").unwrap_or_default() {
            tokio::task::yield_now().await;
        }
        let mut wanted = 0_usize;
        for _ in 0..number("times").unwrap_or_default() {
            for writing in all.lock().await.iter_mut() {
                writing.send(text.clone()).await.context("write")?;
                wanted += 1;
            }
        }
        for _ in 0..wanted {
            coming.recv().await.ok_or_else(|| Failure::new("nobody answers"))?;
        }
        socket.send(Message::text("done")).await.context("done")?;
    }
    Ok(())
}
