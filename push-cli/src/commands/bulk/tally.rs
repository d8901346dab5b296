//! What a run came to: counts, times, reasons; as text, as JSON, as an exit code. Pure.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    time::Duration,
};

use push_client::{
    Outcome,
    bulk::ledger::{Ended, Progress},
    outcome::{Invalid, Unsent, UnsentReason},
};
use push_crypto::Origin;
use serde_json::{Map, Value, json};

use crate::{exit_code::ExitCode, text};

/// Most origins that are told apart (our choice: a list has a handful; a hostile one may have one for each line).
const ORIGINS: usize = 10_000;
/// Most reasons that are told apart.
const REASONS: usize = 100;

/// Counts of all runs of a ledger, and the times and reasons of this one.
#[derive(Debug)]
pub(super) struct Tally {
    counts: [u64; Ended::ALL.len()],
    earlier: u64,
    /// How many were refused by this run.
    pub(super) refused: u64,
    /// How many of this run the same command tries again.
    pub(super) again: u64,
    latencies: Latencies,
    origins: HashSet<Origin>,
    last: Option<Origin>,
    reasons: BTreeMap<Reason, u64>,
}

/// Why messages did not get through, as one line of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    ended: usize,
    what: String,
    host: String,
}

/// How a message ended, as the ledger says it.
pub(super) fn ended(outcome: &Outcome) -> Ended {
    match outcome {
        Outcome::Accepted(_) => Ended::Accepted,
        Outcome::Gone(_) => Ended::Gone,
        Outcome::Refused(_) => Ended::Refused,
        Outcome::Deferred(_) => Ended::Deferred,
        Outcome::Unanswered(_) => Ended::Unanswered,
        Outcome::Unsent(unsent) => match unsent.reason {
            UnsentReason::Expired => Ended::Expired,
            UnsentReason::Unreachable { .. } => Ended::Unreachable,
            _ => Ended::Invalid,
        },
    }
}

/// True when the run was stopped before it came to this message.
pub(super) fn was_left(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Unsent(unsent) if matches!(unsent.reason, UnsentReason::Stopped))
}

/// False when the same command tries again.
pub(super) const fn is_final(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unsent(Unsent { reason: UnsentReason::Invalid(invalid), .. }) => ends(Some(invalid), 0),
        _ => ends(None, outcome.attempts()),
    }
}

/// Nothing was tried, or what is missing is missing here and not in the line: that ends nothing for good.
const fn ends(invalid: Option<&Invalid>, attempts: u32) -> bool {
    match invalid {
        None => attempts > 0,
        Some(
            Invalid::AddressNotAllowed(_)
            | Invalid::NoVapidKey
            | Invalid::PortNotAllowed(_)
            | Invalid::Provider
            | Invalid::Token,
        ) => false,
        Some(_) => true,
    }
}

/// Failures of one kind, as `push send` would end with for one of them.
const fn exit_of(ended: Ended) -> ExitCode {
    match ended {
        Ended::Refused => ExitCode::REFUSED,
        Ended::Deferred | Ended::Expired => ExitCode::TEMPORARY,
        Ended::Unanswered | Ended::Unreachable | Ended::Ambiguous => ExitCode::UNREACHABLE,
        Ended::Invalid | Ended::Rejected => ExitCode::INPUT,
        _ => ExitCode::SUCCESS,
    }
}

impl Tally {
    /// Begins with what earlier runs did.
    pub(super) fn new(progress: &Progress) -> Self {
        Self {
            counts: Ended::ALL.map(|ended| progress.count(ended)),
            earlier: progress.total(),
            refused: 0,
            again: 0,
            latencies: Latencies::default(),
            origins: HashSet::new(),
            last: None,
            reasons: BTreeMap::new(),
        }
    }

    /// Counts a line.
    pub(super) fn count(&mut self, ended: Ended) {
        if let Some(count) = self.counts.get_mut(ended.place()) {
            *count += 1;
        }
    }

    /// Counts an outcome, its time, its origin and its reason.
    pub(super) fn outcome(&mut self, outcome: &Outcome, took: Duration) {
        let ended = ended(outcome);
        self.count(ended);
        self.refused += u64::from(ended == Ended::Refused);
        if outcome.attempts() > 0 {
            self.latencies.add(took);
            let origin = outcome.origin();
            // A list is often sorted, or about one push service.
            if self.last.as_ref() != Some(origin) {
                self.last = Some(origin.clone());
                if self.origins.len() < ORIGINS {
                    self.origins.insert(origin.clone());
                }
            }
        }
        if exit_of(ended) != ExitCode::SUCCESS {
            let status = outcome.status().map(|status| status.to_string());
            let code = match outcome {
                Outcome::Unanswered(it) => Some(it.problem.to_string()),
                Outcome::Unsent(it) => match &it.reason {
                    UnsentReason::Unreachable { problem, .. } => Some(problem.to_string()),
                    _ => outcome.code().map(str::to_owned),
                },
                _ => outcome.code().map(str::to_owned),
            };
            let what: Vec<_> = status.into_iter().chain(code).collect();
            self.reason(ended, what.join(" "), outcome.origin().host().to_owned());
        }
    }

    /// Counts a reason for the report.
    pub(super) fn reason(&mut self, ended: Ended, what: String, host: String) {
        let reason = Reason { ended: ended.place(), what, host };
        if let Some(count) = self.reasons.get_mut(&reason) {
            *count += 1;
        } else if self.reasons.len() < REASONS {
            self.reasons.insert(reason, 1);
        }
    }

    /// How many ended so, in all runs.
    pub(super) fn of(&self, ended: Ended) -> u64 {
        self.counts.get(ended.place()).copied().unwrap_or(0)
    }

    /// How many have ended, in all runs.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many had ended before this run.
    pub(super) const fn earlier(&self) -> u64 {
        self.earlier
    }

    /// 0 when all were accepted or gone; the code of the failure when all failed alike; else 8.
    pub(super) fn exit(&self, fail_on_gone: bool) -> ExitCode {
        let failed = Ended::ALL
            .into_iter()
            .filter(|ended| self.of(*ended) > 0 && exit_of(*ended) != ExitCode::SUCCESS);
        let codes: Vec<_> = failed.map(exit_of).collect();
        let some_went_well = self.of(Ended::Accepted) + self.of(Ended::Gone) > 0;
        match codes.first() {
            None if fail_on_gone && self.of(Ended::Gone) > 0 => ExitCode::GONE,
            None => ExitCode::SUCCESS,
            Some(first) if !some_went_well && codes.iter().all(|code| code == first) => *first,
            Some(_) => ExitCode::MIXED,
        }
    }

    /// The report for people.
    pub(super) fn lines(&self, took: Duration, files: &Files<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        let (total, seconds) = (grouped(self.total() - self.earlier), took.as_secs_f64());
        let before =
            if self.earlier > 0 { format!(" ({} before)", grouped(self.earlier)) } else { String::new() };
        lines.push(format!("Done: {total} in {seconds:.1} s{before}"));
        let width =
            Ended::ALL.iter().map(|ended| grouped(self.of(*ended)).chars().count()).max().unwrap_or(1);
        for ended in Ended::ALL {
            let count = self.of(ended);
            if count == 0 && ended != Ended::Accepted {
                continue;
            }
            let note = match (ended, files.gone, files.rejects) {
                (Ended::Gone, Some(path), _) => {
                    format!("→ {}  (delete these from your database)", path.display())
                }
                (Ended::Gone, None, _) => {
                    "(delete these from your database: --gone-out FILE lists them)".to_owned()
                }
                (Ended::Rejected, _, Some(path)) => format!("→ {}", path.display()),
                (Ended::Rejected, _, None) => "(--rejects FILE lists them)".to_owned(),
                (Ended::Duplicate, ..) => "the endpoint of an earlier line, sent once".to_owned(),
                (Ended::Ambiguous, ..) => "may have got it before; not sent again".to_owned(),
                _ => self.reasons_of(ended),
            };
            lines.push(
                format!("  {:<11} {:>width$}   {note}", ended.as_str(), grouped(count)).trim_end().to_owned(),
            );
        }
        if let (Some(p50), Some(p99)) = (self.latencies.quantile(50), self.latencies.quantile(99)) {
            let origins = text::count(self.origins.len(), "origin");
            lines.push(format!("  p50 {p50} ms · p99 {p99} ms · {origins}"));
        }
        lines
    }

    fn reasons_of(&self, ended: Ended) -> String {
        let mut found: Vec<_> =
            self.reasons.iter().filter(|(reason, _)| reason.ended == ended.place()).collect();
        found.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = found.len().saturating_sub(3);
        let told = found.iter().take(3).map(|(Reason { what, host, .. }, count)| {
            let place = if host.is_empty() { String::new() } else { format!(" ({})", text::escape(host)) };
            format!("{} ×{}{place}", text::escape(what), grouped(**count)).trim_start().to_owned()
        });
        let mut told = told.collect::<Vec<_>>().join(", ");
        if more > 0 {
            told.push_str(&format!(" and {more} more kinds"));
        }
        told
    }

    /// The report for programs.
    pub(super) fn to_json(&self, took: Duration, ok: bool) -> Value {
        let mut object = Map::new();
        object.insert("ok".into(), ok.into());
        object.insert("total".into(), self.total().into());
        object.insert("before".into(), self.earlier.into());
        object.insert("again".into(), self.again.into());
        for ended in Ended::ALL {
            object.insert(ended.as_str().into(), self.of(ended).into());
        }
        let reasons: Vec<_> = self
            .reasons
            .iter()
            .map(|(reason, count)| {
                let outcome = Ended::ALL.get(reason.ended).map(|ended| ended.as_str());
                json!({"outcome": outcome, "what": reason.what, "host": reason.host, "count": count})
            })
            .collect();
        object.insert("reasons".into(), reasons.into());
        object.insert("p50".into(), self.latencies.quantile(50).into());
        object.insert("p99".into(), self.latencies.quantile(99).into());
        object.insert("origins".into(), self.origins.len().into());
        object.insert("ms".into(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into());
        Value::Object(object)
    }
}

/// Files that the report points to.
pub(super) struct Files<'a> {
    pub(super) gone: Option<&'a Path>,
    pub(super) rejects: Option<&'a Path>,
}

/// `16 214`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// How often which time was taken, to 1/16 of its value.
#[derive(Debug)]
struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

/// Steps within one doubling.
const STEPS: u64 = 16;

impl Default for Latencies {
    fn default() -> Self {
        // 16 exact places, and 16 for each of 60 doublings.
        Self { counts: vec![0; 61 * STEPS as usize], total: 0 }
    }
}

impl Latencies {
    fn add(&mut self, took: Duration) {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(place(millis)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Milliseconds within which so many percent were done, to 1/16; `None` without any.
    fn quantile(&self, percent: u64) -> Option<u64> {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut sum = 0;
        let at = self.counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        at.map(least)
    }
}

fn place(value: u64) -> usize {
    let doublings = (64 - value.leading_zeros()).saturating_sub(STEPS.trailing_zeros() + 1);
    let step = value >> doublings;
    usize::try_from(u64::from(doublings) * STEPS + step).unwrap_or(usize::MAX)
}

/// The least value of a place.
fn least(place: usize) -> u64 {
    let place = place as u64;
    match (place / STEPS).checked_sub(1) {
        None | Some(0) => place,
        Some(doublings) => (place - doublings * STEPS) << doublings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(counts: &[(Ended, u64)]) -> Tally {
        let mut tally = Tally::new(&Progress::default());
        for (ended, count) in counts {
            (0..*count).for_each(|_| tally.count(*ended));
        }
        tally
    }

    #[test]
    fn the_exit_code_says_whether_all_some_or_none_got_it() {
        let check = |counts: &[(Ended, u64)], plain: ExitCode, with_gone: ExitCode| {
            let tally = tally(counts);
            assert_eq!((tally.exit(false), tally.exit(true)), (plain, with_gone), "{counts:?}");
        };
        let (ok, mixed) = (ExitCode::SUCCESS, ExitCode::MIXED);

        check(&[], ok, ok);
        check(&[(Ended::Accepted, 2), (Ended::Duplicate, 1)], ok, ok);
        check(&[(Ended::Accepted, 2), (Ended::Gone, 1)], ok, ExitCode::GONE);
        check(&[(Ended::Accepted, 2), (Ended::Rejected, 1)], mixed, mixed);
        check(&[(Ended::Gone, 2), (Ended::Refused, 1)], mixed, mixed);
        check(&[(Ended::Refused, 3)], ExitCode::REFUSED, ExitCode::REFUSED);
        check(&[(Ended::Deferred, 3), (Ended::Expired, 1)], ExitCode::TEMPORARY, ExitCode::TEMPORARY);
        check(
            &[(Ended::Unreachable, 1), (Ended::Unanswered, 1)],
            ExitCode::UNREACHABLE,
            ExitCode::UNREACHABLE,
        );
        check(&[(Ended::Refused, 3), (Ended::Deferred, 1)], mixed, mixed);
        check(&[(Ended::Rejected, 3)], ExitCode::INPUT, ExitCode::INPUT);
    }

    #[test]
    fn what_was_not_tried_or_lacks_something_here_is_not_final() {
        assert!(!ends(None, 0) && ends(None, 1));
        for (invalid, expected) in [
            (Invalid::NoVapidKey, false),
            (Invalid::PortNotAllowed(81), false),
            (Invalid::Token, false),
            (Invalid::NoKeys, true),
            (Invalid::TooLarge { octets: 2, limit: 1 }, true),
        ] {
            assert_eq!(ends(Some(&invalid), 0), expected, "{invalid:?}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn every_time_has_a_place_whose_least_value_is_near() {
        for value in (0..5000).chain([1 << 20, (1 << 40) + 7, u64::MAX >> 1]) {
            let least = least(place(value));
            assert!(least <= value && value - least <= value / 16, "{value}: {least}");
        }
        assert!(place(u64::MAX) < Latencies::default().counts.len());
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(50), None);
        for millis in 1..=100 {
            latencies.add(Duration::from_millis(millis));
        }
        assert_eq!((latencies.quantile(50), latencies.quantile(99)), (Some(50), Some(96)));
    }

    #[test]
    fn the_report_tells_what_to_do() {
        let mut tally = tally(&[(Ended::Accepted, 19_951), (Ended::Gone, 46), (Ended::Refused, 3)]);
        for _ in 0..3 {
            tally.reason(
                Ended::Refused,
                "403 vapid/key-mismatch".to_owned(),
                "web.push.apple.com".to_owned(),
            );
        }
        let files = Files { gone: Some(Path::new("gone.jsonl")), rejects: None };

        let lines = tally.lines(Duration::from_millis(4200), &files);

        assert_eq!(
            lines,
            [
                "Done: 20 000 in 4.2 s",
                "  accepted    19 951",
                "  gone            46   → gone.jsonl  (delete these from your database)",
                "  refused          3   403 vapid/key-mismatch ×3 (web.push.apple.com)",
            ]
        );
    }
}
