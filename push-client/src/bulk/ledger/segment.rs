//! A segment of a ledger: its header, and reading its records back: pure, over any reader.
//!
//! Header, 128 octets, big-endian:
//! `"WPL1" (4) ‖ segment (4) ‖ input (32) ‖ options (32) ‖ lines (8) ‖ begun, ms since 1970 (8) ‖
//! records in earlier segments (8) ‖ zeros (28) ‖ CRC-32C of all before (4)`.

use std::io::{self, Read};

use push_crypto::Timestamp;

use super::{
    Digest, Run,
    record::{Kind, OCTETS, Record, crc32c},
};

/// Octets of a header: eight records, so that records stay aligned.
pub(crate) const HEADER: usize = 128;
const MAGIC: [u8; 4] = *b"WPL1";
/// What of the header the fields take; zeros follow.
const FIELDS: usize = 96;

/// What stands in front of the records of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its number, from 0.
    pub(crate) segment: u32,
    /// What is sent.
    pub(crate) run: Run,
    /// When the run was begun: times of records count from here.
    pub(crate) begun: Timestamp,
    /// How many records the earlier segments have.
    pub(crate) earlier: u64,
}

impl Header {
    /// The header's octets.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEADER);
        octets.extend(MAGIC);
        octets.extend(self.segment.to_be_bytes());
        octets.extend(self.run.input.0);
        octets.extend(self.run.options.0);
        octets.extend(self.run.lines.to_be_bytes());
        octets.extend(self.begun.as_unix_millis().to_be_bytes());
        octets.extend(self.earlier.to_be_bytes());
        debug_assert_eq!(octets.len(), FIELDS);
        octets.resize(HEADER - 4, 0);
        octets.extend(crc32c(0, &octets).to_be_bytes());
        octets
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub(crate) fn decode(octets: &[u8; HEADER]) -> Result<Self, HeaderError> {
        let mut rest = octets.as_slice();
        if take::<4>(&mut rest)? != MAGIC {
            return Err(HeaderError::Magic);
        }
        let (fields, check) = octets.split_last_chunk::<4>().ok_or(HeaderError::Check)?;
        if crc32c(0, fields) != u32::from_be_bytes(*check) {
            return Err(HeaderError::Check);
        }
        let segment = u32::from_be_bytes(take(&mut rest)?);
        let (input, options) = (Digest(take(&mut rest)?), Digest(take(&mut rest)?));
        let lines = u64::from_be_bytes(take(&mut rest)?);
        let begun = Timestamp::from_unix_millis(u64::from_be_bytes(take(&mut rest)?));
        let earlier = u64::from_be_bytes(take(&mut rest)?);
        Ok(Self { segment, run: Run { input, options, lines }, begun, earlier })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], HeaderError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(HeaderError::Check)?;
    *rest = tail;
    Ok(*head)
}

/// Why octets are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// Its check is wrong.
    Check,
    /// It does not begin like one.
    Magic,
}

/// What was found behind the header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Good records from the begin.
    pub(crate) records: u64,
    /// What follows them.
    pub(crate) tail: Tail,
}

/// What follows the good records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Something that a crash can have left: it was not yet known to be on the disk.
    Torn,
    /// Something wrong among what was on the disk already.
    Damaged,
    /// Nothing.
    None,
}

/// Reads the records behind the header and gives each good one to `apply`, up to the first bad one.
pub(crate) fn scan(
    mut reader: impl Read,
    segment: u32,
    mut apply: impl FnMut(&Record),
) -> io::Result<Scanned> {
    let (mut records, mut bad, mut vouched) = (0, false, 0);
    let mut octets = [0; OCTETS];
    loop {
        let read = read_full(&mut reader, &mut octets)?;
        if read < OCTETS {
            bad |= read > 0;
            break;
        }
        match Record::decode(&octets, segment) {
            // A promise behind the damage still tells that what is damaged had been on the disk.
            Some(Record { index, kind: Kind::Synced, .. }) if bad => vouched = index.max(vouched),
            Some(_) if bad => {}
            Some(record) => {
                records += 1;
                apply(&record);
            }
            None => bad = true,
        }
    }
    let tail = match bad {
        false => Tail::None,
        true if vouched > records => Tail::Damaged,
        true => Tail::Torn,
    };
    Ok(Scanned { records, tail })
}

/// Reads until the buffer is full or nothing follows.
pub(crate) fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            segment: 7,
            run: Run { input: Digest([1; 32]), options: Digest([2; 32]), lines: 1_000_000 },
            begun: Timestamp::from_unix_millis(1_800_000_000_123),
            earlier: 4_194_296,
        }
    }

    fn octets() -> [u8; HEADER] {
        header().encode().try_into().unwrap()
    }

    #[test]
    fn a_header_survives() {
        assert_eq!(Header::decode(&octets()), Ok(header()));
    }

    #[test]
    fn a_wrong_bit_anywhere_in_a_header_is_found() {
        for bit in 0..HEADER * 8 {
            let mut octets = octets();
            octets[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&octets).is_err(), "bit {bit}");
        }
    }
}
