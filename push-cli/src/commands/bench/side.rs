//! `Side`: the other end of a measurement, on a thread of its own, so that its processor time can be told from ours.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
};

use push_mock_server::{Config, PushService, Server};
use tokio::{
    runtime,
    sync::{mpsc as asking, oneshot},
};

use super::{
    clock::{self, Whose},
    failed,
};
use crate::diagnostic::Result;

/// Services on one thread; they end when it is dropped.
pub(super) struct Side {
    /// One for each port.
    pub(super) services: Vec<(u16, PushService)>,
    /// The certificates to trust, PEM.
    pub(super) certificates: String,
    /// Each is answered with the time of the thread.
    questions: asking::UnboundedSender<oneshot::Sender<Option<u64>>>,
}

/// The services with their ports, and the certificates to trust.
type Bound = (Vec<(u16, PushService)>, String);

/// What the thread tells when it is ready.
type Ready = std::result::Result<Bound, String>;

impl Side {
    /// Starts so many services that are configured alike, each on a free port.
    pub(super) fn start(config: Config, count: usize) -> Result<Self> {
        let (tell, told) = mpsc::channel::<Ready>();
        let (questions, mut asked) = asking::unbounded_channel::<oneshot::Sender<Option<u64>>>();
        thread::spawn(move || {
            let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    _ = tell.send(Err(error.to_string()));
                    return;
                }
            };
            runtime.block_on(async move {
                match bind(&config, count) {
                    Ok((ready, servers)) => {
                        for server in servers {
                            tokio::spawn(server.run(std::future::pending()));
                        }
                        _ = tell.send(Ok(ready));
                    }
                    Err(error) => _ = tell.send(Err(error)),
                }
                while let Some(answer) = asked.recv().await {
                    _ = answer.send(clock::processor(Whose::Thread));
                }
            });
        });
        let ready = told.recv().map_err(|error| error.to_string()).and_then(|ready| ready);
        let (services, certificates) = ready.map_err(|why| failed("the other end does not start", why))?;
        Ok(Self { services, certificates, questions })
    }

    /// Nanoseconds of processor time that it has taken so far; none where the system does not tell.
    pub(super) fn spent(&self) -> Option<u64> {
        let (answer, answered) = oneshot::channel();
        self.questions.send(answer).ok()?;
        answered.blocking_recv().ok()?
    }
}

fn bind(config: &Config, count: usize) -> std::result::Result<(Bound, Vec<Server>), String> {
    let (mut services, mut servers, mut certificates) = (Vec::new(), Vec::new(), String::new());
    for _ in 0..count {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let server = Server::bind(Config { listen, ..config.clone() }).map_err(|error| error.to_string())?;
        let port = server.addresses().first().map_or(0, SocketAddr::port);
        certificates.push_str(server.ca_pem().unwrap_or_default());
        services.push((port, server.service().clone()));
        servers.push(server);
    }
    Ok(((services, certificates), servers))
}
