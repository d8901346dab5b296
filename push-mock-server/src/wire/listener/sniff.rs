//! The first octets of a connection decide what it is; they are handed on through [`Replay`].

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// The client's connection preface of HTTP/2 (RFC 9113 §3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Content type of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// TLS; what is inside is decided by ALPN.
    Tls,
    /// HTTP/1.1, or something that its parser refuses.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// What the octets say; none while they are a beginning of the HTTP/2 preface.
fn classify(octets: &[u8]) -> Option<Protocol> {
    match octets {
        [] => None,
        [TLS_HANDSHAKE, ..] => Some(Protocol::Tls),
        _ if octets == PREFACE => Some(Protocol::Http2),
        _ if PREFACE.starts_with(octets) => None,
        _ => Some(Protocol::Http1),
    }
}

/// Reads until the octets decide, mostly one and at most 24, within `timeout`.
///
/// None: the peer closed, was silent for too long, or went away.
pub(super) async fn sniff<S: AsyncRead + Unpin>(
    mut stream: S,
    timeout: Duration,
) -> Option<(Protocol, Replay<S>)> {
    let mut octets = [0; PREFACE.len()];
    let mut filled = 0;
    let decided = tokio::time::timeout(timeout, async {
        loop {
            let read = stream.read(octets.get_mut(filled..)?).await.ok()?;
            filled += read;
            match classify(octets.get(..filled)?) {
                Some(protocol) => return Some(protocol),
                None if read == 0 => return None,
                None => {}
            }
        }
    });
    let protocol = decided.await.ok().flatten()?;
    Some((protocol, Replay { octets, at: 0, filled, stream }))
}

/// A stream that gives the octets read for the decision once more, then goes on.
#[derive(Debug)]
pub(super) struct Replay<S> {
    octets: [u8; PREFACE.len()],
    at: usize,
    filled: usize,
    stream: S,
}

impl<S> Replay<S> {
    /// The first octet, while it has not been read again.
    pub(super) fn first(&self) -> Option<u8> {
        self.octets.first().copied().filter(|_| self.at == 0 && self.filled > 0)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.at == this.filled {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let end = this.filled.min(this.at + buf.remaining());
        buf.put_slice(this.octets.get(this.at..end).unwrap_or_default());
        this.at = end;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn every_beginning_is_decided_at_the_first_octet_that_differs() {
        for first in 0..=u8::MAX {
            let expected = match first {
                0x16 => Some(Protocol::Tls),
                b'P' => None,
                _ => Some(Protocol::Http1),
            };
            assert_eq!(classify(&[first]), expected, "{first:#04x}");
        }
        for (octets, expected) in [
            (&b"PR"[..], None),
            (b"PO", Some(Protocol::Http1)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r", None),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Protocol::Http2)),
            (b"PRI * HTTP/1.1", Some(Protocol::Http1)),
        ] {
            assert_eq!(classify(octets), expected, "{octets:?}");
        }
    }

    #[tokio::test]
    async fn octets_read_for_the_decision_are_given_again() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(b"PUT /p/x HTTP/1.1\r\n\r\n").await.unwrap();
        drop(near);

        let (protocol, mut stream) = sniff(far, SOON).await.unwrap();

        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!((protocol, text.as_str()), (Protocol::Http1, "PUT /p/x HTTP/1.1\r\n\r\n"));
    }

    #[tokio::test]
    async fn small_reads_lose_nothing() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(PREFACE).await.unwrap();
        near.write_all(b"rest").await.unwrap();
        drop(near);

        let (protocol, mut stream) = sniff(far, SOON).await.unwrap();

        let mut octets = Vec::new();
        while let Ok(octet) = stream.read_u8().await {
            octets.push(octet);
        }
        assert_eq!(protocol, Protocol::Http2);
        assert_eq!(octets, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_a_cut_beginning_end_in_time() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(b"PRI").await.unwrap();
        assert!(sniff(far, SOON).await.is_none());

        let (near, far) = tokio::io::duplex(64);
        drop(near);
        assert!(sniff(far, SOON).await.is_none());
    }
}
