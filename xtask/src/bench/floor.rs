//! What others are compared with: processes with nothing but tokio, hyper or tungstenite. Each is a process of its own,
//! so that its processor time and memory can be counted, and so that a client's can be told from its server's.

mod http;
mod sockets;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
};

use serde_json::Value;
pub(super) use sockets::small;
use tokio::runtime;

use crate::{
    failure::{Context, Failure},
    workspace,
};

/// The argument that makes this program a floor.
pub(super) const NAME: &str = "--floor";

/// Which one.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// WebSockets that answer what they are sent.
    Echo,
    /// An HTTP server that reads a request and answers 201, in clear text and over TLS.
    Http,
    /// WebSockets that are written to when their first one asks for it.
    Writer,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http",
            Self::Writer => "writer",
        }
    }
}

/// A running floor; ended when dropped.
pub(super) struct Floor {
    child: Child,
    /// Where it listens in clear text.
    pub(super) port: u16,
    /// Where it listens with TLS, if it does.
    pub(super) tls_port: u16,
    /// The certificate to trust there, PEM.
    pub(super) certificate: String,
    /// It ends when this is closed, also when we are killed.
    _input: Option<ChildStdin>,
}

impl Floor {
    pub(super) fn start(role: Role) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("this program")?;
        let mut command = Command::new(program);
        command.args(["bench", NAME, role.as_str()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the floor")?;
        let output = child.stdout.take().ok_or_else(|| Failure::new("no output"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let ready: Value = serde_json::from_str(&line).context(format_args!("the floor printed {line:?}"))?;
        let port = |name: &str| ready[name].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        Ok(Self {
            port: port("port"),
            tls_port: port("tlsPort"),
            certificate: ready["certificate"].as_str().unwrap_or_default().to_owned(),
            _input: child.stdin.take(),
            child,
        })
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A file with the certificate, for programs that read one.
    pub(super) fn certificate_file(&self) -> Result<PathBuf, Failure> {
        let folder = workspace::target().join("bench");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("floor.pem");
        std::fs::write(&path, &self.certificate).context(path.display())?;
        Ok(path)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Serves until standard input ends.
pub(super) fn serve(role: &str) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let ready = match role {
            "echo" => sockets::echo().await?,
            "http" => http::serve().await?,
            "writer" => sockets::writer().await?,
            other => return Err(Failure::new(format!("there is no floor {other:?}"))),
        };
        println!("{ready}");
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
            .await
            .context("input")??;
        Ok(())
    })
}
