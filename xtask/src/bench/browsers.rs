//! What the users of real browsers wait for: from POST to the worker's push event, beside a bare WebSocket into the
//! same browser.

use std::process::Command;

use serde_json::Value;

use super::{
    Part,
    figures::{Claim, Figure, Scale, median},
    push_build,
};
use crate::{
    browsers,
    failure::{Context, Failure},
    process, service,
};

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let figures = latency(scale)?;
    let of = |name: &str| median(&figures, name);
    let claims = vec![
        Claim::at_most(20.0, of("firefox, from POST"), "milliseconds from POST to push event, Firefox"),
        Claim::at_most(20.0, of("chromium, from POST"), "milliseconds from POST to push event, Chromium"),
    ];
    let notes =
        vec!["Wall time, by the clock of the browser's worker against that of the sender.".to_owned()];
    Ok(Part { name: "browsers", title: "Real browsers", figures, claims, notes })
}

/// The browsers are driven by `xtask/browsers/bench.mjs`, which prints samples in milliseconds.
fn latency(scale: Scale) -> Result<Vec<Figure>, Failure> {
    let mut command: Command = browsers::script("bench.mjs", service::binary(push_build(scale))?)?;
    command.env("PUSH_BENCH_ROUNDS", scale.or("50", "2"));
    let text = process::output(&mut command)?;
    let measured: Value = serde_json::from_str(&text).context("xtask/browsers/bench.mjs")?;
    let figures = measured.as_object().ok_or_else(|| Failure::new(format!("it printed {measured}")))?;
    Ok(figures
        .iter()
        .map(|(name, samples)| Figure {
            name: name.clone(),
            unit: "ms",
            samples: samples.as_array().into_iter().flatten().filter_map(Value::as_f64).collect(),
        })
        .collect())
}
