//! What is written down of a run: ledger, outcomes, those who are gone, rejects, address book.
//!
//! Invariant: a line of the ledger is written, and made durable, after the lines about it elsewhere, so whoever has an
//! outcome there is in the other files, too; unless such a file took no more, which ends the run. A receiver that was
//! under way in a crash, or whom a later run tries again, may be in them twice.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use push_client::{
    Outcome, Registry,
    bulk::{
        input::{Receiver, Reject},
        ledger::{Directory, Ended, Entry, Ledger, LedgerError, Progress, Storage, Sync, Synced},
    },
};
use push_crypto::{Origin, PushResource};

use super::{
    BulkArgs, ledger_error, now,
    tally::{self, Tally},
};
use crate::{
    commands::recipient,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::Output,
    text,
};

/// Rejects told on stderr when no file takes them.
const TOLD: u64 = 5;

/// A sync of the ledger, and of the files that it must not run ahead of; any thread can run it.
pub(super) struct BooksSync {
    files: Vec<(File, PathBuf)>,
    ledger: LedgerSync,
}

type LedgerSync = Sync<<Directory as Storage>::Flush>;

impl BooksSync {
    /// Waits for the disk.
    pub(super) fn run(self) -> Result<Synced> {
        for (file, path) in &self.files {
            file.sync_data()
                .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", path, &error))?;
        }
        Ok(self.ledger.run())
    }
}

/// Whoever an outcome is about.
pub(super) struct Whom<'a> {
    pub(super) index: u64,
    /// As JSON.
    pub(super) id: Option<&'a str>,
    /// Kept only where it is written down.
    pub(super) endpoint: Option<&'a PushResource>,
}

/// Everything that is written.
pub(super) struct Books {
    ledger: Option<(Ledger, PathBuf)>,
    progress: Progress,
    outcomes: Option<Lines>,
    gone: Option<Lines>,
    rejects: Option<Lines>,
    registry: Option<(Registry, PathBuf)>,
    pub(super) tally: Tally,
    told: u64,
    out: Output,
    /// Why nothing more can be sent.
    pub(super) failure: Option<Diagnostic>,
}

impl Books {
    /// Opens all files; what earlier runs wrote stays when the ledger knows of them.
    pub(super) fn open(args: &BulkArgs, ledger: Option<Ledger>, out: Output) -> Result<Self> {
        let progress = ledger.as_ref().map(|ledger| ledger.progress().clone()).unwrap_or_default();
        let results = &args.results;
        let goes_on = progress.is_resumed();
        let lines = |path: &Option<PathBuf>, is_secret: bool| {
            path.as_ref().map(|path| Lines::open(path, goes_on, is_secret)).transpose()
        };
        let outcomes = match &results.out {
            Some(path) if path.as_os_str() == "-" => Some(Lines::stdout(out)),
            None if out.is_json() => Some(Lines::stdout(out)),
            path => lines(path, false)?,
        };
        let registry = match args.recipients {
            true => Some((args.registry.open()?, args.registry.path()?)),
            false => None,
        };
        Ok(Self {
            ledger: ledger.zip(args.ledger_path()),
            tally: Tally::new(&progress),
            progress,
            outcomes,
            gone: lines(&results.gone_out, true)?,
            rejects: lines(&results.rejects, false)?,
            registry,
            told: 0,
            out,
            failure: None,
        })
    }

    /// What earlier runs did.
    pub(super) const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// True when the run can be gone on with.
    pub(super) const fn has_ledger(&self) -> bool {
        self.ledger.is_some()
    }

    /// True when endpoints have to be kept until the outcome is known.
    pub(super) const fn wants_endpoints(&self) -> bool {
        self.gone.is_some() || self.registry.is_some()
    }

    /// Notes what became of a message. Whatever fails, the ledger has it: else it would be sent again.
    pub(super) fn outcome(&mut self, whom: &Whom<'_>, outcome: &Outcome, took: Duration) -> Result<()> {
        if tally::was_left(outcome) {
            return Ok(());
        }
        self.tally.outcome(outcome, took);
        if let Some(lines) = &mut self.outcomes {
            let line = JsonLine::about(whom, outcome.origin(), outcome.as_str());
            lines.add(line.outcome(outcome, took).end());
        }
        self.note_gone(whom, outcome);
        if tally::is_final(outcome) {
            let status = outcome.status().unwrap_or(0);
            self.record(whom.index, tally::ended(outcome), status, outcome.attempts());
        } else {
            self.tally.again += 1;
        }
        match (&mut self.registry, whom.endpoint) {
            (Some((registry, path)), Some(endpoint)) => registry
                .record(endpoint, outcome, now())
                .map(drop)
                .map_err(|error| recipient::unusable(&error, path)),
            _ => Ok(()),
        }
    }

    fn note_gone(&mut self, whom: &Whom<'_>, outcome: &Outcome) {
        if let (Outcome::Gone(gone), Some(lines), Some(endpoint)) = (outcome, &mut self.gone, whom.endpoint) {
            lines.add(JsonLine::gone(whom, endpoint, gone.status).end());
        }
    }

    /// Notes a line that ended without a message; one that is invalid is so for now, for want of a key or a flag.
    pub(super) fn unsent(&mut self, receiver: &Receiver, ended: Ended, reason: &str) {
        self.tally.count(ended);
        let endpoint = &receiver.subscription.endpoint;
        let whom = Whom { index: receiver.index, id: receiver.id.as_deref(), endpoint: Some(endpoint) };
        if let Some(lines) = &mut self.outcomes {
            lines.add(JsonLine::about(&whom, endpoint.origin(), ended.as_str()).text("reason", reason).end());
        }
        if let (Ended::Gone, Some(lines)) = (ended, &mut self.gone) {
            lines.add(JsonLine::gone(&whom, endpoint, None).end());
        }
        if ended == Ended::Invalid {
            self.tally.reason(ended, reason.to_owned(), endpoint.origin().host().to_owned());
        }
        if ended == Ended::Ambiguous && !self.out.is_json() && self.outcomes.is_none() {
            let id = whom.id.map_or_else(|| format!("line {}", whom.index + 1), text::escape);
            self.out.note(format!("may have got it before, and is not sent to again: {id}"));
        }
        match ended {
            Ended::Invalid => self.tally.again += 1,
            _ => self.record(receiver.index, ended, 0, 0),
        }
    }

    /// Notes a line that cannot be used.
    pub(super) fn reject(&mut self, reject: &Reject) {
        self.tally.count(Ended::Rejected);
        let reason = reject.reason.to_string();
        match &mut self.rejects {
            Some(lines) => {
                let line = JsonLine::new().number("line", reject.line).text("reason", &reason);
                lines.add(line.text_if("code", reject.reason.code()).end());
            }
            None => {
                self.told += 1;
                match self.told {
                    1..=TOLD => self.out.note(format!("line {}: {}", reject.line, text::escape(&reason))),
                    told if told == TOLD + 1 => {
                        self.out.note("more lines are not usable; --rejects FILE takes them all")
                    }
                    _ => {}
                }
            }
        }
        self.record(reject.index(), Ended::Rejected, 0, 0);
    }

    fn record(&mut self, index: u64, ended: Ended, status: u16, attempts: u32) {
        if let Some((ledger, _)) = &mut self.ledger {
            ledger.record(Entry { index, ended, status, attempts }, now());
        }
    }

    fn files(&mut self) -> impl Iterator<Item = &mut Lines> {
        [&mut self.outcomes, &mut self.gone, &mut self.rejects].into_iter().flatten()
    }

    /// Writes what was noted: the files first, the ledger last, and each whatever became of the others.
    pub(super) fn write(&mut self) -> Result<()> {
        let lines = self.files().map(Lines::write).fold(Ok(()), Result::and);
        let ledger = match &mut self.ledger {
            None => Ok(()),
            Some((ledger, path)) => ledger.write().map_err(|error| ledger_error(&error, path)),
        };
        lines.and(ledger)
    }

    /// The sync with which a block of lines is claimed.
    pub(super) fn claim(&mut self, first: u64, count: u16) -> Result<Option<BooksSync>> {
        self.sync_with(|ledger| ledger.claim(first, count, now()))
    }

    /// The sync of a group, when it is time for it.
    pub(super) fn sync_if_due(&mut self) -> Result<Option<BooksSync>> {
        match &self.ledger {
            Some((ledger, _)) if ledger.is_sync_due(now()) => self.sync_with(Ledger::sync),
            _ => Ok(None),
        }
    }

    fn sync_with(
        &mut self,
        sync: impl FnOnce(&mut Ledger) -> std::result::Result<LedgerSync, LedgerError>,
    ) -> Result<Option<BooksSync>> {
        self.write()?;
        let files = self.files().filter_map(|lines| lines.unsynced().transpose()).collect::<Result<_>>()?;
        let Some((ledger, path)) = &mut self.ledger else { return Ok(None) };
        let ledger = sync(ledger).map_err(|error| ledger_error(&error, path))?;
        Ok(Some(BooksSync { files, ledger }))
    }

    /// Takes note of a sync that has run.
    pub(super) fn synced(&mut self, synced: Synced) -> Result<()> {
        let Some((ledger, path)) = &mut self.ledger else { return Ok(()) };
        ledger.synced(synced, now()).map_err(|error| ledger_error(&error, path))
    }

    /// Ends the run: nothing is under way any more.
    pub(super) fn settle(&mut self) -> Result<()> {
        if let Some(sync) = self.sync_with(Ledger::sync)? {
            let synced = sync.run()?;
            self.synced(synced)?;
        }
        self.write()?;
        if let Some((registry, path)) = &mut self.registry {
            registry.sync().map_err(|error| recipient::unusable(&error, path))?;
        }
        let Some((ledger, path)) = &mut self.ledger else { return Ok(()) };
        ledger.settle(now()).map_err(|error| ledger_error(&error, path))
    }
}

/// A file of JSON lines, or stdout.
struct Lines {
    to: To,
    buffer: Vec<u8>,
    /// True when something was written that no sync has been made for.
    is_unsynced: bool,
    /// True when it took no more: behind a part of a line nothing may follow.
    is_broken: bool,
}

enum To {
    File(File, PathBuf),
    Stdout(Output),
}

impl Lines {
    fn stdout(out: Output) -> Self {
        Self::to(To::Stdout(out))
    }

    const fn to(to: To) -> Self {
        Self { to, buffer: Vec::new(), is_unsynced: false, is_broken: false }
    }

    /// A new file, or one that is gone on with behind its last whole line.
    fn open(path: &Path, goes_on: bool, is_secret: bool) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(!goes_on);
        #[cfg(unix)]
        if is_secret {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let opened = options.open(path).and_then(|mut file| {
            // Anything else, such as a pipe, has no end to go on from.
            if goes_on && file.metadata()?.is_file() {
                cut_to_whole_lines(&mut file)?;
            }
            Ok(file)
        });
        let file = opened.map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", path, &error))?;
        Ok(Self::to(To::File(file, path.to_owned())))
    }

    fn add(&mut self, line: Vec<u8>) {
        self.buffer.extend(line);
    }

    fn write(&mut self) -> Result<()> {
        if self.buffer.is_empty() || self.is_broken {
            return Ok(());
        }
        let written = match &mut self.to {
            To::Stdout(out) => out.octets(&self.buffer),
            To::File(file, path) => file
                .write_all(&self.buffer)
                .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", path, &error)),
        };
        self.buffer.clear();
        self.is_unsynced = true;
        self.is_broken = written.is_err();
        written
    }

    /// The file and its path, when it has something that may not be on the disk.
    fn unsynced(&mut self) -> Result<Option<(File, PathBuf)>> {
        let To::File(file, path) = &self.to else { return Ok(None) };
        // Pipes and devices keep nothing.
        if !std::mem::take(&mut self.is_unsynced) || !file.metadata().is_ok_and(|it| it.is_file()) {
            return Ok(None);
        }
        match file.try_clone() {
            Ok(file) => Ok(Some((file, path.clone()))),
            Err(error) => Err(Diagnostic::file(ExitCode::UNEXPECTED, "write", path, &error)),
        }
    }
}

/// A crash may have left a part of a line.
fn cut_to_whole_lines(file: &mut File) -> io::Result<()> {
    let mut end = file.seek(SeekFrom::End(0))?;
    // A line has at most as many octets as one of the input, and an answer's words.
    let mut tail = vec![0; 64 * 1024];
    let from = end.saturating_sub(tail.len() as u64);
    file.seek(SeekFrom::Start(from))?;
    let mut read = 0;
    while let Some(rest) = tail.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            octets => read += octets,
        }
    }
    let tail = tail.get(..read).unwrap_or_default();
    match tail.iter().rposition(|octet| *octet == b'\n') {
        Some(at) => end = from + at as u64 + 1,
        None if from == 0 => end = 0,
        None => {}
    }
    file.set_len(end)?;
    file.seek(SeekFrom::Start(end)).map(|_| ())
}

/// One JSON object, member by member, without a tree in between.
struct JsonLine(Vec<u8>);

impl JsonLine {
    fn new() -> Self {
        Self(Vec::with_capacity(192))
    }

    fn about(whom: &Whom<'_>, origin: &Origin, outcome: &str) -> Self {
        let mut line = Self::new().who(whom).name("origin");
        let _ = write!(line.0, "\"{origin}\"");
        line.name("outcome").quoted(outcome)
    }

    fn gone(whom: &Whom<'_>, endpoint: &PushResource, status: Option<u16>) -> Self {
        let line = Self::new().who(whom).text("endpoint", endpoint.expose());
        match status {
            Some(status) => line.number("status", u64::from(status)),
            None => line,
        }
    }

    /// The id the application gave, else the number of the line.
    fn who(self, whom: &Whom<'_>) -> Self {
        match whom.id {
            Some(id) => {
                let mut line = self.name("id");
                inert(&mut line.0, id);
                line
            }
            None => self.number("id", whom.index + 1),
        }
    }

    fn outcome(self, outcome: &Outcome, took: Duration) -> Self {
        let line = match outcome.status() {
            Some(status) => self.number("status", u64::from(status)),
            None => self,
        };
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let line = line.number("attempts", u64::from(outcome.attempts())).number("ms", millis);
        let (line, reason) = match outcome {
            Outcome::Accepted(_) | Outcome::Gone(_) => return line,
            Outcome::Refused(it) => (line, Some(it.reason.as_str().to_owned())),
            Outcome::Deferred(it) => {
                let line = match it.not_before {
                    // The next whole second: earlier is useless.
                    Some(at) => line.number("retryAfter", at.since(now()).as_millis().div_ceil(1000) as u64),
                    None => line,
                };
                (line, None)
            }
            Outcome::Unanswered(it) => (line, Some(it.phase.as_str().to_owned())),
            Outcome::Unsent(it) => (line, Some(it.reason.as_str().to_owned())),
        };
        line.text_if("code", outcome.code()).text_if("reason", reason.as_deref())
    }

    fn name(mut self, name: &str) -> Self {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        let _ = write!(self.0, "\"{name}\":");
        self
    }

    fn number(self, name: &str, number: u64) -> Self {
        let mut line = self.name(name);
        let _ = write!(line.0, "{number}");
        line
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.name(name).quoted(text)
    }

    fn text_if(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    fn quoted(mut self, text: &str) -> Self {
        if text.bytes().all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\')) {
            let _ = write!(self.0, "\"{text}\"");
        } else {
            let json = serde_json::Value::from(text).to_string();
            inert(&mut self.0, &json);
        }
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

/// JSON as it is, but with nothing that a terminal obeys; such characters stand in strings alone.
fn inert(out: &mut Vec<u8>, json: &str) {
    for c in json.chars() {
        if matches!(c, '\u{7f}'..='\u{9f}') {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_is_in_it() {
        let whom = Whom { index: 4, id: Some("\"a\u{9b}\\n\""), endpoint: None };
        let origin = "https://push.example".parse().unwrap();

        let line = JsonLine::about(&whom, &origin, "unsent").text("reason", "\"\u{1b}[1m\u{9b}").end();

        let text = String::from_utf8(line).unwrap();
        assert!(text.ends_with("}\n") && !text.trim_end().contains(char::is_control), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (value["id"].as_str(), value["reason"].as_str()),
            (Some("a\u{9b}\n"), Some("\"\u{1b}[1m\u{9b}"))
        );
    }

    #[test]
    fn half_a_line_of_a_crash_is_cut() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out.jsonl");
        for (before, expected) in [("{}\n{\"a", "{}\nx\n"), ("{}\n", "{}\nx\n"), ("{\"a", "x\n"), ("", "x\n")]
        {
            std::fs::write(&path, before).unwrap();
            let mut lines = Lines::open(&path, true, false).unwrap();
            lines.add(b"x\n".to_vec());
            lines.write().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        }
        Lines::open(&path, false, false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
