//! A window over a source that holds at least one whole line: lines of any length, in constant memory.

use std::io::{self, Read};

use zeroize::Zeroizing;

use super::{LINE_OCTETS, Reason};

/// Octets of the window (our choice: 16 of the longest lines, one system call for some 700 usual ones).
const WINDOW: usize = 256 * 1024;
/// What some editors write in front of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A line and its number, from 1.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) content: Result<&'a [u8], Reason>,
}

pub(super) struct Window<R> {
    source: R,
    /// Holds secrets of subscriptions.
    buffer: Zeroizing<Vec<u8>>,
    from: usize,
    to: usize,
    /// True when the source has nothing behind the view.
    pub(super) is_ended: bool,
    /// Line ends passed.
    pub(super) passed: u64,
}

impl<R: Read> Window<R> {
    pub(super) fn new(source: R) -> Self {
        let buffer = Zeroizing::new(vec![0; WINDOW]);
        Self { source, buffer, from: 0, to: 0, is_ended: false, passed: 0 }
    }

    /// What is there from here on: the rest of the source, or more than the longest line.
    pub(super) fn view(&mut self) -> io::Result<&[u8]> {
        if self.to - self.from <= LINE_OCTETS && !self.is_ended {
            let is_begin = self.passed == 0 && self.from == 0 && self.to == 0;
            self.refill()?;
            let begin = self.buffer.get(..self.to).unwrap_or_default();
            if is_begin && begin.starts_with(MARK) {
                self.from = MARK.len();
            }
        }
        Ok(self.buffer.get(self.from..self.to).unwrap_or_default())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        while let Some(room) = self.buffer.get_mut(self.to..).filter(|room| !room.is_empty()) {
            match self.source.read(room) {
                Ok(0) => {
                    self.is_ended = true;
                    break;
                }
                Ok(read) => self.to += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Goes on by so many octets, which end so many lines.
    pub(super) fn pass(&mut self, octets: usize, lines: u64) {
        self.from = self.to.min(self.from + octets);
        self.passed += lines;
    }

    /// The next line, without its end.
    pub(super) fn line(&mut self) -> io::Result<Option<Line<'_>>> {
        let number = self.passed + 1;
        let view = self.view()?;
        if view.is_empty() {
            return Ok(None);
        }
        let start = self.from;
        let view = self.buffer.get(start..self.to).unwrap_or_default();
        match memchr::memchr(b'\n', view) {
            Some(length) if length <= LINE_OCTETS => self.pass(length + 1, 1),
            None if view.len() <= LINE_OCTETS => {
                let length = view.len();
                self.pass(length, 1);
            }
            _ => {
                self.skip_line()?;
                return Ok(Some(Line { number, content: Err(Reason::TooLong) }));
            }
        }
        let line = self.buffer.get(start..self.from).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Ok(Some(Line { number, content: Ok(line.strip_suffix(b"\r").unwrap_or(line)) }))
    }

    /// Goes to the begin of the next line, however far that is.
    pub(super) fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let view = self.view()?;
            let (octets, found) = match memchr::memchr(b'\n', view) {
                Some(at) => (at + 1, true),
                None => (view.len(), false),
            };
            self.pass(octets, u64::from(found));
            if found || octets == 0 {
                return Ok(());
            }
        }
    }
}
