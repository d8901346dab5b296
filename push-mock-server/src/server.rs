//! `Server`: the push service behind its front door, bound and ready to run on the caller's runtime.
//!
//! The test harness runs one on a thread of its own.

use std::{net::SocketAddr, sync::Arc};

use push_crypto::Origin;
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;

use crate::{
    clock,
    config::{Config, ConfigError, Style, TlsSource},
    error::StartError,
    service::{PushService, spaces::Urls},
    wire::{
        Wire,
        authority::Authority,
        listener::{self, Door, DoorCounters},
        tls,
    },
};

/// A push service that is bound to its addresses; it answers when [`run`](Self::run) is polled.
///
/// ```
/// use push_mock_server::{Config, Server};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], ..Config::default() };
/// let server = Server::bind(config).unwrap();
/// assert!(server.url().to_string().starts_with("http://localhost:"));
///
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let running = tokio::spawn(server.run(async { let _ = stopped.await; }));
/// drop(stop);
/// running.await.unwrap();
/// # });
/// ```
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    service: PushService,
    authority: Option<Arc<Authority>>,
    door: Door<Wire>,
    stop: watch::Sender<bool>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Server {
    /// Checks the configuration, makes the certificate authority and listens on every address.
    ///
    /// Addresses with port 0 all get the same free port. Needs the context of a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// [`StartError`]: the configuration contradicts itself, an address is taken, a certificate cannot be used.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let (authority, tls) = certificates(&config)?;
        let listeners =
            listener::bind(&config.listen).map_err(|(address, error)| StartError::Bind { address, error })?;
        let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let urls = urls(&config, &addresses)?;
        if config.allow_clear_text && addresses.iter().any(|address| !address.ip().is_loopback()) {
            tracing::warn!(
                "clear text is allowed beyond this machine: capabilities and tokens can be read on the way"
            );
        }
        let counters = Arc::new(DoorCounters::default());
        let limits = config.limits.clone();
        let allow_clear_text = config.allow_clear_text;
        let (stop, _) = watch::channel(false);
        let service = PushService::new(config, urls)?;
        let wire = Wire::new(service.clone(), Arc::clone(&counters), authority.as_deref(), stop.subscribe());
        let door = Door { respond: Arc::new(wire), tls, allow_clear_text, limits, counters };
        Ok(Self { listeners, addresses, service, authority, door, stop })
    }

    /// The addresses that are listened on, with their real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The origin of the API and of push resources: the public URL, else `http://localhost:PORT`.
    #[must_use]
    pub fn url(&self) -> &Origin {
        &self.service.urls().public
    }

    /// The service behind the door, for what needs no HTTP.
    #[must_use]
    pub fn service(&self) -> &PushService {
        &self.service
    }

    /// The certificate of the local authority as PEM, for clients to trust; none with a certificate from files and
    /// none without TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.authority.as_deref().map(Authority::pem)
    }

    /// SHA-256 of the public key that every certificate of the local authority has: Chromium can be told to trust
    /// exactly this key (`--ignore-certificate-errors-spki-list`, as base64).
    #[must_use]
    pub fn spki(&self) -> Option<[u8; 32]> {
        self.authority.as_deref().map(Authority::spki)
    }

    /// Answers until `shutdown` is ready, then what is in flight, for at most five seconds.
    ///
    /// Dropping the future cuts every connection.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tracing::info!(url = %self.url(), "ready");
        let stop = self.stop;
        let stopped = stop.subscribe();
        let service = self.service;
        let ended = async {
            shutdown.await;
            stop.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.door.run(self.listeners, stopped) => {}
            () = ended => {}
            () = service.keep_time() => {}
        }
        tracing::info!("stopped");
    }
}

/// The local authority or the files, and the TLS that comes of them.
fn certificates(config: &Config) -> Result<(Option<Arc<Authority>>, Option<TlsAcceptor>), StartError> {
    match &config.tls {
        TlsSource::Off => Ok((None, None)),
        TlsSource::Files { certificate, key } => {
            let tls = tls::with_files(certificate, key).map_err(unusable)?;
            Ok((None, Some(tls.into())))
        }
        TlsSource::Authority { directory } => {
            let public = config.public_url.iter().map(|url| url.host().to_owned());
            let names: Vec<_> = public.chain(config.further_hosts().iter().cloned()).collect();
            let now = clock::wall();
            let authority = match directory {
                Some(directory) => Authority::kept_in(directory, &names, now),
                None => Authority::in_memory(&names, now),
            };
            let authority = Arc::new(authority.map_err(unusable)?);
            let tls = tls::with_authority(Arc::clone(&authority), clock::wall).map_err(unusable)?;
            Ok((Some(authority), Some(tls.into())))
        }
    }
}

/// The error and its causes in one line: the causes are types of other crates.
fn unusable(error: impl std::error::Error) -> StartError {
    let mut detail = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // What to do stands last.
        detail = match detail.split_once("; ") {
            Some((what, fix)) => format!("{what}: {error}; {fix}"),
            None => format!("{detail}: {error}"),
        };
        cause = error.source();
    }
    StartError::Tls { detail }
}

/// Where the service is reached: by name, since that is what the certificate and browsers know.
fn urls(config: &Config, addresses: &[SocketAddr]) -> Result<Urls, StartError> {
    let port = addresses.first().map_or(0, SocketAddr::port);
    let local = |scheme: &str| format!("{scheme}://localhost:{port}").parse::<Origin>().ok();
    let is_loopback = addresses.iter().any(|address| address.ip().is_loopback());
    let http = (is_loopback || config.allow_clear_text).then(|| local("http")).flatten();
    let https = (config.tls != TlsSource::Off).then(|| local("https")).flatten();
    let preferred = match config.style {
        Style::Tls => https.as_ref().or(http.as_ref()),
        Style::Local | Style::Vendor => http.as_ref().or(https.as_ref()),
    };
    let public = config.public_url.as_ref().or(preferred).cloned().ok_or(ConfigError::NoAddress)?;
    Ok(Urls { http, https, public })
}
