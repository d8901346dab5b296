//! `HyperTransport`: HTTP/1.1 over hyper and HTTP/2 over its h2, with every phase timed and every size capped.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::{Error as HyperError, body::Incoming, client::conn::TrySendError};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{
    Phase, Problem, Transport, TransportError,
    connector::Connector,
    http2,
    options::TransportOptions,
    pool::{Connections, Http1Lease, Http2Lease, Lease, Pool},
};

/// A request that the other side cannot have seen is given to so many connections in turn (our choice).
const CONNECTIONS_TRIED: u32 = 3;

/// The transport over hyper and rustls.
///
/// ```no_run
/// // no_run: it would connect
/// use push_client::transport::{HyperTransport, Transport, TransportOptions};
/// # async fn example(request: http::Request<bytes::Bytes>) -> Result<(), push_client::TransportError> {
/// let transport = HyperTransport::new(TransportOptions::default());
/// let response = transport.call(request).await?;
/// # Ok(()) }
/// ```
pub struct HyperTransport {
    connector: Connector,
    pool: Pool,
}

impl HyperTransport {
    /// With these options; connections are opened when they are needed.
    #[must_use]
    pub fn new(options: TransportOptions) -> Self {
        Self { connector: Connector::new(options), pool: Pool::default() }
    }

    /// A connection for the next request: a shared one at once, or what has to be opened first.
    async fn lease(&self, connections: &Connections, deadline: Instant) -> Result<Lease, TransportError> {
        if let Some(lease) = connections.shared() {
            return Ok(Lease::Http2(lease));
        }
        let timed_out = TransportError::Unreachable { phase: Phase::Connect, problem: Problem::TimedOut };
        // Apart, like HTTP/1.1 below, so that the usual way stays small: its future is moved for each message.
        let lease = Box::pin(timeout_at(deadline, connections.lease(&self.connector)));
        lease.await.unwrap_or(Err(timed_out))
    }

    async fn over_http2(
        &self,
        connections: &Connections,
        mut lease: Http2Lease,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, Failed> {
        let limits = &self.connector.options().limits;
        let answer = match lease.sender.send(request).await {
            Ok(answer) => answer,
            Err(Ok(request)) => return Err(Failed::Returned(Box::new(request))),
            Err(Err(error)) => {
                if error.is_of_connection() {
                    connections.retire(&lease);
                }
                return Err(Failed::For(error));
            }
        };
        let headers_until = deadline.min(Instant::now() + limits.headers_within);
        let response = match timeout_at(headers_until, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                let error = http2::unanswered(&error);
                if error.is_of_connection() {
                    connections.retire(&lease);
                }
                return Err(Failed::For(error));
            }
            Err(_) => {
                connections.retire(&lease);
                return Err(Failed::For(timed_out()));
            }
        };
        if http2::has_no_body(&response) {
            return Ok(response.map(|_| Bytes::new()));
        }
        let (parts, mut body) = response.into_parts();
        let mut read = BytesMut::new();
        // The status is known by now, so what is missing of the body changes nothing about the outcome.
        let _ = timeout_at(deadline, http2::read_body(&mut body, limits.response_body, &mut read)).await;
        Ok(Response::from_parts(parts, read.freeze()))
    }

    async fn over_http1(
        &self,
        connections: &Connections,
        mut lease: Http1Lease,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, Failed> {
        let limits = &self.connector.options().limits;
        let mut request = origin_form(request);
        let flood = limit_informational(&mut request, limits.informational);
        let sent = lease.sender.try_send_request(request.map(Full::new));
        let headers_until = deadline.min(Instant::now() + limits.headers_within);
        let response = tokio::select! {
            biased;
            () = flood.notified() => return Err(Failed::For(TransportError::Unanswered {
                phase: Phase::Headers,
                problem: Problem::BadAnswer,
            })),
            result = timeout_at(headers_until, sent) => match result {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(returned(error).await),
                Err(_) => return Err(Failed::For(timed_out())),
            },
        };
        let (parts, mut body) = response.into_parts();
        let mut read = BytesMut::new();
        let whole = timeout_at(deadline, read_body(&mut body, limits.response_body, &mut read)).await;
        if whole == Ok(true) {
            connections.give_back(lease);
        }
        Ok(Response::from_parts(parts, read.freeze()))
    }
}

impl Transport for HyperTransport {
    async fn call(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let connections = self.pool.of(request.uri(), &self.connector)?;
        let deadline = Instant::now() + self.connector.options().limits.total;
        for _ in 0..CONNECTIONS_TRIED {
            let result = match self.lease(&connections, deadline).await? {
                Lease::Http2(lease) => self.over_http2(&connections, lease, request, deadline).await,
                Lease::Http1(lease) => {
                    Box::pin(self.over_http1(&connections, lease, request, deadline)).await
                }
            };
            match result {
                Ok(response) => return Ok(response),
                Err(Failed::Returned(same)) => request = *same,
                Err(Failed::For(error)) => return Err(error),
            }
        }
        Err(TransportError::Unreachable { phase: Phase::Send, problem: Problem::Closed })
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HyperTransport").field(self.connector.options()).finish()
    }
}

/// Reads up to `limit` octets; true when that was the whole body, so that the connection can be used again.
async fn read_body(body: &mut Incoming, limit: usize, read: &mut BytesMut) -> bool {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let Ok(data) = frame.into_data() else { continue };
        let room = limit - read.len();
        if data.len() > room {
            read.extend_from_slice(data.get(..room).unwrap_or_default());
            return false;
        }
        read.extend_from_slice(&data);
    }
    true
}

/// Signals when more than `most` informational answers came (HTTP/1.1; over HTTP/2 hyper drops them itself).
fn limit_informational(request: &mut Request<Bytes>, most: usize) -> Arc<Notify> {
    let flood = Arc::new(Notify::new());
    let (seen, signal) = (AtomicUsize::new(0), Arc::clone(&flood));
    hyper::ext::on_informational(request, move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) >= most {
            signal.notify_one();
        }
    });
    flood
}

/// What HTTP/1.1 has on its request line: path and query, with the host in a field.
fn origin_form(mut request: Request<Bytes>) -> Request<Bytes> {
    let uri = std::mem::take(request.uri_mut());
    if let Some(host) = uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(header::HOST, host);
    }
    request.extensions_mut().insert(Absolute(uri.clone()));
    *request.uri_mut() = uri.path_and_query().and_then(|path| path.as_str().parse().ok()).unwrap_or_default();
    request
}

/// The absolute form, kept for another connection, which may speak HTTP/2.
#[derive(Clone)]
struct Absolute(Uri);

enum Failed {
    /// Why there is no answer.
    For(TransportError),
    /// The connection was closed before it took the request: the same can be given to another.
    Returned(Box<Request<Bytes>>),
}

/// What is to be done with a request that hyper could not send: again over another connection, if it was not begun.
async fn returned(mut error: TrySendError<Request<Full<Bytes>>>) -> Failed {
    let Some(request) = error.take_message() else { return Failed::For(unanswered(error.error())) };
    let (parts, body) = request.into_parts();
    // A body that is in memory is there at once.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Failed::Returned(Box::new(absolute(Request::from_parts(parts, body))))
}

/// Puts the absolute URI back.
fn absolute(mut request: Request<Bytes>) -> Request<Bytes> {
    if let Some(Absolute(uri)) = request.extensions_mut().remove() {
        *request.uri_mut() = uri;
        request.headers_mut().remove(header::HOST);
    }
    request
}

const fn timed_out() -> TransportError {
    TransportError::Unanswered { phase: Phase::Headers, problem: Problem::TimedOut }
}

/// What an error of HTTP/1.1 after the request was handed over means.
fn unanswered(error: &HyperError) -> TransportError {
    let problem = if error.is_parse() { Problem::BadAnswer } else { Problem::Closed };
    TransportError::Unanswered { phase: Phase::Headers, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is moved and allocated for each message: what is rare stands apart.
    #[test]
    fn a_call_is_small() {
        let transport = HyperTransport::new(TransportOptions::default());
        let octets = size_of_val(&transport.call(Request::new(Bytes::new())));
        assert!(octets <= 2048, "{octets}");
    }

    #[test]
    fn the_absolute_form_survives_a_returned_request() {
        let uri: Uri = "https://push.example:8443/p/1?x=%2b".parse().unwrap();
        let request = Request::post(uri.clone()).body(Bytes::new()).unwrap();

        let sent = origin_form(request);
        assert_eq!(sent.uri(), "/p/1?x=%2b");
        assert_eq!(sent.headers()["host"], "push.example:8443");
        let back = absolute(sent);

        assert_eq!(back.uri(), &uri);
        assert!(back.headers().get("host").is_none());
    }
}
