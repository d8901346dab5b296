//! The header block of aes128gcm: `salt (16) ‖ rs (4, big-endian) ‖ idlen (1) ‖ keyid (idlen)` (RFC 8188 §2.1).

use alloc::vec::Vec;

use super::{ReadError, record::Layout};

/// Octets before the key id.
pub(super) const FIXED_OCTETS: usize = 21;
/// Octets of the header block in Web Push, where the key id is a public key (RFC 8291 §4).
pub(super) const HEADER_OCTETS: usize = FIXED_OCTETS + 65;

/// The header block of a body, not judged beyond its own form; [`super::Encrypted::read`] judges the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderBlock<'a> {
    /// The salt.
    pub salt: [u8; 16],
    /// Octets of a full record, tag included; at least 18.
    pub rs: u32,
    /// The key id; in Web Push the sender's public key.
    pub keyid: &'a [u8],
}

impl<'a> HeaderBlock<'a> {
    /// Splits a body into header block and records.
    ///
    /// # Errors
    /// [`ReadError::HeaderShort`] and [`ReadError::RecordSize`].
    pub fn read(body: &'a [u8]) -> Result<(Self, &'a [u8]), ReadError> {
        let short = || ReadError::HeaderShort { octets: body.len() };
        let (salt, rest) = body.split_first_chunk::<16>().ok_or_else(short)?;
        let (rs, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let (idlen, rest) = rest.split_first().ok_or_else(short)?;
        let (keyid, records) = rest.split_at_checked(usize::from(*idlen)).ok_or_else(short)?;
        let rs = u32::from_be_bytes(*rs);
        if u64::from(rs) < Layout::DelimiterAfter.least_record_size() {
            return Err(ReadError::RecordSize { rs: u64::from(rs), least: 18 });
        }
        Ok((Self { salt: *salt, rs, keyid }, records))
    }

    /// Appends the block.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.rs.to_be_bytes());
        // A key id has at most 255 octets: 65 in Web Push, and the vectors' own names.
        out.push(u8::try_from(self.keyid.len()).unwrap_or(u8::MAX));
        out.extend_from_slice(self.keyid);
    }
}
