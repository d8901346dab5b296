//! Wrong usage: what clap found, in the shape of every other error.

use std::ffi::OsString;

use clap::{
    CommandFactory as _,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{cli::Cli, diagnostic::Diagnostic, text};

/// What clap found, as a diagnostic; none where it wants to print help.
pub(crate) fn diagnostic(error: &clap::Error, arguments: &[OsString], json: bool) -> Option<Diagnostic> {
    let command = command_of(arguments);
    let of = Of { error, command: &command };
    let diagnostic = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return None,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            if !json {
                return None;
            }
            Diagnostic::usage(format!("{command} needs a command behind it"))
        }
        ErrorKind::InvalidSubcommand => of.subcommand(),
        ErrorKind::UnknownArgument => of.unknown(),
        ErrorKind::InvalidValue => of.one_of(),
        ErrorKind::ValueValidation => of.value(),
        ErrorKind::MissingRequiredArgument => {
            Diagnostic::usage(format!("{command} needs {}", of.list(ContextKind::InvalidArg).join(" and ")))
        }
        ErrorKind::ArgumentConflict => of.conflict(),
        _ => Diagnostic::usage(first_line(error)),
    };
    let path = command.strip_prefix("push").unwrap_or_default();
    Some(if path.is_empty() {
        diagnostic.see("push help")
    } else {
        diagnostic.see(format!("push help{path}"))
    })
}

/// The command that was meant: the names of subcommands among the words, as far as they lead.
fn command_of(arguments: &[OsString]) -> String {
    let mut tree = Cli::command();
    tree.build();
    let (mut here, mut path) = (&tree, "push".to_owned());
    for word in arguments.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(next) = here.find_subcommand(word) {
            path.push(' ');
            path.push_str(next.get_name());
            here = next;
        } else if !here.has_subcommands() {
            break;
        }
    }
    path
}

/// The first line of clap's own text, without its label.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or("wrong usage").trim_start_matches("error: ").to_owned()
}

/// An error and the command it belongs to.
struct Of<'a> {
    error: &'a clap::Error,
    command: &'a str,
}

impl Of<'_> {
    fn text(&self, kind: ContextKind) -> String {
        self.list(kind).join(", ")
    }

    fn list(&self, kind: ContextKind) -> Vec<String> {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(list)) => list.clone(),
            Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
            Some(ContextValue::StyledStrs(list)) => list.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    fn subcommand(&self) -> Diagnostic {
        let name = self.text(ContextKind::InvalidSubcommand);
        let diagnostic =
            Diagnostic::usage(format!("{} is no command of {}", text::quote(&name, 60), self.command));
        // The last one is the closest.
        match self.list(ContextKind::SuggestedSubcommand).last() {
            Some(close) => diagnostic.fix(format!("did you mean {} {close}?", self.command)),
            None => diagnostic,
        }
    }

    fn unknown(&self) -> Diagnostic {
        let given = self.text(ContextKind::InvalidArg);
        let what = if given.starts_with('-') { "option" } else { "argument" };
        let diagnostic =
            Diagnostic::usage(format!("{} takes no {what} {}", self.command, text::quote(&given, 60)));
        if given.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) {
            return diagnostic.because("no value here is negative; write it without the sign");
        }
        let close = self.list(ContextKind::SuggestedArg);
        match close.first() {
            Some(close) => diagnostic.fix(format!("did you mean {close}?")),
            None if given.starts_with('-') && self.error.get(ContextKind::Suggested).is_some() => diagnostic
                .fix(format!("if it is no option, write -- in front of it: {} -- {given}", self.command)),
            None => diagnostic,
        }
    }

    /// A value that is none of those which are possible, or that is missing.
    fn one_of(&self) -> Diagnostic {
        let (argument, value) = (self.text(ContextKind::InvalidArg), self.text(ContextKind::InvalidValue));
        let possible = self.list(ContextKind::ValidValue);
        let diagnostic = if value.is_empty() {
            Diagnostic::usage(format!("{argument} has no value"))
        } else {
            Diagnostic::usage(format!("{argument} cannot be {}", text::quote(&value, 60)))
        };
        let close = self.text(ContextKind::SuggestedValue);
        match (possible.is_empty(), close.is_empty()) {
            (true, _) => diagnostic,
            (false, true) => diagnostic.fix(format!("write one of {}", possible.join(", "))),
            (false, false) => {
                diagnostic.fix(format!("did you mean {close}? Possible are {}", possible.join(", ")))
            }
        }
    }

    /// A value that its reader did not take; its words are "what is wrong; what to do".
    fn value(&self) -> Diagnostic {
        let (argument, value) = (self.text(ContextKind::InvalidArg), self.text(ContextKind::InvalidValue));
        let diagnostic = Diagnostic::usage(format!("{argument} cannot be {}", text::quote(&value, 60)));
        match std::error::Error::source(self.error) {
            Some(reason) => diagnostic.because(&plain(reason)),
            None => diagnostic,
        }
    }

    fn conflict(&self) -> Diagnostic {
        let (one, others) = (self.text(ContextKind::InvalidArg), self.list(ContextKind::PriorArg));
        if others.is_empty() || others.iter().all(|other| *other == one) {
            return Diagnostic::usage(format!("{one} is given twice")).fix("give it once");
        }
        Diagnostic::usage(format!("{one} and {} exclude each other", others.join(", "))).fix("leave one out")
    }
}

/// Why a value was not taken, for a value that did not come from the command line.
pub(crate) fn reason(error: &clap::Error) -> String {
    if let Some(reason) = std::error::Error::source(error) {
        return plain(reason);
    }
    let possible = Of { error, command: "" }.list(ContextKind::ValidValue);
    format!("it is none of the values that are possible; write one of {}", possible.join(", "))
}

/// The words of the standard library's readers say little; these say what to write.
fn plain(reason: &(dyn std::error::Error + 'static)) -> String {
    use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
    if let Some(error) = reason.downcast_ref::<ParseIntError>() {
        return match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "the number is too large",
            _ => "it is no whole number; write digits only",
        }
        .to_owned();
    }
    if reason.is::<ParseFloatError>() {
        return "it is no number; write it like 60 or 0.5".to_owned();
    }
    if reason.is::<std::net::AddrParseError>() {
        return "it is no address with a port; write it like 127.0.0.1:8030 or [::1]:8030".to_owned();
    }
    let text = reason.to_string();
    // `99999 is not in 0..=65535`
    match text.split_once(" is not in ").and_then(|(_, range)| range.split_once("..=")) {
        Some((least, most)) => format!("the number does not lie between {least} and {most}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(line: &[&str]) -> String {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let error = Cli::command().try_get_matches_from(&words).unwrap_err();
        let diagnostic = diagnostic(&error, &words, false).unwrap();
        anstream::adapter::strip_str(&diagnostic.render(false)).to_string()
    }

    #[test]
    fn every_kind_of_wrong_usage_has_the_shape_of_an_error() {
        let check = |line: &[&str], expected: &str| assert_eq!(rendered(line), expected, "{line:?}");

        check(
            &["push", "serve", "--port", "x"],
            "error: --port <N> cannot be \"x\"\n  why   it is no whole number\n  do    write digits only\n  see   push help serve\n",
        );
        check(
            &["push", "serve", "--port", "99999"],
            "error: --port <N> cannot be \"99999\"\n  why   the number does not lie between 0 and 65535\n  see   push help serve\n",
        );
        check(
            &["push", "serve", "--listen", "x"],
            "error: --listen <A:P> cannot be \"x\"\n  why   it is no address with a port\n  do    write it like 127.0.0.1:8030 or [::1]:8030\n  see   push help serve\n",
        );
        check(
            &["push", "completions", "csh"],
            "error: <SHELL> cannot be \"csh\"\n  do    did you mean zsh? Possible are bash, elvish, fish, powershell, zsh\n  see   push help completions\n",
        );
        check(
            &["push", "clock", "run", "fast"],
            "error: [SPEED] cannot be \"fast\"\n  why   it is no number\n  do    write it like 60 or 0.5\n  see   push help clock run\n",
        );
        check(&["push", "sub", "rm"], "error: push sub rm needs <LABEL>...\n  see   push help sub rm\n");
        check(
            &["push", "show", "1", "--raw", "--http"],
            "error: --raw and --http exclude each other\n  do    leave one out\n  see   push help show\n",
        );
        check(
            &["push", "send", "a", "--ttl", "1", "--ttl", "2"],
            "error: --ttl <N> is given twice\n  do    give it once\n  see   push help send\n",
        );
        check(
            &["push", "sned"],
            "error: \"sned\" is no command of push\n  do    did you mean push send?\n  see   push help\n",
        );
        check(
            &["push", "send", "--urgancy", "low"],
            "error: push send takes no option \"--urgancy\"\n  do    did you mean --urgency?\n  see   push help send\n",
        );
        check(
            &["push", "clock", "run", "-5"],
            "error: push clock run takes no option \"-5\"\n  why   no value here is negative\n  do    write it without the sign\n  see   push help clock run\n",
        );
        check(
            &["push", "version", "now"],
            "error: push version takes no argument \"now\"\n  see   push help version\n",
        );
    }

    #[test]
    fn control_characters_of_arguments_are_escaped() {
        assert!(rendered(&["push", "\u{1b}[31m"]).contains("\"\\u{1b}[31m\" is no command"));
        assert!(rendered(&["push", "serve", "--port", "\u{1b}[31m"]).contains("cannot be \"\\u{1b}[31m\""));
    }
}
