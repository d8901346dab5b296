//! A service that only counts, over HTTP.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_mock_server::Config;
use serde_json::{Value, json};

use crate::support::{Client, start};

/// `sink`: any well-formed token is taken over every protocol, and nothing is recorded.
#[tokio::test]
async fn a_sink_admits_counts_and_keeps_nothing() {
    let service = start(Config { sink: true, ..Config::default() });
    let message = |path: &str| {
        Request::post(path)
            .header("host", "localhost")
            .header("ttl", "60")
            .header("content-encoding", "aes128gcm")
            .body(Full::new(Bytes::from(vec![7; 1100])))
            .unwrap()
    };

    let accepted = service.send(message("/p/made-up")).await;
    assert_eq!(
        (accepted.status(), &accepted.headers()["ttl"]),
        (StatusCode::CREATED, &"60".parse().unwrap())
    );
    assert_eq!(accepted.headers()["location"], "/m/sink-1");
    let second = Client::http2(service.connect().await).await.send(message("/wpush/v2/gAAAAAx")).await;
    assert_eq!(
        (second.status(), &second.headers()["location"]),
        (StatusCode::CREATED, &"/m/sink-2".parse().unwrap())
    );
    let no_token = service.send(message("/p/not.a.token")).await;
    assert_eq!(no_token.status(), StatusCode::NOT_FOUND);
    let no_ttl =
        service.send(Request::post("/p/x").header("host", "localhost").body(Full::default()).unwrap()).await;
    assert_eq!(no_ttl.status(), StatusCode::BAD_REQUEST);
    let no_ttl: Value = serde_json::from_slice(no_ttl.body()).unwrap();
    assert_eq!(no_ttl["code"], "ttl/missing");
    let large =
        Request::post("/p/x").header("host", "localhost").body(Full::new(vec![7; 4097].into())).unwrap();
    assert_eq!(service.send(large).await.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let (_, counts) = service.call(Method::GET, "/sink", Value::Null).await;
    let expected = json!({"201": 2, "400": 1, "404": 1, "405": 0, "413": 1});
    assert_eq!(
        (&counts["accepted"], &counts["octets"], &counts["statuses"]),
        (&2.into(), &2200.into(), &expected)
    );
    let (_, messages) = service.call(Method::GET, "/messages", Value::Null).await;
    assert_eq!(messages["items"], json!([]));
    assert_eq!(service.send(message("/m/sink-1")).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_service_that_is_no_sink_says_so() {
    let service = start(Config::default());

    let (status, problem) = service.call(Method::GET, "/sink", Value::Null).await;

    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &"api/not-found".into()));
}
