//! `Service`: a private `push serve` on a free port, and the other commands of the same binary against it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    failure::{Context, Failure},
    process,
    workspace::{self, cargo},
};

/// How the binary is built.
#[derive(Clone, Copy)]
pub(crate) enum Build {
    Debug,
    #[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "only figures need it"))]
    Optimised,
}

/// Builds the command `push` and returns where it is.
pub(crate) fn binary(build: Build) -> Result<PathBuf, Failure> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--locked", "--package", "push-cli"]);
    let folder = match build {
        Build::Debug => "debug",
        Build::Optimised => {
            command.arg("--release");
            "release"
        }
    };
    process::run(&mut command)?;
    Ok(workspace::target().join(folder).join("push"))
}

/// A running service; ended when dropped, with everything in it.
pub(crate) struct Service {
    program: PathBuf,
    folder: PathBuf,
    child: Child,
    url: String,
}

impl Service {
    /// Starts it; its files (the local CA) stay in a folder of its own. It prints its URL and nothing more.
    pub(crate) fn start(program: &Path, name: &str) -> Result<Self, Failure> {
        Self::start_with(program, name, &[])
    }

    /// The same with further flags.
    pub(crate) fn start_with(program: &Path, name: &str, flags: &[&str]) -> Result<Self, Failure> {
        let folder = workspace::target().join("service").join(name);
        fs::create_dir_all(&folder)?;
        let mut command = clean(program, &folder);
        command.args(["serve", "--port", "0", "--quiet", "--ca-dir"]).arg(folder.join("ca")).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().context("push serve")?;
        let mut output = BufReader::new(child.stdout.take().ok_or_else(|| Failure::new("no output"))?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let url = line.trim().trim_end_matches('/').to_owned();
        // Nobody reads what may follow, and the pipe must not fill up.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        if !url.starts_with("http") {
            return Err(Failure::new(format!("push serve is not ready, it printed {line:?}")));
        }
        Ok(Self { program: program.to_owned(), folder, child, url })
    }

    #[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "only figures look inside"))]
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    #[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "only figures connect by themselves"))]
    pub(crate) fn port(&self) -> Result<u16, Failure> {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        port.parse().context(format_args!("port of {}", self.url))
    }

    /// The certificate to trust for `https://localhost:PORT`.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("ca/ca.pem")
    }

    /// A file beside the service's own.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.folder.join(name);
        fs::write(&path, text).context(path.display())?;
        Ok(path)
    }

    /// Runs a command of the binary against this service and returns its standard output.
    pub(crate) fn push(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.push_with_input(arguments, &[])
    }

    /// The same with something on standard input.
    pub(crate) fn push_with_input(&self, arguments: &[&str], input: &[u8]) -> Result<String, Failure> {
        let mut command = clean(&self.program, &self.folder);
        command.args(arguments).env("PUSH_URL", &self.url);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("push")?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read is free to have ended.
            _ = stdin.write_all(input);
        }
        let output = child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        if output.status.success() {
            return Ok(text);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let arguments = arguments.join(" ");
        Err(Failure::new(format!(
            "push {arguments} ended with {}: {} {}",
            output.status,
            text.trim(),
            complaint.trim()
        )))
    }

    /// The same, its output read as JSON.
    pub(crate) fn push_json(&self, arguments: &[&str]) -> Result<Value, Failure> {
        serde_json::from_str(&self.push(arguments)?).context(format_args!("push {}", arguments.join(" ")))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The binary without the settings of whoever runs this.
fn clean(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("HOME", folder).env("XDG_STATE_HOME", folder.join("state"));
    for name in ["PUSH_URL", "PUSH_SPACE", "PUSH_TOKEN", "PUSH_LISTEN", "PUSH_PROFILE", "PUSH_PUBLIC_URL"] {
        command.env_remove(name);
    }
    command
}
