//! The process of the browser: started with its profile, listened to, ended by its id.

use std::{collections::VecDeque, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use super::{Kind, find::Found};
use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    text,
};

/// How long a browser may take to end after it was asked to (our choice; both take under a second).
const GRACE: Duration = Duration::from_secs(5);
/// How often its last helpers are looked for, and how many times (our choice: half a second together).
#[cfg(unix)]
const LOOK: Duration = Duration::from_millis(20);
#[cfg(unix)]
const LOOKS: usize = 25;
/// How long Firefox may take to announce its port: 7 s were seen at the first start ever.
const START: Duration = Duration::from_secs(60);
/// In front of the address in what Firefox says.
const ANNOUNCED: &str = "WebDriver BiDi listening on ";
/// Last lines of a browser that are kept for the error message.
const KEPT: usize = 5;
/// Most characters of one of them.
const LINE: usize = 200;

/// The arguments of a browser with this profile, without the page.
pub(super) fn line(kind: Kind, setup: &Value, profile: &Path) -> Vec<String> {
    let profile = profile.display();
    let mut line = match kind {
        Kind::Firefox => vec!["--profile".to_owned(), profile.to_string()],
        Kind::Chromium => vec![format!("--user-data-dir={profile}")],
    };
    let args = setup.get("args").and_then(Value::as_array).into_iter().flatten();
    line.extend(args.filter_map(Value::as_str).map(str::to_owned));
    line
}

/// A browser that runs.
pub(super) struct Browser {
    child: Child,
    id: u32,
    lines: Lines<BufReader<ChildStderr>>,
    last: VecDeque<String>,
    name: String,
}

impl Browser {
    /// Starts it; it is killed when this is dropped without [`end`](Self::end).
    pub(super) fn start(found: &Found, line: &[String], setup: &Value) -> Result<Self> {
        let name = found.path.display().to_string();
        let mut command = Command::new(&found.path);
        command
            .args(line)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C is for this program, which then ends the browser in order.
        #[cfg(unix)]
        command.process_group(0);
        for (variable, value) in setup.get("env").and_then(Value::as_object).into_iter().flatten() {
            command.env(variable, value.as_str().unwrap_or_default());
        }
        let cannot = |why: String| {
            Diagnostic::new(ExitCode::UNREACHABLE, "browser/start", format!("{name} cannot be started"))
                .why(why)
        };
        let mut child = command.spawn().map_err(|error| cannot(text::io_error(&error)))?;
        let (Some(id), Some(stderr)) = (child.id(), child.stderr.take()) else {
            return Err(cannot("it ended at once".to_owned()));
        };
        Ok(Self { child, id, lines: BufReader::new(stderr).lines(), last: VecDeque::new(), name })
    }

    /// Its process id.
    pub(super) const fn id(&self) -> u32 {
        self.id
    }

    /// Where its WebDriver BiDi is, as it announces it.
    pub(super) async fn bidi_address(&mut self) -> Result<String> {
        let name = self.name.clone();
        let announced = async {
            while let Ok(Some(line)) = self.lines.next_line().await {
                if let Some(address) = line.split(ANNOUNCED).nth(1) {
                    return Some(address.trim().to_owned());
                }
                self.keep(&line);
            }
            None
        };
        match tokio::time::timeout(START, announced).await {
            Ok(Some(address)) => Ok(address),
            Ok(None) => match self.wait().await {
                Ok(_) => Err(self.failed("it ended before a page could be opened")),
                Err(error) => Err(error),
            },
            Err(_) => Err(Diagnostic::new(
                ExitCode::UNREACHABLE,
                "browser/bidi",
                format!("{name} did not say within 60 s where it can be driven"),
            )
            .fix(
                "leave --headless out, or drive it with your own driver: push browser firefox --print json",
            )),
        }
    }

    /// Waits for its end; reads what it says, since a full pipe would stop it.
    pub(super) async fn wait(&mut self) -> Result<ExitCode> {
        while let Ok(Some(line)) = self.lines.next_line().await {
            self.keep(&line);
        }
        match self.child.wait().await {
            Ok(status) if status.success() => Ok(ExitCode::SUCCESS),
            Ok(status) if was_ended(status) => Ok(ExitCode::SUCCESS),
            Ok(status) => Err(self.failed(&format!("it ended with {status}"))),
            Err(error) => Err(self.failed(&text::io_error(&error))),
        }
    }

    fn keep(&mut self, line: &str) {
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(text::cut(line, LINE));
    }

    fn failed(&self, why: &str) -> Diagnostic {
        let last: Vec<_> = self.last.iter().map(String::as_str).collect();
        let mut error = Diagnostic::new(
            ExitCode::UNREACHABLE,
            "browser/ended",
            format!("{} did not keep running", self.name),
        )
        .why(why);
        for line in &last {
            error = error.detail(*line);
        }
        if last.iter().any(|line| line.contains("DISPLAY") || line.contains("display")) {
            error = error.fix("there is no screen here: add --headless");
        }
        error
    }

    /// Ends it and what it has started, by its process group: asks first, and kills after a grace.
    pub(super) async fn end(mut self) {
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.id).ok().and_then(rustix::process::Pid::from_raw) {
            use rustix::process::{Signal, kill_process_group};
            if kill_process_group(group, Signal::TERM).is_ok() {
                let mut lines = self.lines;
                let child = &mut self.child;
                let ended = async {
                    // Read on: what it says at the end must not block it.
                    let rest = async { while let Ok(Some(_)) = lines.next_line().await {} };
                    let _ = tokio::join!(rest, child.wait());
                };
                if tokio::time::timeout(GRACE, ended).await.is_err() || !is_gone(group).await {
                    let _ = kill_process_group(group, Signal::KILL);
                }
            }
        }
        let _ = self.child.kill().await;
    }
}

/// True once nobody is left in the group, which is waited for a while: a browser's last helpers end after it.
#[cfg(unix)]
async fn is_gone(group: rustix::process::Pid) -> bool {
    let mut ticks = tokio::time::interval(LOOK);
    for _ in 0..LOOKS {
        ticks.tick().await;
        if rustix::process::test_kill_process_group(group).is_err() {
            return true;
        }
    }
    false
}

/// True for the signals by which somebody ends a program; any other is a crash.
#[cfg(unix)]
fn was_ended(status: std::process::ExitStatus) -> bool {
    use rustix::process::Signal;
    use std::os::unix::process::ExitStatusExt as _;
    let meant = [Signal::TERM, Signal::INT, Signal::HUP, Signal::KILL];
    status.signal().is_some_and(|signal| meant.iter().any(|meant| meant.as_raw() == signal))
}

#[cfg(not(unix))]
fn was_ended(_status: std::process::ExitStatus) -> bool {
    false
}
