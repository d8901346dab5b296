//! Proxies, chosen addresses, several addresses of a name, and what is reported when nothing can be reached.

use std::net::SocketAddr;

use push_client::{
    Outcome, PushMessage, Ttl,
    outcome::UnsentReason,
    transport::{Phase, Problem, Resolve},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::support::{Kind, Peer, Raw, local, raw_peer, without_keys};

fn unreachable(outcome: Outcome) -> (Phase, Problem) {
    match outcome {
        Outcome::Unsent(unsent) => match unsent.reason {
            UnsentReason::Unreachable { phase, problem } => (phase, problem),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Answers `CONNECT` with these octets, tells its head, and goes on to `to` if that was a 200.
async fn proxy(answer: &'static str, to: SocketAddr) -> (Raw, mpsc::UnboundedReceiver<String>) {
    let (tell, heads) = mpsc::unbounded_channel();
    let peer = raw_peer(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(octet) = stream.read_u8().await else { return };
                head.push(octet);
            }
            let _ = tell.send(String::from_utf8(head).unwrap());
            let _ = stream.write_all(answer.as_bytes()).await;
            if answer.starts_with("HTTP/1.1 200") {
                let mut onwards = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut onwards).await;
            }
        }
    })
    .await;
    (peer, heads)
}

/// AS-024: the proxy gets its own credentials and nothing of VAPID.
#[tokio::test]
async fn a_tunnel_carries_tls_and_the_proxy_sees_no_token() {
    let authority = crate::tls::Authority::new();
    let peer = Peer::with_status(Kind::Tls(authority.acceptor("push.example", |_| {})), 201).await;
    let (proxy, mut heads) = proxy("HTTP/1.1 200 Connection established\r\n\r\n", peer.address).await;
    let client = local()
        .add_root_pem(authority.pem.as_bytes())
        .proxy(&format!("http://user:pass@{}", proxy.address))
        .build()
        .unwrap();

    let outcome =
        client.send(&without_keys("https://push.example/p/1"), &PushMessage::tickle(Ttl::ZERO)).await;

    assert_eq!(outcome.status(), Some(201), "{outcome}");
    let head = heads.recv().await.unwrap();
    assert!(head.starts_with("CONNECT push.example:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"));
    assert!(!head.to_lowercase().contains("vapid") && !head.contains("/p/1"));
    assert_eq!(peer.seen().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_talks_nonsense_is_named() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    for (answer, expected) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Problem::ProxyRefused(407)),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", Problem::ProxyRefused(403)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", Problem::ProxyRefused(502)),
        ("SSH-2.0-x\r\n\r\n", Problem::BadAnswer),
        ("", Problem::Closed),
    ] {
        let (proxy, _heads) = proxy(answer, nowhere).await;
        let client = local().proxy(&format!("http://{}", proxy.address)).build().unwrap();

        let outcome =
            client.send(&without_keys("https://push.example/p"), &PushMessage::tickle(Ttl::ZERO)).await;

        assert_eq!(unreachable(outcome), (Phase::Proxy, expected), "{answer:?}");
    }
}

/// Loopback never goes through a proxy, and addresses in URLs are checked before one is asked.
#[tokio::test]
async fn a_proxy_is_not_asked_for_loopback_nor_for_refused_addresses() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let (proxy, _heads) = proxy("HTTP/1.1 403 Forbidden\r\n\r\n", peer.address).await;
    let client = local().proxy(&format!("http://{}", proxy.address)).build().unwrap();

    let here = client.send(&without_keys(&peer.endpoint("/p")), &PushMessage::tickle(Ttl::ZERO)).await;
    let inside = client.send(&without_keys("https://10.0.0.1/p"), &PushMessage::tickle(Ttl::ZERO)).await;

    assert_eq!(here.status(), Some(201), "{here}");
    assert_eq!(inside.code(), Some("subscription/endpoint-private"));
    assert_eq!(proxy.connections(), 0);
}

struct Fixed(Vec<SocketAddr>);

impl Resolve for Fixed {
    async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(self.0.iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }
}

#[tokio::test]
async fn a_further_address_is_tried_when_the_first_refuses() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let addresses = ["[::1]:0", "127.0.0.2:0", "127.0.0.1:0"].map(|address| address.parse().unwrap());
    let client = local().resolver(Fixed(addresses.to_vec())).build().unwrap();
    let endpoint = format!("http://localhost:{}/p", peer.address.port());

    let outcome = client.send(&without_keys(&endpoint), &PushMessage::tickle(Ttl::ZERO)).await;

    assert_eq!(outcome.status(), Some(201), "{outcome}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_reported_with_its_phase() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let send = async |client: push_client::PushClientBuilder, endpoint: &str| {
        let client = client.build().unwrap();
        unreachable(client.send(&without_keys(endpoint), &PushMessage::tickle(Ttl::ZERO)).await)
    };

    let refused = send(local(), &format!("http://{closed}/p")).await;
    let unknown = send(local().resolver(Fixed(Vec::new())), "https://push.example/p").await;

    assert_eq!(refused, (Phase::Connect, Problem::ConnectionRefused));
    assert_eq!(unknown, (Phase::Resolve, Problem::NameNotFound));
}

/// Five hundred sends to an address where nobody listens fail together, not one after the other.
#[tokio::test]
async fn many_sends_share_one_failed_connection() {
    let silent = raw_peer(|stream| async move {
        // TLS is never answered.
        let _keep = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let limits = push_client::ClientLimits {
        tls: std::time::Duration::from_millis(200),
        ..push_client::ClientLimits::default()
    };
    let client = local().connect_to("push.example", silent.address).limits(limits).build().unwrap();
    let started = std::time::Instant::now();

    let sends = (0..500).map(|number| {
        let client = client.clone();
        async move {
            let subscription = without_keys(&format!("https://push.example/p/{number}"));
            client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await
        }
    });
    let outcomes = futures_util::future::join_all(sends).await;

    assert!(outcomes.into_iter().all(|outcome| unreachable(outcome) == (Phase::Tls, Problem::TimedOut)));
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(silent.connections() < 10, "{}", silent.connections());
}
