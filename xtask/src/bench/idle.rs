//! What connections cost that wait for messages: memory of ten thousand of them, and the time to reach each.

use std::path::Path;

use tokio::runtime;

use super::{
    Part,
    connections::{self, Target},
    figures::{Claim, Figure, Scale, median},
    floor::{Floor, Role},
    machine, push_build,
};
use crate::{
    failure::{Context, Failure},
    service::{self, Service},
};

/// Connections at once, as many as were promised.
const CONNECTIONS: usize = 10_000;
/// Descriptors that each of the two processes needs besides its connections.
const OTHER_DESCRIPTORS: usize = 256;

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
    let program = service::binary(push_build(scale))?;
    let count = scale.or(connections()?, 200);
    let mut figures = Vec::new();
    for way in [Way::Floor, Way::Clear, Way::Tls] {
        figures.extend(runtime.block_on(idle(&program, way, count))?);
    }
    let of = |name: &str| median(&figures, name);
    let claims = vec![
        Claim::at_most(9.0, of("memory per connection, clear"), "idle autopush connection, clear text: KiB"),
        Claim::at_most(30.0, of("memory per connection, TLS"), "idle autopush connection, TLS: KiB"),
    ];
    let notes = vec![format!(
        "Resident memory of the service, before and after {count} connections; bare tungstenite is a process that answers what it is sent, with buffers of 1 KiB."
    )];
    Ok(Part { name: "idle", title: "Idle autopush connections", figures, claims, notes })
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

async fn idle(program: &Path, way: Way, count: usize) -> Result<Vec<Figure>, Failure> {
    if let Way::Floor = way {
        let floor = Floor::start(Role::Echo)?;
        let (memory, _) = connected(way, floor.process(), &Target::clear(floor.port), count).await?;
        return Ok(vec![memory]);
    }
    let service = Service::start(program, "connections")?;
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
