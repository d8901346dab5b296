//! `bench`: figures beside other implementations, measured in the same run, in turns.
//!
//! What is counted is processor time, so that other work on the machine disturbs little: nanoseconds of the
//! thread (crypto) or of the whole process (client, service). A figure is the median over rounds. What a person
//! waits for (startup, browsers, bulk) is wall time.

mod browsers;
mod bulk;
mod client;
mod connections;
mod crypto;
mod delivery;
mod figures;
mod floor;
mod idle;
mod instructions;
mod machine;
mod page;
mod service;
mod startup;

use std::fs;

use figures::{Claim, Figure, Scale};
use serde_json::Value;

use crate::{
    failure::{Context, Failure},
    service::Build,
    workspace,
};

/// What one part measured.
struct Part {
    name: &'static str,
    title: &'static str,
    figures: Vec<Figure>,
    claims: Vec<Claim>,
    /// What a reader of the figures has to know, a paragraph each.
    notes: Vec<String>,
}

/// How the parts are run.
#[derive(Clone, Copy)]
struct Run {
    scale: Scale,
    /// Subscriptions of the part `bulk`, where they were chosen.
    subscriptions: Option<u32>,
}

type Measure = fn(Run) -> Result<Part, Failure>;

const PARTS: &[(&str, Measure)] = &[
    ("crypto", |run| crypto::run(run.scale)),
    ("client", |run| client::run(run.scale)),
    ("bulk", |run| bulk::run(run.scale, run.subscriptions)),
    ("service", |run| service::run(run.scale)),
    ("delivery", |run| delivery::run(run.scale)),
    ("idle", |run| idle::run(run.scale)),
    ("startup", |run| startup::run(run.scale)),
    ("browsers", |run| browsers::run(run.scale)),
    ("instructions", |run| instructions::run(run.scale)),
];

const OPTIONS: &str = "--smoke (next to nothing of each part, no claims), --subscriptions N (of bulk)";

/// Measures the named parts, or all; a claim that does not hold is a failure.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [name, role] if name == floor::NAME => return floor::serve(role),
        [name, rest @ ..] if name == instructions::NAME => return instructions::repeat(rest),
        _ => {}
    }
    let (run, wanted) = read(arguments)?;
    if cfg!(debug_assertions) && run.scale == Scale::Full {
        return Err(Failure::new(
            "figures of an unoptimised build mean nothing; start it as cargo xtask bench",
        ));
    }
    let machine = machine::describe();
    let mut missed = 0_usize;
    for (name, measure) in PARTS {
        if wanted.is_empty() && is_left_out(name) {
            println!("\n{name}\n  left out, because PUSH_SKIP names it");
        } else if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("\n{name}");
            let part = measure(run).context(name)?;
            missed += finish(&part, run.scale, &machine)?;
        }
    }
    if missed == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{missed} figures are not what they should be")))
    }
}

/// Whoever leaves the browsers out of the checks has none to measure either.
fn is_left_out(name: &str) -> bool {
    let skipped = workspace::variable("PUSH_SKIP").unwrap_or_default();
    name == "browsers" && skipped.to_string_lossy().split(',').any(|word| word.trim() == name)
}

/// Prints and keeps what was measured; how many claims were missed.
fn finish(part: &Part, scale: Scale, machine: &Value) -> Result<usize, Failure> {
    for figure in &part.figures {
        println!("  {figure}");
    }
    if scale == Scale::Smoke {
        return check(part).map(|()| 0);
    }
    for claim in &part.claims {
        println!("  {claim}");
    }
    write(part, machine)?;
    page::update(part, machine)?;
    Ok(part.claims.iter().filter(|claim| !claim.holds()).count())
}

/// Of a smoke run only this is asked: everything was measured, and every claim has its number or its reason.
fn check(part: &Part) -> Result<(), Failure> {
    let empty = |figure: &&Figure| figure.samples.is_empty() || !figure.median().is_finite();
    if let Some(figure) = part.figures.iter().find(empty) {
        return Err(Failure::new(format!("{}: {:?} was not measured", part.name, figure.name)));
    }
    match part.claims.iter().find(|claim| claim.value.as_ref().is_ok_and(|value| !value.is_finite())) {
        Some(claim) => Err(Failure::new(format!("{}: {:?} has no number", part.name, claim.text))),
        None => Ok(()),
    }
}

fn read(arguments: &[String]) -> Result<(Run, Vec<String>), Failure> {
    let (mut run, mut wanted) = (Run { scale: Scale::Full, subscriptions: None }, Vec::new());
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--smoke" => run.scale = Scale::Smoke,
            "--subscriptions" => {
                let number =
                    rest.next().and_then(|number| number.parse().ok()).filter(|number| *number >= 1000);
                run.subscriptions = Some(
                    number.ok_or_else(|| Failure::new("--subscriptions wants a number, at least 1000"))?,
                );
            }
            name if PARTS.iter().any(|(part, _)| *part == name) => wanted.push(name.to_owned()),
            name => {
                let known: Vec<_> = PARTS.iter().map(|(part, _)| *part).collect();
                return Err(Failure::new(format!(
                    "there is no part {name:?}; there are {}, and the options {OPTIONS}",
                    known.join(", ")
                )));
            }
        }
    }
    Ok((run, wanted))
}

/// The program `push` as this run needs it.
fn push_build(scale: Scale) -> Build {
    scale.or(Build::Optimised, Build::Debug)
}

/// Everything that was measured, samples included, for whoever wants to look closer.
fn write(part: &Part, machine: &Value) -> Result<(), Failure> {
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.json", part.name));
    let figures: Vec<_> = part.figures.iter().map(Figure::json).collect();
    let claims: Vec<_> = part.claims.iter().map(Claim::json).collect();
    let all = serde_json::json!({
        "part": part.name,
        "command": format!("cargo xtask bench {}", part.name),
        "machine": machine,
        "figures": figures,
        "claims": claims,
        "notes": part.notes,
    });
    fs::write(&path, format!("{all:#}\n")).context(path.display())?;
    println!("  all samples in {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn parts_and_options_come_in_any_order() {
        let (run, wanted) = read(&words("bulk --subscriptions 5000 crypto --smoke")).unwrap();

        assert_eq!(wanted, ["bulk", "crypto"]);
        assert_eq!((run.scale, run.subscriptions), (Scale::Smoke, Some(5000)));
        assert!(read(&words("cryptography")).is_err());
        assert!(read(&words("bulk --subscriptions many")).is_err());
        assert!(read(&words("bulk --subscriptions 999")).is_err());
    }

    #[test]
    fn a_smoke_run_fails_when_something_was_not_measured() {
        let part = |samples: Vec<f64>| Part {
            name: "sample",
            title: "",
            claims: vec![Claim::at_least(9.0, samples.first().copied().unwrap_or(f64::NAN), "ours")],
            figures: vec![Figure { name: "ours".to_owned(), unit: "µs", samples }],
            notes: Vec::new(),
        };

        assert!(check(&part(vec![1.0])).is_ok(), "claims are not judged");
        assert!(check(&part(Vec::new())).is_err());
    }
}
