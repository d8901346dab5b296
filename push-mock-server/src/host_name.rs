//! `HostNameError`: why a text is no name of a host that can be intercepted.

use std::{fmt, net::IpAddr};

/// Most characters of a name (RFC 1035 §2.3.4).
const LONGEST: usize = 253;
/// Most characters between two dots.
const LONGEST_LABEL: usize = 63;

/// What is wrong with a name; the text says what to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostNameError {
    /// An address: senders that use one ask for no name.
    Address,
    /// A character that no name has.
    Character,
    /// Nothing, or nothing between two dots.
    Empty,
    /// A name of this machine, which is never asked of a proxy.
    Local,
    /// Too many characters, in all or between two dots.
    Long,
    /// A port behind it.
    Port,
    /// A URL.
    Url,
    /// A `*`.
    Wildcard,
}

impl fmt::Display for HostNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "it is an address, and a certificate is made for a name; give the name that the endpoints have"
            }
            Self::Character => {
                "a name has letters, digits, hyphens and dots; write it like push.example.org, \
                 with xn--… for other letters"
            }
            Self::Empty => "a part of the name is empty; write it like push.example.org",
            Self::Local => "it is a name of this machine, which needs no interception; leave it out",
            Self::Long => "the name is too long: 253 characters, 63 between two dots; write it like push.example.org",
            Self::Port => "it has a port, and port 443 is the one that is intercepted; give the name only",
            Self::Url => "it is a URL; give the name of its host only",
            Self::Wildcard => "it has a wildcard, and each host is named by itself; give every name",
        })
    }
}

impl std::error::Error for HostNameError {}

/// Whether `host` can be intercepted.
pub(crate) fn check(host: &str) -> Result<(), HostNameError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    if host.is_empty() {
        return Err(HostNameError::Empty);
    }
    if host.contains('/') {
        return Err(HostNameError::Url);
    }
    // The last label of an address in any of its forms is a number.
    let is_number =
        |label: &str| label.bytes().all(|octet| octet.is_ascii_digit()) || label.starts_with("0x");
    if bare.parse::<IpAddr>().is_ok() || (!last.is_empty() && is_number(last)) {
        return Err(HostNameError::Address);
    }
    if host.contains('*') {
        return Err(HostNameError::Wildcard);
    }
    if host.contains(':') {
        return Err(HostNameError::Port);
    }
    if !host.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.')) {
        return Err(HostNameError::Character);
    }
    if host.len() > LONGEST || host.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(HostNameError::Long);
    }
    if host.split('.').any(str::is_empty) {
        return Err(HostNameError::Empty);
    }
    if host.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) {
        return Err(HostNameError::Character);
    }
    if last.eq_ignore_ascii_case("localhost") {
        return Err(HostNameError::Local);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_everything_that_is_taken_for_one() {
        for host in ["push.example.org", "PUSH.test", "push", "xn--bcher-kva.example", "1.a", &"a".repeat(63)]
        {
            assert_eq!(check(host), Ok(()), "{host}");
        }
        for (host, why) in [
            ("", HostNameError::Empty),
            ("a..b", HostNameError::Empty),
            ("push.example.org.", HostNameError::Empty),
            (".a", HostNameError::Empty),
            ("127.0.0.1", HostNameError::Address),
            ("::1", HostNameError::Address),
            ("[::1]", HostNameError::Address),
            ("127.1", HostNameError::Address),
            ("0x7f.0x1", HostNameError::Address),
            ("2130706433", HostNameError::Address),
            ("*.example.org", HostNameError::Wildcard),
            ("push.example.org:443", HostNameError::Port),
            ("https://push.example.org", HostNameError::Url),
            ("push.example.org/send", HostNameError::Url),
            ("bücher.example", HostNameError::Character),
            ("a b", HostNameError::Character),
            ("a_b.example", HostNameError::Character),
            ("-a.example", HostNameError::Character),
            ("a\nb", HostNameError::Character),
            ("localhost", HostNameError::Local),
            ("a.LOCALHOST", HostNameError::Local),
        ] {
            assert_eq!(check(host), Err(why), "{host:?}");
            let text = why.to_string();
            assert!(text.contains("; "), "{text}");
        }
        assert_eq!(check(&"a".repeat(64)), Err(HostNameError::Long));
        assert_eq!(check(&["a"; 128].join(".")), Err(HostNameError::Long));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged(text in ".*") {
            let _ = check(&text);
        }
    }
}
