//! The catalogue: one [`Rule`] per finding code, with what its help page says.
//!
//! A rule states a fact, why it matters, what to do, and who minds; the function that finds it lives beside its kin
//! in `inspect`. A code never changes its meaning.

mod claims;
mod coding;
mod decrypt;
mod delivery;
mod fields;
mod page;
mod payload;
mod records;
mod request;
mod subscription;
mod vapid;
mod vendors;

use std::sync::LazyLock;

use crate::service::finding::{Finding, Level, VendorAnswer};

/// What a finding means for the answer under profile `rfc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Accepted all the same.
    Accepts,
    /// Refused with this status.
    Refuses(u16),
    /// Refused with this status only by a strict service.
    RefusesIfStrict(u16),
}

/// The same thing before and after the fix: header fields, JSON or code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// What brings the finding up.
    pub before: &'static str,
    /// What does not.
    pub after: &'static str,
}

/// One thing that can be noticed about a request, and all that can be said about it without knowing the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable code, e.g. `vapid/aud-mismatch`.
    pub code: &'static str,
    /// Level; a finding that refuses is an error in any case.
    pub level: Level,
    /// Answer under profile `rfc`.
    pub status: Status,
    /// Title of the page.
    pub title: &'static str,
    /// When it is found.
    pub when: &'static str,
    /// Why it is wrong or worth knowing.
    pub why: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Before and after.
    pub example: Example,
    /// Who answers how.
    pub vendors: &'static [VendorAnswer],
    /// Sections, e.g. `RFC 8292 §2.1`.
    pub spec: &'static [&'static str],
    /// Row of the conformance list, where there is one.
    pub row: Option<&'static str>,
}

impl Rule {
    /// The finding of this rule about one request.
    #[must_use]
    pub fn finding(
        &self,
        strict: Strictness,
        place: impl Into<String>,
        seen: impl Into<String>,
        expected: impl Into<String>,
    ) -> Finding {
        let refuses = match (self.status, strict) {
            (Status::Refuses(status), _) | (Status::RefusesIfStrict(status), Strictness::Strict) => {
                Some(status)
            }
            (Status::Accepts | Status::RefusesIfStrict(_), _) => None,
        };
        Finding {
            code: self.code,
            level: if refuses.is_some() { Level::Error } else { self.level },
            place: place.into(),
            seen: seen.into(),
            expected: expected.into(),
            why: self.why,
            fix: self.fix,
            vendors: self.vendors,
            spec: self.spec,
            row: self.row,
            help: format!("/help/{}", self.code),
            refuses,
        }
    }

    /// The help page of this rule, as Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        page::render(self)
    }
}

/// Whether the service refuses what no receiver can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// Accept it, with a finding.
    Lenient,
    /// Refuse it.
    Strict,
}

/// All rules, in the order in which the parts of a request are judged: the order of findings and of answers.
#[must_use]
pub fn catalogue() -> &'static [Rule] {
    static ALL: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        [
            subscription::RULES,
            request::RULES,
            fields::RULES,
            vapid::RULES,
            claims::RULES,
            coding::RULES,
            records::RULES,
            decrypt::RULES,
            payload::RULES,
            delivery::RULES,
        ]
        .concat()
    });
    &ALL
}

/// The rule with that code.
#[must_use]
pub fn rule(code: &str) -> Option<&'static Rule> {
    position(code).map(|(_, rule)| rule)
}

/// The rule with that code, and its place in the catalogue.
pub(super) fn position(code: &str) -> Option<(usize, &'static Rule)> {
    catalogue().iter().enumerate().find(|(_, rule)| rule.code == code)
}
