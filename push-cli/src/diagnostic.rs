//! `Diagnostic`: the one shape of every error message: what happened, `why`, `do`, `see`.
//!
//! Texts from outside are escaped when they are put in, so that no payload or answer can steer a terminal.

use std::{borrow::Cow, fmt::Write as _};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::{exit_code::ExitCode, text};

/// What commands return.
pub(crate) type Result<T> = std::result::Result<T, Diagnostic>;

/// An error as the user sees it. Boxed, because it is large and rare.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    exit: ExitCode,
    code: Cow<'static, str>,
    message: String,
    detail: Vec<String>,
    why: Option<String>,
    fix: Option<String>,
    see: Option<String>,
    causes: Vec<String>,
    json: Option<Value>,
}

/// Columns after which `why`, `do` and `see` are wrapped (our choice: fits a wide terminal and a CI log).
const WIDTH: usize = 110;

impl Diagnostic {
    /// An error with its exit code, its stable code and one sentence.
    pub(crate) fn new(
        exit: ExitCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            exit,
            code: code.into(),
            message: text::escape(&message.into()),
            detail: Vec::new(),
            why: None,
            fix: None,
            see: None,
            causes: Vec::new(),
            json: None,
        }))
    }

    /// Input that cannot be used: exit 9.
    pub(crate) fn input(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::new(ExitCode::INPUT, code, message)
    }

    /// Wrong usage that only shows after parsing: exit 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::USAGE, "usage", message)
    }

    /// An error of the operating system on a file: exit 1, or 9 where the file is the user's input.
    pub(crate) fn file(exit: ExitCode, doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let path = path.display();
        Self::new(exit, "file", format!("cannot {doing} {path}")).why(text::io_error(error))
    }

    /// A line under the first one, before `why`.
    pub(crate) fn detail(mut self, line: impl Into<String>) -> Self {
        self.0.detail.extend(line.into().lines().map(text::escape));
        self
    }

    /// Why it is so.
    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.0.why = Some(text::escape_block(&why.into()));
        self
    }

    /// What to do: a command or a sentence.
    pub(crate) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.0.fix = Some(text::escape_block(&fix.into()));
        self
    }

    /// Why, and what to do where the text has both: `what is wrong; what to do`.
    pub(crate) fn because(self, text: &str) -> Self {
        match text::split_advice(text) {
            (why, Some(fix)) => self.why(why).fix(fix),
            (why, None) => self.why(why),
        }
    }

    /// Where to read on.
    pub(crate) fn see(mut self, see: impl Into<String>) -> Self {
        self.0.see = Some(text::escape_block(&see.into()));
        self
    }

    /// Deeper causes, shown with `-v`.
    pub(crate) fn caused_by(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            self.0.causes.push(text::escape(&error.to_string()));
            next = error.source();
        }
        self
    }

    /// Members of the JSON form beyond the usual ones, e.g. the near misses of `wait`.
    pub(crate) fn with_json(mut self, value: Value) -> Self {
        self.0.json = Some(value);
        self
    }

    /// What the process ends with.
    pub(crate) const fn exit(&self) -> ExitCode {
        self.0.exit
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    /// The first sentence.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The text for stderr, styled; the stream removes the styles where there is no terminal.
    pub(crate) fn render(&self, causes: bool) -> String {
        let parts = &*self.0;
        let mut out = String::new();
        let (error, label) = (Style::new().bold().fg_color(Some(AnsiColor::Red.into())), Style::new().bold());
        let _ = writeln!(out, "{error}error{error:#}: {}", parts.message);
        for line in &parts.detail {
            let _ = writeln!(out, "  {line}");
        }
        for (name, value) in [("why", &parts.why), ("do", &parts.fix), ("see", &parts.see)] {
            let Some(value) = value else { continue };
            for (index, line) in text::wrap(value, WIDTH - 8).into_iter().enumerate() {
                if index == 0 {
                    let _ = writeln!(out, "  {label}{name:<6}{label:#}{line}");
                } else {
                    let _ = writeln!(out, "        {line}");
                }
            }
        }
        if causes {
            for cause in &parts.causes {
                let _ = writeln!(out, "  cause {cause}");
            }
        }
        out
    }

    /// The object for stdout with `--json`.
    pub(crate) fn to_json(&self) -> Value {
        let parts = &*self.0;
        let mut error = json!({
            "code": parts.code, "message": parts.message, "why": parts.why, "fix": parts.fix, "help": parts.see,
        });
        if let (Some(Value::Object(more)), Some(members)) = (&parts.json, error.as_object_mut()) {
            members.extend(more.clone());
        }
        json!({ "ok": false, "error": error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Diagnostic {
        Diagnostic::input("subscription/p256dh-der", "subscription.keys.p256dh is not a P-256 point")
            .detail("line one\nline two")
            .why("it decodes to 91 octets")
            .fix("push keys convert --to raw <that value>")
            .see("push help subscription/p256dh-der")
    }

    #[test]
    fn the_shape_is_what_why_do_see() {
        let plain = anstream::adapter::strip_str(&sample().render(false)).to_string();

        assert_eq!(
            plain,
            "error: subscription.keys.p256dh is not a P-256 point\n  line one\n  line two\n\
             \x20 why   it decodes to 91 octets\n  do    push keys convert --to raw <that value>\n\
             \x20 see   push help subscription/p256dh-der\n"
        );
    }

    #[test]
    fn the_json_form_has_the_same_parts() {
        let value = sample().to_json();

        assert_eq!(value["ok"], false);
        assert_eq!(value["error"]["code"], "subscription/p256dh-der");
        assert_eq!(value["error"]["fix"], "push keys convert --to raw <that value>");
    }

    #[test]
    fn control_characters_from_outside_are_escaped() {
        let diagnostic = Diagnostic::input("x", "answer \u{1b}[31mred\u{9b}").why("a\u{7}b");

        let plain = anstream::adapter::strip_str(&diagnostic.render(false)).to_string();
        assert!(plain.contains("answer \\u{1b}[31mred\\u{9b}"), "{plain}");
        assert!(plain.contains("a\\u{7}b"), "{plain}");
    }
}
