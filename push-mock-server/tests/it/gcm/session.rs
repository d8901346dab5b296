//! The push connection itself: login, heartbeats, ends, and peers that mean no good.

use std::time::Duration;

use http::Method;
use push_mock_server::{Config, Limits};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    client::{
        CLOSE, DATA, Device, IQ, LOGIN_REQUEST, LOGIN_RESPONSE, Mcs, PING, PONG, Page, check_in, limits,
        login_body, until,
    },
    octets::{Fields, frame, number, octets, varint},
};
use crate::support::{Running, start, tls, within};

fn running() -> Running {
    start(Config { limits: limits(), ..Config::default() })
}

/// GCM-017, GCM-018, GCM-022, GCM-042.
#[tokio::test]
async fn a_login_is_answered_with_every_field() {
    let heartbeat = Duration::from_millis(2500);
    let running = start(Config { limits: Limits { heartbeat, ..limits() }, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let mut stream = tls(&running, "localhost", &[]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    stream.write_all(&[vec![41], frame(LOGIN_REQUEST, login_body(device, &[]))].concat()).await.unwrap();

    let mut head = [0; 3];
    within(stream.read_exact(&mut head)).await.unwrap();
    let mut body = vec![0; usize::from(head[2])];
    within(stream.read_exact(&mut body)).await.unwrap();

    assert_eq!(head[..2], [41, LOGIN_RESPONSE]);
    let fields = Fields::read(&body);
    assert_eq!(fields.text(1), "chrome-156.0.8078.79");
    assert!(!fields.has(3), "no error");
    assert_eq!((fields.number(5), fields.number(6)), (Some(1), Some(1)));
    assert_eq!(Fields::read(fields.octets(7).unwrap()).number(3), Some(2500));
    assert!(fields.number(8).unwrap() > 1_700_000_000_000);
}

/// GCM-023.
#[tokio::test]
async fn an_unknown_android_id_is_taken() {
    let running = running();
    let device = Device { id: 5_000_000_000_000_000_001, token: 8_000_000_000_000_000_003 };

    let (mut mcs, answer) = Mcs::log_in(&running, device, &["msg_of_a_service_that_is_gone"]).await;

    assert!(!answer.fields.has(3), "{answer:?}");
    mcs.is_quiet(2).await;
    let page = Page::subscribe(&running, device, "A").await;
    let body = page.send(&running, 60, None, "Hello").await;
    assert_eq!(mcs.next().await.fields.octets(21), Some(&body[..]));
}

/// GCM-019: octet by octet, and several frames in one write.
#[tokio::test]
async fn frames_may_be_split_and_joined_anywhere() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let mut mcs = Mcs::connect(&running).await;
    for octet in [vec![41], frame(LOGIN_REQUEST, login_body(device, &[]))].concat() {
        mcs.write(&[octet]).await;
    }
    assert_eq!(mcs.next().await.tag, LOGIN_RESPONSE);

    mcs.write(&[frame(PING, number(2, 1)), frame(PONG, []), frame(PING, [])].concat()).await;

    for expected in [2, 4] {
        let answer = mcs.next().await;
        assert_eq!(answer.tag, PONG);
        assert!(matches!(answer.fields.number(2), Some(number) if number >= expected), "{answer:?}");
    }
}

/// GCM-026.
#[tokio::test]
async fn a_newer_login_takes_the_place_of_the_older() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let (mut first, _) = Mcs::log_in(&running, device, &[]).await;

    let (mut second, _) = Mcs::log_in(&running, device, &[]).await;

    first.is_closed().await;
    page.send(&running, 60, None, "Hello").await;
    assert_eq!(second.next().await.tag, DATA);
    second.is_quiet(2).await;
}

/// GCM-027, and `mcs_login`: who is silent hears nothing, and is closed.
#[tokio::test]
async fn nothing_is_written_before_the_login() {
    let mcs_login = Duration::from_millis(300);
    let running = start(Config { limits: Limits { mcs_login, ..limits() }, ..Config::default() });
    for beginning in [&[41][..], &[41, LOGIN_REQUEST], &[41, LOGIN_REQUEST, 50, 1]] {
        let mut stream = tls(&running, "localhost", &[]).await;
        stream.write_all(beginning).await.unwrap();

        let mut came = Vec::new();
        let _ = within(stream.read_to_end(&mut came)).await;

        assert!(came.is_empty(), "{came:?}");
    }
}

/// GCM-036, GCM-039, GCM-041.
#[tokio::test]
async fn every_frame_counts_and_what_is_unknown_is_passed_over() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
    let upstream = [octets(3, "x"), octets(5, "com.google.android.gsf.gtalkservice")].concat();

    for (tag, body) in [(IQ, vec![]), (DATA, upstream), (PONG, vec![]), (10, vec![]), (99, b"???".to_vec())] {
        mcs.say(tag, body).await;
    }

    mcs.is_quiet(7).await;
    mcs.say(200, [0; 5000]).await;
    mcs.is_quiet(9).await;
}

/// GCM-040, `mcs_ack`: who does not acknowledge is asked.
#[tokio::test]
async fn an_acknowledgement_that_is_due_is_asked_for() {
    let mcs_ack = Duration::from_millis(200);
    let running = start(Config { limits: Limits { mcs_ack, ..limits() }, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
    page.send(&running, 60, None, "Hello").await;
    assert_eq!(mcs.next().await.tag, DATA);

    let ping = mcs.next().await;

    assert_eq!((ping.tag, ping.fields.number(2)), (PING, Some(1)));
    mcs.say(PONG, number(2, 3)).await;
    until(&running, "acknowledged", 1).await;
    drop(mcs);
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
    mcs.is_quiet(2).await;
}

/// `heartbeat`: who says nothing is asked once, and then counts as gone.
#[tokio::test]
async fn a_silent_peer_is_asked_and_then_closed() {
    let limits =
        Limits { heartbeat: Duration::from_millis(200), mcs_login: Duration::from_millis(200), ..limits() };
    let running = start(Config { limits, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;

    assert_eq!(mcs.next().await.tag, PING);
    assert!(within(mcs.try_next()).await.is_none());
}

/// GCM-021, `mcs_message` one below, at and one above.
#[tokio::test]
async fn mcs_message() {
    let running = start(Config { limits: Limits { mcs_message: 2000, ..limits() }, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    for size in [1999, 2000, 2001] {
        let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
        // The frame over the limit is refused at its size.
        mcs.write(&[vec![77], varint(size)].concat()).await;
        if size > 2000 {
            mcs.is_closed().await;
        } else {
            mcs.write(&vec![0; usize::try_from(size).unwrap()]).await;
            mcs.is_quiet(3).await;
        }
    }
}

/// GCM-021, T51: octets that mean no good end their own connection and no other.
#[tokio::test]
async fn hostile_octets_end_one_connection() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let (mut good, _) = Mcs::log_in(&running, device, &[]).await;
    let stranger = Device { id: 7, token: 7 };
    let login = frame(LOGIN_REQUEST, login_body(stranger, &[]));
    let without_id = frame(LOGIN_REQUEST, octets(1, "chrome-1"));
    let signed_id = frame(LOGIN_REQUEST, [octets(1, "chrome-1"), octets(3, "+7"), octets(5, "7")].concat());
    let hostile: [(&str, Vec<u8>); 11] = [
        ("size 2^31 at login", [vec![LOGIN_REQUEST], varint(1 << 31)].concat()),
        ("size 2^31", [login.clone(), vec![IQ], varint(1 << 31)].concat()),
        ("a size of six octets", [login.clone(), vec![IQ], vec![0x80; 6]].concat()),
        ("a ping before the login", [frame(PING, []), login.clone()].concat()),
        ("two logins", [login.clone(), login.clone()].concat()),
        ("a wrong wire type", [login.clone(), frame(PING, octets(2, "x"))].concat()),
        ("a cut message", [login.clone(), frame(IQ, [0x50])].concat()),
        ("no android id", without_id),
        ("an android id with a sign", signed_id),
        ("a login of nothing", frame(LOGIN_REQUEST, [])),
        ("no frames", vec![0xff; 3000]),
    ];

    for (what, octets) in hostile {
        let mut stream = tls(&running, "localhost", &[]).await;
        // It may be closed before everything is written.
        let _ = stream.write_all(&[vec![41], octets].concat()).await;
        let mut came = Vec::new();
        let _ = within(stream.read_to_end(&mut came)).await;
        assert!(came.len() < 200, "{what}: {came:?}");
    }

    page.send(&running, 60, None, "unharmed").await;
    assert_eq!(good.next().await.tag, DATA);
    assert!(
        String::from_utf8_lossy(running.get("/metrics").await.body())
            .contains("push_connections_panicked_total 0")
    );
}

/// A flood of pings from who reads nothing is not answered without end, and others are served meanwhile.
#[tokio::test]
async fn a_flood_of_pings_holds_up_nobody() {
    let running = running();
    let flooding = check_in(&running, "/checkin").await;
    let (mcs, _) = Mcs::log_in(&running, flooding, &[]).await;
    let mut stream = mcs.stream;
    let pings = frame(PING, number(2, 1)).repeat(4096);
    let flood = tokio::spawn(async move {
        // Until the buffers of both directions are full.
        while tokio::time::timeout(Duration::from_millis(500), stream.write_all(&pings)).await.is_ok() {}
        stream
    });

    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let (mut good, _) = Mcs::log_in(&running, device, &[]).await;
    for at in 0..20 {
        page.send(&running, 60, None, "Hello").await;
        assert_eq!(good.next().await.tag, DATA);
        good.acknowledge(at + 2).await;
    }

    until(&running, "acknowledged", 20).await;
    drop(within(flood).await.unwrap());
}

/// GCM-056: what Chromium's end of the connection sees of each end that a test asks for.
#[tokio::test]
async fn ends_that_a_test_asks_for_are_told_apart() {
    use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
    let running = running();
    let device = check_in(&running, "/checkin").await;
    Page::subscribe(&running, device, "A").await;

    for (close, frame, end) in [
        (json!(1001), true, UnexpectedEof),
        (json!("fin"), false, UnexpectedEof),
        (json!("reset"), false, ConnectionReset),
    ] {
        let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
        let body = json!({ "close": close });
        let (status, answer) = running.call(Method::POST, "/user-agents/chromium-1/control", body).await;
        assert_eq!(status, 204, "{answer}");

        if frame {
            assert_eq!(mcs.next().await.tag, CLOSE);
        }
        let error = within(mcs.stream.read_u8()).await.unwrap_err();
        assert_eq!(error.kind(), end, "{close}");
    }
}

#[tokio::test]
async fn the_service_says_goodbye_when_it_stops() {
    let mut running = running();
    let device = check_in(&running, "/checkin").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;

    running.tell_to_stop();

    assert_eq!(mcs.next().await.tag, CLOSE);
    assert!(within(mcs.try_next()).await.is_none());
    within(running.stop()).await;
}

#[tokio::test]
async fn a_chromium_that_says_close_is_gone() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    Page::subscribe(&running, device, "A").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;

    mcs.say(CLOSE, []).await;

    within(connected(&running, false)).await;
}

/// Switched off the soft way the connection stays and nothing comes; the hard way it is closed, and none is taken.
#[tokio::test]
async fn a_chromium_can_be_switched_off() {
    let running = running();
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
    let switch = async |body: serde_json::Value| {
        let (status, answer) = running.call(Method::PATCH, "/user-agents/chromium-1", body).await;
        assert_eq!(status, 200, "{answer}");
    };

    switch(json!({"online": false})).await;
    page.send(&running, 60, None, "later").await;
    mcs.is_quiet(2).await;
    switch(json!({"online": true})).await;
    assert_eq!(mcs.next().await.tag, DATA);
    switch(json!({"online": false, "hard": true})).await;
    mcs.is_closed().await;
    let (mut refused, answer) = Mcs::log_in(&running, device, &[]).await;
    assert!(answer.fields.has(3), "{answer:?}");
    refused.is_closed().await;
    switch(json!({"online": true})).await;

    let (mut mcs, answer) = Mcs::log_in(&running, device, &[]).await;
    assert!(!answer.fields.has(3));
    assert_eq!(mcs.next().await.tag, DATA, "it was not acknowledged");
}

/// Waits until the user agent is connected, or is not.
async fn connected(running: &Running, expected: bool) {
    loop {
        let (_, shown) = running.call(Method::GET, "/user-agents/chromium-1", serde_json::Value::Null).await;
        if shown["connected"] == expected {
            return;
        }
        tokio::task::yield_now().await;
    }
}
