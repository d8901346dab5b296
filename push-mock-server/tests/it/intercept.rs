//! The service as a proxy: which `CONNECT` ends here, what is served inside, and that nothing else gets anywhere.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use push_mock_server::{Config, Intercept, Limits, Server, StartError, TlsSource};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{Client, Running, impatient, raw, start, status, tls, tls_over, trusting, within};

fn connect_request(target: &str) -> String {
    format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n")
}

/// The octets behind a `CONNECT` that was taken.
async fn through(running: &Running, target: &str) -> TcpStream {
    let mut stream = running.connect().await;
    stream.write_all(connect_request(target).as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    assert_eq!(status(&answer), "200", "{target}: {answer}");
    stream
}

/// The answer to a `CONNECT` after which the connection ends.
async fn refusal(running: &Running, target: &str) -> String {
    let request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n");
    raw(running, request.as_bytes()).await
}

async fn head(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(within(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(octets).unwrap()
}

fn get(host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", host).body(Full::default()).unwrap()
}

/// A subscription, and the path that a vendor's push resource for it has.
async fn vendors_path(running: &Running, label: &str) -> String {
    let (path, _) = running.subscribe(json!({ "label": label })).await;
    path.replace("/p/", "/fcm/send/cQd3x_aBcDe:APA91b")
}

/// The only message for this label.
async fn message(running: &Running, label: &str) -> Value {
    let (status, list) = running.call(Method::GET, &format!("/messages?q=to:{label}"), Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    list["items"][0].clone()
}

fn tickle(host: &str, path: &str) -> Request<Full<Bytes>> {
    Request::post(path).header("host", host).header("ttl", "60").body(Full::default()).unwrap()
}

/// A sender with a proxy setting reaches the service under the vendor's own name, over either version of HTTP.
#[tokio::test]
async fn a_sender_reaches_the_service_under_the_vendors_name() {
    let running = start(Config::default());
    for (label, alpn, version) in [("one", "http/1.1", "1.1"), ("two", "h2", "2")] {
        let path = vendors_path(&running, label).await;
        let stream = through(&running, "fcm.googleapis.com:443").await;
        let stream = tls_over(&running, stream, "fcm.googleapis.com", &[alpn]).await;
        let mut client = if alpn == "h2" { Client::http2(stream).await } else { Client::http1(stream).await };

        let answer = client.send(tickle("fcm.googleapis.com", &path)).await;

        assert_eq!(answer.status(), StatusCode::CREATED, "{answer:?}");
        let message = message(&running, label).await;
        assert_eq!(message["request"]["via"], "intercept", "{message}");
        assert_eq!(message["request"]["httpVersion"], version);
        let host = message["request"]["headers"]
            .as_array()
            .and_then(|fields| fields.iter().find(|field| field[0] == "host"))
            .map(|field| field[1].clone());
        assert!(host.is_none_or(|host| host == "fcm.googleapis.com"), "{message}");
    }
}

/// The same without a proxy, when the sender is led to the port by other means.
#[tokio::test]
async fn a_vendors_path_without_a_proxy_is_an_alias() {
    let running = start(Config::default());
    let path = vendors_path(&running, "alias").await;
    let mut client = Client::http1(tls(&running, "jmt17.google.com", &["http/1.1"]).await).await;

    let answer = client.send(tickle("jmt17.google.com", &path)).await;

    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(message(&running, "alias").await["request"]["via"], "alias");
}

#[tokio::test]
async fn hosts_that_are_named_are_intercepted_too() {
    let hosts = vec!["Push.Example.org".to_owned()];
    let running = start(Config { intercept_hosts: hosts, ..Config::default() });
    let (path, _) = running.subscribe(json!({ "label": "own" })).await;
    let stream = through(&running, "push.example.org:443").await;
    let mut client = Client::http1(tls_over(&running, stream, "push.example.org", &["http/1.1"]).await).await;

    assert_eq!(client.send(tickle("push.example.org", &path)).await.status(), StatusCode::CREATED);
    assert_eq!(message(&running, "own").await["request"]["via"], "intercept");
}

/// Where nothing must arrive.
struct Canary {
    addresses: Vec<SocketAddr>,
    connects: Arc<AtomicUsize>,
}

impl Canary {
    /// Listens on both loopback addresses, on one port.
    async fn start() -> Self {
        let listeners = loop {
            let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = first.local_addr().unwrap().port();
            match TcpListener::bind(("::1", port)).await {
                Ok(second) => break vec![first, second],
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                // A machine without IPv6.
                Err(_) => break vec![first],
            }
        };
        let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        let connects = Arc::new(AtomicUsize::new(0));
        for listener in listeners {
            let connects = Arc::clone(&connects);
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connects.fetch_add(1, Relaxed);
                    drop(stream);
                }
            });
        }
        Self { addresses, connects }
    }

    fn port(&self) -> String {
        self.addresses[0].port().to_string()
    }

    /// How many came, after one that is known to come: connections are accepted in their order.
    async fn connects(&self) -> usize {
        for address in &self.addresses {
            let mut stream = TcpStream::connect(address).await.unwrap();
            assert_eq!(within(stream.read(&mut [0; 1])).await.unwrap_or_default(), 0);
        }
        self.connects.load(Relaxed) - self.addresses.len()
    }
}

/// Forms of addresses that lead to this machine or to one that is special; `{}` is the port of the canary.
const ADDRESSES: [&str; 42] = [
    "127.0.0.1:{}",
    "127.0.0.2:{}",
    "127.1:{}",
    "127.0.1:{}",
    "0x7f000001:{}",
    "0x7f.0.0.1:{}",
    "0177.0.0.1:{}",
    "2130706433:{}",
    "0.0.0.0:{}",
    "0:{}",
    "localhost:{}",
    "LOCALHOST:{}",
    "[::1]:{}",
    "[0:0:0:0:0:0:0:1]:{}",
    "[0000:0000:0000:0000:0000:0000:0000:0001]:{}",
    "[::]:{}",
    "[::ffff:127.0.0.1]:{}",
    "[::ffff:7f00:1]:{}",
    "[::127.0.0.1]:{}",
    "[::ffff:0:127.0.0.1]:{}",
    "[64:ff9b::127.0.0.1]:{}",
    "[64:ff9b:1::7f00:1]:{}",
    "[2002:7f00:1::]:{}",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]:{}",
    "[2a00:1450::5efe:127.0.0.1]:{}",
    "[fe80::1]:{}",
    "[fc00::1]:{}",
    "[fd00:ec2::254]:80",
    "[ff02::1]:{}",
    "[2001:db8::1]:{}",
    "127.0.0.1:22",
    "127.0.0.1:25",
    "169.254.169.254:80",
    "10.0.0.1:443",
    "172.16.0.1:443",
    "192.168.0.1:443",
    "100.64.0.1:443",
    "192.0.2.1:443",
    "198.18.0.1:443",
    "224.0.0.1:443",
    "255.255.255.255:443",
    "240.0.0.1:443",
];

/// Names and forms that are no push host on its port.
const NAMES: [&str; 18] = [
    "example.com:443",
    "example.com:80",
    "fcm.googleapis.com:80",
    "fcm.googleapis.com:5228",
    "fcm.googleapis.com:{}",
    "mtalk.google.com:5229",
    "mtalk.google.com:22",
    "fcm.googleapis.com.:443",
    "evilfcm.googleapis.com:443",
    "a.fcm.googleapis.com:443",
    "fcm.googleapis.com.evil.example:443",
    "googleapis.com:443",
    "google.com:443",
    "push.apple.com:443",
    "notify.windows.com:443",
    "x@fcm.googleapis.com:443",
    "127.0.0.1:{}@fcm.googleapis.com:443",
    "fcm.googleapis.com:0",
];

/// T47: sixty targets, none of which is reached, whatever the setting.
#[tokio::test]
async fn nothing_is_passed_on() {
    let canary = Canary::start().await;
    let targets = || ADDRESSES.iter().chain(&NAMES).map(|target| target.replace("{}", &canary.port()));
    assert_eq!(targets().count(), 60);
    for mode in [Intercept::On, Intercept::Off] {
        let running = start(Config { intercept: mode, ..Config::default() });
        for target in targets() {
            let answer = refusal(&running, &target).await;
            // A target of a broken form is refused by the parser.
            let is_broken = target.matches('@').count() > 0 && target.matches(':').count() > 1;
            assert!(
                status(&answer) == "403" || (is_broken && status(&answer) == "400"),
                "{target}: {answer}"
            );
            assert!(is_broken || answer.contains("api/proxy-target"), "{target}: {answer}");
        }
    }
    // Names are left out where they would be looked up.
    let running = start(Config { intercept: Intercept::Pass, ..Config::default() });
    for target in ADDRESSES.map(|target| target.replace("{}", &canary.port())) {
        let answer = refusal(&running, &target).await;
        // Some forms are addresses for one name service and unknown names for another.
        assert!(matches!(status(&answer), "403" | "502"), "{target}: {answer}");
        assert!(answer.contains("api/proxy-"), "{target}: {answer}");
    }

    assert_eq!(canary.connects().await, 0);
}

#[tokio::test]
async fn off_refuses_the_vendors_too() {
    let running = start(Config { intercept: Intercept::Off, ..Config::default() });

    let answer = refusal(&running, "fcm.googleapis.com:443").await;

    assert_eq!(status(&answer), "403");
    assert!(answer.contains("--intercept off"), "{answer}");
}

#[tokio::test]
async fn without_tls_nothing_can_be_intercepted() {
    let running = start(Config { tls: TlsSource::Off, ..Config::default() });

    let answer = refusal(&running, "fcm.googleapis.com:443").await;

    assert_eq!(status(&answer), "403");
    assert!(answer.contains("speaks no TLS"), "{answer}");
}

/// T47: no second `CONNECT` inside of one, in clear text and in TLS; none over HTTP/2.
#[tokio::test]
async fn there_is_no_connect_inside_of_a_connect() {
    let running = start(Config { intercept: Intercept::Pass, ..Config::default() });
    let request = connect_request("fcm.googleapis.com:443");

    let mut clear = through(&running, "fcm.googleapis.com:443").await;
    clear.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status(&head(&mut clear).await), "403");

    let stream = through(&running, "fcm.googleapis.com:443").await;
    let mut inside = tls_over(&running, stream, "fcm.googleapis.com", &["http/1.1"]).await;
    inside.write_all(request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    within(inside.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("inside of it"), "{answer}");

    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        hyper_util::rt::TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(running.connect().await),
    )
    .await
    .unwrap();
    tokio::spawn(connection);
    let request = Request::connect("fcm.googleapis.com:443").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(within(sender.send_request(request)).await.unwrap().status(), StatusCode::FORBIDDEN);
}

/// T48: a name that the authority may not speak for gets the local certificate, inside as outside.
#[tokio::test]
async fn a_foreign_name_inside_gets_no_certificate_that_verifies() {
    let running = start(Config::default());
    let stream = through(&running, "fcm.googleapis.com:443").await;
    let name = rustls::pki_types::ServerName::try_from("example.com").unwrap();

    assert!(within(trusting(&running.ca_pem, &[]).connect(name, stream)).await.is_err());
}

/// Hosts of vendors and one that is named; each is also allowed as a host, which must not help.
const HOSTS: [&str; 10] = [
    "fcm.googleapis.com",
    "jmt17.google.com",
    "android.clients.google.com",
    "mtalk.google.com",
    "updates.push.services.mozilla.com",
    "push.services.mozilla.com",
    "web.push.apple.com",
    "api.push.apple.com",
    "wns2-par02p.notify.windows.com",
    "fcm.googleapis.com.",
];
const OURS: [&str; 10] = [
    "/",
    "/api",
    "/api/v1/info",
    "/api/v1/messages",
    "/api/v1/no-such-route",
    "/help",
    "/help/ttl/missing",
    "/livez",
    "/metrics",
    "/try",
];

/// T54: the API and the pages are never answered under the name of a vendor, and push resources always are.
#[tokio::test]
async fn only_push_resources_have_the_vendors_names() {
    let allow_hosts = HOSTS.map(str::to_owned).to_vec();
    let running = start(Config { allow_hosts, ..Config::default() });
    let path = vendors_path(&running, "t54").await;
    let mut direct = Client::http1(running.connect().await).await;
    let stream = through(&running, "fcm.googleapis.com:443").await;
    let mut inside = Client::http2(tls_over(&running, stream, "fcm.googleapis.com", &["h2"]).await).await;

    for host in HOSTS {
        for client in [&mut direct, &mut inside] {
            for ours in OURS {
                let answer = client.send(get(host, ours)).await;
                assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{host}{ours}");
                assert_eq!(crate::support::json(&answer)["code"], "api/unknown-host");
            }
            for theirs in ["/checkin", "/c2dm/register3", "/m/x", "/p/x", "/fcm/send/x", "/wpush/v2/x"] {
                let answer = client.send(tickle(host, theirs)).await;
                assert_ne!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{host}{theirs}");
            }
            assert_eq!(client.send(tickle(host, &path)).await.status(), StatusCode::CREATED, "{host}");
        }
    }
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        for ours in OURS {
            // A name of our own does not help inside of a CONNECT.
            let answer = inside.send(get(host, ours)).await;
            assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{host}{ours} inside");
            let answer = direct.send(get(host, ours)).await;
            assert_ne!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{host}{ours}");
        }
    }
}

/// T50: any first octet inside of TLS without ALPN, and inside of a `CONNECT`, then garbage or silence.
#[tokio::test]
async fn every_first_octet_inside_is_let_go() {
    let limits = Limits { mcs_login: Duration::from_secs(1), ..impatient() };
    let running = Arc::new(start(Config { limits, ..Config::default() }));
    let mut peers = JoinSet::new();
    for first in 0..=u8::MAX {
        for garbage in [0, 512_u32] {
            let running = Arc::clone(&running);
            peers.spawn(async move {
                let octets: Vec<u8> = std::iter::once(first)
                    .chain((0..garbage).map(|at| (at * 167 + u32::from(first)).to_le_bytes()[0]))
                    .collect();
                let mut clear = through(&running, "mtalk.google.com:5228").await;
                let _ = clear.write_all(&octets).await;
                let _ = within(clear.read_to_end(&mut Vec::new())).await;
                let stream = through(&running, "mtalk.google.com:5228").await;
                let mut inside = tls_over(&running, stream, "mtalk.google.com", &[]).await;
                let _ = inside.write_all(&octets).await;
                let _ = within(inside.read_to_end(&mut Vec::new())).await;
            });
        }
    }
    while let Some(peer) = peers.join_next().await {
        peer.unwrap();
    }

    let metrics = running.get("/metrics").await;
    let text = String::from_utf8_lossy(metrics.body()).into_owned();
    assert!(text.contains("push_connections_panicked_total 0"), "{text}");
}

/// Firefox with the service as its proxy: its push connection is found under the vendor's name, and ends with the
/// service's own word for going away.
#[tokio::test]
async fn a_push_connection_of_firefox_is_taken_inside() {
    let running = start(Config::default());
    let stream = through(&running, "push.services.mozilla.com:443").await;
    let mut inside = tls_over(&running, stream, "push.services.mozilla.com", &["http/1.1"]).await;
    let handshake = "GET / HTTP/1.1\r\nhost: push.services.mozilla.com\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                     sec-websocket-protocol: push-notification\r\n\r\n";
    inside.write_all(handshake.as_bytes()).await.unwrap();
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(within(inside.read_u8()).await.unwrap());
    }
    let answer = String::from_utf8(octets).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 101 ") && answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "{answer}"
    );

    let stopping = tokio::spawn(running.stop());
    let mut close = [0; 4];
    within(inside.read_exact(&mut close)).await.unwrap();
    assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1001));
    drop(inside);
    stopping.await.unwrap();
}

/// What is intercepted ends like every other connection.
#[tokio::test]
async fn stop_closes_what_is_idle_inside() {
    let running = start(Config::default());
    let stream = through(&running, "fcm.googleapis.com:443").await;
    let mut inside = tls_over(&running, stream, "fcm.googleapis.com", &["http/1.1"]).await;
    inside.write_all(b"POST /p/x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(within(inside.read(&mut [0; 4096])).await.unwrap() > 0);

    running.stop().await;

    let _ = within(inside.read_to_end(&mut Vec::new())).await;
}

#[test]
fn a_host_that_cannot_be_intercepted_is_named_with_what_to_do() {
    for (host, why) in
        [("*.example.org", "give every name"), ("10.0.0.1", "give the name that the endpoints have")]
    {
        let config = Config { intercept_hosts: vec![host.to_owned()], ..Config::default() };
        let error = Server::bind(config).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, StartError::Config(_)) && text.contains(host) && text.contains(why),
            "{text}"
        );
    }
}

/// T48: a new name makes a new authority, the same names keep it.
#[tokio::test]
async fn a_new_name_makes_a_new_authority() {
    let directory = tempfile::tempdir().unwrap();
    let ca = |hosts: &[&str]| {
        let config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            tls: TlsSource::Authority { directory: Some(directory.path().join("ca")) },
            intercept_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..Config::default()
        };
        Server::bind(config).unwrap().ca_pem().unwrap().to_owned()
    };

    let without = ca(&[]);
    let with = ca(&["push.example.org"]);

    assert_ne!(without, with);
    assert_eq!(ca(&["push.example.org"]), with);
}
