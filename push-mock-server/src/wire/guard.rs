//! Who may use what is not a push resource: known `Host`, no foreign page, JSON, the token (T36, T37).

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, Uri, header, request::Parts, uri::Authority};
use push_crypto::Origin;
use sha2::{Digest, Sha256};

use super::{
    listener::Peer,
    problem::Problem,
    push::{authority, authority_of, received_origin},
    vendors,
};
use crate::config::Config;

/// What is checked on every route of the API, on `/metrics` and, but for the token, below `/try`.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    hosts: Arc<[String]>,
    origins: Arc<[String]>,
    /// Hosts that are intercepted and not our own, besides the vendors'.
    intercepted: Arc<[String]>,
    public: Origin,
    token: Option<[u8; 32]>,
}

impl Guard {
    pub(crate) fn new(config: &Config, public: &Origin) -> Self {
        let lower = |names: &[String]| -> Vec<String> {
            names.iter().map(|name| name.to_ascii_lowercase()).collect()
        };
        let origins =
            config.allow_origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
        let hosts = lower(&config.allow_hosts);
        let mut intercepted = lower(config.further_hosts());
        intercepted.retain(|host| !hosts.contains(host) && host != public.host());
        Self {
            hosts: hosts.into(),
            intercepted: intercepted.into(),
            origins: origins.collect(),
            public: public.clone(),
            token: config.token.as_ref().map(|token| Sha256::digest(token.expose()).into()),
        }
    }

    /// True when the service was started with a token, so that whoever asks has shown it.
    #[cfg(feature = "api")]
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// All checks in the order in which they are documented; the content type last, since it says least.
    pub(crate) fn check(&self, parts: &Parts, peer: Peer) -> Result<(), Problem> {
        self.check_host(parts, peer)?;
        self.check_origin(parts, peer)?;
        self.check_token(&parts.headers)?;
        check_content_type(parts)
    }

    /// Refuses the API and the pages under the name of a vendor, and inside of a `CONNECT` whatever the name (T54).
    pub(crate) fn check_not_vendors(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        peer: Peer,
    ) -> Result<(), Problem> {
        let host = authority_of(uri, headers).and_then(|text| text.parse::<Authority>().ok());
        let host = host.as_ref().map_or("", Authority::host);
        let is_theirs = vendors::is_vendors(host)
            || self.intercepted.iter().any(|known| known.eq_ignore_ascii_case(host));
        if !is_theirs && !peer.intercepted {
            return Ok(());
        }
        let host: String = host.chars().take(100).collect();
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "api/unknown-host", "Unknown host")
            .detail(format!(
                "Host is {}, for which only push resources are answered, and what browsers ask",
                host.escape_debug()
            ))
            .fix("use localhost and no proxy for the API and the pages"))
    }

    /// The same for the page `/try`, without a token: what it may do depends on the push resource that it names.
    #[cfg(feature = "browsers")]
    pub(crate) fn check_page_call(&self, parts: &Parts, peer: Peer) -> Result<(), Problem> {
        self.check_host(parts, peer)?;
        self.check_origin(parts, peer)?;
        check_content_type(parts)
    }

    /// Refuses pages what user agents ask for on their own, with neither an `Origin` nor the metadata of a fetch: else
    /// any page could fill the service (T37). Under the names of vendors it is asked for too, so `Host` may be one.
    #[cfg(feature = "browsers")]
    pub(crate) fn check_no_page(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if self.is_foreign(uri, headers) {
            return Err(cross_site("a page of another site asked for what a browser asks itself".to_owned()));
        }
        match text_of(headers, "sec-fetch-site") {
            Some(site @ ("cross-site" | "same-site")) => {
                Err(cross_site(format!("a page of another site asked (Sec-Fetch-Site: {site})")))
            }
            _ => Ok(()),
        }
    }

    /// True for an `Origin` that is not this service's. A user agent's own WebSocket names its URL, with `ws:` or
    /// `wss:`, which is the origin of no page.
    #[cfg(feature = "browsers")]
    pub(crate) fn is_foreign(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(origin) = text_of(headers, "origin") else { return false };
        let Ok(named) = origin.parse::<Uri>() else { return true };
        let (Some(scheme), Some(authority)) = (named.scheme_str(), named.authority()) else { return true };
        let Ok(own) = format!("{}://{authority}", scheme.replacen("ws", "http", 1)).parse::<Origin>() else {
            return true;
        };
        let is_asked =
            authority_of(uri, headers).is_some_and(|asked| asked.eq_ignore_ascii_case(authority.as_str()));
        let is_known = self.knows(&own) || vendors::is_vendors(own.host());
        let is_own = own == self.public || self.is_allowed(origin) || (is_asked && is_known);
        !(is_own || (scheme.starts_with("ws") && is_known))
    }

    /// True for a name of the service.
    fn knows(&self, origin: &Origin) -> bool {
        let host = origin.host();
        origin.is_loopback() || host == self.public.host() || self.hosts.iter().any(|known| known == host)
    }

    /// The name of the service alone: for files that anybody may read.
    pub(crate) fn check_host(&self, parts: &Parts, peer: Peer) -> Result<(), Problem> {
        if received_origin(parts, peer).is_some_and(|origin| self.knows(&origin)) {
            return Ok(());
        }
        let seen = authority(parts).unwrap_or("missing");
        let seen: String = seen.chars().take(100).collect();
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "api/unknown-host", "Unknown host")
            .detail(format!("Host is {}, which is none of this service's names", seen.escape_debug()))
            .fix("use localhost, or start the service with --allow-host and that name"))
    }

    fn check_origin(&self, parts: &Parts, peer: Peer) -> Result<(), Problem> {
        let value = |name: &str| text_of(&parts.headers, name);
        if let Some(origin) = value("origin") {
            if self.is_allowed(origin) {
                return Ok(());
            }
            let same = received_origin(parts, peer).is_some_and(|own| own.to_string() == origin);
            if !same && origin != self.public.to_string() {
                let origin: String = origin.chars().take(100).collect();
                return Err(cross_site(format!("a page of {} asked", origin.escape_debug())));
            }
        }
        if value("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            return Err(cross_site("a page of another site asked (Sec-Fetch-Site: cross-site)".to_owned()));
        }
        Ok(())
    }

    /// True for an origin of `--allow-origin`.
    fn is_allowed(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.origins.contains(&origin)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Ok(()) };
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' '));
        let is_right = shown.is_some_and(|(scheme, shown)| {
            // Digests are compared, so the time taken says nothing about the token.
            scheme.eq_ignore_ascii_case("bearer") && <[u8; 32]>::from(Sha256::digest(shown.trim())) == *token
        });
        if is_right {
            return Ok(());
        }
        Err(Problem::new(StatusCode::UNAUTHORIZED, "api/unauthorized", "A token is needed")
            .detail(match shown {
                None => "the request has no Authorization: Bearer field",
                Some(_) => "the token is not the one that the service was started with",
            })
            .fix("send Authorization: Bearer and the token of --token (PUSH_TOKEN for the command line)"))
    }

    /// The fields that let a page of an allowed origin read the answer.
    #[cfg(feature = "api")]
    pub(crate) fn cors(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let Some(origin) = request.get(header::ORIGIN) else { return };
        if !origin.to_str().is_ok_and(|origin| self.is_allowed(origin)) {
            return;
        }
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.append(header::VARY, http::HeaderValue::from_static("Origin"));
    }

    /// The answer to a preflight of an allowed origin; the request behind it is checked like any other.
    #[cfg(feature = "api")]
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Option<http::Response<super::body::Body>> {
        let mut answer = http::Response::new(super::body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        self.cors(request, answer.headers_mut());
        answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN).then(|| {
            let headers = answer.headers_mut();
            let methods = http::HeaderValue::from_static("DELETE, GET, PATCH, POST");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            let fields =
                http::HeaderValue::from_static("authorization, content-type, last-event-id, push-space");
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, fields);
            answer
        })
    }
}

/// A field that cannot be shown says nothing that is known.
fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn cross_site(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "api/cross-site", "Not from another site's page")
        .detail(detail)
        .fix("start the service with --allow-origin and that origin if the page is yours")
}

/// JSON is asked for so that no form of a foreign page can change anything; a `DELETE` without a body is none that a
/// form can send.
fn check_content_type(parts: &Parts) -> Result<(), Problem> {
    let has_body = parts.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || parts.headers.contains_key(header::TRANSFER_ENCODING);
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS)
        || (parts.method == Method::DELETE && !has_body)
    {
        return Ok(());
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let seen: String = kind.unwrap_or("missing").chars().take(100).collect();
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "api/content-type", "JSON is needed")
        .detail(format!("Content-Type is {}, it must be application/json", seen.escape_debug()))
        .fix("add Content-Type: application/json, also when there is no body"))
}

#[cfg(test)]
mod tests;
