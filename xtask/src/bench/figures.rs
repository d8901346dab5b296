//! `Figure`: one measured quantity; `Claim`: a ratio that should hold; rounds in turns.

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
    /// Half of the samples are below, half above.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn json(&self) -> Value {
        json!({ "name": self.name, "unit": self.unit, "median": self.median(), "samples": self.samples })
    }
}

impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let low = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        write!(f, "{:<58} {:>9.2} {:<14} {low:.2} to {high:.2}", self.name, self.median(), self.unit)
    }
}

/// A number that should not fall below (or rise above) another one.
pub(super) struct Claim {
    pub(super) text: String,
    pub(super) value: f64,
    pub(super) bound: Bound,
}

pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Claim {
    pub(super) fn at_least(bound: f64, value: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), value, bound: Bound::AtLeast(bound) }
    }

    pub(super) fn at_most(bound: f64, value: f64, text: impl Into<String>) -> Self {
        Self { text: text.into(), value, bound: Bound::AtMost(bound) }
    }

    pub(super) fn holds(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
        }
    }

    pub(super) fn json(&self) -> Value {
        let (kind, bound) = match self.bound {
            Bound::AtLeast(bound) => ("atLeast", bound),
            Bound::AtMost(bound) => ("atMost", bound),
        };
        json!({ "claim": self.text, "value": self.value, kind: bound, "holds": self.holds() })
    }
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "ok    " } else { "MISSED" };
        let (sign, bound) = match self.bound {
            Bound::AtLeast(bound) => ('≥', bound),
            Bound::AtMost(bound) => ('≤', bound),
        };
        write!(f, "{verdict} {:>8.2} ({sign} {bound:.2})  {}", self.value, self.text)
    }
}

/// One way of doing something: runs it so many times and says how many nanoseconds that took.
type Contender<'a> = Box<dyn FnMut(u32) -> Result<u64, Failure> + 'a>;

/// Several ways, measured in turns, so that a slow minute of the machine meets all of them.
#[derive(Default)]
pub(super) struct Rounds<'a> {
    contenders: Vec<(String, u32, Contender<'a>)>,
}

impl<'a> Rounds<'a> {
    /// Adds one; `count` is how often it runs in one round.
    pub(super) fn add(
        &mut self,
        name: impl Into<String>,
        count: u32,
        contender: impl FnMut(u32) -> Result<u64, Failure> + 'a,
    ) {
        self.contenders.push((name.into(), count, Box::new(contender)));
    }

    /// One round to warm up, then so many that count; microseconds per run, in the order of adding.
    pub(super) fn run(mut self, rounds: usize) -> Result<Vec<Figure>, Failure> {
        let mut figures: Vec<Figure> = self
            .contenders
            .iter()
            .map(|(name, ..)| Figure { name: name.clone(), unit: "µs", samples: Vec::new() })
            .collect();
        for round in 0..=rounds {
            for ((_, count, contender), figure) in self.contenders.iter_mut().zip(&mut figures) {
                let nanoseconds = contender(*count)?;
                if round > 0 {
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
    }
}
