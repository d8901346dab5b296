//! Peers that want to harm: the service stays up, answers others, and lets go in time (T20 to T23, T50).

use std::time::Duration;

use http::StatusCode;
use push_mock_server::{Config, Limits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    task::JoinSet,
    time::Instant,
};

use crate::support::{impatient, raw, read_to_end, start, status, within};

/// What a peer does after its first octet.
#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    Garbage,
    Silence,
}

/// T50: any first octet, then the end, garbage or silence.
#[tokio::test]
async fn every_first_octet_is_let_go() {
    let running = start(Config { limits: impatient(), ..Config::default() });
    let mut peers = JoinSet::new();
    for first in 0..=u8::MAX {
        for then in [Then::Close, Then::Garbage, Then::Silence] {
            let address = running.address;
            peers.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
                stream.write_all(&[first]).await.unwrap();
                match then {
                    Then::Close => stream.shutdown().await.unwrap(),
                    Then::Garbage => {
                        let garbage: Vec<u8> =
                            (0..512_u32).map(|at| (at * 167 + u32::from(first)) as u8).collect();
                        let _ = stream.write_all(&garbage).await;
                    }
                    Then::Silence => {}
                }
                let mut answer = Vec::new();
                let _ = within(stream.read_to_end(&mut answer)).await;
            });
        }
    }
    while let Some(peer) = peers.join_next().await {
        peer.unwrap();
    }

    let metrics = running.get("/metrics").await;

    let text = String::from_utf8_lossy(metrics.body()).into_owned();
    assert!(text.contains("push_connections_panicked_total 0"), "{text}");
}

/// T21: slow heads are cut while others are served.
#[tokio::test]
async fn slow_head_is_cut() {
    let running = start(Config { limits: impatient(), ..Config::default() });
    for start in ["G", "GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ", "GET /livez HTTP/1.1\r\n"] {
        let mut slow = running.connect().await;
        slow.write_all(start.as_bytes()).await.unwrap();

        assert_eq!(running.get("/livez").await.status(), StatusCode::OK);
        assert_eq!(read_to_end(&mut slow).await, "", "{start:?}");
    }
}

/// T21: octets that keep coming do not buy a head more time.
#[tokio::test]
async fn head_that_drips_is_cut() {
    let running = start(Config { limits: impatient(), ..Config::default() });
    let (mut reader, mut writer) = running.connect().await.into_split();
    writer.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let begin = Instant::now();
    let dripping = tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        while writer.write_all(b"x: y\r\n").await.is_ok() {
            every.tick().await;
        }
    });

    let mut answer = Vec::new();
    let _ = within(reader.read_to_end(&mut answer)).await;

    // 64 fields at 50 ms each would take longer than the time for the head.
    assert!(begin.elapsed() < Duration::from_millis(64 * 50), "{:?}", begin.elapsed());
    dripping.abort();
}

/// T21: slow bodies.
#[tokio::test]
async fn slow_body_is_answered_408() {
    let running = start(Config { limits: impatient(), ..Config::default() });
    let head = "POST /p/x HTTP/1.1\r\nhost: localhost\r\nttl: 1\r\ncontent-length: 100\r\n\r\nabc";

    let answer = raw(&running, head.as_bytes()).await;

    assert_eq!(status(&answer), "408", "{answer}");
    assert!(answer.contains("api/body-incomplete"), "{answer}");
}

/// T21: an idle connection is closed, one in use is not.
#[tokio::test]
async fn idle_connection_is_closed() {
    let running = start(Config { limits: impatient(), ..Config::default() });
    let mut stream = running.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();

    let answer = read_to_end(&mut stream).await;

    assert_eq!(status(&answer), "200");
}

/// T21: an idle HTTP/2 connection is told that it ends.
#[tokio::test]
async fn idle_http2_connection_gets_a_goaway() {
    let running = start(Config { limits: impatient(), ..Config::default() });
    let mut stream = running.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();

    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;

    assert!(frames(&answer).contains(&7), "{:?}", frames(&answer));
}

/// Types of the frames in what an HTTP/2 server sent.
fn frames(mut octets: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, rest @ ..] = octets {
        types.push(*kind);
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        octets = rest.get(5 + length..).unwrap_or_default();
    }
    types
}

/// T23, CVE-2023-44487: streams that are reset at once.
#[tokio::test]
async fn rapid_reset_ends_the_connection_and_nothing_else() {
    let running = start(Config::default());
    let (mut reader, mut writer) = running.connect().await.into_split();
    let attack = tokio::spawn(async move {
        let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for stream in (1..20_000_u32).step_by(2) {
            // `:method GET`, `:scheme http`, `:path /` from the static table, `:authority a`.
            let block = [0x82, 0x86, 0x84, 0x41, 1, b'a'];
            octets.extend([0, 0, block.len() as u8, 1, 5]);
            octets.extend(stream.to_be_bytes());
            octets.extend(block);
            octets.extend([0, 0, 4, 3, 0]);
            octets.extend(stream.to_be_bytes());
            octets.extend(8_u32.to_be_bytes());
        }
        let _ = writer.write_all(&octets).await;
        writer
    });

    let mut answer = Vec::new();
    let _ = within(reader.read_to_end(&mut answer)).await;

    assert!(
        frames(&answer).contains(&7),
        "GOAWAY is among {:?}",
        frames(&answer).iter().take(20).collect::<Vec<_>>()
    );
    assert_eq!(running.get("/livez").await.status(), StatusCode::OK);
    drop(attack.await);
}

/// T23: CONTINUATION frames without end.
#[tokio::test]
async fn continuation_flood_ends_the_connection() {
    let running = start(Config::default());
    let (mut reader, mut writer) = running.connect().await.into_split();
    let attack = tokio::spawn(async move {
        let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        octets.extend([0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]);
        // A field that is never indexed: `x: y`.
        let block = [0x10, 1, b'x', 1, b'y'].repeat(2_000);
        let length = (block.len() as u32).to_be_bytes();
        for _ in 0..200 {
            octets.extend([length[1], length[2], length[3], 9, 0, 0, 0, 0, 1]);
            octets.extend(&block);
        }
        let _ = writer.write_all(&octets).await;
        writer
    });

    let mut answer = Vec::new();
    let _ = within(reader.read_to_end(&mut answer)).await;

    assert_eq!(running.get("/livez").await.status(), StatusCode::OK);
    drop(attack.await);
}

/// T22: one octet of HPACK each time, a large field each time.
#[tokio::test]
async fn header_bomb_of_indexed_fields_is_refused() {
    let running = start(Config::default());
    let mut stream = running.connect().await;
    let mut octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    // `:method GET`, `:scheme http`, `:path /`, then `x: aaaa…` (3 000 octets) put into the table and named 1 000 times.
    let mut block = vec![0x82, 0x86, 0x84, 0x40, 1, b'x', 0x7f, 0xb9, 0x16];
    block.extend([b'a'; 3_000]);
    block.extend([0xbe; 1_000]);
    let length = (block.len() as u32).to_be_bytes();
    octets.extend([length[1], length[2], length[3], 1, 5, 0, 0, 0, 1]);
    octets.extend(&block);
    stream.write_all(&octets).await.unwrap();
    stream.shutdown().await.unwrap();

    let mut answer = Vec::new();
    let _ = within(stream.read_to_end(&mut answer)).await;

    // 431 is not in the static table, so it stands in the answer as text (or Huffman-coded), or the stream is reset.
    let kinds = frames(&answer);
    assert!(kinds.contains(&1) || kinds.contains(&3) || kinds.contains(&7), "{kinds:?}");
    let metrics = String::from_utf8_lossy(running.get("/metrics").await.body()).into_owned();
    assert!(metrics.contains("push_connections_panicked_total 0"));
}

/// T20: bodies that are declared enormous cost nothing and are answered.
#[tokio::test]
async fn enormous_bodies_are_answered_unread() {
    let running = start(Config::default());
    let mut peers = JoinSet::new();
    for _ in 0..100 {
        let address = running.address;
        peers.spawn(async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let head =
                "POST /p/x HTTP/1.1\r\nhost: localhost\r\nttl: 1\r\ncontent-length: 1000000000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            within(stream.read_exact(&mut answer)).await.unwrap();
            answer
        });
    }
    while let Some(answer) = peers.join_next().await {
        let answer = answer.unwrap();
        let status = std::str::from_utf8(&answer).unwrap();
        assert!(status.starts_with("HTTP/1.1 4"), "{status}");
    }
}

/// T20: the sender that goes on sending still gets to read the answer.
#[tokio::test]
async fn sender_of_a_large_body_reads_the_answer() {
    let running = start(Config::default());
    let (mut reader, mut writer) = running.connect().await.into_split();
    let sending = tokio::spawn(async move {
        let head = "POST /p/x HTTP/1.1\r\nhost: localhost\r\nttl: 1\r\ncontent-length: 2000000\r\n\r\n";
        let _ = writer.write_all(head.as_bytes()).await;
        let _ = writer.write_all(&vec![0; 2_000_000]).await;
        writer
    });

    let mut answer = Vec::new();
    within(reader.read_to_end(&mut answer)).await.unwrap();

    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("connection: close"), "{answer}");
    drop(sending.await);
}

#[tokio::test]
async fn connections_wait_when_there_is_no_room() {
    let limits = Limits { connections: Some(1), ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let mut first = running.connect().await;
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut octets = [0; 1024];
    assert!(within(first.read(&mut octets)).await.unwrap() > 0);

    let mut second = running.connect().await;
    second.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut octets)).await;
    drop(first);
    let answer = read_to_end(&mut second).await;

    assert!(early.is_err(), "nothing comes while the first one is there");
    assert_eq!(status(&answer), "200");
}
