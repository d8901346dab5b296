//! Receivers from a file: JSON lines or CSV, one at a time, whatever the file holds.
//!
//! A line that cannot be used is a [`Reject`] with its number and the reason, and never ends the run.
//! Reading is in constant memory: a line has at most [`LINE_OCTETS`], and of endpoints only digests are kept.
//!
//! ```
//! use push_client::bulk::{input::{Format, Reader}, template::Template};
//! let file = concat!(
//!     r#"{"endpoint":"https://push.example/p/1"}"#, "\n",
//!     r#"{"id":"user-2","subscription":{"endpoint":"https://push.example/p/2"},"ttl":60,"name":"Zoë"}"#, "\n",
//!     "nonsense\n",
//! );
//! let template = Template::parse(b"Hello")?;
//! let mut reader = Reader::new(file.as_bytes(), Format::JsonLines, template)?;
//!
//! assert_eq!(reader.next()?.unwrap().unwrap().id, None);
//! assert_eq!(reader.next()?.unwrap().unwrap().id.as_deref(), Some("\"user-2\""));
//! let reject = reader.next()?.unwrap().unwrap_err();
//! assert_eq!((reject.line, reject.reason.to_string()), (3, "it is not JSON (column 2)".to_owned()));
//! assert!(reader.next()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fmt,
    io::{self, Read},
};

use bytes::Bytes;
use push_crypto::{Subscription, SubscriptionError, Topic, TopicError, Ttl, TtlError, Urgency, UrgencyError};

use super::template::{FillError, Template};

mod columns;
mod digest;
mod json;
mod seen;
mod window;

use columns::Columns;
pub use digest::{Summary, summarize};
pub use seen::Seen;
use window::Window;

/// Most octets of a line (our choice: twice the longest endpoint, keys, and four times the longest payload).
pub const LINE_OCTETS: usize = 16 * 1024;

/// The form of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object per line.
    JsonLines,
}

/// Somebody to send to.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The number of its line, from 0.
    pub index: u64,
    /// What the application calls it, as JSON: a string or a number.
    pub id: Option<Box<str>>,
    /// Where to send.
    pub subscription: Subscription,
    /// The payload of its own: the line's, or the template filled; without, the template's fixed text.
    pub payload: Option<Bytes>,
    /// The TTL of its own.
    pub ttl: Option<Ttl>,
    /// The topic of its own.
    pub topic: Option<Topic>,
    /// The urgency of its own.
    pub urgency: Option<Urgency>,
}

impl fmt::Debug for Receiver {
    /// Neither payload nor topic nor id: they say more than they should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("index", &self.index)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its number, from 1.
    pub line: u64,
    /// Why not.
    pub reason: Reason,
}

impl Reject {
    /// The line's number from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.line.saturating_sub(1)
    }
}

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing is on it.
    Blank,
    /// It has another number of columns than the header.
    Columns {
        /// How many it has.
        found: usize,
        /// How many the header has.
        expected: usize,
    },
    /// A field has another type than it may have.
    Field {
        /// Its name.
        name: &'static str,
    },
    /// The payload cannot be filled from it.
    Fill(FillError),
    /// Neither an endpoint nor a subscription.
    NoSubscription,
    /// It is not JSON.
    NotJson {
        /// Column, from 1.
        column: usize,
    },
    /// JSON, but no object.
    NotObject,
    /// It is not text in UTF-8.
    NotUtf8,
    /// The subscription is not usable.
    Subscription(SubscriptionError),
    /// It is over [`LINE_OCTETS`].
    TooLong,
    /// The topic is not usable.
    Topic(TopicError),
    /// The TTL is not usable.
    Ttl(TtlError),
    /// The urgency is not usable.
    Urgency(UrgencyError),
}

impl Reason {
    /// The code of the finding which explains it, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Subscription(error) => Some(error.code()),
            Self::NoSubscription => Some(SubscriptionError::EndpointMissing.code()),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("it is blank"),
            Self::Columns { found, expected } => {
                write!(
                    f,
                    "it has {found} columns, the header has {expected}; quote values with commas in them"
                )
            }
            Self::Field { name: "id" } => f.write_str("its id is neither a string nor a number"),
            Self::Field { name } => write!(f, "its {name} is not of a type that it can have"),
            Self::Fill(error) => error.fmt(f),
            Self::NoSubscription => f.write_str(
                "it has neither endpoint nor subscription; pass what the browser's toJSON() gives",
            ),
            Self::NotJson { column } => write!(f, "it is not JSON (column {column})"),
            Self::NotObject => {
                f.write_str("it is JSON, but no object; write {\"endpoint\":…} or {\"subscription\":{…}}")
            }
            Self::NotUtf8 => f.write_str("it is not text in UTF-8"),
            Self::Subscription(error) => error.fmt(f),
            Self::TooLong => write!(
                f,
                "it is over {LINE_OCTETS} octets, or a quotation mark in it is never closed; shorten or correct it"
            ),
            Self::Topic(error) => error.fmt(f),
            Self::Ttl(error) => error.fmt(f),
            Self::Urgency(error) => error.fmt(f),
        }
    }
}

/// Reads receivers one by one.
pub struct Reader<R> {
    window: Window<R>,
    template: Template,
    fixed: bool,
    columns: Option<Columns>,
}

impl<R: Read> Reader<R> {
    /// Reads what stands in front of the receivers: the header of CSV.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn new(source: R, format: Format, template: Template) -> Result<Self, HeaderError> {
        let mut window = Window::new(source);
        let columns = match format {
            Format::JsonLines => None,
            Format::Csv => Some(Columns::read(&mut window)?),
        };
        let fixed = template.as_fixed().is_some();
        Ok(Self { window, template, fixed, columns })
    }

    /// The next receiver, or why the next line is none; `None` at the end.
    ///
    /// # Errors
    /// What the system reports.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results of results is nothing to chain"
    )]
    pub fn next(&mut self) -> io::Result<Option<Result<Receiver, Reject>>> {
        let template = (!self.fixed).then_some(&self.template);
        match &mut self.columns {
            None => {
                let Some(line) = self.window.line()? else { return Ok(None) };
                let index = line.number.saturating_sub(1);
                let read = line.content.and_then(|octets| json::read(octets, index, template));
                Ok(Some(read.map_err(|reason| Reject { line: line.number, reason })))
            }
            Some(columns) => columns.next(&mut self.window, template),
        }
    }

    /// The payload of those who have none of their own.
    #[must_use]
    pub fn fixed_payload(&self) -> Option<Bytes> {
        self.template.as_fixed()
    }
}

impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.columns.is_some() { "Reader(CSV)" } else { "Reader(JSON lines)" })
    }
}

/// Why a header of CSV is not usable, and so nothing behind it.
#[derive(Debug)]
#[non_exhaustive]
pub enum HeaderError {
    /// Two columns have the same name.
    Double {
        /// The name.
        name: String,
    },
    /// The system refused to read.
    Io(io::Error),
    /// There is no header, or it is over the limit, not UTF-8, or without the columns needed.
    Unusable,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Double { name } => {
                write!(f, "two columns are called \"{}\"; rename one", name.escape_debug())
            }
            Self::Io(error) => write!(f, "the input cannot be read ({error}); check path and rights"),
            Self::Unusable => f.write_str(
                "the first line is no header with a column subscription or endpoint; \
                 write id,subscription or id,endpoint,p256dh,auth as the first line, or give JSON lines",
            ),
        }
    }
}

impl std::error::Error for HeaderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Double { .. } | Self::Unusable => None,
        }
    }
}

#[cfg(test)]
mod tests;
