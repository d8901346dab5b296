//! A server that does next to nothing: reads a request, counts it, answers 201 with a location.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::failure::{Context, Failure};

/// Longest list of numbered paths (our choice: an order of magnitude above what is measured).
const NUMBERED: usize = 10_000_000;

/// How often each of the paths `/p/NUMBER` was asked for.
#[derive(Default)]
struct Counts(Mutex<Vec<u32>>);

impl Counts {
    fn count(&self, path: &str) {
        let Some(number) = path.strip_prefix("/p/").and_then(|number| number.parse::<usize>().ok()) else {
            return;
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if number < NUMBERED && counts.len() <= number {
            counts.resize(number + 1, 0);
        }
        if let Some(count) = counts.get_mut(number) {
            *count += 1;
        }
    }

    /// `requests` in all, how many paths got one, and how many requests were repeats.
    fn told(&self) -> Value {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let requests: u64 = counts.iter().copied().map(u64::from).sum();
        let distinct = counts.iter().filter(|count| **count > 0).count() as u64;
        let most = counts.iter().copied().max().unwrap_or_default();
        json!({ "requests": requests, "distinct": distinct, "repeats": requests - distinct, "most": most })
    }

    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Listens twice; says where.
pub(super) async fn serve() -> Result<Value, Failure> {
    let counts = Arc::new(Counts::default());
    let (acceptor, certificate) = tls()?;
    let clear = TcpListener::bind(("127.0.0.1", 0)).await?;
    let secured = TcpListener::bind(("127.0.0.1", 0)).await?;
    let ready = json!({
        "port": clear.local_addr()?.port(),
        "tlsPort": secured.local_addr()?.port(),
        "certificate": certificate,
    });
    let counted = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((stream, _)) = clear.accept().await {
            _ = stream.set_nodelay(true);
            let counts = Arc::clone(&counted);
            let answer = service_fn(move |request| answer(Arc::clone(&counts), request));
            tokio::spawn(async move {
                // What HTTP/2 without TLS begins with; only it.
                let mut first = [0; 3];
                let is_second = stream.peek(&mut first).await.is_ok_and(|_| &first == b"PRI");
                let io = TokioIo::new(stream);
                if is_second {
                    _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, answer).await;
                } else {
                    _ = http1::Builder::new().serve_connection(io, answer).await;
                }
            });
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = secured.accept().await {
            _ = stream.set_nodelay(true);
            let (acceptor, counts) = (acceptor.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let is_second = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let answer = service_fn(move |request| answer(Arc::clone(&counts), request));
                let io = TokioIo::new(stream);
                if is_second {
                    _ = http2::Builder::new(TokioExecutor::new()).serve_connection(io, answer).await;
                } else {
                    _ = http1::Builder::new().serve_connection(io, answer).await;
                }
            });
        }
    });
    Ok(ready)
}

async fn answer(
    counts: Arc<Counts>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let is_whole = body.collect().await.is_ok();
    let mut response = Response::new(Full::default());
    match parts.method {
        Method::GET => *response.body_mut() = Full::from(counts.told().to_string()),
        Method::DELETE => counts.forget(),
        _ if is_whole => {
            counts.count(parts.uri.path());
            *response.status_mut() = StatusCode::CREATED;
            let headers = response.headers_mut();
            headers.insert("ttl", 60.into());
            headers.insert(header::LOCATION, http::HeaderValue::from_static("/m/0123456789012345678901"));
        }
        _ => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    Ok(response)
}

/// A certificate of its own for this machine's own addresses; its PEM is what clients have to trust.
fn tls() -> Result<(TlsAcceptor, String), Failure> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).context("certificate")?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).context("certificate")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((TlsAcceptor::from(Arc::new(config)), made.cert.pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_told_from_first_ones() {
        let counts = Counts::default();

        for path in ["/p/0", "/p/2", "/p/2", "/p/token", "/other/1"] {
            counts.count(path);
        }

        assert_eq!(counts.told(), json!({ "requests": 3, "distinct": 2, "repeats": 1, "most": 2 }));
        counts.forget();
        assert_eq!(counts.told()["requests"], 0);
    }
}
