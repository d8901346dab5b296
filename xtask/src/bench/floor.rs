//! The floor for a connection of a user agent: a process with nothing but tokio and tungstenite that answers what
//! it is sent. It runs in a process of its own, so that its memory can be counted.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, Command, Stdio},
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::failure::{Context, Failure};

/// The argument that makes this program the floor.
pub(super) const NAME: &str = "--floor";

/// A running floor; ended when dropped.
pub(super) struct Floor {
    child: Child,
    pub(super) port: u16,
    /// It ends when this is closed, also when we are killed.
    _input: Option<ChildStdin>,
}

impl Floor {
    pub(super) fn start() -> Result<Self, Failure> {
        let program = std::env::current_exe().context("this program")?;
        let mut command = Command::new(program);
        command.args(["bench", NAME]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the floor")?;
        let output = child.stdout.take().ok_or_else(|| Failure::new("no output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().context(format_args!("the floor printed {line:?}"))?;
        Ok(Self { _input: child.stdin.take(), child, port })
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Serves until standard input ends.
pub(super) fn serve() -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?.port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
            .await
            .context("input")??;
        Ok(())
    })
}

/// Buffers that fit what is sent here; the usual ones take 128 KiB per connection.
pub(super) fn small() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0)
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    stream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .await?;
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(small())).await;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            socket.send(Message::Text(text)).await.context("echo")?;
        }
    }
    Ok(())
}
