//! What was measured, as a table for people or as one object with all samples.

use serde_json::{Value, json};

use super::clock;
use crate::{
    diagnostic::Result,
    environment,
    output::{BOLD, DIM, Output, styled},
    text,
};

/// One quantity: microseconds of each operation, measured several times.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) samples: Vec<f64>,
}

impl Figure {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), samples: Vec::new() }
    }

    /// Adds a sample: so many nanoseconds for so many operations.
    pub(super) fn add(&mut self, nanoseconds: u64, count: usize) {
        #[expect(clippy::cast_precision_loss, reason = "seconds, far from 2^53 nanoseconds")]
        self.samples.push(nanoseconds as f64 / 1000.0 / count.max(1) as f64);
    }

    /// Half of the samples are below, half above.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// What one core does in a second.
    fn per_second(&self) -> f64 {
        let median = self.median();
        if median > 0.0 { 1e6 / median } else { 0.0 }
    }
}

/// A whole run.
pub(super) struct Report {
    /// `crypto`, `send` or `service`.
    pub(super) bench: &'static str,
    /// What was measured, in a line: provider, coding, sizes.
    pub(super) what: String,
    /// The same, for programs.
    pub(super) settings: Value,
    pub(super) figures: Vec<Figure>,
    /// What the figures mean, in lines of text.
    pub(super) meaning: Vec<String>,
}

impl Report {
    pub(super) fn show(&self, out: Output) -> Result<()> {
        if out.is_json() {
            return out.object(self.json());
        }
        out.line(format!("{}   {}", styled(BOLD, &format!("push bench {}", self.bench)), self.what))?;
        let head = format!("  {:<44}{:>12}{:>12}{:>12}{:>12}", "", "per second", "each", "from", "to");
        out.line(styled(DIM, &head))?;
        for figure in &self.figures {
            out.line(row(figure))?;
        }
        out.line("")?;
        if cfg!(debug_assertions) {
            out.note("  This program was built without optimisation: its figures mean little.");
        }
        for line in &self.meaning {
            out.line(format!("  {line}"))?;
        }
        let machine = Machine::of_this();
        let commit = machine.commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
        let cores = text::count(machine.cores, "core");
        out.line(styled(
            DIM,
            &format!("  {}, {cores}, {}, push {}{commit}", machine.cpu, machine.kernel, machine.version),
        ))
    }

    fn json(&self) -> Value {
        let machine = Machine::of_this();
        let figures: Vec<_> = self
            .figures
            .iter()
            .map(|figure| {
                json!({
                    "name": figure.name, "unit": "µs", "median": figure.median(),
                    "perSecond": figure.per_second(), "samples": figure.samples,
                })
            })
            .collect();
        json!({
            "bench": self.bench,
            "settings": self.settings,
            "clock": clock::name(),
            "figures": figures,
            "version": machine.version,
            "commit": machine.commit,
            "cpu": machine.cpu,
            "cores": machine.cores,
            "kernel": machine.kernel,
            "command": command(),
            "date": text::rfc3339(environment::now()),
        })
    }
}

/// As a person would type it.
fn command() -> String {
    std::iter::once("push".to_owned()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn row(figure: &Figure) -> String {
    let low = figure.samples.iter().copied().fold(f64::INFINITY, f64::min);
    let high = figure.samples.iter().copied().fold(0.0, f64::max);
    let [each, low, high] = [figure.median(), low, high].map(|time| format!("{time:.1} µs"));
    format!("  {:<44}{:>12}{each:>12}{low:>12}{high:>12}", figure.name, thousands(figure.per_second()))
}

/// Three digits that count, groups of three apart: `114 000`.
fn thousands(value: f64) -> String {
    let digits = value.max(1.0).log10().floor();
    let step = 10_f64.powf((digits - 2.0).max(0.0));
    let rounded = format!("{:.0}", (value / step).round() * step);
    let mut out = String::new();
    for (at, digit) in rounded.chars().enumerate() {
        if at > 0 && (rounded.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// Where it was measured.
struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    version: &'static str,
    /// Known when the builder has said it: `PUSH_COMMIT=… cargo build`.
    commit: Option<&'static str>,
}

impl Machine {
    fn of_this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
        let cpu = model.map_or(std::env::consts::ARCH, |name| name.trim_start_matches(['\t', ' ', ':']));
        let release = read("/proc/sys/kernel/osrelease");
        Self {
            cpu: text::escape(cpu),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: text::escape(format!("{} {}", std::env::consts::OS, release.trim()).trim()),
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("PUSH_COMMIT"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_of_a_rate_count() {
        assert_eq!(thousands(113_894.3), "114 000");
        assert_eq!(thousands(18_912.0), "18 900");
        assert_eq!(thousands(2_345_678.0), "2 350 000");
        assert_eq!(thousands(999.6), "1 000");
        assert_eq!(thousands(12.3), "12");
        assert_eq!(thousands(0.0), "0");
    }

    #[test]
    fn a_figure_is_the_median_of_its_samples() {
        let mut figure = Figure::new("x");
        for nanoseconds in [10_000, 900_000, 20_000] {
            figure.add(nanoseconds, 10);
        }

        assert!((figure.median() - 2.0).abs() < 1e-9);
        assert!((figure.per_second() - 500_000.0).abs() < 1e-3);
    }
}
