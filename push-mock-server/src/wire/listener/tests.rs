use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::wire::body::full;

/// Answers with its path, panics at `/panic`, never answers at `/never`.
struct Echo;

impl Respond for Echo {
    async fn respond(self: Arc<Self>, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        match request.uri().path() {
            "/panic" => panic!("as the test wants"),
            "/never" => std::future::pending().await,
            path => {
                let mut response = Response::new(full(path.to_owned()));
                *response.status_mut() = StatusCode::OK;
                response
            }
        }
    }
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
    let peer = Peer { address, tls: false };
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
    assert!(next.ends_with("/next"), "{next}");
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
    assert!(ask(&mut TcpStream::connect(address).await.unwrap(), "/other").await.ends_with("/other"));

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
