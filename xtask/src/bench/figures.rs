//! `Figure`: one measured quantity; `Claim`: a number that has a target; `Rounds`: several ways, in turns.

use std::fmt::{self, Display, Formatter};

use serde_json::{Value, json};

use crate::failure::Failure;

/// One quantity, measured several times.
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) unit: &'static str,
    pub(super) samples: Vec<f64>,
}

impl Figure {
    /// With one sample.
    pub(super) fn once(name: impl Into<String>, unit: &'static str, sample: f64) -> Self {
        Self { name: name.into(), unit, samples: vec![sample] }
    }

    /// Half of the samples are below, half above.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The least and the most.
    pub(super) fn range(&self) -> (f64, f64) {
        let low = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    }

    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "unit": self.unit, "median": self.median(), "samples": self.samples })
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (low, high) = self.range();
        write!(f, "{:<68} {:>10.2} {:<10} {low:.2} to {high:.2}", self.name, self.median(), self.unit)
    }
}

/// A number that should not fall below (or rise above) another one, or that is told without a target.
pub(super) struct Claim {
    pub(super) text: String,
    /// The number, or why there is none on this machine.
    pub(super) value: Result<f64, String>,
    pub(super) bound: Bound,
    /// What a reader has to know besides; empty for nothing.
    pub(super) note: String,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// For information.
    None,
}

impl Bound {
    /// `≥ 5.50`, or a dash.
    pub(super) fn shown(self) -> String {
        match self {
            Self::AtLeast(bound) => format!("≥ {}", number(bound)),
            Self::AtMost(bound) => format!("≤ {}", number(bound)),
            Self::None => "–".to_owned(),
        }
    }
}

impl Claim {
    pub(super) fn at_least(bound: f64, value: f64, text: impl Into<String>) -> Self {
        Self::new(Bound::AtLeast(bound), Ok(value), text)
    }

    pub(super) fn at_most(bound: f64, value: f64, text: impl Into<String>) -> Self {
        Self::new(Bound::AtMost(bound), Ok(value), text)
    }

    /// A number beside the others, without a target.
    pub(super) fn told(value: f64, text: impl Into<String>) -> Self {
        Self::new(Bound::None, Ok(value), text)
    }

    pub(super) fn new(bound: Bound, value: Result<f64, String>, text: impl Into<String>) -> Self {
        Self { text: text.into(), value, bound, note: String::new() }
    }

    /// The same where `condition` holds; elsewhere it is not measured, for this reason.
    pub(super) fn only_if(mut self, condition: bool, reason: &str) -> Self {
        if !condition {
            self.value = Err(reason.to_owned());
        }
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// False only when there is a number, and it is on the wrong side.
    pub(super) fn holds(&self) -> bool {
        match (&self.value, self.bound) {
            (Ok(value), Bound::AtLeast(bound)) => *value >= bound,
            (Ok(value), Bound::AtMost(bound)) => *value <= bound,
            (Err(_), _) | (Ok(_), Bound::None) => true,
        }
    }

    /// What became of it, in a word or two.
    pub(super) fn verdict(&self) -> &'static str {
        match (&self.value, self.bound) {
            (Err(_), _) => "not here",
            (Ok(_), Bound::None) => "told",
            _ if self.holds() => "holds",
            _ => "missed",
        }
    }

    pub(super) fn json(&self) -> Value {
        let (kind, bound) = match self.bound {
            Bound::AtLeast(bound) => ("atLeast", json!(bound)),
            Bound::AtMost(bound) => ("atMost", json!(bound)),
            Bound::None => ("bound", Value::Null),
        };
        let reason = self.value.as_ref().err();
        json!({
            "claim": self.text, "value": self.value.as_ref().ok(), kind: bound, "verdict": self.verdict(),
            "notHere": reason, "note": self.note,
        })
    }
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = if self.verdict() == "missed" { "MISSED" } else { self.verdict() };
        let value = self.value.as_ref().map_or_else(|_| "–".to_owned(), |value| number(*value));
        write!(f, "{verdict:<8} {value:>9} ({:<8})  {}", self.bound.shown(), self.text)?;
        let remark = self.value.as_ref().err().unwrap_or(&self.note);
        if remark.is_empty() { Ok(()) } else { write!(f, "; {remark}") }
    }
}

/// Two digits behind the point for small numbers, none for large ones, thousands apart.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    if digits.len() <= 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return digits;
    }
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Enough for figures.
    Full,
    /// One round of next to nothing: proves that all of it still runs.
    Smoke,
}

impl Scale {
    /// This many, or the few that show that it works.
    pub(super) fn or<T>(self, full: T, smoke: T) -> T {
        match self {
            Self::Full => full,
            Self::Smoke => smoke,
        }
    }
}

/// One way of doing something: runs it so many times and says how many nanoseconds that took.
type Contender<'a> = Box<dyn FnMut(u32) -> Result<u64, Failure> + 'a>;

/// Several ways, measured in turns, so that a slow minute of the machine meets all of them.
pub(super) struct Rounds<'a> {
    scale: Scale,
    contenders: Vec<(String, u32, Contender<'a>)>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(scale: Scale) -> Self {
        Self { scale, contenders: Vec::new() }
    }

    /// Adds one; `count` is how often it runs in one round.
    pub(super) fn add(
        &mut self,
        name: impl Into<String>,
        count: u32,
        contender: impl FnMut(u32) -> Result<u64, Failure> + 'a,
    ) {
        // A multiple of every batch there is stays one.
        let count = self.scale.or(count, count.min(64));
        self.contenders.push((name.into(), count, Box::new(contender)));
    }

    /// One round to warm up, then so many that count; microseconds per run, in the order of adding.
    pub(super) fn run(mut self, rounds: usize) -> Result<Vec<Figure>, Failure> {
        let mut figures: Vec<Figure> = self
            .contenders
            .iter()
            .map(|(name, ..)| Figure { name: name.clone(), unit: "µs", samples: Vec::new() })
            .collect();
        let warming = self.scale.or(1, 0);
        for round in 0..warming + self.scale.or(rounds, 1) {
            for ((_, count, contender), figure) in self.contenders.iter_mut().zip(&mut figures) {
                let nanoseconds = contender(*count)?;
                if round >= warming {
                    figure.samples.push(microseconds(nanoseconds) / f64::from(*count));
                }
            }
        }
        Ok(figures)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run lasts seconds, far from 2^53 nanoseconds")]
pub(super) fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

/// The median of the figure whose name starts so; not a number when there is none, which holds no claim.
pub(super) fn median(figures: &[Figure], name: &str) -> f64 {
    figures.iter().find(|figure| figure.name.starts_with(name)).map_or(f64::NAN, Figure::median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_one_slow_round() {
        let figure = Figure { name: String::new(), unit: "µs", samples: vec![1.0, 900.0, 2.0] };

        assert!((figure.median() - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_claim_holds_at_its_bound() {
        assert!(Claim::at_least(0.9, 0.9, "").holds() && !Claim::at_least(0.9, 0.89, "").holds());
        assert!(Claim::at_most(50.0, 50.0, "").holds() && !Claim::at_most(50.0, 50.1, "").holds());
        assert!(!Claim::at_least(0.9, f64::NAN, "").holds(), "what was not measured holds nothing");
    }

    #[test]
    fn what_a_processor_lacks_is_left_out_and_said_so() {
        let claim = Claim::at_least(5.0, 1.0, "lanes").only_if(false, "no AVX-512 IFMA");

        assert!(claim.holds());
        assert_eq!(claim.verdict(), "not here");
        assert!(claim.to_string().ends_with("lanes; no AVX-512 IFMA"), "{claim}");
    }

    #[test]
    fn large_numbers_are_readable() {
        assert_eq!(number(0.949), "0.95");
        assert_eq!(number(163.2), "163");
        assert_eq!(number(1_234_567.0), "1,234,567");
    }
}
