//! `Watched`: the stream under a connection, telling its [`Activity`] what happens and closing gently.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::activity::Activity;

/// Octets thrown away at a gentle end. Closing a socket with unread octets resets it, and the peer loses the answer
/// that says why; most peers stop sending when they see it. Our choice: one large push body a thousand times over.
const LINGER_OCTETS: usize = 4 * 1024 * 1024;
/// How long a gentle end takes at most; our choice.
const LINGER: Duration = Duration::from_secs(1);

/// A stream that is being watched.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    linger: Option<Linger>,
}

struct Linger {
    closed: bool,
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, linger: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.received();
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.activity.written(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.activity.written(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.activity.has_unread_body() {
            return Pin::new(&mut this.stream).poll_shutdown(cx);
        }
        let linger = this.linger.get_or_insert_with(|| Linger {
            closed: false,
            left: LINGER_OCTETS,
            until: Box::pin(tokio::time::sleep_until(Instant::now() + LINGER)),
        });
        linger.poll(&mut this.stream, cx)
    }
}

impl Linger {
    /// Ends our half, then reads what the peer still sends, within both bounds.
    fn poll<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if !self.closed {
            std::task::ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            self.closed = true;
        }
        let mut octets = [0; 4096];
        while self.left > 0 && self.until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut octets);
            match std::task::ready!(Pin::new(&mut *stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buf.filled().len())
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn gentle_end_reads_on_until_the_peer_closes_or_time_is_up() {
        let (mut near, far) = tokio::io::duplex(16);
        let activity = Activity::new(true);
        let mut watched = Watched::new(far, Arc::clone(&activity));
        activity.leave_body_unread();

        let peer = tokio::spawn(async move {
            near.write_all(&[7; 100]).await.unwrap();
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
            near
        });
        let start = Instant::now();
        watched.shutdown().await.unwrap();

        let _near = peer.await.unwrap();
        assert_eq!(start.elapsed(), LINGER);
    }

    #[tokio::test]
    async fn ordinary_end_does_not_wait() {
        let (near, far) = tokio::io::duplex(16);
        let mut watched = Watched::new(far, Activity::new(true));

        watched.shutdown().await.unwrap();

        drop(near);
    }
}
