//! How much data and padding the records of one body hold.

use super::EncryptError;
use crate::coding::{
    fields,
    record::{Layout, TAG},
};

/// Records of one body: at most so many octets, of a given size or as one record.
pub(super) struct Room {
    pub(super) layout: Layout,
    pub(super) rs: Option<u64>,
    /// Most octets of all records, tags included.
    pub(super) octets: usize,
}

impl Room {
    /// True when so much data and padding can be sealed within the limit.
    ///
    /// Invariant: once false, it stays false for more padding, and for more data without padding.
    pub(super) fn holds(&self, data: usize, padding: usize) -> bool {
        let rs = self.record_size(data.saturating_add(padding));
        rs <= self.layout.most_record_size()
            && self.layout.sealed_length(rs, data, padding) <= self.octets as u64
            && padding as u64 <= self.layout.padding_limit_of_all(rs, data, padding)
    }

    /// The most data without padding.
    pub(super) fn most_data(&self) -> usize {
        last_true(self.octets, |data| self.holds(data, 0))
    }

    /// The most padding beside so much data, which fits.
    pub(super) fn most_padding(&self, data: usize) -> usize {
        last_true(self.octets, |padding| self.holds(data, padding))
    }

    /// The given size, or 4 096, or as much as makes the only record not full (RFC 8291 §4, we-04 §4).
    pub(super) fn record_size(&self, carried: usize) -> u64 {
        self.rs.unwrap_or_else(|| {
            let content = (carried as u64).saturating_add(self.layout.overhead() as u64);
            // `sealed_size(0)` is the tag where rs does not count it, and 0 where it does.
            let counted = content.saturating_add(TAG as u64 - self.layout.sealed_size(0));
            counted.saturating_add(1).max(fields::DEFAULT_RECORD_SIZE)
        })
    }
}

/// The largest number up to `most` that passes, given that 0 does and that none passes above it.
fn last_true(most: usize, passes: impl Fn(usize) -> bool) -> usize {
    let (mut good, mut bad) = (0, most.saturating_add(1));
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        if passes(middle) { good = middle } else { bad = middle }
    }
    good
}

/// A record must carry something, and the coding must be able to say its size.
pub(crate) fn check_record_size(layout: Layout, rs: u64) -> Result<(), EncryptError> {
    let (least, most) = (layout.least_record_size(), layout.most_record_size());
    if (least..=most).contains(&rs) { Ok(()) } else { Err(EncryptError::RecordSize { rs, least, most }) }
}

/// Whether records of this size can hold this, whatever the size of the body.
#[cfg(feature = "danger")]
pub(crate) fn check_records(
    layout: Layout,
    rs: u64,
    data: usize,
    padding: usize,
) -> Result<(), EncryptError> {
    check_record_size(layout, rs)?;
    // A vector never has a body that this machine could not hold (isize::MAX octets).
    let room = Room { layout, rs: Some(rs), octets: isize::MAX.unsigned_abs() };
    if room.holds(data, padding) {
        return Ok(());
    }
    Err(EncryptError::PaddingTooLong { octets: data, padding, most: room.most_padding(data) })
}
