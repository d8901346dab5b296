//! T8: no secret, token, plaintext or whole push resource is logged, at any level.
//!
//! A process of its own: what is logged at all is decided once for a process, and another test that logs first, in
//! another thread, can decide that nobody listens.
#![cfg(feature = "api")]
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes helpers of integration tests for library code"
)]

#[path = "../it/support.rs"]
#[allow(dead_code, reason = "the tests over sockets use more of it")]
mod support;

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_mock_server::{ApiToken, Config, TlsSource};
use serde_json::{Value, json};
use tracing::{Event, Metadata, field::Visit, span};

use crate::support::{Client, start, tls};

/// Writes down everything that is logged on this thread.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<String>>);

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut Writer(&mut self.0.lock().unwrap()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Writer(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut log = self.0.lock().unwrap();
        writeln!(log, "{}", event.metadata().target()).unwrap();
        event.record(&mut Writer(&mut log));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What the service is given, and the keys of its authority.
fn known_secrets(authority: &std::path::Path) -> Vec<String> {
    let mut secrets = vec!["canary-api-token".to_owned(), "canary-plaintext".into(), "canary-jwt".into()];
    for file in ["ca.key", "leaf.key"] {
        let key = std::fs::read_to_string(authority.join(file)).unwrap();
        secrets.extend(key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned));
    }
    secrets
}

/// The runtime of this test has one thread, so the recorder hears every task.
#[tokio::test]
async fn nothing_secret_is_logged() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca");
    let running = start(Config {
        token: Some(ApiToken::new("canary-api-token")),
        tls: TlsSource::Authority { directory: Some(authority.clone()) },
        ..Config::default()
    });
    let call = async |client: &mut Client, method: Method, path: &str, body: Value| {
        let request = running.request(method, path).header("authorization", "Bearer canary-api-token");
        let response = client.send(request.body(Full::new(body.to_string().into())).unwrap()).await;
        serde_json::from_slice::<Value>(response.body()).unwrap_or_default()
    };
    let mut clients = [
        Client::http1(running.connect().await).await,
        Client::http2(running.connect().await).await,
        Client::http1(tls(&running, "localhost", &["http/1.1"]).await).await,
        Client::http2(tls(&running, "localhost", &["h2"]).await).await,
    ];
    let mut secrets = known_secrets(&authority);

    for client in &mut clients {
        let object =
            call(client, Method::POST, "/api/v1/subscriptions?secrets=1", json!({"online": false})).await;
        let endpoint = object["subscription"]["endpoint"].as_str().unwrap();
        let path = endpoint.strip_prefix(&running.url).unwrap();
        secrets.push(path.strip_prefix("/p/").unwrap().to_owned());
        secrets.push(object["privateKey"].as_str().unwrap().to_owned());
        secrets.push(object["subscription"]["keys"]["auth"].as_str().unwrap().to_owned());
        for authorization in [None, Some("vapid t=canary-jwt.e30.sig, k=canary-key")] {
            let request = Request::post(path).header("host", "localhost").header("ttl", "60");
            let request = match authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            };
            let response = client.send(request.body(Full::new("canary-plaintext".into())).unwrap()).await;
            if response.status() == StatusCode::CREATED {
                let location = response.headers()["location"].to_str().unwrap();
                secrets.push(location.rsplit_once('/').unwrap().1.to_owned());
            }
        }
        let list = call(client, Method::GET, "/api/v1/messages", Value::Null).await;
        let id = list["items"][0]["id"].as_str().unwrap().to_owned();
        call(client, Method::POST, &format!("/api/v1/messages/{id}/replay"), json!({})).await;
        call(client, Method::POST, "/api/v1/wait", json!({"timeout": "0s"})).await;
        call(client, Method::POST, "/api/v1/inspect", json!({"input": endpoint})).await;
        call(client, Method::GET, "/api/v1/keys?secrets=1", Value::Null).await;
        call(client, Method::POST, "/api/v1/reset", json!({"all": true})).await;
    }
    drop(clients);
    running.stop().await;
    assert_silent(&recorder.0.lock().unwrap(), &secrets);
}

/// No secret in the log, in whatever form.
fn assert_silent(log: &str, secrets: &[String]) {
    assert!(log.contains("ready"), "the recorder hears the service: {log}");
    assert!(secrets.len() > 15, "{}", secrets.len());
    for secret in secrets {
        let hex: String = secret.bytes().map(|octet| format!("{octet:02x}")).collect();
        let encoded = push_crypto::base64url::encode(secret.as_bytes());
        // The end may differ with what stands behind it.
        let encoded = &encoded[..encoded.len() - 4];
        for form in [secret.as_str(), hex.as_str(), encoded] {
            assert!(!log.contains(form), "{form} is in the log");
        }
    }
}
