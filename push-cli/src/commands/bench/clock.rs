//! Processor time of threads and of the process, where the system tells.

use std::time::Instant;

/// Whose time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    /// All threads of this process.
    Process,
    /// This thread.
    Thread,
}

/// Nanoseconds of processor time so far; none where there is no such clock.
#[cfg(unix)]
pub(super) fn processor(whose: Whose) -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(match whose {
        Whose::Process => ClockId::ProcessCPUTime,
        Whose::Thread => ClockId::ThreadCPUTime,
    });
    let seconds = u64::try_from(time.tv_sec).ok()?.checked_mul(1_000_000_000)?;
    seconds.checked_add(u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(not(unix))]
pub(super) fn processor(_: Whose) -> Option<u64> {
    None
}

/// Nanoseconds of processor time that `work` takes, or of wall time where there is no clock of the processor.
pub(super) fn time<T>(whose: Whose, work: impl FnOnce() -> T) -> (T, u64) {
    let (wall, before) = (Instant::now(), processor(whose));
    let result = work();
    let spent = match (before, processor(whose)) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => u64::try_from(wall.elapsed().as_nanos()).unwrap_or(u64::MAX),
    };
    (result, spent)
}

/// What [`time`] counts here, in words.
pub(super) fn name() -> &'static str {
    if processor(Whose::Thread).is_some() { "processor time" } else { "wall time" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn work_costs_this_thread_and_the_process() {
        let work = || (0..200_000_u64).fold(0, |sum, number| std::hint::black_box(sum ^ number));

        let (_, thread) = time(Whose::Thread, work);
        let (_, process) = time(Whose::Process, work);

        assert!(thread > 0 && process > 0);
        assert_eq!(name(), "processor time");
    }
}
