//! Splits a query into terms and reads their values.

use push_crypto::{ContentCoding, Timestamp, Urgency};

use super::{Comparison, KEYS, Pattern, Problem, Query, QueryError, Since, Term, Test};
use crate::{duration_text, service::exchange::State};

/// Longest query in octets; our choice, a search box holds no more.
const LONGEST: usize = 4096;

/// Characters of a value that an error repeats.
const SEEN: usize = 40;

impl Query {
    /// Reads a query. Terms are separated by blanks; an empty query matches everything.
    ///
    /// Values may end in `*`, and alternatives are separated by commas. Words, and values of `body:`, are looked
    /// for within the payload's text without regard to case.
    ///
    /// # Errors
    ///
    /// [`QueryError`] says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        if text.len() > LONGEST {
            return Err(QueryError { position: 0, problem: Problem::TooLong });
        }
        let mut reader = Reader { characters: text.chars().collect(), at: 0 };
        let mut terms = Vec::new();
        while let Some(term) = reader.term()? {
            terms.push(term);
        }
        Ok(Self { terms })
    }
}

impl core::str::FromStr for Query {
    type Err = QueryError;
    fn from_str(text: &str) -> Result<Self, QueryError> {
        Self::parse(text)
    }
}

struct Reader {
    characters: Vec<char>,
    at: usize,
}

/// A value, where it starts, and whether it stood in quotation marks.
struct Value {
    text: String,
    at: usize,
    quoted: bool,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let taken: String = self
            .characters
            .iter()
            .skip(self.at)
            .copied()
            .take_while(|character| wanted(*character))
            .collect();
        self.at += taken.chars().count();
        taken
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn term(&mut self) -> Result<Option<Term>, QueryError> {
        self.take_while(char::is_whitespace);
        let start = self.at;
        if self.peek().is_none() {
            return Ok(None);
        }
        let negated = self.take_if('-');
        if negated && self.peek().is_none_or(char::is_whitespace) {
            return Err(QueryError { position: start, problem: Problem::Negation });
        }
        let test = self.test()?;
        Ok(Some(Term { negated, test }))
    }

    fn test(&mut self) -> Result<Test, QueryError> {
        let start = self.at;
        if self.peek() == Some('"') {
            return Ok(Test::Body(self.value()?.text.to_lowercase()));
        }
        let word = self.take_while(|character| !character.is_whitespace() && !matches!(character, ':' | '"'));
        if self.peek() != Some(':') {
            let rest = self.take_while(|character| !character.is_whitespace());
            let word = word + &rest;
            let text = word.strip_suffix('*').unwrap_or(&word);
            return Ok(Test::Body(text.to_lowercase()));
        }
        let Some(key) = KEYS.into_iter().find(|key| *key == word) else {
            let seen = word.chars().take(SEEN).collect();
            return Err(QueryError { position: start, problem: Problem::Key(seen) });
        };
        self.take_if(':');
        let value = self.value()?;
        if value.text.is_empty() {
            return Err(QueryError { position: start, problem: Problem::Empty(key) });
        }
        let at = value.at;
        read(key, &value).map_err(|problem| QueryError { position: at, problem })
    }

    /// Up to the next blank, or in quotation marks with `\"` and `\\` inside.
    fn value(&mut self) -> Result<Value, QueryError> {
        let at = self.at;
        if !self.take_if('"') {
            return Ok(Value {
                text: self.take_while(|character| !character.is_whitespace()),
                at,
                quoted: false,
            });
        }
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(QueryError { position: at, problem: Problem::Quote }),
                Some('"') => {
                    self.at += 1;
                    return Ok(Value { text, at, quoted: true });
                }
                Some('\\') if matches!(self.characters.get(self.at + 1), Some('"' | '\\')) => {
                    text.extend(self.characters.get(self.at + 1));
                    self.at += 2;
                }
                Some(character) => {
                    text.push(character);
                    self.at += 1;
                }
            }
        }
    }
}

fn read(key: &'static str, value: &Value) -> Result<Test, Problem> {
    const LEVELS: [&str; 3] = ["error", "warning", "info"];
    const VIAS: [&str; 5] = ["http", "https", "intercept", "alias", "api"];
    const KINDS: [&str; 7] = ["json", "text", "bytes", "empty", "opaque", "undecryptable", "unencrypted"];
    match key {
        "body" => Ok(Test::Body(body(value).to_lowercase())),
        "coding" => among(key, value, &ContentCoding::ALL.map(ContentCoding::as_str)).map(Test::Coding),
        "fault" => match value.text.as_str() {
            "yes" => Ok(Test::Fault(true)),
            "no" => Ok(Test::Fault(false)),
            _ => Err(Problem::YesNo(seen(&value.text))),
        },
        "finding" => patterns(value).map(Test::Finding),
        "kind" => among(key, value, &KINDS).map(Test::Kind),
        "level" => among(key, value, &LEVELS).map(Test::Level),
        "since" => since(&value.text).map(Test::Since),
        "state" => among(key, value, &State::ALL.map(State::as_str)).map(Test::State),
        "status" => status(value).map(Test::Status),
        "to" => patterns(value).map(Test::To),
        "topic" => patterns(value).map(Test::Topic),
        "ttl" => ttl(&value.text),
        "urgency" => among(key, value, &Urgency::ALL.map(Urgency::as_str)).map(Test::Urgency),
        _ => among(key, value, &VIAS).map(Test::Via),
    }
}

fn seen(text: &str) -> String {
    text.chars().take(SEEN).collect()
}

/// The text to look for; a final `*` says nothing, since the text may go on anyway.
fn body(value: &Value) -> &str {
    let open = if value.quoted { None } else { value.text.strip_suffix('*') };
    open.unwrap_or(&value.text)
}

/// Alternatives separated by commas; one that stood in quotation marks is taken as it is.
fn patterns(value: &Value) -> Result<Vec<Pattern>, Problem> {
    if value.quoted {
        return Ok(vec![Pattern { text: value.text.clone(), open: false }]);
    }
    value
        .text
        .split(',')
        .map(|text| {
            let start = text.strip_suffix('*');
            if start.unwrap_or(text).contains('*') {
                return Err(Problem::Wildcard);
            }
            Ok(Pattern { text: start.unwrap_or(text).to_owned(), open: start.is_some() })
        })
        .collect()
}

/// Patterns of which each must match one of the allowed values.
fn among(key: &'static str, value: &Value, allowed: &[&'static str]) -> Result<Vec<Pattern>, Problem> {
    let patterns = patterns(value)?;
    match patterns.iter().find(|pattern| !allowed.iter().any(|one| pattern.matches(one))) {
        None => Ok(patterns),
        Some(other) => Err(Problem::Value { key, value: seen(&other.text), allowed: allowed.to_vec() }),
    }
}

/// `403`, or `4*`.
fn status(value: &Value) -> Result<Vec<Pattern>, Problem> {
    let patterns = patterns(value)?;
    let usable = |pattern: &Pattern| {
        let digits = pattern.text.bytes().all(|octet| octet.is_ascii_digit());
        digits && if pattern.open { pattern.text.len() <= 3 } else { pattern.text.len() == 3 }
    };
    match patterns.iter().find(|pattern| !usable(pattern)) {
        None => Ok(patterns),
        Some(other) => {
            let allowed = vec!["three digits such as 403", "or fewer and a star such as 4*"];
            Err(Problem::Value { key: "status", value: seen(&other.text), allowed })
        }
    }
}

fn since(text: &str) -> Result<Since, Problem> {
    if let Ok(time) = duration_text::parse(text) {
        return Ok(Since::Ago(time));
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| Problem::Duration(seen(text)))?;
    // Before 1970 there are no messages, so the start of time will do.
    Ok(Since::At(Timestamp::from_unix_millis(u64::try_from(time.as_millisecond()).unwrap_or(0))))
}

fn ttl(text: &str) -> Result<Test, Problem> {
    let signs = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::Above),
        ("<", Comparison::Below),
        ("=", Comparison::Equal),
    ];
    let (comparison, number) = signs
        .into_iter()
        .find_map(|(sign, comparison)| Some((comparison, text.strip_prefix(sign)?)))
        .unwrap_or((Comparison::Equal, text));
    let digits = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
    match number.parse() {
        Ok(number) if digits => Ok(Test::Ttl(comparison, number)),
        _ => Err(Problem::Number(seen(text))),
    }
}
