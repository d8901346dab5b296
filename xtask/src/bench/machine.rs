//! Processor time, and what machine this is.

use std::{fs, process::Command, thread, time::Instant};

use serde_json::{Value, json};

use crate::{
    failure::{Context, Failure},
    process, workspace,
};

/// Nanoseconds of processor time that `work` takes on this thread; wall time where the system does not tell.
pub(super) fn time(work: impl FnOnce() -> Result<(), Failure>) -> Result<u64, Failure> {
    let clock = Instant::now();
    let before = on_processor("/proc/thread-self/schedstat");
    work()?;
    // Giving up the processor makes the system bring its account up to date.
    thread::yield_now();
    match (before, on_processor("/proc/thread-self/schedstat")) {
        (Some(before), Some(after)) => Ok(after.saturating_sub(before)),
        _ => u64::try_from(clock.elapsed().as_nanos()).context("time"),
    }
}

fn on_processor(path: &str) -> Option<u64> {
    thread::yield_now();
    fs::read_to_string(path).ok()?.split(' ').next()?.parse().ok()
}

/// Memory of a process that is really there.
pub(super) fn resident_kibibytes(process: u32) -> Result<f64, Failure> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).context(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().context("VmRSS")
}

/// What a reader of the figures has to know.
pub(super) fn describe() -> Value {
    let said = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        process::output(command.current_dir(workspace::root()).args(arguments))
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    json!({
        "commit": said("git", &["rev-parse", "--short=12", "HEAD"]),
        "date": said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "processor": processor.trim_start_matches(['\t', ' ', ':']),
        "cores": thread::available_parallelism().map_or(1, usize::from),
        "system": said("uname", &["-srm"]),
        "compiler": said("rustc", &["--version"]),
    })
}
