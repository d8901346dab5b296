//! The harness for plain `#[test]` functions: every step of a test, waited for.
//!
//! ```
//! use push_mock_server::{blocking::{MockServer, Wait}, secs};
//!
//! let push = MockServer::start();
//! let alice = push.user_agent("alice").wait();
//! push.expect().to(&alice).none().within(secs(0)).wait();
//! ```

use std::{cell::OnceCell, ops::Deref};

use tokio::runtime::Runtime;

use crate::{builder::Builder, error::StartError, mock_server};

thread_local! {
    /// Runs the futures of this thread; the service itself has a thread of its own.
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Waits for what is awaited elsewhere.
pub trait Wait: IntoFuture + Sized {
    /// Blocks this thread until it is ready.
    ///
    /// # Panics
    /// As the future does; also inside of a runtime, where it is to be awaited, and when no runtime can be made.
    fn wait(self) -> Self::Output {
        RUNTIME.with(|runtime| {
            let runtime = runtime.get_or_init(|| {
                let made = tokio::runtime::Builder::new_current_thread().enable_time().build();
                // Without I/O a runtime asks the system for nothing that can be refused.
                made.expect("a runtime without I/O can be made")
            });
            runtime.block_on(self.into_future())
        })
    }
}

impl<T: IntoFuture> Wait for T {}

/// A [`MockServer`](mock_server::MockServer) whose start is waited for. Everything else is the same and ends in
/// [`wait`](Wait::wait).
#[derive(Debug)]
pub struct MockServer(mock_server::MockServer);

impl MockServer {
    /// Starts a service with default settings.
    ///
    /// # Panics
    /// When the service cannot start.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self(mock_server::MockServer::start().wait())
    }

    /// Settings for [`start_with`](Self::start_with).
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts a service with these settings.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_with(builder: Builder) -> Result<Self, StartError> {
        builder.try_start().wait().map(Self)
    }

    /// Stops the service and waits until it has stopped.
    pub fn shutdown(self) {
        self.0.shutdown().wait();
    }
}

impl Deref for MockServer {
    type Target = mock_server::MockServer;
    fn deref(&self) -> &mock_server::MockServer {
        &self.0
    }
}
