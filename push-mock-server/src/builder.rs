//! `Builder`: how a [`MockServer`] starts.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::Location,
};

use push_crypto::Ttl;

use crate::{
    config::{ClockStart, Config, QueuePolicy, Style, TlsSource},
    error::StartError,
    limits::{Limits, Rate},
    mock_server::MockServer,
    step::TestStep,
};

/// Settings of a service for tests. Made by [`MockServer::builder`].
///
/// Without any setting it listens on a free port of 127.0.0.1, in clear text and over TLS with an authority of its
/// own, keeps everything in memory, and its clock is the wall clock.
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct Builder {
    config: Config,
}

impl Default for Builder {
    fn default() -> Self {
        let listen = vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)];
        Self { config: Config { listen, ..Config::default() } }
    }
}

impl Builder {
    /// Everything at once; what the other methods set is overwritten.
    pub fn config(self, config: Config) -> Self {
        Self { config }
    }

    /// A fixed port of 127.0.0.1.
    pub fn port(mut self, port: u16) -> Self {
        self.config.listen = vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)];
        self
    }

    /// How the clock of every space starts, for example [`Clock::frozen()`](crate::Clock::frozen).
    pub fn clock(mut self, start: ClockStart) -> Self {
        self.config.clock = start;
        self
    }

    /// The same ids, keys and tokens in each run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = Some(seed);
        self
    }

    /// Refuse everything of level `error`.
    pub fn strict(mut self) -> Self {
        self.config.strict = true;
        self
    }

    /// Answer `PUT` with 405.
    pub fn refuse_put(mut self) -> Self {
        self.config.refuse_put = true;
        self
    }

    /// No TLS; it starts a little faster.
    pub fn without_tls(mut self) -> Self {
        self.config.tls = TlsSource::Off;
        self
    }

    /// The form of push resources of new subscriptions.
    pub fn style(mut self, style: Style) -> Self {
        self.config.style = style;
        self
    }

    /// The longest TTL that is granted.
    pub fn max_ttl(mut self, ttl: Ttl) -> Self {
        self.config.limits.ttl_longest = ttl;
        self
    }

    /// The largest body, at least 4 096 octets.
    pub fn max_body(mut self, octets: usize) -> Self {
        self.config.limits.body_octets = octets;
        self
    }

    /// How often one subscription may be sent to.
    pub fn rate(mut self, rate: Rate) -> Self {
        self.config.limits.rate_per_subscription = Some(rate);
        self
    }

    /// What a full queue does.
    pub fn queue_policy(mut self, policy: QueuePolicy) -> Self {
        self.config.queue_policy = policy;
        self
    }

    /// All limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Starts; it listens when this is ready.
    ///
    /// # Panics
    /// When it is awaited and the service cannot start. [`try_start`](Self::try_start) returns the error.
    #[track_caller]
    pub fn start(self) -> TestStep<MockServer> {
        TestStep::at(Location::caller(), self.try_start())
    }

    /// Starts; it listens when this is ready.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn try_start(self) -> Result<MockServer, StartError> {
        MockServer::launch(self.config).await
    }
}
