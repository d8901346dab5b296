//! `PushResource`: the capability URL a message is sent to, and `Origin`, what a VAPID token is made out to.

use alloc::{boxed::Box, string::String, sync::Arc};
use core::{fmt, hash, str::FromStr};

/// `https`, or `http` for loopback hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Clear text, on loopback only.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The scheme's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port which an origin leaves out.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host in lower case, and port: what `aud` of a VAPID token names (RFC 8292 §2, RFC 6454 §6.1).
///
/// `Display` gives the ASCII serialization, without the scheme's default port. Cloning is cheap, the host is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Arc<str>,
    port: u16,
}

impl Origin {
    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; IPv6 addresses stand in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's default when the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// True when the host is this machine by its name or address: `localhost`, `*.localhost`, 127.0.0.0/8, `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = &*self.host;
        host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || host.parse::<core::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }

    /// Host and port for a `Host` field or `:authority`, without the scheme's default port.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            String::from(&*self.host)
        } else {
            alloc::format!("{}:{}", self.host, self.port)
        }
    }

    fn parse(text: &str) -> Result<(Self, &str), PushResourceError> {
        let (scheme, rest) = text.split_once("://").ok_or(PushResourceError::NotAbsolute)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ => return Err(PushResourceError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(PushResourceError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        check_host(host)?;
        let port = port.unwrap_or(scheme.default_port());
        let host: Arc<str> = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            host.to_ascii_lowercase().into()
        } else {
            host.into()
        };
        Ok((Self { scheme, host, port }, path))
    }
}

impl FromStr for Origin {
    type Err = PushResourceError;
    /// Reads an origin and nothing behind it, as in `aud`.
    fn from_str(text: &str) -> Result<Self, PushResourceError> {
        let (origin, rest) = Self::parse(text)?;
        if rest.is_empty() { Ok(origin) } else { Err(PushResourceError::PathInOrigin) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), PushResourceError> {
    let host_end = if authority.starts_with('[') {
        authority.find(']').ok_or(PushResourceError::Host)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at(host_end);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok((host, None)),
        Some("") => Ok((host, None)),
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => match port.parse() {
            Ok(0) | Err(_) => Err(PushResourceError::Port),
            Ok(port) => Ok((host, Some(port))),
        },
        _ => Err(PushResourceError::Port),
    }
}

/// A registered name in ASCII (an international one in its `xn--` form), an IPv4 address or `[IPv6]`.
fn check_host(host: &str) -> Result<(), PushResourceError> {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or(PushResourceError::Host)?;
        return address.parse::<core::net::Ipv6Addr>().map(|_| ()).map_err(|_| PushResourceError::Host);
    }
    if !host.is_ascii() {
        return Err(PushResourceError::HostNotAscii);
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(legal) {
        return Err(PushResourceError::Host);
    }
    // A name whose last label is a number is an address to resolvers: only the usual form of IPv4 is taken.
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or(last.strip_prefix("0X"))
            .is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric && host.parse::<core::net::Ipv4Addr>().is_err() {
        return Err(PushResourceError::Host);
    }
    Ok(())
}

/// What `http::Uri` takes as a target: visible ASCII without the delimiters of RFC 3986 appendix C, no fragment.
fn check_target(target: &str, begins_at: usize) -> Result<(), PushResourceError> {
    if target.contains('#') {
        return Err(PushResourceError::Fragment);
    }
    let wrong = |b: u8| !b.is_ascii_graphic() || matches!(b, b'"' | b'<' | b'>');
    match target.bytes().position(wrong) {
        Some(at) => Err(PushResourceError::Character { at: begins_at + at }),
        None => Ok(()),
    }
}

/// The URL of one subscription at its push service: `endpoint` of the Push API.
///
/// Absolute, `https` (or `http` to a loopback host), no user information, no fragment, at most 2 048 octets of
/// visible ASCII; path and query are kept octet for octet, because they are a capability (RFC 8030 §8.3).
/// `Debug` shows the origin only; the whole text leaves through [`PushResource::expose`].
///
/// ```
/// use push_crypto::PushResource;
/// let resource: PushResource = "https://PUSH.example.net:443/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV".parse().unwrap();
/// assert_eq!(resource.origin().to_string(), "https://push.example.net");
/// assert_eq!(format!("{resource:?}"), "PushResource(https://push.example.net/…)");
/// ```
#[doc(alias = "endpoint")]
#[derive(Clone)]
pub struct PushResource {
    text: Box<str>,
    origin: Origin,
    path_at: usize,
}

impl PushResource {
    /// Most octets of the URL (our choice; endpoints seen have up to 1 024).
    pub const MAX_OCTETS: usize = 2048;

    /// Its origin.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The whole URL as given: a capability, never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Path and query as given, the request target; `/` when the URL has neither.
    #[must_use]
    pub fn expose_path(&self) -> &str {
        match self.text.get(self.path_at..) {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// Another URL of the same origin: `target` is a path with or without a query, beginning with a slash.
    ///
    /// # Errors
    /// [`PushResourceError`]: what is wrong with the target; [`PushResourceError::NotAbsolute`] without the slash.
    ///
    /// ```
    /// let resource: push_crypto::PushResource = "https://push.example/p/1".parse()?;
    /// assert_eq!(resource.with_target("/m/2")?.expose(), "https://push.example/m/2");
    /// # Ok::<(), push_crypto::PushResourceError>(())
    /// ```
    pub fn with_target(&self, target: &str) -> Result<Self, PushResourceError> {
        if !target.starts_with('/') {
            return Err(PushResourceError::NotAbsolute);
        }
        let octets = self.path_at + target.len();
        if octets > Self::MAX_OCTETS {
            return Err(PushResourceError::TooLong { octets });
        }
        if let Some(at) = target.bytes().position(|b| b == b'\\') {
            return Err(PushResourceError::Backslash { at: self.path_at + at });
        }
        check_target(target, self.path_at)?;
        let mut text = String::with_capacity(octets);
        text.push_str(self.text.get(..self.path_at).unwrap_or_default());
        text.push_str(target);
        Ok(Self { text: text.into(), origin: self.origin.clone(), path_at: self.path_at })
    }

    /// True for the host which Chromium on Android gives to dead subscriptions: gone, without asking anybody.
    #[must_use]
    pub fn is_permanently_removed(&self) -> bool {
        self.origin.host() == "permanently-removed.invalid"
    }
}

impl FromStr for PushResource {
    type Err = PushResourceError;
    fn from_str(text: &str) -> Result<Self, PushResourceError> {
        if text.is_empty() {
            return Err(PushResourceError::NotAbsolute);
        }
        if text.len() > Self::MAX_OCTETS {
            return Err(PushResourceError::TooLong { octets: text.len() });
        }
        if let Some(at) = text.bytes().position(|b| b == b'\\') {
            return Err(PushResourceError::Backslash { at });
        }
        let (origin, path) = Origin::parse(text)?;
        check_target(path, text.len() - path.len())?;
        if origin.scheme == Scheme::Http && !origin.is_loopback() {
            return Err(PushResourceError::ClearText);
        }
        let path_at = text.len() - path.len();
        // A query without a path needs the slash that the request target must start with.
        let text: Box<str> = if path.starts_with('?') {
            alloc::format!("{}/{path}", text.get(..path_at).unwrap_or_default()).into()
        } else {
            text.into()
        };
        Ok(Self { text, origin, path_at })
    }
}

impl PartialEq for PushResource {
    fn eq(&self, other: &Self) -> bool {
        self.origin == other.origin && self.expose_path() == other.expose_path()
    }
}

impl Eq for PushResource {}

impl hash::Hash for PushResource {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.origin.hash(state);
        self.expose_path().hash(state);
    }
}

impl fmt::Debug for PushResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushResource({}/…)", self.origin)
    }
}

/// Why a text is not the URL of a push resource, or not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushResourceError {
    /// A backslash, as left by text copied from rendered Markdown.
    Backslash {
        /// Octet position.
        at: usize,
    },
    /// A character that no URL has.
    Character {
        /// Octet position.
        at: usize,
    },
    /// `http` to a host that is not loopback.
    ClearText,
    /// A `#`.
    Fragment,
    /// A host that is no name and no address in its usual form.
    Host,
    /// An international host name that is not in its `xn--` form.
    HostNotAscii,
    /// No `scheme://`.
    NotAbsolute,
    /// Something behind the origin.
    PathInOrigin,
    /// A port that is not 1 to 65 535.
    Port,
    /// Another scheme than `https` and `http`.
    Scheme,
    /// Over [`PushResource::MAX_OCTETS`].
    TooLong {
        /// How many there are.
        octets: usize,
    },
    /// A user name or password.
    UserInfo,
}

impl PushResourceError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Backslash { .. } => "subscription/backslash",
            Self::ClearText | Self::Scheme => "subscription/endpoint-scheme",
            _ => "subscription/endpoint-missing",
        }
    }
}

impl fmt::Display for PushResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backslash { at } => write!(
                f,
                "the endpoint has a backslash at position {at}, as in text copied from rendered Markdown; remove it"
            ),
            Self::Character { at } => {
                write!(f, "the endpoint has a character at position {at} that no URL has; store it unchanged")
            }
            Self::ClearText => f.write_str(
                "the endpoint is http to another machine; push services use https (http works for loopback only)",
            ),
            Self::Fragment => f.write_str("the endpoint has a fragment (#…); store it as the browser gave it"),
            Self::Host => f.write_str("the endpoint's host is no name and no usual form of an address"),
            Self::HostNotAscii => f.write_str("the endpoint's host is not ASCII; write it in its xn-- form"),
            Self::NotAbsolute => {
                f.write_str("the endpoint is no absolute URL; pass the whole object that the browser's toJSON() gives")
            }
            Self::PathInOrigin => f.write_str("there is a path or a slash behind the origin; leave it out"),
            Self::Port => f.write_str("the endpoint's port is not a number from 1 to 65535"),
            Self::Scheme => f.write_str("the endpoint's scheme is neither https nor http"),
            Self::TooLong { octets } => {
                write!(f, "the endpoint has {octets} octets, at most {} are allowed", PushResource::MAX_OCTETS)
            }
            Self::UserInfo => f.write_str("the endpoint has a user name or password; no push service gives such"),
        }
    }
}

impl core::error::Error for PushResourceError {}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString};

    use super::*;

    /// AS-019
    #[test]
    fn the_origin_is_serialised_as_rfc_6454_says() {
        let check = |endpoint: &str, origin: &str| {
            assert_eq!(endpoint.parse::<PushResource>().unwrap().origin().to_string(), origin, "{endpoint}");
        };

        check("https://push.example.net/p/1?x=y", "https://push.example.net");
        check("https://push.example.net:443/p", "https://push.example.net");
        check("https://push.example.net:/p", "https://push.example.net");
        check("https://push.example.net:8443/p", "https://push.example.net:8443");
        check("HTTPS://PUSH.Example.NET/p", "https://push.example.net");
        check("https://xn--bcher-kva.example/p", "https://xn--bcher-kva.example");
        check("http://localhost:8030/p/x", "http://localhost:8030");
        check("http://localhost:80/p/x", "http://localhost");
        check("http://127.0.0.1:1/p", "http://127.0.0.1:1");
        check("http://[::1]:8030/p", "http://[::1]:8030");
        check("https://push.example.net", "https://push.example.net");
    }

    #[test]
    fn path_and_query_are_kept_octet_for_octet() {
        let check = |endpoint: &str, path: &str| {
            assert_eq!(endpoint.parse::<PushResource>().unwrap().expose_path(), path, "{endpoint}");
        };

        check("https://a.example/fcm/send/dbD:APA91b-_", "/fcm/send/dbD:APA91b-_");
        check("https://a.example/w/?token=A%2bB%3d", "/w/?token=A%2bB%3d");
        check("https://a.example", "/");
        check("https://a.example?x", "/?x");
    }

    /// AS-001, T7
    #[test]
    fn unusable_endpoints_are_refused_with_their_reason() {
        let check =
            |text: &str, expected| assert_eq!(text.parse::<PushResource>().err(), Some(expected), "{text}");

        check("", PushResourceError::NotAbsolute);
        check("/p/1", PushResourceError::NotAbsolute);
        check("ftp://a.example/p", PushResourceError::Scheme);
        check("http://a.example/p", PushResourceError::ClearText);
        check("http://localhost.example/p", PushResourceError::ClearText);
        check("https://user:pw@a.example/p", PushResourceError::UserInfo);
        check("https://a.example/p#x", PushResourceError::Fragment);
        check("https://a.example#x", PushResourceError::Fragment);
        check("https://a.example/p q", PushResourceError::Character { at: 19 });
        check("https://a.example/\\_", PushResourceError::Backslash { at: 18 });
        check("https://bücher.example/p", PushResourceError::HostNotAscii);
        check("https:///p", PushResourceError::Host);
        check("https://a b/p", PushResourceError::Host);
        check("https://0177.0.0.1/p", PushResourceError::Host);
        check("https://2130706433/p", PushResourceError::Host);
        check("https://0x7f.1/p", PushResourceError::Host);
        check("https://127.1/p", PushResourceError::Host);
        check("https://0x7f000001/p", PushResourceError::Host);
        check("https://[::1/p", PushResourceError::Host);
        check("https://[::g]/p", PushResourceError::Host);
        check("https://a.example:0/p", PushResourceError::Port);
        check("https://a.example:65536/p", PushResourceError::Port);
        check("https://a.example:+1/p", PushResourceError::Port);
        check(
            &format!("https://a.example/{}", "x".repeat(2031)),
            PushResourceError::TooLong { octets: 2049 },
        );
        assert!(format!("https://a.example/{}", "x".repeat(2030)).parse::<PushResource>().is_ok());
    }

    #[test]
    fn an_origin_has_nothing_behind_it() {
        assert_eq!("https://a.example/".parse::<Origin>(), Err(PushResourceError::PathInOrigin));
        assert_eq!("https://A.example:443".parse::<Origin>().unwrap().to_string(), "https://a.example");
    }

    #[test]
    fn debug_shows_the_origin_only() {
        let resource: PushResource = "https://a.example/secret?also=secret".parse().unwrap();

        assert_eq!(format!("{resource:?}"), "PushResource(https://a.example/…)");
    }
}
