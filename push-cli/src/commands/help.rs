//! `push help`: a command, a finding, or the exit codes.

use clap::{Args, CommandFactory as _};
use push_mock_server::service::inspect::{Rule, Status, catalogue, rule};
use serde_json::json;

use crate::{
    cli::Cli,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::{BOLD, Output, level_style, styled},
    text,
};

/// Explain a command, a finding or the exit codes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push help sub new
  push help vapid/aud-mismatch
  push help findings             # all of them
  push help exit-codes")]
pub(crate) struct HelpArgs {
    /// A command, a finding's code, findings, or exit-codes
    #[arg(value_name = "COMMAND|CODE")]
    about: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &HelpArgs, out: Output) -> Result<()> {
    let words: Vec<&str> = args.about.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => command(&[], out),
        ["exit-codes"] => exit_codes(out),
        ["findings"] => findings(out),
        [code] if code.contains('/') => finding(code.trim_start_matches("/help/"), out),
        path => command(path, out),
    }
}

fn command(path: &[&str], out: Output) -> Result<()> {
    let mut root = Cli::command();
    root.build();
    let mut here = &mut root;
    let mut walked = String::from("push");
    for name in path {
        let known: Vec<String> =
            here.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let Some(next) = here.find_subcommand_mut(name) else {
            return Err(unknown(name, &walked, &known));
        };
        walked.push(' ');
        walked.push_str(name);
        here = next;
    }
    let mut shown = here.clone().bin_name(walked.clone()).max_term_width(80);
    let help = shown.render_help();
    if out.is_json() {
        return out.object(json!({"command": walked, "help": help.to_string().trim_end()}));
    }
    out.line(help.ansi().to_string().trim_end())
}

fn unknown(name: &str, walked: &str, known: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::usage(format!(
        "{} is neither a command of {walked} nor a finding",
        text::quote(name, 60)
    ));
    let close = closest(name, known.iter().map(String::as_str));
    match close {
        Some(close) => {
            diagnostic.fix(format!("did you mean {} {close}?", walked.replacen("push", "push help", 1)))
        }
        None => diagnostic.fix("push help lists the commands, push help findings the findings"),
    }
}

/// The known word with the fewest changes, at most a third of the letters.
fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1);
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (diagonal + usize::from(from != *to)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A finding's code, or all of a kind as `vapid/*`; a code that does not exist would never be found.
pub(crate) fn parse_finding(text: &str) -> std::result::Result<String, String> {
    let known = match text.strip_suffix('*') {
        Some(start) => catalogue().iter().any(|rule| rule.code.starts_with(start)),
        None => rule(text).is_some(),
    };
    if known {
        return Ok(text.to_owned());
    }
    Err(match closest(text, catalogue().iter().map(|rule| rule.code)) {
        Some(close) => format!("there is no such finding; did you mean {close}?"),
        None => "there is no such finding; push help findings lists them all".to_owned(),
    })
}

fn finding(code: &str, out: Output) -> Result<()> {
    let Some(rule) = rule(code) else {
        let close = closest(code, catalogue().iter().map(|rule| rule.code));
        let diagnostic = Diagnostic::usage(format!("there is no finding {}", text::quote(code, 60)));
        return Err(match close {
            Some(close) => diagnostic.fix(format!("did you mean push help {close}?")),
            None => diagnostic.fix("push help findings lists them all"),
        });
    };
    if out.is_json() {
        return out.object(json!({
            "code": rule.code, "level": rule.level, "title": rule.title, "when": rule.when, "why": rule.why,
            "fix": rule.fix, "vendors": rule.vendors, "spec": rule.spec, "row": rule.row,
        }));
    }
    page(rule, out)
}

/// The Markdown page with its headings in bold and without the fences.
fn page(rule: &Rule, out: Output) -> Result<()> {
    let mut fenced = false;
    for line in rule.page().lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            out.line(format!("    {line}"))?;
        } else if let Some(heading) = line.strip_prefix("# ").or(line.strip_prefix("## ")) {
            out.line(styled(BOLD, heading))?;
        } else {
            for line in text::wrap(&line.replace('`', ""), 78) {
                out.line(line)?;
            }
        }
    }
    Ok(())
}

fn findings(out: Output) -> Result<()> {
    for rule in catalogue() {
        if out.is_json() {
            out.record(&json!({
                "code": rule.code, "level": rule.level, "status": status(rule.status), "title": rule.title,
                "when": rule.when, "fix": rule.fix,
            }))?;
        } else {
            let level = serde_json::to_value(rule.level).unwrap_or_default();
            let level = level.as_str().unwrap_or_default().to_owned();
            let padded = format!("{level:<8}");
            out.line(format!("{:<32}{}{}", rule.code, styled(level_style(&level), &padded), rule.title))?;
        }
    }
    Ok(())
}

/// The answer as the list of findings has it: `403`, `s400` where only a strict service refuses, or none.
fn status(status: Status) -> Option<String> {
    match status {
        Status::Accepts => None,
        Status::Refuses(status) => Some(status.to_string()),
        Status::RefusesIfStrict(status) => Some(format!("s{status}")),
    }
}

fn exit_codes(out: Output) -> Result<()> {
    for (number, meaning) in ExitCode::ALL {
        if out.is_json() {
            out.record(&json!({"code": number, "meaning": meaning}))?;
        } else {
            for (index, line) in text::wrap(meaning, 74).into_iter().enumerate() {
                out.line(format!(
                    "{:>4}  {line}",
                    if index == 0 { number.to_string() } else { String::new() }
                ))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_found() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(closest("sned", ["send", "serve"].into_iter()), None);
        assert_eq!(closest("serv", ["send", "serve"].into_iter()), Some("serve"));
        assert_eq!(closest("xyz", ["send", "serve"].into_iter()), None);
    }
}
