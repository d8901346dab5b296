//! `PushClientBuilder`: keys, provider, network and limits of a client.

#[cfg(feature = "transport")]
use std::net::SocketAddr;
use std::{sync::Arc, time::Duration};

use push_crypto::{
    CryptoProvider,
    vapid::{LocalSigner, Subject, VapidKey, VapidSigner},
};

#[cfg(feature = "transport")]
use crate::transport::{HttpVersion, HyperTransport, Resolve, TransportOptions};
use crate::{
    client::{Identity, PushClient},
    error::BuildError,
    limits::ClientLimits,
    proto::retry::{RepeatUnanswered, RetryPolicy},
    timer::{ErasedTimer, SystemTimer, Timer},
    transport::{ErasedTransport, Transport},
};

/// Builds a [`PushClient`]; every setting has a default.
///
/// ```
/// use push_client::{PushClient, vapid::VapidKey, provider::rust_crypto::PROVIDER};
/// let key = VapidKey::generate(&PROVIDER)?;
/// let client = PushClient::builder().vapid(key, "mailto:ops@example.com".parse()?).retries(1).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct PushClientBuilder {
    keys: Vec<Key>,
    provider: CryptoProvider,
    limits: ClientLimits,
    retries: Option<u32>,
    within: Option<Duration>,
    unanswered: RepeatUnanswered,
    timer: Box<dyn ErasedTimer>,
    transport: Option<Box<dyn ErasedTransport>>,
    #[cfg(feature = "transport")]
    options: Result<TransportOptions, BuildError>,
}

enum Key {
    Local(VapidKey, Option<Subject>),
    Signer(Arc<dyn VapidSigner>, Option<Subject>),
}

impl Default for PushClientBuilder {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            provider: push_crypto::provider::best(),
            limits: ClientLimits::default(),
            retries: None,
            within: None,
            unanswered: RepeatUnanswered::default(),
            timer: Box::new(SystemTimer),
            transport: None,
            #[cfg(feature = "transport")]
            options: Ok(TransportOptions::default()),
        }
    }
}

impl PushClientBuilder {
    /// Signs with this key. The first key signs unless a message asks for another; without any, nothing is signed.
    pub fn vapid(mut self, key: VapidKey, subject: Subject) -> Self {
        self.keys.push(Key::Local(key, Some(subject)));
        self
    }

    /// Signs with this key and names no contact, which some push services refuse (AS-022).
    pub fn vapid_without_subject(mut self, key: VapidKey) -> Self {
        self.keys.push(Key::Local(key, None));
        self
    }

    /// Signs with a key that lives elsewhere. It is asked about twice a day for each origin, and blocks meanwhile.
    pub fn vapid_signer(mut self, signer: Arc<dyn VapidSigner>, subject: Option<Subject>) -> Self {
        self.keys.push(Key::Signer(signer, subject));
        self
    }

    /// Computes with this provider; without, with the fastest of this build and processor.
    pub fn provider(mut self, provider: CryptoProvider) -> Self {
        self.provider = provider;
        self
    }

    /// Other limits than the default ones.
    pub fn limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Repeats of one message: 3 by default, 0 to leave repeating to the caller.
    pub const fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Repeats as often as waiting allows, but none later than this after the first attempt, instead of so many.
    pub const fn retry_within(mut self, time: Duration) -> Self {
        self.within = Some(time);
        self.retries = Some(u32::MAX);
        self
    }

    /// What is done about a request that may have been received but got no answer.
    pub const fn repeat_unanswered(mut self, unanswered: RepeatUnanswered) -> Self {
        self.unanswered = unanswered;
        self
    }

    /// Another source of time, such as a [`StubTimer`](crate::StubTimer).
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Box::new(timer);
        self
    }

    /// Another transport, such as a [`StubTransport`](crate::StubTransport) or one over the caller's HTTP client.
    ///
    /// The settings of the network below have no effect then: what may be connected to is the transport's affair.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Box::new(transport));
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`BuildError`], for the first setting that is not usable.
    pub fn build(self) -> Result<PushClient, BuildError> {
        #[cfg(feature = "transport")]
        let options = self.options?;
        let transport = match self.transport {
            Some(transport) => transport,
            #[cfg(feature = "transport")]
            None => Box::new(HyperTransport::new(options.limits(self.limits.clone()))),
            #[cfg(not(feature = "transport"))]
            None => return Err(BuildError::NoTransport),
        };
        let provider = self.provider;
        let identities = self.keys.into_iter().map(|key| match key {
            Key::Local(key, subject) => {
                Identity { signer: Arc::new(LocalSigner::new(provider, key)), subject }
            }
            Key::Signer(signer, subject) => Identity { signer, subject },
        });
        let mut policy = RetryPolicy::of(&self.limits);
        policy.retries = self.retries.unwrap_or(policy.retries);
        policy.within = self.within;
        policy.unanswered = self.unanswered;
        Ok(PushClient::assemble(identities.collect(), provider, self.limits, policy, self.timer, transport))
    }
}

/// The network, with feature `transport`.
#[cfg(feature = "transport")]
impl PushClientBuilder {
    /// All settings of the network at once, instead of those set so far.
    pub fn transport_options(mut self, options: TransportOptions) -> Self {
        self.options = Ok(options);
        self
    }

    /// Allows endpoints on this machine, over http and on any port too.
    pub fn allow_loopback(self) -> Self {
        self.with(|options| Ok(options.allow_loopback()))
    }

    /// Allows endpoints in private networks.
    pub fn allow_private(self) -> Self {
        self.with(|options| Ok(options.allow_private()))
    }

    /// Allows endpoints with this port, besides 443.
    pub fn allow_port(self, port: u16) -> Self {
        self.with(|options| Ok(options.allow_port(port)))
    }

    /// Allows endpoints with any port.
    pub fn allow_any_port(self) -> Self {
        self.with(|options| Ok(options.allow_any_port()))
    }

    /// Which versions of HTTP are spoken.
    pub fn http_version(self, version: HttpVersion) -> Self {
        self.with(|options| Ok(options.http_version(version)))
    }

    /// Connects to this address whenever `host` or `host:port` is meant, unchecked.
    pub fn connect_to(self, host: &str, address: SocketAddr) -> Self {
        self.with(|options| options.connect_to(host, address))
    }

    /// Sends everything but loopback through this HTTP proxy.
    pub fn proxy(self, url: &str) -> Self {
        self.with(|options| options.proxy(url))
    }

    /// Goes past the proxy for this host and its subdomains.
    pub fn no_proxy(self, host: &str) -> Self {
        self.with(|options| Ok(options.no_proxy(host)))
    }

    /// Trusts the root certificates in this PEM text too.
    pub fn add_root_pem(self, pem: &[u8]) -> Self {
        self.with(|options| options.add_root_pem(pem))
    }

    /// Accepts any certificate: for tests only.
    pub fn danger_accept_any_certificate(self) -> Self {
        self.with(|options| Ok(options.danger_accept_any_certificate()))
    }

    /// Looks names up in another way than the system's.
    pub fn resolver(self, resolver: impl Resolve) -> Self {
        self.with(|options| Ok(options.resolver(resolver)))
    }

    /// The first error is kept until `build`, so that settings can be chained.
    fn with(mut self, change: impl FnOnce(TransportOptions) -> Result<TransportOptions, BuildError>) -> Self {
        self.options = self.options.and_then(change);
        self
    }
}
