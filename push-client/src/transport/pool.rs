//! Connections that are kept: for HTTP/2 up to eight per origin, shared; for HTTP/1.1 one per request under way.
//!
//! A connection goes to the address that was checked when it was opened; each new one is looked up and checked anew.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Uri, uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use push_crypto::Origin;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Phase, Problem, TransportError,
    connector::{Connected, Connector},
    http2,
};

/// Most HTTP/2 connections to one origin (our choice: with 100 streams each, more than is ever under way).
const HTTP2_CONNECTIONS: usize = 8;
/// An HTTP/2 connection is busy with so many requests under way (RFC 9113 §6.5.2: servers should allow 100), or with
/// fewer when the server takes fewer.
const HTTP2_STREAMS: usize = 100;
/// A further HTTP/2 connection is opened when all have been busy for so long (our choice: a burst is over by then).
const HTTP2_BUSY: Duration = Duration::from_millis(100);
/// Most HTTP/1.1 connections to one origin (our choice: what busy proxies keep).
const HTTP1_CONNECTIONS: usize = 64;
/// An idle HTTP/1.1 connection is not used again after so long (our choice: below the usual keep-alive of servers).
const HTTP1_IDLE: Duration = Duration::from_secs(30);
/// Over so many origins those without a connection are forgotten (our choice).
const ORIGINS: usize = 1024;

type Http1Sender = http1::SendRequest<Full<Bytes>>;

/// The connections to all origins.
#[derive(Default)]
pub(crate) struct Pool {
    /// By the text of the authority, as requests have it: for http, then for https.
    by_authority: [RwLock<HashMap<Box<str>, Arc<Connections>>>; 2],
    origins: Mutex<HashMap<Origin, Arc<Connections>>>,
}

impl Pool {
    /// The connections to the origin of this URL.
    ///
    /// # Errors
    /// When none may be opened to it, or it is not the URL of a push resource.
    pub(crate) fn of(&self, uri: &Uri, connector: &Connector) -> Result<Arc<Connections>, TransportError> {
        let is_https = uri.scheme() == Some(&uri::Scheme::HTTPS);
        let authority = uri.authority().map_or("", uri::Authority::as_str);
        let [http, https] = &self.by_authority;
        let by_authority = if is_https { https } else { http };
        let known =
            by_authority.read().unwrap_or_else(PoisonError::into_inner).get(authority).map(Arc::clone);
        let connections = match known {
            Some(connections) => connections,
            None => {
                let connections = self.of_origin(origin_of(uri)?, connector);
                let mut by_authority = by_authority.write().unwrap_or_else(PoisonError::into_inner);
                by_authority.insert(authority.into(), Arc::clone(&connections));
                connections
            }
        };
        connections.admitted.map(|()| connections)
    }

    fn of_origin(&self, origin: Origin, connector: &Connector) -> Arc<Connections> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = origins.get(&origin) {
            return Arc::clone(connections);
        }
        if origins.len() >= ORIGINS {
            for by_authority in &self.by_authority {
                by_authority.write().unwrap_or_else(PoisonError::into_inner).clear();
            }
            origins.retain(|_, connections| Arc::strong_count(connections) > 1 || !connections.is_empty());
        }
        let connections = Arc::new(Connections::new(origin.clone(), connector.admit(&origin)));
        origins.insert(origin, Arc::clone(&connections));
        connections
    }
}

fn origin_of(uri: &Uri) -> Result<Origin, TransportError> {
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    let text = format!("{scheme}://{}", authority.map_or("", |authority| authority.as_str()));
    text.parse()
        .map_err(|_| TransportError::Unreachable { phase: Phase::Resolve, problem: Problem::NameNotFound })
}

/// The connections to one origin.
pub(crate) struct Connections {
    origin: Origin,
    /// What the connector says about it without a look-up.
    admitted: Result<(), TransportError>,
    state: Mutex<State>,
    /// Held while a connection is opened whose protocol is not known yet, or that is to be shared.
    opening: tokio::sync::Mutex<()>,
    http1_slots: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    http2: Vec<Shared>,
    /// Since when all shared connections have been busy.
    busy_since: Option<Instant>,
    idle: Vec<(Http1Sender, Instant)>,
    speaks_http1: bool,
    /// How often opening failed, and the last time why: who waited meanwhile fails alike.
    failures: u64,
    failure: Option<TransportError>,
}

struct Shared {
    sender: http2::Sender,
    under_way: Arc<AtomicUsize>,
}

/// A connection for one request.
pub(crate) enum Lease {
    Http1(Http1Lease),
    Http2(Http2Lease),
}

/// A connection of its own; given back after the answer was read to its end.
pub(crate) struct Http1Lease {
    pub(crate) sender: Http1Sender,
    _slot: OwnedSemaphorePermit,
}

/// A share of a connection; counted until dropped.
pub(crate) struct Http2Lease {
    pub(crate) sender: http2::Sender,
    under_way: Arc<AtomicUsize>,
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    fn new(origin: Origin, admitted: Result<(), TransportError>) -> Self {
        Self {
            origin,
            admitted,
            state: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            http1_slots: Arc::new(Semaphore::new(HTTP1_CONNECTIONS)),
        }
    }

    /// A share of a connection that is there and not busy.
    pub(crate) fn shared(&self) -> Option<Http2Lease> {
        match self.with(|state| state.share(WhenBusy::Open)) {
            Next::Use(lease) => Some(lease),
            _ => None,
        }
    }

    /// A connection for one request: a free one, or a new one.
    pub(crate) async fn lease(&self, connector: &Connector) -> Result<Lease, TransportError> {
        let failures = match self.with(|state| state.share(WhenBusy::Open)) {
            Next::Use(lease) => return Ok(Lease::Http2(lease)),
            Next::Http1 => return self.lease_http1(connector).await,
            Next::Open { failures } => failures,
        };
        // While another opens a connection, a busy one is better than waiting.
        let turn = match self.opening.try_lock() {
            Ok(turn) => turn,
            Err(_) => match self.with(|state| state.share(WhenBusy::Use)) {
                Next::Use(lease) => return Ok(Lease::Http2(lease)),
                _ => self.opening.lock().await,
            },
        };
        match self.with(|state| state.share(WhenBusy::Open)) {
            Next::Use(lease) => return Ok(Lease::Http2(lease)),
            Next::Http1 => {
                drop(turn);
                return self.lease_http1(connector).await;
            }
            Next::Open { failures: now } if now != failures => {
                if let Some(failure) = self.with(|state| state.failure) {
                    return self.busy_or(failure);
                }
            }
            Next::Open { .. } => {}
        }
        match self.open(connector).await {
            Ok(New::Http2(sender)) => Ok(Lease::Http2(self.with(|state| state.add(sender)))),
            Ok(New::Http1(sender)) => {
                self.with(|state| state.speaks_http1 = true);
                let slot = self.slot().await?;
                Ok(Lease::Http1(Http1Lease { sender, _slot: slot }))
            }
            Err(error) => {
                self.with(|state| {
                    state.failures += 1;
                    state.failure = Some(error);
                    // Not at once again for the next request.
                    state.busy_since = None;
                });
                self.busy_or(error)
            }
        }
    }

    /// A further connection could not be opened: a busy one is better than none.
    fn busy_or(&self, failure: TransportError) -> Result<Lease, TransportError> {
        match self.with(|state| state.share(WhenBusy::Use)) {
            Next::Use(lease) => Ok(Lease::Http2(lease)),
            _ => Err(failure),
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(crate) fn give_back(&self, lease: Http1Lease) {
        if !lease.sender.is_closed() {
            self.with(|state| state.idle.push((lease.sender, Instant::now())));
        }
    }

    /// Gives no further request to the connection of this lease, after it was silent for too long.
    pub(crate) fn retire(&self, lease: &Http2Lease) {
        lease.sender.retire();
        self.with(|state| state.http2.retain(|shared| !Arc::ptr_eq(&shared.under_way, &lease.under_way)));
    }

    async fn lease_http1(&self, connector: &Connector) -> Result<Lease, TransportError> {
        let slot = self.slot().await?;
        while let Some(mut sender) = self.with(State::take_idle) {
            if sender.ready().await.is_ok() {
                return Ok(Lease::Http1(Http1Lease { sender, _slot: slot }));
            }
        }
        match self.open(connector).await? {
            New::Http1(sender) => Ok(Lease::Http1(Http1Lease { sender, _slot: slot })),
            New::Http2(sender) => Ok(Lease::Http2(self.with(|state| {
                state.speaks_http1 = false;
                state.add(sender)
            }))),
        }
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, TransportError> {
        // The semaphore is never closed.
        Arc::clone(&self.http1_slots)
            .acquire_owned()
            .await
            .map_err(|_| TransportError::Unreachable { phase: Phase::Send, problem: Problem::Closed })
    }

    async fn open(&self, connector: &Connector) -> Result<New, TransportError> {
        let origin = &self.origin;
        let Connected { io, http2, address } = connector.connect(origin).await?;
        let limits = &connector.options().limits;
        tracing::debug!(%origin, %address, http2, "connected");
        let failed = TransportError::Unreachable { phase: Phase::Connect, problem: Problem::Closed };
        if http2 {
            return http2::handshake(io, limits).await.map(New::Http2).map_err(|_| failed);
        }
        let (sender, connection) = http1::Builder::new()
            .max_header_size(limits.response_headers)
            .max_buf_size((2 * limits.response_headers).max(8192))
            .handshake(TokioIo::new(io))
            .await
            .map_err(|_| failed)?;
        tokio::spawn(connection);
        Ok(New::Http1(sender))
    }

    fn is_empty(&self) -> bool {
        self.with(|state| {
            state.http2.retain(|shared| !shared.sender.is_over());
            state.idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < HTTP1_IDLE);
            state.http2.is_empty() && state.idle.is_empty()
        })
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

enum New {
    Http1(Http1Sender),
    Http2(http2::Sender),
}

/// What to do when every shared connection has many requests under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WhenBusy {
    /// Open a further one, if that is allowed.
    Open,
    /// Use the least busy.
    Use,
}

enum Next {
    Use(Http2Lease),
    Http1,
    Open { failures: u64 },
}

impl State {
    /// The least busy shared connection, or what to do without one.
    fn share(&mut self, full: WhenBusy) -> Next {
        self.http2.retain(|shared| !shared.sender.is_over());
        let least = self.http2.iter().min_by_key(|shared| shared.load());
        let Some(shared) = least else {
            return if self.speaks_http1 { Next::Http1 } else { Next::Open { failures: self.failures } };
        };
        let (is_busy, _) = shared.load();
        if !is_busy {
            self.busy_since = None;
        } else if full == WhenBusy::Open && self.http2.len() < HTTP2_CONNECTIONS {
            let now = Instant::now();
            if now.duration_since(*self.busy_since.get_or_insert(now)) >= HTTP2_BUSY {
                return Next::Open { failures: self.failures };
            }
        }
        Next::Use(shared.lease())
    }

    fn add(&mut self, sender: http2::Sender) -> Http2Lease {
        let shared = Shared { sender, under_way: Arc::new(AtomicUsize::new(0)) };
        let lease = shared.lease();
        self.http2.push(shared);
        self.busy_since = None;
        lease
    }

    /// The connection that was idle for the shortest time; those that are too old are closed.
    fn take_idle(&mut self) -> Option<Http1Sender> {
        self.idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < HTTP1_IDLE);
        self.idle.pop().map(|(sender, _)| sender)
    }
}

impl Shared {
    /// Whether it is busy, and how many requests are under way.
    fn load(&self) -> (bool, usize) {
        let under_way = self.under_way.load(Ordering::Relaxed);
        (under_way >= self.sender.streams().clamp(1, HTTP2_STREAMS), under_way)
    }

    fn lease(&self) -> Http2Lease {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Http2Lease { sender: self.sender.clone(), under_way: Arc::clone(&self.under_way) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::transport::{TransportOptions, connector::Io};

    #[tokio::test]
    async fn a_further_connection_that_fails_leaves_the_busy_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let (_server, _) = listener.accept().await.unwrap();
        drop(listener);
        let options = TransportOptions::default().allow_loopback().allow_any_port();
        let limits = options.limits.clone();
        let connector = Connector::new(options);
        let connections = Connections::new(format!("http://{address}").parse().unwrap(), Ok(()));
        let sender = http2::handshake(Io::Clear(client), &limits).await.unwrap();
        // One stream, as the server has said nothing: this lease makes it busy.
        let first = connections.with(|state| state.add(sender));
        connections.with(|state| state.busy_since = Instant::now().checked_sub(2 * HTTP2_BUSY));
        assert!(connections.shared().is_none(), "a further one is due");

        let Ok(Lease::Http2(second)) = connections.lease(&connector).await else { panic!("no lease") };

        assert!(Arc::ptr_eq(&first.under_way, &second.under_way));
        assert_eq!(connections.with(|state| state.failures), 1);
    }
}
