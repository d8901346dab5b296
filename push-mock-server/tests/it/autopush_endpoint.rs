//! The push resources of Firefox: what a sender is answered.
//!
//! The service runs with its profile `rfc`: where a row names an errno, the problem of RFC 8030 and 8292 is shown.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, request::Builder};
use http_body_util::Full;
use push_crypto::{
    Origin, Timestamp,
    provider::aws_lc_rs::PROVIDER,
    vapid::{AuthorizationFields, AuthorizationScheme, Claims, Token, VapidKey},
};
use push_mock_server::{Config, clock::wall};

use crate::{
    fox::{Fox, channel, path, tickle},
    support::{self, Running, start},
};

fn request(path: &str) -> Builder {
    Request::post(path).header("host", "localhost")
}

async fn status(running: &Running, request: Builder, body: impl Into<Bytes>) -> u16 {
    running.send(request.body(Full::new(body.into())).unwrap()).await.status().as_u16()
}

/// A token for an origin, from that time on.
fn signed(
    key: &VapidKey,
    audience: &str,
    now: Timestamp,
    scheme: AuthorizationScheme,
) -> AuthorizationFields {
    let claims =
        Claims::new(audience.parse::<Origin>().unwrap(), now, Duration::from_secs(3600), None).unwrap();
    Token::sign(&PROVIDER, key, &claims).unwrap().authorization(scheme, key.public())
}

/// AP-045, with 400 for what RFC 8030 §5.2 and §5.4 forbid.
#[tokio::test]
async fn ttl_and_topic_are_checked() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let with = |topic: &str| request(&path).header("ttl", "60").header("topic", topic);

    assert_eq!(status(&running, request(&path), "").await, 400);
    for ttl in ["abc", "-1"] {
        assert_eq!(status(&running, request(&path).header("ttl", ttl), "").await, 400, "{ttl}");
    }
    assert_eq!(status(&running, with(&"a".repeat(33)), "").await, 400);
    assert_eq!(status(&running, with("a b"), "").await, 400);
    assert_eq!(status(&running, with(&"a".repeat(32)), "").await, 201);
    fox.notified().await;
    fox.hears_nothing().await;
}

/// AP-046: `body_octets` at and above; a head of aes128gcm makes it a body that Firefox reads.
#[tokio::test]
async fn the_body_has_a_greatest_length() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;

    for (octets, expected) in [(4095, 201), (4096, 201), (4097, 413)] {
        let body = crate::autopush_delivery::body(vec![7; octets - 86]);
        assert_eq!(body.len(), octets);
        let request = request(&path).header("ttl", "60").header("content-encoding", "aes128gcm");
        assert_eq!(status(&running, request, body).await, expected, "{octets}");
        if expected == 201 {
            let notification = fox.notified().await;
            fox.ack(&notification, 101).await;
        }
    }
    fox.hears_nothing().await;
}

/// AP-047, AP-048: with the 401 and 403 of RFC 8292 §4.2.
#[tokio::test]
async fn a_subscription_with_a_key_wants_its_signature() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let key = VapidKey::generate(&PROVIDER).unwrap();
    let other = VapidKey::generate(&PROVIDER).unwrap();
    let answer = fox.register(&channel(1), Some(&key.public().to_base64url())).await;
    let path = path(&running, &answer);
    assert!(path.starts_with("/wpush/v2/"));
    let send = async |fields: AuthorizationFields| {
        let mut request = request(&path).header("ttl", "60").header("authorization", fields.authorization);
        if let Some(key) = fields.p256ecdsa {
            request = request.header("crypto-key", format!("p256ecdsa={key}"));
        }
        status(&running, request, "").await
    };
    let vapid = AuthorizationScheme::Vapid;
    let now = wall();
    let past = Timestamp::from_unix_seconds(now.as_unix_seconds() - 7200);
    let future = Timestamp::from_unix_seconds(now.as_unix_seconds() + 25 * 3600);

    assert_eq!(running.send(tickle(&path, 60)).await.status().as_u16(), 401);
    assert_eq!(send(signed(&other, &running.url, now, vapid)).await, 403, "another key");
    assert_eq!(send(signed(&key, &running.url, past, vapid)).await, 403, "expired");
    assert_eq!(send(signed(&key, &running.url, future, vapid)).await, 403, "more than a day ahead");
    assert_eq!(send(signed(&key, "https://push.example.net", now, vapid)).await, 403, "another audience");
    let mut forged = signed(&other, &running.url, now, vapid);
    let own = signed(&key, &running.url, now, vapid);
    let (token, _) = forged.authorization.split_once(", k=").unwrap();
    forged.authorization = format!("{token}, k={}", key.public().to_base64url());
    assert_eq!(send(forged).await, 403, "signature of another key");
    fox.hears_nothing().await;

    let web_push = signed(&key, &running.url, now, AuthorizationScheme::WebPush);
    let mut bearer = web_push.clone();
    bearer.authorization = bearer.authorization.replacen("WebPush", "Bearer", 1);
    for fields in [own, web_push, bearer] {
        assert_eq!(send(fields).await, 201);
        fox.notified().await;
    }
}

/// AP-049, GCM-031, as far as the profile `rfc` refuses it.
#[tokio::test]
async fn the_fields_of_a_coding_belong_to_a_body() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let with = |coding: &str| request(&path).header("ttl", "60").header("content-encoding", coding);
    let salt = "salt=lngarbyKfMoi9Z75xYXmkg";

    // Half of the message is missing: no browser could open it.
    assert_eq!(status(&running, with("aesgcm"), vec![7; 50]).await, 400, "neither salt nor dh");
    assert_eq!(status(&running, with("aesgcm").header("encryption", salt), vec![7; 50]).await, 400, "no dh");
    assert_eq!(status(&running, with("foo"), vec![7; 50]).await, 400);
    fox.hears_nothing().await;

    assert_eq!(status(&running, with("foo"), "").await, 201);
    assert!(fox.notified().await.get("data").is_none());
}

/// AP-050: of a user agent and of a subscription that are gone nothing more is told than that.
#[tokio::test]
async fn what_is_not_there_is_told_as_a_problem() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;

    let nonsense = running.send(tickle("/wpush/v1/gAAAAAnonsense", 60)).await;
    fox.unregister(&channel(1), 200.into()).await;
    let gone = running.send(tickle(&path, 60)).await;

    assert_eq!(nonsense.status().as_u16(), 404);
    assert!(matches!(gone.status().as_u16(), 404 | 410));
    for response in [nonsense, gone] {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(support::json(&response)["code"].is_string());
    }
}

/// AP-051
#[tokio::test]
async fn pages_may_send_from_anywhere() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;
    let preflight = Request::options(&path)
        .header("host", "localhost")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "ttl,topic");

    let allowed = running.send(preflight.body(Full::default()).unwrap()).await;
    let mut request = tickle(&path, 60);
    request.headers_mut().insert("origin", "https://app.example".parse().unwrap());
    let sent = running.send(request).await;

    assert!(allowed.status().is_success());
    assert_eq!(allowed.headers()["access-control-allow-origin"], "*");
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert_eq!(sent.status().as_u16(), 201);
    assert_eq!(sent.headers()["access-control-allow-origin"], "*");
    fox.notified().await;
}
