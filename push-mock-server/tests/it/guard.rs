//! The guard on every route of the API, generated from the table that the API itself gives out (T37).

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_mock_server::{ApiToken, Config};
use serde_json::Value;

use crate::support::{Client, Running, json, start};

const TOKEN: &str = "a-token-for-tests";

/// Method and path of every route, with something in the place of each parameter.
async fn routes(running: &Running) -> Vec<(Method, String)> {
    let request = running.request(Method::GET, "/api/v1").header("authorization", format!("Bearer {TOKEN}"));
    let response = running.send(request.body(Full::default()).unwrap()).await;
    let listed = json(&response);
    let routes: Vec<_> = listed["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route.as_str().unwrap().split_once(' ').unwrap())
        .map(|(method, path)| {
            let path = path.replace("{id}", "x").replace("{name}", "x").replace("{*code}", "ttl/missing");
            (method.parse().unwrap(), path)
        })
        .chain([(Method::GET, "/metrics".to_owned()), (Method::GET, "/api/v1/no-such-route".to_owned())])
        .collect();
    assert!(routes.len() > 30, "{routes:?}");
    routes
}

/// One attempt: what is wrong with it, and the code that says so.
struct Attempt {
    host: &'static str,
    fields: &'static [(&'static str, &'static str)],
    code: &'static str,
}

const RIGHT: (&str, &str) = ("authorization", "Bearer a-token-for-tests");

const ATTEMPTS: &[Attempt] = &[
    Attempt { host: "rebound.example", fields: &[RIGHT], code: "api/unknown-host" },
    Attempt { host: "rebound.example:80", fields: &[RIGHT], code: "api/unknown-host" },
    Attempt { host: "localhost.evil.example", fields: &[RIGHT], code: "api/unknown-host" },
    Attempt { host: "10.0.0.1", fields: &[RIGHT], code: "api/unknown-host" },
    Attempt {
        host: "localhost",
        fields: &[RIGHT, ("origin", "https://evil.example")],
        code: "api/cross-site",
    },
    Attempt { host: "localhost", fields: &[RIGHT, ("origin", "null")], code: "api/cross-site" },
    Attempt { host: "localhost", fields: &[RIGHT, ("origin", "http://localhost:1")], code: "api/cross-site" },
    Attempt { host: "localhost", fields: &[RIGHT, ("sec-fetch-site", "cross-site")], code: "api/cross-site" },
    Attempt { host: "localhost", fields: &[], code: "api/unauthorized" },
    Attempt { host: "localhost", fields: &[("authorization", "Bearer wrong")], code: "api/unauthorized" },
    Attempt {
        host: "localhost",
        fields: &[("authorization", "Basic a-token-for-tests")],
        code: "api/unauthorized",
    },
];

#[tokio::test]
async fn every_route_refuses_foreign_hosts_origins_and_tokens() {
    let running = start(Config { token: Some(ApiToken::new(TOKEN)), ..Config::default() });
    let routes = routes(&running).await;
    let mut client = Client::http2(running.connect().await).await;

    for (method, path) in &routes {
        for attempt in ATTEMPTS {
            let request = Request::builder().method(method).uri(path).header("host", attempt.host);
            let request = request.header("content-type", "application/json");
            let request =
                attempt.fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));

            let response = client.send(request.body(Full::default()).unwrap()).await;

            let problem = json(&response);
            assert_eq!(
                problem["code"], attempt.code,
                "{method} {path} {} {:?}",
                attempt.host, attempt.fields
            );
            let status = match attempt.code {
                "api/unknown-host" => StatusCode::MISDIRECTED_REQUEST,
                "api/cross-site" => StatusCode::FORBIDDEN,
                _ => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(response.status(), status);
        }
    }
}

#[tokio::test]
async fn every_route_that_changes_something_refuses_what_a_form_can_send() {
    let running = start(Config { token: Some(ApiToken::new(TOKEN)), ..Config::default() });

    for (method, path) in routes(&running).await {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]
        {
            if method == Method::GET {
                continue;
            }
            let request = Request::builder()
                .method(&method)
                .uri(&path)
                .header("host", "localhost")
                .header(RIGHT.0, RIGHT.1);
            let request = if kind.is_empty() { request } else { request.header("content-type", kind) };

            let response = running.send(request.body(Full::new(Bytes::from("{}"))).unwrap()).await;

            assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{method} {path} {kind}");
            assert_eq!(json(&response)["code"], "api/content-type");
        }
    }
}

#[tokio::test]
async fn right_requests_pass_the_guard() {
    let running = start(Config { token: Some(ApiToken::new(TOKEN)), ..Config::default() });
    for host in ["localhost", "127.0.0.1:8030", "[::1]"] {
        let request = Request::get("/api/v1/info").header("host", host).header(RIGHT.0, RIGHT.1);
        let response = running.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK, "{host}");
        assert_eq!(response.headers().get("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn only_allowed_origins_get_cors() {
    let allow_origins = vec!["https://app.example".to_owned()];
    let running = start(Config { allow_origins, ..Config::default() });
    let preflight = |origin: &str| {
        Request::options("/api/v1/reset")
            .header("host", "localhost")
            .header("origin", origin)
            .body(Full::default())
            .unwrap()
    };

    let allowed = running.send(preflight("https://app.example")).await;
    let refused = running.send(preflight("https://other.example")).await;
    let request =
        Request::get("/api/v1/info").header("host", "localhost").header("origin", "https://app.example");
    let read = running.send(request.body(Full::default()).unwrap()).await;

    assert_eq!(allowed.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.headers().get("access-control-allow-origin"), None);
    assert_eq!((read.status(), &read.headers()["vary"]), (StatusCode::OK, &"Origin".parse().unwrap()));
}

/// T36: push resources need no token, everything that shows something does.
#[tokio::test]
async fn push_resources_and_health_need_no_token() {
    let running = start(Config { token: Some(ApiToken::new(TOKEN)), ..Config::default() });

    let sent = running.send(crate::support::push("/p/AAAA", "")).await;

    assert_eq!(sent.status(), StatusCode::NOT_FOUND);
    for path in ["/livez", "/readyz", "/", "/help"] {
        assert_eq!(running.get(path).await.status(), StatusCode::OK, "{path}");
    }
}

/// T48: the certificate is public, no key is.
#[tokio::test]
async fn keys_are_shown_only_when_asked_for() {
    let running = start(Config::default());

    let (_, plain) = running.call(Method::GET, "/keys", Value::Null).await;
    let (_, secret) = running.call(Method::GET, "/keys?secrets=1", Value::Null).await;
    let (_, info) = running.call(Method::GET, "/info", Value::Null).await;

    assert_eq!(plain.get("privateKey"), None);
    assert_eq!(plain["publicKey"], info["vapidPublicKey"]);
    assert_eq!(secret["privateKey"].as_str().unwrap().len(), 43);
    assert!(info["caPem"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(!info.to_string().contains("PRIVATE"));
    assert_eq!(info["spki"].as_str().unwrap().len(), 44);
}
