//! Where a ledger's segments are: a few synchronous calls, so that tests can fill the disk and lose what was not synced.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::LedgerError;

/// The disk, as a ledger sees it.
pub trait Storage {
    /// Makes durable what was appended before it was made; can run on another thread.
    type Flush: FnOnce() -> io::Result<()> + Send + 'static;

    /// The numbers of the segments there are, ascending.
    ///
    /// # Errors
    /// What the system reports.
    fn segments(&self) -> io::Result<Vec<u32>>;

    /// A segment from its begin.
    ///
    /// # Errors
    /// What the system reports.
    fn read(&self, segment: u32) -> io::Result<impl Read>;

    /// Makes an empty segment, in place of one that is there, and appends to it from now on.
    ///
    /// # Errors
    /// What the system reports.
    fn create(&mut self, segment: u32) -> io::Result<()>;

    /// Cuts a segment to so many octets and appends to it from now on.
    ///
    /// # Errors
    /// What the system reports.
    fn resume(&mut self, segment: u32, octets: u64) -> io::Result<()>;

    /// Writes behind the end. When it fails, a part may have been written.
    ///
    /// # Errors
    /// What the system reports.
    fn append(&mut self, octets: &[u8]) -> io::Result<()>;

    /// What makes everything appended so far durable, the segment's name included.
    ///
    /// # Errors
    /// What the system reports.
    fn flush(&self) -> io::Result<Self::Flush>;
}

/// Segments as files `000000.wpl`, `000001.wpl`, … of a directory, which this process alone uses.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    file: Option<File>,
    /// Held as long as the ledger is open.
    _lock: File,
}

impl Directory {
    /// Opens or creates the directory.
    pub(super) fn open(path: &Path) -> Result<Self, LedgerError> {
        fs::create_dir_all(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => LedgerError::NotALedger,
            _ => LedgerError::io("create")(error),
        })?;
        let strange = fs::read_dir(path).map_err(LedgerError::io("read"))?.any(|entry| {
            let name = entry.map(|entry| entry.file_name());
            name.is_ok_and(|name| name != "lock" && number(&name.to_string_lossy()).is_none())
        });
        if strange {
            return Err(LedgerError::NotALedger);
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let lock = options.open(path.join("lock")).map_err(LedgerError::io("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), file: None, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(LedgerError::InUse),
            Err(TryLockError::Error(error)) => Err(LedgerError::io("lock")(error)),
        }
    }

    fn segment(&self, segment: u32) -> PathBuf {
        self.path.join(format!("{segment:06}.wpl"))
    }

    fn current(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::Error::other("no segment is open"))
    }
}

/// The number in the name of a segment.
fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(".wpl")?;
    (digits.len() >= 6 && digits.bytes().all(|octet| octet.is_ascii_digit())).then(|| digits.parse().ok())?
}

impl Storage for Directory {
    type Flush = Box<dyn FnOnce() -> io::Result<()> + Send + 'static>;

    fn segments(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            numbers.extend(number(&entry?.file_name().to_string_lossy()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&self, segment: u32) -> io::Result<impl Read> {
        File::open(self.segment(segment)).map(|file| BufReader::with_capacity(64 * 1024, file))
    }

    fn create(&mut self, segment: u32) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        self.file = Some(options.open(self.segment(segment))?);
        // A segment whose name is lost would be lost with all its records.
        if cfg!(unix) {
            File::open(&self.path)?.sync_all()?;
            if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn resume(&mut self, segment: u32, octets: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.segment(segment))?;
        file.set_len(octets)?;
        file.seek(SeekFrom::End(0))?;
        self.file = Some(file);
        Ok(())
    }

    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        self.current()?.write_all(octets)
    }

    fn flush(&self) -> io::Result<Self::Flush> {
        let file = self.current()?.try_clone()?;
        Ok(Box::new(move || file.sync_data()))
    }
}
