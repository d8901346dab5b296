//! `test` and `ci`: every check, in one order, on a machine where perhaps only Rust is installed.

use std::{fs, process::Command};

use crate::{
    browsers, conformance,
    failure::{Context, Failure},
    features, fuzz, install, interop, process, proofs,
    steps::{Ended, Steps},
    tidy,
    workspace::{self, cargo},
};

/// Where the run takes place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// On somebody's machine: `PUSH_SKIP` may leave steps out.
    Local,
    /// In a hosted run: nothing is left out.
    Hosted,
}

struct Step {
    name: &'static str,
    what: &'static str,
    work: fn() -> Result<Ended, Failure>,
}

/// The order: what fails fastest comes first.
const STEPS: &[Step] = &[
    Step { name: "fmt", what: "formatting of every Rust file", work: fmt },
    Step { name: "clippy", what: "lints over all targets and features, warnings are errors", work: clippy },
    Step { name: "tidy", what: "layers, dependency edges, length of files", work: tidy_step },
    Step {
        name: "conformance",
        what: "every requirement has its state and its test",
        work: conformance_step,
    },
    Step { name: "test", what: "unit, integration and documentation tests", work: test },
    Step { name: "vectors", what: "published vectors against every provider", work: vectors_step },
    Step { name: "interop", what: "other libraries in both directions", work: interop_step },
    Step { name: "fuzz", what: "kept inputs of every fuzz target, a million agreements", work: fuzz_step },
    Step {
        name: "proofs",
        what: "the lanes: jumps in the object code, and timing in short",
        work: proofs_step,
    },
    Step {
        name: "browsers",
        what: "stock Firefox and Chromium subscribe to push serve",
        work: browsers_step,
    },
    Step { name: "bench", what: "every part of the benchmarks runs, with its peers", work: bench },
    Step {
        name: "targets",
        what: "push-crypto without std: on this machine, wasm32 and thumb",
        work: targets,
    },
    Step { name: "features", what: "each feature alone, none, and all together", work: features::run },
    Step { name: "doc", what: "documentation without warnings", work: doc },
    Step { name: "deny", what: "licences, sources and duplicates of dependencies", work: deny },
];

/// Runs all steps, or those named.
pub(crate) fn run(arguments: &[String], mode: Mode) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--list") {
        for step in STEPS {
            println!("{:<12} {}", step.name, step.what);
        }
        return Ok(());
    }
    let hosted = mode == Mode::Hosted || workspace::hosted();
    let skipped = skipped(hosted)?;
    for name in arguments.iter().chain(&skipped) {
        if !STEPS.iter().any(|step| step.name == name) {
            return Err(Failure::new(format!(
                "there is no step {name:?}; cargo xtask test --list names them"
            )));
        }
    }
    let mut steps = Steps::new(hosted);
    for step in STEPS {
        if !arguments.is_empty() && !arguments.iter().any(|name| name == step.name) {
            continue;
        }
        if skipped.iter().any(|name| name == step.name) {
            steps.step(step.name, step.what, || Ok(Ended::Skipped("named in PUSH_SKIP".to_owned())));
        } else {
            steps.step(step.name, step.what, step.work);
        }
    }
    steps.finish()
}

/// The steps that `PUSH_SKIP` leaves out.
fn skipped(hosted: bool) -> Result<Vec<String>, Failure> {
    let Some(value) = workspace::variable("PUSH_SKIP") else { return Ok(Vec::new()) };
    if hosted {
        return Err(Failure::new(
            "PUSH_SKIP is set in a hosted run, where nothing may be left out; unset it",
        ));
    }
    Ok(value
        .to_string_lossy()
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect())
}

fn fmt() -> Result<Ended, Failure> {
    process::run(cargo().args(["fmt", "--all", "--check"]))?;
    process::run(cargo().args(["fmt", "--check", "--manifest-path", "xtask/peers/Cargo.toml"]))?;
    Ok(Ended::Passed)
}

fn clippy() -> Result<Ended, Failure> {
    process::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    Ok(Ended::Passed)
}

fn tidy_step() -> Result<Ended, Failure> {
    tidy::run()?;
    Ok(Ended::Passed)
}

fn conformance_step() -> Result<Ended, Failure> {
    conformance::run(&["--check".to_owned()])?;
    Ok(Ended::Passed)
}

fn test() -> Result<Ended, Failure> {
    process::run(cargo().args(["test", "--workspace", "--all-features", "--locked", "--no-fail-fast"]))?;
    Ok(Ended::Passed)
}

fn vectors_step() -> Result<Ended, Failure> {
    // A process of its own, because its result is an exit code.
    process::run(cargo().args(["run", "--quiet", "--package", "xtask", "--", "vectors"]))?;
    Ok(Ended::Passed)
}

fn interop_step() -> Result<Ended, Failure> {
    interop::run(&[])?;
    Ok(Ended::Passed)
}

fn fuzz_step() -> Result<Ended, Failure> {
    fuzz::run(&["--smoke".to_owned()])?;
    Ok(Ended::Passed)
}

fn proofs_step() -> Result<Ended, Failure> {
    proofs::run(&["--smoke".to_owned()])?;
    Ok(Ended::Passed)
}

fn browsers_step() -> Result<Ended, Failure> {
    browsers::run(&[])?;
    Ok(Ended::Passed)
}

fn bench() -> Result<Ended, Failure> {
    crate::run_bench(&["--smoke".to_owned()])?;
    Ok(Ended::Passed)
}

/// The crate that promises to need no operating system, built where there is none.
fn targets() -> Result<Ended, Failure> {
    const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "thumbv7em-none-eabi"];
    let pure = ["--package", "push-crypto", "--no-default-features", "--features", "legacy", "--locked"];
    process::run(cargo().arg("check").args(pure))?;
    let mut missing = Vec::new();
    for target in TARGETS {
        match install::target(target) {
            Ok(()) => process::run(cargo().arg("check").args(pure).args(["--target", target]))?,
            Err(failure) => missing.push(format!("{target} is not installed and cannot be: {failure}")),
        }
    }
    if missing.is_empty() { Ok(Ended::Passed) } else { Ok(Ended::Skipped(missing.join("; "))) }
}

fn doc() -> Result<Ended, Failure> {
    let mut command = cargo();
    command
        .args(["doc", "--workspace", "--all-features", "--no-deps", "--locked"])
        .env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut command)?;
    Ok(Ended::Passed)
}

fn deny() -> Result<Ended, Failure> {
    let program = install::cargo_deny()?;
    let mut command = Command::new(program);
    command.current_dir(workspace::root()).args(["--all-features", "--locked", "check"]);
    process::run(command.args(["--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    lock_files_are_committed()
}

/// Dependencies are only what the lock files say.
fn lock_files_are_committed() -> Result<Ended, Failure> {
    for path in [
        "Cargo.lock",
        "xtask/peers/Cargo.lock",
        "xtask/interop/package-lock.json",
        "xtask/browsers/package-lock.json",
    ] {
        fs::metadata(workspace::root().join(path)).context(path)?;
    }
    Ok(Ended::Passed)
}
