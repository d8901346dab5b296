//! `push ready`: does the service answer? For scripts, containers and CI.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::{
    api::Api,
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::Output,
    text,
};

/// How often it is asked (our choice: a start takes about ten milliseconds).
const EVERY: Duration = Duration::from_millis(50);

/// Exit 0 when the service answers, 3 when it does not.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push ready\n  push ready --wait 30s --url http://localhost:8030")]
pub(crate) struct ReadyArgs {
    /// Keep asking for so long
    #[arg(long, value_name = "DUR", value_parser = text::parse_duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: &ReadyArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let asking = async {
        let mut timer = tokio::time::interval(EVERY);
        loop {
            timer.tick().await;
            match ask(&api).await {
                Err(_) if args.wait.is_some() => {}
                result => return result,
            }
        }
    };
    match args.wait {
        None => asking.await?,
        Some(wait) => match tokio::time::timeout(wait, asking).await {
            Ok(result) => result?,
            Err(_) => {
                let last = ask(&api).await;
                last.map_err(|error| {
                    Diagnostic::new(
                        ExitCode::UNREACHABLE,
                        "service/not-ready",
                        format!(
                            "the service was not ready within {}: {}",
                            text::human_duration(wait),
                            api.origin()
                        ),
                    )
                    .why(error.message())
                    .fix("start it with push serve, and look at its own messages")
                })?;
            }
        },
    }
    if out.is_json() {
        out.object(json!({"url": api.origin().to_string()}))
    } else {
        out.note(format!("ready: {}", api.origin()));
        Ok(())
    }
}

async fn ask(api: &Api) -> Result<()> {
    let reply = api.probe("/readyz").await?;
    if reply.status.is_success() {
        return Ok(());
    }
    Err(Diagnostic::new(
        ExitCode::UNREACHABLE,
        "service/not-ready",
        format!("{} answers, but is not ready ({})", api.origin(), reply.status),
    )
    .why("it is starting or stopping, or it is another program")
    .fix("push ready --wait 10s waits for it"))
}
