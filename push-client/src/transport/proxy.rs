//! A tunnel through an HTTP proxy by `CONNECT` (RFC 9110 §9.3.6).
//!
//! The proxy gets host, port and its own credentials; nothing of VAPID is ever in `Proxy-Authorization` (AS-024).

use std::fmt;

use base64ct::{Base64, Encoding};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Phase, Problem, TransportError};
use crate::error::BuildError;

/// Most octets of the proxy's answer (our choice: that of any answer's header fields).
const HEAD_OCTETS: usize = 16 * 1024;

/// Where the proxy is, and what it wants to be told.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    authorization: Option<String>,
}

impl Proxy {
    /// Reads `http://[user:password@]host[:port][/]`; without a scheme, `http` is meant.
    pub(crate) fn parse(url: &str) -> Result<Self, BuildError> {
        let rest = match url.split_once("://") {
            None => url,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(BuildError::Proxy),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, rest),
        };
        let authority: http::uri::Authority = authority.parse().map_err(|_| BuildError::Proxy)?;
        if authority.host().is_empty() {
            return Err(BuildError::Proxy);
        }
        let authorization = credentials
            .map(|credentials| percent_decoded(credentials).ok_or(BuildError::Proxy))
            .transpose()?
            .map(|credentials| format!("Basic {}", Base64::encode_string(&credentials)));
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: authority.port_u16().unwrap_or(80), authorization })
    }

    /// Asks for a tunnel to `authority` (`host:port`) over a connection to the proxy.
    pub(crate) async fn tunnel(&self, stream: &mut TcpStream, authority: &str) -> Result<(), TransportError> {
        let mut head = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n");
        if let Some(authorization) = &self.authorization {
            head.push_str("proxy-authorization: ");
            head.push_str(authorization);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await.map_err(|_| failed(Problem::Closed))?;
        match status(&read_head(stream).await?) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(failed(Problem::ProxyRefused(status))),
            None => Err(failed(Problem::BadAnswer)),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

const fn failed(problem: Problem) -> TransportError {
    TransportError::Unreachable { phase: Phase::Proxy, problem }
}

/// Reads up to the empty line. Nothing may follow it: the far end of the tunnel does not speak first.
async fn read_head(stream: &mut TcpStream) -> Result<Vec<u8>, TransportError> {
    let mut head = Vec::with_capacity(256);
    loop {
        let mut octets = [0_u8; 512];
        let read = stream.read(&mut octets).await.map_err(|_| failed(Problem::Closed))?;
        if read == 0 {
            return Err(failed(Problem::Closed));
        }
        head.extend_from_slice(octets.get(..read).unwrap_or_default());
        match head.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) if at + 4 == head.len() => return Ok(head),
            // A refusal may have a body, which nobody reads.
            Some(_) if status(&head).is_some_and(|status| status >= 300) => return Ok(head),
            Some(_) => return Err(failed(Problem::BadAnswer)),
            None if head.len() >= HEAD_OCTETS => return Err(failed(Problem::BadAnswer)),
            None => {}
        }
    }
}

/// The status of `HTTP/1.x NNN …`.
fn status(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.0 ").or_else(|| head.strip_prefix(b"HTTP/1.1 "))?;
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let mut digit = || octets.next().and_then(|digit| char::from(digit).to_digit(16));
            let value = digit()? * 16 + digit()?;
            out.push(u8::try_from(value).ok()?);
        } else {
            out.push(octet);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_url() {
        let check = |url: &str, host: &str, port, authorization: Option<&str>| {
            let proxy = Proxy::parse(url).unwrap();
            assert_eq!((proxy.host.as_str(), proxy.port), (host, port), "{url}");
            assert_eq!(proxy.authorization.as_deref(), authorization, "{url}");
        };

        check("http://proxy.example:3128", "proxy.example", 3128, None);
        check("HTTP://proxy.example/", "proxy.example", 80, None);
        check("127.0.0.1:8030", "127.0.0.1", 8030, None);
        check("http://[::1]:8030", "::1", 8030, None);
        check("http://user:p%40ss@proxy.example", "proxy.example", 80, Some("Basic dXNlcjpwQHNz"));
        for url in ["socks5://x", "https://x", "http://", "http://x/path", "http://a b", "http://u%4@x"] {
            assert!(Proxy::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn credentials_of_the_proxy_are_unprintable() {
        let proxy = Proxy::parse("http://user:secret@proxy.example").unwrap();

        assert_eq!(format!("{proxy:?}"), "Proxy(proxy.example:80)");
    }

    #[test]
    fn only_a_status_line_of_http_1_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 407\r\n"), Some(407));
        for head in [&b"HTTP/2 200"[..], b"HTTP/1.1 2x0", b"HTTP/1.1 20", b"", b"SSH-2.0"] {
            assert_eq!(status(head), None);
        }
    }
}
