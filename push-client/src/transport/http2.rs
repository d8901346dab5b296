//! HTTP/2 by the crate h2 itself: no task and no channel per request, and many requests in one write.
//!
//! h2 flushes after each body. Here that only fills a buffer ([`Corked`]); the task that drives the connection
//! writes it out when h2 has nothing more to say, so that what is handed over together leaves together. A silent
//! connection is noticed by its requests, each of which has its own deadline.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use h2::{
    RecvStream,
    client::{Connection, ResponseFuture, SendRequest},
};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Phase, Problem, TransportError, connector::Io};
use crate::limits::ClientLimits;

/// Octets that are gathered before h2 has to wait (our choice: four records of TLS, 50 messages of 1 KiB).
const CORK: usize = 64 * 1024;

/// A shared connection, seen from those who send.
#[derive(Clone)]
pub(crate) struct Sender {
    requests: SendRequest<Bytes>,
    over: Arc<AtomicBool>,
    streams: Arc<AtomicUsize>,
}

/// Opens HTTP/2 on this connection and lets a task drive it.
pub(crate) async fn handshake(io: Io, limits: &ClientLimits) -> Result<Sender, h2::Error> {
    let cork = Corked(Arc::new(Mutex::new(Cork { io, waiting: BytesMut::with_capacity(CORK), held: false })));
    let (requests, connection) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(u32::try_from(limits.response_headers).unwrap_or(u32::MAX))
        .initial_window_size(65_535)
        .initial_connection_window_size(1 << 20)
        // Before the server has said how many streams it takes, more than one might be refused.
        .initial_max_send_streams(1)
        .max_concurrent_reset_streams(64)
        .handshake(cork.clone())
        .await?;
    let over = Arc::new(AtomicBool::new(false));
    let streams = Arc::new(AtomicUsize::new(requests.current_max_send_streams()));
    tokio::spawn(Driver { connection, cork, over: Arc::clone(&over), streams: Arc::clone(&streams) });
    Ok(Sender { requests, over, streams })
}

impl Sender {
    /// True when it takes no request any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// How many streams the other side takes at once, as far as it has said.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Gives it no further request; what is under way goes on.
    pub(crate) fn retire(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Hands a request over.
    ///
    /// # Errors
    /// The request itself, when the connection was closed before it took it; or what its failure means.
    pub(crate) async fn send(
        &mut self,
        request: Request<Bytes>,
    ) -> Result<ResponseFuture, Result<Request<Bytes>, TransportError>> {
        if poll_fn(|cx| self.requests.poll_ready(cx)).await.is_err() {
            self.retire();
            return Err(Ok(request));
        }
        let (head, body) = request.into_parts();
        let ends = body.is_empty();
        let (response, mut stream) = self
            .requests
            .send_request(Request::from_parts(head, ()), ends)
            .map_err(|error| Err(never_opened(&error)))?;
        if !ends {
            // The body is at most a few KiB: what the windows do not let go at once waits in h2.
            stream.send_data(body, true).map_err(|error| Err(unanswered(&error)))?;
        }
        Ok(response)
    }
}

/// Reads up to `limit` octets of a body; what is over stays unread, and its stream is reset when it is dropped.
pub(crate) async fn read_body(body: &mut RecvStream, limit: usize, read: &mut BytesMut) {
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        let room = limit - read.len();
        read.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
        if data.len() > room {
            return;
        }
    }
}

/// True when the answer has no body, as an acceptance has.
pub(crate) fn has_no_body(response: &Response<RecvStream>) -> bool {
    response.body().is_end_stream()
}

/// What an error means that comes instead of a stream: no octet of the request has left.
fn never_opened(error: &h2::Error) -> TransportError {
    match unanswered(error) {
        unreachable @ TransportError::Unreachable { .. } => unreachable,
        _ => TransportError::Unreachable { phase: Phase::Send, problem: Problem::NotProcessed },
    }
}

/// What an error after the request was handed over means.
///
/// `REFUSED_STREAM` says "not processed" (RFC 9113 §8.7). So does a `GOAWAY` without an error for streams after its
/// last one, and the others are served to their end; one with an error says nothing certain.
pub(crate) fn unanswered(error: &h2::Error) -> TransportError {
    let refused = error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let leaving = error.is_remote() && error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
    if refused || leaving {
        let problem = if leaving { Problem::Leaving } else { Problem::NotProcessed };
        return TransportError::Unreachable { phase: Phase::Send, problem };
    }
    let broken = error.is_library() || (!error.is_remote() && error.is_reset());
    let problem = if broken { Problem::BadAnswer } else { Problem::Closed };
    TransportError::Unanswered { phase: Phase::Headers, problem }
}

/// The task of one connection.
struct Driver {
    connection: Connection<Corked, Bytes>,
    cork: Corked,
    over: Arc<AtomicBool>,
    /// Told to those who send, who would have to lock the connection to ask.
    streams: Arc<AtomicUsize>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if Pin::new(&mut self.connection).poll(cx).is_ready() {
                return Poll::Ready(());
            }
            self.streams.store(self.connection.max_concurrent_send_streams(), Ordering::Relaxed);
            let mut cork = self.cork.lock();
            let held = std::mem::take(&mut cork.held);
            match cork.write_out(cx) {
                // There is room again for what h2 could not hand over.
                Poll::Ready(Ok(())) if held => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                _ => return Poll::Pending,
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A connection whose writes are gathered until they are written out on purpose.
///
/// Only its driver uses it, so the lock is never waited for.
#[derive(Clone)]
struct Corked(Arc<Mutex<Cork>>);

struct Cork {
    io: Io,
    waiting: BytesMut,
    /// h2 wanted to write and there was no room.
    held: bool,
}

impl Corked {
    fn lock(&self) -> MutexGuard<'_, Cork> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cork {
    /// Writes everything that waits.
    fn write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.waiting.advance(written);
        }
        // All of its room at its begin again, without a copy.
        self.waiting.reserve(CORK);
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Room for a write; none when too much waits.
    fn room(&mut self) -> Poll<()> {
        if self.waiting.len() < CORK {
            return Poll::Ready(());
        }
        self.held = true;
        Poll::Pending
    }
}

impl AsyncRead for Corked {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Corked {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut cork = self.lock();
        ready!(cork.room());
        cork.waiting.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut cork = self.lock();
        ready!(cork.room());
        let mut written = 0;
        for buf in bufs {
            cork.waiting.extend_from_slice(buf);
            written += buf.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is written here: the driver does it when h2 has nothing more to say.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut cork = self.lock();
        ready!(cork.write_out(cx))?;
        Pin::new(&mut cork.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Whatever h2 has against a request before it opens a stream: nobody can have received it.
    #[tokio::test]
    async fn a_stream_that_was_never_opened_was_not_processed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let server = tokio::spawn(async move {
            let mut connection = h2::server::handshake(server).await.unwrap();
            !matches!(connection.accept().await, Some(Ok(_)))
        });
        let mut sender = handshake(Io::Clear(client), &ClientLimits::default()).await.unwrap();

        // Neither scheme nor authority, which h2 refuses by itself.
        let request = Request::post("/p/1").version(http::Version::HTTP_2).body(Bytes::new()).unwrap();
        let error = sender.send(request).await.unwrap_err();

        let problem = Problem::NotProcessed;
        assert_eq!(error.unwrap_err(), TransportError::Unreachable { phase: Phase::Send, problem });
        drop(sender);
        assert!(server.await.unwrap(), "the server saw no request");
    }

    #[tokio::test]
    async fn the_streams_that_the_other_side_takes_are_known() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut server = h2::server::Builder::new()
                .max_concurrent_streams(7)
                .handshake::<_, Bytes>(server)
                .await
                .unwrap();
            server.accept().await.is_none()
        });

        let sender = handshake(Io::Clear(client), &ClientLimits::default()).await.unwrap();

        assert_eq!(sender.streams(), 1, "nothing was said yet");
        while sender.streams() == 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sender.streams(), 7);
    }
}
