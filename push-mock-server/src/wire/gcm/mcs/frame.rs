//! Frames: `version (1, once) ‖ [tag (1) ‖ size (varint, at most 5 octets) ‖ body (size)]…`; pure.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

pub(crate) use crate::wire::listener::MCS as VERSION;

/// Octets of a size: 32 bits in groups of seven.
const LONGEST_SIZE: usize = 5;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u8);

impl Tag {
    pub(crate) const HEARTBEAT_PING: Self = Self(0);
    pub(crate) const HEARTBEAT_ACK: Self = Self(1);
    pub(crate) const LOGIN_REQUEST: Self = Self(2);
    pub(crate) const LOGIN_RESPONSE: Self = Self(3);
    pub(crate) const CLOSE: Self = Self(4);
    pub(crate) const IQ_STANZA: Self = Self(7);
    pub(crate) const DATA_MESSAGE_STANZA: Self = Self(8);
}

/// One frame.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: Tag,
    pub(crate) body: Bytes,
}

/// Why octets are no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// The first octet.
    Version(u8),
    /// The size has more than five octets.
    Size,
    /// The frame is over the limit.
    TooLong { octets: u64, limit: usize },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(seen) => write!(f, "version {seen} of MCS was offered, only {VERSION} is spoken"),
            Self::Size => write!(f, "the size of a frame has over {LONGEST_SIZE} octets"),
            Self::TooLong { octets, limit } => {
                write!(f, "a frame has {octets} octets, at most {limit} are allowed; raise mcs_message")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Finds frames in octets that come split or joined anywhere.
///
/// Whoever feeds it takes all frames out before the next octets, so it holds less than one frame and one read.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit: usize,
    greeted: bool,
    buffer: BytesMut,
}

impl Decoder {
    /// Before the version; `limit` bounds the body of a frame.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, greeted: false, buffer: BytesMut::new() }
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// The next frame; none while it is not whole. After an error nothing makes sense any more.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        if !self.greeted {
            match self.buffer.first() {
                None => return Ok(None),
                Some(&VERSION) => self.buffer.advance(1),
                Some(&other) => return Err(FrameError::Version(other)),
            }
            self.greeted = true;
        }
        let Some((&tag, rest)) = self.buffer.split_first() else { return Ok(None) };
        let Some((octets, used)) = size(rest)? else { return Ok(None) };
        let fits = usize::try_from(octets).ok().filter(|size| *size <= self.limit);
        let Some(size) = fits else { return Err(FrameError::TooLong { octets, limit: self.limit }) };
        if rest.len() < used + size {
            return Ok(None);
        }
        self.buffer.advance(1 + used);
        Ok(Some(Frame { tag: Tag(tag), body: self.buffer.split_to(size).freeze() }))
    }

    #[cfg(test)]
    fn held(&self) -> usize {
        self.buffer.len()
    }
}

/// A size and its octets; none while it is not whole.
fn size(octets: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    let mut size = 0;
    for (at, octet) in octets.iter().take(LONGEST_SIZE).enumerate() {
        size |= u64::from(octet & 0x7f) << (7 * at);
        if octet & 0x80 == 0 {
            return Ok(Some((size, at + 1)));
        }
    }
    if octets.len() < LONGEST_SIZE { Ok(None) } else { Err(FrameError::Size) }
}

/// A frame as it is sent.
pub(crate) fn encode(tag: Tag, message: &impl prost::Message) -> Vec<u8> {
    let size = message.encoded_len();
    let mut octets = Vec::with_capacity(1 + prost::length_delimiter_len(size) + size);
    octets.push(tag.0);
    // A vector has room for everything.
    let _ = message.encode_length_delimited(&mut octets);
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1000;

    fn all(chunks: &[&[u8]]) -> Result<Vec<(u8, usize)>, FrameError> {
        let mut decoder = Decoder::new(LIMIT);
        let mut frames = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while let Some(frame) = decoder.next()? {
                frames.push((frame.tag.0, frame.body.len()));
            }
            assert!(decoder.held() <= LIMIT + 1 + LONGEST_SIZE + chunk.len());
        }
        Ok(frames)
    }

    /// A ping and an acknowledgement, as Chromium 156 sends them.
    const PING: [u8; 4] = [0, 2, 0x10, 1];
    const ACK: [u8; 14] = [7, 12, 0x10, 1, 0x1a, 0, 0x3a, 4, 8, 0x0d, 0x12, 0, 0x50, 0x0b];

    /// GCM-019.
    #[test]
    fn frames_are_found_split_and_joined_anywhere() {
        let octets = [&[VERSION][..], &PING, &[4, 0], &ACK].concat();
        let expected = vec![(0, 2), (4, 0), (7, 12)];

        assert_eq!(all(&[&octets]), Ok(expected.clone()));
        let single: Vec<_> = octets.chunks(1).collect();
        assert_eq!(all(&single), Ok(expected.clone()));
        for at in 0..octets.len() {
            let (one, other) = octets.split_at(at);
            assert_eq!(all(&[one, other]), Ok(expected.clone()), "split at {at}");
        }
    }

    /// GCM-018: 41 and nothing else, once.
    #[test]
    fn only_version_41_is_spoken() {
        assert_eq!(all(&[&[40, 2, 0]]), Err(FrameError::Version(40)));
        assert_eq!(all(&[&[VERSION, VERSION, 0]]), Ok(vec![(VERSION, 0)]), "a tag that nobody knows");
    }

    /// GCM-021: `mcs_message` one below, at and one above, and sizes that nobody means.
    #[test]
    fn sizes_are_bounded_before_anything_is_kept() {
        let frame = |size: usize| {
            let mut octets = vec![VERSION, 9];
            prost::encode_length_delimiter(size, &mut octets).unwrap();
            octets
        };
        for size in [LIMIT - 1, LIMIT] {
            assert_eq!(all(&[&frame(size), &vec![7; size]]), Ok(vec![(9, size)]));
        }
        for size in [LIMIT + 1, 1 << 31, (1 << 35) - 1] {
            let error = FrameError::TooLong { octets: size as u64, limit: LIMIT };
            assert_eq!(all(&[&frame(size)]), Err(error), "nothing of the body has come");
        }
        assert_eq!(all(&[&[VERSION, 9, 0x80, 0x80, 0x80, 0x80]]), Ok(vec![]));
        assert_eq!(all(&[&[VERSION, 9, 0x80, 0x80, 0x80, 0x80, 0x80]]), Err(FrameError::Size));
        assert_eq!(all(&[&[VERSION, 9, 0x80, 0x80, 0x80, 0x80, 0]]), Ok(vec![(9, 0)]), "longer than needed");
    }

    proptest! {
        #[test]
        fn no_octets_panic_and_no_split_matters(octets: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let octets = [&[VERSION][..], &octets].concat();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(octets.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([octets.len()]) {
                chunks.push(&octets[from..cut]);
                from = cut;
            }
            prop_assert_eq!(all(&chunks), all(&[&octets]));
        }
    }
}
