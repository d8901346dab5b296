//! `bench`: figures beside other implementations, measured in the same run, in turns.
//!
//! What is counted is processor time, so that other work on the machine disturbs little: nanoseconds of the
//! thread (crypto, client) or of the whole process (service). A figure is the median over rounds. What a person
//! waits for (startup, browsers) is wall time.

mod browsers;
mod client;
mod connections;
mod crypto;
mod figures;
mod floor;
mod machine;
mod service;
mod startup;

use std::fs;

use figures::{Claim, Figure};

use crate::{
    failure::{Context, Failure},
    workspace,
};

/// What one part measured.
struct Part {
    name: &'static str,
    figures: Vec<Figure>,
    claims: Vec<Claim>,
}

type Measure = fn() -> Result<Part, Failure>;

const PARTS: &[(&str, Measure)] = &[
    ("crypto", crypto::run),
    ("client", client::run),
    ("service", service::run),
    ("startup", startup::run),
    ("browsers", browsers::run),
];

/// Measures the named parts, or all; a claim that does not hold is a failure.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if arguments.first().is_some_and(|name| name == floor::NAME) {
        return floor::serve();
    }
    for name in arguments {
        if !PARTS.iter().any(|(part, _)| part == name) {
            let known: Vec<_> = PARTS.iter().map(|(part, _)| *part).collect();
            return Err(Failure::new(format!("there is no part {name:?}; there are {}", known.join(", "))));
        }
    }
    if cfg!(debug_assertions) {
        return Err(Failure::new(
            "figures of an unoptimised build mean nothing; start it as cargo xtask bench",
        ));
    }
    let mut missed = 0_usize;
    for (name, measure) in PARTS {
        if arguments.is_empty() || arguments.iter().any(|wanted| wanted == name) {
            let part = measure()?;
            print(&part);
            write(&part)?;
            missed += part.claims.iter().filter(|claim| !claim.holds()).count();
        }
    }
    if missed == 0 {
        Ok(())
    } else {
        Err(Failure::new(format!("{missed} figures are not what they should be")))
    }
}

fn print(part: &Part) {
    println!("\n{}", part.name);
    for figure in &part.figures {
        println!("  {figure}");
    }
    for claim in &part.claims {
        println!("  {claim}");
    }
}

/// Everything that was measured, samples included, for whoever wants to look closer.
fn write(part: &Part) -> Result<(), Failure> {
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}.json", part.name));
    let figures: Vec<_> = part.figures.iter().map(Figure::json).collect();
    let claims: Vec<_> = part.claims.iter().map(Claim::json).collect();
    let all = serde_json::json!({
        "part": part.name,
        "command": format!("cargo xtask bench {}", part.name),
        "machine": machine::describe(),
        "figures": figures,
        "claims": claims,
    });
    fs::write(&path, format!("{all:#}\n")).context(path.display())?;
    println!("  all samples in {}", path.display());
    Ok(())
}
