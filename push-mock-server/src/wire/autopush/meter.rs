//! `Meter`: looks at the octets below a WebSocket, where fragments can be counted and progress be seen.
//!
//! It changes nothing that passes. The library above checks the frames themselves.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

/// A stream whose frames are counted.
#[derive(Debug)]
pub(super) struct Meter<S> {
    stream: S,
    frames: Frames,
    /// When the message that is coming in began.
    began: Option<Instant>,
    /// When octets were last written.
    written: Instant,
}

impl<S> Meter<S> {
    pub(super) fn new(stream: S, most_fragments: usize) -> Self {
        Self { stream, frames: Frames::new(most_fragments), began: None, written: Instant::now() }
    }

    /// Since when a message has been coming in that is not whole; none between two messages.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// When octets were last written.
    pub(super) fn written(&self) -> Instant {
        self.written
    }

    /// True when a message had more fragments than are allowed: nothing more is read then.
    pub(super) fn is_over(&self) -> bool {
        self.frames.over
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        this.frames.pass(buffer.filled().get(filled..).unwrap_or_default());
        if this.frames.over {
            return Poll::Ready(Err(io::Error::other("a message has too many fragments")));
        }
        this.began = this.frames.is_within().then(|| this.began.unwrap_or_else(Instant::now));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Meter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, octets))?;
        self.written = Instant::now();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Reads the headers of frames as they pass (RFC 6455 §5.2).
///
/// A header is: FIN (1 bit) ‖ reserved (3) ‖ opcode (4) ‖ MASK (1) ‖ length (7) ‖ longer length (0, 2 or 8 octets,
/// big-endian) ‖ mask (0 or 4 octets).
#[derive(Debug)]
struct Frames {
    most: usize,
    /// The header that is coming in; the first two octets say how long it is.
    header: [u8; 10],
    have: usize,
    /// Octets of mask and payload that are to come.
    rest: u64,
    /// Frames of the message that is coming in.
    fragments: usize,
    /// The last data frame did not end its message.
    open: bool,
    over: bool,
}

impl Frames {
    const fn new(most: usize) -> Self {
        Self { most, header: [0; 10], have: 0, rest: 0, fragments: 0, open: false, over: false }
    }

    const fn is_within(&self) -> bool {
        self.open || self.have > 0 || self.rest > 0
    }

    fn pass(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && !self.over {
            if self.rest > 0 {
                let skipped = usize::try_from(self.rest).unwrap_or(usize::MAX).min(octets.len());
                self.rest -= skipped as u64;
                octets = octets.get(skipped..).unwrap_or_default();
            } else if let Some((octet, behind)) = octets.split_first() {
                octets = behind;
                self.take(*octet);
            }
        }
    }

    fn take(&mut self, octet: u8) {
        if let Some(place) = self.header.get_mut(self.have) {
            *place = octet;
            self.have += 1;
        }
        let [first, second, two @ .., _, _, _, _, _, _] = self.header;
        let [.., a, b, c, d, e, f, g, h] = self.header;
        let (wanted, length) = match second & 0x7F {
            126 => (4, u64::from(u16::from_be_bytes(two))),
            127 => (10, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            short => (2, u64::from(short)),
        };
        if self.have < 2 || self.have < wanted {
            return;
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        self.rest = length.saturating_add(mask);
        self.have = 0;
        let is_final = first & 0x80 != 0;
        match first & 0x0F {
            // Control frames may stand between fragments.
            8..=15 => return,
            0 => self.fragments = self.fragments.saturating_add(1),
            _ => self.fragments = 1,
        }
        self.open = !is_final;
        self.over = self.fragments > self.most;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame of a client.
    fn frame(first: u8, octets: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match octets {
            0..126 => frame.push(0x80 | octets as u8),
            126..65536 => {
                frame.push(0x80 | 126);
                frame.extend((octets as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((octets as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(vec![0xFF; octets]);
        frame
    }

    fn pass(most: usize, octets: &[u8], step: usize) -> (bool, bool) {
        let mut frames = Frames::new(most);
        octets.chunks(step).for_each(|part| frames.pass(part));
        (frames.is_within(), frames.over)
    }

    #[test]
    fn whole_frames_of_any_length_end_their_message() {
        for octets in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let both = [frame(0x81, octets), frame(0x81, octets)].concat();
            for step in [1, 2, 7, both.len()] {
                assert_eq!(pass(1, &both, step), (false, false), "{octets} in steps of {step}");
                assert_eq!(pass(1, &both[..both.len() - 1], step), (true, false), "{octets}, cut");
            }
        }
    }

    /// One below, at and above the limit; a control frame between fragments is none.
    #[test]
    fn fragments_are_counted_per_message() {
        let message = |fragments: usize| {
            let mut octets = frame(0x01, 3);
            for _ in 2..fragments {
                octets.extend(frame(0x00, 0));
                octets.extend(frame(0x89, 4));
            }
            octets.extend(frame(0x80, 3));
            octets
        };
        for (fragments, over) in [(63, false), (64, false), (65, true)] {
            for step in [1, 5, 4096] {
                let twice = [message(fragments), message(fragments)].concat();
                assert_eq!(pass(64, &twice, step), (over, over), "{fragments} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_message_without_its_end_is_open() {
        assert_eq!(pass(64, &frame(0x01, 3), 4096), (true, false));
        assert_eq!(pass(64, &[], 1), (false, false));
    }

    proptest::proptest! {
        #[test]
        fn any_octets_pass(octets: Vec<u8>, step in 1_usize..20) {
            pass(3, &octets, step);
        }

        #[test]
        fn steps_do_not_matter(octets: Vec<u8>, step in 1_usize..20) {
            proptest::prop_assert_eq!(pass(2, &octets, step), pass(2, &octets, octets.len().max(1)));
        }
    }
}
