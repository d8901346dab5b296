//! A raw HTTP request: as on the wire, or as documentation and `curl -v` print it.

use super::request::{Pasted, PastedBody};

/// Octets in which the request line must end.
const LINE_WITHIN: usize = 8 * 1024;

/// True when the first line is a request line.
pub(super) fn looks_like(input: &[u8]) -> bool {
    let line = input.split(|octet| *octet == b'\n').next().unwrap_or_default();
    line.len() <= LINE_WITHIN
        && core::str::from_utf8(line).is_ok_and(|line| request_line(without_mark(line.trim_end())).is_some())
}

/// Method and target of `METHOD target HTTP/1.1`; documentation often leaves the version out.
fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (method, target, version) = (words.next()?, words.next()?, words.next());
    let is_method = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase());
    let is_target = target.starts_with('/') || target.contains("://");
    let is_version = version.is_none_or(|version| version.starts_with("HTTP/"));
    (is_method && is_target && is_version && words.next().is_none()).then_some((method, target))
}

/// `curl -v` puts `> ` before each line that it sends.
fn without_mark(line: &str) -> &str {
    line.strip_prefix("> ").or_else(|| line.strip_prefix('>')).unwrap_or(line)
}

/// Takes a request apart; none when there is no request line.
pub(super) fn read(input: &[u8]) -> Option<Pasted> {
    let input = input.trim_ascii_start();
    let (head, body) = split(input);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines().map(|line| without_mark(line.trim_end()));
    let (method, target) = request_line(lines.next()?)?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let declared =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let body = PastedBody::of_octets(exact(body, declared));
    Some(Pasted { method: method.to_owned(), target: target.to_owned(), headers, body })
}

/// Head and body, at the first empty line.
fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let ends = [&b"\r\n\r\n"[..], b"\n\n", b"\n>\n", b"\n> \n"];
    let found = ends.iter().filter_map(|end| {
        let at = input.windows(end.len()).position(|window| window == *end)?;
        Some((at, end.len()))
    });
    match found.min() {
        Some((at, length)) => {
            let (head, rest) = input.split_at(at);
            (head, rest.get(length..).unwrap_or_default())
        }
        None => (input, &[]),
    }
}

/// The body without the line end that an editor puts behind text.
fn exact(body: &[u8], declared: Option<usize>) -> &[u8] {
    match declared.and_then(|length| body.get(..length)) {
        Some(exact) if !exact.is_empty() => exact,
        _ if body.is_ascii() => body.trim_ascii_end(),
        _ => body,
    }
}
