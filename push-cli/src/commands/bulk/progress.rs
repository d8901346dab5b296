//! The line that says how far a run is: pure.

use std::time::Duration;

use push_client::bulk::ledger::Ended;

use super::tally::{Tally, grouped};

/// Characters of the bar.
const BAR: u64 = 20;

/// What is shown of a run that goes on.
pub(super) struct Progress<'a> {
    pub(super) tally: &'a Tally,
    /// Receivers there are at most.
    pub(super) most: u64,
    pub(super) under_way: u64,
    pub(super) elapsed: Duration,
}

impl Progress<'_> {
    /// `16 214 / 20 000   4 870/s   ok 16 190   gone 21   under way 3   failed 0   eta 1 s`
    pub(super) fn line(&self) -> String {
        let total = self.tally.total();
        let rate = self.rate();
        let failed = total
            - [Ended::Accepted, Ended::Gone, Ended::Duplicate]
                .into_iter()
                .map(|ended| self.tally.of(ended))
                .sum::<u64>();
        let mut line = format!(
            "{} / {}   {}/s   ok {}   gone {}   under way {}   failed {}",
            grouped(total),
            grouped(self.most),
            grouped(rate),
            grouped(self.tally.of(Ended::Accepted)),
            grouped(self.tally.of(Ended::Gone)),
            grouped(self.under_way),
            grouped(failed),
        );
        let left = self.most.saturating_sub(total);
        if let Some(seconds) = left.checked_div(rate).filter(|_| left > 0) {
            line.push_str(&format!("   eta {}", duration(seconds + 1)));
        }
        line
    }

    /// `████████████████░░░░`
    pub(super) fn bar(&self) -> String {
        let full = (self.tally.total().min(self.most) * BAR).checked_div(self.most).unwrap_or(BAR);
        (0..BAR).map(|at| if at < full { '█' } else { '░' }).collect()
    }

    /// Lines per second of this run.
    fn rate(&self) -> u64 {
        let done = self.tally.total() - self.tally.earlier();
        let millis = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        done.saturating_mul(1000) / millis
    }
}

/// `59 s`, `2 min`, `3 h`
fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is_and_how_long_it_takes() {
        let mut tally = Tally::new(&push_client::bulk::ledger::Progress::default());
        (0..1490).for_each(|_| tally.count(Ended::Accepted));
        (0..8).for_each(|_| tally.count(Ended::Gone));
        (0..2).for_each(|_| tally.count(Ended::Refused));
        let progress = Progress { tally: &tally, most: 2000, under_way: 3, elapsed: Duration::from_secs(3) };

        assert_eq!(
            progress.line(),
            "1 500 / 2 000   500/s   ok 1 490   gone 8   under way 3   failed 2   eta 2 s"
        );
        assert_eq!(progress.bar(), "███████████████░░░░░");
    }

    #[test]
    fn nothing_to_do_is_done() {
        let tally = Tally::new(&push_client::bulk::ledger::Progress::default());
        let progress = Progress { tally: &tally, most: 0, under_way: 0, elapsed: Duration::ZERO };

        assert_eq!(progress.line(), "0 / 0   0/s   ok 0   gone 0   under way 0   failed 0");
        assert_eq!(progress.bar(), "████████████████████");
    }

    #[test]
    fn long_times_have_larger_units() {
        assert_eq!([119, 120, 7199, 7200].map(duration), ["119 s", "2 min", "119 min", "2 h"]);
    }
}
