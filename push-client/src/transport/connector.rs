//! From an origin to a connection: port, policy, look-up, check, dial, TLS, in this order.
//!
//! Invariant: the only addresses ever dialled are [`Checked`] ones, the proxy's, and those the caller chose.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use push_crypto::{Origin, Scheme};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    AddressClass, Checked, HttpVersion, Phase, Problem, TransportError, options::TransportOptions,
    proxy::Proxy, tls,
};

/// A further address is tried after so long without success (RFC 8305 §5, "Connection Attempt Delay").
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// Makes connections as the options say.
pub(crate) struct Connector {
    options: TransportOptions,
    /// Made at the first TLS connection: reading the system's certificates takes time.
    tls: OnceLock<Option<Arc<rustls::ClientConfig>>>,
}

/// A connection that is ready for HTTP.
pub(crate) struct Connected {
    pub(crate) io: Io,
    pub(crate) http2: bool,
    /// The address it goes to, for the log: that of the proxy where there is one.
    pub(crate) address: SocketAddr,
}

impl Connector {
    pub(crate) const fn new(options: TransportOptions) -> Self {
        Self { options, tls: OnceLock::new() }
    }

    pub(crate) const fn options(&self) -> &TransportOptions {
        &self.options
    }

    /// Refuses what needs no look-up to be refused: a port, clear text, an address in the URL. No socket opens.
    pub(crate) fn admit(&self, origin: &Origin) -> Result<(), TransportError> {
        let (options, host) = (&self.options, origin.host());
        if options.chosen_address(host, origin.port()).is_some() {
            return Ok(());
        }
        if origin.is_loopback() && !options.policy.loopback {
            return Err(TransportError::AddressNotAllowed(AddressClass::Loopback));
        }
        if let Some(class) = literal(host).and_then(|address| options.policy.refuses(address)) {
            return Err(TransportError::AddressNotAllowed(class));
        }
        if !options.allows_port(origin.port()) && !origin.is_loopback() {
            return Err(TransportError::PortNotAllowed(origin.port()));
        }
        Ok(())
    }

    /// Opens one connection.
    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Connected, TransportError> {
        let (stream, address) = self.reach(origin).await?;
        let _ = stream.set_nodelay(true);
        let version = self.options.version;
        match origin.scheme() {
            Scheme::Http => {
                Ok(Connected { io: Io::Clear(stream), http2: version == HttpVersion::Http2, address })
            }
            Scheme::Https => {
                let stream = self.secure(origin, stream).await?;
                let negotiated = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                if version == HttpVersion::Http2 && !negotiated {
                    return Err(unreachable(Phase::Tls, Problem::Tls));
                }
                Ok(Connected { io: Io::Tls(Box::new(stream)), http2: negotiated, address })
            }
        }
    }

    /// A TCP connection to the origin, directly or through the proxy.
    async fn reach(&self, origin: &Origin) -> Result<(TcpStream, SocketAddr), TransportError> {
        let (options, host, port) = (&self.options, origin.host(), origin.port());
        if let Some(address) = options.chosen_address(host, port) {
            return self.dial(&[Checked::chosen_by_caller(address)]).await;
        }
        match options.proxy_for(host).filter(|_| !origin.is_loopback()) {
            Some(proxy) => self.through(proxy, host, port).await,
            None => {
                let addresses = self.look_up(host, port).await?;
                let checked = options.policy.check(&addresses).map_err(TransportError::AddressNotAllowed)?;
                self.dial(&checked).await
            }
        }
    }

    async fn through(
        &self,
        proxy: &Proxy,
        host: &str,
        port: u16,
    ) -> Result<(TcpStream, SocketAddr), TransportError> {
        let addresses: Vec<_> =
            self.look_up(&proxy.host, proxy.port).await?.into_iter().map(Checked::chosen_by_caller).collect();
        let (mut stream, address) = self.dial(&addresses).await?;
        let authority = format!("{host}:{port}");
        match timeout(self.options.limits.connect, proxy.tunnel(&mut stream, &authority)).await {
            Ok(tunnel) => tunnel.map(|()| (stream, address)),
            Err(_) => Err(unreachable(Phase::Proxy, Problem::TimedOut)),
        }
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, TransportError> {
        if let Some(address) = literal(host) {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = timeout(self.options.limits.connect, self.options.resolver.resolve(host, port)).await;
        match found {
            Err(_) => Err(unreachable(Phase::Resolve, Problem::TimedOut)),
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(unreachable(Phase::Resolve, Problem::NameNotFound)),
        }
    }

    /// Dials the addresses one after the other, each a little later, and keeps the first that answers.
    async fn dial(
        &self,
        addresses: &[Checked<SocketAddr>],
    ) -> Result<(TcpStream, SocketAddr), TransportError> {
        let race = async {
            let mut waiting = interleaved(addresses).into_iter();
            let mut dialling = FuturesUnordered::new();
            let mut last = Problem::NameNotFound;
            loop {
                if let Some(address) = waiting.next() {
                    dialling.push(dial_one(address.get()));
                }
                let next = if waiting.len() == 0 {
                    dialling.next().await
                } else {
                    match timeout(NEXT_ADDRESS, dialling.next()).await {
                        Ok(next) => next,
                        Err(_) => continue,
                    }
                };
                match next {
                    Some(Ok(connected)) => return Ok(connected),
                    Some(Err(error)) => last = tcp_problem(&error),
                    None => return Err(unreachable(Phase::Connect, last)),
                }
            }
        };
        timeout(self.options.limits.connect, race)
            .await
            .unwrap_or(Err(unreachable(Phase::Connect, Problem::TimedOut)))
    }

    async fn secure(
        &self,
        origin: &Origin,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TransportError> {
        let configuration = self
            .tls
            .get_or_init(|| tls::configuration(&self.options).ok().map(Arc::new))
            .clone()
            .ok_or(unreachable(Phase::Tls, Problem::Tls))?;
        let host = origin.host().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name =
            ServerName::try_from(host.to_owned()).map_err(|_| unreachable(Phase::Tls, Problem::Tls))?;
        let handshake = TlsConnector::from(configuration).connect(name, stream);
        match timeout(self.options.limits.tls, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(unreachable(Phase::Tls, tls::problem(&error))),
            Err(_) => Err(unreachable(Phase::Tls, Problem::TimedOut)),
        }
    }
}

async fn dial_one(address: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    TcpStream::connect(address).await.map(|stream| (stream, address))
}

/// The families in turn, beginning with that of the first address (RFC 8305 §4).
fn interleaved(addresses: &[Checked<SocketAddr>]) -> Vec<Checked<SocketAddr>> {
    let first_is_v6 = addresses.first().is_some_and(|address| address.get().is_ipv6());
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.get().is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut out = Vec::with_capacity(addresses.len());
    loop {
        let pair = [first.next(), second.next()];
        if pair.iter().all(Option::is_none) {
            return out;
        }
        out.extend(pair.into_iter().flatten());
    }
}

/// The address that a host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn tcp_problem(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Problem::ConnectionRefused,
        io::ErrorKind::ConnectionReset => Problem::Closed,
        io::ErrorKind::TimedOut => Problem::TimedOut,
        kind => Problem::Io(kind),
    }
}

const fn unreachable(phase: Phase, problem: Problem) -> TransportError {
    TransportError::Unreachable { phase, problem }
}

/// A TCP connection, with or without TLS.
pub(crate) enum Io {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(options: TransportOptions, origin: &str) -> Result<(), TransportError> {
        Connector::new(options).admit(&origin.parse().unwrap())
    }

    /// AS-001, T1, T7: refused before any look-up.
    #[test]
    fn what_needs_no_look_up_is_refused_at_once() {
        use AddressClass::{LinkLocal, Loopback, Private};
        let check = |origin: &str, expected| {
            assert_eq!(admit(TransportOptions::default(), origin), expected, "{origin}");
        };

        check("https://push.example", Ok(()));
        check("https://push.example:8443", Err(TransportError::PortNotAllowed(8443)));
        check("http://localhost:8030", Err(TransportError::AddressNotAllowed(Loopback)));
        check("https://127.0.0.1", Err(TransportError::AddressNotAllowed(Loopback)));
        check("https://[::ffff:10.0.0.1]", Err(TransportError::AddressNotAllowed(Private)));
        check("https://169.254.169.254", Err(TransportError::AddressNotAllowed(LinkLocal)));
    }

    #[test]
    fn switches_allow_what_they_say_and_no_more() {
        let loopback = || TransportOptions::default().allow_loopback();

        assert_eq!(admit(loopback(), "http://localhost:8030"), Ok(()));
        assert_eq!(admit(loopback(), "https://127.0.0.1:8443"), Ok(()));
        assert!(admit(loopback(), "https://10.0.0.1").is_err());
        assert!(admit(loopback(), "https://push.example:8443").is_err());
        assert_eq!(admit(TransportOptions::default().allow_port(8443), "https://push.example:8443"), Ok(()));
        assert_eq!(admit(TransportOptions::default().allow_private(), "https://10.0.0.1"), Ok(()));
        assert!(
            admit(TransportOptions::default().allow_any_port().allow_private(), "https://localhost").is_err()
        );
    }

    #[test]
    fn families_take_turns() {
        let of = |texts: &[&str]| -> Vec<_> {
            texts.iter().map(|text| Checked::chosen_by_caller(text.parse().unwrap())).collect()
        };

        let order = interleaved(&of(&["[::1]:1", "[::2]:1", "1.1.1.1:1"]));

        assert_eq!(order, of(&["[::1]:1", "1.1.1.1:1", "[::2]:1"]));
    }
}
