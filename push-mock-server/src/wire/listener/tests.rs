use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::wire::body::full;

/// Answers with its path, panics at `/panic`, never answers at `/never`; goes on after `/upgrade`, and serves what
/// comes after `CONNECT`.
struct Echo;

impl Respond for Echo {
    async fn respond(self: Arc<Self>, mut request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let answer = |status: StatusCode, text: String| {
            let mut response = Response::new(full(text));
            *response.status_mut() = status;
            response
        };
        if *request.method() == Method::CONNECT {
            assert!(upgrade::serve_after(&mut request));
            return answer(StatusCode::OK, String::new());
        }
        match request.uri().path() {
            "/panic" => panic!("as the test wants"),
            "/never" => std::future::pending().await,
            "/refuse" => {
                assert!(upgrade::converse_after(&mut request, repeat));
                answer(StatusCode::BAD_REQUEST, "no".to_owned())
            }
            "/upgrade" => {
                let is_taken = upgrade::converse_after(&mut request, repeat);
                answer(if is_taken { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::OK }, String::new())
            }
            path => answer(StatusCode::OK, format!("{path} intercepted: {}", peer.intercepted)),
        }
    }

    async fn converse(self: Arc<Self>, mut stream: Box<dyn Duplex>, peer: Peer, stop: watch::Receiver<bool>) {
        if peer.intercepted {
            stream.write_all(b"inside ").await.unwrap();
        }
        repeat(stream, stop).await;
    }
}

/// Says everything again, and a last word when the service stops.
async fn repeat(mut stream: Box<dyn Duplex>, mut stop: watch::Receiver<bool>) {
    let mut octets = [0; 64];
    loop {
        let read = tokio::select! {
            read = stream.read(&mut octets) => read.unwrap(),
            () = stopped(&mut stop) => {
                stream.write_all(b"bye").await.unwrap();
                return;
            }
        };
        assert_ne!(&octets[..read], b"panic", "as the test wants");
        if read == 0 {
            return;
        }
        stream.write_all(&octets[..read]).await.unwrap();
    }
}

/// A door that is open: its address, counters, and the end of it.
struct OpenDoor {
    address: SocketAddr,
    counters: Arc<DoorCounters>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

fn open(limits: Limits) -> OpenDoor {
    open_door(door(limits))
}

fn open_door(door: Door<Echo>) -> OpenDoor {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let counters = Arc::clone(&door.counters);
    let (stop, stopped) = watch::channel(false);
    OpenDoor { address, counters, stop, running: tokio::spawn(door.run(vec![listener], stopped)) }
}

impl OpenDoor {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that has been upgraded.
    async fn upgraded(&self) -> TcpStream {
        let mut stream = self.connect().await;
        stream
            .write_all(b"GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
            .await
            .unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 101 "));
        stream
    }

    async fn all_closed(&self) {
        let closed = async {
            while self.counters.open.load(Relaxed) > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
    }
}

/// Reads to the end of the head of an answer.
async fn head(stream: &mut TcpStream) -> String {
    let mut octets = Vec::new();
    while !octets.ends_with(b"\r\n\r\n") {
        octets.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(octets).unwrap()
}

async fn say(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut again = vec![0; text.len()];
    stream.read_exact(&mut again).await.unwrap();
    String::from_utf8(again).unwrap()
}

fn door(limits: Limits) -> Door<Echo> {
    Door { respond: Arc::new(Echo), tls: None, allow_clear_text: false, limits, counters: Arc::default() }
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn both_loopback_addresses_get_the_same_free_port() {
    let listeners = bind(&["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()]).unwrap();

    let ports: Vec<_> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    assert!(ports.iter().all(|port| *port != 0 && *port == ports[0]), "{ports:?}");
}

#[tokio::test]
async fn port_in_use_is_an_error_that_names_the_address() {
    let first = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let taken = first[0].local_addr().unwrap();

    let (address, error) = bind(&[taken]).unwrap_err();

    assert_eq!((address, error.kind()), (taken, io::ErrorKind::AddrInUse));
}

#[test]
fn limit_of_open_files_is_read_from_the_systems_table() {
    let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                Max cpu time              unlimited            unlimited            seconds   \n\
                Max open files            1024                 524288               files     \n";

    assert_eq!(open_files(text), Some(1024));
    assert_eq!(open_files("Max open files            unlimited            unlimited"), None);
    let limits = Limits { connections: Some(0), ..Limits::default() };
    assert_eq!(connection_limit(&limits), 1);
}

/// P-01: where only TLS is spoken, clear text gets an explanation and nothing else.
#[tokio::test]
async fn clear_text_is_refused_where_only_tls_is_spoken() {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    let door = Arc::new(door(Limits::default()));
    let peer = Peer { address, tls: false, intercepted: false };
    let serving = tokio::spawn(connection::serve(Arc::clone(&door), stream, peer, false, stopped));

    let answer = ask(&mut client, "/secret").await;

    serving.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("TLS only"), "{answer}");
    assert!(!answer.contains("/secret"));
    assert_eq!(door.counters.refused.load(Relaxed), 1);
}

/// T45: a panic ends its connection, is counted, and nobody else notices.
#[tokio::test]
async fn panic_ends_one_connection_and_nothing_else() {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let door = door(Limits::default());
    let counters = Arc::clone(&door.counters);
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(door.run(vec![listener], stopped));
    let connect = async || TcpStream::connect(address).await.unwrap();

    let answer = ask(&mut connect().await, "/panic").await;
    let next = ask(&mut connect().await, "/next").await;
    stop.send_replace(true);
    running.await.unwrap();

    assert_eq!(answer, "");
    assert!(next.contains("/next"), "{next}");
    assert_eq!(counters.panicked.load(Relaxed), 1);
    assert_eq!(counters.open.load(Relaxed), 0);
}

/// A peer that goes away ends the work for it, however long that would take.
#[tokio::test]
async fn answer_is_given_up_when_its_peer_goes_away() {
    let listener = bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let door = door(Limits::default());
    let counters = Arc::clone(&door.counters);
    let running = tokio::spawn(door.run(vec![listener], stopped));
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(ask(&mut TcpStream::connect(address).await.unwrap(), "/other").await.contains("/other"));

    drop(client);

    let closed = async {
        while counters.open.load(Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
    running.abort();
}

/// T43, `reserved_descriptors` at none, some, and more than there are; `connections` wins over both.
#[test]
fn connections_leave_the_reserve_free() {
    let Some(files) =
        std::fs::read_to_string("/proc/self/limits").ok().and_then(|text| super::open_files(&text))
    else {
        return;
    };
    let limit = |reserved_descriptors, connections| {
        super::connection_limit(&Limits { reserved_descriptors, connections, ..Limits::default() })
    };

    assert_eq!(limit(0, None), files);
    assert_eq!(limit(64, None), files - 64);
    assert_eq!(limit(files - 1, None), 1);
    assert_eq!(limit(files, None), 1, "one is always let in");
    assert_eq!(limit(64, Some(7)), 7);
}

/// An upgraded connection is open until its conversation ends, and is told when the service stops.
#[tokio::test]
async fn upgraded_connections_are_counted_and_drained() {
    let door = open(Limits::default());
    let mut first = door.upgraded().await;
    let mut second = door.upgraded().await;

    assert_eq!(say(&mut first, "one").await, "one");
    assert_eq!(door.counters.open.load(Relaxed), 2);
    drop(first);
    while door.counters.open.load(Relaxed) > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(say(&mut second, "two").await, "two");
    door.stop.send_replace(true);

    let mut last = String::new();
    second.read_to_string(&mut last).await.unwrap();
    assert_eq!(last, "bye");
    door.running.await.unwrap();
    assert_eq!(door.counters.open.load(Relaxed), 0);
}

/// The time-outs of HTTP are not those of what follows it.
#[tokio::test]
async fn idle_time_does_not_end_an_upgraded_connection() {
    let short = Duration::from_millis(50);
    let door = open(Limits { idle_timeout: short, header_timeout: short, ..Limits::default() });
    let mut upgraded = door.upgraded().await;

    // A connection of HTTP that began later has been ended: so much time has passed.
    let mut idle = door.connect().await;
    idle.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).await.unwrap();

    assert_eq!(say(&mut upgraded, "still here").await, "still here");
    drop(upgraded);
    door.all_closed().await;
    assert_eq!(door.counters.overdue.load(Relaxed), 1);
}

/// T45
#[tokio::test]
async fn panic_of_a_conversation_ends_its_connection_only() {
    let door = open(Limits::default());
    let mut upgraded = door.upgraded().await;

    upgraded.write_all(b"panic").await.unwrap();
    assert_eq!(upgraded.read(&mut [0; 8]).await.unwrap(), 0);

    assert!(ask(&mut door.connect().await, "/next").await.contains("/next"));
    door.stop.send_replace(true);
    door.running.await.unwrap();
    assert_eq!((door.counters.panicked.load(Relaxed), door.counters.open.load(Relaxed)), (1, 0));
}

#[tokio::test]
async fn what_comes_after_connect_is_a_connection_of_its_own() {
    for version in ["1.0", "1.1"] {
        let door = open(Limits::default());
        let mut stream = door.connect().await;
        // The next octets may come at once.
        let connect = format!("CONNECT a:443 HTTP/{version}\r\nhost: a:443\r\n\r\nGET /in");
        stream.write_all(connect.as_bytes()).await.unwrap();
        let answer = head(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/{version} 200 ")), "{answer}");
        assert!(!answer.contains("content-length") && !answer.contains("transfer-encoding"), "{answer}");

        stream.write_all(b"side HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();

        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("/inside intercepted: true"),
            "{answer}"
        );
        assert!(ask(&mut door.connect().await, "/x").await.ends_with("/x intercepted: false"));
        door.all_closed().await;
        door.running.abort();
    }
}

/// An answer that does not agree ends what was asked for, and the connection goes on as HTTP.
#[tokio::test]
async fn refused_upgrades_leave_a_connection_of_http() {
    let door = open(Limits::default());
    let mut stream = door.connect().await;

    for _ in 0..2 {
        let request = b"GET /refuse HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        stream.write_all(request).await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 400 "));
        assert_eq!(stream.read_u16().await.unwrap().to_be_bytes(), *b"no");
    }
    let answer = ask(&mut stream, "/next").await;

    assert!(answer.contains("/next"), "{answer}");
    door.all_closed().await;
    assert_eq!(door.counters.panicked.load(Relaxed), 0);
}

/// Only what asks for it can go on: the answer stays one of HTTP.
#[tokio::test]
async fn requests_that_ask_for_no_upgrade_get_none() {
    let door = open(Limits::default());

    let answer = ask(&mut door.connect().await, "/upgrade").await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    door.all_closed().await;
}

/// A door that speaks TLS, and a client that trusts it and names these protocols.
fn with_tls(protocols: &[&[u8]]) -> (OpenDoor, tokio_rustls::TlsConnector) {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let now = crate::clock::wall();
    let authority = Arc::new(crate::wire::authority::Authority::in_memory(&[], now).unwrap());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    client.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let tls = crate::wire::tls::with_authority(authority, crate::clock::wall).unwrap();
    (open_door(Door { tls: Some(tls.into()), ..door(Limits::default()) }), Arc::new(client).into())
}

/// The first octet inside of TLS without ALPN says that it is Chromium's push connection, and comes again.
#[tokio::test]
async fn chromiums_connection_is_known_by_its_first_octet() {
    let (door, connector) = with_tls(&[]);
    let name = rustls::pki_types::ServerName::try_from("mtalk.google.com").unwrap();
    let mut outside = door.connect().await;
    outside.write_all(b"CONNECT mtalk.google.com:5228 HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    head(&mut outside).await;

    for (stream, expected) in [(door.connect().await, &b"\x29hello"[..]), (outside, b"inside \x29hello")] {
        let mut stream = connector.connect(name.clone(), stream).await.unwrap();
        stream.write_all(b"\x29hello").await.unwrap();
        let mut said = vec![0; expected.len()];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(said, expected);
    }
    door.all_closed().await;
    door.running.abort();
}

/// The same octet is nothing where HTTP was agreed upon, nor in clear text.
#[tokio::test]
async fn chromiums_octet_elsewhere_is_no_http() {
    let (door, connector) = with_tls(&[b"http/1.1"]);
    let name = rustls::pki_types::ServerName::try_from("mtalk.google.com").unwrap();
    let mut stream = connector.connect(name, door.connect().await).await.unwrap();
    let mut clear = door.connect().await;

    stream.write_all(b"\x29hello\r\n\r\n").await.unwrap();
    clear.write_all(b"\x29hello\r\n\r\n").await.unwrap();

    let (mut first, mut second) = (String::new(), String::new());
    stream.read_to_string(&mut first).await.unwrap();
    clear.read_to_string(&mut second).await.unwrap();
    assert!(first.starts_with("HTTP/1.1 400 ") && second.starts_with("HTTP/1.1 400 "), "{first} {second}");
    door.running.abort();
}
