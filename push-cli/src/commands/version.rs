//! `push version`.

use clap::Args;
use serde_json::json;

use crate::{diagnostic::Result, output::Output};

/// The version.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push version\n  push version --json")]
pub(crate) struct VersionArgs {}

/// Runs the command.
pub(crate) fn run(_: &VersionArgs, out: Output) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if out.is_json() { out.object(json!({"version": version})) } else { out.line(format!("push {version}")) }
}
