//! How do I test what my application sends, without a browser and without a push service on the internet?
#![expect(clippy::expect_used, clippy::print_stdout, reason = "an example shows the straight path")]

use http_body_util::Full;
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use push_crypto::{EncryptJob, EncryptOptions, Subscription, encrypt, provider::aws_lc_rs};
use push_mock_server::{MockServer, secs};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let push = MockServer::start().await;
    let alice = push.user_agent("alice").await;

    // What a browser would have sent to the application, which now sends as it does in production.
    my_application(&alice.subscription_json()).await;

    let expected = push.expect().to(&alice).topic("score").json(json!({"title": "1:0"})).ttl(60..).once();
    let got = expected.within(secs(5)).await;
    println!("{} got {:?}", alice.label(), got.payload().text());
    assert_eq!(alice.received().await.len(), 1);
}

/// Stands for the application under test, with whatever library it sends.
async fn my_application(subscription: &str) {
    let subscription = Subscription::from_json(subscription).expect("the browser's JSON");
    let keys = subscription.keys.expect("the browser gives keys");
    let job = EncryptJob { keys: &keys, plaintext: br#"{"title":"1:0"}"# };
    let encrypted =
        encrypt(&aws_lc_rs::PROVIDER, &EncryptOptions::default(), job).expect("it is short enough");

    let endpoint = &subscription.endpoint;
    let authority = endpoint.origin().authority();
    let mut request = Request::post(endpoint.expose_path()).header("host", &authority);
    request = request.header("ttl", "3600").header("topic", "score");
    for (name, value) in encrypted.headers() {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(encrypted.into_body()))).expect("a request");

    let stream = tokio::net::TcpStream::connect(&authority).await.expect("the service listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP/1.1");
    tokio::spawn(connection);
    let response = sender.send_request(request).await.expect("it answers");
    assert_eq!(response.status(), 201);
}
