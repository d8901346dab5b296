//! Bodies: the one type of all answers, and reading a request's body within its limits.

use std::{convert::Infallible, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use tokio::time::Instant;

/// Why a body ended early; shown to nobody but hyper, which then cuts the connection.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body which is there as a whole.
pub(crate) fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(never).boxed_unsync()
}

/// No body.
pub(crate) fn empty() -> Body {
    full(Bytes::new())
}

fn never(error: Infallible) -> BoxError {
    match error {}
}

/// How much is read, and how fast it has to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// Octets.
    pub(crate) octets: usize,
    /// Time that every body has.
    pub(crate) timeout: Duration,
    /// Octets per second that buy more time.
    pub(crate) rate: u64,
}

/// What came of reading.
#[derive(Debug)]
pub(crate) enum Read {
    /// All of it.
    Whole(Bytes),
    /// Over the limit. Declared: nothing was read. Streamed: cut at one octet over the limit.
    TooLarge {
        /// What was read.
        kept: Bytes,
        /// `Content-Length`.
        declared: Option<u64>,
    },
    /// Too slow.
    TimedOut,
    /// The sender gave up, or broke the framing.
    Broken,
}

/// Reads a body; one that declares more than the limit is not touched (PS-085, T20).
pub(crate) async fn read<B>(mut body: B, limits: ReadLimits) -> Read
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let declared = body.size_hint().exact();
    if let Some(octets) = declared {
        if octets == 0 {
            return Read::Whole(Bytes::new());
        }
        if octets > limits.octets as u64 {
            return Read::TooLarge { kept: Bytes::new(), declared };
        }
    }
    let start = Instant::now();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let received = first.len() + rest.len();
        let earned = Duration::from_secs(received as u64 / limits.rate.max(1));
        let Ok(frame) = tokio::time::timeout_at(start + limits.timeout.max(earned), body.frame()).await
        else {
            return Read::TimedOut;
        };
        let data = match frame {
            None if rest.is_empty() => return Read::Whole(first),
            None => return Read::Whole(rest.freeze()),
            Some(Err(_)) => return Read::Broken,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if received + data.len() > limits.octets {
            let mut kept = if rest.is_empty() { BytesMut::from(&*first) } else { rest };
            kept.extend_from_slice(data.get(..limits.octets + 1 - received).unwrap_or(&data));
            return Read::TooLarge { kept: kept.freeze(), declared };
        }
        if received == 0 {
            // Most bodies come in one frame: it is passed on without a copy.
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    const LIMITS: ReadLimits = ReadLimits { octets: 100, timeout: Duration::from_secs(15), rate: 10 };

    type Chunks = Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = BoxError> + Send>>;

    /// A body that gives these chunks, each after so many seconds.
    fn chunks(chunks: &'static [(u64, usize)]) -> Chunks {
        let stream = futures_util::stream::unfold(chunks.iter(), |mut rest| async {
            let (seconds, octets) = rest.next()?;
            tokio::time::sleep_until(Instant::now() + Duration::from_secs(*seconds)).await;
            Some((Ok(Frame::data(Bytes::from(vec![b'x'; *octets]))), rest))
        });
        Box::pin(StreamBody::new(stream))
    }

    async fn read_chunks(given: &'static [(u64, usize)]) -> (&'static str, usize) {
        match read(chunks(given), LIMITS).await {
            Read::Whole(octets) => ("whole", octets.len()),
            Read::TooLarge { kept, declared: None } => ("too large", kept.len()),
            Read::TooLarge { declared: Some(_), .. } => ("declared", 0),
            Read::TimedOut => ("timed out", 0),
            Read::Broken => ("broken", 0),
        }
    }

    /// PS-085, PS-086: one below, at, one above; what is over the limit is cut at one octet over.
    #[tokio::test(start_paused = true)]
    async fn streamed_bodies_are_cut_at_one_octet_over_the_limit() {
        assert_eq!(read_chunks(&[]).await, ("whole", 0));
        assert_eq!(read_chunks(&[(0, 99)]).await, ("whole", 99));
        assert_eq!(read_chunks(&[(0, 50), (0, 50)]).await, ("whole", 100));
        assert_eq!(read_chunks(&[(0, 50), (0, 0), (0, 51)]).await, ("too large", 101));
        assert_eq!(read_chunks(&[(0, 5000)]).await, ("too large", 101));
        assert_eq!(read_chunks(&[(0, 40), (0, 40), (0, 4000)]).await, ("too large", 101));
    }

    /// `body_timeout` at one below, at and one above, and `body_rate`, which buys more time.
    #[tokio::test(start_paused = true)]
    async fn slow_bodies_end_unless_their_rate_is_high_enough() {
        assert_eq!(read_chunks(&[(14, 1)]).await, ("whole", 1));
        assert_eq!(read_chunks(&[(16, 1)]).await, ("timed out", 0));
        assert_eq!(read_chunks(&[(14, 1), (2, 1)]).await, ("timed out", 0));
        // A hundred octets at ten per second may take ten seconds, less than the fifteen that everybody has.
        let fast = ReadLimits { rate: 5, ..LIMITS };
        let body = chunks(&[(10, 90), (7, 5)]);
        assert!(matches!(read(body, fast).await, Read::Whole(octets) if octets.len() == 95));
        let body = chunks(&[(10, 90), (9, 5)]);
        assert!(matches!(read(body, fast).await, Read::TimedOut));
    }

    #[tokio::test]
    async fn declared_bodies_over_the_limit_are_not_touched() {
        let body = Full::new(Bytes::from(vec![0; 101])).map_err(|never| -> BoxError { match never {} });

        assert!(
            matches!(read(body, LIMITS).await, Read::TooLarge { kept, declared: Some(101) } if kept.is_empty())
        );
    }
}
