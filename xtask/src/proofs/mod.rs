//! `proofs`: what tests cannot show about the eight lanes: timing, jumps in the object code, undefined behaviour.

mod miri;
mod object_code;
mod timing;

use crate::failure::Failure;

/// One proof; `--smoke` asks for the short form where there is one.
struct Proof {
    name: &'static str,
    run: fn(smoke: bool) -> Result<(), Failure>,
    /// Whether it has a short form; without one it is left out there.
    is_short: bool,
}

const PROOFS: &[Proof] = &[
    Proof { name: "object-code", run: object_code::run, is_short: true },
    Proof { name: "timing", run: timing::run, is_short: true },
    Proof { name: "miri", run: miri::run, is_short: false },
];

/// Runs the named proofs, or all.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let wanted: Vec<_> = arguments.iter().filter(|argument| *argument != "--smoke").collect();
    for name in &wanted {
        if !PROOFS.iter().any(|proof| proof.name == *name) {
            let known: Vec<_> = PROOFS.iter().map(|proof| proof.name).collect();
            return Err(Failure::new(format!("there is no proof {name:?}; there are {}", known.join(", "))));
        }
    }
    for proof in PROOFS {
        if smoke && !proof.is_short {
            println!("\n{} has no short form; cargo xtask proofs {} runs it", proof.name, proof.name);
            continue;
        }
        if wanted.is_empty() || wanted.iter().any(|name| *name == proof.name) {
            println!("\n{}", proof.name);
            (proof.run)(smoke)?;
        }
    }
    Ok(())
}
