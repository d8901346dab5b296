//! What a connection of HTTP/1.1 becomes after an answer with 101, or with 2xx to `CONNECT`.
//!
//! It goes on in the task of its connection: it stays counted as open, a panic ends nothing else, and when the service
//! stops it is told and has the same time as every other connection. The watchdog of HTTP is out of it: whoever goes
//! on keeps the time.

#![cfg_attr(not(feature = "browsers"), allow(dead_code))] // Nothing else goes on after an answer.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Method, Request, StatusCode, Version, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::watch,
    time::timeout,
};

use super::connection::FAREWELL;

/// Octets in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type Conversation = Box<dyn FnOnce(Box<dyn Duplex>, watch::Receiver<bool>) -> Running + Send>;

/// What comes after the answer.
enum Next {
    /// The octets are those of a new connection.
    Connection,
    /// They are the business of whoever answered.
    Conversation(Conversation),
}

/// The last request that asked for an upgrade.
struct Asked {
    is_connect: bool,
    upgraded: OnUpgrade,
    next: Option<Next>,
}

/// What one connection becomes; in the extensions of a request that can be upgraded.
#[derive(Clone, Default)]
pub(super) struct Upgrade(Arc<Mutex<Option<Asked>>>);

/// What is to be done with the octets behind an answer.
pub(super) enum Behind {
    Nothing,
    Connection(Box<dyn Duplex>),
    Conversation(Running),
}

/// Hands the connection to `conversation` once the answer is written; false for a request that cannot be upgraded.
///
/// The answer has to be 101, or 2xx for `CONNECT`; after any other, and when the peer goes away before, nothing is
/// called. The receiver says when the service stops: the conversation then has less than five seconds to end.
pub(crate) fn converse_after<F, R>(request: &mut Request<Incoming>, conversation: F) -> bool
where
    F: FnOnce(Box<dyn Duplex>, watch::Receiver<bool>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    set(request, Next::Conversation(Box::new(move |stream, stop| Box::pin(conversation(stream, stop)))))
}

/// Serves what comes after the answer like a new connection; false for a request that cannot be upgraded.
pub(crate) fn serve_after(request: &mut Request<Incoming>) -> bool {
    set(request, Next::Connection)
}

fn set(request: &mut Request<Incoming>, next: Next) -> bool {
    let Some(upgrade) = request.extensions_mut().remove::<Upgrade>() else { return false };
    let mut asked = upgrade.lock();
    if let Some(asked) = asked.as_mut() {
        asked.next = Some(next);
    }
    asked.is_some()
}

impl Upgrade {
    fn lock(&self) -> MutexGuard<'_, Option<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the request one that can be upgraded; false when it does not ask for that.
    pub(super) fn offer(&self, request: &mut Request<Incoming>) -> bool {
        let is_connect = *request.method() == Method::CONNECT;
        let asks = is_connect || request.headers().contains_key(header::UPGRADE);
        if !asks || request.version() >= Version::HTTP_2 {
            return false;
        }
        let upgraded = hyper::upgrade::on(&mut *request);
        *self.lock() = Some(Asked { is_connect, upgraded, next: None });
        request.extensions_mut().insert(self.clone());
        true
    }

    /// Takes the answer to a request that was made an offer: only one that agrees lets anything follow.
    pub(super) fn answered(&self, status: StatusCode) {
        if let Some(asked) = self.lock().as_mut()
            && status != StatusCode::SWITCHING_PROTOCOLS
            && !(asked.is_connect && status.is_success())
        {
            asked.next = None;
        }
    }

    /// What is behind the last answer; the connection of HTTP has to be at its end.
    pub(super) async fn behind(&self, stop: &watch::Receiver<bool>) -> Behind {
        let Some(Asked { upgraded, next, .. }) = self.lock().take() else { return Behind::Nothing };
        let mut stream: Box<dyn Duplex> = match upgraded.await {
            Ok(upgraded) => Box::new(TokioIo::new(upgraded)),
            Err(error) => {
                tracing::debug!(%error, "connection ended before its upgrade");
                return Behind::Nothing;
            }
        };
        match next {
            Some(Next::Connection) => Behind::Connection(stream),
            Some(Next::Conversation(conversation)) => {
                Behind::Conversation(conversation(stream, stop.clone()))
            }
            // hyper gives the stream back also after a refusal, without having closed it.
            None => {
                let _ = timeout(FAREWELL, stream.shutdown()).await;
                Behind::Nothing
            }
        }
    }
}
