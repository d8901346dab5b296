//! Reading what the user names: files, `@file`, `-` for stdin, and values that are text as they are.

use std::{
    io::{self, IsTerminal as _, Read as _},
    path::Path,
};

use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    text,
};

/// Most octets read from a file or stdin (our choice: a run file of a long test has less).
const MOST: u64 = 64 * 1024 * 1024;

/// The contents of a file; `-` is stdin.
pub(crate) fn read(name: &str) -> Result<Vec<u8>> {
    let mut octets = Vec::new();
    let result = if name == "-" {
        if io::stdin().is_terminal() {
            return Err(Diagnostic::usage("stdin is a terminal, so there is nothing to read from -")
                .fix("pipe the input in, or name a file"));
        }
        io::stdin().lock().take(MOST + 1).read_to_end(&mut octets)
    } else {
        std::fs::File::open(name).and_then(|file| file.take(MOST + 1).read_to_end(&mut octets))
    };
    result.map_err(|error| Diagnostic::file(ExitCode::INPUT, "read", Path::new(name), &error))?;
    if octets.len() as u64 > MOST {
        return Err(Diagnostic::input("file", format!("{name} is larger than 64 MiB")));
    }
    Ok(octets)
}

/// Like [`read`], as text.
pub(crate) fn read_text(name: &str) -> Result<String> {
    String::from_utf8(read(name)?).map_err(|_| {
        Diagnostic::input("file", format!("{name} is not text in UTF-8")).why("a text file is expected here")
    })
}

/// A value which may hide in a file: `@FILE`, `-` for stdin, else the text itself.
pub(crate) fn value(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix('@') {
        Some(file) => read(file),
        None if text == "-" => read("-"),
        None => Ok(text.as_bytes().to_vec()),
    }
}

/// Like [`value`], as text without the line end of a file.
pub(crate) fn value_text(text: &str) -> Result<String> {
    let octets = value(text)?;
    let read = String::from_utf8(octets)
        .map_err(|_| Diagnostic::input("file", format!("{} is not text in UTF-8", text::quote(text, 60))))?;
    Ok(read.trim_end_matches(['\r', '\n']).to_owned())
}

/// Writes a file which only its owner may read, since it holds secrets.
pub(crate) fn write_private(path: &Path, octets: &[u8]) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, octets))
        .map_err(|error| Diagnostic::file(ExitCode::UNEXPECTED, "write", path, &error))
}
