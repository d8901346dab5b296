//! `http::Request` → [`DeliveryRequest`]: raw fields, nothing judged.

use http::{HeaderMap, HeaderValue, Uri, Version, header, request::Parts};
use push_crypto::{Origin, Timestamp};

use crate::{
    service::request::{DeliveryRequest, RequestBody, Via},
    wire::{listener::Peer, paths::PushPath},
};

/// The request as values.
pub(super) fn delivery_request(
    parts: &Parts,
    path: &PushPath<'_>,
    peer: Peer,
    body: RequestBody,
    streamed: bool,
    at: Timestamp,
) -> DeliveryRequest {
    let origin = received_origin(parts, peer);
    let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = match (&origin, authority(parts)) {
        (Some(origin), _) => format!("{origin}{path_and_query}"),
        (None, Some(authority)) => format!("{}://{authority}{path_and_query}", scheme(peer)),
        (None, None) => path_and_query.to_owned(),
    };
    DeliveryRequest {
        method: parts.method.as_str().to_owned(),
        via: match (path.is_vendors, peer.tls) {
            _ if peer.intercepted => Via::Intercept,
            (true, _) => Via::Alias,
            (false, true) => Via::Https,
            (false, false) => Via::Http,
        },
        http_version: if parts.version == Version::HTTP_2 { "2" } else { "1.1" },
        url,
        origin,
        headers: fields(&parts.headers),
        streamed,
        body,
        at,
    }
}

fn scheme(peer: Peer) -> &'static str {
    if peer.tls { "https" } else { "http" }
}

/// Scheme of the connection, host and port of the request; a client's own word for the scheme is not believed.
pub(crate) fn received_origin(parts: &Parts, peer: Peer) -> Option<Origin> {
    format!("{}://{}", scheme(peer), authority(parts)?).parse().ok()
}

/// The authority of the request: from the target (HTTP/2, or the absolute form), else from `Host`.
pub(crate) fn authority(parts: &Parts) -> Option<&str> {
    authority_of(&parts.uri, &parts.headers)
}

/// The same of a request that is still whole.
pub(crate) fn authority_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    uri.authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| headers.get(header::HOST).and_then(|host| host.to_str().ok()))
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Octets above 0x7F become U+FFFD, so that they are seen and match nothing.
fn text(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let shown =
                |octet: &u8| if octet.is_ascii() { char::from(*octet) } else { char::REPLACEMENT_CHARACTER };
            value.as_bytes().iter().map(shown).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;

    use super::*;

    fn convert(request: http::request::Builder, tls: bool) -> DeliveryRequest {
        convert_from(request, tls, false, false)
    }

    fn convert_from(
        request: http::request::Builder,
        tls: bool,
        intercepted: bool,
        is_vendors: bool,
    ) -> DeliveryRequest {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let peer = Peer { address: "127.0.0.1:9".parse().unwrap(), tls, intercepted };
        let path = PushPath { token: "T".into(), is_vendors };
        delivery_request(&parts, &path, peer, RequestBody::Whole(Bytes::new()), false, Timestamp::MAX)
    }

    #[test]
    fn fields_keep_their_order_values_and_repetitions() {
        let request = Request::post("/p/T").header("TTL", "60").header("Topic", "a").header("ttl", "1, 2");

        let headers = convert(request, false).headers;

        let values: Vec<_> =
            headers.iter().filter(|(name, _)| name == "ttl").map(|(_, value)| &**value).collect();
        assert_eq!(values, ["60", "1, 2"]);
        assert!(headers.contains(&("topic".into(), "a".into())));
    }

    #[test]
    fn octets_that_are_no_ascii_are_marked() {
        let value = HeaderValue::from_bytes(b"a\xe9\xff\tb").unwrap();

        let request = convert(Request::post("/p/T").header("topic", value), false);

        assert_eq!(request.fields("topic").collect::<Vec<_>>(), ["a\u{fffd}\u{fffd}\tb"]);
    }

    #[test]
    fn origin_is_that_of_the_connection_and_the_host_field() {
        let request = |tls| convert(Request::put("/p/T?x=1").header("host", "LOCALHOST:8030"), tls);

        assert_eq!(request(false).url, "http://localhost:8030/p/T?x=1");
        assert_eq!(request(true).origin.unwrap().to_string(), "https://localhost:8030");
        assert_eq!(request(true).via, Via::Https);
        assert_eq!(request(false).via, Via::Http);
        // The absolute form wins over `Host` (RFC 9112 §3.2.2).
        let absolute = Request::post("http://fcm.googleapis.com/p/T").header("host", "localhost");
        assert_eq!(convert(absolute, true).origin.unwrap().to_string(), "https://fcm.googleapis.com");
    }

    #[test]
    fn the_way_in_is_told_apart() {
        let via = |intercepted, is_vendors| {
            let request = Request::post("/fcm/send/T").header("host", "fcm.googleapis.com");
            convert_from(request, true, intercepted, is_vendors).via
        };

        assert_eq!((via(false, true), via(false, false)), (Via::Alias, Via::Https));
        assert_eq!((via(true, true), via(true, false)), (Via::Intercept, Via::Intercept));
    }

    #[test]
    fn unusable_host_leaves_no_origin_but_a_url() {
        let request = convert(Request::post("/p/T").header("host", "a b"), false);

        assert_eq!((request.origin, request.url.as_str()), (None, "http://a b/p/T"));
    }
}
