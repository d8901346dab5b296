//! `Socket`: a WebSocket as one event after the other, with every time and limit that a peer can overstep.
//!
//! Reading goes on while something is being written, unless a peer asks without taking the answers. What a text means
//! is left to `connection`.

use std::{
    borrow::Cow,
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Sink as _, Stream as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, Sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::ProtocolError,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use super::meter::Meter;
use crate::{limits::Limits, wire::listener::reset_at_end};

/// Time for the last words, and again for the peer to end its side (our choice).
const FAREWELL: Duration = Duration::from_secs(1);
/// Octets of frames from which on they are written without waiting for a flush, which comes before anything is waited
/// for: several messages go out in one write. Our choice: five messages of 1 KiB, since a connection keeps the room.
const WRITE_BUFFER: usize = 8 * 1024;
/// Octets of a reason: a control frame has at most 125, and the code takes two (RFC 6455 §5.5).
const REASON: usize = 123;

/// What happens on a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// A text frame.
    Text(Utf8Bytes),
    /// What was told has been written, after there was no room for more.
    Drained,
    /// The connection is to end.
    End(End),
}

/// How a connection ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With a close frame.
    Close(u16, Cow<'static, str>),
    /// Without a word, after what was written.
    Fin(&'static str),
    /// The peer has ended it.
    Gone(Cow<'static, str>),
    /// At once; what was not written yet is lost.
    Reset(&'static str),
}

impl End {
    pub(super) fn close(code: u16, why: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(code, why.into())
    }

    /// Why, for log and history.
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Close(_, why) | Self::Gone(why) => why,
            Self::Fin(why) | Self::Reset(why) => why,
        }
    }

    /// The close code that is sent.
    pub(super) fn code(&self) -> Option<u16> {
        if let Self::Close(code, _) = self { Some(*code) } else { None }
    }
}

/// What is due by the clock.
#[derive(Clone, Copy, Debug)]
enum Due {
    Hello,
    LateReply,
    Ping,
    Pong,
    Slow,
}

/// A WebSocket of a user agent.
pub(super) struct Socket<S> {
    stream: WebSocketStream<Meter<S>>,
    times: Times,
    /// Boxed, so that it can be moved while it runs.
    timer: Pin<Box<Sleep>>,
    /// Until when hello has to come; none: it came.
    hello_by: Option<Instant>,
    next_ping: Instant,
    pong_by: Option<Instant>,
    /// Since when something is being written.
    writing: Option<Instant>,
    /// Octets of replies that are being written.
    replies: usize,
    /// Octets of what nobody asked for that are being written.
    told: usize,
    /// Replies that a test holds back, by their time.
    late: VecDeque<(Instant, String)>,
    /// Control frames since an instant.
    control: (Instant, usize),
}

/// The limits that a connection needs after its beginning.
struct Times {
    ping_every: Duration,
    pong_within: Duration,
    no_progress: Duration,
    control_frames: usize,
    replies: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over after the handshake.
    pub(super) async fn new(stream: S, limits: &Limits) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(limits.ws_read_buffer)
            .write_buffer_size(WRITE_BUFFER)
            .max_frame_size(Some(limits.frame_octets))
            .max_message_size(Some(limits.message_octets));
        let meter = Meter::new(stream, limits.fragments);
        let now = Instant::now();
        let hello_by = now + limits.hello_timeout;
        Self {
            stream: WebSocketStream::from_raw_socket(meter, Role::Server, Some(config)).await,
            times: Times {
                ping_every: limits.ping_every,
                pong_within: limits.pong_within,
                no_progress: limits.no_progress,
                control_frames: limits.control_frames_per_second,
                replies: limits.message_octets,
            },
            timer: Box::pin(tokio::time::sleep_until(hello_by)),
            hello_by: Some(hello_by),
            next_ping: now + limits.ping_every,
            pong_by: None,
            writing: None,
            replies: 0,
            told: 0,
            late: VecDeque::new(),
            control: (now, 0),
        }
    }

    /// Hello has come: from now on PING frames are sent.
    pub(super) fn greeted(&mut self) {
        self.hello_by = None;
        self.next_ping = Instant::now() + self.times.ping_every;
    }

    /// What happens next. Cancel-safe.
    pub(super) async fn event(&mut self) -> Event {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Sends an answer.
    pub(super) fn reply(&mut self, text: impl Into<Utf8Bytes>) {
        let text = text.into();
        tracing::trace!(octets = text.len(), "answered");
        self.replies = self.replies.saturating_add(text.len());
        self.send(Message::Text(text));
    }

    /// Sends an answer after that time, whatever is said until then.
    pub(super) fn reply_after(&mut self, delay: Duration, text: String) {
        let at = Instant::now() + delay;
        let place = self.late.partition_point(|(other, _)| *other <= at);
        self.late.insert(place, (at, text));
    }

    /// Whether more may be told; what is there already has to be read first otherwise.
    pub(super) const fn has_room(&self) -> bool {
        self.told <= self.times.replies
    }

    /// Sends what nobody asked for, while there is room.
    pub(super) fn tell(&mut self, text: String) {
        tracing::trace!(octets = text.len(), "notified");
        self.told = self.told.saturating_add(text.len());
        self.send(Message::Text(text.into()));
    }

    fn send(&mut self, message: Message) {
        self.writing.get_or_insert_with(Instant::now);
        // An error shows again when it is flushed or read.
        let _ = Pin::new(&mut self.stream).start_send(message);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if self.writing.is_some() {
                match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(Ok(())) => {
                        let drained = !self.has_room();
                        self.writing = None;
                        (self.replies, self.told) = (0, 0);
                        if drained {
                            return Poll::Ready(Event::Drained);
                        }
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Event::End(lost())),
                    Poll::Pending => {}
                }
            }
            if self.replies <= self.times.replies {
                match Pin::new(&mut self.stream).poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => match self.received(message) {
                        Some(event) => return Poll::Ready(event),
                        None => continue,
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Event::End(self.failed(&error))),
                    Poll::Ready(None) => return Poll::Ready(Event::End(lost())),
                    Poll::Pending => {}
                }
            }
            let (at, due) = self.next_due();
            if self.timer.deadline() != at {
                self.timer.as_mut().reset(at);
            }
            ready!(self.timer.as_mut().poll(cx));
            if let Some(end) = self.act(due) {
                return Poll::Ready(Event::End(end));
            }
        }
    }

    fn received(&mut self, message: Message) -> Option<Event> {
        match message {
            Message::Text(text) => Some(Event::Text(text)),
            Message::Binary(_) => {
                Some(Event::End(End::close(1003, "a binary frame came; only text frames are understood")))
            }
            Message::Ping(_) => {
                // The library has made the answer, it only has to be written.
                self.writing.get_or_insert_with(Instant::now);
                self.count_control()
            }
            Message::Pong(_) => {
                self.pong_by = None;
                self.count_control()
            }
            Message::Close(frame) => Some(Event::End(End::Gone(match frame {
                Some(frame) => format!("closed by the user agent with {}", u16::from(frame.code)).into(),
                None => "closed by the user agent".into(),
            }))),
            Message::Frame(_) => None,
        }
    }

    fn count_control(&mut self) -> Option<Event> {
        let now = Instant::now();
        if now.saturating_duration_since(self.control.0) >= Duration::from_secs(1) {
            self.control = (now, 0);
        }
        self.control.1 += 1;
        (self.control.1 > self.times.control_frames)
            .then(|| Event::End(End::close(1008, "too many PING and PONG frames within a second")))
    }

    fn failed(&self, error: &Error) -> End {
        match error {
            Error::Capacity(_) => End::close(1009, "a frame or message is too long"),
            Error::Utf8(_) => End::close(1007, "a text is no UTF-8"),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => lost(),
            Error::Protocol(error) => End::close(1002, error.to_string()),
            _ if self.stream.get_ref().is_over() => End::close(1008, "a message has too many fragments"),
            _ => lost(),
        }
    }

    fn next_due(&self) -> (Instant, Due) {
        let meter = self.stream.get_ref();
        let slow = |since: Instant| (since + self.times.no_progress, Due::Slow);
        let greeting = match (self.hello_by, self.pong_by) {
            (Some(at), _) => (at, Due::Hello),
            (None, Some(at)) => (at, Due::Pong),
            (None, None) => (self.next_ping, Due::Ping),
        };
        let coming = meter.began().map(slow);
        let going = self.writing.map(|since| slow(since.max(meter.written())));
        let late = self.late.front().map(|(at, _)| (*at, Due::LateReply));
        let others = [coming, going, late].into_iter().flatten();
        others.fold(greeting, |first, other| if other.0 < first.0 { other } else { first })
    }

    fn act(&mut self, due: Due) -> Option<End> {
        match due {
            Due::Hello => return Some(End::close(1008, "no hello came in time")),
            Due::Pong => return Some(End::Reset("a PING was not answered in time")),
            Due::Slow => return Some(End::close(1008, "a frame did not come in, or was not taken, in time")),
            Due::LateReply => {
                if let Some((_, text)) = self.late.pop_front() {
                    self.reply(text);
                }
            }
            Due::Ping => {
                let now = Instant::now();
                self.next_ping = now + self.times.ping_every;
                self.pong_by = Some(now + self.times.pong_within);
                self.send(Message::Ping(Bytes::new()));
            }
        }
        None
    }

    /// Ends the connection, within two seconds.
    pub(super) async fn finish(mut self, end: &End) {
        match end {
            End::Reset(_) => return reset_at_end(),
            End::Close(code, why) => {
                let frame = CloseFrame { code: (*code).into(), reason: cut(why).into() };
                self.send(Message::Close(Some(frame)));
            }
            End::Fin(_) | End::Gone(_) => {}
        }
        let flushed = poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx));
        if timeout(FAREWELL, flushed).await.is_err() {
            return;
        }
        let mut stream = self.stream.into_inner().into_inner();
        // An end with octets unread would be a reset, and take the last words away from the peer.
        let _ = timeout(FAREWELL, async {
            let _ = stream.shutdown().await;
            let mut ignored = [0; 512];
            while stream.read(&mut ignored).await.is_ok_and(|octets| octets > 0) {}
        })
        .await;
    }
}

fn lost() -> End {
    End::Gone("the connection was lost".into())
}

/// As much of a reason as a close frame can hold.
fn cut(why: &str) -> &str {
    let mut most = why.len().min(REASON);
    while !why.is_char_boundary(most) {
        most -= 1;
    }
    why.get(..most).unwrap_or_default()
}
