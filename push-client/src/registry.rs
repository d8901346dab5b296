//! `Registry`: recipients and their subscriptions in one file of JSON lines, for senders without a database.
//!
//! Each line is a whole entry; a later line about the same endpoint replaces an earlier one. Changes are appended,
//! and now and then the file is written anew beside the old one and renamed over it. A line that was cut by a crash
//! is the last one, and is dropped. The file holds capabilities: on Unix only its owner can read it.

mod line;

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use push_crypto::{PushResource, Subscription, Timestamp};

use line::Line;
pub use line::LineError;

use crate::outcome::Outcome;

/// Most octets of a line (as of a line of bulk input).
const LINE_OCTETS: usize = 16 * 1024;
/// The file is written anew when so many lines more than live entries are in it (our choice).
const SPARE_LINES: usize = 256;

/// One subscription of a recipient. Several entries with one name are several user agents of the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Whom the application means.
    pub name: String,
    /// Words to select by.
    pub tags: Vec<String>,
    /// Where to send.
    pub subscription: Subscription,
    /// When it was first added.
    pub added_at: Timestamp,
    /// What became of the last message.
    pub last_outcome: Option<LastOutcome>,
    /// When the push service said that the subscription has ended (404 or 410).
    pub gone_at: Option<Timestamp>,
}

/// The name of an outcome, and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastOutcome {
    /// As [`Outcome::as_str`] says.
    pub outcome: String,
    /// When it was recorded.
    pub at: Timestamp,
}

impl Recipient {
    /// A recipient without tags who was never sent anything.
    #[must_use]
    pub fn new(name: impl Into<String>, subscription: Subscription, added_at: Timestamp) -> Self {
        Self {
            name: name.into(),
            tags: Vec::new(),
            subscription,
            added_at,
            last_outcome: None,
            gone_at: None,
        }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// One line of JSON without its end: `{"name","tags","subscription","addedAt","lastOutcome","goneAt"}`.
    ///
    /// It contains endpoint and authentication secret.
    #[must_use]
    pub fn to_json(&self) -> String {
        line::write(self)
    }

    /// Reads what [`Recipient::to_json`] writes; all but `name` and `subscription` may be missing.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn from_json(text: &str, now: Timestamp) -> Result<Self, LineError> {
        match line::read(text, now)? {
            Line::Recipient(recipient) => Ok(*recipient),
            Line::Removed(_) => Err(LineError::NotARecipient),
        }
    }
}

/// What [`Registry::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The name is new.
    New,
    /// The name was known with another endpoint: a further user agent.
    NewSubscription,
    /// The endpoint was known: the entry was replaced.
    Updated,
}

/// Recipients and their subscriptions, kept in a file.
///
/// ```
/// use push_client::{Recipient, Registry, Subscription, Timestamp};
/// let directory = tempfile::tempdir()?;
/// let mut registry = Registry::open(directory.path().join("recipients.jsonl"))?;
/// let subscription = Subscription::from_json(r#"{"endpoint":"https://push.example/p/1"}"#).unwrap();
///
/// registry.add(Recipient::new("alice", subscription, Timestamp::from_unix_seconds(1_800_000_000)).tag("staff"))?;
///
/// assert_eq!(registry.find("alice").count(), 1);
/// assert_eq!(registry.by_tag("staff").count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Registry {
    path: PathBuf,
    /// `None` when it was opened for reading.
    file: Option<File>,
    /// In the order of their addition; `None` where one was removed.
    entries: Vec<Option<Recipient>>,
    by_endpoint: HashMap<PushResource, usize>,
    /// Lines in the file.
    lines: usize,
    /// Held as long as changes are possible.
    _lock: Option<File>,
}

impl Registry {
    /// Opens or creates the file, for this process alone.
    ///
    /// # Errors
    /// [`RegistryError`]: in use, not readable, or damaged elsewhere than at its end.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        let path = path.into();
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            fs::create_dir_all(directory).map_err(RegistryError::io("create the directory of"))?;
        }
        let lock = lock(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = owner_only(&mut options).open(&path).map_err(RegistryError::io("open"))?;
        let mut registry = Self::empty(path);
        let end = registry.load(&file)?;
        // What a crash left behind the last whole line would spoil the next one.
        if file.metadata().map_err(RegistryError::io("look at"))?.len() > end {
            file.set_len(end).map_err(RegistryError::io("repair"))?;
        }
        file.seek(SeekFrom::End(0)).map_err(RegistryError::io("open"))?;
        registry.file = Some(file);
        registry._lock = Some(lock);
        Ok(registry)
    }

    /// Reads the file as it is now; changes are refused. An absent file is an empty registry.
    ///
    /// # Errors
    /// As [`Registry::open`].
    pub fn open_read_only(path: impl Into<PathBuf>) -> Result<Self, RegistryError> {
        let mut registry = Self::empty(path.into());
        match File::open(&registry.path) {
            Ok(file) => registry.load(&file).map(|_| registry),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(registry),
            Err(error) => Err(RegistryError::io("open")(error)),
        }
    }

    /// Adds an entry, or replaces that with the same endpoint, keeping the time of its first addition.
    ///
    /// # Errors
    /// [`RegistryError::Name`] for an unusable name or tag, and what writing meets.
    pub fn add(&mut self, mut recipient: Recipient) -> Result<Added, RegistryError> {
        check_words(&recipient)?;
        let known = self.by_endpoint.get(&recipient.subscription.endpoint).copied();
        let added = match known.and_then(|at| self.entries.get(at)?.as_ref()) {
            Some(old) => {
                recipient.added_at = recipient.added_at.min(old.added_at);
                Added::Updated
            }
            None if self.find(&recipient.name).next().is_some() => Added::NewSubscription,
            None => Added::New,
        };
        self.append(&line::write(&recipient))?;
        self.sync()?;
        self.put(recipient);
        Ok(added)
    }

    /// Removes all entries of a name and gives them back.
    ///
    /// # Errors
    /// What writing meets.
    pub fn remove(&mut self, name: &str) -> Result<Vec<Recipient>, RegistryError> {
        self.remove_where(|recipient| recipient.name == name)
    }

    /// Removes those whose subscription has ended and gives them back.
    ///
    /// # Errors
    /// What writing meets.
    pub fn prune(&mut self) -> Result<Vec<Recipient>, RegistryError> {
        let pruned = self.remove_where(|recipient| recipient.gone_at.is_some())?;
        self.compact()?;
        Ok(pruned)
    }

    /// Notes what became of a message to this endpoint; only [`Outcome::Gone`] marks the entry as gone.
    ///
    /// False when the endpoint is not in the registry. The line is written at once, but [`Registry::sync`] is
    /// left to the caller, because outcomes come by the thousand.
    ///
    /// # Errors
    /// What writing meets.
    pub fn record(
        &mut self,
        endpoint: &PushResource,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<bool, RegistryError> {
        let known = self.by_endpoint.get(endpoint).copied();
        let Some(old) = known.and_then(|at| self.entries.get(at)?.as_ref()) else { return Ok(false) };
        let mut recipient = old.clone();
        recipient.last_outcome = Some(LastOutcome { outcome: outcome.as_str().to_owned(), at: now });
        match outcome {
            Outcome::Gone(_) => recipient.gone_at = recipient.gone_at.or(Some(now)),
            Outcome::Accepted(_) => recipient.gone_at = None,
            Outcome::Refused(_) | Outcome::Deferred(_) | Outcome::Unanswered(_) | Outcome::Unsent(_) => {}
        }
        self.append(&line::write(&recipient))?;
        self.put(recipient);
        Ok(true)
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// What the system reports.
    pub fn sync(&mut self) -> Result<(), RegistryError> {
        self.writable()?.sync_data().map_err(RegistryError::io("write"))
    }

    /// The entries of this name: one for each user agent.
    pub fn find<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Recipient> {
        self.iter().filter(move |recipient| recipient.name == name)
    }

    /// The entry with this endpoint.
    #[must_use]
    pub fn by_endpoint(&self, endpoint: &PushResource) -> Option<&Recipient> {
        self.entries.get(*self.by_endpoint.get(endpoint)?)?.as_ref()
    }

    /// The entries with this tag.
    pub fn by_tag<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a Recipient> {
        self.iter().filter(move |recipient| recipient.tags.iter().any(|other| other == tag))
    }

    /// All entries, in the order of their addition.
    pub fn iter(&self) -> impl Iterator<Item = &Recipient> {
        self.entries.iter().flatten()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_endpoint.len()
    }

    /// True when there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_endpoint.is_empty()
    }

    /// Writes the file anew with the live entries only; a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// What writing meets.
    pub fn compact(&mut self) -> Result<(), RegistryError> {
        self.writable()?;
        let beside = beside(&self.path, ".new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = owner_only(&mut options).open(&beside).map_err(RegistryError::io("write"))?;
        let mut text = String::new();
        for recipient in self.iter() {
            text.push_str(&line::write(recipient));
            text.push('\n');
        }
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, &self.path))
            .and_then(|()| sync_directory(&self.path))
            .map_err(RegistryError::io("write"))?;
        self.file = Some(file);
        self.entries.retain(Option::is_some);
        self.by_endpoint = self
            .entries
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((entry.as_ref()?.subscription.endpoint.clone(), at)))
            .collect();
        self.lines = self.entries.len();
        Ok(())
    }

    fn empty(path: PathBuf) -> Self {
        Self { path, file: None, entries: Vec::new(), by_endpoint: HashMap::new(), lines: 0, _lock: None }
    }

    /// Reads all lines and gives the position after the last whole one.
    fn load(&mut self, file: &File) -> Result<u64, RegistryError> {
        let mut reader = BufReader::new(file);
        let (mut end, mut number) = (0_u64, 0_usize);
        loop {
            let mut text = Vec::new();
            // One octet more than allowed shows a line that is too long without reading all of it.
            let most = LINE_OCTETS as u64 + 1;
            let read = reader.by_ref().take(most).read_until(b'\n', &mut text);
            let read = read.map_err(RegistryError::io("read"))?;
            number += 1;
            if text.last() != Some(&b'\n') && text.len() <= LINE_OCTETS {
                // The end of the file, perhaps in the middle of a line.
                return Ok(end);
            }
            let line = std::str::from_utf8(&text).map_err(|_| LineError::NotJson);
            match line.and_then(|text| line::read(text.trim_end(), Timestamp::default())) {
                Ok(Line::Recipient(recipient)) => self.put(*recipient),
                Ok(Line::Removed(endpoint)) => drop(self.take(&endpoint)),
                Err(reason) => return Err(RegistryError::Damaged { line: number, reason }),
            }
            self.lines += 1;
            end += read as u64;
        }
    }

    fn put(&mut self, recipient: Recipient) {
        match self.by_endpoint.get(&recipient.subscription.endpoint).copied() {
            Some(at) => {
                if let Some(entry) = self.entries.get_mut(at) {
                    *entry = Some(recipient);
                }
            }
            None => {
                self.by_endpoint.insert(recipient.subscription.endpoint.clone(), self.entries.len());
                self.entries.push(Some(recipient));
            }
        }
    }

    fn take(&mut self, endpoint: &PushResource) -> Option<Recipient> {
        let at = self.by_endpoint.remove(endpoint)?;
        self.entries.get_mut(at)?.take()
    }

    fn remove_where(
        &mut self,
        condition: impl Fn(&Recipient) -> bool,
    ) -> Result<Vec<Recipient>, RegistryError> {
        let endpoints: Vec<_> = self
            .iter()
            .filter(|recipient| condition(recipient))
            .map(|recipient| recipient.subscription.endpoint.clone())
            .collect();
        let mut removed = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            self.append(&line::write_removed(&endpoint))?;
            removed.extend(self.take(&endpoint));
        }
        if !removed.is_empty() {
            self.sync()?;
        }
        Ok(removed)
    }

    /// Writes one line by one call, so that a crash of this process leaves it whole or absent.
    fn append(&mut self, line: &str) -> Result<(), RegistryError> {
        if line.len() >= LINE_OCTETS {
            return Err(RegistryError::TooLong { octets: line.len() });
        }
        if self.lines >= 2 * self.len() + SPARE_LINES {
            self.compact()?;
        }
        let text = format!("{line}\n");
        self.writable()?.write_all(text.as_bytes()).map_err(RegistryError::io("write"))?;
        self.lines += 1;
        Ok(())
    }

    fn writable(&mut self) -> Result<&mut File, RegistryError> {
        self.file.as_mut().ok_or(RegistryError::ReadOnly)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({} entries)", self.len())
    }
}

/// Names and tags are words for people: 1 to 128 characters, none of them a control character.
fn check_words(recipient: &Recipient) -> Result<(), RegistryError> {
    let legal =
        |word: &String| (1..=128).contains(&word.chars().count()) && !word.chars().any(char::is_control);
    if legal(&recipient.name) && recipient.tags.iter().all(legal) { Ok(()) } else { Err(RegistryError::Name) }
}

fn lock(path: &Path) -> Result<File, RegistryError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = owner_only(&mut options).open(beside(path, ".lock")).map_err(RegistryError::io("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(RegistryError::InUse),
        Err(fs::TryLockError::Error(error)) => Err(RegistryError::io("lock")(error)),
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(unix)]
fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes a rename durable; elsewhere than on Unix a directory cannot be opened.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// Why a registry cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// A line before the last is no entry.
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: LineError,
    },
    /// Another process has it open for changes.
    InUse,
    /// The system refused something.
    Io {
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: io::Error,
    },
    /// A name or tag is empty, over 128 characters, or has a control character.
    Name,
    /// It was opened for reading.
    ReadOnly,
    /// An entry does not fit into a line.
    TooLong {
        /// Octets of the line.
        octets: usize,
    },
}

impl RegistryError {
    fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { what, error }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { line, reason } => {
                write!(f, "line {line} of the registry is not usable: {reason}; correct or delete that line")
            }
            Self::InUse => f.write_str(
                "another process is changing the registry; wait until it has ended, or open it for reading only",
            ),
            Self::Io { what, .. } => write!(f, "the system refused to {what} the registry; check path and rights"),
            Self::Name => {
                f.write_str("a name or tag is empty, over 128 characters, or has control characters; choose another")
            }
            Self::ReadOnly => f.write_str("the registry was opened for reading only; open it for changes"),
            Self::TooLong { octets } => {
                write!(f, "the entry has {octets} octets, at most {LINE_OCTETS} fit; use fewer tags")
            }
        }
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Damaged { reason, .. } => Some(reason),
            Self::Io { error, .. } => Some(error),
            Self::InUse | Self::Name | Self::ReadOnly | Self::TooLong { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
