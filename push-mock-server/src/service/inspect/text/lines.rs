//! From findings to marked lines: each finding stands at the part it is about, with one line of explanation.

use super::{Mark, Part};
use crate::service::finding::{Finding, Level};

/// Gathers parts; findings are consumed by the first part that they are about.
#[derive(Debug)]
pub(super) struct Lines {
    findings: Vec<(bool, Finding)>,
    parts: Vec<Part>,
}

impl Lines {
    pub(super) fn new(findings: &[Finding]) -> Self {
        Self {
            findings: findings.iter().map(|finding| (false, finding.clone())).collect(),
            parts: Vec::new(),
        }
    }

    /// A part and the findings about it; without any it is `ok` with this note.
    pub(super) fn part(
        &mut self,
        name: &str,
        value: impl Into<String>,
        note: impl Into<String>,
        about: &[&str],
    ) {
        self.marked(name, value.into(), Mark::Ok, note.into(), about);
    }

    /// The same with another mark for the case that nothing was found.
    pub(super) fn marked(&mut self, name: &str, value: String, mark: Mark, note: String, about: &[&str]) {
        let (about_value, mut shown) = (&value.clone(), Some(value));
        for (used, finding) in &mut self.findings {
            let is_about = about.iter().any(|place| finding.place == *place || finding.code == *place);
            if *used || !is_about {
                continue;
            }
            *used = true;
            self.parts.push(Part {
                name: name.to_owned(),
                // A second finding about the same part does not repeat its value.
                value: shown.take().unwrap_or_default(),
                mark: mark_of(finding.level),
                code: Some(finding.code),
                note: note_of(finding, about_value),
            });
        }
        if let Some(value) = shown {
            self.parts.push(Part { name: name.to_owned(), value, mark, code: None, note });
        }
    }

    /// A part that looks like a finding but could not be checked: it is no finding.
    pub(super) fn uncertain(&mut self, name: &str, value: String, code: &'static str, note: String) {
        self.parts.push(Part { name: name.to_owned(), value, mark: Mark::Unknown, code: Some(code), note });
    }

    /// All parts, and at the end what found no part of its own.
    pub(super) fn finish(mut self) -> Vec<Part> {
        for (used, finding) in self.findings {
            if !used {
                let name = finding.place.strip_prefix("header:").unwrap_or(&finding.place).to_owned();
                let (mark, note) = (mark_of(finding.level), note_of(&finding, ""));
                self.parts.push(Part { name, value: String::new(), mark, code: Some(finding.code), note });
            }
        }
        self.parts
    }
}

fn mark_of(level: Level) -> Mark {
    match level {
        Level::Error => Mark::Error,
        Level::Info => Mark::Info,
        Level::Warning => Mark::Warning,
    }
}

/// One line: what was seen, unless it is the value that stands there already, and what to do; for some codes what
/// matters most about them.
fn note_of(finding: &Finding, value: &str) -> String {
    let Finding { code, seen, expected, fix, .. } = finding;
    match *code {
        "request/method-put" => "send POST; Mozilla answers 405".to_owned(),
        "coding/aesgcm128-obsolete" if seen.contains("auth-context") => {
            "auth-context form: only pre-release Firefox 46–48 could open it".to_owned()
        }
        "coding/aesgcm128-obsolete" => "bare form: only Firefox 44 and 45 could open it".to_owned(),
        "vapid/absent" => "a restricted subscription would answer 401".to_owned(),
        "vapid/aud-mismatch" | "vapid/aud-path" | "vapid/aud-port-missing" => {
            format!("endpoint origin is {expected}")
        }
        "vapid/sub-localhost" => "Apple: 403 BadJwtToken; FCM, Mozilla accept".to_owned(),
        "encryption/salt-length" if is_count(seen) => format!("{seen}, 16 needed"),
        "crypto-key/dh-invalid" if is_count(seen) => format!("{seen}, 65 needed"),
        _ if seen == value => lower_first(fix.trim_end_matches('.')),
        _ => {
            let end = if seen.ends_with('?') { " " } else { "; " };
            format!("{seen}{end}{}", lower_first(fix.trim_end_matches('.')))
        }
    }
}

fn is_count(seen: &str) -> bool {
    seen.split_once(' ')
        .is_some_and(|(count, unit)| count.parse::<u32>().is_ok() && unit.starts_with("octet"))
}

/// The fix as the second half of a line. Names in capitals stay as they are.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match (characters.next(), characters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}
