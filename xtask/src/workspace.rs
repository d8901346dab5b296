//! Where things are: the workspace's root, its target directory, the environment a chore may look at.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use push_crypto::Timestamp;
use serde_json::Value;

use crate::{
    failure::{Context, Failure},
    process,
};

/// The root of the workspace, where the top `Cargo.toml` is.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A variable of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "chores are steered by PUSH_SKIP, CI and cargo's own variables"
)]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The time, for tokens that other libraries judge by their own clock.
#[expect(clippy::disallowed_methods, reason = "the libraries on the other side read the same clock")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Whether this is a hosted run, where nothing may be left out.
pub(crate) fn hosted() -> bool {
    variable("CI").is_some_and(|value| value != "false" && value != "0")
}

/// cargo, started in the root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The directory cargo builds in.
pub(crate) fn target() -> PathBuf {
    static TARGET: LazyLock<PathBuf> = LazyLock::new(|| match variable("CARGO_TARGET_DIR") {
        Some(path) => root().join(path),
        None => root().join("target"),
    });
    TARGET.clone()
}

/// Where tools are installed that the machine lacks: kept between runs, removed with the target directory.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// `cargo metadata` of the workspace with every feature on.
pub(crate) fn metadata() -> Result<Value, Failure> {
    let text =
        process::output(cargo().args(["metadata", "--format-version", "1", "--all-features", "--locked"]))?;
    serde_json::from_str(&text).context("output of cargo metadata")
}

/// Every file that git would take, relative to the root, sorted; falls back to walking the tree.
pub(crate) fn files() -> Result<Vec<PathBuf>, Failure> {
    let mut command = Command::new("git");
    command.current_dir(root()).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let mut found: Vec<PathBuf> = match process::output(&mut command) {
        Ok(text) => text.lines().map(PathBuf::from).filter(|path| root().join(path).is_file()).collect(),
        Err(_) => {
            let mut found = Vec::new();
            walk(root(), &mut found)?;
            found
        }
    };
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if name != "target" && name != ".git" && name != "node_modules" {
                walk(&path, found)?;
            }
        } else if let Ok(relative) = path.strip_prefix(root()) {
            found.push(relative.to_path_buf());
        }
    }
    Ok(())
}
