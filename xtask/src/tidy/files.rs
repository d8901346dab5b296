//! Rules about files: length, first line, the paths ARCHITECTURE.md names, one place for the compiler's version.

use std::{fs, path::PathBuf};

use crate::{failure::Failure, workspace};

/// Above this a file holds more than one concept.
const LONGEST: usize = 600;

/// A text file of the tree.
pub(super) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// Reads every text file; others are left out.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SourceFile>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let octets = fs::read(workspace::root().join(path))?;
        if let Ok(text) = String::from_utf8(octets) {
            found.push(SourceFile { path: path.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(found)
}

/// Adds a line for every rule that is broken.
pub(super) fn check(files: &[SourceFile], problems: &mut Vec<String>) {
    for file in files {
        check_length(file, problems);
        check_first_line(file, problems);
        check_compiler_version(file, problems);
    }
    check_version_in_prose(files, problems);
    if let Some(architecture) = files.iter().find(|file| file.path == "ARCHITECTURE.md") {
        check_paths(architecture, files, problems);
    }
}

fn check_length(file: &SourceFile, problems: &mut Vec<String>) {
    let lines = file.text.lines().count();
    let is_code = [".rs", ".js", ".mjs", ".py", ".css"].iter().any(|end| file.path.ends_with(end));
    if is_code && lines > LONGEST && !file.path.contains("/vendor/") {
        problems.push(format!("{}: {lines} lines, at most {LONGEST}: split it by concept", file.path));
    }
}

fn check_first_line(file: &SourceFile, problems: &mut Vec<String>) {
    let path = file.path.as_str();
    let is_source = path.ends_with(".rs") && (path.contains("/src/") || path.contains("/examples/"));
    // A file of tests beside its module continues that module's words.
    if is_source && !path.ends_with("tests.rs") && !file.text.starts_with("//!") {
        problems.push(format!("{path}:1: begins without `//!` and what the file is responsible for"));
    }
}

/// The oldest compiler is written in `[workspace.package]` and repeated nowhere.
fn check_compiler_version(file: &SourceFile, problems: &mut Vec<String>) {
    if !file.path.ends_with("Cargo.toml") || file.path == "Cargo.toml" {
        return;
    }
    for (number, line) in file.text.lines().enumerate() {
        if line.starts_with("rust-version") && line.trim() != "rust-version.workspace = true" {
            let path = &file.path;
            problems.push(format!("{path}:{}: write `rust-version.workspace = true`", number + 1));
        }
    }
}

/// Where a document names the oldest compiler, it names the one of `[workspace.package]`.
fn check_version_in_prose(files: &[SourceFile], problems: &mut Vec<String>) {
    let manifest = files.iter().find(|file| file.path == "Cargo.toml");
    let version = manifest.and_then(|file| {
        file.text.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
    });
    let Some(version) = version else { return };
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in file.text.lines().enumerate() {
            let Some((_, after)) = line.split_once("Minimum Rust version ") else { continue };
            let named: String =
                after.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
            if named.trim_end_matches('.') != version {
                problems.push(format!("{}:{}: names {named}, Cargo.toml {version}", file.path, number + 1));
            }
        }
    }
}

/// Every path in a code span of ARCHITECTURE.md exists.
fn check_paths(architecture: &SourceFile, files: &[SourceFile], problems: &mut Vec<String>) {
    for (number, line) in architecture.text.lines().enumerate() {
        for span in line.split('`').skip(1).step_by(2).filter(|span| is_path(span)) {
            for path in expand(span) {
                if !exists(&path, files) {
                    problems.push(format!("ARCHITECTURE.md:{}: `{path}` does not exist", number + 1));
                }
            }
        }
    }
}

/// A span that is meant as a path: in one of our folders, or with the ending of a source file.
fn is_path(span: &str) -> bool {
    let plain = span.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-{},".contains(letter));
    let ours = ["push-", "xtask/", "docs/", "fuzz/", ".github/", ".ci/", ".cargo/"];
    let endings = [".rs", ".md", ".toml", ".tsv", ".yml", ".mjs", ".py"];
    plain
        && span.contains('/')
        && !span.starts_with('/')
        && (ours.iter().any(|start| span.starts_with(start)) || endings.iter().any(|end| span.ends_with(end)))
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn expand(span: &str) -> Vec<String> {
    let Some((before, rest)) = span.split_once('{') else { return vec![span.to_owned()] };
    let Some((inside, after)) = rest.split_once('}') else { return vec![span.to_owned()] };
    inside.split(',').flat_map(|part| expand(&format!("{before}{part}{after}"))).collect()
}

/// As a file, a folder, or a module, from the root or inside one crate's sources.
fn exists(path: &str, files: &[SourceFile]) -> bool {
    let path = path.trim_end_matches('/');
    let folder = format!("{path}/");
    files.iter().any(|file| {
        let inside = file.path.split_once("/src/").map_or("", |(_, rest)| rest);
        [file.path.as_str(), inside].iter().any(|candidate| {
            *candidate == path
                || candidate.starts_with(&folder)
                || candidate.strip_suffix(".rs") == Some(path)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn found(files: &[SourceFile]) -> Vec<String> {
        let mut problems = Vec::new();
        check(files, &mut problems);
        problems
    }

    #[test]
    fn six_hundred_lines_pass_and_one_more_does_not() {
        let exactly = format!("//! a\n{}", "x\n".repeat(599));
        let longer = format!("//! a\n{}", "x\n".repeat(600));

        assert_eq!(found(&[file("push-cli/src/a.rs", &exactly)]).len(), 0);
        assert_eq!(found(&[file("push-cli/src/a.rs", &longer)]).len(), 1);
    }

    #[test]
    fn a_source_says_what_it_is_for() {
        assert_eq!(found(&[file("push-cli/src/a.rs", "fn main() {}\n")]).len(), 1);
        assert_eq!(found(&[file("push-cli/src/a/tests.rs", "fn main() {}\n")]).len(), 0);
    }

    #[test]
    fn the_compiler_version_stands_in_one_place() {
        assert_eq!(found(&[file("push-cli/Cargo.toml", "rust-version = \"1.90\"\n")]).len(), 1);
        assert_eq!(found(&[file("push-cli/Cargo.toml", "rust-version.workspace = true\n")]).len(), 0);
    }

    #[test]
    fn documents_name_the_same_compiler() {
        let manifest = || file("Cargo.toml", "[workspace.package]\nrust-version = \"1.90\"\n");

        assert_eq!(found(&[manifest(), file("README.md", "Minimum Rust version 1.90.\n")]), [""; 0]);
        assert_eq!(found(&[manifest(), file("README.md", "Minimum Rust version 1.89.\n")]).len(), 1);
    }

    #[test]
    fn a_path_in_the_architecture_exists() {
        let source = || file("push-cli/src/commands/send.rs", "//! sends\n");
        let text = "`push-cli/src/commands/`, `commands/{send,bulk}.rs`, `application/json`, `/p/T`\n";

        let problems = found(&[source(), file("ARCHITECTURE.md", text)]);

        assert_eq!(problems, ["ARCHITECTURE.md:1: `commands/bulk.rs` does not exist"]);
    }
}
