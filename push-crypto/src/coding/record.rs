//! Records: how a message is split, padded, sealed and opened.
//!
//! ```text
//!  aes128gcm   data ‖ delimiter (2 in the last record, else 1) ‖ 0*          RFC 8188 §2
//!  aesgcm      pad length (2, big-endian) ‖ 0 × pad length ‖ data            ee-03 §2
//!  aesgcm128   pad length (1) ‖ 0 × pad length ‖ data                        ee-00, te-02 §2
//! ```
//! Each record is sealed by AES-128-GCM with the nonce `NONCE XOR n`, empty additional data, tag at the end.

use alloc::vec::Vec;
use core::fmt;

use aes_gcm::{Aes128Gcm, KeyInit as _, aead::AeadInOut as _};

use super::schedule::ContentKeys;

/// Octets of the authentication tag of AEAD_AES_128_GCM (RFC 5116 §5.1).
pub(crate) const TAG: usize = 16;

/// Where padding stands in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One delimiter octet after the data, then zeros.
    DelimiterAfter,
    /// A length of so many octets and zeros before the data.
    #[cfg(feature = "legacy")]
    PadLengthBefore { octets: usize },
}

impl Layout {
    /// Octets of a record's plaintext that are neither data nor padding.
    pub(crate) const fn overhead(self) -> usize {
        match self {
            Self::DelimiterAfter => 1,
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { octets } => octets,
        }
    }

    /// Most padding in one record.
    pub(crate) const fn padding_limit(self) -> usize {
        match self {
            Self::DelimiterAfter => usize::MAX,
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { octets: 1 } => 255,
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { .. } => 65_535,
        }
    }

    /// The least record size, at which a record carries one octet of data.
    pub(crate) const fn least_record_size(self) -> u64 {
        match self {
            Self::DelimiterAfter => 18,
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { octets } => octets as u64 + 1,
        }
    }

    /// The largest record size that the coding can name: 4 octets in aes128gcm, AES-GCM's bound in the others.
    pub(crate) const fn most_record_size(self) -> u64 {
        match self {
            Self::DelimiterAfter => u32::MAX as u64,
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { .. } => super::fields::MAX_RECORD_SIZE,
        }
    }

    /// Octets of a full record on the wire: `rs` counts the tag in aes128gcm only. Saturates.
    pub(crate) const fn sealed_size(self, rs: u64) -> u64 {
        match self {
            Self::DelimiterAfter => rs,
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { .. } => rs.saturating_add(TAG as u64),
        }
    }

    /// Octets of data and padding in a full record; none below [`Layout::least_record_size`].
    pub(crate) const fn room(self, rs: u64) -> u64 {
        self.sealed_size(rs).saturating_sub(TAG as u64 + self.overhead() as u64)
    }

    /// Octets on the wire of all records for so much data and padding; the padding fills the first records. Saturates.
    pub(crate) fn sealed_length(self, rs: u64, data: usize, padding: usize) -> u64 {
        let carried = data.saturating_add(padding) as u64;
        let framing = (self.overhead() + TAG) as u64;
        self.count(rs, carried).saturating_mul(framing).saturating_add(carried)
    }

    /// Most padding that the records for so much data and padding can take: every record but the last is full, so
    /// where padding is counted in one octet, the data has to fill what it leaves.
    pub(crate) fn padding_limit_of_all(self, rs: u64, data: usize, padding: usize) -> u64 {
        let (carried, room) = (data.saturating_add(padding) as u64, self.room(rs).max(1));
        let (full, limit) = (self.count(rs, carried) - 1, self.padding_limit() as u64);
        let last = carried.saturating_sub(full.saturating_mul(room));
        full.saturating_mul(limit.min(room)).saturating_add(limit.min(last))
    }

    /// How many records carry so many octets of data and padding, at least one.
    fn count(self, rs: u64, carried: u64) -> u64 {
        let room = self.room(rs).max(1);
        match self {
            Self::DelimiterAfter => carried.div_ceil(room).max(1),
            // The last record must not be full (ee-03 §2), so data that ends on a border needs one more.
            #[cfg(feature = "legacy")]
            Self::PadLengthBefore { .. } => (carried / room).saturating_add(1),
        }
    }
}

/// Seals all records behind what is in `out` already. Padding goes into the first records, as much as fits.
///
/// Invariant: `rs` is legal, and the padding within [`Layout::padding_limit_of_all`], which the callers check.
pub(crate) fn seal(
    layout: Layout,
    keys: &ContentKeys,
    rs: u64,
    mut data: &[u8],
    mut padding: usize,
    out: &mut Vec<u8>,
) {
    let cipher = Aes128Gcm::new(&keys.key.into());
    let room = usize::try_from(layout.room(rs)).unwrap_or(usize::MAX).max(1);
    for number in 0_u64.. {
        let padded = padding.min(room).min(layout.padding_limit());
        let (now, later) = data.split_at(data.len().min(room - padded));
        (data, padding) = (later, padding - padded);
        let last = match layout {
            Layout::DelimiterAfter => data.is_empty() && padding == 0,
            #[cfg(feature = "legacy")]
            Layout::PadLengthBefore { .. } => data.is_empty() && padding == 0 && now.len() + padded < room,
        };
        let start = out.len();
        write_record(layout, now, padded, last, out);
        let record = out.get_mut(start..).unwrap_or_default();
        // AES-GCM refuses only plaintexts of 2^36 octets and more (RFC 5116 §5.1).
        if let Ok(tag) = cipher.encrypt_inout_detached(&nonce(&keys.nonce, number).into(), &[], record.into())
        {
            out.extend_from_slice(&tag);
        }
        if last {
            return;
        }
    }
}

fn write_record(layout: Layout, data: &[u8], padding: usize, last: bool, out: &mut Vec<u8>) {
    match layout {
        Layout::DelimiterAfter => {
            out.extend_from_slice(data);
            out.push(if last { 2 } else { 1 });
            out.resize(out.len() + padding, 0);
        }
        #[cfg(feature = "legacy")]
        Layout::PadLengthBefore { octets } => {
            let length = (padding as u16).to_be_bytes();
            out.extend_from_slice(length.get(2 - octets..).unwrap_or_default());
            out.resize(out.len() + padding, 0);
            out.extend_from_slice(data);
        }
    }
}

/// Seals octets as they are, so that tests can craft records which no sender writes.
#[cfg(test)]
#[cfg(all(feature = "legacy", feature = "os_random"))]
pub(crate) fn seal_raw(keys: &ContentKeys, number: u64, octets: &mut Vec<u8>) {
    let cipher = Aes128Gcm::new(&keys.key.into());
    let tag =
        cipher.encrypt_inout_detached(&nonce(&keys.nonce, number).into(), &[], octets.as_mut_slice().into());
    octets.extend_from_slice(&tag.unwrap());
}

/// What [`open`] found besides the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) padding: usize,
    pub(crate) records: usize,
}

/// Opens all records into `out`; memory is bounded by the body, whatever `rs` says.
pub(crate) fn open(
    layout: Layout,
    keys: &ContentKeys,
    rs: u64,
    records: &[u8],
    out: &mut Vec<u8>,
) -> Result<Opened, RecordError> {
    // A size of 0 is refused where it is read; here it must only not divide.
    let sealed = usize::try_from(layout.sealed_size(rs)).unwrap_or(usize::MAX).max(1);
    if records.is_empty() {
        return Err(match layout {
            Layout::DelimiterAfter => RecordError::NoRecord,
            // There is no header block in the body that could be all there is: nothing came at all.
            #[cfg(feature = "legacy")]
            Layout::PadLengthBefore { .. } => RecordError::ShortRecord { record: 0, octets: 0 },
        });
    }
    #[cfg(feature = "legacy")]
    if matches!(layout, Layout::PadLengthBefore { .. }) && records.len().is_multiple_of(sealed) {
        return Err(RecordError::LastRecordFull);
    }
    let cipher = Aes128Gcm::new(&keys.key.into());
    let mut found = Opened::default();
    out.reserve(records.len());
    let count = records.len().div_ceil(sealed);
    for (number, record) in records.chunks(sealed).enumerate() {
        let content = record.len().checked_sub(TAG).filter(|content| *content >= layout.overhead());
        let content = content.ok_or(RecordError::ShortRecord { record: number, octets: record.len() })?;
        let (content, tag) = record.split_at(content);
        let tag = <[u8; TAG]>::try_from(tag).map_err(|_| RecordError::Tag { record: number })?;
        let start = out.len();
        out.extend_from_slice(content);
        let plain = out.get_mut(start..).unwrap_or_default();
        cipher
            .decrypt_inout_detached(&nonce(&keys.nonce, number as u64).into(), &[], plain.into(), &tag.into())
            .map_err(|_| RecordError::Tag { record: number })?;
        found.padding += strip(layout, number, number + 1 == count, start, out)?;
        found.records += 1;
    }
    Ok(found)
}

/// Removes padding and framing of the record that starts at `start` in `out`; gives the octets of padding.
fn strip(
    layout: Layout,
    number: usize,
    last: bool,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<usize, RecordError> {
    let plain = out.get(start..).unwrap_or_default();
    match layout {
        Layout::DelimiterAfter => {
            let at =
                plain.iter().rposition(|octet| *octet != 0).ok_or(RecordError::AllZero { record: number })?;
            let (delimiter, padding) = (plain.get(at).copied().unwrap_or(0), plain.len() - at - 1);
            match (delimiter, last) {
                (2, true) | (1, false) => {}
                (1, true) => return Err(RecordError::MoreFollows),
                _ => return Err(RecordError::Delimiter { record: number, seen: delimiter, last }),
            }
            out.truncate(start + at);
            Ok(padding)
        }
        #[cfg(feature = "legacy")]
        Layout::PadLengthBefore { octets } => {
            let (length, rest) = plain.split_at(octets);
            let padding = length.iter().fold(0, |value, octet| value << 8 | usize::from(*octet));
            let zeros = rest.get(..padding).ok_or(RecordError::Padding { record: number })?;
            if zeros.iter().any(|octet| *octet != 0) {
                return Err(RecordError::Padding { record: number });
            }
            out.drain(start..start + octets + padding);
            Ok(padding)
        }
    }
}

/// `NONCE XOR n`, n as a 96-bit big-endian integer (RFC 8188 §2.3).
fn nonce(base: &[u8; 12], number: u64) -> [u8; 12] {
    let mut nonce = *base;
    for (octet, bits) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
        *octet ^= bits;
    }
    nonce
}

/// Why records do not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// A record of zeros only: no delimiter (RFC 8188 §2).
    AllZero {
        /// Its number, from 0.
        record: usize,
    },
    /// A delimiter that is neither 1 nor 2, or 2 before the last record (RFC 8188 §2).
    Delimiter {
        /// Its record's number, from 0.
        record: usize,
        /// The octet.
        seen: u8,
        /// Whether the body ends with this record.
        last: bool,
    },
    /// The body ends with a full record, so more was to follow (ee-03 §2).
    LastRecordFull,
    /// The last record's delimiter says that more follows: the body was cut at a record's border.
    MoreFollows,
    /// A header block of aes128gcm, and no record behind it.
    NoRecord,
    /// The padding length reaches beyond the record, or padding is not zero.
    Padding {
        /// The record's number, from 0.
        record: usize,
    },
    /// A record too short for tag and framing.
    ShortRecord {
        /// The record's number, from 0.
        record: usize,
        /// Its octets.
        octets: usize,
    },
    /// The tag does not verify: wrong keys, or changed octets.
    Tag {
        /// The record's number, from 0.
        record: usize,
    },
}

impl RecordError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AllZero { .. } | Self::Delimiter { .. } => "aes128gcm/delimiter",
            Self::LastRecordFull => "aesgcm/last-record-full",
            Self::MoreFollows | Self::ShortRecord { .. } => "body/truncated",
            Self::NoRecord => "aes128gcm/no-record",
            Self::Padding { .. } => "aesgcm/padding",
            Self::Tag { .. } => "decrypt/failed",
        }
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllZero { record } => {
                write!(f, "record {record} holds only zeros; it must end its data with a delimiter of 1 or 2")
            }
            Self::Delimiter { record, seen, last: true } => {
                write!(
                    f,
                    "record {record} is the last and ends in delimiter {seen}; the last record ends in 2"
                )
            }
            Self::Delimiter { record, seen, last: false } => {
                write!(
                    f,
                    "record {record} ends in delimiter {seen}, but more records follow; it must end in 1"
                )
            }
            Self::LastRecordFull => f.write_str(
                "the last record is full, so more was to follow; choose rs larger than the message",
            ),
            Self::MoreFollows => f.write_str(
                "the last record's delimiter says that more follows; was the body cut on its way?",
            ),
            Self::NoRecord => {
                f.write_str("the body has no record; send no body at all, or encrypt at least an empty text")
            }
            Self::Padding { record } => {
                write!(f, "record {record} has a padding length beyond its end, or padding that is not zero")
            }
            Self::ShortRecord { record, octets } => {
                write!(
                    f,
                    "record {record} has {octets} octets, too few for tag and framing; was the body cut on its way?"
                )
            }
            Self::Tag { record } => write!(
                f,
                "the tag of record {record} does not verify: encrypted for other keys, or changed; \
                 use p256dh and auth of this very subscription"
            ),
        }
    }
}

impl core::error::Error for RecordError {}
