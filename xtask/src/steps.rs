//! `Steps`: named steps one after the other, each reported, all of them tried, one line at the end.

use std::time::{Duration, Instant};

use crate::failure::Failure;

/// How a step ended when it did not fail.
pub(crate) enum Ended {
    /// Everything held.
    Passed,
    /// Not done, and why; never the end of a step in a hosted run.
    Skipped(String),
}

enum Verdict {
    Passed,
    Failed(String),
    Skipped(String),
}

struct Report {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

/// The steps done so far.
pub(crate) struct Steps {
    hosted: bool,
    done: Vec<Report>,
}

impl Steps {
    /// With `hosted` a skipped step counts as failed.
    pub(crate) fn new(hosted: bool) -> Self {
        Self { hosted, done: Vec::new() }
    }

    /// Does one step.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        what: &str,
        work: impl FnOnce() -> Result<Ended, Failure>,
    ) {
        println!("\n==> {name}: {what}");
        let start = Instant::now();
        let verdict = match work() {
            Ok(Ended::Passed) => Verdict::Passed,
            Ok(Ended::Skipped(why)) if self.hosted => {
                Verdict::Failed(format!("{why}; in a hosted run nothing is skipped"))
            }
            Ok(Ended::Skipped(why)) => Verdict::Skipped(why),
            Err(failure) => Verdict::Failed(failure.to_string()),
        };
        let report = Report { name, verdict, took: start.elapsed() };
        println!("{}", line(&report));
        self.done.push(report);
    }

    /// Prints the table and, as the last line, the counts.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        println!("\nSteps");
        let (mut passed, mut failed) = (0_usize, 0_usize);
        for report in &self.done {
            println!("{}", line(report));
            match report.verdict {
                Verdict::Passed => passed += 1,
                Verdict::Failed(_) => failed += 1,
                Verdict::Skipped(_) => {}
            }
        }
        let total: Duration = self.done.iter().map(|report| report.took).sum();
        println!("in {} s\n\n{passed} passed, {failed} failed", total.as_secs());
        if failed == 0 { Ok(()) } else { Err(Failure::new(format!("{failed} of {} steps", self.done.len()))) }
    }
}

fn line(report: &Report) -> String {
    let Report { name, verdict, took } = report;
    let seconds = took.as_secs_f64();
    match verdict {
        Verdict::Passed => format!("  ok       {name:<12} {seconds:>7.1} s"),
        Verdict::Failed(why) => format!("  FAILED   {name:<12} {seconds:>7.1} s  {why}"),
        Verdict::Skipped(why) => format!("  skipped  {name:<12} {seconds:>7.1} s  {why}"),
    }
}
