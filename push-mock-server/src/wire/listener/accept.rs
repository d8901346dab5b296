//! The accept loop of one address: count, hand over, back off when descriptors run out, drain at the end.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
};

use tracing::Instrument as _;

use super::{DRAIN, Door, DoorCounters, Peer, Respond, connection, socket::Socket, stopped};

/// Pause after an accept that failed for want of descriptors; our choice.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts until `stop` is true; what is in flight then has [`DRAIN`].
pub(super) async fn accept<R: Respond>(
    door: Arc<Door<R>>,
    listener: TcpListener,
    gate: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    let addresses = Arc::new(PerAddress::default());
    let is_loopback = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let clear_text = is_loopback || door.allow_clear_text;
    let mut connections = JoinSet::new();
    loop {
        while let Some(ended) = connections.try_join_next() {
            report(&door.counters, ended);
        }
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = next(&listener, &gate) => accepted,
        };
        let (stream, peer, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection accepted; raise the limit of open files if this goes on");
                let _ = tokio::time::timeout(BACK_OFF, stopped(&mut stop)).await;
                continue;
            }
        };
        DoorCounters::count(&door.counters.accepted);
        let Some(place) = addresses.enter(peer.address.ip(), door.limits.connections_per_address) else {
            DoorCounters::count(&door.counters.refused);
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (socket, end) = Socket::new(stream);
        let counters = Arc::clone(&door.counters);
        let door = Arc::clone(&door);
        let stop = stop.clone();
        connections.spawn(end.decided_by(async move {
            let _held = (permit, place, Open::new(counters));
            connection::serve(door, socket, peer, clear_text, stop)
                .instrument(tracing::debug_span!("connection", peer = %peer.address))
                .await;
        }));
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN, async {
        while let Some(ended) = connections.join_next().await {
            report(&door.counters, ended);
        }
    });
    if drained.await.is_err() {
        tracing::info!(connections = connections.len(), "connections cut at the end");
        connections.shutdown().await;
    }
}

/// Waits for room, then for a connection, so that the system's queue holds those that have to wait.
async fn next(
    listener: &TcpListener,
    gate: &Arc<Semaphore>,
) -> io::Result<(TcpStream, Peer, OwnedSemaphorePermit)> {
    let permit = Arc::clone(gate).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, Peer { address, tls: false, intercepted: false }, permit))
}

/// A panic ends one connection and is counted, nothing else (T45).
fn report(counters: &DoorCounters, ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        DoorCounters::count(&counters.panicked);
        tracing::error!("a connection ended in a panic; please report this as a bug");
    }
}

/// One open connection in the counters.
struct Open(Arc<DoorCounters>);

impl Open {
    fn new(counters: Arc<DoorCounters>) -> Self {
        counters.open.fetch_add(1, Relaxed);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Connections of each address; loopback is not counted.
#[derive(Debug, Default)]
struct PerAddress(Mutex<HashMap<IpAddr, usize>>);

/// The place of one connection.
#[derive(Debug)]
struct Place(Arc<PerAddress>, IpAddr);

impl PerAddress {
    fn enter(self: &Arc<Self>, address: IpAddr, limit: usize) -> Option<Place> {
        if !address.is_loopback() {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let count = counts.entry(address).or_default();
            if *count >= limit {
                return None;
            }
            *count += 1;
        }
        Some(Place(Arc::clone(self), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_more_than_its_connections() {
        let addresses = Arc::new(PerAddress::default());
        let stranger = IpAddr::from([192, 0, 2, 1]);
        let mut places: Vec<_> = (0..3).map(|_| addresses.enter(stranger, 3).unwrap()).collect();

        assert!(addresses.enter(stranger, 3).is_none());
        assert!(addresses.enter(IpAddr::from([192, 0, 2, 2]), 3).is_some());
        places.pop();
        assert!(addresses.enter(stranger, 3).is_some());
        drop(places);
        assert!(addresses.0.lock().unwrap().is_empty());
    }

    #[test]
    fn loopback_is_not_counted() {
        let addresses = Arc::new(PerAddress::default());

        let places: Vec<_> = (0..10).map(|_| addresses.enter(IpAddr::from([127, 0, 0, 1]), 1)).collect();

        assert!(places.iter().all(Option::is_some));
    }
}
