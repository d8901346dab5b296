//! `Config`: what the service is started with, as plain data; nothing here reads a file or the environment.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use push_crypto::{Origin, Timestamp};

use crate::{
    host_name::{self, HostNameError},
    limits::{LimitError, Limits},
};

/// What a full queue does with the next message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueuePolicy {
    /// The new message is refused with 429.
    #[default]
    Newest,
    /// The oldest message that waits is dropped. What was handed over and is not acknowledged stays; when there is
    /// nothing else to drop, the new message is refused with 429.
    Oldest,
}

/// Which push resource a new subscription gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// In clear text on loopback, or below the public URL.
    #[default]
    Local,
    /// Over TLS with a certificate of the local authority.
    Tls,
    /// In the form of the profile's vendor; profile `rfc` has none, so it is the local form.
    Vendor,
}

/// What happens to a `CONNECT`, with which a program asks its proxy for another host.
#[cfg(feature = "browsers")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intercept {
    /// To a push host of a vendor it ends at the service; every other one is refused.
    #[default]
    On,
    /// Every one is refused.
    Off,
    /// To a push host of a vendor it ends at the service; others are let through to public addresses, for programs
    /// of this machine only.
    Pass,
}

#[cfg(feature = "browsers")]
impl Intercept {
    /// As settings have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Pass => "pass",
        }
    }
}

/// How the clock of a space starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockStart {
    /// It is the wall clock.
    #[default]
    Real,
    /// It stands at the time of the start.
    Frozen,
    /// It stands at that time, which may lie in the past.
    FrozenAt(Timestamp),
}

/// Where the certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsSource {
    /// A local authority; without a directory it is made at each start and kept in memory.
    Authority {
        /// Where the authority is kept, mode 0700.
        directory: Option<PathBuf>,
    },
    /// A chain and its key, both PEM.
    Files {
        /// The certificate and its chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// No TLS is spoken.
    #[default]
    Off,
}

/// A bearer token; nothing prints it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(Box<str>);

impl ApiToken {
    /// Takes over a token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(token.into())
    }

    /// The token.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(…)")
    }
}

/// Everything the service is started with.
///
/// ```
/// use push_mock_server::{Config, ClockStart};
/// let config = Config { clock: ClockStart::Frozen, seed: Some(7), ..Config::default() };
/// assert!(config.check().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses; port 0 picks a free one.
    pub listen: Vec<SocketAddr>,
    /// Clear text beyond loopback.
    pub allow_clear_text: bool,
    /// Origin used in push resources and accepted as `aud`; none: `http://localhost:PORT`.
    pub public_url: Option<Origin>,
    /// Certificates.
    pub tls: TlsSource,
    /// Bearer token of the API.
    pub token: Option<ApiToken>,
    /// Further accepted `Host` values, without port.
    pub allow_hosts: Vec<String>,
    /// Origins that get CORS for the API.
    pub allow_origins: Vec<String>,
    /// Refuse everything of level `error`, `PUT`, and `aud` without port; no tolerance for `exp`.
    pub strict: bool,
    /// Answer `PUT` with 405.
    pub refuse_put: bool,
    /// A target for measuring senders: what has the form of a push message for any well-formed token is answered with
    /// 201 and counted; nothing is opened, recorded or handed over.
    pub sink: bool,
    /// What a full queue does.
    pub queue_policy: QueuePolicy,
    /// Push resources of new subscriptions.
    pub style: Style,
    /// What happens to a `CONNECT`.
    #[cfg(feature = "browsers")]
    pub intercept: Intercept,
    /// Hosts that are intercepted besides the vendors' push hosts.
    #[cfg(feature = "browsers")]
    pub intercept_hosts: Vec<String>,
    /// Start of every space's clock.
    pub clock: ClockStart,
    /// Seed of ids, keys and tokens, for reproducible tests only.
    pub seed: Option<u64>,
    /// Limits.
    pub limits: Limits,
}

/// The port of the service when none is given (our choice).
pub const DEFAULT_PORT: u16 = 8030;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), DEFAULT_PORT),
            ],
            allow_clear_text: false,
            public_url: None,
            tls: TlsSource::Authority { directory: None },
            token: None,
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            strict: false,
            refuse_put: false,
            sink: false,
            queue_policy: QueuePolicy::Newest,
            style: Style::Local,
            #[cfg(feature = "browsers")]
            intercept: Intercept::On,
            #[cfg(feature = "browsers")]
            intercept_hosts: Vec::new(),
            clock: ClockStart::Real,
            seed: None,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Whether the parts fit together.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that cannot be.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.limits.check().map_err(ConfigError::Limit)?;
        for host in self.further_hosts() {
            host_name::check(host).map_err(|why| ConfigError::InterceptHost { host: host.clone(), why })?;
        }
        if self.listen.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        let Some(exposed) = self.listen.iter().find(|address| !address.ip().is_loopback()) else {
            return Ok(());
        };
        if self.token.is_none() {
            return Err(ConfigError::TokenNeeded { address: *exposed });
        }
        if self.seed.is_some() {
            return Err(ConfigError::SeedExposed { address: *exposed });
        }
        if !self.allow_clear_text && self.tls == TlsSource::Off {
            return Err(ConfigError::ClearText { address: *exposed });
        }
        Ok(())
    }

    /// The hosts that are intercepted besides the vendors'.
    pub(crate) fn further_hosts(&self) -> &[String] {
        #[cfg(feature = "browsers")]
        return &self.intercept_hosts;
        #[cfg(not(feature = "browsers"))]
        return &[];
    }
}

/// Why the service cannot be started so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An address beyond loopback without TLS.
    ClearText {
        /// The address.
        address: SocketAddr,
    },
    /// A host to intercept that cannot be one.
    InterceptHost {
        /// The text.
        host: String,
        /// What is wrong with it.
        why: HostNameError,
    },
    /// A limit outside of its range.
    Limit(LimitError),
    /// Nothing to listen on.
    NoAddress,
    /// An address beyond loopback with a seed: keys and tokens could be guessed.
    SeedExposed {
        /// The address.
        address: SocketAddr,
    },
    /// An address beyond loopback without a token.
    TokenNeeded {
        /// The address.
        address: SocketAddr,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClearText { address } => write!(
                f,
                "{address} is not loopback and TLS is off; turn TLS on, or allow clear text (--allow-clear-text)"
            ),
            Self::InterceptHost { host, why } => {
                let host: String = host.chars().take(100).flat_map(char::escape_debug).collect();
                write!(f, "\"{host}\" cannot be intercepted: {why}")
            }
            Self::Limit(error) => error.fmt(f),
            Self::NoAddress => f.write_str("there is no address to listen on; give at least one"),
            Self::SeedExposed { address } => write!(
                f,
                "{address} is not loopback and a seed is set: keys and tokens could be guessed; leave the seed out"
            ),
            Self::TokenNeeded { address } => {
                write!(
                    f,
                    "{address} is not loopback, so the API needs a token (--token); set one, or use 127.0.0.1"
                )
            }
        }
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// T36, P-01: nothing is exposed by accident.
    #[test]
    fn an_address_beyond_loopback_needs_a_token_and_tls() {
        let open = Config { listen: vec!["0.0.0.0:8030".parse().unwrap()], ..Config::default() };
        let address = open.listen[0];
        let token = Some(ApiToken::new("t"));

        assert_eq!(open.check(), Err(ConfigError::TokenNeeded { address }));
        let with_token = Config { token: token.clone(), ..open.clone() };
        assert_eq!(with_token.check(), Ok(()));
        let seeded = Config { seed: Some(1), ..with_token.clone() };
        assert_eq!(seeded.check(), Err(ConfigError::SeedExposed { address }));
        let clear = Config { tls: TlsSource::Off, ..with_token };
        assert_eq!(clear.check(), Err(ConfigError::ClearText { address }));
        assert_eq!(Config { allow_clear_text: true, ..clear }.check(), Ok(()));
        assert_eq!(Config { listen: Vec::new(), ..Config::default() }.check(), Err(ConfigError::NoAddress));
    }

    #[test]
    fn the_token_is_not_printed() {
        let config = Config { token: Some(ApiToken::new("canary")), ..Config::default() };

        assert!(!format!("{config:?}").contains("canary"));
    }
}
