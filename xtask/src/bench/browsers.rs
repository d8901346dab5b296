//! What real browsers wait for, and what their connections cost: from POST to the worker's push event beside a bare
//! WebSocket into the same browser; memory of ten thousand idle connections, and the time to reach each of them.

use std::process::Command;

use serde_json::Value;
use tokio::runtime;

use super::{
    Part,
    connections::{self, Target},
    figures::{Claim, Figure},
    floor::Floor,
    machine,
};
use crate::{
    browsers,
    failure::{Context, Failure},
    process,
    service::{self, Build, Service},
};

/// Connections at once, as many as were promised.
const CONNECTIONS: usize = 10_000;
/// Descriptors that each of the two processes needs besides its connections.
const OTHER_DESCRIPTORS: usize = 256;

/// Measures and compares.
pub(super) fn run() -> Result<Part, Failure> {
    let mut figures = latency()?;
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let count = connections()?;
    for way in [Way::Floor, Way::Clear, Way::Tls] {
        figures.extend(runtime.block_on(idle(way, count))?);
    }
    let median = |name: &str| {
        figures.iter().find(|figure| figure.name.starts_with(name)).map_or(f64::NAN, Figure::median)
    };
    let claims = vec![
        Claim::at_most(20.0, median("firefox, from POST"), "milliseconds from POST to push event, firefox"),
        Claim::at_most(20.0, median("chromium, from POST"), "milliseconds from POST to push event, chromium"),
        Claim::at_most(12.0, median("memory per connection, clear"), "kibibytes per connection, clear text"),
        Claim::at_most(32.0, median("memory per connection, TLS"), "kibibytes per connection, TLS"),
    ];
    Ok(Part { name: "browsers", figures, claims })
}

/// The browsers are driven by `xtask/browsers/bench.mjs`, which prints samples in milliseconds.
fn latency() -> Result<Vec<Figure>, Failure> {
    let mut command: Command = browsers::script("bench.mjs", service::binary(Build::Optimised)?)?;
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

#[derive(Clone, Copy)]
enum Way {
    Floor,
    Clear,
    Tls,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Floor => "bare tungstenite in clear text",
            Self::Clear => "clear text",
            Self::Tls => "TLS",
        }
    }
}

async fn idle(way: Way, count: usize) -> Result<Vec<Figure>, Failure> {
    if let Way::Floor = way {
        let floor = Floor::start()?;
        let (memory, _) = connected(way, floor.process(), &Target::clear(floor.port), count).await?;
        return Ok(vec![memory]);
    }
    let service = Service::start(&service::binary(Build::Optimised)?, "connections")?;
    let port = service.port()?;
    let target = match way {
        Way::Floor | Way::Clear => Target::clear(port),
        Way::Tls => Target::tls(port, &service.certificate())?,
    };
    let (memory, clients) = connected(way, service.process(), &target, count).await?;
    let took = connections::deliver(port, clients).await?;
    let time = Figure {
        name: format!("one message to each of {count}, {}", way.as_str()),
        unit: "ms",
        samples: vec![took.as_secs_f64() * 1000.0],
    };
    Ok(vec![memory, time])
}

/// Connects them all; the memory each of them costs.
async fn connected(
    way: Way,
    process: u32,
    target: &Target,
    count: usize,
) -> Result<(Figure, Vec<connections::Client>), Failure> {
    // The first connections pay for what is made once.
    drop(connections::open(target, 16).await?);
    let before = machine::resident_kibibytes(process)?;
    let clients = connections::open(target, count).await?;
    let after = machine::resident_kibibytes(process)?;
    #[expect(clippy::cast_precision_loss, reason = "a count of descriptors")]
    let each = (after - before) / count as f64;
    let name = format!("memory per connection, {}, {count} idle", way.as_str());
    Ok((Figure { name, unit: "KiB", samples: vec![each] }, clients))
}

/// As many as the descriptors of a process allow.
fn connections() -> Result<usize, Failure> {
    let text = std::fs::read_to_string("/proc/self/limits").context("/proc/self/limits")?;
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let allowed = line.split_whitespace().nth(3).and_then(|word| word.parse::<usize>().ok());
    Ok(allowed.map_or(CONNECTIONS, |allowed| CONNECTIONS.min(allowed.saturating_sub(OTHER_DESCRIPTORS))))
}
