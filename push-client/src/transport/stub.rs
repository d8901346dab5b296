//! `StubTransport`: answers from a script, for tests of applications that send.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};

use super::{Transport, TransportError};

/// Answers requests from a script and keeps them; without a script it accepts everything (201).
///
/// Clones share script and requests, so a test keeps one while the client has the other.
///
/// ```
/// use push_client::{PushClient, PushMessage, StubTransport, Ttl};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let stub = StubTransport::answering([410]);
/// let client = PushClient::builder().transport(stub.clone()).build().unwrap();
/// let subscription = push_client::Subscription::from_json(r#"{"endpoint":"https://push.example/p/1"}"#).unwrap();
///
/// let outcome = client.send(&subscription, &PushMessage::tickle(Ttl::seconds(60))).await;
///
/// assert_eq!(outcome.as_str(), "gone");
/// assert_eq!(stub.requests()[0].headers()["ttl"], "60");
/// # });
/// ```
#[derive(Clone, Default)]
pub struct StubTransport {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    script: VecDeque<Result<Response<Bytes>, TransportError>>,
    requests: Vec<Request<Bytes>>,
}

impl StubTransport {
    /// Accepts everything with 201.
    #[must_use]
    pub fn accepting() -> Self {
        Self::default()
    }

    /// Answers with these statuses in turn, then accepts. What is no status counts as 500.
    #[must_use]
    pub fn answering(statuses: impl IntoIterator<Item = u16>) -> Self {
        let stub = Self::default();
        for status in statuses {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() =
                http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
            stub.then(Ok(response));
        }
        stub
    }

    /// Adds an answer, or a failure, to the script.
    pub fn then(&self, result: Result<Response<Bytes>, TransportError>) {
        self.with(|shared| shared.script.push_back(result));
    }

    /// The requests so far, in the order of their arrival. They hold endpoints, tokens and ciphertext.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.with(|shared| shared.requests.clone())
    }

    fn with<T>(&self, f: impl FnOnce(&mut Shared) -> T) -> T {
        f(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for StubTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (script, requests) = self.with(|shared| (shared.script.len(), shared.requests.len()));
        write!(f, "StubTransport({script} answers left, {requests} requests so far)")
    }
}

impl Transport for StubTransport {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.with(|shared| {
            shared.requests.push(request);
            shared.script.pop_front()
        })
        .unwrap_or_else(|| {
            let mut accepted = Response::new(Bytes::new());
            *accepted.status_mut() = http::StatusCode::CREATED;
            Ok(accepted)
        })
    }
}
