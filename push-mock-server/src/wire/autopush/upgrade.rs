//! The handshake (RFC 6455 §4.2), and what its request says about the user agent.

use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use sha1::{Digest as _, Sha1};

use super::connection::{Visitor, serve};
use crate::{
    space::{SpaceName, SpaceNameError},
    wire::{
        Wire,
        body::{Body, full},
        listener::converse_after,
        paths::percent_decoded,
        problem::{Problem, from_service_error},
    },
};

/// What an answer is made with (RFC 6455 §1.3).
const ACCEPT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The one version of the protocol (RFC 6455 §4.1).
const VERSION: &str = "13";
/// The name of the protocol inside.
const SUBPROTOCOL: &str = "push-notification";
/// In front of the space, in a path that names one.
const SPACES: &str = "/ua/firefox/";
/// Characters of a version that are kept (our choice; Firefox has 13).
const VERSION_CHARACTERS: usize = 32;

/// Answers a request for a WebSocket, and serves it on the same connection.
///
/// `Origin` refuses nobody (AP-002): Firefox names the service itself, others what they like, and nothing is given to
/// whoever does not know a uaid. But with `makes_no_space` the space has to be there (T37). Extensions are declined
/// (AP-003).
pub(in crate::wire) fn upgrade(
    wire: &Arc<Wire>,
    mut request: Request<Incoming>,
    makes_no_space: bool,
) -> Response<Body> {
    let answer = match handshake(request.method(), request.headers()) {
        Ok(answer) => answer,
        Err(problem) => return refuse(problem),
    };
    let visitor = match visitor(request.uri(), request.headers()) {
        Ok(visitor) => visitor,
        Err(problem) => return problem.into_response(),
    };
    let service = wire.service.clone();
    if makes_no_space && !service.has_space(&visitor.space) {
        return no_such_space(&visitor.space).into_response();
    }
    if converse_after(&mut request, move |stream, stop| serve(service, visitor, stream, stop)) {
        answer
    } else {
        problem("the connection cannot become a WebSocket").into_response()
    }
}

/// The answer to a handshake, or why it is none.
fn handshake(method: &Method, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
    if *method != Method::GET {
        return Err(problem("the method is not GET"));
    }
    if !names(headers, header::CONNECTION).any(|name| name.eq_ignore_ascii_case("upgrade")) {
        return Err(problem("Connection does not name Upgrade"));
    }
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version.as_bytes() != VERSION.as_bytes()) {
        return Err(other_version());
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = match (keys.next().and_then(|key| key.to_str().ok()), keys.next()) {
        (Some(key), None) if Base64::decode_vec(key).is_ok_and(|octets| octets.len() == 16) => key,
        _ => return Err(problem("Sec-WebSocket-Key is not 16 octets of base64")),
    };
    let mut answer = Response::new(full(String::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = answer.headers_mut();
    fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::try_from(accept(key)) {
        fields.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if names(headers, header::SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL) {
        fields.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(answer)
}

/// The names in a list, over all lines of a field.
fn names(headers: &HeaderMap, field: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(field).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// `Sec-WebSocket-Accept` for a key.
fn accept(key: &str) -> String {
    Base64::encode_string(&Sha1::new().chain_update(key).chain_update(ACCEPT).finalize())
}

fn problem(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "api/handshake", "No handshake of a WebSocket")
        .detail(detail)
        .fix("open the WebSocket as RFC 6455 §4.1 says, or leave Upgrade out")
}

fn other_version() -> Problem {
    Problem::new(StatusCode::UPGRADE_REQUIRED, "api/handshake", "No handshake of a WebSocket")
        .detail("Sec-WebSocket-Version is not 13")
        .fix("use version 13 of the protocol")
}

fn no_such_space(space: &SpaceName) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "api/cross-site", "Not from another site's page")
        .detail(format!("a page of another site asked for the space {space}, which is not there"))
        .fix("make the space first (POST /api/v1/spaces), or leave Origin out")
}

/// The answer to what is no handshake; one of another version is told which to use (RFC 6455 §4.4).
fn refuse(problem: Problem) -> Response<Body> {
    let mut answer = problem.into_response();
    if answer.status() == StatusCode::UPGRADE_REQUIRED {
        let fields = answer.headers_mut();
        fields.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    answer
}

/// Whose connection it is: the path names the space, `?label=` the user agent.
fn visitor(uri: &Uri, headers: &HeaderMap) -> Result<Visitor, Problem> {
    let space = match uri.path().strip_prefix(SPACES) {
        Some(segment) => percent_decoded(segment.strip_suffix('/').unwrap_or(segment))
            .parse()
            .map_err(|error: SpaceNameError| from_service_error(&error.into()))?,
        None => SpaceName::default(),
    };
    let label = uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("label=")));
    Ok(Visitor {
        space,
        label: label.map(|label| percent_decoded(label).into_owned()),
        version: headers.get(header::USER_AGENT).and_then(|field| firefox(field.to_str().ok()?)),
    })
}

/// The product token `Firefox/…` of a `User-Agent`.
fn firefox(user_agent: &str) -> Option<String> {
    let product = user_agent.split(' ').find(|product| product.starts_with("Firefox/"))?;
    let plain = product.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'/'));
    (plain && product.len() <= VERSION_CHARACTERS).then(|| product.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = fields.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
        });
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    const WHOLE: [(&str, &str); 3] = [
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    /// The example of RFC 6455 §1.3.
    #[test]
    fn the_key_is_answered() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    /// AP-002
    #[test]
    fn the_subprotocol_is_answered_where_it_was_offered() {
        let offered = [&WHOLE[..], &[("sec-websocket-protocol", "chat, push-notification")]].concat();

        let with = handshake(&Method::GET, &headers(&offered)).unwrap();
        let without = handshake(&Method::GET, &headers(&WHOLE)).unwrap();

        assert_eq!(with.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(with.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(with.headers()["sec-websocket-protocol"], "push-notification");
        assert_eq!(without.headers().get("sec-websocket-protocol"), None);
        assert_eq!(without.headers().get("sec-websocket-extensions"), None);
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let check = |method: Method, change: &[(usize, &'static str)], expected: u16| {
            let mut fields = WHOLE.to_vec();
            for (at, value) in change {
                fields[*at].1 = value;
            }
            fields.retain(|(_, value)| !value.is_empty());
            let answer = handshake(&method, &headers(&fields));
            assert_eq!(answer.unwrap_or_else(refuse).status().as_u16(), expected, "{change:?}");
        };

        check(Method::GET, &[], 101);
        check(Method::POST, &[], 400);
        check(Method::GET, &[(0, "close")], 400);
        check(Method::GET, &[(1, "12")], 426);
        check(Method::GET, &[(1, "")], 426);
        check(Method::GET, &[(2, "")], 400);
        check(Method::GET, &[(2, "dGhlIHNhbXBsZSBub25jZQ")], 400);
        check(Method::GET, &[(2, "dGhlIHNhbXBsZSBub25j")], 400);
        check(Method::GET, &[(2, "dGhlIHNhbXBsZSBub25jZQ==, x")], 400);
    }

    #[test]
    fn the_request_says_whose_connection_it_is() {
        let visitor = |uri: &'static str, agent: &str| {
            let visitor = visitor(&Uri::from_static(uri), &headers(&[("user-agent", agent)])).unwrap();
            (visitor.space.to_string(), visitor.label, visitor.version)
        };
        let text = |text: &str| Some(text.to_owned());

        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
        assert_eq!(visitor("/", firefox), ("default".into(), None, text("Firefox/153.0")));
        assert_eq!(visitor("/ua/firefox/t1", "curl/8"), ("t1".into(), None, None));
        assert_eq!(
            visitor("/ua/firefox/t%3A1/?a=b&label=my%20fox", ""),
            ("t:1".into(), text("my fox"), None)
        );
        assert_eq!(visitor("/ws/a/b?c=1", "Firefox/<b>"), ("default".into(), None, None));
    }

    #[test]
    fn a_space_that_cannot_be_is_refused() {
        let refused = visitor(&Uri::from_static("/ua/firefox/a%20b"), &HeaderMap::new()).unwrap_err();

        assert_eq!((refused.status, refused.code.as_ref()), (StatusCode::BAD_REQUEST, "api/bad-field"));
    }
}
