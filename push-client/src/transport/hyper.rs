//! `HyperTransport`: HTTP/1.1 and HTTP/2 over hyper, with every phase timed and every size capped.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, Uri, header, response};
use http_body_util::{BodyExt, Full};
use hyper::{Error as HyperError, body::Incoming, client::conn::TrySendError};
use push_crypto::Origin;
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};

use super::{
    Phase, Problem, Transport, TransportError,
    connector::Connector,
    options::TransportOptions,
    pool::{Connections, Lease, Pool},
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

    /// The answer's head and body stream; the request may have been received once `phase` is [`Phase::Headers`].
    async fn head(
        &self,
        connections: &Connections,
        origin: &Origin,
        mut request: Request<Full<Bytes>>,
        phase: &AtomicPhase,
    ) -> Result<(response::Parts, Incoming, Lease), TransportError> {
        for _ in 0..CONNECTIONS_TRIED {
            phase.set(Phase::Connect);
            let mut lease = connections.lease(&self.connector, origin).await?;
            phase.set(Phase::Headers);
            match self.exchange(connections, &mut lease, request).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    return Ok((parts, body, lease));
                }
                Err(Failed::Returned(same)) => request = *same,
                Err(Failed::For(error)) => return Err(error),
            }
        }
        Err(TransportError::Unreachable { phase: Phase::Send, problem: Problem::Closed })
    }

    async fn exchange(
        &self,
        connections: &Connections,
        lease: &mut Lease,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failed> {
        let limits = &self.connector.options().limits;
        match lease {
            Lease::Http2(lease) => {
                let sent = lease.sender.try_send_request(request);
                match timeout(limits.headers_within, sent).await {
                    Ok(result) => result.map_err(Failed::from),
                    Err(_) => {
                        connections.retire(lease);
                        Err(timed_out())
                    }
                }
            }
            Lease::Http1(lease) => {
                let mut request = origin_form(request);
                let flood = limit_informational(&mut request, limits.informational);
                let sent = lease.sender.try_send_request(request);
                tokio::select! {
                    biased;
                    () = flood.notified() => Err(Failed::For(TransportError::Unanswered {
                        phase: Phase::Headers,
                        problem: Problem::BadAnswer,
                    })),
                    result = timeout(limits.headers_within, sent) => match result {
                        Ok(result) => result.map_err(Failed::from).map_err(Failed::absolute),
                        Err(_) => Err(timed_out()),
                    },
                }
            }
        }
    }
}

impl Transport for HyperTransport {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let origin = origin_of(request.uri())?;
        self.connector.admit(&origin)?;
        let limits = &self.connector.options().limits;
        let deadline = Instant::now() + limits.total;
        let phase = AtomicPhase::default();
        let connections = self.pool.of(&origin);
        let head = self.head(&connections, &origin, request.map(Full::new), &phase);
        let (parts, mut body, lease) = match timeout_at(deadline, head).await {
            Ok(head) => head?,
            Err(_) => return Err(phase.timed_out()),
        };
        let mut read = BytesMut::new();
        // The status is known by now, so what is missing of the body changes nothing about the outcome.
        let whole = timeout_at(deadline, read_body(&mut body, limits.response_body, &mut read)).await;
        if let (Ok(true), Lease::Http1(lease)) = (whole, lease) {
            connections.give_back(lease);
        }
        Ok(Response::from_parts(parts, read.freeze()))
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
fn limit_informational(request: &mut Request<Full<Bytes>>, most: usize) -> Arc<Notify> {
    let flood = Arc::new(Notify::new());
    let (seen, signal) = (AtomicUsize::new(0), Arc::clone(&flood));
    hyper::ext::on_informational(request, move |_| {
        if seen.fetch_add(1, Ordering::Relaxed) >= most {
            signal.notify_one();
        }
    });
    flood
}

fn origin_of(uri: &Uri) -> Result<Origin, TransportError> {
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    let text = format!("{scheme}://{}", authority.map_or("", |authority| authority.as_str()));
    text.parse()
        .map_err(|_| TransportError::Unreachable { phase: Phase::Resolve, problem: Problem::NameNotFound })
}

/// What HTTP/1.1 has on its request line: path and query, with the host in a field.
fn origin_form(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
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

/// How far a call has got, seen from outside when its time is over.
#[derive(Default)]
struct AtomicPhase(AtomicU8);

impl AtomicPhase {
    fn set(&self, phase: Phase) {
        self.0.store(u8::from(phase >= Phase::Headers), Ordering::Relaxed);
    }

    fn timed_out(&self) -> TransportError {
        let problem = Problem::TimedOut;
        match self.0.load(Ordering::Relaxed) {
            0 => TransportError::Unreachable { phase: Phase::Connect, problem },
            _ => TransportError::Unanswered { phase: Phase::Headers, problem },
        }
    }
}

enum Failed {
    /// Why there is no answer.
    For(TransportError),
    /// The connection was closed before it took the request: the same can be given to another.
    Returned(Box<Request<Full<Bytes>>>),
}

impl Failed {
    /// Puts the absolute URI back.
    fn absolute(self) -> Self {
        match self {
            Self::Returned(mut request) => {
                if let Some(Absolute(uri)) = request.extensions_mut().remove() {
                    *request.uri_mut() = uri;
                    request.headers_mut().remove(header::HOST);
                }
                Self::Returned(request)
            }
            other => other,
        }
    }
}

impl From<TrySendError<Request<Full<Bytes>>>> for Failed {
    fn from(mut error: TrySendError<Request<Full<Bytes>>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Returned(Box::new(request)),
            None => Self::For(unanswered(error.error())),
        }
    }
}

const fn timed_out() -> Failed {
    Failed::For(TransportError::Unanswered { phase: Phase::Headers, problem: Problem::TimedOut })
}

/// What an error after the request was handed over means.
///
/// `REFUSED_STREAM` says "not processed" (RFC 9113 §8.7). So does a `GOAWAY` without an error for streams after its
/// last one, and the others are served to their end; one with an error says nothing certain.
fn unanswered(error: &HyperError) -> TransportError {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            let refused = h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            let leaving = h2.is_remote() && h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR);
            if refused || leaving {
                return TransportError::Unreachable { phase: Phase::Send, problem: Problem::NotProcessed };
            }
            let broken = h2.is_library() || (!h2.is_remote() && h2.is_reset());
            let problem = if broken { Problem::BadAnswer } else { Problem::Closed };
            return TransportError::Unanswered { phase: Phase::Headers, problem };
        }
        source = inner.source();
    }
    let problem = if error.is_parse() { Problem::BadAnswer } else { Problem::Closed };
    TransportError::Unanswered { phase: Phase::Headers, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_absolute_form_survives_a_returned_request() {
        let uri: Uri = "https://push.example:8443/p/1?x=%2b".parse().unwrap();
        let request = Request::post(uri.clone()).body(Full::new(Bytes::new())).unwrap();

        let sent = origin_form(request);
        assert_eq!(sent.uri(), "/p/1?x=%2b");
        assert_eq!(sent.headers()["host"], "push.example:8443");
        let Failed::Returned(back) = Failed::Returned(Box::new(sent)).absolute() else { panic!() };

        assert_eq!(back.uri(), &uri);
        assert!(back.headers().get("host").is_none());
    }
}
