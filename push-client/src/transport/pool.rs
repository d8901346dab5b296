//! Connections that are kept: for HTTP/2 up to eight per origin, shared; for HTTP/1.1 one per request under way.
//!
//! A connection goes to the address that was checked when it was opened; each new one is looked up and checked anew.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use push_crypto::Origin;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Phase, Problem, TransportError,
    connector::{Connected, Connector},
};

/// Most HTTP/2 connections to one origin (our choice: with 100 streams each, more than is ever under way).
const HTTP2_CONNECTIONS: usize = 8;
/// A further HTTP/2 connection is opened over so many requests under way (RFC 9113 §6.5.2: servers should allow 100).
const HTTP2_STREAMS: usize = 100;
/// Most HTTP/1.1 connections to one origin (our choice: what busy proxies keep).
const HTTP1_CONNECTIONS: usize = 64;
/// An idle HTTP/1.1 connection is not used again after so long (our choice: below the usual keep-alive of servers).
const HTTP1_IDLE: Duration = Duration::from_secs(30);
/// Over so many origins those without a connection are forgotten (our choice).
const ORIGINS: usize = 1024;

type Http1Sender = http1::SendRequest<Full<Bytes>>;
type Http2Sender = http2::SendRequest<Full<Bytes>>;

/// The connections to all origins.
#[derive(Default)]
pub(crate) struct Pool {
    origins: Mutex<HashMap<Origin, Arc<Connections>>>,
}

impl Pool {
    /// The connections to this origin.
    pub(crate) fn of(&self, origin: &Origin) -> Arc<Connections> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = origins.get(origin) {
            return Arc::clone(connections);
        }
        if origins.len() >= ORIGINS {
            origins.retain(|_, connections| Arc::strong_count(connections) > 1 || !connections.is_empty());
        }
        let connections = Arc::new(Connections::default());
        origins.insert(origin.clone(), Arc::clone(&connections));
        connections
    }
}

/// The connections to one origin.
pub(crate) struct Connections {
    state: Mutex<State>,
    /// Held while a connection is opened whose protocol is not known yet, or that is to be shared.
    opening: tokio::sync::Mutex<()>,
    http1_slots: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    http2: Vec<Shared>,
    idle: Vec<(Http1Sender, Instant)>,
    speaks_http1: bool,
    /// How often opening failed, and the last time why: who waited meanwhile fails alike.
    failures: u64,
    failure: Option<TransportError>,
}

#[derive(Clone)]
struct Shared {
    sender: Http2Sender,
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
    pub(crate) sender: Http2Sender,
    under_way: Arc<AtomicUsize>,
}

impl Drop for Http2Lease {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            http1_slots: Arc::new(Semaphore::new(HTTP1_CONNECTIONS)),
        }
    }
}

impl Connections {
    /// A connection for one request: a free one, or a new one.
    pub(crate) async fn lease(
        &self,
        connector: &Connector,
        origin: &Origin,
    ) -> Result<Lease, TransportError> {
        let failures = match self.with(|state| state.share(WhenBusy::Open)) {
            Next::Use(lease) => return Ok(Lease::Http2(lease)),
            Next::Http1 => return self.lease_http1(connector, origin).await,
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
                return self.lease_http1(connector, origin).await;
            }
            Next::Open { failures: now } if now != failures => {
                if let Some(failure) = self.with(|state| state.failure) {
                    return Err(failure);
                }
            }
            Next::Open { .. } => {}
        }
        match self.open(connector, origin).await {
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
                });
                Err(error)
            }
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
        self.with(|state| state.http2.retain(|shared| !Arc::ptr_eq(&shared.under_way, &lease.under_way)));
    }

    async fn lease_http1(&self, connector: &Connector, origin: &Origin) -> Result<Lease, TransportError> {
        let slot = self.slot().await?;
        while let Some(mut sender) = self.with(State::take_idle) {
            if sender.ready().await.is_ok() {
                return Ok(Lease::Http1(Http1Lease { sender, _slot: slot }));
            }
        }
        match self.open(connector, origin).await? {
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

    async fn open(&self, connector: &Connector, origin: &Origin) -> Result<New, TransportError> {
        let Connected { io, http2, address } = connector.connect(origin).await?;
        let limits = &connector.options().limits;
        tracing::debug!(%origin, %address, http2, "connected");
        let failed = |_| TransportError::Unreachable { phase: Phase::Connect, problem: Problem::Closed };
        if http2 {
            let headers = u32::try_from(limits.response_headers).unwrap_or(u32::MAX);
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_header_list_size(headers)
                .initial_stream_window_size(65_535)
                .initial_connection_window_size(1 << 20)
                // Before the server has said how many streams it takes, more than one might be refused.
                .initial_max_send_streams(1)
                .max_concurrent_reset_streams(64)
                .keep_alive_interval(limits.headers_within)
                .keep_alive_timeout(limits.headers_within)
                .handshake(TokioIo::new(io))
                .await
                .map_err(failed)?;
            tokio::spawn(connection);
            Ok(New::Http2(sender))
        } else {
            let (sender, connection) = http1::Builder::new()
                .max_header_size(limits.response_headers)
                .max_buf_size((2 * limits.response_headers).max(8192))
                .handshake(TokioIo::new(io))
                .await
                .map_err(failed)?;
            tokio::spawn(connection);
            Ok(New::Http1(sender))
        }
    }

    fn is_empty(&self) -> bool {
        self.with(|state| {
            state.http2.retain(|shared| !shared.sender.is_closed());
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
    Http2(Http2Sender),
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
        self.http2.retain(|shared| !shared.sender.is_closed());
        let least = self.http2.iter().min_by_key(|shared| shared.under_way.load(Ordering::Relaxed));
        match least {
            Some(shared)
                if full == WhenBusy::Use
                    || self.http2.len() >= HTTP2_CONNECTIONS
                    || shared.under_way.load(Ordering::Relaxed) < HTTP2_STREAMS =>
            {
                Next::Use(shared.lease())
            }
            None if self.speaks_http1 => Next::Http1,
            _ => Next::Open { failures: self.failures },
        }
    }

    fn add(&mut self, sender: Http2Sender) -> Http2Lease {
        let shared = Shared { sender, under_way: Arc::new(AtomicUsize::new(0)) };
        let lease = shared.lease();
        self.http2.push(shared);
        lease
    }

    /// The connection that was idle for the shortest time; those that are too old are closed.
    fn take_idle(&mut self) -> Option<Http1Sender> {
        self.idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < HTTP1_IDLE);
        self.idle.pop().map(|(sender, _)| sender)
    }
}

impl Shared {
    fn lease(&self) -> Http2Lease {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Http2Lease { sender: self.sender.clone(), under_way: Arc::clone(&self.under_way) }
    }
}
