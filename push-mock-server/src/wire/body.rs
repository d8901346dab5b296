//! Bodies: the one type of all answers, and reading a request's body within its limits.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, combinators::UnsyncBoxBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// Why a body ended early; shown to nobody but hyper, which then cuts the connection.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of every answer.
pub(crate) enum Body {
    /// Octets that come one after the other.
    #[cfg_attr(not(feature = "api"), allow(dead_code, reason = "only the API streams"))]
    Stream(UnsyncBoxBody<Bytes, BoxError>),
    /// What is there as a whole, until it is taken.
    Whole(Bytes),
}

/// A body which is there as a whole.
pub(crate) fn full(octets: impl Into<Bytes>) -> Body {
    Body::Whole(octets.into())
}

/// No body.
pub(crate) fn empty() -> Body {
    full(Bytes::new())
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx),
            Self::Whole(octets) if octets.is_empty() => Poll::Ready(None),
            Self::Whole(octets) => Poll::Ready(Some(Ok(Frame::data(mem::take(octets))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Stream(stream) => stream.is_end_stream(),
            Self::Whole(octets) => octets.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Stream(stream) => stream.size_hint(),
            Self::Whole(octets) => SizeHint::with_exact(octets.len() as u64),
        }
    }
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
    let mut taken = Taken::default();
    // Most bodies are there with their head: they need no timer.
    while let Some(next) = ready(&mut body).await {
        if let Some(read) = taken.add(next, declared, limits.octets) {
            return read;
        }
    }
    Box::pin(read_on(body, limits, declared, taken)).await
}

/// The next frame, unless it has to be waited for.
async fn ready<B>(body: &mut B) -> Option<Option<Result<Frame<Bytes>, B::Error>>>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(Some(frame)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Reads the rest of a body that comes in its own time.
async fn read_on<B>(mut body: B, limits: ReadLimits, declared: Option<u64>, mut taken: Taken) -> Read
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
{
    let start = Instant::now();
    loop {
        let earned = Duration::from_secs(taken.octets() as u64 / limits.rate.max(1));
        let Ok(next) = tokio::time::timeout_at(start + limits.timeout.max(earned), body.frame()).await else {
            return Read::TimedOut;
        };
        if let Some(read) = taken.add(next, declared, limits.octets) {
            return read;
        }
    }
}

/// What has come of a body.
#[derive(Default)]
struct Taken {
    first: Bytes,
    /// All of it, when it came in more than one part.
    rest: BytesMut,
}

impl Taken {
    fn octets(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// Adds a frame, or ends; at most so many octets are taken.
    fn add<E>(
        &mut self,
        next: Option<Result<Frame<Bytes>, E>>,
        declared: Option<u64>,
        most: usize,
    ) -> Option<Read> {
        let data = match next {
            None if self.rest.is_empty() => return Some(Read::Whole(mem::take(&mut self.first))),
            None => return Some(Read::Whole(mem::take(&mut self.rest).freeze())),
            Some(Err(_)) => return Some(Read::Broken),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        let received = self.octets();
        if received + data.len() > most {
            let mut kept = mem::take(&mut self.rest);
            kept.extend_from_slice(&self.first);
            kept.extend_from_slice(data.get(..most + 1 - received).unwrap_or(&data));
            return Some(Read::TooLarge { kept: kept.freeze(), declared });
        }
        if received == 0 {
            // Most bodies come in one frame: it is passed on without a copy.
            self.first = data;
        } else {
            self.rest.extend_from_slice(&mem::take(&mut self.first));
            self.rest.extend_from_slice(&data);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use http_body_util::StreamBody;
    use hyper::body::Body as _;

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
    async fn a_whole_body_tells_its_size_and_comes_once() {
        let mut body = full("four");

        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "four");
        assert!(body.is_end_stream() && body.frame().await.is_none());
        assert!(empty().is_end_stream() && empty().frame().await.is_none());
    }

    #[tokio::test]
    async fn declared_bodies_over_the_limit_are_not_touched() {
        let body = full(vec![0; 101]);

        assert!(
            matches!(read(body, LIMITS).await, Read::TooLarge { kept, declared: Some(101) } if kept.is_empty())
        );
    }
}
