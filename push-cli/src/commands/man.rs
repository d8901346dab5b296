//! `push man`: manual pages, made from the tree of commands.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_mangen::Man;
use serde_json::json;

use crate::{
    cli::Cli,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::Output,
};

/// The manual page of push on stdout, or those of all commands in a directory.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push man > push.1\n  push man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write one page per command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &ManArgs, out: Output) -> Result<()> {
    let Some(dir) = &args.dir else {
        let page = page(Cli::command())?;
        if out.is_json() {
            return out.object(json!({"roff": String::from_utf8_lossy(&page)}));
        }
        return out.octets(&page);
    };
    std::fs::create_dir_all(dir)
        .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "create", dir, &error))?;
    let mut root = Cli::command();
    root.build();
    let mut written = Vec::new();
    write(&root, "push", dir, &mut written)?;
    if out.is_json() {
        return out.object(json!({"pages": written}));
    }
    out.line(format!("{} pages in {}", written.len(), dir.display()))
}

fn write(
    command: &clap::Command,
    name: &str,
    dir: &std::path::Path,
    written: &mut Vec<String>,
) -> Result<()> {
    let file = format!("{name}.1");
    let path = dir.join(&file);
    std::fs::write(&path, page(command.clone().name(name.to_owned()))?)
        .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", &path, &error))?;
    written.push(file);
    for child in command.get_subcommands().filter(|child| !child.is_hide_set()) {
        write(child, &format!("{name}-{}", child.get_name()), dir, written)?;
    }
    Ok(())
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command).render(&mut text).map_err(|error| {
        Diagnostic::new(ExitCode::UNEXPECTED, "man", "cannot write the manual page")
            .why(crate::text::io_error(&error))
    })?;
    Ok(text)
}
