//! `Line`: frames over a stream, counted in both directions, with an end for peers that do not read.

use std::{fmt, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::{
    super::protobuf::Nothing,
    frame::{self, Decoder, FrameError, Tag},
    stanza::{self, Heard, StanzaError},
    streams::Streams,
};
use crate::{limits::Limits, service::attached::Closing, wire::listener::reset_at_end};

/// Octets of one read; our choice: most frames fit.
const READ: usize = 4096;
/// How long the peer has to take an end; our choice.
const FAREWELL: Duration = Duration::from_secs(1);
/// Octets that are thrown away meanwhile; our choice: more than is on its way to us.
const LINGER: usize = 1024 * 1024;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Ended {
    /// The service or a test wants it.
    Told(Closing),
    /// The peer ended it.
    Gone,
    /// A login that is not taken.
    Refused(&'static str),
    /// It broke.
    Broken(io::Error),
    /// The peer says nothing.
    Silent,
    /// The peer reads nothing.
    Stuck,
    /// The octets are no frames.
    Frame(FrameError),
    /// A frame is no stanza, or comes when it may not.
    Stanza(StanzaError),
    /// A login where there is one, or none where it has to be.
    Order,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(Closing::Replaced) => f.write_str("connected anew"),
            Self::Told(Closing::Shutdown) => f.write_str("was connected to a service that stopped"),
            Self::Told(Closing::Offline) => f.write_str("was switched off"),
            Self::Told(_) => f.write_str("was cut off by a test"),
            Self::Gone => f.write_str("closed its connection"),
            Self::Refused(why) => write!(f, "was refused: {why}"),
            Self::Broken(error) => write!(f, "lost its connection: {error}"),
            Self::Silent => f.write_str("was silent for too long"),
            Self::Stuck => f.write_str("did not read"),
            Self::Frame(error) => write!(f, "sent no frame: {error}"),
            Self::Stanza(error) => write!(f, "sent no stanza: {error}"),
            Self::Order => f.write_str("sent a stanza before its login, or logged in twice"),
        }
    }
}

/// The frames of one connection.
pub(super) struct Line<S> {
    stream: S,
    decoder: Decoder,
    /// Our version was written, so stanzas may follow.
    greeted: bool,
    pub(super) streams: Streams,
    /// When the last whole frame came.
    pub(super) heard_at: Instant,
    /// A peer that takes no octet for that long is gone.
    no_progress: Duration,
    chunk: Box<[u8; READ]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(super) fn new(stream: S, limits: &Limits) -> Self {
        Self {
            stream,
            decoder: Decoder::new(limits.mcs_message),
            greeted: false,
            streams: Streams::default(),
            heard_at: Instant::now(),
            no_progress: limits.no_progress,
            chunk: Box::new([0; READ]),
        }
    }

    /// The next frame. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Result<Heard, Ended> {
        loop {
            if let Some(frame) = self.decoder.next().map_err(Ended::Frame)? {
                self.streams.receive();
                self.heard_at = Instant::now();
                tracing::trace!(tag = frame.tag.0, octets = frame.body.len(), "heard");
                return stanza::read(&frame).map_err(Ended::Stanza);
            }
            let read = self.stream.read(self.chunk.as_mut_slice()).await.map_err(broken)?;
            if read == 0 {
                return Err(Ended::Gone);
            }
            self.decoder.feed(self.chunk.get(..read).unwrap_or_default());
        }
    }

    /// Writes a frame that is no message.
    pub(super) async fn say(&mut self, tag: Tag, stanza: &impl prost::Message) -> Result<(), Ended> {
        self.streams.send();
        self.write(&frame::encode(tag, stanza)).await
    }

    /// Writes the version and the answer to a login.
    pub(super) async fn greet(&mut self, answer: &impl prost::Message) -> Result<(), Ended> {
        self.streams.send();
        self.greeted = true;
        let frame = frame::encode(Tag::LOGIN_RESPONSE, answer);
        self.write(&[&[frame::VERSION], frame.as_slice()].concat()).await
    }

    /// Writes octets; that they are written says nothing about who has read them (GCM-028).
    pub(super) async fn write(&mut self, octets: &[u8]) -> Result<(), Ended> {
        tracing::trace!(tag = octets.first(), octets = octets.len(), "written");
        let mut left = octets;
        while !left.is_empty() {
            let written =
                timeout(self.no_progress, self.stream.write(left)).await.map_err(|_| Ended::Stuck)?;
            left = match written.map_err(broken)? {
                0 => return Err(Ended::Gone),
                written => left.get(written..).unwrap_or_default(),
            };
        }
        timeout(self.no_progress, self.stream.flush()).await.map_err(|_| Ended::Stuck)?.map_err(broken)
    }

    /// Ends the connection as the reason wants it.
    pub(super) async fn end(mut self, why: &Ended) {
        let closes = match why {
            Ended::Told(Closing::Code(_) | Closing::Shutdown) => self.greeted,
            Ended::Told(Closing::Reset) => return reset_at_end(),
            Ended::Gone | Ended::Broken(_) | Ended::Stuck => return,
            _ => false,
        };
        let farewell = async {
            if closes {
                self.say(Tag::CLOSE, &Nothing {}).await?;
            }
            self.stream.shutdown().await.map_err(broken)?;
            // What is not read would reset the connection, and the peer might lose the end of what was said.
            let mut left = LINGER;
            while left > 0 {
                match self.stream.read(self.chunk.as_mut_slice()).await.map_err(broken)? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            Ok::<_, Ended>(())
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

fn broken(error: io::Error) -> Ended {
    // A peer that leaves without the farewell of TLS has left.
    if error.kind() == io::ErrorKind::UnexpectedEof { Ended::Gone } else { Ended::Broken(error) }
}
