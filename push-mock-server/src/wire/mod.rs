//! Octets ⇄ typed commands: the front door, the URL space, and what is answered where.

#[cfg(feature = "api")]
mod api;
pub(crate) mod authority;
#[cfg(feature = "browsers")]
pub(crate) mod autopush;
pub(crate) mod body;
#[cfg(feature = "browsers")]
mod browsers;
#[cfg(feature = "browsers")]
pub(crate) mod gcm;
mod guard;
#[cfg(feature = "browsers")]
mod intercept;
pub(crate) mod listener;
mod pages;
mod paths;
mod problem;
mod push;
pub(crate) mod tls;
#[cfg(feature = "browsers")]
mod try_page;
mod vendors;

use std::sync::Arc;

use futures_util::future::Either;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::{limits::Limits, service::PushService};
use authority::Authority;
use body::Body;
use guard::Guard;
use listener::{DoorCounters, Duplex, Peer, Respond};
use paths::Place;
use problem::Problem;

/// Everything that answers depend on.
pub(crate) struct Wire {
    pub(crate) service: PushService,
    pub(crate) limits: Limits,
    pub(crate) door: Arc<DoorCounters>,
    guard: Guard,
    #[cfg(feature = "browsers")]
    interception: intercept::Interception,
    #[cfg(feature = "api")]
    api: api::Api,
}

impl Wire {
    pub(crate) fn new(
        service: PushService,
        door: Arc<DoorCounters>,
        authority: Option<&Authority>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let guard = Guard::new(service.config(), &service.urls().public);
        #[cfg(feature = "api")]
        let api = api::Api::new(&service, &guard, authority, stop);
        #[cfg(not(feature = "api"))]
        let _ = (authority, stop);
        let limits = service.config().limits.clone();
        #[cfg(feature = "browsers")]
        let interception = intercept::Interception::new(service.config());
        Self {
            service,
            limits,
            door,
            guard,
            #[cfg(feature = "browsers")]
            interception,
            #[cfg(feature = "api")]
            api,
        }
    }
}

impl Respond for Wire {
    /// Boxed but for what a sink is asked all the time, which is small: hyper moves the future several times.
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        match push::for_sink(&self, &request) {
            Some(head) => Either::Left(push::into_sink(self, head, request.into_body())),
            None => Either::Right(Box::pin(self.answer(request, peer))),
        }
    }

    #[cfg(feature = "browsers")]
    async fn converse(self: Arc<Self>, stream: Box<dyn Duplex>, _: Peer, stop: watch::Receiver<bool>) {
        browsers::mcs(self, stream, stop).await;
    }

    /// Nobody here speaks anything but HTTP.
    #[cfg(not(feature = "browsers"))]
    async fn converse(self: Arc<Self>, _: Box<dyn Duplex>, peer: Peer, _: watch::Receiver<bool>) {
        tracing::debug!(peer = %peer.address, "connection closed: it speaks no HTTP");
    }
}

impl Wire {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        if *request.method() == Method::CONNECT {
            #[cfg(feature = "browsers")]
            return Box::pin(intercept::respond(&self.interception, request, peer)).await;
            #[cfg(not(feature = "browsers"))]
            return proxy_target(&request).into_response();
        }
        if request.headers().len() > self.limits.header_fields {
            return too_many_fields(request.headers().len(), self.limits.header_fields).into_response();
        }
        #[cfg(feature = "browsers")]
        if browsers::is_websocket(&request) {
            return browsers::websocket(&self, request).await;
        }
        let uri = request.uri().clone();
        let place = Place::of(uri.path(), uri.query());
        if !place.is_vendors()
            && let Err(problem) = self.guard.check_not_vendors(&uri, request.headers(), peer)
        {
            return problem.into_response();
        }
        match place {
            Place::Push(path) => push::push_resource(&self, &path, request, peer).await,
            // The others are boxed once more, so that a message does not need their room.
            Place::Message(token) => Box::pin(push::message_resource(&self, token, &request)).await,
            #[cfg(feature = "api")]
            Place::Api => Box::pin(api::respond(Arc::clone(&self), request, peer)).await,
            #[cfg(feature = "browsers")]
            Place::CheckIn { space } => Box::pin(browsers::check_in(&self, space, request)).await,
            #[cfg(feature = "browsers")]
            Place::Register3 { space } => Box::pin(browsers::register3(&self, space, request)).await,
            #[cfg(feature = "browsers")]
            Place::Try(below) => Box::pin(try_page::respond(&self, below, request, peer)).await,
            place => Box::pin(pages::respond(&self, &place, request, peer)).await,
        }
    }
}

/// No proxy: every target is refused (T47).
#[cfg(not(feature = "browsers"))]
fn proxy_target(request: &Request<Incoming>) -> Problem {
    let target = request.uri().authority().map_or("?", |authority| authority.as_str());
    Problem::new(StatusCode::FORBIDDEN, "api/proxy-target", "No proxy for this target")
        .detail(format!("CONNECT to {} was refused: nothing is passed on", target.escape_debug()))
        .fix("take the proxy setting out for this host (NO_PROXY), or send to the endpoint that the service gives out")
}

/// Over HTTP/1.1 hyper refuses it; over HTTP/2 only octets are counted there.
fn too_many_fields(fields: usize, limit: usize) -> Problem {
    Problem::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "request/headers-too-large",
        "Too many header fields",
    )
    .detail(format!("the request has {fields} header fields, at most {limit} are allowed"))
    .fix("send fewer header fields")
}
