//! `push bench`: what this machine does per second and core, in short.

mod clock;
mod crypto;
mod load;
mod report;
mod send;
mod service;
mod side;

use clap::{Args, Subcommand};

use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::Output,
};

/// Measure this machine: encryptions, sends, accepted and delivered messages
/// per second and core.
#[derive(Args, Debug)]
#[command(arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Encryptions, decryptions, signatures and verifications
    Crypto(crypto::CryptoArgs),
    /// Our sender into a sink of ours, both timed
    Send(send::SendArgs),
    /// A service of ours under load
    Service(service::ServiceArgs),
}

/// Samples of each figure, taken in turns (our choice: a median of them ignores two slow ones).
const ROUNDS: usize = 5;
/// Octets of a payload: what a push message typically is.
const OCTETS: usize = 1024;
/// Messages that are encrypted together when nothing else is said.
const BATCH: usize = 64;

/// Runs the command, on a thread where it may take its time.
pub(crate) async fn run(args: BenchArgs, out: Output) -> Result<()> {
    let measuring = tokio::task::spawn_blocking(move || match args.what {
        What::Crypto(args) => crypto::run(&args, out),
        What::Send(args) => send::run(&args, out),
        What::Service(args) => service::run(&args, out),
    });
    measuring.await.map_err(|error| failed("the measurement stopped", error.to_string()))?
}

/// Something of our own that should have worked.
fn failed(what: &str, why: impl Into<String>) -> Diagnostic {
    Diagnostic::new(ExitCode::UNEXPECTED, "bench", what).why(why)
}
