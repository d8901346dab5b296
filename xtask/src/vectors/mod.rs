//! `cargo xtask vectors [FILE…]`: known answers against every provider.
//!
//! Reads files of the format described in `push-crypto/tests/vectors/README.md` (messages, header fields, VAPID)
//! and Wycheproof's (ECDH, ECDSA, AES-GCM, HKDF). One line per failure, then how many passed and failed.
//! What cannot be read or judged counts as failed: a vector that nobody checks proves nothing.

mod case;
mod header_fields;
mod messages;
mod reference;
#[cfg(test)]
mod tests;
mod vapid;
mod wycheproof;

use std::{
    collections::HashSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use push_crypto::provider::{CryptoProvider, aws_lc_rs, rust_crypto};
use serde_json::Value;

use case::Case;

/// Everything that touches the curve or a signature runs once for each of these.
static PROVIDERS: [&CryptoProvider; 2] = [&rust_crypto::PROVIDER, &aws_lc_rs::PROVIDER];

/// Checks the files, or all of `push-crypto/tests/vectors` when there is none; fails when a single case does.
pub(crate) fn run(args: &[String]) -> ExitCode {
    let mut report = Report::default();
    let files = if args.is_empty() { own_files() } else { Ok(args.iter().map(PathBuf::from).collect()) };
    match files {
        Ok(files) => files.iter().for_each(|file| check_file(file, &mut report)),
        Err(error) => {
            report.refuse(&own_folder().display(), &format!("the folder cannot be listed: {error}"))
        }
    }
    for failure in &report.failures {
        println!("{failure}");
    }
    println!("{} passed, {} failed", report.passed, report.failures.len());
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../push-crypto/tests/vectors")
}

/// The files of the repository, sorted.
fn own_files() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(own_folder())?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = entries.collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

/// How many checks passed, and one line for each that did not.
#[derive(Debug, Default)]
struct Report {
    passed: usize,
    failures: Vec<String>,
}

impl Report {
    /// Enters the outcome of one case with one provider.
    fn enter(&mut self, file: &str, name: &str, provider: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.failures.push(format!("{file} {name} {provider}: {}", one_line(&why))),
        }
    }

    /// Enters a file that cannot be used.
    fn refuse(&mut self, file: &dyn fmt::Display, why: &str) {
        self.failures.push(format!("{file}: {}", one_line(why)));
    }
}

/// Texts of a file may hold anything; a failure stays on its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn check_file(path: &Path, report: &mut Report) {
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.display().to_string());
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => return report.refuse(&path.display(), &format!("the file cannot be read: {error}")),
    };
    match serde_json::from_slice(&text) {
        Ok(file) => check_value(&name, &file, report),
        Err(error) => report.refuse(&path.display(), &format!("the file is not JSON: {error}")),
    }
}

/// Dispatches by `kind`, or by `algorithm` and `schema` for Wycheproof's files.
fn check_value(name: &str, file: &Value, report: &mut Report) {
    if file.get("testGroups").is_some() {
        return wycheproof::check(name, file, report);
    }
    let check: fn(&Case<'_>) -> Outcomes = match file.get("kind").and_then(Value::as_str) {
        Some("messages") => messages::check,
        Some("header-fields") => header_fields::check,
        Some("vapid") => vapid::check,
        Some(other) => {
            return report.refuse(
                &name,
                &format!("kind \"{other}\" is unknown; there are messages, header-fields and vapid"),
            );
        }
        None => return report.refuse(&name, "neither kind nor testGroups; it is no file of vectors"),
    };
    let Some(vectors) = file.get("vectors").and_then(Value::as_array) else {
        return report.refuse(&name, "there is no list \"vectors\"");
    };
    if vectors.is_empty() {
        report.refuse(&name, "the list \"vectors\" is empty, so nothing is proven");
    }
    let mut names = HashSet::new();
    for (index, vector) in vectors.iter().enumerate() {
        let case = Case::new(vector);
        let Some(case_name) = vector.get("name").and_then(Value::as_str) else {
            report.enter(name, &format!("#{index}"), ANY, Err("the case has no name".into()));
            continue;
        };
        if !names.insert(case_name) {
            report.enter(name, case_name, ANY, Err("the name is used twice in this file".into()));
        }
        for (provider, outcome) in check(&case) {
            report.enter(name, case_name, provider, outcome);
        }
    }
}

/// Stands for the provider where none is involved.
const ANY: &str = "any";

/// One outcome of a case for each provider, which is named.
type Outcomes = Vec<(&'static str, Result<(), String>)>;

/// Checks with every provider.
fn with_each_provider(check: impl Fn(&'static CryptoProvider) -> Result<(), String>) -> Outcomes {
    PROVIDERS.iter().map(|provider| (provider.name, check(provider))).collect()
}
