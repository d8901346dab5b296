//! `push space`: isolated worlds in one service.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    api::{Api, encode},
    cli::ServiceArgs,
    commands::clock,
    diagnostic::Result,
    message::member,
    output::Output,
    text,
};

/// Spaces: isolated worlds in one service.
#[derive(Args, Debug)]
pub(crate) struct SpaceArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a space
    #[command(
        after_help = "Examples:\n  push space new t1\n  push space new air --clock frozen --now 2026-11-23T08:00:00Z"
    )]
    New(NewArgs),
    /// List the spaces
    #[command(after_help = "Examples:\n  push space ls\n  push space ls --json")]
    Ls(ListArgs),
    /// Remove a space with everything inside
    #[command(after_help = "Examples:\n  push space rm t1\n  push space rm t1 t2")]
    Rm(RemoveArgs),
}

#[derive(Args, Debug)]
struct NewArgs {
    /// Its name
    name: String,
    /// How its clock starts
    #[arg(long, value_parser = ["real", "frozen"], value_name = "real|frozen")]
    clock: Option<String>,
    /// What its clock shows; may lie in the past
    #[arg(long, value_name = "TIME", value_parser = text::time_argument)]
    now: Option<String>,
    /// Profile of its new subscriptions
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args, Debug)]
struct RemoveArgs {
    /// Their names
    #[arg(required = true)]
    name: Vec<String>,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Runs the command.
pub(crate) async fn run(args: SpaceArgs, out: Output) -> Result<()> {
    match args.action {
        Action::New(args) => create(&args, out).await,
        Action::Ls(args) => list(&args, out).await,
        Action::Rm(args) => remove(&args, out).await,
    }
}

async fn create(args: &NewArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    let mut body = json!({"name": args.name});
    let members = [("clock", &args.clock), ("now", &args.now), ("profile", &args.profile)];
    for (name, value) in members {
        if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
            body.insert(name.into(), value.as_str().into());
        }
    }
    let space = api.post("/spaces", &body).await?;
    if out.is_json() {
        return out.object(space);
    }
    let clock = api.in_space(&args.name).get("/clock", &[]).await?;
    out.line(clock::describe(&clock, false))
}

async fn list(args: &ListArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    for space in api.items("/spaces", &[]).await? {
        if out.is_json() {
            out.record(&space)?;
            continue;
        }
        let name = member(&space, "name");
        let clock = api.in_space(name).get("/clock", &[]).await?;
        let count = |name: &str, one: &str| {
            let number = space.get(name).and_then(Value::as_u64);
            number.map(|number| format!("  {}", text::count(usize::try_from(number).unwrap_or(0), one)))
        };
        let counts = [count("subscriptions", "subscription"), count("messages", "message")];
        let counts: String = counts.into_iter().flatten().collect();
        out.line(format!("{}{counts}", clock::describe(&clock, false)))?;
    }
    Ok(())
}

async fn remove(args: &RemoveArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    for name in &args.name {
        api.delete(&format!("/spaces/{}", encode(name)), &[]).await?;
        if !out.is_json() {
            out.line(format!("{}: removed", text::escape(name)))?;
        }
    }
    if out.is_json() { out.object(json!({"removed": args.name})) } else { Ok(()) }
}
