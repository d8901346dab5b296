//! `CONNECT`: to a push host of a vendor it ends here, so that a sender with a proxy setting reaches the service
//! under the vendor's own name; every other one is refused, or let through for programs of this machine (T47).

mod addresses;
mod target;
mod tunnel;

use std::net::IpAddr;

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use self::target::{Refusal, Way};
use super::{
    body::{Body, empty},
    listener::{Peer, serve_after},
    problem::Problem,
};
use crate::config::{Config, Intercept, TlsSource};

/// What is intercepted.
#[derive(Clone, Debug)]
pub(crate) struct Interception {
    mode: Intercept,
    /// Besides the vendors', in lower case.
    hosts: Vec<String>,
    speaks_tls: bool,
    /// Where tunnels may lead.
    is_permitted: fn(IpAddr) -> bool,
}

impl Interception {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            mode: config.intercept,
            hosts: config.intercept_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            speaks_tls: config.tls != TlsSource::Off,
            is_permitted: addresses::is_public,
        }
    }
}

/// Answers a `CONNECT`; what comes after 200 is served like a new connection, or goes on.
pub(super) async fn respond(
    interception: &Interception,
    mut request: Request<Incoming>,
    peer: Peer,
) -> Response<Body> {
    let judged = interception.judge(request.uri().authority(), peer);
    let answer = match judged {
        Ok(Way::Here) if serve_after(&mut request) => Ok(()),
        Ok(Way::Here) => Err(refused(&request, Refusal::Http2)),
        // Before anything is looked up for it.
        Ok(Way::Onward { .. }) if request.version() >= Version::HTTP_2 => {
            Err(refused(&request, Refusal::Http2))
        }
        Ok(Way::Onward { host, port }) => {
            tunnel::open(&mut request, (&host, port), interception.is_permitted).await
        }
        Err(refusal) => Err(refused(&request, refusal)),
    };
    match answer {
        Ok(()) => Response::new(empty()),
        Err(problem) => {
            tracing::debug!(peer = %peer.address, detail = problem.detail, "no CONNECT");
            problem.into_response()
        }
    }
}

fn refused(request: &Request<Incoming>, refusal: Refusal) -> Problem {
    let (why, fix) = refusal.text();
    Problem::new(StatusCode::FORBIDDEN, "api/proxy-target", "No proxy for this target")
        .detail(format!("CONNECT to {} was refused: {why}", shown(request)))
        .fix(fix)
}

/// The target as received, as far as it can be shown.
fn shown(request: &Request<Incoming>) -> String {
    let target = request.uri().authority().map_or("?", |authority| authority.as_str());
    target.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
