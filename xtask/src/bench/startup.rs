//! How long `push serve` takes until it accepts connections, and how much memory it holds when idle.

use std::{fs, time::Instant};

use super::{
    Part,
    figures::{Claim, Figure, Scale},
    machine, push_build,
};
use crate::{
    failure::{Context, Failure},
    service::{self, Service},
};

const STARTS: usize = 21;

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let program = service::binary(push_build(scale))?;
    let mut ready =
        Figure { name: "push serve, until it is ready".to_owned(), unit: "ms", samples: Vec::new() };
    let mut memory =
        Figure { name: "push serve, resident when idle".to_owned(), unit: "MB", samples: Vec::new() };
    for start in 0..=scale.or(STARTS, 1) {
        let clock = Instant::now();
        let service = Service::start(&program, "startup")?;
        let took = clock.elapsed().as_secs_f64() * 1000.0;
        // It says that it is ready only when it is; asking proves it.
        service.push(&["ready"])?;
        if start > 0 {
            ready.samples.push(took);
            memory.samples.push(resident_megabytes(service.process())?);
        }
    }
    let size = fs::metadata(&program).context(program.display())?.len();
    #[expect(clippy::cast_precision_loss, reason = "a program is smaller than 2^53 octets")]
    let size = Figure::once("the program", "MB", size as f64 / 1e6);
    let claims = vec![
        Claim::at_most(50.0, ready.median(), "milliseconds until ready"),
        Claim::at_most(20.0, memory.median(), "megabytes when idle"),
        Claim::at_most(16.0, size.median(), "megabytes of program"),
    ];
    let notes =
        vec!["Wall time, from the start of the process until it has said that it is ready.".to_owned()];
    let figures = vec![ready, memory, size];
    Ok(Part { name: "startup", title: "Starting `push serve`", figures, claims, notes })
}

fn resident_megabytes(process: u32) -> Result<f64, Failure> {
    Ok(machine::resident_kibibytes(process)? * 1024.0 / 1e6)
}
