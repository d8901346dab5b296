//! Where receivers come from: a file, stdin, the address book; and what a ledger has to know of it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    time::SystemTime,
    vec,
};

use push_client::{
    Recipient,
    bulk::{
        input::{Format, Reader, Receiver, Reject, Summary, summarize},
        ledger::Digest,
        template::Template,
    },
};
use push_crypto::Subscription;

use super::{BulkArgs, InputFormat};
use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    text,
};

/// Receivers, and what stands for them in a ledger.
pub(super) struct Source {
    /// As the user called it.
    pub(super) name: String,
    summary: Summary,
    kind: Kind,
    template: Template,
}

enum Kind {
    Book(Vec<Recipient>),
    File { file: File, format: Format, seen: Option<(u64, SystemTime)> },
}

/// Gives the receivers one by one.
pub(super) enum Receivers {
    Book { entries: vec::IntoIter<Recipient>, index: u64, template: Template },
    File(Box<Reader<File>>),
}

/// What is on a line, or at a place of the address book.
pub(super) enum Line {
    /// The address book says that it is gone.
    Gone(Receiver),
    Receiver(Receiver),
    Reject(Reject),
}

impl Line {
    /// The number of its line, from 0.
    pub(super) const fn index(&self) -> u64 {
        match self {
            Self::Gone(receiver) | Self::Receiver(receiver) => receiver.index,
            Self::Reject(reject) => reject.index(),
        }
    }
}

impl Source {
    /// Opens the input and reads it once, for digest and number of lines.
    pub(super) fn open(args: &BulkArgs, template: &Template) -> Result<Self> {
        let template = template.clone();
        let Some(input) = &args.input else {
            let (name, book) = ("the address book".to_owned(), args.registry.open_read_only()?);
            let entries: Vec<_> = match &args.tag {
                Some(tag) => book.by_tag(tag).cloned().collect(),
                None => book.iter().cloned().collect(),
            };
            let mut listed = String::new();
            for entry in &entries {
                listed.push_str(&format!("{}\n{}\n", entry.name, entry.subscription.to_json()));
            }
            let summary = Summary {
                lines: entries.len() as u64,
                ..summarize(listed.as_bytes()).map_err(|error| unreadable(&name, &error))?
            };
            return Ok(Self { name, summary, kind: Kind::Book(entries), template });
        };
        let is_stdin = input == "-";
        let (file, name) =
            if is_stdin { (spool()?, "stdin".to_owned()) } else { (open(input)?, input.clone()) };
        let unreadable = |error: io::Error| unreadable(&name, &error);
        let seen = if is_stdin { None } else { state(&file) };
        let summary = begin(&file).and_then(|()| summarize(&file)).map_err(unreadable)?;
        let format = match args.format {
            Some(InputFormat::Csv) => Format::Csv,
            Some(InputFormat::Jsonl) => Format::JsonLines,
            None => format(&name, &file).map_err(unreadable)?,
        };
        Ok(Self { name, summary, kind: Kind::File { file, format, seen }, template })
    }

    /// The first one that can be used.
    pub(super) fn first(&mut self) -> Result<Option<Subscription>> {
        let mut receivers = self.receivers()?;
        loop {
            match receivers.next().map_err(|error| unreadable(&self.name, &error))? {
                None => return Ok(None),
                Some(Line::Receiver(receiver) | Line::Gone(receiver)) => {
                    return Ok(Some(receiver.subscription));
                }
                Some(Line::Reject(_)) => {}
            }
        }
    }

    /// All from the begin.
    pub(super) fn receivers(&self) -> Result<Receivers> {
        match &self.kind {
            Kind::Book(entries) => Ok(Receivers::Book {
                entries: entries.clone().into_iter(),
                index: 0,
                template: self.template.clone(),
            }),
            Kind::File { file, format, .. } => {
                let file = begin(file).and_then(|()| file.try_clone());
                let file = file.map_err(|error| unreadable(&self.name, &error))?;
                Reader::new(file, *format, self.template.clone())
                    .map(|reader| Receivers::File(Box::new(reader)))
                    .map_err(|error| {
                        Diagnostic::input(
                            "bulk/header",
                            format!("{} has no usable header", text::escape(&self.name)),
                        )
                        .because(&error.to_string())
                    })
            }
        }
    }

    /// Of the input as a whole.
    pub(super) const fn digest(&self) -> Digest {
        self.summary.digest
    }

    /// Lines, a header included.
    pub(super) const fn lines(&self) -> u64 {
        self.summary.lines
    }

    /// Receivers there are at most.
    pub(super) fn most(&self) -> u64 {
        let header = matches!(self.kind, Kind::File { format: Format::Csv, .. });
        self.lines().saturating_sub(u64::from(header))
    }

    /// An error when the file has changed since it was summed up: then nobody knows what was sent to whom.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let Kind::File { file, seen: Some(seen), .. } = &self.kind else { return Ok(()) };
        if state(file).is_some_and(|state| state == *seen) {
            return Ok(());
        }
        Err(Diagnostic::input(
            "bulk/input-changed",
            format!("{} was changed while it was read", text::escape(&self.name)),
        )
        .why("lines may have been skipped, and the ledger is about what it was before")
        .fix("restore the file and run the same command again; or remove the ledger and send to everybody"))
    }
}

impl Receivers {
    /// The next line.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        match self {
            Self::File(reader) => Ok(reader.next()?.map(|line| match line {
                Ok(receiver) => Line::Receiver(receiver),
                Err(reject) => Line::Reject(reject),
            })),
            Self::Book { entries, index, template } => {
                let Some(entry) = entries.next() else { return Ok(None) };
                let here = *index;
                *index += 1;
                Ok(Some(of_book(&entry, here, template)))
            }
        }
    }

    /// The payload for those who have none of their own.
    pub(super) fn fixed_payload(&self) -> Option<bytes::Bytes> {
        match self {
            Self::File(reader) => reader.fixed_payload(),
            Self::Book { template, .. } => template.as_fixed(),
        }
    }
}

fn of_book(entry: &Recipient, index: u64, template: &Template) -> Line {
    let name = serde_json::Value::String(entry.name.clone()).to_string();
    let filled = match template.as_fixed() {
        Some(_) => Ok(None),
        None => template.fill(|field| matches!(field, "id" | "name").then_some(name.as_str())).map(Some),
    };
    let payload = match filled {
        Ok(payload) => payload,
        Err(error) => {
            let reason = push_client::bulk::input::Reason::Fill(error);
            return Line::Reject(Reject { line: index + 1, reason });
        }
    };
    let receiver = Receiver {
        index,
        id: Some(name.into()),
        subscription: entry.subscription.clone(),
        payload,
        ttl: None,
        topic: None,
        urgency: None,
    };
    if entry.gone_at.is_some() { Line::Gone(receiver) } else { Line::Receiver(receiver) }
}

fn open(name: &str) -> Result<File> {
    let path = Path::new(name);
    let refuse = |error: &io::Error| Diagnostic::file(ExitCode::INPUT, "read", path, error);
    let file = File::open(path).map_err(|error| refuse(&error))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(file),
        Ok(_) => Err(Diagnostic::input("file", format!("{} is no file", text::escape(name)))
            .why("a list is read twice: once for its digest, once to send")
            .fix("name a file, or pipe it in: push bulk - < …")),
        Err(error) => Err(refuse(&error)),
    }
}

/// stdin in a file without a name, since it is read twice.
fn spool() -> Result<File> {
    use std::io::IsTerminal as _;
    if io::stdin().is_terminal() {
        return Err(Diagnostic::usage("stdin is a terminal, so there is nothing to read from -")
            .fix("pipe the list in, or name a file"));
    }
    let spooled = tempfile::tempfile().and_then(|mut file| {
        io::copy(&mut io::stdin().lock(), &mut file)?;
        Ok(file)
    });
    spooled.map_err(|error| {
        Diagnostic::new(ExitCode::UNEXPECTED, "file", "stdin cannot be kept in a temporary file")
            .why(text::io_error(&error))
            .fix("make space in the directory for temporary files, or name a file instead of -")
    })
}

fn begin(mut file: &File) -> io::Result<()> {
    file.seek(SeekFrom::Start(0)).map(|_| ())
}

fn state(file: &File) -> Option<(u64, SystemTime)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// By the ending of the name, else by the first octet.
fn format(name: &str, mut file: &File) -> io::Result<Format> {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ending.eq_ignore_ascii_case("csv") {
        return Ok(Format::Csv);
    }
    if ["jsonl", "ndjson", "json"].iter().any(|known| ending.eq_ignore_ascii_case(known)) {
        return Ok(Format::JsonLines);
    }
    begin(file)?;
    let mut head = Vec::new();
    file.by_ref().take(1024).read_to_end(&mut head)?;
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let is_json = head.trim_ascii_start().first().is_none_or(|octet| *octet == b'{');
    Ok(if is_json { Format::JsonLines } else { Format::Csv })
}

fn unreadable(name: &str, error: &io::Error) -> Diagnostic {
    Diagnostic::input("file", format!("cannot read {}", text::escape(name))).why(text::io_error(error))
}
