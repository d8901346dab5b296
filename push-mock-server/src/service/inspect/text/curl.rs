//! A `curl` command line, as browsers' developer tools and documentation give it.

use super::request::{Pasted, PastedBody};

/// Options that take a value and say nothing about the request.
const WITH_VALUE: [&str; 22] = [
    "-o",
    "--output",
    "-x",
    "--proxy",
    "--connect-to",
    "--resolve",
    "-m",
    "--max-time",
    "--cacert",
    "-w",
    "--write-out",
    "--connect-timeout",
    "--retry",
    "-E",
    "--cert",
    "--key",
    "-c",
    "--cookie-jar",
    "--limit-rate",
    "--interface",
    "--unix-socket",
    "--proxy-header",
];
/// Short options without a value, which can stand together: `-sSvi`.
const FLAGS: &str = "sSvikLfgN46#q";

/// Takes a command line apart; none when it is not `curl` with a URL.
pub(super) fn read(text: &str) -> Option<Pasted> {
    let words = words(text.trim().trim_start_matches("$ "))?;
    let mut words = words.into_iter();
    if words.next()? != "curl" {
        return None;
    }
    let mut command = Command::default();
    while let Some(word) = words.next() {
        command.take(&word, &mut words);
    }
    command.finish()
}

#[derive(Default)]
struct Command {
    method: Option<String>,
    url: Option<String>,
    headers: Vec<(String, String)>,
    data: Vec<String>,
    file: Option<String>,
    upload: bool,
    json: bool,
    head: bool,
}

impl Command {
    fn take(&mut self, word: &str, words: &mut impl Iterator<Item = String>) {
        let (name, joined) = split_option(word);
        let mut value = || joined.clone().or_else(|| words.next()).unwrap_or_default();
        match name {
            "-X" | "--request" => self.method = Some(value()),
            "-H" | "--header" => self.header(&value()),
            "-A" | "--user-agent" => self.headers.push(("user-agent".to_owned(), value())),
            "-e" | "--referer" => self.headers.push(("referer".to_owned(), value())),
            "-b" | "--cookie" => self.headers.push(("cookie".to_owned(), value())),
            "-u" | "--user" => {
                value();
                self.headers.push(("authorization".to_owned(), "Basic …".to_owned()));
            }
            "-d" | "--data" | "--data-ascii" | "--data-binary" => self.data(value()),
            "--data-raw" | "--data-urlencode" => self.data.push(value()),
            "--json" => {
                self.json = true;
                self.data(value());
            }
            "-T" | "--upload-file" => {
                self.upload = true;
                self.file = Some(value());
            }
            "--url" => self.url = Some(value()),
            "-I" | "--head" => self.head = true,
            name if WITH_VALUE.contains(&name) => {
                value();
            }
            name if name.starts_with('-') && name.len() > 1 => {}
            url => self.url = Some(url.to_owned()),
        }
    }

    /// `Name: value`, `Name;` for an empty value, `Name:` to leave the field out.
    fn header(&mut self, line: &str) {
        match line.split_once(':') {
            Some((name, value)) if !value.trim().is_empty() => {
                self.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            Some(_) => {}
            None => {
                self.headers.push((line.trim_end_matches(';').trim().to_ascii_lowercase(), String::new()))
            }
        }
    }

    fn data(&mut self, value: String) {
        match value.strip_prefix('@') {
            Some(file) => self.file = Some(file.to_owned()),
            None => self.data.push(value),
        }
    }

    fn finish(mut self) -> Option<Pasted> {
        let has_data = !self.data.is_empty() || (self.file.is_some() && !self.upload);
        let method = match self.method {
            Some(method) => method,
            None if self.upload => "PUT".to_owned(),
            None if has_data => "POST".to_owned(),
            None if self.head => "HEAD".to_owned(),
            None => "GET".to_owned(),
        };
        if has_data && !self.headers.iter().any(|(name, _)| name == "content-type") {
            let kind = if self.json { "application/json" } else { "application/x-www-form-urlencoded" };
            self.headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        let body = match self.file {
            Some(file) => PastedBody::File(file),
            None => PastedBody::of_octets(self.data.join("&").as_bytes()),
        };
        Some(Pasted { method, target: self.url?, headers: self.headers, body })
    }
}

/// `-Hvalue`, `--header=value`, and flags such as `-sSX` whose last letter takes the value.
fn split_option(word: &str) -> (&str, Option<String>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
    }
    let Some(mut letters) = word.strip_prefix('-') else { return (word, None) };
    while let Some(rest) = letters.strip_prefix(|c: char| FLAGS.contains(c)) {
        letters = rest;
    }
    let name = ["-X", "-H", "-A", "-e", "-b", "-u", "-d", "-T", "-I", "-o", "-x", "-m", "-w", "-E", "-c"]
        .into_iter()
        .find(|name| name.strip_prefix('-').is_some_and(|letter| letters.starts_with(letter)));
    match name {
        Some(name) => {
            let value = letters.get(1..).filter(|value| !value.is_empty());
            (name, value.map(str::to_owned))
        }
        None => (word, None),
    }
}

/// The words of a command line by the rules of POSIX shells, `$'…'` included; none for an open quote.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('\n') | None => {}
                Some('\r') => {
                    rest.next_if_eq(&'\n');
                }
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '$' if rest.next_if_eq(&'\'').is_some() => ansi_quoted(&mut rest, word.get_or_insert_default())?,
            c if c.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

fn single_quoted(rest: &mut impl Iterator<Item = char>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            other => word.push(other),
        }
    }
}

fn double_quoted(rest: &mut impl Iterator<Item = char>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '\\' => match rest.next()? {
                '\n' => {}
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

fn ansi_quoted(rest: &mut impl Iterator<Item = char>, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            '\'' => return Some(()),
            '\\' => match rest.next()? {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'x' | 'u' => word.push(char::REPLACEMENT_CHARACTER),
                other => word.push(other),
            },
            other => word.push(other),
        }
    }
}
