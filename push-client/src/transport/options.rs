//! `TransportOptions`: what the transport over hyper may do, and how.

use std::{collections::BTreeSet, fmt, net::SocketAddr, sync::Arc};

use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{
    AddressPolicy,
    proxy::Proxy,
    resolver::{ErasedResolve, Resolve, SystemResolver},
};
use crate::{error::BuildError, limits::ClientLimits};

/// Which versions of HTTP are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// What TLS negotiates, HTTP/2 first; HTTP/1.1 in clear text.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, in clear text with prior knowledge.
    Http2,
}

/// What the transport over hyper may do, and how.
///
/// By default: public addresses, port 443, the system's root certificates, no proxy.
#[derive(Clone)]
pub struct TransportOptions {
    pub(crate) policy: AddressPolicy,
    pub(crate) ports: Ports,
    pub(crate) version: HttpVersion,
    pub(crate) connect_to: Vec<ConnectTo>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) no_proxy: Vec<String>,
    pub(crate) roots: Vec<CertificateDer<'static>>,
    pub(crate) system_roots: bool,
    pub(crate) any_certificate: bool,
    pub(crate) resolver: Arc<dyn ErasedResolve>,
    pub(crate) limits: ClientLimits,
}

/// The ports an https endpoint may name.
#[derive(Clone, Debug)]
pub(crate) enum Ports {
    Any,
    Only(BTreeSet<u16>),
}

/// A host whose connections go to a chosen address.
#[derive(Clone)]
pub(crate) struct ConnectTo {
    host: String,
    port: Option<u16>,
    address: SocketAddr,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            policy: AddressPolicy::PUBLIC_ONLY,
            ports: Ports::Only(BTreeSet::from([443])),
            version: HttpVersion::Auto,
            connect_to: Vec::new(),
            proxy: None,
            no_proxy: Vec::new(),
            roots: Vec::new(),
            system_roots: true,
            any_certificate: false,
            resolver: Arc::new(SystemResolver),
            limits: ClientLimits::default(),
        }
    }
}

impl TransportOptions {
    /// Allows endpoints on this machine, over http and on any port too.
    #[must_use]
    pub const fn allow_loopback(mut self) -> Self {
        self.policy.loopback = true;
        self
    }

    /// Allows endpoints in private networks (RFC 1918, unique local, carrier-grade NAT).
    #[must_use]
    pub const fn allow_private(mut self) -> Self {
        self.policy.private = true;
        self
    }

    /// Allows endpoints with this port, besides 443.
    #[must_use]
    pub fn allow_port(mut self, port: u16) -> Self {
        if let Ports::Only(ports) = &mut self.ports {
            ports.insert(port);
        }
        self
    }

    /// Allows endpoints with any port: for endpoints that a person gave, not strangers.
    #[must_use]
    pub fn allow_any_port(mut self) -> Self {
        self.ports = Ports::Any;
        self
    }

    /// Which versions of HTTP are spoken.
    #[must_use]
    pub const fn http_version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// Connects to this address whenever `host` or `host:port` is meant; name and certificate stay the host's.
    ///
    /// The address is the caller's own choice and not checked.
    ///
    /// # Errors
    /// [`BuildError::ConnectTo`] when the host is empty or its port no number.
    pub fn connect_to(mut self, host: &str, address: SocketAddr) -> Result<Self, BuildError> {
        let (host, port) = split_host(host).ok_or(BuildError::ConnectTo)?;
        self.connect_to.push(ConnectTo { host: host.to_ascii_lowercase(), port, address });
        Ok(self)
    }

    /// Sends everything but loopback through this HTTP proxy: `http://[user:password@]host[:port]`.
    ///
    /// The proxy looks the hosts up, so it decides which addresses are reached; hosts that are addresses are
    /// still checked here.
    ///
    /// # Errors
    /// [`BuildError::Proxy`] when the URL is another.
    pub fn proxy(mut self, url: &str) -> Result<Self, BuildError> {
        self.proxy = Some(Proxy::parse(url)?);
        Ok(self)
    }

    /// Goes past the proxy for this host and its subdomains; `*` means all.
    #[must_use]
    pub fn no_proxy(mut self, host: &str) -> Self {
        self.no_proxy.push(host.trim().trim_start_matches('.').to_ascii_lowercase());
        self
    }

    /// Trusts the root certificates in this PEM text too.
    ///
    /// # Errors
    /// [`BuildError::Pem`] when there is none, or a damaged one.
    pub fn add_root_pem(mut self, pem: &[u8]) -> Result<Self, BuildError> {
        let before = self.roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| BuildError::Pem)?;
            // Tried here, so that a certificate nobody can trust is reported where it was given.
            rustls::RootCertStore::empty().add(certificate.clone()).map_err(|_| BuildError::Pem)?;
            self.roots.push(certificate);
        }
        if self.roots.len() == before { Err(BuildError::Pem) } else { Ok(self) }
    }

    /// Trusts only the roots that were added, not the system's.
    #[must_use]
    pub const fn only_added_roots(mut self) -> Self {
        self.system_roots = false;
        self
    }

    /// Accepts any certificate: for tests only, since anybody on the way can then read and change everything.
    #[must_use]
    pub const fn danger_accept_any_certificate(mut self) -> Self {
        self.any_certificate = true;
        self
    }

    /// Looks names up in another way than the system's.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }

    pub(crate) fn chosen_address(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let fits = |entry: &&ConnectTo| entry.host == host && entry.port.is_none_or(|only| only == port);
        self.connect_to.iter().find(fits).map(|entry| entry.address)
    }

    pub(crate) fn proxy_for(&self, host: &str) -> Option<&Proxy> {
        let excepted = self.no_proxy.iter().any(|entry| {
            entry == "*"
                || host == entry
                || host
                    .strip_suffix(entry.as_str())
                    .is_some_and(|rest| !entry.is_empty() && rest.ends_with('.'))
        });
        self.proxy.as_ref().filter(|_| !excepted)
    }

    pub(crate) fn allows_port(&self, port: u16) -> bool {
        match &self.ports {
            Ports::Any => true,
            Ports::Only(ports) => ports.contains(&port),
        }
    }
}

impl fmt::Debug for TransportOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportOptions")
            .field("policy", &self.policy)
            .field("ports", &self.ports)
            .field("version", &self.version)
            .field("proxy", &self.proxy)
            .field("added_roots", &self.roots.len())
            .field("any_certificate", &self.any_certificate)
            .finish_non_exhaustive()
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_host(text: &str) -> Option<(&str, Option<u16>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(end);
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(port) => Some(port.parse().ok()?),
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_to_redirect_have_a_port_or_not() {
        assert_eq!(split_host("a.example"), Some(("a.example", None)));
        assert_eq!(split_host("a.example:443"), Some(("a.example", Some(443))));
        assert_eq!(split_host("[::1]"), Some(("[::1]", None)));
        assert_eq!(split_host("[::1]:80"), Some(("[::1]", Some(80))));
        for text in ["", ":443", "a:", "a:x", "a:65536", "[::1", "[::1]x", "::1"] {
            assert_eq!(split_host(text), None, "{text}");
        }
    }

    #[test]
    fn a_chosen_address_is_for_its_host_and_port_only() {
        let to: SocketAddr = "127.0.0.1:8030".parse().unwrap();
        let options = TransportOptions::default()
            .connect_to("FCM.googleapis.com:443", to)
            .and_then(|options| options.connect_to("push.example", to))
            .unwrap();

        assert_eq!(options.chosen_address("fcm.googleapis.com", 443), Some(to));
        assert_eq!(options.chosen_address("fcm.googleapis.com", 444), None);
        assert_eq!(options.chosen_address("push.example", 1), Some(to));
        assert_eq!(options.chosen_address("x.push.example", 443), None);
    }

    #[test]
    fn no_proxy_means_the_host_and_its_subdomains() {
        let options = TransportOptions::default()
            .proxy("http://127.0.0.1:3128")
            .unwrap()
            .no_proxy(".Example.com")
            .no_proxy("localhost");
        let proxied = |host| options.proxy_for(host).is_some();

        assert!(!proxied("example.com") && !proxied("a.example.com") && !proxied("localhost"));
        assert!(proxied("notexample.com") && proxied("example.com.org"));
        assert!(options.no_proxy("*").proxy_for("x.org").is_none());
    }

    #[test]
    fn pem_without_a_certificate_is_refused() {
        for pem in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            assert_eq!(TransportOptions::default().add_root_pem(pem).err(), Some(BuildError::Pem));
        }
    }
}
