//! `Resolve`: from a host name to addresses. Only the answer's addresses are ever connected to.

use std::{future::Future, io, net::SocketAddr, pin::Pin};

/// Looks host names up. Called for each new connection; what it gives is checked each time.
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of the name, each with this port.
    ///
    /// # Errors
    /// Whatever the look-up met; it counts as "name not found, try again".
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The system's resolver (`getaddrinfo`, on tokio's blocking threads).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// A [`Resolve`] behind a pointer.
pub(crate) trait ErasedResolve: Send + Sync + 'static {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

impl<R: Resolve> ErasedResolve for R {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(Resolve::resolve(self, host, port))
    }
}
