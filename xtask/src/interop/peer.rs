//! `Peer`: another program that answers one JSON request per line.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::{
    failure::{Context, Failure},
    process,
};

/// A running program; ended when dropped.
pub(crate) struct Peer {
    name: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts it.
    pub(crate) fn start(mut command: Command) -> Result<Self, Failure> {
        let name = process::shown(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Old packages complain about themselves on every start.
            .stderr(Stdio::null())
            .spawn()
            .context(format_args!("cannot start {name}"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new(format!("{name} has no standard input or output")));
        };
        Ok(Self { name, child, input, output: BufReader::new(output) })
    }

    /// One question, one answer; what the other side calls an error is ours too.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value, Failure> {
        writeln!(self.input, "{request}").context(format_args!("{} does not listen", self.name))?;
        self.input.flush()?;
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(Failure::new(format!("{} ended without an answer", self.name)));
        }
        let answer: Value = serde_json::from_str(&line).context(format_args!("answer of {}", self.name))?;
        match (answer.get("ok"), answer.get("error")) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(error)) => Err(Failure::new(error.as_str().unwrap_or("unknown").to_owned())),
            (None, None) => Err(Failure::new(format!("{} answered {answer}", self.name))),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
