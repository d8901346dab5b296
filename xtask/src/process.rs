//! Running other programs: shown before they run, with a clear end when they fail.

use std::{ffi::OsStr, process::Command};

use crate::failure::{Context, Failure};

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut text = name_of(command.get_program());
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Only the last component of a program's path.
fn name_of(program: &OsStr) -> String {
    std::path::Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

/// Runs a command whose output the person sees.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    println!("    $ {}", shown(command));
    let status = command.status().context(format_args!("cannot start {}", shown(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("{} ended with {status}", shown(command))))
    }
}

/// Runs a command and returns what it printed; on failure the error holds what it complained about.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().context(format_args!("cannot start {}", shown(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{} ended with {}\n{}", shown(command), output.status, complaint.trim())))
}

/// Whether a program can be started at all with these arguments and ends well; prints nothing.
pub(crate) fn works(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
