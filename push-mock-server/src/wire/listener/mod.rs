//! The front door: bind, accept, find out what a connection speaks, serve it, drain.
//!
//! One port speaks TLS, HTTP/1.1 and HTTP/2; the first octets decide and nothing later changes the decision. What is
//! answered is the business of a [`Respond`]; limits and time-outs of connections are enforced here.

mod accept;
mod activity;
mod connection;
mod sniff;
mod socket;
mod stream;
mod upgrade;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

#[cfg(feature = "browsers")]
pub(crate) use socket::reset_at_end;
pub(crate) use upgrade::Duplex;
#[cfg(feature = "browsers")]
pub(crate) use upgrade::{converse_after, serve_after};

use super::body::Body;
use crate::limits::Limits;

/// Time for what is in flight when the service stops (our choice).
const DRAIN: Duration = Duration::from_secs(5);

/// The other end of a connection, as far as an answer depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Address of the peer.
    pub(crate) address: SocketAddr,
    /// Whether the connection is TLS.
    pub(crate) tls: bool,
    /// Whether the connection is inside of a `CONNECT` that ended here.
    pub(crate) intercepted: bool,
}

/// Answers requests.
pub(crate) trait Respond: Send + Sync + 'static {
    /// Answers one request; the future may be dropped when the peer goes away.
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;

    /// Talks to a peer that speaks no HTTP: inside of TLS without ALPN its first octet was [`MCS`], which comes again.
    ///
    /// `stop` says when the service stops; the conversation then has less than five seconds to end. It keeps its own
    /// time: an idle peer is not ended here.
    fn converse(
        self: Arc<Self>,
        stream: Box<dyn Duplex>,
        peer: Peer,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// First octet of Chromium's push connection: the version of its protocol, 41.
pub(crate) const MCS: u8 = 0x29;

/// Put into the extensions of an answer whose request has a body that was left unread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LeavesBodyUnread;

/// What happened at the door, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct DoorCounters {
    accepted: AtomicU64,
    open: AtomicU64,
    refused: AtomicU64,
    overdue: AtomicU64,
    distrusted: AtomicU64,
    panicked: AtomicU64,
}

impl DoorCounters {
    /// Name, help and value of each, in the order of the documentation.
    pub(crate) fn rows(&self) -> [(&'static str, &'static str, u64); 6] {
        let row = |name, help, counter: &AtomicU64| (name, help, counter.load(Relaxed));
        [
            row("push_connections_accepted_total", "Connections accepted.", &self.accepted),
            row("push_connections_open", "Connections open now.", &self.open),
            row("push_connections_refused_total", "Connections closed for a limit or a rule.", &self.refused),
            row(
                "push_connections_overdue_total",
                "Connections closed for being slow or idle.",
                &self.overdue,
            ),
            row(
                "push_tls_distrusted_total",
                "Handshakes that clients ended without trust.",
                &self.distrusted,
            ),
            row("push_connections_panicked_total", "Connections that ended in a panic.", &self.panicked),
        ]
    }

    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// How the front door is set up.
pub(crate) struct Door<R> {
    /// Who answers.
    pub(crate) respond: Arc<R>,
    /// TLS, unless it is off.
    pub(crate) tls: Option<TlsAcceptor>,
    /// Clear text beyond loopback.
    pub(crate) allow_clear_text: bool,
    /// Limits.
    pub(crate) limits: Limits,
    /// Counters, shared with `/metrics`.
    pub(crate) counters: Arc<DoorCounters>,
}

/// Binds every address; those with port 0 all get one and the same free port.
pub(crate) fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    /// A free port of one address may be taken at another; our choice.
    const TRIES: usize = 32;
    let mut tries = 0;
    loop {
        tries += 1;
        match bind_once(addresses) {
            Err((address, error))
                if error.kind() == io::ErrorKind::AddrInUse
                    && tries < TRIES
                    && addresses.iter().any(|given| given.port() == 0 && given.ip() == address.ip()) => {}
            result => return result,
        }
    }
}

fn bind_once(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut free_port = None;
    let mut listeners = Vec::with_capacity(addresses.len());
    for address in addresses {
        let mut wanted = *address;
        if wanted.port() == 0 {
            wanted.set_port(free_port.unwrap_or(0));
        }
        let listener = match listen(wanted) {
            Ok(listener) => listener,
            // A machine without IPv6 is served over IPv4 alone.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && !listeners.is_empty() => {
                tracing::warn!(address = %wanted, "address is not there; going on without it");
                continue;
            }
            Err(error) => return Err((wanted, error)),
        };
        if address.port() == 0 && free_port.is_none() {
            free_port = Some(listener.local_addr().map_err(|error| (wanted, error))?.port());
        }
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    /// Connections that wait for the accept loop; the system cuts it to its own bound.
    const BACKLOG: u32 = 1024;
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl<R: Respond> Door<R> {
    /// Serves all listeners until `stop` is true, then answers what is in flight, for at most five seconds.
    pub(crate) async fn run(self, listeners: Vec<TcpListener>, stop: watch::Receiver<bool>) {
        let gate = Arc::new(Semaphore::new(connection_limit(&self.limits)));
        let door = Arc::new(self);
        let mut loops = JoinSet::new();
        for listener in listeners {
            loops.spawn(accept::accept(Arc::clone(&door), listener, Arc::clone(&gate), stop.clone()));
        }
        while loops.join_next().await.is_some() {}
    }
}

/// Returns when the service is to stop, also when whoever could say so is gone. Cancel-safe.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The connections of the process: as configured, else its descriptors without the reserve (T43).
fn connection_limit(limits: &Limits) -> usize {
    let of_process = || std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| open_files(&text));
    limits
        .connections
        .or_else(|| of_process().map(|files| files.saturating_sub(limits.reserved_descriptors)))
        .unwrap_or(Semaphore::MAX_PERMITS)
        .clamp(1, Semaphore::MAX_PERMITS)
}

/// The soft limit of open files in the text of `/proc/self/limits`.
fn open_files(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests;
