//! One connection: sniffed, unwrapped from TLS, served by hyper with every limit set, ended when slow or idle.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{io::AsyncWriteExt as _, sync::watch};

use super::{
    Door, DoorCounters, Duplex, LeavesBodyUnread, MCS, Peer, Respond,
    activity::{Activity, InFlight, Overdue, Patience, Watchdog},
    sniff::{Protocol, Replay, sniff},
    stopped,
    stream::Watched,
    upgrade::{Behind, Upgrade},
};
use crate::{
    limits::Limits,
    wire::{
        body::{Body, BoxError},
        tls,
    },
};

/// Time to tell an idle peer that its connection ends; our choice.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);
/// Window of an HTTP/2 stream: sixteen push messages of the largest size.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Window of an HTTP/2 connection: what one peer can make us hold that we have not read (`connection_memory`, a part).
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// hyper accepts no smaller read buffer; it panics below.
const LEAST_READ_BUFFER: usize = 8192;
/// The answer to clear text where only TLS is spoken.
const TLS_ONLY: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\
    content-length: 95\r\n\r\nthis address speaks TLS only: use https, or start the service with the flag --allow-clear-text\n";

/// Serves one accepted connection to its end.
pub(super) async fn serve<R, S>(
    door: Arc<Door<R>>,
    stream: S,
    peer: Peer,
    clear_text: bool,
    stop: watch::Receiver<bool>,
) where
    R: Respond,
    S: Duplex + 'static,
{
    // Boxed, and gone before what follows: a conversation of days does not keep the room of what led to it.
    let behind = Box::pin(begin(Arc::clone(&door), stream, peer, clear_text, stop.clone())).await;
    match behind {
        Behind::Nothing => {}
        Behind::Conversation(conversation) => conversation.await,
        Behind::Connection(stream) => serve_inside(door, stream, peer, stop).await,
    }
}

/// Serves a connection until it ends or becomes something else.
async fn begin<R, S>(
    door: Arc<Door<R>>,
    stream: S,
    peer: Peer,
    clear_text: bool,
    mut stop: watch::Receiver<bool>,
) -> Behind
where
    R: Respond,
    S: Duplex + 'static,
{
    let sniffed = tokio::select! {
        sniffed = sniff(stream, door.limits.header_timeout) => sniffed,
        () = stopped(&mut stop) => None,
    };
    match sniffed {
        None => {
            DoorCounters::count(&door.counters.refused);
            Behind::Nothing
        }
        Some((Protocol::Tls, stream)) => serve_tls(door, stream, peer, stop).await,
        Some((_, mut stream)) if !clear_text => {
            DoorCounters::count(&door.counters.refused);
            let _ = stream.write_all(TLS_ONLY).await;
            let _ = stream.shutdown().await;
            Behind::Nothing
        }
        Some((protocol, stream)) => serve_http(door, protocol, stream, peer, stop).await,
    }
}

async fn serve_tls<R, S>(
    door: Arc<Door<R>>,
    stream: Replay<S>,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) -> Behind
where
    R: Respond,
    S: Duplex + 'static,
{
    let Some(acceptor) = &door.tls else {
        DoorCounters::count(&door.counters.refused);
        return Behind::Nothing;
    };
    let handshake = tokio::time::timeout(door.limits.header_timeout, acceptor.accept(stream));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            if tls::is_distrust(&error) {
                DoorCounters::count(&door.counters.distrusted);
                tracing::warn!("a client did not trust our certificate: run push env");
            } else {
                DoorCounters::count(&door.counters.refused);
                if error.kind() == std::io::ErrorKind::UnexpectedEof {
                    // Some clients say nothing when they do not trust a certificate.
                    tracing::info!(
                        "a client cut the handshake: if it does not trust our certificate, run push env"
                    );
                } else {
                    tracing::debug!(%error, "handshake failed");
                }
            }
            return Behind::Nothing;
        }
        Err(_) => {
            DoorCounters::count(&door.counters.overdue);
            return Behind::Nothing;
        }
    };
    let peer = Peer { tls: true, ..peer };
    let negotiated = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    match negotiated.as_deref() {
        Some(b"h2") => serve_http(door, Protocol::Http2, stream, peer, stop).await,
        Some(_) => serve_http(door, Protocol::Http1, stream, peer, stop).await,
        // Without ALPN the first octets inside decide once more; TLS inside TLS is nothing that we speak.
        None => {
            let sniffed = tokio::select! {
                sniffed = sniff(stream, door.limits.header_timeout) => sniffed,
                () = stopped(&mut stop) => None,
            };
            match sniffed {
                None | Some((Protocol::Tls, _)) => {
                    DoorCounters::count(&door.counters.refused);
                    Behind::Nothing
                }
                Some((Protocol::Http1, stream)) if stream.first() == Some(MCS) => {
                    let respond = Arc::clone(&door.respond);
                    Behind::Conversation(Box::pin(respond.converse(Box::new(stream), peer, stop)))
                }
                Some((protocol, stream)) => serve_http(door, protocol, stream, peer, stop).await,
            }
        }
    }
}

async fn serve_http<R, S>(
    door: Arc<Door<R>>,
    protocol: Protocol,
    stream: S,
    peer: Peer,
    stop: watch::Receiver<bool>,
) -> Behind
where
    R: Respond,
    S: Duplex + 'static,
{
    let is_http2 = protocol == Protocol::Http2;
    let activity = Activity::new(!is_http2);
    let watchdog = Watchdog::new(Arc::clone(&activity), patience(&door.limits));
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let respond = Arc::clone(&door.respond);
    let upgrade = Upgrade::default();
    let offered = upgrade.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let in_flight = activity.begin();
        let offered = offered.offer(&mut request).then(|| offered.clone());
        let is_http1 = request.version() < Version::HTTP_2;
        let answer = Arc::clone(&respond).respond(request, peer);
        async move {
            let answer = answer.await;
            if let Some(offered) = offered {
                offered.answered(answer.status());
            }
            Ok::<_, Infallible>(finish(answer, in_flight, is_http1))
        }
    });
    let ended = if is_http2 {
        drive(pin!(http2_builder(&door.limits).serve_connection(io, service)), watchdog, stop.clone()).await
    } else {
        let connection = http1_builder(&door.limits).serve_connection(io, service).with_upgrades();
        drive(pin!(connection), watchdog, stop.clone()).await
    };
    if let Some(overdue) = ended {
        DoorCounters::count(&door.counters.overdue);
        tracing::debug!(?overdue, "connection closed");
        return Behind::Nothing;
    }
    upgrade.behind(&stop).await
}

/// A connection inside of a `CONNECT`; boxed, because it is a connection inside of a connection.
fn serve_inside<R: Respond>(
    door: Arc<Door<R>>,
    stream: Box<dyn Duplex>,
    peer: Peer,
    stop: watch::Receiver<bool>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let peer = Peer { tls: false, intercepted: true, ..peer };
    // Who could ask for it in clear text may also go on so.
    Box::pin(serve(door, stream, peer, true, stop))
}

fn patience(limits: &Limits) -> Patience {
    Patience { head: limits.header_timeout, idle: limits.idle_timeout, write: limits.no_progress }
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The watchdog keeps the time: hyper's would also end a connection that is merely idle.
        .header_read_timeout(None)
        .max_headers(limits.header_fields)
        .max_header_size(limits.header_octets)
        .max_buf_size(limits.header_octets.saturating_add(STREAM_WINDOW as usize).max(LEAST_READ_BUFFER));
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle_timeout)
        .max_concurrent_streams(small(limits.streams))
        // h2 refuses a list of exactly this size, the limit is the largest that is taken.
        .max_header_list_size(small(limits.header_octets.saturating_add(1)))
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_local_error_reset_streams(limits.local_resets)
        .max_send_buf_size(limits.stream_send_buffer)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    builder
}

/// The request ends with the last octet of its answer, not with its head.
fn finish(mut answer: Response<Body>, in_flight: InFlight, is_http1: bool) -> Response<Answer> {
    if answer.extensions_mut().remove::<LeavesBodyUnread>().is_some() && is_http1 {
        in_flight.activity().leave_body_unread();
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer.map(|body| Answer { body, _in_flight: in_flight })
}

/// The body of an answer, which keeps its request in flight.
struct Answer {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection of hyper that can be asked to end after what is in flight.
trait Drain: Future<Output = hyper::Result<()>> {
    fn drain(self: Pin<&mut Self>);
}

impl<I, S> Drain for http1::UpgradeableConnection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Drain for http2::Connection<I, S, TokioExecutor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::Service<Request<Incoming>, Response = Response<Answer>, Error = Infallible>,
    S::Future: Send + 'static,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives a connection to its end; some when it was cut because it was overdue.
async fn drive<C: Drain>(
    mut connection: Pin<&mut C>,
    mut watchdog: Watchdog,
    mut stop: watch::Receiver<bool>,
) -> Option<Overdue> {
    let mut draining = false;
    loop {
        tokio::select! {
            // The connection first: the watchdog judges what it has done.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended with an error");
                }
                return None;
            }
            overdue = std::future::poll_fn(|cx| watchdog.poll(cx)) => {
                if overdue == Overdue::Idle {
                    // Nothing is in flight: the peer is told, and gets a moment to take it.
                    connection.as_mut().drain();
                    let _ = tokio::time::timeout(FAREWELL, connection.as_mut()).await;
                }
                return Some(overdue);
            }
            () = stopped(&mut stop), if !draining => {
                draining = true;
                connection.as_mut().drain();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_of_clear_text_states_its_length() {
        let text = std::str::from_utf8(TLS_ONLY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();

        assert!(head.ends_with(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
