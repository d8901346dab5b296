//! `conformance`: the table of requirements in `xtask/conformance.tsv`, the page made from it, and the
//! check that every row which is said to pass is shown by a test that exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use crate::{
    failure::{Context, Failure},
    workspace,
};

const TABLE: &str = "xtask/conformance.tsv";
const CHOICES: &str = "xtask/choices.tsv";
const PAGE: &str = "docs/conformance.md";
/// Where the tests with real browsers are; one is named by its file.
const SUITE: &str = "xtask/browsers/tests";
/// Rows that come of what browsers do, not of a document.
const BROWSERS: [&str; 2] = ["AP-", "GCM-"];

/// One requirement.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    id: String,
    section: String,
    source: String,
    level: String,
    requirement: String,
    state: State,
    /// Names of tests, or the reason.
    evidence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pass,
    NotOffered,
    Deviates,
}

impl State {
    fn read(text: &str) -> Option<Self> {
        match text {
            "pass" => Some(Self::Pass),
            "not offered" => Some(Self::NotOffered),
            "deviates" => Some(Self::Deviates),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::NotOffered => "not offered",
            Self::Deviates => "deviates",
        }
    }
}

impl Row {
    fn read(line: &str) -> Result<Self, Failure> {
        let [id, section, source, level, requirement, state, evidence] =
            line.split('\t').collect::<Vec<_>>().try_into().map_err(|fields: Vec<&str>| {
                Failure::new(format!("{} fields where 7 are needed: {line}", fields.len()))
            })?;
        let state = State::read(state).ok_or_else(|| {
            Failure::new(format!("{id}: state {state:?} is none of pass, not offered, deviates"))
        })?;
        let text = |field: &str| field.trim().to_owned();
        Ok(Self {
            id: text(id),
            section: text(section),
            source: text(source),
            level: text(level),
            requirement: text(requirement),
            state,
            evidence: text(evidence),
        })
    }

    fn is_must(&self) -> bool {
        self.level.contains("MUST")
    }

    /// Whether the tests that show it have to name it.
    fn is_to_be_named(&self) -> bool {
        self.is_must() || BROWSERS.iter().any(|prefix| self.id.starts_with(prefix))
    }

    /// The tests that show it, by name; a review names a document instead.
    fn tests(&self) -> impl Iterator<Item = &str> {
        self.evidence.split(", ").filter(|name| !name.starts_with("review: "))
    }
}

/// Writes the page, or with `--check` compares it and looks for the tests.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let table = fs::read_to_string(workspace::root().join(TABLE)).context(TABLE)?;
    let rows = read(&table)?;
    let choices = fs::read_to_string(workspace::root().join(CHOICES)).context(CHOICES)?;
    let page = page(&rows) + &choices_section(&choices)?;
    let path = workspace::root().join(PAGE);
    if arguments.iter().any(|argument| argument == "--check") {
        let mut problems = problems(&rows, &TestSources::collect()?);
        if fs::read_to_string(&path).unwrap_or_default() != page {
            problems.push(format!("{PAGE} is not what {TABLE} says; write it with: cargo xtask conformance"));
        }
        for problem in &problems {
            println!("  {problem}");
        }
        if !problems.is_empty() {
            return Err(Failure::new(format!("{} problems in the table of requirements", problems.len())));
        }
    } else {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(&path, page).context(PAGE)?;
    }
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    let [pass, open, deviates] = [State::Pass, State::NotOffered, State::Deviates].map(count);
    println!("  {} requirements: {pass} pass, {open} not offered, {deviates} deviate", rows.len());
    Ok(())
}

fn read(table: &str) -> Result<Vec<Row>, Failure> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(Row::read).collect()
}

/// Everything in the sources that can name a row or be a test.
#[derive(Default)]
struct TestSources {
    /// Names of functions with a test attribute.
    names: BTreeSet<String>,
    /// Rows named in the test half of a file.
    rows: BTreeSet<String>,
    /// Rows named in each file of tests with real browsers.
    suite: BTreeMap<String, BTreeSet<String>>,
}

impl TestSources {
    fn collect() -> Result<Self, Failure> {
        let mut found = Self::default();
        for path in workspace::files()? {
            if path.starts_with(SUITE) && path.extension().is_some_and(|extension| extension == "mjs") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = fs::read_to_string(workspace::root().join(&path))?;
                found.suite.insert(name, rows_in(&text).map(str::to_owned).collect());
            }
            if path.extension().is_some_and(|extension| extension == "rs") && !path.starts_with("xtask") {
                let text = fs::read_to_string(workspace::root().join(&path))?;
                found.add(&path, &text);
            }
        }
        Ok(found)
    }

    fn add(&mut self, path: &Path, text: &str) {
        let is_test_file =
            path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
        let tests = if is_test_file { Some(0) } else { text.find("#[cfg(test)]") };
        let Some(tests) = tests.and_then(|at| text.get(at..)) else { return };
        self.rows.extend(rows_in(tests).map(str::to_owned));
        for line in tests.lines() {
            if let Some(name) = function_name(line) {
                self.names.insert(name.to_owned());
            }
        }
    }
}

fn rows_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-')).filter(|word| is_row(word))
}

fn is_row(word: &str) -> bool {
    let number = ["PS-", "AS-", "UA-"].iter().chain(&BROWSERS).find_map(|prefix| word.strip_prefix(prefix));
    number.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    line.split(['(', '<']).next()
}

fn problems(rows: &[Row], sources: &TestSources) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for row in rows {
        let id = &row.id;
        if !is_row(id) || !seen.insert(id) {
            problems.push(format!("{id}: is not a row's name, or stands here twice"));
        }
        if row.evidence.is_empty() {
            problems.push(format!("{id}: says neither a test nor a reason"));
        }
        if row.state != State::Pass {
            continue;
        }
        let (suites, names): (Vec<_>, Vec<_>) = row.tests().partition(|name| name.ends_with(".mjs"));
        for name in names.iter().filter(|name| !sources.names.contains(**name)) {
            problems.push(format!("{id}: no test is called {name}"));
        }
        for suite in &suites {
            if !sources.suite.get(*suite).is_some_and(|rows| rows.contains(id)) {
                problems.push(format!("{id}: {SUITE}/{suite} is not there, or does not name the row"));
            }
        }
        if row.is_to_be_named() && !names.is_empty() && !sources.rows.contains(id) {
            problems.push(format!("{id}: passes and must be named, but no test names the row"));
        }
    }
    problems
}

fn page(rows: &[Row]) -> String {
    let mut text = String::from(
        "<!-- made by `cargo xtask conformance` from xtask/conformance.tsv; do not edit -->\n\n\
         # Conformance\n\n\
         Every requirement of RFC 8030, RFC 8188, RFC 8291, RFC 8292 and the Push API which touches the wire, \
         in our own words, with its state in this release.\n\
         `PS` is a requirement on the push service, `AS` on the application server (the sender), \
         `UA` on the user agent (the receiver). `AP` and `GCM` are what a push service has to do for stock Firefox \
         and Chromium; they come of what these browsers do, not of a document.\n\
         *pass* names the tests that show it, *not offered* what is left out, *deviates* gives the reason; \
         there is no fourth state.\n\
         *stated* is plain text that defines behaviour without a key word; *profile* is our choice where the \
         documents are silent.\n\
         Only the published documents are normative.\n",
    );
    let mut section = "";
    for row in rows {
        if row.section != section {
            section = &row.section;
            _ = write!(text, "\n## {section}\n\n");
            text.push_str("| Row | Source | Level | Requirement | State | Shown by, or reason |\n|---|---|---|---|---|---|\n");
        }
        let evidence = match row.state {
            State::Pass => tests_as_code(row),
            State::NotOffered | State::Deviates => row.evidence.clone(),
        };
        let Row { id, source, level, requirement, state, .. } = row;
        _ = writeln!(text, "| {id} | {source} | {level} | {requirement} | {} | {evidence} |", state.as_str());
    }
    text
}

/// What was chosen where the documents are silent; comments and tests cite it as `P-01`, `P-02`, …
fn choices_section(table: &str) -> Result<String, Failure> {
    let mut text = String::from(
        "\n## Our choices\n\nWhere the documents are silent or leave a choice, this is what the service does.\n\n\
         | Choice | About | What the service does | Why |\n|---|---|---|---|\n",
    );
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').map(str::trim).collect();
        let [id, about, choice, reason] = fields.as_slice() else {
            return Err(Failure::new(format!("{} fields where 4 are needed: {line}", fields.len())));
        };
        _ = writeln!(text, "| {id} | {about} | {choice} | {reason} |");
    }
    Ok(text)
}

fn tests_as_code(row: &Row) -> String {
    let shown = row.evidence.split(", ").map(|name| match name.strip_prefix("review: ") {
        Some(what) => format!("review: {what}"),
        None => format!("`{name}`"),
    });
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &str, evidence: &str) -> Row {
        Row::read(&format!("PS-045\tTime\tRFC 8030 §5.2\tMUST\tNothing late.\t{state}\t{evidence}")).unwrap()
    }

    fn sources(text: &str) -> TestSources {
        let mut found = TestSources::default();
        found.add(Path::new("push-mock-server/tests/it/ttl.rs"), text);
        found
    }

    #[test]
    fn a_pass_needs_a_test_that_exists_and_names_the_row() {
        let rows = [row("pass", "nothing_is_late")];

        assert_eq!(problems(&rows, &sources("/// PS-045\n#[test]\nfn nothing_is_late() {}")), [""; 0]);
        assert_eq!(problems(&rows, &sources("/// PS-045\n#[test]\nfn something() {}")).len(), 1);
        assert_eq!(problems(&rows, &sources("#[test]\nasync fn nothing_is_late() {}")).len(), 1);
    }

    #[test]
    fn a_test_with_browsers_is_a_file_that_names_the_row() {
        let rows = [row("pass", "ending.test.mjs")];
        let mut there = sources("");
        there.suite.insert(
            "ending.test.mjs".into(),
            rows_in("test('(PS-045, AP-001)')").map(str::to_owned).collect(),
        );

        assert_eq!(problems(&rows, &there), [""; 0]);
        assert_eq!(problems(&rows, &sources("")).len(), 1);
    }

    #[test]
    fn a_row_that_does_not_pass_needs_a_reason_only() {
        assert_eq!(problems(&[row("deviates", "the clock is virtual")], &sources("")), [""; 0]);
        assert_eq!(problems(&[row("not offered", "")], &sources("")).len(), 1);
    }

    #[test]
    fn a_choice_has_four_fields() {
        assert!(choices_section("# comment\nP-01\ta\tb\tc").unwrap().ends_with("| P-01 | a | b | c |\n"));
        assert!(choices_section("P-01\ta\tb").is_err());
    }

    #[test]
    fn a_state_that_is_none_of_three_is_refused() {
        assert!(Row::read("PS-045\ta\tb\tMUST\tc\tmaybe\td").is_err());
        assert!(Row::read("PS-045\tMUST\tpass").is_err());
    }

    #[test]
    fn the_code_half_of_a_file_shows_nothing() {
        let mut found = sources("");
        found.add(
            Path::new("push-crypto/src/ttl.rs"),
            "// PS-045\nfn nothing_is_late() {}\n#[cfg(test)]\nmod tests {}",
        );

        assert!(found.rows.is_empty() && found.names.is_empty());
    }
}
