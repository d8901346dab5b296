//! `push`: a local Web Push service, a sender, and tools to look inside messages.
//!
//! Here: from the arguments to the exit code. What a command does is in `commands/`.

mod api;
mod cli;
mod commands;
mod config;
mod diagnostic;
mod environment;
mod exit_code;
mod happening;
mod input;
mod message;
mod output;
mod signals;
mod text;
mod usage;

use std::{ffi::OsString, process::ExitCode};

use clap::ValueEnum as _;

use crate::{
    config::Failure,
    diagnostic::Diagnostic,
    output::{ColorWhen, Loudness, Output},
};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // Before parsing, so that errors of the parsing itself come in the form asked for.
    let json = arguments.iter().any(|argument| argument == "--json");
    match config::parse(&arguments) {
        Ok(parsed) => run(parsed),
        Err(Failure::Usage(error)) => usage(&error, &arguments, json),
        Err(Failure::File(diagnostic)) => {
            Output::new(json, Loudness::default()).failure(&diagnostic);
            diagnostic.exit().into()
        }
    }
}

fn run(parsed: config::Parsed) -> ExitCode {
    let everywhere = &parsed.cli.everywhere;
    everywhere.color.apply();
    let loudness = Loudness { quiet: everywhere.quiet, verbose: everywhere.verbose > 0 };
    let out = Output::new(everywhere.json, loudness);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(commands::run(parsed, out));
            // A blocked read of stdin must not keep the process alive.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Diagnostic::new(
            exit_code::ExitCode::UNEXPECTED,
            "runtime",
            "the program cannot start its threads",
        )
        .why(text::io_error(&error))),
    };
    match result {
        Ok(code) => code.into(),
        Err(diagnostic) => {
            out.failure(&diagnostic);
            diagnostic.exit().into()
        }
    }
}

/// Help and version go to stdout with 0, wrong usage to stderr with 2.
fn usage(error: &clap::Error, arguments: &[OsString], json: bool) -> ExitCode {
    match usage::diagnostic(error, arguments, json) {
        Some(diagnostic) => {
            color(arguments).apply();
            Output::new(json, Loudness::default()).failure(&diagnostic);
        }
        None => {
            let _ = error.print();
        }
    }
    if error.use_stderr() { exit_code::ExitCode::USAGE.into() } else { exit_code::ExitCode::SUCCESS.into() }
}

/// What `--color` says on a command line that could not be read.
fn color(arguments: &[OsString]) -> ColorWhen {
    let words = || arguments.iter().filter_map(|word| word.to_str());
    let behind = words().zip(words().skip(1)).find_map(|(name, value)| (name == "--color").then_some(value));
    let value = behind.or_else(|| words().find_map(|word| word.strip_prefix("--color=")));
    value.and_then(|value| ColorWhen::from_str(value, false).ok()).unwrap_or_default()
}
