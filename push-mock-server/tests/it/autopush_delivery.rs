//! The push connection of Firefox: notifications, acknowledgements, what waits and for how long.
//!
//! The service runs with its profile `rfc`: where a row names an errno, the status is that of RFC 8030.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use push_mock_server::{Config, Limits};
use serde_json::{Value, json};

use crate::{
    fox::{Fox, channel, poke, tickle},
    support::{Running, json, start},
};

/// An encrypted message: head of aes128gcm with one record.
fn encrypted(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::post(path).header("host", "localhost").header("ttl", "60");
    request.header("content-encoding", "aes128gcm").body(Full::new(body.into())).unwrap()
}

/// Salt, record size, the sender's key and `octets` that nobody can open.
pub(crate) fn body(octets: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut body = vec![9; 16];
    body.extend(4096_u32.to_be_bytes());
    body.push(65);
    body.extend(Base64UrlUnpadded::decode_vec(super::autopush::KEY).unwrap());
    body.extend(octets);
    body
}

async fn accepted(running: &Running, request: Request<Full<Bytes>>) {
    let response = running.send(request).await;
    assert_eq!(response.status().as_u16(), 201, "{}", String::from_utf8_lossy(response.body()));
}

/// AP-024
#[tokio::test]
async fn notifications_have_their_channel_and_a_version_of_their_own() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(0xabc)).await;

    let mut versions = Vec::new();
    for _ in 0..200 {
        poke(&running, &path, 60).await;
        let notification = fox.notified().await;
        assert_eq!(notification["channelID"], channel(0xabc));
        fox.ack(&notification, 100).await;
        versions.push(notification["version"].as_str().unwrap().to_owned());
    }

    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 200);
}

/// AP-025, AP-026
#[tokio::test]
async fn data_is_the_body_in_the_alphabet_of_urls() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let body = body((0..4).flat_map(|_| 0..=255));

    accepted(&running, encrypted(&path, body.clone())).await;
    let notification = fox.notified().await;

    let data = notification["data"].as_str().unwrap();
    assert!(!data.contains(['+', '/', '=']));
    assert_eq!(Base64UrlUnpadded::decode_vec(data).unwrap(), body);
    assert_eq!(notification["headers"], json!({"encoding": "aes128gcm"}));
}

/// AP-026, AP-052: a message without data has four members less, and nothing of TTL, topic and urgency.
#[tokio::test]
async fn a_tickle_has_no_data_and_no_headers() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let request = Request::post(&path).header("host", "localhost").header("ttl", "60");
    let request = request.header("topic", "t1").header("urgency", "high").body(Full::default()).unwrap();

    accepted(&running, request).await;
    let notification = fox.notified().await;

    let members: Vec<_> = notification.as_object().unwrap().keys().collect();
    assert_eq!(members, ["messageType", "channelID", "version"]);
}

/// AP-027
#[tokio::test]
async fn fields_of_aesgcm_come_without_quotes_and_padding() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let key = super::autopush::KEY;
    let request = Request::post(&path).header("host", "localhost").header("ttl", "60");
    let request = request
        .header("content-encoding", "aesgcm")
        .header("encryption", "salt=\"lngarbyKfMoi9Z75xYXmkg==\"")
        .header("crypto-key", format!("dh=\"{key}=\""));

    accepted(&running, request.body(Full::new(vec![7; 50].into())).unwrap()).await;
    let notification = fox.notified().await;

    assert_eq!(
        notification["headers"],
        json!({"encoding": "aesgcm", "encryption": "salt=lngarbyKfMoi9Z75xYXmkg", "crypto_key": format!("dh={key}")})
    );
    assert_eq!(Base64UrlUnpadded::decode_vec(notification["data"].as_str().unwrap()).unwrap(), [7; 50]);
}

/// AP-028, with the problem that the profile `rfc` answers instead of an errno.
#[tokio::test]
async fn what_firefox_cannot_read_is_refused_at_the_push_resource() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let request = || Request::post(&path).header("host", "localhost").header("ttl", "60");

    let without = running.send(request().body(Full::new(vec![7; 50].into())).unwrap()).await;
    let older = request()
        .header("content-encoding", "aesgcm128")
        .header("encryption", "salt=lngarbyKfMoi9Z75xYXmkg")
        .header("encryption-key", format!("dh={}", super::autopush::KEY));
    let older = running.send(older.body(Full::new(vec![7; 50].into())).unwrap()).await;

    assert_eq!(without.status().as_u16(), 400, "{}", json(&without));
    assert_eq!(older.status().as_u16(), 400, "{}", json(&older));
    fox.hears_nothing().await;
}

/// AP-029
#[tokio::test]
async fn what_was_not_acknowledged_comes_again_with_its_version() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    poke(&running, &path, 60).await;
    let first = fox.notified().await;
    drop(fox);

    let mut fox = Fox::back(&running, &uaid).await;

    assert_eq!(fox.notified().await, first);
}

/// AP-030
#[tokio::test]
async fn every_ack_code_ends_a_message() {
    let running = start(Config::default());
    for code in [100, 101, 102] {
        let (mut fox, uaid) = Fox::greeted(&running).await;
        let path = fox.subscribe(&running, &channel(code.into())).await;
        poke(&running, &path, 60).await;
        let notification = fox.notified().await;
        fox.ack(&notification, code).await;
        fox.hears_nothing().await;
        drop(fox);

        Fox::back(&running, &uaid).await.hears_nothing().await;
    }
}

/// AP-031
#[tokio::test]
async fn one_ack_may_name_several_in_any_order() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let mut versions = vec!["nonsense".to_owned()];
    for _ in 0..4 {
        poke(&running, &path, 60).await;
        versions.push(fox.notified().await["version"].as_str().unwrap().to_owned());
    }
    let left = versions.pop().unwrap();
    versions.reverse();

    fox.ack_all(&versions.iter().map(String::as_str).collect::<Vec<_>>(), 100).await;
    fox.hears_nothing().await;
    drop(fox);

    let mut fox = Fox::back(&running, &uaid).await;
    assert_eq!(fox.notified().await["version"], left);
    fox.hears_nothing().await;
}

/// AP-032
#[tokio::test]
async fn a_nack_is_taken_and_not_answered() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    poke(&running, &path, 60).await;
    let notification = fox.notified().await;

    fox.ack(&notification, 100).await;
    fox.hears_nothing().await;
    fox.say(json!({"messageType": "nack", "version": notification["version"], "code": 301})).await;
    fox.say(json!({"messageType": "nack"})).await;
    fox.hears_nothing().await;

    let (_, messages) = running.call(Method::GET, "/messages", Value::Null).await;
    assert!(messages.to_string().contains("301"), "{messages}");
}

/// AP-033
#[tokio::test]
async fn nobody_acknowledges_for_somebody_else() {
    let running = start(Config::default());
    let (mut one, _) = Fox::greeted(&running).await;
    one.subscribe(&running, &channel(1)).await;
    let (mut other, uaid) = Fox::greeted(&running).await;
    let path = other.subscribe(&running, &channel(2)).await;
    poke(&running, &path, 60).await;
    let notification = other.notified().await;

    one.ack(&notification, 100).await;
    one.hears_nothing().await;
    drop(other);

    assert_eq!(Fox::back(&running, &uaid).await.notified().await, notification);
}

/// AP-034
#[tokio::test]
async fn pings_of_both_kinds_are_answered() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;

    for ping in ["{}", r#"{"messageType":"ping"}"#, r#"{"messageType":"PING"}"#] {
        fox.say_text(ping).await;
        assert_eq!(fox.hear().await, json!({}));
    }
}

/// AP-037
#[tokio::test]
async fn broadcasts_are_never_pushed() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let wanted = json!({"remote-settings/monitor_changes": "\"0\""});

    fox.say(json!({"messageType": "broadcast_subscribe", "broadcasts": wanted})).await;

    fox.hears_nothing().await;
}

/// AP-038
#[tokio::test]
async fn what_waits_comes_in_order_after_hello() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    fox.socket.close(None).await.unwrap();
    fox.closed().await;
    let bodies: Vec<_> = (0..60_u8).map(|number| body([number; 40])).collect();
    for body in &bodies {
        accepted(&running, encrypted(&path, body.clone())).await;
    }

    // More than one window: what is acknowledged makes room for the next.
    let mut fox = Fox::back(&running, &uaid).await;
    for body in &bodies {
        let notification = fox.notified().await;
        assert_eq!(Base64UrlUnpadded::decode_vec(notification["data"].as_str().unwrap()).unwrap(), *body);
        fox.ack(&notification, 100).await;
    }
    fox.hears_nothing().await;
}

/// AP-039, AP-040: who is away gets neither what has expired meanwhile nor what has no life at all.
#[tokio::test]
async fn what_has_expired_is_not_sent() {
    let clock = push_mock_server::ClockStart::Frozen;
    let running = start(Config { clock, ..Config::default() });
    let (mut fox, uaid) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    poke(&running, &path, 0).await;
    let now = fox.notified().await;
    fox.ack(&now, 100).await;
    fox.hears_nothing().await;
    fox.socket.close(None).await.unwrap();
    fox.closed().await;

    poke(&running, &path, 0).await;
    poke(&running, &path, 1).await;
    let (status, clock) = running.call(Method::POST, "/clock", json!({"advance": "2s"})).await;
    assert_eq!(status.as_u16(), 200, "{clock}");

    Fox::back(&running, &uaid).await.hears_nothing().await;
}

/// AP-041
#[tokio::test]
async fn a_topic_is_replaced_within_its_channel() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let other = fox.subscribe(&running, &channel(2)).await;
    fox.socket.close(None).await.unwrap();
    fox.closed().await;

    for (path, topic, octet) in [(&path, "t1", 1), (&other, "t1", 2), (&path, "t1", 3), (&path, "t2", 4)] {
        let mut request = encrypted(path, body([octet; 40]));
        request.headers_mut().insert("topic", topic.parse().unwrap());
        accepted(&running, request).await;
    }

    let mut fox = Fox::back(&running, &uaid).await;
    for (number, octet) in [(2, 2), (1, 3), (1, 4)] {
        let notification = fox.notified().await;
        assert_eq!(notification["channelID"], channel(number));
        let data = Base64UrlUnpadded::decode_vec(notification["data"].as_str().unwrap()).unwrap();
        assert_eq!(data.last(), Some(&octet));
    }
    fox.hears_nothing().await;
}

/// AP-042, AP-043
#[tokio::test]
async fn a_post_is_answered_like_any_other() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;

    let response = running.send(tickle(&path, 2_592_001)).await;

    assert_eq!((response.status().as_u16(), response.body().len()), (201, 0));
    assert_eq!(response.headers()["ttl"], "2592000");
    assert!(response.headers()["location"].to_str().unwrap().contains("/m/"));
    fox.notified().await;
}

/// AP-044, with the 404 of the profile `rfc` for an id that is none.
#[tokio::test]
async fn a_message_can_be_withdrawn() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    fox.socket.close(None).await.unwrap();
    fox.closed().await;
    let response = running.send(tickle(&path, 60)).await;
    let location = response.headers()["location"].to_str().unwrap();
    let message = location.strip_prefix(&running.url).unwrap_or(location);

    let delete =
        |path: &str| Request::delete(path).header("host", "localhost").body(Full::default()).unwrap();
    let gone = running.send(delete(message)).await;
    let bad = running.send(delete("/m/nonsense")).await;

    assert_eq!(gone.status().as_u16(), 204);
    assert!(matches!(bad.status().as_u16(), 400 | 404));
    Fox::back(&running, &uaid).await.hears_nothing().await;
}

/// A user agent that takes nothing gets at most its window; what it acknowledges makes room.
#[tokio::test]
async fn the_window_is_kept() {
    let limits = Limits { window_messages: 2, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    for _ in 0..3 {
        poke(&running, &path, 60).await;
    }

    let first = fox.notified().await;
    fox.notified().await;
    fox.hears_nothing().await;

    fox.ack(&first, 100).await;
    fox.notified().await;
}
