//! Processor time, memory, and what machine this is.

use std::{collections::BTreeMap, fs, process::Command, thread, time::Instant};

use serde_json::{Value, json};

use crate::{
    failure::{Context, Failure},
    process, workspace,
};

/// Ticks of the system's account of a process, per second (`getconf CLK_TCK` on every Linux there is).
const TICKS: u64 = 100;

/// Nanoseconds of processor time that `work` takes on this thread; wall time where the system does not tell.
pub(super) fn time(work: impl FnOnce() -> Result<(), Failure>) -> Result<u64, Failure> {
    between(clocks::thread, work)
}

/// The same for all threads of this process.
pub(super) fn process_time(work: impl FnOnce() -> Result<(), Failure>) -> Result<u64, Failure> {
    between(clocks::process, work)
}

/// Nanoseconds of wall time.
pub(super) fn wall_time(work: impl FnOnce() -> Result<(), Failure>) -> Result<u64, Failure> {
    between(|| None, work)
}

fn between(
    clock: impl Fn() -> Option<u64>,
    work: impl FnOnce() -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let (wall, before) = (Instant::now(), clock());
    work()?;
    match (before, clock()) {
        (Some(before), Some(after)) => Ok(after.saturating_sub(before)),
        _ => u64::try_from(wall.elapsed().as_nanos()).context("time"),
    }
}

#[cfg(unix)]
mod clocks {
    use rustix::time::{ClockId, clock_gettime};

    pub(super) fn thread() -> Option<u64> {
        nanoseconds(ClockId::ThreadCPUTime)
    }

    pub(super) fn process() -> Option<u64> {
        nanoseconds(ClockId::ProcessCPUTime)
    }

    fn nanoseconds(clock: ClockId) -> Option<u64> {
        let time = clock_gettime(clock);
        u64::try_from(time.tv_sec)
            .ok()?
            .checked_mul(1_000_000_000)?
            .checked_add(u64::try_from(time.tv_nsec).ok()?)
    }
}

#[cfg(not(unix))]
mod clocks {
    pub(super) fn thread() -> Option<u64> {
        None
    }

    pub(super) fn process() -> Option<u64> {
        None
    }
}

/// What another process has spent so far, kernel included.
pub(super) struct Account {
    process: u32,
    ticks: u64,
    threads: BTreeMap<String, u64>,
}

impl Account {
    /// As of now.
    pub(super) fn of(process: u32) -> Result<Self, Failure> {
        // Giving up the processor makes the system bring its accounts up to date.
        thread::yield_now();
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{process}/task")).context(format_args!("/proc/{process}"))? {
            let entry = entry?;
            let account = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            let spent = account.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default();
            threads.insert(entry.file_name().to_string_lossy().into_owned(), spent);
        }
        Ok(Self { process, ticks: ticks(process)?, threads })
    }

    /// Nanoseconds since then: by the accounts of its threads, or by ticks of 10 ms when one of them has ended.
    pub(super) fn since(&self) -> Result<u64, Failure> {
        let now = Self::of(self.process)?;
        if self.threads.keys().all(|thread| now.threads.contains_key(thread)) {
            let total = |account: &Self| account.threads.values().sum::<u64>();
            return Ok(total(&now).saturating_sub(total(self)));
        }
        Ok((now.ticks - self.ticks) * 1_000_000_000 / TICKS)
    }
}

fn ticks(process: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).context(&path)?;
    // The name in brackets may hold blanks; user and system time are fields 14 and 15 of all.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum())
}

/// Processor time that all other programs took while something ran, as a share of one core.
pub(super) struct Others {
    wall: Instant,
    busy: u64,
    ours: u64,
}

impl Others {
    /// Watches from now on.
    pub(super) fn watch() -> Self {
        Self { wall: Instant::now(), busy: busy(), ours: clocks::process().unwrap_or_default() }
    }

    /// 0 on an idle machine, 1 when one core was busy with something else.
    #[expect(clippy::cast_precision_loss, reason = "seconds, far from 2^53 nanoseconds")]
    pub(super) fn share(&self) -> f64 {
        let busy = busy().saturating_sub(self.busy) * (1_000_000_000 / TICKS);
        let ours = clocks::process().unwrap_or_default().saturating_sub(self.ours);
        busy.saturating_sub(ours) as f64 / (self.wall.elapsed().as_nanos() as f64).max(1.0)
    }
}

/// Ticks in which a core did anything.
fn busy() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guest time is counted in user
    fields.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, ticks)| ticks).sum()
}

/// Memory of a process that is really there.
pub(super) fn resident_kibibytes(process: u32) -> Result<f64, Failure> {
    memory(process, "VmRSS:")
}

/// The most memory that a process ever held.
pub(super) fn peak_kibibytes(process: u32) -> Result<f64, Failure> {
    memory(process, "VmHWM:")
}

fn memory(process: u32, name: &str) -> Result<f64, Failure> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).context(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().context(name)
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
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    // The page that is written itself says nothing about what was measured.
    let changed =
        !said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"]).is_empty();
    json!({
        "commit": said("git", &["rev-parse", "--short=12", "HEAD"]),
        "changed": changed,
        "date": said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]),
        "processor": processor.trim_start_matches(['\t', ' ', ':']),
        "cores": thread::available_parallelism().map_or(1, usize::from),
        "load": load.split(' ').next(),
        "system": said("uname", &["-srm"]),
        "compiler": said("rustc", &["--version"]),
    })
}

/// The provider for batches runs on this processor.
pub(super) fn has_lanes() -> bool {
    push_crypto::provider::best().name == "p256_ifma"
}

/// Why figures of the lanes are left out.
pub(super) const NO_LANES: &str = "this processor has no AVX-512 IFMA";

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_account_of_a_process_grows_with_what_it_does() {
        let before = Account::of(std::process::id()).unwrap();
        let own = process_time(|| {
            let mut sum = 0_u64;
            for number in 0..20_000_000_u64 {
                sum = std::hint::black_box(sum ^ number);
            }
            Ok(())
        })
        .unwrap();

        let spent = before.since().unwrap();
        assert!(own > 0 && spent > 0, "own clock {own} ns, account {spent} ns");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_of_memory_is_not_below_what_is_there() {
        let id = std::process::id();

        let resident = resident_kibibytes(id).unwrap();
        // The kernel counts pages per processor and adds them up now and then.
        assert!(resident > 0.0 && peak_kibibytes(id).unwrap() >= resident * 0.9);
    }
}
