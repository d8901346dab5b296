//! T8: keys, tokens, endpoints and payloads appear in no log, error or `Debug`.
//!
//! A binary of its own, because the log of a whole process is searched.

#![expect(clippy::unwrap_used, reason = "in a test the place of a panic is the message")]

#[path = "it/support.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use the rest")]
mod support;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use push_client::{Outcome, PushClient, PushMessage, Ttl, transport::HttpVersion};
use push_crypto::{base64url, provider::aws_lc_rs::PROVIDER, vapid::VapidKey};
use tracing_subscriber::fmt::MakeWriter;

use support::{Kind, Peer, subscribe};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn t8_no_secret_is_printed_at_any_level() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let key = VapidKey::generate(&PROVIDER).unwrap();
    let private = *key.private().expose();
    let canary = "canary-payload-1f3a9c";
    let mut printed = String::new();
    let mut secrets = vec![
        canary.to_owned(),
        base64url::encode(&private),
        private.iter().map(|octet| format!("{octet:02x}")).collect(),
    ];
    for (kind, version, status) in [
        (Kind::Http1, HttpVersion::Http1, 201),
        (Kind::Http2, HttpVersion::Http2, 201),
        (Kind::Http1, HttpVersion::Http1, 410),
        (Kind::Http2, HttpVersion::Http2, 503),
    ] {
        let peer = Peer::start(kind, move |_, seen| {
            // A push service that echoes what it was sent.
            let echo = format!("{} {:?}", seen.uri, seen.headers["authorization"].to_str());
            http::Response::builder()
                .status(status)
                .header("location", "/m/canary-message")
                .body(echo.into())
                .unwrap()
        })
        .await;
        let (_, subscription) = subscribe(&peer.endpoint("/p/canary-endpoint-JzLQ3raZJfFBR0aqvOMs"));
        let message = PushMessage::text(Ttl::seconds(60), canary).topic("scores".parse().unwrap());
        let client = PushClient::builder()
            .vapid(key.clone(), "mailto:ops@example.com".parse().unwrap())
            .allow_loopback()
            .http_version(version)
            .retries(0)
            .build()
            .unwrap();

        let outcome = client.send(&subscription, &message).await;

        printed += &format!("{outcome} {outcome:?} {client:?} {message:?} {subscription:?}");
        if let Outcome::Accepted(accepted) = &outcome {
            printed += &format!("{:?}", accepted.message_resource);
        }
        if let Err(error) = outcome.accepted() {
            printed += &format!("{error} {error:?}");
        }
        let seen = peer.seen();
        let authorization = seen[0].headers["authorization"].to_str().unwrap().to_owned();
        secrets.push(authorization.get(8..48).unwrap().to_owned());
        secrets.push(base64url::encode(subscription.keys.unwrap().auth.unwrap().expose()));
    }
    secrets.extend(["canary-endpoint".to_owned(), "canary-message".to_owned()]);
    printed += &String::from_utf8(log.0.lock().unwrap().clone()).unwrap();

    assert!(printed.contains("answered") && printed.contains("accepted"), "the log is empty");
    for secret in secrets {
        assert!(!printed.contains(&secret), "{secret} was printed");
    }
}
