//! `--intercept pass`: a `CONNECT` that goes on to another host.
//!
//! Names are looked up once and the connection goes to an address that was checked, so that no second answer of the
//! name service can lead elsewhere.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http::{Request, StatusCode};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpStream, lookup_host},
    sync::watch,
    time::timeout,
};

use super::{refused, shown, target::Refusal};
use crate::wire::{
    listener::{converse_after, stopped},
    problem::Problem,
};

/// Time to find the addresses of a name, and to connect to one; our choice.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects, and lets the octets through once the answer is written.
pub(super) async fn open(
    request: &mut Request<Incoming>,
    target: (&str, u16),
    is_permitted: fn(IpAddr) -> bool,
) -> Result<(), Problem> {
    let addresses = look_up(target).await.map_err(|why| unreachable(request, &why))?;
    if !addresses.iter().all(|address| is_permitted(address.ip())) {
        return Err(refused(request, Refusal::Special));
    }
    let upstream = connect(&addresses).await.map_err(|why| unreachable(request, &why))?;
    if converse_after(request, move |stream, stop| join(stream, upstream, stop)) {
        Ok(())
    } else {
        Err(refused(request, Refusal::Http2))
    }
}

async fn look_up(target: (&str, u16)) -> Result<Vec<SocketAddr>, String> {
    match timeout(PATIENCE, lookup_host(target)).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(format!("its address was not found: {error}")),
        Err(_) => Err("the name service did not answer in time".to_owned()),
    }
}

async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    match timeout(PATIENCE, TcpStream::connect(addresses)).await {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(format!("it could not be connected to: {error}")),
        Err(_) => Err("it did not take the connection in time".to_owned()),
    }
}

/// Lets octets through in both directions until both have ended, or the service stops.
async fn join<A, B>(mut near: A, mut far: B, mut stop: watch::Receiver<bool>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let copied: io::Result<_> = tokio::select! {
        copied = copy_bidirectional(&mut near, &mut far) => copied,
        () = stopped(&mut stop) => return,
    };
    if let Err(error) = copied {
        tracing::debug!(%error, "tunnel ended with an error");
    }
}

fn unreachable(request: &Request<Incoming>, why: &str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "api/proxy-unreachable", "The target was not reached")
        .detail(format!("CONNECT to {} failed: {why}", shown(request)))
        .fix("check the host, and whether this machine reaches it without a proxy")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn octets_go_through_until_both_sides_have_ended() {
        let (mut client, near) = duplex(64);
        let (mut server, far) = duplex(64);
        let (_stop, stopped) = watch::channel(false);
        let tunnel = tokio::spawn(join(near, far, stopped));

        client.write_all(b"ask").await.unwrap();
        client.shutdown().await.unwrap();
        let mut asked = String::new();
        server.read_to_string(&mut asked).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answered = String::new();
        client.read_to_string(&mut answered).await.unwrap();

        tunnel.await.unwrap();
        assert_eq!((asked.as_str(), answered.as_str()), ("ask", "answer"));
    }

    #[tokio::test]
    async fn the_end_of_the_service_ends_a_tunnel() {
        let (mut client, near) = duplex(64);
        let (_server, far) = duplex(64);
        let (stop, stopped) = watch::channel(false);
        let tunnel = tokio::spawn(join(near, far, stopped));

        stop.send_replace(true);

        tunnel.await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn names_are_looked_up_and_addresses_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();

        let found = look_up(("127.0.0.1", port)).await.unwrap();
        let connected = connect(&found).await.unwrap();

        assert_eq!(connected.peer_addr().unwrap(), listener.local_addr().unwrap());
        drop(listener);
        let why = connect(&found).await.unwrap_err();
        assert!(why.contains("could not be connected to"), "{why}");
        let why = look_up(("no such name", port)).await.unwrap_err();
        assert!(why.contains("its address was not found"), "{why}");
    }
}
