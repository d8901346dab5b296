//! `Report`: gathers findings and puts them into the order that decides the answer; and how values are shown.

use super::{
    Settings,
    rules::{self, Strictness},
};
use crate::service::finding::{Finding, Level};

/// The findings about one request so far.
#[derive(Debug)]
pub(super) struct Report {
    strictness: Strictness,
    findings: Vec<(usize, Finding)>,
}

impl Report {
    pub(super) fn new(settings: &Settings) -> Self {
        let strictness = if settings.strict { Strictness::Strict } else { Strictness::Lenient };
        Self { strictness, findings: Vec::new() }
    }

    /// Adds a finding. Invariant: the code is in the catalogue, which the tests of `rules` prove for every code
    /// that is written in this module or given by `push_crypto`.
    pub(super) fn add(
        &mut self,
        code: &str,
        place: impl Into<String>,
        seen: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let Some((position, rule)) = rules::position(code) else {
            debug_assert!(false, "{code} is not in the catalogue");
            return;
        };
        self.findings.push((position, rule.finding(self.strictness, place, seen, expected)));
    }

    /// Adds a finding that is answered otherwise than its rule says.
    pub(super) fn add_answered(
        &mut self,
        code: &str,
        status: u16,
        place: impl Into<String>,
        seen: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let before = self.findings.len();
        self.add(code, place, seen, expected);
        for (_, finding) in self.findings.iter_mut().skip(before) {
            finding.refuses = Some(status);
            finding.level = Level::Error;
        }
    }

    /// Takes the findings of another report over.
    pub(super) fn append(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }

    pub(super) fn len(&self) -> usize {
        self.findings.len()
    }

    pub(super) fn has(&self, code: &str) -> bool {
        self.findings.iter().any(|(_, finding)| finding.code == code)
    }

    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|(_, finding)| finding.level == Level::Error)
    }

    /// Errors first, otherwise in the order of the catalogue.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|(position, finding)| (finding.level != Level::Error, *position));
        self.findings.into_iter().map(|(_, finding)| finding).collect()
    }
}

/// A value as a finding shows it: control characters escaped, cut after 80 characters.
pub(super) fn shown(text: &str) -> String {
    cut(text, 80)
}

/// The first `most` characters, escaped, with an ellipsis where something was left out.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(most)
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// `1 octet`, `5 octets`.
pub(super) fn octets(count: usize) -> String {
    if count == 1 { "1 octet".to_owned() } else { format!("{count} octets") }
}
