//! Peers of the push connection that keep to nothing: closed with the right code, and nobody else notices.

use std::time::Duration;

use futures_util::SinkExt as _;
use http::Method;
use push_mock_server::{Config, Limits};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::{
    fox::{Fox, channel, poke},
    support::{Running, start, within},
};

/// A frame of a client with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The octets below a WebSocket that has said hello.
async fn raw(running: &Running) -> TcpStream {
    let mut stream = running.connect().await;
    let head = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
    stream.write_all(&frame(0x81, br#"{"messageType":"hello"}"#)).await.unwrap();
    let (first, hello) = next(&mut stream).await.unwrap();
    assert!(first == 0x81 && String::from_utf8_lossy(&hello).contains("uaid"));
    stream
}

/// The next frame of the service.
async fn next(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = within(stream.read_u8()).await.ok()?;
    let length = match within(stream.read_u8()).await.ok()? {
        126 => within(stream.read_u16()).await.ok()?.into(),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    within(stream.read_exact(&mut payload)).await.ok()?;
    Some((first, payload))
}

/// The close code that these octets are answered with.
async fn close_code(running: &Running, octets: &[u8]) -> Option<u16> {
    let mut stream = raw(running).await;
    // The service may have closed before it was all sent.
    let _ = stream.write_all(octets).await;
    while let Some((first, payload)) = next(&mut stream).await {
        if first == 0x88 {
            return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        }
    }
    None
}

#[tokio::test]
async fn frames_that_break_the_protocol_end_the_connection() {
    let running = start(Config::default());
    let (mut other, _) = Fox::greeted(&running).await;
    let ping = |length: usize| frame(0x89, &vec![0; length]);

    for (what, octets, code) in [
        ("no mask", b"\x81\x02{}".to_vec(), 1002),
        ("reserved bit", frame(0xC1, b"{}"), 1002),
        ("reserved opcode", frame(0x83, b"{}"), 1002),
        ("reserved control opcode", frame(0x8B, b""), 1002),
        ("long control frame", ping(126), 1002),
        ("control frame in fragments", frame(0x09, b""), 1002),
        ("continuation of nothing", frame(0x80, b"{}"), 1002),
        ("text within a message", [frame(0x01, b"{"), frame(0x81, b"}")].concat(), 1002),
        ("no UTF-8", frame(0x81, b"{\"\xFF\":1}"), 1007),
        ("no UTF-8 over fragments", [frame(0x01, b"\"\xE2\x82"), frame(0x80, b"\"")].concat(), 1007),
        ("binary", frame(0x82, b"{}"), 1003),
        ("not JSON", frame(0x81, b"\0\0"), 1011),
        ("deep JSON", frame(0x81, &b"[".repeat(60_000)), 1011),
        ("other types", frame(0x81, br#"{"messageType":{"a":[]},"channelID":7}"#), 1011),
    ] {
        assert_eq!(close_code(&running, &octets).await, Some(code), "{what}");
    }
    other.hears_nothing().await;
}

/// A length beyond everything is refused by its header; nothing is set aside for it.
#[tokio::test]
async fn a_frame_of_an_absurd_length_is_refused_at_once() {
    let running = start(Config::default());

    for length in [65_537_u64, 1 << 32, 1 << 62, u64::MAX] {
        let mut octets = vec![0x81, 0xFF];
        octets.extend(length.to_be_bytes());
        octets.extend([0; 4]);
        assert_eq!(close_code(&running, &octets).await, Some(1009), "{length}");
    }
}

/// `frame_octets` and `message_octets` at one below, at, and one above.
#[tokio::test]
async fn frames_and_messages_have_a_greatest_length() {
    let ping = |octets: usize| format!("{}{}", r#"{"messageType":"ping"}"#, " ".repeat(octets - 22));
    for (octets, fits) in [(99, true), (100, true), (101, false)] {
        let limits = Limits { frame_octets: 100, ..Limits::default() };
        let running = start(Config { limits, ..Config::default() });
        let mut fox = fox(&running).await;
        fox.say_text(&ping(octets)).await;
        check(&mut fox, fits, 1009, octets).await;

        let limits = Limits { frame_octets: 60, message_octets: 100, ..Limits::default() };
        let running = start(Config { limits, ..Config::default() });
        let mut fox = self::fox(&running).await;
        let text = ping(octets);
        fragments(&mut fox, &[&text[..50], &text[50..]]).await;
        check(&mut fox, fits, 1009, octets).await;
    }
}

/// `fragments` at one below, at, and one above, in each of two messages.
#[tokio::test]
async fn a_message_has_a_greatest_number_of_fragments() {
    for (count, fits) in [(3, true), (4, true), (5, false)] {
        let limits = Limits { fragments: 4, ..Limits::default() };
        let running = start(Config { limits, ..Config::default() });
        let (mut fox, _) = Fox::greeted(&running).await;
        let mut parts = vec!["{"];
        parts.resize(count - 1, "");
        parts.push("}");

        if fits {
            fragments(&mut fox, &parts).await;
            assert_eq!(fox.hear().await, json!({}));
        }
        fragments(&mut fox, &parts).await;

        check(&mut fox, fits, 1008, count).await;
    }
}

/// Fragments without end and without content take no memory and no more than their number.
#[tokio::test]
async fn endless_empty_fragments_end_the_connection() {
    let running = start(Config::default());
    let octets = [frame(0x01, b""), frame(0x00, b"").repeat(100_000)].concat();

    assert_eq!(close_code(&running, &octets).await, Some(1008));
}

/// `control_frames_per_second` at one below, at, and one above.
#[tokio::test]
async fn a_flood_of_pings_ends_the_connection() {
    for (count, fits) in [(9, true), (10, true), (11, false)] {
        let running = start(Config::default());
        let (mut fox, _) = Fox::greeted(&running).await;

        for _ in 0..count {
            let _ = fox.socket.feed(Message::Ping(Vec::new().into())).await;
        }
        let _ = fox.socket.flush().await;

        check(&mut fox, fits, 1008, count).await;
    }
}

/// `json_ping_interval`: off by default (AP-035), and kept when it is set.
#[tokio::test]
async fn frequent_json_pings_are_taken_unless_forbidden() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    for _ in 0..100 {
        fox.hears_nothing().await;
    }

    let limits = Limits { json_ping_interval: Some(Duration::from_secs(3600)), ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let (mut fox, _) = Fox::greeted(&running).await;
    fox.hears_nothing().await;
    fox.say(json!({})).await;
    assert_eq!(fox.close_code().await, Some(1008));
}

/// Half a frame for ever: closed after `no_progress`; what waited for it waits on.
#[tokio::test]
async fn a_cut_frame_ends_the_connection() {
    let limits = Limits { no_progress: Duration::from_millis(100), ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });

    assert_eq!(close_code(&running, &[0x81]).await, Some(1008));
    assert_eq!(close_code(&running, &frame(0x01, b"{")).await, Some(1008));
    assert_eq!(close_code(&running, &frame(0x81, b"{\"messageType\":\"ping\"}")[..20]).await, Some(1008));
}

/// Who asks and does not listen is not read any more, and then cut; nobody else waits for it.
#[tokio::test]
async fn who_never_reads_is_cut_and_delays_nobody() {
    let limits = Limits { no_progress: Duration::from_millis(500), ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let (mut other, _) = Fox::greeted(&running).await;
    let path = other.subscribe(&running, &channel(1)).await;
    let mut deaf = raw(&running).await;
    let register = json!({"messageType": "unregister", "channelID": "x".repeat(60_000)}).to_string();
    let register = frame(0x81, register.as_bytes());

    let flood = tokio::spawn(async move { while deaf.write_all(&register).await.is_ok() {} });
    for _ in 0..20 {
        poke(&running, &path, 60).await;
        let notification = other.notified().await;
        other.ack(&notification, 100).await;
    }

    within(flood).await.unwrap();
    other.hears_nothing().await;
}

/// When the service stops, every connection hears 1001.
#[tokio::test]
async fn the_end_of_the_service_is_told() {
    let mut running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let mut silent = Fox::open(&running).await;

    running.tell_to_stop();

    assert_eq!(fox.close_code().await, Some(1001));
    assert_eq!(silent.close_code().await, Some(1001));
    running.stop().await;
}

/// AP-057: a test cuts a connection as a broken line does.
#[tokio::test]
async fn a_test_can_reset_a_connection() {
    let running = start(Config::default());
    let mut stream = raw(&running).await;
    let (_, agents) = running.call(Method::GET, "/user-agents", Value::Null).await;
    let agents = agents["items"].as_array().unwrap();
    let id = agents.iter().find(|agent| agent["kind"] == "firefox").unwrap()["id"].as_str().unwrap();

    let path = format!("/user-agents/{id}/control");
    let (status, answer) = running.call(Method::POST, &path, json!({"close": "reset"})).await;
    assert_eq!(status.as_u16(), 204, "{answer}");

    let error = within(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

async fn fox(running: &Running) -> Fox {
    Fox::greeted(running).await.0
}

async fn fragments(fox: &mut Fox, parts: &[&str]) {
    for (at, part) in parts.iter().enumerate() {
        let opcode = OpCode::Data(if at == 0 { Data::Text } else { Data::Continue });
        let frame = Frame::message(part.as_bytes().to_vec(), opcode, at + 1 == parts.len());
        let _ = fox.socket.send(Message::Frame(frame)).await;
    }
}

/// The connection goes on, or ends with that code.
async fn check(fox: &mut Fox, fits: bool, code: u16, what: usize) {
    if !fits {
        assert_eq!(fox.close_code().await, Some(code), "{what}");
    } else if fox.socket.send(Message::text("{}")).await.is_ok() {
        assert_eq!(fox.hear().await, json!({}), "{what}");
        // The frame under test may have been a ping itself.
    }
}
