//! Pages of the documentation that are made from what the program says, and the commands of the README.
//!
//! A page that is stale fails here; `TRYCMD=overwrite` writes it anew, as it does for transcripts.

use std::{fmt::Write as _, path::PathBuf, process::Command};

use serde_json::Value;

use crate::service::{BIN, Service, command};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[expect(clippy::disallowed_methods, reason = "the switch of the transcripts")]
fn overwrites() -> bool {
    std::env::var("TRYCMD").is_ok_and(|value| value == "overwrite")
}

/// The page has this text, or gets it.
fn page(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    if overwrites() {
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    if written != text {
        let line = written.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
        panic!(
            "docs/{name} is stale from line {} on: it has {:?}, the program says {:?}; write it anew with TRYCMD=overwrite",
            line + 1,
            written.lines().nth(line),
            text.lines().nth(line)
        );
    }
}

fn output(line: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let output = command(home.path()).args(line).output().unwrap();
    assert!(output.status.success(), "push {}", line.join(" "));
    String::from_utf8(output.stdout).unwrap()
}

fn records(line: &[&str]) -> Vec<Value> {
    output(line).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Text as a cell of a table.
fn cell(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace('|', "\\|").replace('\n', " ")
}

/// The names under `Commands:` of a help text.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    list.take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

/// The help of a command and of all behind it.
fn reference(path: &[String], text: &mut String) {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let help = output(&[&["help"], words.as_slice()].concat());
    let long = output(&[words.as_slice(), &["--help"]].concat());
    for line in long.lines() {
        assert!(line.chars().count() <= 80, "push {} --help: {line}", path.join(" "));
    }
    let name = std::iter::once("push").chain(words).collect::<Vec<_>>().join(" ");
    let _ =
        write!(text, "\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(path.len().min(2) + 2), help.trim_end());
    for child in commands(&help) {
        reference(&[path, &[child]].concat(), text);
    }
}

#[test]
fn the_reference_of_commands_is_what_help_says() {
    let mut text = "<!-- made from the help texts by a test; see tests/it/docs.rs of push-cli -->\n\n# Commands\n\n\
        What `push help COMMAND` says, for all commands. Exit codes and `--json` are in [stability.md](stability.md).\n"
        .to_owned();
    reference(&[], &mut text);

    page("cli.md", &text);
}

#[test]
fn the_list_of_findings_is_the_catalogue() {
    let mut text = "<!-- made from the catalogue by a test; see tests/it/docs.rs of push-cli -->\n\n# Findings\n\n\
        Every request gets all its findings, also when it is refused. A code never changes its meaning.\n\n\
        *Level*: an error cannot be used by any receiver, or is refused; a warning works here, and fails at some \
        vendor or is about to fail; info is worth knowing.\n\
        *Status*: the answer; `s400` is given only with `--strict`; none means that the message is accepted.\n\n\
        `push help CODE` has the whole page: when, why, what to do, an example, and which vendors mind.\n"
        .to_owned();
    let mut group = String::new();
    for rule in records(&["help", "findings", "--json"]) {
        let code = cell(&rule["code"]);
        let kind = code.split('/').next().unwrap().to_owned();
        if kind != group {
            let _ = write!(
                text,
                "\n## {kind}\n\n| Code | Level | Status | Title | Fix |\n|---|---|---|---|---|\n"
            );
            group = kind;
        }
        let (level, status) = (cell(&rule["level"]), cell(&rule["status"]));
        let _ = writeln!(
            text,
            "| `{code}` | {level} | {status} | {} | {} |",
            cell(&rule["title"]),
            cell(&rule["fix"])
        );
    }

    page("findings.md", &text);
}

#[test]
fn the_list_of_limits_is_what_the_service_has() {
    let mut text = "<!-- made from the limits by a test; see tests/it/docs.rs of push-cli -->\n\n# Limits\n\n\
        Every bound of the service with its default. `push serve --print-limits` shows the values in force; \
        `[limits]` of `push.toml` sets them by these names, times as `\"90s\"`, rates as `\"10/s\"`, and `\"off\"` \
        where there may be no bound.\n\n| Name | Default | Meaning | Origin |\n|---|---|---|---|\n"
        .to_owned();
    for limit in records(&["serve", "--print-limits", "--json"]) {
        let value = match (cell(&limit["value"]).as_str(), cell(&limit["unit"])) {
            ("off", _) => "off".to_owned(),
            (value, unit) => format!("{value} {unit}").trim_end().to_owned(),
        };
        let name = cell(&limit["name"]);
        let _ = writeln!(
            text,
            "| `{name}` | {value} | {} | {} |",
            cell(&limit["meaning"]),
            cell(&limit["origin"])
        );
    }

    page("limits.md", &text);
}

#[test]
fn the_exit_codes_of_the_page_on_stability_are_those_of_the_program() {
    let text = std::fs::read_to_string(root().join("docs/stability.md")).unwrap();
    let rows = records(&["help", "exit-codes", "--json"]);

    assert_eq!(rows.len(), 12);
    for row in rows {
        let line = format!("| {} | {} |", row["code"], cell(&row["meaning"]));
        assert!(text.lines().any(|known| known == line), "docs/stability.md has no line {line}");
    }
}

/// Runs lines of a shell as a user would, with the binary in the path.
#[cfg(unix)]
fn shell(service: &Service, lines: &[String]) {
    let bin = PathBuf::from(BIN);
    let bin = bin.parent().unwrap().display();
    for line in lines {
        let run = Command::new("sh")
            .args(["-c", &format!("PATH='{bin}':$PATH\n{line}")])
            .envs(service.environment())
            .current_dir(service.home().to_string())
            .output()
            .unwrap();
        assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
    }
}

#[cfg(unix)]
#[test]
fn the_commands_of_the_readme_do_what_they_say() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let block: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        // This one would not end; the test has started it.
        .filter(|line| !line.starts_with("push serve"))
        .map(str::to_owned)
        .collect();
    assert!(block.len() >= 9, "{block:?}");

    shell(&Service::start(&[]), &block);
}

#[cfg(unix)]
#[test]
fn the_commands_within_the_text_of_the_readme_run() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let inline: Vec<String> = readme
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("push ") || code.starts_with("eval "))
        // Named without what it is to explain.
        .filter(|code| *code != "push inspect")
        .map(str::to_owned)
        .collect();
    assert!(inline.len() >= 5, "{inline:?}");

    shell(&Service::start(&[]), &inline);
}

/// The block under "Try it against the local service", as one script.
#[cfg(unix)]
#[test]
fn the_recipe_for_many_subscriptions_does_what_it_says() {
    let page = std::fs::read_to_string(root().join("docs/recipes/bulk.md")).unwrap();
    let part = page.split("## Try it against the local service").nth(1).unwrap();
    let script = part.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let service = Service::start(&[]);

    shell(&service, &[format!("set -e\n{script}")]);

    let home = PathBuf::from(service.home().to_string());
    let results = std::fs::read_to_string(home.join("results.jsonl")).unwrap();
    let outcomes: Vec<_> = results.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
    let accepted = outcomes.iter().filter(|line| line["outcome"] == "accepted").count();
    assert_eq!((outcomes.len(), accepted), (3, 2), "{results}");
}
