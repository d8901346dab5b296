use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::*;
use crate::{
    limits::Limits,
    wire::listener::{Door, Duplex, Respond, bind},
};

/// Nothing but a proxy.
struct Proxy(Interception);

impl Respond for Proxy {
    async fn respond(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        respond(&self.0, request, peer).await
    }

    async fn converse(self: Arc<Self>, _: Box<dyn Duplex>, _: Peer, _: watch::Receiver<bool>) {}
}

/// A proxy on a free port that lets through to what is permitted.
fn start(is_permitted: fn(IpAddr) -> bool) -> (SocketAddr, watch::Sender<bool>, JoinHandle<()>) {
    let config = Config { intercept: Intercept::Pass, ..Config::default() };
    let proxy = Proxy(Interception { is_permitted, ..Interception::new(&config) });
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let door = Door {
        respond: Arc::new(proxy),
        tls: None,
        allow_clear_text: false,
        limits: Limits::default(),
        counters: Arc::default(),
    };
    let (stop, stopped) = watch::channel(false);
    (address, stop, tokio::spawn(door.run(vec![listener], stopped)))
}

async fn connect(proxy: SocketAddr, target: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

async fn head(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(octets).unwrap()
}

#[tokio::test]
async fn pass_lets_octets_through_until_the_service_stops() {
    let (proxy, stop, running) = start(|_| true);
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = connect(proxy, target.local_addr().unwrap()).await;
    let (mut server, _) = target.accept().await.unwrap();
    let answer = head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    let mut octets = [0; 4];
    client.write_all(b"ping").await.unwrap();
    server.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"ping");
    server.write_all(b"pong").await.unwrap();
    client.read_exact(&mut octets).await.unwrap();
    assert_eq!(&octets, b"pong");

    stop.send_replace(true);
    assert_eq!(client.read(&mut octets).await.unwrap(), 0);
    assert_eq!(server.read(&mut octets).await.unwrap(), 0);
    running.await.unwrap();
}

#[tokio::test]
async fn pass_says_why_a_target_is_not_reached() {
    let (proxy, _stop, running) = start(|_| true);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();

    let mut client = connect(proxy, closed).await;

    let answer = head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let mut body = vec![0; 1024];
    let read = client.read(&mut body).await.unwrap();
    let body = String::from_utf8_lossy(&body[..read]).into_owned();
    assert!(body.contains("api/proxy-unreachable") && body.contains(&closed.to_string()), "{body}");
    running.abort();
}

/// T47: the same target, with the addresses that the service permits.
#[tokio::test]
async fn pass_does_not_connect_to_this_machine() {
    let (proxy, _stop, running) = start(addresses::is_public);
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = target.local_addr().unwrap();

    let mut client = connect(proxy, address).await;
    assert!(head(&mut client).await.starts_with("HTTP/1.1 403 "));

    // Connections are accepted in their order: the first one is that of the test itself.
    let own = TcpStream::connect(address).await.unwrap();
    let (_, from) = target.accept().await.unwrap();
    assert_eq!(from, own.local_addr().unwrap());
    running.abort();
}

/// Nothing is looked up, let alone connected to: the address would be refused in other words.
#[tokio::test]
async fn pass_refuses_http2_before_it_looks_a_target_up() {
    let (proxy, _stop, running) = start(|_| false);
    let stream = TcpStream::connect(proxy).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let driven = tokio::spawn(connection);

    let request = Request::connect("127.0.0.1:1").body(empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert!(body.contains(Refusal::Http2.text().0), "{body}");
    driven.abort();
    running.abort();
}
