//! Push resources and message resources over HTTP: sections 1, 3 and 10 of the conformance list.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use push_mock_server::{Config, Limits, Rate};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::{Client, Running, json, push, raw, read_to_end, start, status, tls, within};

/// Path of the message resource named by a 201.
fn location(response: &Response<Bytes>) -> String {
    let url = response.headers()["location"].to_str().unwrap();
    let path = url.find("/m/").unwrap_or_else(|| panic!("{url} names a message"));
    url[path..].to_owned()
}

async fn only_message(running: &Running) -> Value {
    let (_, list) = running.call(Method::GET, "/messages", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    list["items"][0].clone()
}

/// PS-016, PS-017: 201 with a new message resource each time, and the TTL that was granted.
#[tokio::test]
async fn accepted_messages_get_a_resource_each() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;

    let first = running.send(push(&path, vec![7; 100])).await;
    let second = running.send(push(&path, vec![7; 100])).await;

    for response in [&first, &second] {
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["ttl"], "60");
        assert!(response.body().is_empty());
    }
    assert_ne!(location(&first), location(&second));
}

/// PS-018: 201 says accepted, not delivered.
#[tokio::test]
async fn message_to_an_offline_user_agent_is_queued() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"online": false})).await;

    let response = running.send(push(&path, "x")).await;

    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(only_message(&running).await["state"], "queued");
}

/// PS-019: octets, media type and coding are kept as sent, over each way in.
#[tokio::test]
async fn body_and_fields_are_kept_as_they_were_sent() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(4096).collect();
    let request = || {
        Request::post(&path)
            .header("host", format!("localhost:{}", running.address.port()))
            .header("ttl", "60")
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .body(Full::new(Bytes::from(body.clone())))
            .unwrap()
    };
    let clients = [
        (Client::http1(running.connect().await).await, "http", "1.1"),
        (Client::http2(running.connect().await).await, "http", "2"),
        (Client::http1(tls(&running, "localhost", &["http/1.1"]).await).await, "https", "1.1"),
        (Client::http2(tls(&running, "localhost", &["h2"]).await).await, "https", "2"),
    ];

    for (mut client, via, version) in clients {
        assert_eq!(client.send(request()).await.status(), StatusCode::CREATED);

        let (_, list) = running.call(Method::GET, "/messages?limit=1", Value::Null).await;
        let message = &list["items"][0];
        assert_eq!(message["request"]["via"], via);
        assert_eq!(message["request"]["httpVersion"], version);
        assert_eq!(message["request"]["bodyBytes"], 4096);
        let headers = message["request"]["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["content-encoding", "aes128gcm"])), "{headers:?}");
        let raw = running.get(&format!("/api/v1/messages/{}/raw", message["id"].as_str().unwrap())).await;
        assert_eq!(raw.body().as_ref(), body);
        assert_eq!(raw.headers()["content-type"], "application/octet-stream");
        assert!(raw.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    }
}

/// PS-020: a message without a body.
#[tokio::test]
async fn tickle_is_accepted() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;

    let response = running.send(push(&path, "")).await;

    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(only_message(&running).await["payload"]["state"], "empty");
}

/// PS-021, PS-089: removed and expired subscriptions are 404.
#[tokio::test]
async fn ended_subscriptions_are_not_found() {
    let running = start(Config::default());
    let (removed, object) = running.subscribe(json!({})).await;
    let (expired, other) = running.subscribe(json!({"label": "other"})).await;
    let id = object["id"].as_str().unwrap();
    assert_eq!(
        running.call(Method::DELETE, &format!("/subscriptions/{id}"), Value::Null).await.0,
        StatusCode::NO_CONTENT
    );
    let id = other["id"].as_str().unwrap();
    let (status, object) =
        running.call(Method::POST, &format!("/subscriptions/{id}/expire"), json!({})).await;
    assert_eq!((status, &object["status"]), (StatusCode::OK, &json!("gone")));

    for (path, code) in [(&removed, "subscription/unknown"), (&expired, "subscription/gone")] {
        let response = running.send(push(path, "x")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem = json(&response);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("/help/{code}"));
        assert!(!problem["fix"].as_str().unwrap().is_empty());
    }
}

/// PS-022: a push resource gives the right to send and nothing more.
#[tokio::test]
async fn push_resource_shows_and_removes_nothing() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"online": false})).await;
    running.send(push(&path, "secret words")).await;
    let token = path.strip_prefix("/p/").unwrap();

    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::PATCH, Method::TRACE] {
        for target in [
            path.clone(),
            format!("/m/{token}"),
            format!("/s/{token}"),
            format!("{path}/m"),
            "/p/".to_owned(),
        ] {
            let request = Request::builder().method(&method).uri(&target).header("host", "localhost");
            let response = running.send(request.body(Full::default()).unwrap()).await;
            let status = response.status();
            assert!(matches!(status.as_u16(), 404 | 405), "{method} {target}: {status}");
            assert!(!String::from_utf8_lossy(response.body()).contains("secret words"));
        }
    }
    let (_, list) = running.call(Method::GET, "/messages?q=state:queued", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

/// P-09: 405 names what is allowed; an unknown capability is 404 whatever the method.
#[tokio::test]
async fn wrong_methods_are_told_apart_from_unknown_capabilities() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let get = |path: &str| Request::get(path).header("host", "localhost").body(Full::default()).unwrap();

    let wrong = running.send(get(&path)).await;
    let unknown = running.send(get("/p/AAAA")).await;

    assert_eq!(wrong.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("POST"), "{:?}", wrong.headers());
    assert_eq!(json(&wrong)["code"], "request/method");
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn put_is_taken_like_post_unless_it_is_refused() {
    let put = |path: &str| {
        Request::put(path).header("host", "localhost").header("ttl", "60").body(Full::default()).unwrap()
    };
    let lenient = start(Config::default());
    let (path, _) = lenient.subscribe(json!({})).await;
    assert_eq!(lenient.send(put(&path)).await.status(), StatusCode::CREATED);

    let refusing = start(Config { refuse_put: true, ..Config::default() });
    let (path, _) = refusing.subscribe(json!({})).await;
    let response = refusing.send(put(&path)).await;

    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers().contains_key("allow"));
}

/// T54: every form of push resource, for any host.
#[tokio::test]
async fn every_form_of_push_resource_reaches_the_subscription() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let token = path.strip_prefix("/p/").unwrap();
    let forms = [
        ("localhost", format!("/p/{token}"), "http"),
        ("localhost", format!("/push-service/send/{token}"), "http"),
        ("updates.push.services.mozilla.com", format!("/wpush/v1/gAAAAA{token}"), "alias"),
        ("updates.push.services.mozilla.com", format!("/wpush/v2/gAAAAA{token}"), "alias"),
        ("fcm.googleapis.com", format!("/fcm/send/cQd3x_aBcDe:APA91b{token}"), "alias"),
        ("jmt17.google.com", format!("/wp/cQd3x_aBcDe:APA91b{token}"), "alias"),
        ("jmt17.google.com", format!("/preprod/wp/cQd3x_aBcDe:APA91b{token}"), "alias"),
        ("wns2-par02p.notify.windows.com", format!("/w/?token={token}"), "alias"),
        ("web.push.apple.com", format!("/{token}"), "alias"),
    ];

    for (host, path, via) in forms {
        let request =
            Request::post(&path).header("host", host).header("ttl", "60").body(Full::default()).unwrap();
        assert_eq!(running.send(request).await.status(), StatusCode::CREATED, "{host}{path}");
        let (_, list) = running.call(Method::GET, "/messages?limit=1", Value::Null).await;
        assert_eq!(list["items"][0]["request"]["via"], via, "{path}");
    }
}

/// PS-085: over the limit is 413, unread with `Content-Length`, cut at one octet over without.
#[tokio::test]
async fn body_over_the_limit_is_413() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;

    let with_length = running.send(push(&path, vec![0; 4097])).await;
    assert_eq!(with_length.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(json(&with_length)["code"], "body/too-large");

    // Not one octet of the body is sent: the answer comes all the same.
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nttl: 60\r\ncontent-length: 10000000\r\n\r\n");
    let mut stream = running.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert_eq!(status(&answer), "413", "{answer}");
    assert!(answer.contains("connection: close"));

    // Chunks without end: the answer comes after 4 097 octets.
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nttl: 60\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut stream = running.connect().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n1\r\nx\r\n"].concat()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert_eq!(status(&answer), "413", "{answer}");
}

/// PS-085: whoever asks before sending a body that is too large is spared sending it.
#[tokio::test]
async fn expectation_of_a_large_body_is_answered_without_continue() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let head = |octets: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nttl: 60\r\nexpect: 100-continue\r\ncontent-length: {octets}\r\n\r\n"
        )
    };

    let mut large = running.connect().await;
    large.write_all(head(4097).as_bytes()).await.unwrap();
    let refused = read_to_end(&mut large).await;
    let mut small = running.connect().await;
    small.write_all(head(1).as_bytes()).await.unwrap();
    let mut answer = [0; 25];
    within(tokio::io::AsyncReadExt::read_exact(&mut small, &mut answer)).await.unwrap();

    assert_eq!(status(&refused), "413", "{refused}");
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// PS-086: 4 096 octets or fewer are never refused with 413.
#[tokio::test]
async fn body_up_to_4096_octets_is_never_413() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let mut http1 = Client::http1(running.connect().await).await;
    let mut http2 = Client::http2(running.connect().await).await;

    for octets in [0, 1, 4095, 4096] {
        for client in [&mut http1, &mut http2] {
            assert_eq!(
                client.send(push(&path, vec![1; octets])).await.status(),
                StatusCode::CREATED,
                "{octets}"
            );
        }
        let mut chunked = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nttl: 60\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        if octets > 0 {
            chunked.push_str(&format!("{octets:x}\r\n{}\r\n", "y".repeat(octets)));
        }
        chunked.push_str("0\r\n\r\n");
        assert_eq!(status(&raw(&running, chunked.as_bytes()).await), "201", "{octets} chunked");
    }
}

/// PS-039 and its kin: what is wrong is named.
#[tokio::test]
async fn refusal_names_code_row_and_field() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;

    let response =
        running.send(Request::post(&path).header("host", "localhost").body(Full::default()).unwrap()).await;

    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem = json(&response);
    assert_eq!(problem["code"], "ttl/missing");
    assert_eq!(problem["header"], "TTL");
    assert!(problem["row"].as_str().unwrap().starts_with("PS-"), "{problem}");
    let message = only_message(&running).await;
    assert_eq!((&message["state"], &message["response"]["status"]), (&json!("refused"), &json!(400)));
}

/// RFC 8292 §4.2: a restricted subscription asks for VAPID.
#[tokio::test]
async fn restricted_subscription_challenges() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"applicationServerKey": "auto"})).await;

    let response = running.send(push(&path, "")).await;

    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("vapid"));
}

/// PS-102, PS-103: too many requests are 429 with `Retry-After`.
#[tokio::test]
async fn excess_is_429_with_retry_after() {
    let rate = Rate::per_second(1.try_into().unwrap());
    let limits = Limits { rate_per_subscription: Some(rate), ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    let (path, _) = running.subscribe(json!({})).await;

    assert_eq!(running.send(push(&path, "")).await.status(), StatusCode::CREATED);
    let response = running.send(push(&path, "")).await;

    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds >= 1);
    assert_eq!(json(&response)["code"], "request/rate-limited");
}

/// T52: a page may send, whatever its origin.
#[tokio::test]
async fn pages_may_send() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let preflight = Request::options(&path)
        .header("host", "localhost")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-encoding,ttl")
        .body(Full::default())
        .unwrap();

    let allowed = running.send(preflight).await;
    let mut request = push(&path, "");
    request.headers_mut().insert("origin", "https://app.example".parse().unwrap());
    let sent = running.send(request).await;

    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "*");
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert_eq!(allowed.headers()["access-control-allow-headers"], "authorization,content-encoding,ttl");
    assert_eq!(allowed.headers()["access-control-max-age"], "3600");
    assert_eq!(
        (sent.status(), &sent.headers()["access-control-allow-origin"]),
        (StatusCode::CREATED, &"*".parse().unwrap())
    );
    assert!(sent.headers()["access-control-expose-headers"].to_str().unwrap().contains("location"));
}

/// P-08: a message is read and withdrawn once.
#[tokio::test]
async fn message_resource_is_read_and_withdrawn() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"online": false})).await;
    let message = location(&running.send(push(&path, "four")).await);
    let request = |method: Method| {
        Request::builder()
            .method(method)
            .uri(&message)
            .header("host", "localhost")
            .body(Full::default())
            .unwrap()
    };

    let read = running.send(request(Method::GET)).await;
    let wrong = running.send(request(Method::POST)).await;
    let withdrawn = running.send(request(Method::DELETE)).await;
    let again = running.send(request(Method::DELETE)).await;
    let gone = running.send(request(Method::GET)).await;
    let gone_post = running.send(request(Method::POST)).await;

    assert_eq!((read.status(), read.body().as_ref()), (StatusCode::OK, &b"four"[..]));
    assert_eq!(
        (wrong.status(), &wrong.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"DELETE, GET, HEAD".parse().unwrap())
    );
    assert_eq!(withdrawn.status(), StatusCode::NO_CONTENT);
    for response in [again, gone, gone_post] {
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(only_message(&running).await["state"], "withdrawn");
}

#[tokio::test]
async fn one_connection_carries_many_messages() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({})).await;
    let mut http1 = Client::http1(running.connect().await).await;
    let mut http2 = Client::http2(running.connect().await).await;

    for _ in 0..50 {
        assert_eq!(http1.send(push(&path, "x")).await.status(), StatusCode::CREATED);
        assert_eq!(http2.send(push(&path, "x")).await.status(), StatusCode::CREATED);
    }
    // A refusal that has read its body leaves the connection as it is.
    let refused = http1
        .send(Request::post(&path).header("host", "localhost").body(Full::new("x".into())).unwrap())
        .await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(within(http1.send(push(&path, "x"))).await.status(), StatusCode::CREATED);
}
