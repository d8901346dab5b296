//! A request as text: as it goes over the wire, or as a curl command.

use bytes::Bytes;
use http::Request;
use push_crypto::base64url;

/// The request as HTTP/1.1 text; the body as its size. Tokens are cut unless they are wanted.
pub(super) fn as_http(request: &Request<Bytes>) -> String {
    let uri = request.uri();
    let mut text =
        format!("{} {} HTTP/1.1\n", request.method(), uri.path_and_query().map_or("/", |path| path.as_str()));
    text.push_str(&format!("host: {}\n", uri.authority().map_or("", |authority| authority.as_str())));
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    let octets = request.body().len();
    if octets > 0 {
        text.push_str(&format!("\n({octets} octets)\n"));
    }
    text
}

/// A command that sends the same octets.
pub(super) fn as_curl(request: &Request<Bytes>) -> String {
    let mut text = String::new();
    let body = request.body();
    if !body.is_empty() {
        // Through base64, since octets do not survive a command line.
        let standard = base64url::encode(body).replace('-', "+").replace('_', "/");
        let padding = "=".repeat((4 - standard.len() % 4) % 4);
        text.push_str(&format!("printf %s '{standard}{padding}' | base64 -d | "));
    }
    text.push_str(&format!("curl -i -X {} {}", request.method(), quoted(&request.uri().to_string())));
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != http::header::CONTENT_LENGTH) {
        text.push_str(&format!(
            " \\\n  -H {}",
            quoted(&format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        ));
    }
    if !body.is_empty() {
        text.push_str(" \\\n  --data-binary @-");
    }
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static [u8]) -> Request<Bytes> {
        Request::put("http://localhost:8030/p/it's")
            .header("ttl", "60")
            .header("content-length", body.len())
            .body(Bytes::from_static(body))
            .unwrap_or_default()
    }

    #[test]
    fn curl_gets_the_octets_through_base64() {
        assert_eq!(
            as_curl(&request(&[0xfb, 0xff])),
            "printf %s '+/8=' | base64 -d | curl -i -X PUT 'http://localhost:8030/p/it'\\''s' \\\n  -H 'ttl: 60' \\\n  --data-binary @-"
        );
    }

    #[test]
    fn a_tickle_has_no_body() {
        let text = as_http(&request(b""));

        assert_eq!(text, "PUT /p/it's HTTP/1.1\nhost: localhost:8030\nttl: 60\ncontent-length: 0\n");
        assert!(!as_curl(&request(b"")).contains("--data-binary"));
    }
}
