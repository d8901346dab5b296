//! Why a ledger cannot be used.

use std::{error::Error, fmt, io};

/// Why a ledger cannot be used, or not any longer.
#[derive(Debug)]
#[non_exhaustive]
pub enum LedgerError {
    /// Something that was on the disk has changed.
    Damaged {
        /// The number of the segment, from 0.
        segment: u32,
        /// The record in it, from 0; `None` for the header or the segment as a whole.
        record: Option<u64>,
    },
    /// Another process has it open.
    InUse,
    /// The system refused something.
    Io {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// What stands at the path is something else.
    NotALedger,
    /// It is about another input.
    OtherInput,
    /// It is about the same input, but other messages.
    OtherOptions,
    /// Writing failed before, so that nothing more can be noted.
    Stopped,
    /// The input has more lines than a record can name: 2^40.
    TooManyLines,
}

impl LedgerError {
    pub(super) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { what, error }
    }

    /// True when there is no space left for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { error, .. } if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { segment, record } => {
                write!(f, "segment {segment} of the ledger is damaged")?;
                if let Some(record) = record {
                    write!(f, " at record {record}")?;
                }
                f.write_str("; restore it from a copy, or remove the ledger and send to everybody again")
            }
            Self::InUse => f.write_str("another process uses the ledger; wait until it has ended"),
            Self::Io { .. } if self.is_full() => {
                f.write_str("the disk has no space for the ledger; make some, and run the same command again")
            }
            Self::Io { what, error } => {
                write!(f, "the system refused to {what} the ledger ({error}); check path and rights")
            }
            Self::NotALedger => {
                f.write_str("what is there is no ledger; name another path, or move away what is there")
            }
            Self::OtherInput => f.write_str(
                "the ledger is about another input, or the input was changed since; \
                 use the unchanged input, or name another ledger for a new run",
            ),
            Self::OtherOptions => f.write_str(
                "the ledger is about other messages (payload, TTL, topic, urgency, coding, padding, receipt or method); \
                 use the same options, or name another ledger for a new run",
            ),
            Self::Stopped => {
                f.write_str("the ledger could not be written before; run the same command again to go on")
            }
            Self::TooManyLines => f.write_str("the input has over 2^40 lines; split it"),
        }
    }
}

impl Error for LedgerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
