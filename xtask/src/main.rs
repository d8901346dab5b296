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
mod fuzz;
mod install;
mod interop;
mod process;
mod proofs;
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
  fuzz [TARGET…]      parsers under a fuzzer, --seconds N each; --smoke: what is kept once, and a million agreements
                      agreements --count N --seed S: the lanes of P-256 against other implementations
  proofs [PROOF…]     object-code, timing, miri: what tests cannot show about the lanes; --smoke is short
  bench [PART…]       figures beside other libraries, written into docs/performance.md: crypto, client, bulk,
                      service, delivery, idle, startup, browsers, instructions
                      --smoke runs next to nothing of each and judges nothing; --subscriptions N of bulk
";

/// Figures need what is measured, built with optimisation; the other chores need neither.
#[cfg(feature = "bench")]
fn run_bench(arguments: &[String]) -> Result<(), Failure> {
    bench::run(arguments)
}

#[cfg(not(feature = "bench"))]
fn run_bench(arguments: &[String]) -> Result<(), Failure> {
    optimised("bench", arguments)
}

/// Starts a chore again in the build that figures need.
pub(crate) fn optimised(chore: &str, arguments: &[String]) -> Result<(), Failure> {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--locked", "--package", "xtask", "--features", "bench"]);
    // Of a smoke run nobody wants figures, and what it needs is built already.
    if !arguments.iter().any(|argument| argument == "--smoke") {
        command.arg("--release");
    }
    process::run(command.arg("--").arg(chore).args(arguments))
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
        "fuzz" => fuzz::run(&rest),
        "interop" => interop::run(&rest),
        "proofs" => proofs::run(&rest),
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
