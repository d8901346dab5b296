//! `docs/performance.md`: each part has a section between two markers, which is written anew when the part is measured;
//! the table of targets has a row per claim. What was not measured keeps its figures, and their date.

use std::{fmt::Write as _, fs};

use serde_json::Value;

use super::{
    Part,
    figures::{Claim, Figure, number},
};
use crate::{
    failure::{Context, Failure},
    workspace,
};

const TARGETS: &str = "targets";

/// Writes what this part has measured.
pub(super) fn update(part: &Part, machine: &Value) -> Result<(), Failure> {
    let path = workspace::root().join("docs/performance.md");
    let page = fs::read_to_string(&path).context(path.display())?;
    let page = replace(&page, part.name, |_| section(part, machine))?;
    let page = replace(&page, TARGETS, |old| targets(old, part, machine))?;
    fs::write(&path, page).context(path.display())?;
    println!("  written to docs/performance.md");
    Ok(())
}

/// The page with other text between `<!-- NAME -->` and `<!-- end of NAME -->`.
fn replace(page: &str, name: &str, text: impl FnOnce(&str) -> String) -> Result<String, Failure> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let missing = || Failure::new(format!("docs/performance.md has no {begin:?} before {end:?}"));
    let (before, rest) = page.split_once(&begin).ok_or_else(missing)?;
    let (old, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{}{end}{after}", text(old)))
}

/// Heading, where and when, figures, notes.
fn section(part: &Part, machine: &Value) -> String {
    let mut text = format!("### {}\n\n", part.title);
    let said = |name: &str| machine[name].as_str().unwrap_or("?").to_owned();
    let changed = if machine["changed"] == true { " and changes to it" } else { "" };
    let _ = writeln!(
        text,
        "`cargo xtask bench {}`, {}, commit {}{changed}: {}, {} cores, load {}, {}, {}.\n",
        part.name,
        said("date"),
        said("commit"),
        said("processor"),
        machine["cores"],
        said("load"),
        said("system"),
        said("compiler"),
    );
    for note in &part.notes {
        let _ = writeln!(text, "{note}\n");
    }
    if !part.figures.is_empty() {
        text.push_str("| | median | from | to |\n|---|---|---|---|\n");
    }
    for figure in &part.figures {
        text.push_str(&row(figure));
    }
    text
}

fn row(figure: &Figure) -> String {
    let (low, high) = figure.range();
    let Figure { name, unit, samples } = figure;
    let name = cell(name);
    match samples.as_slice() {
        [only] => format!("| {name} | {} {unit} | – | – |\n", number(*only)),
        _ => {
            format!("| {name} | {} {unit} | {} | {} |\n", number(figure.median()), number(low), number(high))
        }
    }
}

/// The rows of other parts as they are, those of this one as they are now, in the order of the parts.
fn targets(old: &str, part: &Part, machine: &Value) -> String {
    let mut text = "| part | what | measured | target | | when |\n|---|---|---|---|---|---|\n".to_owned();
    for (name, _) in super::PARTS {
        if *name == part.name {
            part.claims.iter().for_each(|claim| text.push_str(&target(part, claim, machine)));
        } else {
            let start = format!("| {name} |");
            old.lines().filter(|line| line.starts_with(&start)).for_each(|line| {
                text.push_str(line);
                text.push('\n');
            });
        }
    }
    text
}

fn target(part: &Part, claim: &Claim, machine: &Value) -> String {
    let measured = claim.value.as_ref().map_or_else(|_| "–".to_owned(), |value| number(*value));
    let mut verdict = match claim.verdict() {
        "missed" => "**missed**".to_owned(),
        "told" => String::new(),
        other => other.to_owned(),
    };
    for remark in
        claim.value.as_ref().err().into_iter().chain([&claim.note]).filter(|remark| !remark.is_empty())
    {
        let _ = write!(verdict, "{}{remark}", if verdict.is_empty() { "" } else { "; " });
    }
    let date = machine["date"].as_str().unwrap_or_default();
    let commit = machine["commit"].as_str().unwrap_or_default();
    format!(
        "| {} | {} | {measured} | {} | {} | {}, {commit} |\n",
        part.name,
        cell(&claim.text),
        claim.bound.shown(),
        cell(&verdict),
        date.get(..10).unwrap_or(date),
    )
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part() -> Part {
        Part {
            name: "client",
            title: "Sending",
            figures: vec![Figure { name: "ours".to_owned(), unit: "µs", samples: vec![3.0, 1.0, 2.0] }],
            claims: vec![
                Claim::at_least(2.0, 1.5, "theirs ÷ ours"),
                Claim::at_least(5.0, 0.0, "lanes").only_if(false, "no lanes"),
            ],
            notes: vec!["Processor time.".to_owned()],
        }
    }

    fn machine() -> Value {
        json!({ "date": "2026-11-24T20:00:00Z", "commit": "abc", "processor": "P", "cores": 2, "load": "0.1",
            "system": "S", "compiler": "C", "changed": false })
    }

    #[test]
    fn only_what_was_measured_is_written_anew() {
        let page = "a\n<!-- client -->\nold\n<!-- end of client -->\nb\n<!-- targets -->\n\
            | part |\n|---|\n| crypto | kept | 1 | 2 | | then |\n| client | gone |\n<!-- end of targets -->\nc\n";

        let page = replace(page, "client", |_| section(&part(), &machine())).unwrap();
        let page = replace(&page, TARGETS, |old| targets(old, &part(), &machine())).unwrap();

        assert!(
            page.starts_with("a\n<!-- client -->\n### Sending\n\n`cargo xtask bench client`, 2026-11-24"),
            "{page}"
        );
        assert!(page.contains("| ours | 2.00 µs | 1.00 | 3.00 |\n<!-- end of client -->\nb\n"), "{page}");
        assert!(page.contains("| crypto | kept | 1 | 2 | | then |\n| client | theirs ÷ ours | 1.50 | ≥ 2.00 | **missed** | 2026-11-24, abc |\n"), "{page}");
        assert!(page.contains("| client | lanes | – | ≥ 5.00 | not here; no lanes | 2026-11-24, abc |\n<!-- end of targets -->\nc\n"), "{page}");
        assert!(!page.contains("gone") && !page.contains("old\n"), "{page}");
    }

    #[test]
    fn the_page_has_a_place_for_every_part() {
        let page = fs::read_to_string(workspace::root().join("docs/performance.md")).unwrap();

        for (name, _) in super::super::PARTS {
            replace(&page, name, str::to_owned).unwrap();
        }
        replace(&page, TARGETS, str::to_owned).unwrap();
    }
}
