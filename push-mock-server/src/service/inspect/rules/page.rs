//! The help page of a rule, one text for `push help CODE` and `/help/CODE`.

use core::fmt::Write as _;

use super::{Rule, Status};
use crate::service::finding::Level;

/// Markdown: title, level and answer, when, why, what to do, example, who minds, sources.
pub(super) fn render(rule: &Rule) -> String {
    let mut page =
        format!("# {}\n\n`{}` · {} · {}\n", rule.title, rule.code, level(rule.level), answer(rule.status));
    let mut section = |title: &str, text: &str| {
        let _ = write!(page, "\n## {title}\n{text}\n");
    };
    section("When", rule.when);
    section("Why", rule.why);
    section("What to do", rule.fix);
    if !rule.example.before.is_empty() {
        section(
            "Example",
            &format!("```\n{}\n```\nbecomes\n```\n{}\n```", rule.example.before, rule.example.after),
        );
    }
    if !rule.vendors.is_empty() {
        section("Who minds", &vendors(rule));
    }
    let mut sources = rule.spec.join(" · ");
    if let Some(row) = rule.row {
        let _ = write!(sources, "{}row {row}", if sources.is_empty() { "" } else { " · " });
    }
    if !sources.is_empty() {
        section("Sources", &sources);
    }
    page
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Info => "info",
        Level::Warning => "warning",
    }
}

fn answer(status: Status) -> String {
    match status {
        Status::Accepts => "accepted".to_owned(),
        Status::Refuses(status) => format!("answered {status}"),
        Status::RefusesIfStrict(status) => format!("accepted, answered {status} with --strict"),
    }
}

fn vendors(rule: &Rule) -> String {
    let lines = rule.vendors.iter().map(|answer| {
        let status = answer.status.map_or(String::new(), |status| format!(" {status}"));
        let line = if answer.line.is_empty() { String::new() } else { format!(", {}", answer.line) };
        let body =
            if answer.body.is_empty() { String::new() } else { format!(" {}", answer.body.trim_end()) };
        format!("- {}:{status}{body} ({}{line})", answer.profile, answer.evidence)
    });
    lines.collect::<Vec<_>>().join("\n")
}
