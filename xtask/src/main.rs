//! Chores of the project, each one word: `cargo xtask test`, `ci`, `tidy`, `conformance`, `vectors`,
//! `interop`, `browsers`, `bench`. Never a dependency of anything.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who started it")]
#![expect(clippy::indexing_slicing, reason = "only JSON is indexed, where a missing member reads as null")]

#[cfg(feature = "bench")]
mod bench;
mod browsers;
mod conformance;
mod failure;
mod features;
mod install;
mod interop;
mod process;
mod service;
mod steps;
mod test;
mod tidy;
mod vectors;
mod workspace;

use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
cargo xtask CHORE

  test [STEP…]        every check there is, on a fresh machine: installs what is missing, says what it does
                      PUSH_SKIP=interop,deny leaves steps out; --list names them
  ci [STEP…]          the same in the order of the hosted run; nothing may be left out
  tidy                rules about the source tree: layers, dependency edges, length of files
  conformance         writes docs/conformance.md from xtask/conformance.tsv; --check only compares
  vectors [FILE…]     known answers against every provider; without files those of push-crypto/tests/vectors
  interop [WORD]      other libraries in both directions; WORD chooses the cases that contain it
  browsers [WORD]     stock Firefox and Chromium subscribe to push serve; WORD chooses files or tests
                      --rounds N repeats them
  bench [PART…]       figures beside other libraries: crypto, client, service, startup, browsers
";

/// Figures need what is measured, built with optimisation; the other chores need neither.
#[cfg(feature = "bench")]
fn run_bench(arguments: &[String]) -> Result<(), Failure> {
    bench::run(arguments)
}

#[cfg(not(feature = "bench"))]
fn run_bench(arguments: &[String]) -> Result<(), Failure> {
    let mut command = workspace::cargo();
    command.args([
        "run",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "xtask",
        "--features",
        "bench",
        "--",
        "bench",
    ]);
    process::run(command.args(arguments))
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let result = match chore.as_str() {
        "test" => test::run(&rest, test::Mode::Local),
        "ci" => test::run(&rest, test::Mode::Hosted),
        "tidy" => tidy::run(),
        "conformance" => conformance::run(&rest),
        "bench" => run_bench(&rest),
        "browsers" => browsers::run(&rest),
        "interop" => interop::run(&rest),
        "vectors" => return vectors::run(&rest),
        "" | "help" | "--help" | "-h" => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        other => {
            eprintln!("there is no chore {other:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("failed: {failure}");
            ExitCode::FAILURE
        }
    }
}
