//! How a request reaches a push service: the [`Transport`] trait, and one over hyper and rustls.
//!
//! A transport follows no redirect, decodes nothing and caps what it reads; whether to try again is decided
//! elsewhere. [`HyperTransport`] (feature `transport`) connects only to addresses that passed the
//! [`AddressPolicy`]; [`StubTransport`] answers from a script.

mod address_policy;
#[cfg(feature = "transport")]
mod connector;
mod error;
#[cfg(feature = "transport")]
mod http2;
#[cfg(feature = "transport")]
mod hyper;
#[cfg(feature = "transport")]
mod options;
#[cfg(feature = "transport")]
mod pool;
#[cfg(feature = "transport")]
mod proxy;
#[cfg(feature = "transport")]
mod resolver;
mod stub;
#[cfg(feature = "transport")]
mod tls;

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use http::{Request, Response};

pub use address_policy::{AddressClass, AddressPolicy, Checked, classify_address};
pub use error::{CertificateProblem, Phase, Problem, TransportError};
pub use stub::StubTransport;
#[cfg(feature = "transport")]
pub use {
    hyper::HyperTransport,
    options::{HttpVersion, TransportOptions},
    resolver::{Resolve, SystemResolver},
};

/// Carries one request to a push service and brings its answer.
///
/// The request has an absolute URI and every field it needs. The future may be dropped at any time.
pub trait Transport: Send + Sync + 'static {
    /// Sends the request once.
    ///
    /// # Errors
    /// [`TransportError`], which tells a request that cannot have been processed from one that may have been.
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Bytes>, TransportError>> + Send;
}

/// A [`Transport`] behind a pointer: erased once, so that the client has no type parameter.
pub(crate) trait ErasedTransport: Send + Sync + 'static {
    fn call(&self, request: Request<Bytes>) -> Answering<'_>;
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

impl<T: Transport> ErasedTransport for T {
    fn call(&self, request: Request<Bytes>) -> Answering<'_> {
        Box::pin(Transport::call(self, request))
    }
}
