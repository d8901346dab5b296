//! Where results go: text or JSON on stdout, remarks on stderr, colours only where a terminal wants them.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
};

use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};

use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
};

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On terminals, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorWhen {
    /// Makes it the choice of both streams.
    pub(crate) fn apply(self) {
        let choice = match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// The form of results.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    verbose: bool,
}

/// How much to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loudness {
    /// Leave remarks out.
    pub(crate) quiet: bool,
    /// Show causes.
    pub(crate) verbose: bool,
}

impl Output {
    /// JSON or text.
    pub(crate) const fn new(json: bool, loudness: Loudness) -> Self {
        Self { json, quiet: loudness.quiet, verbose: loudness.verbose }
    }

    /// The same without remarks.
    pub(crate) const fn quieter(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// True when results are JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// True when remarks are left out.
    pub(crate) const fn is_quiet(self) -> bool {
        self.quiet
    }

    /// True when stdout is a terminal.
    pub(crate) fn is_terminal(self) -> bool {
        io::stdout().is_terminal()
    }

    /// One line of a result.
    pub(crate) fn line(self, line: impl AsRef<str>) -> Result<()> {
        let mut stream = anstream::stdout().lock();
        writeln!(stream, "{}", line.as_ref()).and_then(|()| stream.flush()).map_err(|error| broken(&error))
    }

    /// Octets of a result, as they are.
    pub(crate) fn octets(self, octets: &[u8]) -> Result<()> {
        let mut stream = io::stdout().lock();
        stream.write_all(octets).and_then(|()| stream.flush()).map_err(|error| broken(&error))
    }

    /// The one object of `--json`, with `"ok":true` in front.
    pub(crate) fn object(self, value: Value) -> Result<()> {
        let mut object = Map::new();
        object.insert("ok".into(), Value::Bool(true));
        match value {
            Value::Object(members) => object.extend(members.into_iter().filter(|(name, _)| name != "ok")),
            Value::Null => {}
            other => {
                object.insert("result".into(), other);
            }
        }
        self.record(&Value::Object(object))
    }

    /// One line of JSON Lines.
    pub(crate) fn record(self, value: &Value) -> Result<()> {
        self.octets(format!("{}\n", inert(&value.to_string())).as_bytes())
    }

    /// A remark on stderr, left out with `--quiet` and with `--json`.
    pub(crate) fn note(self, line: impl AsRef<str>) {
        if !self.quiet && !self.json {
            let _ = writeln!(anstream::stderr().lock(), "{}", line.as_ref());
        }
    }

    /// Reports an error: text on stderr, or the object on stdout with `--json`.
    pub(crate) fn failure(self, diagnostic: &Diagnostic) {
        if diagnostic.code() == BROKEN_PIPE {
            return;
        }
        if self.json {
            let _ = self.record(&diagnostic.to_json());
        } else {
            let _ = write!(anstream::stderr().lock(), "{}", diagnostic.render(self.verbose));
        }
    }
}

/// JSON escapes C0 only; a terminal obeys U+007F to U+009F as well, and they stand in strings alone.
fn inert(json: &str) -> Cow<'_, str> {
    let is_obeyed = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !json.contains(is_obeyed) {
        return Cow::Borrowed(json);
    }
    let escaped = |c: char| if is_obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(json.chars().map(escaped).collect())
}

/// The reader of our output has gone, as with `| head`: nothing to say, and no failure of ours.
const BROKEN_PIPE: &str = "broken-pipe";

fn broken(error: &io::Error) -> Diagnostic {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Diagnostic::new(ExitCode::SUCCESS, BROKEN_PIPE, "nobody reads the output");
    }
    Diagnostic::new(ExitCode::UNEXPECTED, "output", "cannot write the output")
        .why(crate::text::io_error(error))
}

/// Text in the given style.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The style of a message's state.
pub(crate) fn state_style(state: &str) -> Style {
    let color = match state {
        "accepted" => return Style::new(),
        "acknowledged" | "delivered" => AnsiColor::Green,
        "refused" | "discarded" => AnsiColor::Red,
        "queued" => AnsiColor::Cyan,
        "expired" | "dropped" => AnsiColor::Yellow,
        _ => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(color.into()))
}

/// For what is less important.
pub(crate) const DIM: Style = Style::new().dimmed();
/// For names and headings.
pub(crate) const BOLD: Style = Style::new().bold();

/// The style of a finding's level.
pub(crate) fn level_style(level: &str) -> Style {
    let color = match level {
        "error" => AnsiColor::Red,
        "warning" => AnsiColor::Yellow,
        _ => AnsiColor::Cyan,
    };
    Style::new().fg_color(Some(color.into()))
}

/// The mark of a finding's level: `✗`, `⚠`, `?`.
pub(crate) fn level_mark(level: &str) -> &'static str {
    match level {
        "error" => "✗",
        "warning" => "⚠",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_nothing_that_a_terminal_obeys() {
        let value = serde_json::json!({"a\u{9b}": "\u{1b}[1m\u{7f}\u{9f}\u{a0}é"});

        let text = inert(&value.to_string()).into_owned();

        assert_eq!(text, r#"{"a\u009b":"\u001b[1m\u007f\u009f"#.to_owned() + "\u{a0}é\"}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
