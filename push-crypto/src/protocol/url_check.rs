//! Whether a text is a URL to a browser, absolute or relative to an `https` page: the failures of the WHATWG URL
//! parser and nothing else. It resolves nothing and changes nothing; `PushResource` is the strict reader.

use alloc::{string::String, vec::Vec};

/// True unless the WHATWG URL parser fails on the text with an `https` base.
///
/// Not reproduced are failures of IDNA beyond forbidden characters: any other text of non-ASCII letters is a name.
pub(crate) fn resolves(text: &str) -> bool {
    let trimmed = text.trim_matches(|c: char| c <= ' ');
    let text: String = trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let Some((scheme, rest)) = split_scheme(&text) else {
        return match slashes(&text) {
            (2.., rest) => special_authority(rest),
            _ => true,
        };
    };
    match scheme.to_ascii_lowercase().as_str() {
        // With the base's own scheme, anything but two slashes is relative.
        "https" => match slashes(rest) {
            (2.., rest) => special_authority(rest),
            _ => true,
        },
        "http" | "ws" | "wss" | "ftp" => special_authority(slashes(rest).1),
        "file" => match slashes(rest) {
            (2, rest) => file_host(rest),
            _ => true,
        },
        _ => match rest.strip_prefix("//") {
            Some(rest) => opaque_authority(rest),
            None => true,
        },
    }
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut characters = scheme.bytes();
    let legal = characters.next()?.is_ascii_alphabetic()
        && characters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    legal.then_some((scheme, rest))
}

/// How many slashes of either kind it starts with, and the rest.
fn slashes(text: &str) -> (usize, &str) {
    let rest = text.trim_start_matches(['/', '\\']);
    (text.len() - rest.len(), rest)
}

/// Host and port of `http`, `https`, `ws`, `wss`, `ftp`.
fn special_authority(rest: &str) -> bool {
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let (host, port) = split_port(authority);
    !host.is_empty() && port_is_legal(port) && special_host(host)
}

fn file_host(rest: &str) -> bool {
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let host = rest.get(..end).unwrap_or_default();
    let drive = matches!(host.as_bytes(), [letter, b':' | b'|'] if letter.is_ascii_alphabetic());
    host.is_empty() || drive || special_host(host)
}

/// The authority of a scheme without rules of its own.
fn opaque_authority(rest: &str) -> bool {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let (host, port) = split_port(authority);
    let named = !host.is_empty() || (port.is_none() && !authority.contains('@'));
    named && port_is_legal(port) && (bracketed(host).unwrap_or_else(|| !host.contains(is_forbidden)))
}

/// The part behind the last `@`, split at the colon that is outside of brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let host = authority.rsplit('@').next().unwrap_or_default();
    let from = host.rfind(']').unwrap_or(0);
    match host.get(from..).and_then(|rest| rest.find(':')) {
        Some(at) => (host.get(..from + at).unwrap_or_default(), host.get(from + at + 1..)),
        None => (host, None),
    }
}

fn port_is_legal(port: Option<&str>) -> bool {
    match port {
        None | Some("") => true,
        Some(port) => {
            port.bytes().all(|b| b.is_ascii_digit()) && {
                let digits = port.trim_start_matches('0');
                digits.is_empty() || digits.parse::<u16>().is_ok()
            }
        }
    }
}

/// For `[…]` whether it holds an IPv6 address.
fn bracketed(host: &str) -> Option<bool> {
    let inner = host.strip_prefix('[')?;
    Some(inner.strip_suffix(']').is_some_and(|inner| inner.parse::<core::net::Ipv6Addr>().is_ok()))
}

/// A name or an address, perhaps percent-encoded.
fn special_host(host: &str) -> bool {
    if let Some(legal) = bracketed(host) {
        return legal;
    }
    let decoded = percent_decode(host);
    let name = String::from_utf8_lossy(&decoded);
    let forbidden = |c: char| is_forbidden(c) || c.is_control() || c == '%' || c == '\u{fffd}';
    if name.is_empty() || name.contains(forbidden) {
        return false;
    }
    let labels = name.strip_suffix('.').unwrap_or(&name);
    let last = labels.rsplit('.').next().unwrap_or_default();
    if !is_number(last) {
        return true;
    }
    ipv4(labels)
}

/// Forbidden host code points of the URL standard.
fn is_forbidden(c: char) -> bool {
    matches!(
        c,
        '\0' | '\t'
            | '\n'
            | '\r'
            | ' '
            | '#'
            | '/'
            | ':'
            | '<'
            | '>'
            | '?'
            | '@'
            | '['
            | '\\'
            | ']'
            | '^'
            | '|'
    )
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return octets,
            [b'%', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: u8| (b as char).to_digit(16).unwrap_or_default();
                octets.push(u8::try_from(digit(*high) * 16 + digit(*low)).unwrap_or_default());
                rest = after;
            }
            [octet, after @ ..] => {
                octets.push(*octet);
                rest = after;
            }
        }
    }
}

fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    (!label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()))
        || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// One to four numbers, decimal, octal or hexadecimal; the last one fills what is left of 32 bits.
fn ipv4(text: &str) -> bool {
    let parts: Option<Vec<u64>> = text.split('.').map(number).collect();
    let Some(parts) = parts else { return false };
    let Some((last, first)) = parts.split_last() else { return false };
    let left = 4_usize.saturating_sub(first.len());
    left > 0 && first.iter().all(|part| *part < 256) && *last < 1 << (8 * left)
}

fn number(label: &str) -> Option<u64> {
    let (digits, radix) = match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if label.len() > 1 && label.starts_with('0') => (label, 8),
        None => (label, 10),
    };
    match digits {
        "" if radix == 16 => Some(0),
        digits if digits.starts_with('+') => None,
        digits => u64::from_str_radix(digits, radix).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expectations are those of `new URL(text, "https://example.org/scope/")` in Node.
    #[test]
    fn what_a_browser_refuses_does_not_resolve() {
        for good in [
            "",
            "/path",
            "path?a#b",
            "?q",
            "#f",
            "//host/path",
            "https://example.com",
            "HTTPS://EXAMPLE.com:8443/x",
            " https://example.com ",
            "https:path",
            "https:/path",
            "http:host",
            "http:///host",
            "https://user:pw@host/",
            "https://[::1]:8/",
            "https://bücher.example/",
            "https://%41.example/",
            "https://127.1/",
            "https://0x7f.0.0.1/",
            "https://host:/",
            "https://host:00443/",
            "mailto:a@b",
            "javascript:1",
            "data:,x",
            "foo://",
            "foo://bar:80/",
            "file:///c:/x",
            "a b",
            "ht\ntps://example.com",
        ] {
            assert!(resolves(good), "{good:?}");
        }
        for bad in [
            "https://[bad",
            "https://[bad]/",
            "https://",
            "https://?q",
            "http:",
            "//",
            "https://host:99999/",
            "https://host:8x/",
            "https://a b/",
            "https://a<b/",
            "https://a^b/",
            "https://%/",
            "https://%20/",
            "https://256.256.256.256/",
            "https://1.2.3.4.5/",
            "https://user@/",
            "foo://a b/",
            "foo://[x/",
            "https://1.2.3.08/",
        ] {
            assert!(!resolves(bad), "{bad:?}");
        }
    }
}
