//! `fuzz`: parsers of foreign octets under a fuzzer, and the curve against other implementations.

mod agreements;
mod random;

use std::{fs, path::PathBuf, process::Command};

use crate::{
    failure::{Context, Failure},
    install, process,
    workspace::{self, cargo},
};

pub(crate) use random::Random;

const FOLDER: &str = "fuzz";
/// Seconds per target (our choice: long enough that a change to a parser meets its whole corpus many times).
const SECONDS: u32 = 150;
/// Agreements of the smoke test (our choice: under a minute on two cores).
const SMOKE: u64 = 1_000_000;

/// `--smoke`, `agreements [--count N] [--seed S]`, or targets and `--seconds N`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments.first().map(String::as_str) {
        Some("--smoke") if arguments.len() == 1 => {
            replay()?;
            agreements::run(&agreements::Wish { count: SMOKE, seed: None })
        }
        Some(agreements::NAME) => {
            agreements::run(&agreements::Wish::parse(arguments.get(1..).unwrap_or(&[]))?)
        }
        _ => explore(&Exploration::parse(arguments)?),
    }
}

/// The names of all targets, which are those of their files.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = workspace::root().join(FOLDER).join("fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context(folder.display())? {
        let path = entry?.path();
        if let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|end| end == "rs")) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Gives every target what is kept for it, once. It needs neither a nightly compiler nor a sanitizer.
fn replay() -> Result<(), Failure> {
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target-dir"]);
    process::run(build.arg(workspace::target()))?;
    for name in targets()? {
        let corpus = workspace::root().join(FOLDER).join("corpus").join(&name);
        let kept = fs::read_dir(&corpus).context(corpus.display())?.count();
        if kept == 0 {
            return Err(Failure::new(format!(
                "nothing is kept for {name}; put examples into {}",
                corpus.display()
            )));
        }
        let mut command = Command::new(workspace::target().join("debug").join(&name));
        process::output(command.arg("-runs=0").arg(&corpus))?;
        println!("    {name}: {kept} kept inputs");
    }
    Ok(())
}

struct Exploration {
    targets: Vec<String>,
    seconds: u32,
}

impl Exploration {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let known = targets()?;
        let mut wish = Self { targets: Vec::new(), seconds: SECONDS };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--seconds" => {
                    let number = rest.next().ok_or_else(|| Failure::new("--seconds needs a number"))?;
                    wish.seconds = number.parse().context(format_args!("--seconds {number}"))?;
                }
                name if known.iter().any(|target| target == name) => wish.targets.push(name.to_owned()),
                other => {
                    return Err(Failure::new(format!(
                        "there is no target {other:?}; there are {}, and {}",
                        known.join(", "),
                        agreements::NAME
                    )));
                }
            }
        }
        if wish.targets.is_empty() {
            wish.targets = known;
        }
        Ok(wish)
    }
}

/// Looks for inputs that make a target panic; what it learns goes to the target directory, not into the tree.
fn explore(wish: &Exploration) -> Result<(), Failure> {
    let program = install::cargo_fuzz()?;
    let mut failed = Vec::new();
    for name in &wish.targets {
        let learnt = workspace::target().join("fuzz").join(name);
        fs::create_dir_all(&learnt).context(learnt.display())?;
        let corpus: PathBuf = [FOLDER, "corpus", name].iter().collect();
        let mut command = Command::new(&program);
        command.current_dir(workspace::root()).env("RUSTUP_TOOLCHAIN", "nightly");
        command.args(["fuzz", "run", "--target-dir"]).arg(workspace::target().join("fuzz/build"));
        command.arg(name).arg(&learnt).arg(&corpus);
        command.args(["--", "-rss_limit_mb=2048", &format!("-max_total_time={}", wish.seconds)]);
        if let Err(failure) = process::run(&mut command) {
            println!("    {failure}");
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} found inputs that must not do harm; they are in fuzz/artifacts",
        failed.join(", ")
    )))
}
