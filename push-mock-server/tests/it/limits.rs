//! Limits of the wire at one below, at, and one above.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_mock_server::{Config, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Client, json, push, raw, start, status, within};

/// T22: `header_fields` over HTTP/1.1 and HTTP/2.
#[tokio::test]
async fn header_fields() {
    let running = start(Config::default());
    for (fields, expected) in
        [(63, StatusCode::OK), (64, StatusCode::OK), (65, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)]
    {
        let request = |others: usize| {
            let request = Request::get("/livez").header("host", "localhost");
            let request =
                (0..fields - others).fold(request, |request, at| request.header(format!("x-{at}"), "y"));
            request.body(Full::<Bytes>::default()).unwrap()
        };

        // `Host` is a field of HTTP/1.1 and none of HTTP/2.
        let first = Client::http1(running.connect().await).await.send(request(1)).await;
        let second = Client::http2(running.connect().await).await.send(request(0)).await;

        assert_eq!(first.status(), expected, "{fields} over HTTP/1.1");
        assert_eq!(second.status(), expected, "{fields} over HTTP/2");
        if expected != StatusCode::OK {
            assert_eq!(json(&second)["code"], "request/headers-too-large");
        }
    }
}

/// T22: `header_octets` of HTTP/1.1, the request line included.
#[tokio::test]
async fn header_octets() {
    let limits = Limits { header_octets: 1000, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    for (octets, expected) in [(999, "200"), (1000, "200"), (1001, "431"), (20_000, "431"), (200_000, "431")]
    {
        let head = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: ";
        let text = format!("{head}{}\r\n\r\n", "y".repeat(octets - head.len() - 4));
        assert_eq!(text.len(), octets);

        assert_eq!(status(&raw(&running, text.as_bytes()).await), expected, "{octets}");
    }
}

/// T22: `header_octets` of HTTP/2, as RFC 9113 §6.5.2 counts them.
#[tokio::test]
async fn header_list_octets() {
    let limits = Limits { header_octets: 1000, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/livez")];
    let used: usize = pseudo.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    for (octets, expected) in [(999, 200), (1000, 200), (1001, 431)] {
        let value = "y".repeat(octets - used - 32 - 1);
        let request =
            Request::get("/livez").header("host", "localhost").header("x", value).body(Full::default());

        let answer = Client::http2(running.connect().await).await.try_send(request.unwrap()).await;

        match answer {
            Ok(response) => assert_eq!(response.status().as_u16(), expected, "{octets}"),
            // The client has read our setting and does not even try.
            Err(error) => assert!(expected == 431, "{octets}: {error}"),
        }
    }
}

/// PS-095: `streams`, told in SETTINGS and enforced with REFUSED_STREAM.
#[tokio::test]
async fn streams() {
    for (opened, refused) in [(1, 0), (2, 0), (3, 1)] {
        let limits = Limits { streams: 2, ..Limits::default() };
        let running = start(Config { limits, ..Config::default() });
        let mut stream = running.connect().await;
        let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for at in 0..opened {
            // `:method POST`, `:scheme http`, `:path /p/x`, `:authority a`; the body is still to come.
            let block = [0x83, 0x86, 0x44, 4, b'/', b'p', b'/', b'x', 0x41, 1, b'a'];
            octets.extend([0, 0, block.len() as u8, 1, 4, 0, 0, 0, at * 2 + 1]);
            octets.extend(block);
        }
        // A PING behind them: its answer comes when they have been read.
        octets.extend([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        stream.write_all(&octets).await.unwrap();

        let mut resets = 0;
        loop {
            let mut header = [0; 9];
            within(stream.read_exact(&mut header)).await.unwrap();
            let mut payload = vec![0; usize::from(header[1]) << 8 | usize::from(header[2])];
            within(stream.read_exact(&mut payload)).await.unwrap();
            match (header[3], header[4]) {
                (3, _) => {
                    assert_eq!(payload, [0, 0, 0, 7], "REFUSED_STREAM");
                    resets += 1;
                }
                (6, 1) => break,
                _ => {}
            }
        }
        assert_eq!(resets, refused, "{opened} streams");
    }
}

/// `body_octets`, here above the least that is allowed (PS-085, PS-086).
#[tokio::test]
async fn body_octets() {
    let limits = Limits { body_octets: 5000, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let (path, _) = running.subscribe(json!({})).await;
    for (octets, expected) in [(4999, 201), (5000, 201), (5001, 413)] {
        let response = running.send(push(&path, vec![0; octets])).await;

        assert_eq!(response.status().as_u16(), expected, "{octets}");
    }
}

/// `api_body`.
#[tokio::test]
async fn api_body() {
    let limits = Limits { api_body: 100, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    for (octets, expected) in [(99, 200), (100, 200), (101, 413)] {
        let body = json!({"all": true}).to_string();
        let body = format!("{body}{}", " ".repeat(octets - body.len()));
        let request = running.request(Method::POST, "/api/v1/reset").body(Full::new(body.into())).unwrap();

        let response = running.send(request).await;

        assert_eq!(response.status().as_u16(), expected, "{octets}");
        if expected == 413 {
            assert_eq!(json(&response)["code"], "api/too-large");
        }
    }
}

/// T39: 127 levels of JSON are read; deeper is an error of the request and no end of the stack.
#[tokio::test]
async fn depth_of_json() {
    let running = start(Config::default());
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for (depth, code) in
        [(126, "api/bad-field"), (127, "api/bad-field"), (128, "api/bad-json"), (65_536, "api/bad-json")]
    {
        let request =
            running.request(Method::POST, "/api/v1/wait").body(Full::new(nested(depth).into())).unwrap();

        let response = running.send(request).await;

        assert_eq!(
            (response.status(), &json(&response)["code"]),
            (StatusCode::BAD_REQUEST, &json!(code)),
            "{depth}"
        );
    }
}

/// `event_clients`: a place is free again when its reader goes.
#[tokio::test]
async fn event_clients() {
    let limits = Limits { event_clients: 2, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let head = b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut readers = Vec::new();
    for expected in ["200", "200", "503"] {
        let mut stream = running.connect().await;
        stream.write_all(head).await.unwrap();
        let mut answer = [0; 12];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(std::str::from_utf8(&answer[9..]).unwrap(), expected);
        readers.push(stream);
    }

    readers.clear();
    let freed = async {
        loop {
            let mut stream = running.connect().await;
            stream.write_all(head).await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            if answer.ends_with(b"200") {
                break;
            }
        }
    };
    within(freed).await;
}

#[tokio::test]
async fn limits_in_force_are_told() {
    let running = start(Config { limits: Limits { streams: 7, ..Limits::default() }, ..Config::default() });

    let (_, info) = running.call(Method::GET, "/info", Value::Null).await;

    assert_eq!(info["limits"]["streams"], 7);
    assert_eq!(info["limits"]["header_timeout"], "10s");
    assert_eq!(info["limits"]["exchange_age"], Value::Null);
}
