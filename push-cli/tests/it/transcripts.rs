//! Transcripts that run: every `$ push …` of `tests/cmd/*.md` and of two pages of the documentation against a
//! service that the test starts. `TRYCMD=overwrite` writes what the commands say into the files.
//!
//! Each file has a service of its own, on a free port, with a seed and frozen clocks, so that ids and times are the
//! same in each run.

use crate::service::{BIN, Service};

fn transcript(file: &str, flags: &[&str]) {
    let service = Service::start(flags);
    let cases = trycmd::TestCases::new();
    cases.register_bin("push", std::path::Path::new(BIN));
    for (name, value) in service.environment() {
        cases.env(name, value);
    }
    cases.insert_var("[PORT]", service.port.to_string()).unwrap();
    cases.insert_var("[HOME]", service.home().to_string()).unwrap();
    cases.case(file);
    cases.run();
}

/// A service whose clocks stand still and whose ids are the same each time.
const SEEDED: &[&str] = &["--seed", "7", "--clock", "frozen"];

#[test]
fn airplane_mode() {
    transcript("../docs/airplane-mode.md", SEEDED);
}

#[test]
fn intercept() {
    transcript("../docs/intercept.md", SEEDED);
}

#[test]
fn getting_started() {
    transcript("../docs/getting-started.md", SEEDED);
}

#[test]
fn looking_at_messages() {
    transcript("tests/cmd/messages.md", SEEDED);
}

#[test]
fn subscriptions() {
    transcript("tests/cmd/subscriptions.md", SEEDED);
}

#[test]
fn clocks_and_spaces() {
    transcript("tests/cmd/clocks.md", SEEDED);
}

#[test]
fn keys_and_bodies() {
    transcript("tests/cmd/keys.md", SEEDED);
}

#[test]
fn the_address_book() {
    transcript("tests/cmd/recipients.md", SEEDED);
}

#[test]
fn wrong_input() {
    transcript("tests/cmd/wrong-input.md", SEEDED);
}

#[test]
fn the_demo() {
    transcript("tests/cmd/demo.md", SEEDED);
}

#[test]
fn sending() {
    transcript("tests/cmd/sending.md", SEEDED);
}

#[test]
fn inspecting() {
    transcript("tests/cmd/inspecting.md", SEEDED);
}

#[test]
fn measuring() {
    transcript("tests/cmd/bench.md", SEEDED);
}

#[test]
fn sending_to_a_list() {
    transcript("tests/cmd/bulk.md", SEEDED);
}
