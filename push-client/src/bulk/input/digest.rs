//! What a ledger has to know of an input before the first message is sent: digest and number of lines, in one pass.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::bulk::ledger::Digest;

/// Octets read at once (our choice: measured to be as fast as larger ones).
const CHUNK: usize = 128 * 1024;

/// Digest and number of lines of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// SHA-256 of all octets.
    pub digest: Digest,
    /// Lines, the last one also without its end.
    pub lines: u64,
}

/// Reads an input once, in constant memory.
///
/// # Errors
/// What the system reports.
pub fn summarize(mut source: impl Read) -> io::Result<Summary> {
    let mut hash = Sha256::new();
    let mut chunk = zeroize::Zeroizing::new(vec![0; CHUNK]);
    let (mut lines, mut last) = (0, b'\n');
    loop {
        let read = match source.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let part = chunk.get(..read).unwrap_or_default();
        let Some(end) = part.last() else { break };
        last = *end;
        lines += memchr::memchr_iter(b'\n', part).count() as u64;
        hash.update(part);
    }
    let digest = Digest(hash.finalize().into());
    Ok(Summary { digest, lines: lines + u64::from(last != b'\n') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_with_and_without_its_end() {
        let lines = |text: &str| summarize(text.as_bytes()).unwrap().lines;

        assert_eq!(["", "\n", "a", "a\n", "a\nb", "a\n\n"].map(lines), [0, 1, 1, 1, 2, 2]);
    }

    #[test]
    fn the_digest_is_sha_256() {
        let summary = summarize(&b"abc"[..]).unwrap();

        // FIPS 180-4, example of one block.
        assert_eq!(summary.digest.0[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(summary.digest.0[28..], [0xf2, 0x00, 0x15, 0xad]);
    }
}
