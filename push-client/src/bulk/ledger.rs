//! `Ledger`: what became of each line of a bulk run, on the disk, so that a run goes on where a crash ended it.
//!
//! A ledger is a directory of append-only segments, each ended when it has reached 64 MiB: a header of 128 octets, then records of 16.
//! The layout of the header stands in `ledger/segment.rs`, that of a record in `ledger/record.rs`.
//!
//! # What it promises
//!
//! * Before a line is sent, a *claim* of its block is on the disk. After a crash, a line that is claimed and has no
//!   end recorded is *ambiguous*: it may have been sent.
//! * An end that was written survives the end of this process at once, and a loss of power when it was synced
//!   (every 200 ms or 4 096 records). So after a killed process only what was under way can be sent twice; after a
//!   loss of power what ended within the last group, too.
//! * After each sync a record notes how far it reached. A bad check behind that is the torn tail of a crash and is
//!   cut; before it, it is damage, and the ledger is refused.
//! * A run that ended in order settles the ledger: what was claimed and has no end was not sent.
//! * A ledger belongs to one input and one set of options; it holds neither endpoints nor payloads.
//!
//! Time is an argument, and what takes long, the sync, is a value that any thread can run.

use std::{io, path::Path};

use push_crypto::Timestamp;

mod error;
mod progress;
mod record;
mod segment;
mod storage;

pub use error::LedgerError;
pub use progress::{Earlier, Progress};
pub use record::Ended;
use record::{INDEX_END, Kind, OCTETS, Record};
use segment::{HEADER, Header, HeaderError, Scanned, Tail, read_full, scan};
pub use storage::{Directory, Storage};

/// Octets after which a segment is ended, its header included (our choice: small enough to copy, few enough files for 10^8 lines).
pub const SEGMENT_OCTETS: u64 = 64 * 1024 * 1024;
/// Records after which a group is synced (our choice: 0.1 s of a fast run).
pub const GROUP_RECORDS: u64 = 4096;
/// Milliseconds after which a group is synced (our choice: the loss a person does not notice).
pub const GROUP_MILLIS: u64 = 200;

/// SHA-256 of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// What is sent to whom: a ledger belongs to one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Of the input.
    pub input: Digest,
    /// Of all that decides what is sent, apart from the input.
    pub options: Digest,
    /// How many lines the input has.
    pub lines: u64,
}

/// How one line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line: its number, from 0.
    pub index: u64,
    /// How it ended.
    pub ended: Ended,
    /// The status of the answer, 0 if there was none.
    pub status: u16,
    /// How many requests were made.
    pub attempts: u32,
}

/// What became of each line of a bulk run.
///
/// ```
/// use push_client::{Timestamp, bulk::ledger::{Digest, Earlier, Ended, Entry, Ledger, Run}};
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("users.jsonl.ledger");
/// let run = Run { input: Digest([1; 32]), options: Digest([2; 32]), lines: 2000 };
/// let now = Timestamp::from_unix_seconds(1_800_000_000);
///
/// let mut ledger = Ledger::open(&path, &run, now)?;
/// ledger.claim(0, 1024, now)?.run(); // on the disk: now the lines 0 to 1023 can be sent
/// ledger.record(Entry { index: 17, ended: Ended::Accepted, status: 201, attempts: 1 }, now);
/// ledger.write()?; // survives the end of this process
/// drop(ledger); // a crash
///
/// let ledger = Ledger::open(&path, &run, now)?;
/// assert_eq!(ledger.progress().of(17), Earlier::Ended);
/// assert_eq!(ledger.progress().of(18), Earlier::Ambiguous);
/// assert_eq!(ledger.progress().of(1024), Earlier::Untouched);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ledger<S = Directory> {
    storage: S,
    header: Header,
    /// Records in the current segment, those still to be written included.
    records: u64,
    most: u64,
    to_write: Vec<u8>,
    progress: Progress,
    /// Records that no sync has been begun for, and since when.
    unsynced: u64,
    unsynced_since: Option<Timestamp>,
    has_failed: bool,
}

/// A sync that any thread can run; what it gives goes to [`Ledger::synced`].
#[must_use = "nothing is durable before it has run"]
pub struct Sync<F> {
    flush: F,
    segment: u32,
    reach: u64,
}

/// What came of a [`Sync`].
#[derive(Debug)]
#[must_use = "the ledger has to know"]
pub struct Synced {
    result: io::Result<()>,
    segment: u32,
    reach: u64,
}

impl<F: FnOnce() -> io::Result<()>> Sync<F> {
    /// Waits for the disk.
    pub fn run(self) -> Synced {
        Synced { result: (self.flush)(), segment: self.segment, reach: self.reach }
    }
}

impl<F> std::fmt::Debug for Sync<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sync(segment {}, {} records)", self.segment, self.reach)
    }
}

impl Ledger<Directory> {
    /// Opens the ledger in this directory, or begins one.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(path: &Path, run: &Run, now: Timestamp) -> Result<Self, LedgerError> {
        Self::with_storage(Directory::open(path)?, run, now)
    }
}

impl<S: Storage> Ledger<S> {
    /// Opens or begins a ledger elsewhere than in a directory.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn with_storage(storage: S, run: &Run, now: Timestamp) -> Result<Self, LedgerError> {
        Self::with_segments_of(SEGMENT_OCTETS, storage, run, now)
    }

    fn with_segments_of(octets: u64, storage: S, run: &Run, now: Timestamp) -> Result<Self, LedgerError> {
        if run.lines > INDEX_END {
            return Err(LedgerError::TooManyLines);
        }
        let header = Header { segment: 0, run: run.clone(), begun: now, earlier: 0 };
        let mut ledger = Self {
            storage,
            header,
            records: 0,
            most: octets.saturating_sub(HEADER as u64) / OCTETS as u64,
            to_write: Vec::new(),
            progress: Progress::default(),
            unsynced: 0,
            unsynced_since: None,
            has_failed: false,
        };
        ledger.load()?;
        Ok(ledger)
    }

    /// Notes that so many lines are about to be sent. They may be when the sync has run.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing more may be sent.
    pub fn claim(&mut self, first: u64, count: u16, now: Timestamp) -> Result<Sync<S::Flush>, LedgerError> {
        self.push(first, Kind::Claim { count }, now);
        self.sync()
    }

    /// Notes how a line ended; [`Ledger::write`] writes it.
    pub fn record(&mut self, entry: Entry, now: Timestamp) {
        let Entry { index, ended, status, attempts } = entry;
        let attempts = u8::try_from(attempts).unwrap_or(u8::MAX);
        self.push(index, Kind::End { ended, status, attempts }, now);
    }

    /// Writes what was noted: it survives the end of this process, but not yet a loss of power.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing more may be sent. What was not written counts as under way.
    pub fn write(&mut self) -> Result<(), LedgerError> {
        if self.has_failed {
            return Err(LedgerError::Stopped);
        }
        let mut written = self.write_part();
        if written.is_ok() && self.records >= self.most {
            written = self.begin_segment();
        }
        self.has_failed = written.is_err();
        written
    }

    /// True when a group is full or old enough to be synced.
    #[must_use]
    pub fn is_sync_due(&self, now: Timestamp) -> bool {
        let age = self.unsynced_since.map(|since| now.since(since).as_millis());
        self.unsynced >= GROUP_RECORDS || age.is_some_and(|age| age >= u128::from(GROUP_MILLIS))
    }

    /// Writes what was noted, and gives the sync which makes it durable.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing more may be sent.
    pub fn sync(&mut self) -> Result<Sync<S::Flush>, LedgerError> {
        self.write()?;
        let flush =
            self.storage.flush().map_err(LedgerError::io("sync")).inspect_err(|_| self.has_failed = true)?;
        (self.unsynced, self.unsynced_since) = (0, None);
        Ok(Sync { flush, segment: self.header.segment, reach: self.records })
    }

    /// Takes note of a sync that has run.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing more may be sent.
    pub fn synced(&mut self, synced: Synced, now: Timestamp) -> Result<(), LedgerError> {
        let Synced { result, segment, reach } = synced;
        // After a failed sync nobody knows what is on the disk, and a second one may wrongly succeed.
        result.map_err(LedgerError::io("sync")).inspect_err(|_| self.has_failed = true)?;
        if segment == self.header.segment {
            let (unsynced, since) = (self.unsynced, self.unsynced_since);
            self.push(reach, Kind::Synced, now);
            // The note alone is no reason for another sync.
            (self.unsynced, self.unsynced_since) = (unsynced, since);
        }
        self.write()
    }

    /// Ends a run of which nothing is under way any more: what is claimed and has no end was not sent.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn settle(&mut self, now: Timestamp) -> Result<(), LedgerError> {
        self.push(0, Kind::Settled, now);
        let synced = self.sync()?.run();
        self.synced(synced, now)?;
        let synced = self.sync()?.run();
        synced.result.map_err(LedgerError::io("sync"))
    }

    /// What earlier runs did.
    #[must_use]
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    fn push(&mut self, index: u64, kind: Kind, now: Timestamp) {
        let steps = now.since(self.header.begun).as_millis() / 16;
        let record = Record { index, kind, time: u32::try_from(steps).unwrap_or(u32::MAX) };
        self.to_write.extend(record.encode(self.header.segment));
        self.records += 1;
        self.unsynced += 1;
        self.unsynced_since = self.unsynced_since.or(Some(now));
    }

    fn write_part(&mut self) -> Result<(), LedgerError> {
        if self.to_write.is_empty() {
            return Ok(());
        }
        let written = self.storage.append(&self.to_write).map_err(LedgerError::io("write"));
        self.to_write.clear();
        written
    }

    /// A full segment is durable before the next one has a name, so only the last one can be torn.
    fn begin_segment(&mut self) -> Result<(), LedgerError> {
        let flush = self.storage.flush().map_err(LedgerError::io("sync"))?;
        flush().map_err(LedgerError::io("sync"))?;
        self.header.earlier += self.records;
        self.header.segment += 1;
        self.create()
    }

    /// The current segment, empty, with its header on the disk.
    fn create(&mut self) -> Result<(), LedgerError> {
        self.storage.create(self.header.segment).map_err(LedgerError::io("create"))?;
        self.storage.append(&self.header.encode()).map_err(LedgerError::io("write"))?;
        let flush = self.storage.flush().map_err(LedgerError::io("sync"))?;
        flush().map_err(LedgerError::io("sync"))?;
        (self.records, self.unsynced, self.unsynced_since) = (0, 0, None);
        Ok(())
    }

    /// Reads what is there and makes ready to append.
    fn load(&mut self) -> Result<(), LedgerError> {
        let segments = self.storage.segments().map_err(LedgerError::io("read"))?;
        let Some(last) = segments.last().copied() else { return self.create() };
        for (expected, segment) in (0..).zip(&segments) {
            if *segment != expected {
                return Err(LedgerError::Damaged { segment: expected, record: None });
            }
            let is_last = *segment == last;
            self.header.segment = *segment;
            let Some(Scanned { records, .. }) = self.load_segment(is_last)? else { return self.create() };
            self.progress.resumed = true;
            match is_last {
                false => self.header.earlier += records,
                true => {
                    self.records = records;
                    let octets = HEADER as u64 + records * OCTETS as u64;
                    self.storage.resume(*segment, octets).map_err(LedgerError::io("repair"))?;
                }
            }
        }
        // What this run builds on must not be lost with the next loss of power.
        let flush = self.storage.flush().map_err(LedgerError::io("sync"))?;
        flush().map_err(LedgerError::io("sync"))?;
        if self.records >= self.most { self.begin_segment() } else { Ok(()) }
    }

    /// One segment; `None` when it is the last one and a crash left it without a header, and so without records.
    fn load_segment(&mut self, is_last: bool) -> Result<Option<Scanned>, LedgerError> {
        let number = self.header.segment;
        let damaged = |record| LedgerError::Damaged { segment: number, record };
        let mut reader = self.storage.read(number).map_err(LedgerError::io("read"))?;
        let mut octets = [0; HEADER];
        let read = read_full(&mut reader, &mut octets).map_err(LedgerError::io("read"))?;
        let header = match Header::decode(&octets) {
            Ok(header) if read == HEADER => header,
            found => {
                let mut more = [0; 1];
                let has_more = read_full(&mut reader, &mut more).map_err(LedgerError::io("read"))? > 0;
                return match found {
                    _ if is_last && !has_more => Ok(None),
                    Err(HeaderError::Magic) if number == 0 => Err(LedgerError::NotALedger),
                    _ => Err(damaged(None)),
                };
            }
        };
        if header.run.input != self.header.run.input || header.run.lines != self.header.run.lines {
            return Err(LedgerError::OtherInput);
        }
        if header.run.options != self.header.run.options {
            return Err(LedgerError::OtherOptions);
        }
        if header.segment != number || header.earlier != self.header.earlier {
            return Err(damaged(None));
        }
        let (progress, lines) = (&mut self.progress, header.run.lines);
        let (mut at, mut beyond) = (0, None);
        let scanned = scan(reader, number, |record| {
            if !progress.apply(record, lines) {
                beyond = beyond.or(Some(at));
            }
            at += 1;
        });
        let scanned = scanned.map_err(LedgerError::io("read"))?;
        self.header.begun = header.begun;
        match scanned.tail {
            _ if beyond.is_some() => Err(damaged(beyond)),
            Tail::None => Ok(Some(scanned)),
            Tail::Torn if is_last => Ok(Some(scanned)),
            Tail::Damaged | Tail::Torn => Err(damaged(Some(scanned.records))),
        }
    }
}

impl<S> std::fmt::Debug for Ledger<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger(segment {}, {} records)", self.header.segment, self.records)
    }
}

#[cfg(test)]
mod tests;
