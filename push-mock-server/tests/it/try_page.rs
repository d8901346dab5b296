//! `/try` over real sockets: its files, its policy, and who may tell what. What a browser does with it is tested
//! with browsers.

use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use push_mock_server::{ApiToken, Config, Limits};
use serde_json::{Value, json};

use crate::support::{Running, json as read, start};

const KEYS: &str = r#"{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}"#;

async fn post(running: &Running, path: &str, body: Value, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut request = running.request(Method::POST, path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = running.send(request.body(Full::new(Bytes::from(body.to_string()))).unwrap()).await;
    (response.status(), read(&response))
}

fn subscription(endpoint: &str) -> Value {
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    json!({"endpoint": endpoint, "expirationTime": null, "keys": keys})
}

#[tokio::test]
async fn every_file_has_its_type_and_the_policy() {
    let running = start(Config::default());

    for (path, kind) in [
        ("/try", "text/html; charset=utf-8"),
        ("/try?auto&space=t1", "text/html; charset=utf-8"),
        ("/try/page.js", "text/javascript; charset=utf-8"),
        ("/try/worker.js", "text/javascript; charset=utf-8"),
        ("/try/style.css", "text/css; charset=utf-8"),
        ("/try/mark.svg", "image/svg+xml"),
    ] {
        let response = running.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], kind, "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let is_worker = response.headers().contains_key("service-worker-allowed");
        assert_eq!(is_worker, path == "/try/worker.js", "{path}");
    }
    assert_eq!(running.get("/try/other.js").await.status(), StatusCode::NOT_FOUND);
}

/// Invariant 29: no inline script or style, no foreign origin.
#[tokio::test]
async fn the_page_has_nothing_inline_and_nothing_foreign() {
    let running = start(Config::default());

    let page = String::from_utf8(running.get("/try").await.body().to_vec()).unwrap();
    assert!(!page.contains("style=") && !page.contains("onclick") && !page.contains("<style"), "{page}");
    assert_eq!(page.matches("<script").count(), page.matches("<script type=\"module\" src=\"/try/").count());
    for path in ["/try", "/try/page.js", "/try/worker.js", "/try/style.css"] {
        let text = String::from_utf8(running.get(path).await.body().to_vec()).unwrap();
        let foreign = text.match_indices("https://").count();
        assert_eq!(foreign, 0, "{path}");
    }
}

#[tokio::test]
async fn the_page_is_given_the_key_and_fresh_data() {
    let running = start(Config::default());

    let config = read(&running.get("/try/config?space=t1").await);
    let (_, info) = running.call(Method::GET, "/info", Value::Null).await;
    assert_eq!(config["vapidPublicKey"], info["vapidPublicKey"]);
    assert_eq!(config["space"], "t1");
    assert_eq!(running.get("/try/config?space=a%20b").await.status(), StatusCode::BAD_REQUEST);
    let fresh = running.get("/try/fresh").await;
    assert_eq!(fresh.headers()["cache-control"], "no-store");
    assert!(read(&fresh)["body"].as_str().unwrap().starts_with("fetched at "));
}

/// T37, T52: no token is asked for, but a known host, no foreign page, and JSON.
#[tokio::test]
async fn only_its_own_pages_may_tell_something() {
    let running = start(Config { token: Some(ApiToken::new("t")), ..Config::default() });
    let body = || json!({"endpoint": "http://localhost/p/x", "data": null});
    let code =
        |answer: (StatusCode, Value)| (answer.0.as_u16(), answer.1["code"].as_str().unwrap().to_owned());

    let foreign = post(&running, "/try/report", body(), &[("origin", "https://evil.example")]).await;
    assert_eq!(code(foreign), (403, "api/cross-site".to_owned()));
    let other_port = post(&running, "/try/report", body(), &[("origin", "http://localhost:1")]).await;
    assert_eq!(code(other_port), (403, "api/cross-site".to_owned()));
    let site = post(&running, "/try/subscription", body(), &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(code(site), (403, "api/cross-site".to_owned()));
    let own = running.url.clone();
    let known = post(&running, "/try/report", body(), &[("origin", own.as_str())]).await;
    assert_eq!(code(known), (404, "api/not-found".to_owned()));

    let form = running.request(Method::POST, "/try/report");
    let form = form.header("content-type", "text/plain");
    let mut form = form.body(Full::new(Bytes::from_static(b"{}"))).unwrap();
    form.headers_mut().remove("content-type");
    assert_eq!(running.send(form).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let rebound = http::Request::get("/try").header("host", "rebound.example").body(Full::default()).unwrap();
    assert_eq!(running.send(rebound).await.status(), StatusCode::MISDIRECTED_REQUEST);
    let wrong = running.request(Method::DELETE, "/try/report").body(Full::default()).unwrap();
    assert_eq!(running.send(wrong).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_told_has_to_be_of_a_browser_here() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;

    // A simulated user agent has no page, so nothing can be told of it.
    for endpoint in
        [format!("{}{path}", running.url), "https://fcm.googleapis.com/fcm/send/x:APA91bx".to_owned()]
    {
        let (status, problem) = post(&running, "/try/subscription", subscription(&endpoint), &[]).await;
        assert_eq!((status.as_u16(), &problem["code"]), (404, &"api/not-found".into()), "{endpoint}");
    }
    let bad = |body: Value| post(&running, "/try/report", body, &[]);
    let (status, problem) = bad(json!({"endpoint": "http://localhost/p/x", "data": "%"})).await;
    assert_eq!((status.as_u16(), &problem["pointer"]), (400, &"/data".into()));
    let (status, problem) = bad(json!({"endpoint": "http://localhost/p/x", "datum": "x"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &"api/bad-field".into()));
    let keyless = json!({"endpoint": "http://localhost/p/x"});
    let (status, problem) = post(&running, "/try/subscription", keyless, &[]).await;
    assert_eq!((status.as_u16(), &problem["pointer"]), (400, &"/keys".into()));
}

/// A body of the largest size in base64, and 16 KiB.
#[tokio::test]
async fn a_report_has_its_limit() {
    let large = Limits { body_octets: 60_000, ..Limits::default() };
    for (limits, most) in [(Limits::default(), 5464 + 16_384), (large, 80_000 + 16_384)] {
        let running = start(Config { limits, ..Config::default() });
        let with = |octets: usize| {
            let body = json!({"endpoint": "http://localhost/p/x", "title": ""}).to_string();
            body.replace("\"title\":\"\"", &format!("\"title\":\"{}\"", "x".repeat(octets - body.len())))
        };
        let send = |body: String| {
            let request = running.request(Method::POST, "/try/report");
            running.send(request.body(Full::new(Bytes::from(body))).unwrap())
        };

        assert_eq!(send(with(most)).await.status(), StatusCode::NOT_FOUND, "{most}");
        assert_eq!(send(with(most + 1)).await.status(), StatusCode::PAYLOAD_TOO_LARGE, "{most}");
    }
}

#[tokio::test]
async fn the_api_says_what_a_browser_is_started_with() {
    let running = start(Config::default());
    let get = async |path: &str| running.call(Method::GET, &format!("/browsers/{path}"), Value::Null).await;

    let (status, firefox) = get("firefox?space=t1&label=fx&headless=1").await;
    assert_eq!(status, StatusCode::OK, "{firefox}");
    let wired = format!("ws://localhost:{}/ua/firefox/t1?label=fx", running.address.port());
    assert_eq!(firefox["prefs"]["dom.push.serverURL"], wired);
    let (_, chromium) = get("chromium?root=0").await;
    let (_, info) = running.call(Method::GET, "/info", Value::Null).await;
    let trusted = format!("--ignore-certificate-errors-spki-list={}", info["spki"].as_str().unwrap());
    let args: Vec<_> = chromium["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(args.contains(&trusted.as_str()) && !args.contains(&"--no-sandbox"), "{args:?}");
    let (_, as_root) = get("chromium?root=1").await;
    assert!(as_root["args"].as_array().unwrap().contains(&"--no-sandbox".into()));
    assert_eq!(get("safari").await.0, StatusCode::NOT_FOUND);
    let too_long = get(&format!("firefox?label={}", "x".repeat(65))).await;
    assert_eq!(too_long.0, StatusCode::BAD_REQUEST);

    let without = start(Config { tls: push_mock_server::TlsSource::Off, ..Config::default() });
    let (status, problem) = without.call(Method::GET, "/browsers/chromium", Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("speaks no TLS"), "{problem}");
}
