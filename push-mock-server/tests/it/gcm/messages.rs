//! Messages to a scripted Chromium: what they say, when they come, and when they come again.

use std::collections::HashSet;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use push_crypto::{EncryptOptions, Schedule};
use push_mock_server::{Config, Limits};

use super::{
    client::{DATA, IQ, Mcs, PING, PONG, Page, check_in, limits, until},
    octets::number,
};
use crate::support::{Running, start};

async fn with_page() -> (Running, Page) {
    let running = start(Config { limits: limits(), ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    (running, page)
}

/// GCM-009, GCM-011, GCM-030, GCM-031, GCM-032, GCM-035.
#[tokio::test]
async fn a_message_says_what_the_registration_said() {
    let (running, page) = with_page().await;
    let mut branded = Page::new(page.device, "B");
    branded.app = "com.chrome.linux";
    branded.register(&running).await;
    let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;

    for page in [&page, &branded] {
        let body = page.send(&running, 60, Some("score"), "Hello").await;
        let came = mcs.next().await;

        assert_eq!(came.tag, DATA);
        assert_eq!(came.fields.text(3), page.sender());
        assert_eq!(came.fields.text(5), page.app);
        assert_eq!(came.fields.text(6), "score");
        assert_eq!(came.fields.octets(21), Some(&body[..]));
        assert_eq!((came.fields.number(17), came.fields.number(24)), (Some(60), Some(1)));
        assert_eq!(came.fields.number(11), Some(1), "frames that came, the login");
        assert!(came.fields.number(18).unwrap() > 1_700_000_000, "seconds since 1970");
        let expected = [("subtype", page.subtype()), ("content-encoding", "aes128gcm".to_owned())];
        assert_eq!(came.app_data(), expected.map(|(key, value)| (key.to_owned(), value)));
    }
}

/// GCM-031.
#[tokio::test]
async fn aesgcm_comes_with_its_header_fields_unchanged() {
    let (running, page) = with_page().await;
    let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;
    let (headers, body) = page.encrypt(&EncryptOptions::new(Schedule::Aesgcm), b"Hello");
    let mut request = page.request(&page.vapid, "https://jmt17.google.com").header("ttl", 60);
    for (name, value) in &headers {
        request = request.header(name, value);
    }

    let response = running.send(request.body(Full::new(body.clone())).unwrap()).await;

    assert_eq!(response.status(), StatusCode::CREATED);
    let came = mcs.next().await;
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let expected = [
        ("subtype", page.subtype()),
        ("content-encoding", "aesgcm".to_owned()),
        ("encryption", header("encryption")),
        ("crypto-key", header("crypto-key")),
    ];
    assert_eq!(came.app_data(), expected.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!(came.fields.octets(21), Some(&body[..]));
}

/// GCM-032: a body of all octets there are, and none.
#[tokio::test]
async fn bodies_come_byte_for_byte_and_a_tickle_has_none() {
    let (running, page) = with_page().await;
    let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;
    let all: Vec<u8> = (0..=255).collect();
    let (_, sealed) = page.encrypt(&EncryptOptions::default(), &all);
    // The header block of a real message, then a ciphertext of every octet.
    let body = Bytes::from([&sealed[..86], &all].concat());
    let request = || page.request(&page.vapid, "https://jmt17.google.com").header("ttl", 60);
    let coded = request().header("content-encoding", "aes128gcm");

    assert_eq!(
        running.send(coded.body(Full::new(body.clone())).unwrap()).await.status(),
        StatusCode::CREATED
    );
    assert_eq!(running.send(request().body(Full::default()).unwrap()).await.status(), StatusCode::CREATED);

    assert_eq!(mcs.next().await.fields.octets(21), Some(&body[..]));
    let tickle = mcs.next().await;
    assert!(!tickle.fields.has(21), "{tickle:?}");
    assert_eq!(tickle.app_data(), [("subtype".to_owned(), page.subtype())]);
}

/// GCM-034.
#[tokio::test]
async fn persistent_ids_are_unique_and_stay_over_replays() {
    let (running, page) = with_page().await;
    for at in 0..200 {
        page.send(&running, 60, None, &at.to_string()).await;
    }

    let (mut first, _) = Mcs::log_in(&running, page.device, &[]).await;
    let mut before = Vec::new();
    for _ in 0..200 {
        before.push(first.next().await.id());
    }
    drop(first);
    let (mut second, _) = Mcs::log_in(&running, page.device, &[]).await;
    let mut after = Vec::new();
    for _ in 0..200 {
        after.push(second.next().await.id());
    }

    assert_eq!(before.iter().collect::<HashSet<_>>().len(), 200);
    assert_eq!(before, after, "the same ids in the same order");
}

/// GCM-024, GCM-038.
#[tokio::test]
async fn what_a_login_lists_as_received_does_not_come_again() {
    let (running, page) = with_page().await;
    for at in 0..5 {
        page.send(&running, 60, None, &at.to_string()).await;
    }
    let (mut first, _) = Mcs::log_in(&running, page.device, &[]).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(first.next().await.id());
    }
    drop(first);

    let (mut second, answer) = Mcs::log_in(&running, page.device, &[&ids[1], &ids[3], "unknown"]).await;

    assert_eq!(answer.fields.number(6), Some(1), "they are confirmed");
    for id in [&ids[0], &ids[2], &ids[4]] {
        assert_eq!(&second.next().await.id(), id);
    }
    second.is_quiet(2).await;
    until(&running, "acknowledged", 2).await;
}

/// GCM-037, GCM-038: each frame that says what came frees the messages up to it, and none behind.
#[tokio::test]
async fn every_kind_of_frame_acknowledges() {
    for (tag, field) in [(PING, 2), (PONG, 2), (IQ, 10), (DATA, 11)] {
        let (running, page) = with_page().await;
        let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;
        let mut ids = Vec::new();
        for at in 0..3 {
            page.send(&running, 60, None, &at.to_string()).await;
            ids.push(mcs.next().await.id());
        }

        // The login was frame 1, so the second message is frame 3.
        mcs.say(tag, number(field, 3)).await;
        until(&running, "acknowledged", 2).await;
        drop(mcs);

        let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;
        assert_eq!(mcs.next().await.id(), ids[2], "tag {tag}");
        mcs.acknowledge(2).await;
        until(&running, "acknowledged", 3).await;
        drop(mcs);
        let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;
        mcs.is_quiet(2).await;
    }
}

/// GCM-028: what was written is not delivered.
#[tokio::test]
async fn a_message_is_kept_until_it_is_acknowledged() {
    let (running, page) = with_page().await;
    let (mcs, _) = Mcs::log_in(&running, page.device, &[]).await;
    page.send(&running, 60, None, "unread").await;
    drop(mcs);

    let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;

    assert_eq!(mcs.next().await.tag, DATA);
}

/// GCM-047: queued while nobody is connected.
#[tokio::test]
async fn messages_wait_for_the_login_in_order() {
    let (running, page) = with_page().await;
    let bodies = [page.send(&running, 60, None, "one").await, page.send(&running, 60, None, "two").await];

    let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;

    for body in bodies {
        assert_eq!(mcs.next().await.fields.octets(21), Some(&body[..]));
    }
}

/// GCM-047, GCM-048: TTL 0 comes to who is connected, and TTL 3 not after four seconds.
#[tokio::test]
async fn what_has_expired_does_not_come() {
    let limits = Limits { ttl_zero_grace: std::time::Duration::ZERO, ..limits() };
    let clock = push_mock_server::ClockStart::Frozen;
    let running = start(Config { limits, clock, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    page.send(&running, 3, None, "short").await;
    page.send(&running, 0, None, "now or never").await;
    let kept = page.send(&running, 60, None, "long").await;
    let by = serde_json::json!({"advance": "4s"});
    let (status, told) = running.call(http::Method::POST, "/clock", by).await;
    assert_eq!(status, StatusCode::OK, "{told}");

    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;

    assert_eq!(mcs.next().await.fields.octets(21), Some(&kept[..]));
    mcs.is_quiet(2).await;
    let at_once = page.send(&running, 0, None, "now").await;
    assert_eq!(mcs.next().await.fields.octets(21), Some(&at_once[..]));
}

/// GCM-048: Chromium connects a moment after its first `subscribe()`.
#[tokio::test]
async fn ttl_0_waits_a_moment_for_a_new_subscription() {
    let limits = Limits { ttl_zero_grace: std::time::Duration::from_secs(30), ..limits() };
    let running = start(Config { limits, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;

    let body = page.send(&running, 0, None, "at once").await;

    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;
    assert_eq!(mcs.next().await.fields.octets(21), Some(&body[..]));
}

/// GCM-049.
#[tokio::test]
async fn a_topic_replaces_within_one_subscription() {
    let (running, page) = with_page().await;
    let other = Page::subscribe(&running, page.device, "B").await;
    page.send(&running, 60, Some("score"), "1:0").await;
    let untouched = other.send(&running, 60, Some("score"), "0:0").await;
    let last = page.send(&running, 60, Some("score"), "2:0").await;

    let (mut mcs, _) = Mcs::log_in(&running, page.device, &[]).await;

    let mut bodies = HashSet::new();
    for _ in 0..2 {
        bodies.insert(mcs.next().await.fields.octets(21).unwrap().to_vec());
    }
    assert_eq!(bodies, HashSet::from([untouched.to_vec(), last.to_vec()]));
    mcs.is_quiet(2).await;
}

/// GCM-010: two subscriptions of one device, two devices: each message at exactly one place.
#[tokio::test]
async fn messages_find_their_subscription_and_their_device() {
    let (running, page) = with_page().await;
    let sibling = Page::subscribe(&running, page.device, "B").await;
    let stranger = Page::subscribe(&running, check_in(&running, "/checkin").await, "A").await;
    let (mut mine, _) = Mcs::log_in(&running, page.device, &[]).await;
    let (mut theirs, _) = Mcs::log_in(&running, stranger.device, &[]).await;

    for to in [&page, &sibling, &stranger] {
        to.send(&running, 60, None, "Hello").await;
    }

    assert_eq!(mine.next().await.app_data()[0].1, page.subtype());
    assert_eq!(mine.next().await.app_data()[0].1, sibling.subtype());
    let theirs_came = theirs.next().await;
    assert_eq!(
        (theirs_came.fields.text(3), theirs_came.app_data()[0].1.clone()),
        (&*stranger.sender(), stranger.subtype())
    );
    mine.is_quiet(2).await;
    theirs.is_quiet(2).await;
}

/// The window of a user agent: the rest comes as room is made.
#[tokio::test]
async fn a_full_window_is_emptied_by_acknowledgements() {
    let limits = Limits { window_messages: 2, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let device = check_in(&running, "/checkin").await;
    let page = Page::subscribe(&running, device, "A").await;
    let mut bodies = Vec::new();
    for at in 0..5 {
        bodies.push(page.send(&running, 60, None, &at.to_string()).await);
    }

    let (mut mcs, _) = Mcs::log_in(&running, device, &[]).await;

    for (at, body) in bodies.iter().enumerate() {
        let came = mcs.next().await;
        assert_eq!(came.fields.octets(21), Some(&body[..]));
        mcs.acknowledge(at as u64 + 2).await;
    }
    until(&running, "acknowledged", 5).await;
}
