//! One record of a ledger and its check: pure, no files.
//!
//! 16 octets, big-endian: `index (5) ‖ attempts (1) ‖ kind (1) ‖ status (2) ‖ time (4) ‖ check (3)`.
//! `time` counts steps of 16 ms since the run was begun; `check` is the low 24 bits of CRC-32C over the segment's
//! number (4) and the 13 octets in front, so that a record is good in its own segment only.

/// Octets of a record.
pub(crate) const OCTETS: usize = 16;
/// Octets in front of the check.
const CHECKED: usize = 13;
/// One more than the largest index: 5 octets hold it.
pub(crate) const INDEX_END: u64 = 1 << 40;

/// How a line of the input ended. The numbers stand in ledgers and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The push service took it over.
    Accepted,
    /// The subscription has ended.
    Gone,
    /// The push service refused it.
    Refused,
    /// The push service could not take it, until attempts or TTL ran out.
    Deferred,
    /// The push service may have received it but gave no answer.
    Unanswered,
    /// No connection could be made.
    Unreachable,
    /// Its TTL ran out while it waited.
    Expired,
    /// Message and subscription do not go together, or the address is not allowed.
    Invalid,
    /// An earlier line has the same endpoint.
    Duplicate,
    /// The line could not be used.
    Rejected,
    /// It may have been sent before a crash, and was not to be sent again.
    Ambiguous,
}

impl Ended {
    /// All, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Gone,
        Self::Refused,
        Self::Deferred,
        Self::Unanswered,
        Self::Unreachable,
        Self::Expired,
        Self::Invalid,
        Self::Duplicate,
        Self::Rejected,
        Self::Ambiguous,
    ];

    /// The name in reports and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Deferred => "deferred",
            Self::Unanswered => "unanswered",
            Self::Unreachable => "unreachable",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Its place in [`Ended::ALL`].
    #[must_use]
    pub const fn place(self) -> usize {
        self.number() as usize - 1
    }

    const fn number(self) -> u8 {
        match self {
            Self::Accepted => 1,
            Self::Gone => 2,
            Self::Refused => 3,
            Self::Deferred => 4,
            Self::Unanswered => 5,
            Self::Unreachable => 6,
            Self::Expired => 7,
            Self::Invalid => 8,
            Self::Duplicate => 9,
            Self::Rejected => 10,
            Self::Ambiguous => 11,
        }
    }
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// So many lines from the index on are about to be sent.
    Claim {
        /// How many.
        count: u16,
    },
    /// The line of the index has ended.
    End {
        /// How.
        ended: Ended,
        /// The status of the answer, 0 if there was none.
        status: u16,
        /// Requests made, 255 for more.
        attempts: u8,
    },
    /// Nothing is under way: what was claimed and has not ended has not been sent.
    Settled,
    /// The first records of this segment, as many as the index says, are on the disk.
    Synced,
}

/// The numbers of the kinds that are no end of a line.
const CLAIM: u8 = 0x80;
const SETTLED: u8 = 0x81;
const SYNCED: u8 = 0x82;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Of a line, or as the kind says; less than [`INDEX_END`].
    pub(crate) index: u64,
    /// What it says.
    pub(crate) kind: Kind,
    /// Steps of 16 ms since the run was begun.
    pub(crate) time: u32,
}

impl Record {
    /// The record in a segment of this number.
    pub(crate) fn encode(&self, segment: u32) -> [u8; OCTETS] {
        let (attempts, kind, status) = match self.kind {
            Kind::Claim { count } => (0, CLAIM, count),
            Kind::End { ended, status, attempts } => (attempts, ended.number(), status),
            Kind::Settled => (0, SETTLED, 0),
            Kind::Synced => (0, SYNCED, 0),
        };
        let [_, _, _, i0, i1, i2, i3, i4] = self.index.to_be_bytes();
        let ([s0, s1], [t0, t1, t2, t3]) = (status.to_be_bytes(), self.time.to_be_bytes());
        let checked = [i0, i1, i2, i3, i4, attempts, kind, s0, s1, t0, t1, t2, t3];
        let [_, c0, c1, c2] = check(segment, &checked).to_be_bytes();
        [i0, i1, i2, i3, i4, attempts, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2]
    }

    /// Reads a record of a segment of this number; `None` when its check or its kind is wrong.
    pub(crate) fn decode(octets: &[u8; OCTETS], segment: u32) -> Option<Self> {
        let [i0, i1, i2, i3, i4, attempts, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2] = *octets;
        let checked = [i0, i1, i2, i3, i4, attempts, kind, s0, s1, t0, t1, t2, t3];
        if check(segment, &checked) != u32::from_be_bytes([0, c0, c1, c2]) {
            return None;
        }
        let status = u16::from_be_bytes([s0, s1]);
        let kind = match kind {
            CLAIM => Kind::Claim { count: status },
            SETTLED => Kind::Settled,
            SYNCED => Kind::Synced,
            number => {
                let ended = Ended::ALL.into_iter().find(|ended| ended.number() == number)?;
                Kind::End { ended, status, attempts }
            }
        };
        let index = u64::from_be_bytes([0, 0, 0, i0, i1, i2, i3, i4]);
        Some(Self { index, kind, time: u32::from_be_bytes([t0, t1, t2, t3]) })
    }
}

fn check(segment: u32, checked: &[u8; CHECKED]) -> u32 {
    crc32c(crc32c(0, &segment.to_be_bytes()), checked) & 0x00ff_ffff
}

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the value so far, continued over more octets. 0 begins.
pub(crate) fn crc32c(before: u32, octets: &[u8]) -> u32 {
    !octets.iter().fold(!before, |crc, octet| {
        let at = (crc ^ u32::from(*octet)) & 0xff;
        // The table has an entry for each octet.
        TABLE.get(at as usize).copied().unwrap_or(0) ^ (crc >> 8)
    })
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        let (mut crc, mut bit) = (octet as u32, 0);
        while bit < 8 {
            // The polynomial 0x1EDC6F41 with its bits reversed.
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "a constant of 256 entries, computed by the compiler")]
        {
            table[octet] = crc;
        }
        octet += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: Record = Record {
        index: 0x12_3456_789a,
        kind: Kind::End { ended: Ended::Refused, status: 403, attempts: 2 },
        time: 77,
    };

    #[test]
    fn the_check_is_crc_32c() {
        // RFC 3720 appendix B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(0, &[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(0, b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(crc32c(0, b"1234"), b"56789"), 0xe306_9283);
    }

    #[test]
    fn a_record_has_the_documented_layout() {
        let octets = RECORD.encode(3);

        assert_eq!(octets[..13], [0x12, 0x34, 0x56, 0x78, 0x9a, 2, 3, 1, 147, 0, 0, 0, 77]);
        assert_eq!(Record::decode(&octets, 3), Some(RECORD));
        assert_eq!(Record::decode(&octets, 4), None);
    }

    #[test]
    fn every_kind_survives() {
        let ends = Ended::ALL.map(|ended| Kind::End { ended, status: 201, attempts: 255 });
        for kind in ends.into_iter().chain([Kind::Claim { count: 65_535 }, Kind::Settled, Kind::Synced]) {
            let record = Record { index: INDEX_END - 1, kind, time: u32::MAX };
            assert_eq!(Record::decode(&record.encode(0), 0), Some(record));
        }
    }

    #[test]
    fn an_unknown_kind_is_no_record() {
        let checked = [0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0];
        let [_, c0, c1, c2] = check(0, &checked).to_be_bytes();
        let octets = [0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, c0, c1, c2];

        assert_eq!(Record::decode(&octets, 0), None);
    }

    #[test]
    fn one_or_two_wrong_bits_are_always_found() {
        let good = RECORD.encode(3);
        let flip = |octets: &mut [u8; OCTETS], bit: usize| octets[bit / 8] ^= 1 << (bit % 8);

        for first in 0..128 {
            for second in first..128 {
                let mut octets = good;
                flip(&mut octets, first);
                if second != first {
                    flip(&mut octets, second);
                }
                assert_eq!(Record::decode(&octets, 3), None, "bits {first} and {second}");
            }
        }
    }

    #[test]
    fn the_place_of_an_end_is_its_place_in_all() {
        for (place, ended) in Ended::ALL.into_iter().enumerate() {
            assert_eq!(ended.place(), place);
        }
    }
}
