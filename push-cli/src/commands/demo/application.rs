//! The application server of the demo: what a worker fetches after a tickle, on a loopback port of its own.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use push_crypto::Origin;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    api::Api,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    text,
};

/// Where the fresh data is.
const PATH: &str = "/latest";

/// Serves one JSON value until it is dropped.
#[derive(Debug)]
pub(super) struct Application {
    origin: Origin,
    task: JoinHandle<()>,
}

impl Application {
    /// Starts it with the data of the moment.
    pub(super) async fn start(data: Value) -> Result<Self> {
        let failed = |error: &std::io::Error| {
            Diagnostic::new(ExitCode::UNEXPECTED, "demo/port", "the demo's application server cannot listen")
                .why(text::io_error(error))
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        let origin = format!("http://{address}").parse().map_err(|_| {
            Diagnostic::new(ExitCode::UNEXPECTED, "demo/port", "the demo's own address is no origin")
        })?;
        let body = Bytes::from(data.to_string());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let body = body.clone();
                let answer = service_fn(move |request| std::future::ready(answer(&request, &body)));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
                );
            }
        });
        Ok(Self { origin, task })
    }

    /// The URL that a worker knows.
    pub(super) fn url(&self) -> String {
        format!("{}{PATH}", self.origin)
    }

    /// What the worker does when its push event has no data.
    pub(super) async fn fetch(&self) -> Result<Value> {
        Api::to(self.origin.clone(), None, None).probe(PATH).await?.json()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(
    request: &Request<Incoming>,
    body: &Bytes,
) -> std::result::Result<Response<Full<Bytes>>, http::Error> {
    if request.uri().path() != PATH {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Full::default());
    }
    Response::builder().header(header::CONTENT_TYPE, "application/json").body(Full::new(body.clone()))
}
