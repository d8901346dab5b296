//! Rows of CSV as receivers.
//!
//! Columns `id`, `subscription`, `payload`, `ttl`, `topic`, `urgency`; in place of `subscription` also `endpoint`,
//! `p256dh` and `auth`. Other columns are fields for the template. A value may have line ends in quotation marks; a
//! quotation mark that is never closed costs the line where it stands, not the rest of the file.

use std::{borrow::Cow, io, io::Read};

use csv_core::ReadRecordResult;
use push_crypto::Subscription;
use zeroize::Zeroizing;

use super::{HeaderError, LINE_OCTETS, Reason, Receiver, Reject, json, window::Window};
use crate::bulk::template::Template;

/// Most columns (our choice: more than a table of users has).
const COLUMNS: usize = 256;

pub(super) struct Columns {
    names: Vec<String>,
    core: csv_core::Reader,
    /// The values of a row, one behind the other; they hold secrets.
    values: Zeroizing<Vec<u8>>,
    ends: Vec<usize>,
}

/// What stands at some place of the source.
enum Row {
    /// So many values, in a row that begins on the line of this number.
    Values {
        number: u64,
        count: usize,
    },
    /// A line that cannot be read.
    Unreadable {
        number: u64,
        reason: Reason,
    },
    End,
}

impl Columns {
    /// Reads the header.
    pub(super) fn read<R: Read>(window: &mut Window<R>) -> Result<Self, HeaderError> {
        let mut columns = Self {
            names: Vec::new(),
            // A carriage return alone ends no row, so that no two rows have the same line number.
            core: csv_core::ReaderBuilder::new().terminator(csv_core::Terminator::Any(b'\n')).build(),
            values: Zeroizing::new(vec![0; LINE_OCTETS]),
            ends: vec![0; COLUMNS],
        };
        let Row::Values { count, .. } = columns.row(window).map_err(HeaderError::Io)? else {
            return Err(HeaderError::Unusable);
        };
        let names: Option<Vec<String>> =
            (0..count).map(|at| columns.value(at).map(|name| name.trim().to_owned())).collect();
        columns.names = names.ok_or(HeaderError::Unusable)?;
        for (at, name) in columns.names.iter().enumerate() {
            if columns.names.iter().take(at).any(|other| other == name) {
                return Err(HeaderError::Double { name: name.clone() });
            }
        }
        if columns.column("subscription").or(columns.column("endpoint")).is_none() {
            return Err(HeaderError::Unusable);
        }
        Ok(columns)
    }

    /// The next receiver.
    pub(super) fn next<R: Read>(
        &mut self,
        window: &mut Window<R>,
        template: Option<&Template>,
    ) -> io::Result<Option<Result<Receiver, Reject>>> {
        loop {
            let (number, read) = match self.row(window)? {
                Row::End => return Ok(None),
                Row::Unreadable { number, reason } => (number, Err(reason)),
                // A blank line of a file with carriage returns; without them they are skipped already.
                Row::Values { count: 1, .. } if self.names.len() > 1 && self.value(0) == Some("") => continue,
                Row::Values { number, count } => (number, self.receiver(number, count, template)),
            };
            return Ok(Some(read.map_err(|reason| Reject { line: number, reason })));
        }
    }

    fn row<R: Read>(&mut self, window: &mut Window<R>) -> io::Result<Row> {
        let passed = window.passed;
        window.view()?;
        let is_ended = window.is_ended;
        let view = window.view()?;
        // One octet more than the longest row shows that a row is too long.
        let part = view.get(..LINE_OCTETS + 1).unwrap_or(view);
        let (mut result, read, written, mut count) =
            self.core.read_record(part, &mut self.values, &mut self.ends);
        if matches!(result, ReadRecordResult::InputEmpty) && is_ended && part.len() == view.len() {
            let values = self.values.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(count..).unwrap_or_default();
            // The end of the source ends the row.
            let (last, _, _, fields) = self.core.read_record(&[], values, ends);
            (result, count) = (last, count + fields);
        }
        let used = part.get(..read).unwrap_or_default();
        // The row begins behind blank lines.
        let number = passed + 1 + used.iter().take_while(|octet| **octet == b'\n').count() as u64;
        match result {
            ReadRecordResult::Record => {
                self.trim_last(count);
                let lines = memchr::memchr_iter(b'\n', used).count() as u64;
                window.pass(read, lines);
                Ok(Row::Values { number, count })
            }
            ReadRecordResult::End => Ok(Row::End),
            ReadRecordResult::OutputEndsFull => {
                self.give_up_line(window, number)?;
                Ok(Row::Unreadable {
                    number,
                    reason: Reason::Columns { found: COLUMNS, expected: self.names.len() },
                })
            }
            ReadRecordResult::InputEmpty | ReadRecordResult::OutputFull => {
                self.give_up_line(window, number)?;
                Ok(Row::Unreadable { number, reason: Reason::TooLong })
            }
        }
    }

    /// A row ends at the line feed, so a carriage return in front of it is still there.
    fn trim_last(&mut self, count: usize) {
        let end = count.checked_sub(1).and_then(|last| self.ends.get_mut(last));
        if let Some(end) = end
            && let Some(before) = end.checked_sub(1)
            && self.values.get(before) == Some(&b'\r')
        {
            *end = before;
        }
    }

    /// Goes behind the line of this number and begins anew there.
    fn give_up_line<R: Read>(&mut self, window: &mut Window<R>, number: u64) -> io::Result<()> {
        self.core.reset();
        while window.passed < number {
            let before = window.passed;
            window.skip_line()?;
            if window.passed == before {
                break;
            }
        }
        Ok(())
    }

    fn receiver(&self, number: u64, count: usize, template: Option<&Template>) -> Result<Receiver, Reason> {
        let expected = self.names.len();
        if count != expected {
            return Err(Reason::Columns { found: count, expected });
        }
        let values: Option<Vec<&str>> = (0..count).map(|at| self.value(at)).collect();
        let values = values.ok_or(Reason::NotUtf8)?;
        if values.iter().all(|value| value.is_empty()) {
            return Err(Reason::Blank);
        }
        let value = |name: &str| {
            let value = values.get(self.column(name)?).copied().unwrap_or_default();
            Some(value).filter(|value| !value.is_empty())
        };
        let payload = match (value("payload"), template) {
            (Some(payload), _) => Some(bytes::Bytes::copy_from_slice(payload.as_bytes())),
            (None, None) => None,
            (None, Some(template)) => Some(self.fill(template, &values)?),
        };
        Ok(Receiver {
            index: number.saturating_sub(1),
            id: value("id").map(id),
            subscription: subscription(value)?,
            payload,
            ttl: value("ttl").map(|text| text.parse()).transpose().map_err(Reason::Ttl)?,
            topic: value("topic").map(|text| text.parse()).transpose().map_err(Reason::Topic)?,
            urgency: value("urgency").map(|text| text.parse()).transpose().map_err(Reason::Urgency)?,
        })
    }

    fn fill(&self, template: &Template, values: &[&str]) -> Result<bytes::Bytes, Reason> {
        let as_json: Vec<_> = values.iter().map(|value| json_of(value)).collect();
        let filled = template.fill(|name| as_json.get(self.column(name)?).map(AsRef::as_ref));
        filled.map_err(Reason::Fill)
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    fn value(&self, at: usize) -> Option<&str> {
        let from = match at.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied()?,
        };
        std::str::from_utf8(self.values.get(from..self.ends.get(at).copied()?)?).ok()
    }
}

fn subscription<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<Subscription, Reason> {
    match (value("subscription"), value("endpoint")) {
        (Some(json), _) => match json::read(json.as_bytes(), 0, None) {
            Ok(receiver) => Ok(receiver.subscription),
            Err(Reason::NotJson { .. } | Reason::NoSubscription | Reason::NotObject) => {
                Subscription::from_json(json).map_err(Reason::Subscription)
            }
            Err(reason) => Err(reason),
        },
        (None, Some(endpoint)) => {
            let [p256dh, auth] = ["p256dh", "auth"].map(|name| value(name).unwrap_or_default());
            json::of_columns(endpoint, p256dh, auth).map_err(Reason::Subscription)
        }
        (None, None) => Err(Reason::NoSubscription),
    }
}

/// A number stays a number, so that ids of a table come back as they are there.
fn id(text: &str) -> Box<str> {
    json_of(text).into()
}

/// A value as JSON: numbers and the words true and false as such, all else as a string.
fn json_of(text: &str) -> Cow<'_, str> {
    let is_word = matches!(text, "true" | "false");
    let is_number = text.len() <= 15 && serde_json::from_str::<serde_json::Number>(text).is_ok();
    if is_word || is_number {
        return Cow::Borrowed(text);
    }
    // A string can always be written.
    Cow::Owned(serde_json::to_string(text).unwrap_or_default())
}
