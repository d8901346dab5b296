//! `Socket`: an accepted connection which can be made to end with a reset, as a cut cable or a crashed process does.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

tokio::task_local! {
    /// Whether the connection of this task ends with a reset.
    static RESET: Arc<AtomicBool>;
}

/// The connection that this task serves ends with a reset once it is dropped, without a word of TLS or TCP before it.
#[cfg(feature = "browsers")]
pub(crate) fn reset_at_end() {
    let _ = RESET.try_with(|reset| reset.store(true, Relaxed));
}

/// An accepted connection.
pub(super) struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

/// Says how a [`Socket`] ends.
pub(super) struct End(Arc<AtomicBool>);

impl Socket {
    pub(super) fn new(stream: TcpStream) -> (Self, End) {
        let reset = Arc::default();
        (Self { stream, reset: Arc::clone(&reset) }, End(reset))
    }
}

impl End {
    /// What has to be around the task that serves the connection.
    pub(super) async fn decided_by<F: Future>(self, serving: F) -> F::Output {
        RESET.scope(self.0, serving).await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Relaxed) {
            // If the system does not take it, the connection ends in the usual way.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
