//! `push inspect`: explains what is pasted; needs no running service.

use clap::{Args, builder::PossibleValuesParser};
use push_crypto::PushResource;
use push_mock_server::{
    Profile,
    service::{
        finding::{Finding, Level},
        inspect::text::{Explained, Kind, Mark, NotRecognised, Part, explain},
    },
};
use serde_json::{Value, json};

use crate::{
    commands::msg,
    diagnostic::{Diagnostic, Result},
    environment,
    exit_code::ExitCode,
    input,
    output::{BOLD, Output, level_style, styled},
    text,
};

/// Explain anything of Web Push: a subscription, a VAPID header, a token, a
/// request (raw HTTP or a curl command), an endpoint, a key or a payload.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push inspect subscription.json
  push inspect 'vapid t=eyJ0eXAi…, k=BFW3…' --for https://push.example.net/p/1")]
pub(crate) struct InspectArgs {
    /// The thing itself, a file, or - for stdin
    #[arg(default_value = "-")]
    what: String,
    /// What it is [default: guessed]
    #[arg(long = "as", value_name = "KIND", value_parser = PossibleValuesParser::new(Kind::ALL.map(Kind::as_str)))]
    kind: Option<String>,
    /// The endpoint it is meant for
    #[arg(long = "for", value_name = "URL")]
    for_url: Option<String>,
    /// How a service with this profile would answer
    #[arg(long, value_name = "P", default_value = "rfc")]
    profile: String,
    /// Exit 4 when an error was found
    #[arg(long)]
    strict: bool,
    /// With why and what to do for each finding
    #[arg(long)]
    explain: bool,
}

/// Runs the command.
pub(crate) fn run(args: &InspectArgs, out: Output) -> Result<ExitCode> {
    args.profile.parse::<Profile>().map_err(|error| {
        Diagnostic::input("profile", format!("profile {} cannot be used", text::quote(&args.profile, 40)))
            .because(&error.to_string())
    })?;
    if let Some(url) = &args.for_url {
        url.parse::<PushResource>().map_err(|error| {
            Diagnostic::input(error.code(), "--for is not the URL of a push resource")
                .because(&error.to_string())
        })?;
    }
    let octets = read(&args.what)?;
    let kind = args.kind.as_deref().and_then(|kind| kind.parse().ok());
    let explained = explain(&octets, kind, args.for_url.as_deref(), environment::now())
        .map_err(|error| not_recognised(error, &args.what))?;
    if out.is_json() {
        out.object(json!({"kind": explained.kind.as_str(), "title": explained.title, "parts": explained.parts, "findings": explained.findings}))?;
    } else {
        show(&explained, args.explain, out)?;
    }
    let failed = explained.findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if args.strict && failed { ExitCode::EXPECTATION } else { ExitCode::SUCCESS })
}

/// A file where there is one of that name, `-` and `@file`, else the argument itself.
fn read(what: &str) -> Result<Vec<u8>> {
    if what != "-" && what.len() < 4096 && std::path::Path::new(what).is_file() {
        input::read(what)
    } else {
        input::value(what)
    }
}

fn not_recognised(error: NotRecognised, what: &str) -> Diagnostic {
    let diagnostic = Diagnostic::input("inspect/unknown", "this is nothing that can be explained");
    let like_file = what.len() < 200
        && !std::path::Path::new(what).is_file()
        && !what.contains([' ', '{'])
        && what.contains('.');
    if like_file {
        diagnostic
            .why(error.to_string())
            .fix(format!("if {} is a file, it does not exist", text::quote(what, 60)))
    } else {
        diagnostic.because(&error.to_string())
    }
}

fn show(explained: &Explained, with_reasons: bool, out: Output) -> Result<()> {
    let title = text::escape(&explained.title);
    let counts = counts(&explained.findings);
    let gap = 80_usize.saturating_sub(title.chars().count()).max(3);
    out.line(format!("{}{:gap$}{counts}", styled(BOLD, &title), ""))?;
    let widest = |of: fn(&Part) -> usize| explained.parts.iter().map(of).max().unwrap_or(0);
    let widths = Widths {
        name: widest(|part| part.name.chars().count()).max(8),
        value: widest(|part| part.value.chars().count()).clamp(8, 46),
        code: widest(|part| part.code.map_or(0, str::len)),
    };
    for part in &explained.parts {
        out.line(part_line(part, &widths))?;
    }
    let named: Vec<_> = explained.parts.iter().filter_map(|part| part.code).collect();
    for finding in &explained.findings {
        if with_reasons || !named.contains(&finding.code) {
            let value = serde_json::to_value(finding).unwrap_or(Value::Null);
            msg::finding_lines(&value).into_iter().try_for_each(|line| out.line(format!("  {line}")))?;
        }
    }
    Ok(())
}

/// Columns of the table of parts.
struct Widths {
    name: usize,
    value: usize,
    code: usize,
}

fn part_line(part: &Part, widths: &Widths) -> String {
    let (mark, level) = match part.mark {
        Mark::Error => ("✗", "error"),
        Mark::Warning => ("⚠", "warning"),
        Mark::Info | Mark::Unknown => ("?", "info"),
        Mark::Ok => ("ok", ""),
    };
    let marked = if level.is_empty() { mark.to_owned() } else { styled(level_style(level), mark) };
    let (name, value, note) = (text::escape(&part.name), text::escape(&part.value), text::escape(&part.note));
    let (name_pad, value_pad) = (pad(&name, widths.name), pad(&value, widths.value));
    let rest = match part.code {
        Some(code) => format!("{code}{}  {note}", pad(code, widths.code)),
        None if level.is_empty() => format!("  {note}"),
        None => note,
    };
    format!("  {name}{name_pad}  {value}{value_pad}  {marked} {rest}").trim_end().to_owned()
}

fn pad(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count()))
}

fn counts(findings: &[Finding]) -> String {
    let number = |level: Level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (number(Level::Error), number(Level::Warning));
    match (errors, warnings) {
        (0, 0) => "nothing wrong".to_owned(),
        (0, warnings) => text::count(warnings, "warning"),
        (errors, 0) => text::count(errors, "error"),
        (errors, warnings) => {
            format!("{}, {}", text::count(errors, "error"), text::count(warnings, "warning"))
        }
    }
}
