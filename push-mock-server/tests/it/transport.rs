//! The front door: what is spoken there, how it begins, how it ends.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_mock_server::{Config, Server, StartError, TlsSource};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Client, PATIENCE, read_to_end, start, status, tls, trusting, within};

fn livez() -> Request<Full<Bytes>> {
    Request::get("/livez").header("host", "localhost").body(Full::default()).unwrap()
}

#[tokio::test]
async fn one_port_speaks_http1_http2_and_tls() {
    let running = start(Config::default());

    let plain1 = Client::http1(running.connect().await).await.send(livez()).await;
    let plain2 = Client::http2(running.connect().await).await.send(livez()).await;
    let tls1 = Client::http1(tls(&running, "localhost", &["http/1.1"]).await).await.send(livez()).await;
    let tls2 = Client::http2(tls(&running, "localhost", &["h2"]).await).await.send(livez()).await;

    for response in [plain1, plain2, tls1, tls2] {
        assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"ok\n"[..]));
    }
    running.stop().await;
}

#[tokio::test]
async fn tls_without_alpn_speaks_either_by_its_first_octets() {
    let running = start(Config::default());

    let first = Client::http1(tls(&running, "localhost", &[]).await).await.send(livez()).await;
    let second = Client::http2(tls(&running, "localhost", &[]).await).await.send(livez()).await;

    assert_eq!((first.status(), second.status()), (StatusCode::OK, StatusCode::OK));
}

/// UA-013, PS-095: the settings that a client sees are those of the limits.
#[tokio::test]
async fn http2_settings_say_how_many_streams_there_are() {
    let running = start(Config::default());
    let mut stream = running.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();

    let mut header = [0; 9];
    within(stream.read_exact(&mut header)).await.unwrap();
    let mut payload = vec![0; usize::from(header[2])];
    within(stream.read_exact(&mut payload)).await.unwrap();

    assert_eq!(header[3], 4, "SETTINGS come first");
    let setting = |id: u8| {
        payload
            .chunks(6)
            .find(|setting| setting[1] == id)
            .map(|setting| u32::from_be_bytes(setting[2..].try_into().unwrap()))
    };
    assert_eq!(setting(3), Some(128), "MAX_CONCURRENT_STREAMS");
    assert_eq!(
        setting(6),
        Some(16 * 1024 + 1),
        "MAX_HEADER_LIST_SIZE, which h2 takes for the first size refused"
    );
    assert_eq!(setting(4), Some(64 * 1024), "INITIAL_WINDOW_SIZE");
    assert_eq!(setting(8), None, "no extended CONNECT");
}

#[tokio::test]
async fn both_loopback_addresses_are_served_on_one_port() {
    let listen = vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let server = Server::bind(Config { listen, ..Config::default() }).unwrap();
    let addresses = server.addresses().to_vec();
    let port = addresses[0].port();
    assert_eq!(server.url().to_string(), format!("http://localhost:{port}"));
    let task = tokio::spawn(server.run(std::future::pending()));

    for address in addresses {
        assert_eq!(address.port(), port);
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        assert_eq!(Client::http1(stream).await.send(livez()).await.status(), StatusCode::OK);
    }
    task.abort();
}

#[tokio::test]
async fn address_in_use_is_an_error_that_says_so() {
    let running = start(Config::default());

    let error = Server::bind(Config { listen: vec![running.address], ..Config::default() }).unwrap_err();

    assert!(matches!(error, StartError::Bind { .. }));
    assert!(error.to_string().contains("already in use"), "{error}");
}

/// P-01, T36: nothing is exposed by accident.
#[tokio::test]
async fn address_beyond_loopback_needs_a_token() {
    let error =
        Server::bind(Config { listen: vec!["0.0.0.0:0".parse().unwrap()], ..Config::default() }).unwrap_err();

    assert!(matches!(error, StartError::Config(_)), "{error}");
}

/// T47: the service is no proxy.
#[cfg(not(feature = "browsers"))]
#[tokio::test]
async fn connect_is_refused_for_every_target() {
    let running = start(Config::default());

    for target in
        ["127.0.0.1:22", "169.254.169.254:80", "[::1]:443", "fcm.googleapis.com:443", "example.com:443"]
    {
        let answer = crate::support::raw(
            &running,
            format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .await;
        assert_eq!(status(&answer), "403", "{answer}");
        assert!(answer.contains("api/proxy-target"), "{answer}");
    }
}

#[tokio::test]
async fn unknown_paths_are_explained() {
    let running = start(Config::default());

    let response = running.get("/favicon.ico").await;

    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem = crate::support::json(&response);
    assert_eq!(problem["code"], "api/not-found");
    assert!(problem["fix"].as_str().unwrap().contains("/api/v1"));
}

#[tokio::test]
async fn pages_beside_the_api_answer() {
    let running = start(Config::default());

    for (path, contains) in [
        ("/", format!("{}/p/", running.url).as_str()),
        ("/livez", "ok"),
        ("/readyz", "ready"),
        ("/metrics", "push_connections_accepted_total"),
        ("/help", "# Findings"),
        ("/help/api/not-met", "report"),
    ] {
        let response = running.get(path).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status(), StatusCode::OK, "{path}: {text}");
        assert!(text.contains(contains), "{path}: {text}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
    let wrong = running.send(running.request(Method::POST, "/livez").body(Full::default()).unwrap()).await;
    assert_eq!(
        (wrong.status(), &wrong.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn every_rule_has_its_help_page() {
    let running = start(Config::default());

    for rule in push_mock_server::service::inspect::rules::catalogue() {
        let response = running.get(&format!("/help/{}", rule.code)).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", rule.code);
        assert!(String::from_utf8_lossy(response.body()).contains(rule.code));
    }
    assert_eq!(running.get("/help/no/such-code").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn stop_answers_what_is_in_flight_and_closes_what_is_idle() {
    let mut running = start(Config::default());
    let mut idle = running.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut octets = [0; 1024];
    assert!(within(idle.read(&mut octets)).await.unwrap() > 0);
    let mut busy = running.connect().await;
    busy.write_all(b"POST /p/x HTTP/1.1\r\nhost: localhost\r\nttl: 1\r\ncontent-length: 2\r\n\r\na")
        .await
        .unwrap();
    // Whoever is answered has been accepted, and connections are accepted in their order.
    running.get("/livez").await;

    running.tell_to_stop();
    let rest = read_to_end(&mut idle).await;
    busy.write_all(b"b").await.unwrap();
    let answer = read_to_end(&mut busy).await;

    assert_eq!(rest, "");
    assert!(!status(&answer).is_empty(), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn stop_does_not_wait_longer_than_it_promises() {
    let mut running = start(Config::default());
    let mut stuck = running.connect().await;
    stuck
        .write_all(b"POST /p/x HTTP/1.1\r\nhost: localhost\r\nttl: 1\r\ncontent-length: 2\r\n\r\na")
        .await
        .unwrap();
    running.get("/livez").await;
    let start = tokio::time::Instant::now();

    running.tell_to_stop();
    read_to_end(&mut stuck).await;
    running.stop().await;

    assert!(start.elapsed() >= Duration::from_secs(4) && start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn tls_can_be_off() {
    let running = start(Config { tls: TlsSource::Off, ..Config::default() });
    assert_eq!(running.get("/livez").await.status(), StatusCode::OK);

    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let handshake = trusting("", &[]).connect(name, running.connect().await);

    assert!(within(handshake).await.is_err());
}
