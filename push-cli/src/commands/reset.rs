//! `push reset`: back to a clean space, or the whole service.

use clap::Args;
use serde_json::json;

use crate::{
    api::Api,
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    environment,
    output::Output,
    text,
};

/// Back to a clean space: no messages, clock real, simulated subscriptions
/// removed. Doing it twice is no error.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push reset --space t1\n  push reset --all")]
pub(crate) struct ResetArgs {
    /// The whole service, all spaces
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: &ResetArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    if args.all && args.service.space.is_some() && args.service.space != environment::variable("PUSH_SPACE") {
        return Err(Diagnostic::usage("--all and --space exclude each other").fix("leave one out"));
    }
    // A space that the environment names for all commands does not stand against --all.
    let api = if args.all { api.everywhere() } else { api };
    let body = if args.all { json!({"all": true}) } else { json!({"space": api.space()}) };
    let answer = api.post("/reset", &body).await?;
    if out.is_json() {
        return out.object(answer);
    }
    let what = if args.all { "all spaces".to_owned() } else { text::escape(api.space()) };
    out.line(format!("{what}: clean"))
}
