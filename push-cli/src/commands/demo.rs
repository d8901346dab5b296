//! `push demo`: one message of every kind, in a space and on a clock of its own.
//!
//! Everything goes over HTTP to the running service: the demo is also a smoke test, so an outcome which is not the
//! documented one is an error.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    api::Api,
    cli::ServiceArgs,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    message::{self, member},
    output::{BOLD, DIM, Output, styled},
};

mod application;
mod sender;
mod story;

pub(crate) use self::sender::path_2016;

/// Where everything happens.
const SPACE: &str = "demo";
/// What its clock shows at the start: any time would do; this one is in the documentation.
const BEGIN: &str = "2026-11-23T08:00:00Z";

/// Fill a running service with one message of every kind, in space demo.
///
/// The space is made anew each time, with a frozen clock of its own.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  push demo\n  push demo --json")]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    service: ServiceArgs,
}

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// Each message, as it comes.
    Each,
    /// Nobody: the service itself tells.
    Nothing,
}

/// Runs the command.
pub(crate) async fn run(args: DemoArgs, out: Output) -> Result<()> {
    let api = Api::new(&args.service)?;
    play(&api, Tell::Each, out).await
}

/// Plays the whole demo.
pub(crate) async fn play(api: &Api, tell: Tell, out: Output) -> Result<()> {
    let stage = Stage::set(api, tell, out).await?;
    story::play(&stage).await?;
    stage.say(&format!("Look at them: push msg ls --space {SPACE}      push show ID --space {SPACE}"))
}

/// The space, and how to tell.
struct Stage {
    api: Api,
    tell: Tell,
    out: Output,
}

impl Stage {
    /// Makes the space anew.
    async fn set(api: &Api, tell: Tell, out: Output) -> Result<Self> {
        let api = api.in_space(SPACE);
        // It may be there from an earlier demo, and it may not: both are fine.
        let spaces = api.items("/spaces", &[]).await?;
        if spaces.iter().any(|space| member(space, "name") == SPACE) {
            api.delete(&format!("/spaces/{SPACE}"), &[]).await?;
        }
        api.post("/spaces", &json!({"name": SPACE, "clock": "frozen", "now": BEGIN})).await?;
        Ok(Self { api, tell, out })
    }

    /// A heading or a remark.
    fn say(&self, line: &str) -> Result<()> {
        if self.tell == Tell::Nothing || self.out.is_json() || self.out.is_quiet() {
            return Ok(());
        }
        self.out.line(styled(DIM, line))
    }

    /// What came of the newest message: told, and compared with what the documentation says.
    async fn show(&self, title: &str, id: &str, expected: &Expected) -> Result<()> {
        let message = self.message(id).await?;
        if self.tell == Tell::Each {
            if self.out.is_json() {
                self.out.record(&json!({"step": title, "message": message}))?;
            } else {
                self.out.line(line(title, &message))?;
            }
        }
        expected.check(title, &message)
    }

    /// The message as it is now.
    async fn message(&self, id: &str) -> Result<Value> {
        self.api.get(&format!("/messages/{id}"), &[]).await
    }

    /// Id of the newest message of the space.
    async fn newest(&self) -> Result<String> {
        let newest = self.api.list("/messages", &[], 1).await?;
        let id = newest.first().map(|message| member(message, "id").to_owned());
        id.ok_or_else(|| Diagnostic::new(ExitCode::UNEXPECTED, "demo", "the service recorded no message"))
    }

    /// Moves the clock.
    async fn advance(&self, by: &str) -> Result<()> {
        self.api.post("/clock", &json!({"advance": by})).await?;
        Ok(())
    }

    /// Airplane mode on or off.
    async fn switch(&self, label: &str, online: bool) -> Result<()> {
        self.api.patch(&crate::commands::sub::path(label), &json!({"online": online})).await?;
        Ok(())
    }
}

/// What the documentation promises of a step.
#[derive(Clone, Debug, Default)]
struct Expected {
    status: u64,
    state: &'static str,
    finding: Option<&'static str>,
}

impl Expected {
    const fn new(status: u64, state: &'static str) -> Self {
        Self { status, state, finding: None }
    }

    const fn finding(self, code: &'static str) -> Self {
        Self { finding: Some(code), ..self }
    }

    fn check(&self, title: &str, message: &Value) -> Result<()> {
        let status = message.pointer("/response/status").and_then(Value::as_u64).unwrap_or(0);
        let state = member(message, "state");
        let findings = message.get("findings").and_then(Value::as_array);
        let mut codes = findings.into_iter().flatten().map(|finding| member(finding, "code"));
        let missing = self.finding.filter(|code| !codes.any(|seen| seen == *code));
        if status == self.status && state == self.state && missing.is_none() {
            return Ok(());
        }
        let finding = missing.map(|code| format!(" with {code}")).unwrap_or_default();
        Err(Diagnostic::new(ExitCode::UNEXPECTED, "demo/outcome", format!("the demo went wrong at: {title}"))
            .why(format!(
                "the message is {status} {state}, it should be {} {}{finding}",
                self.status, self.state
            ))
            .fix("please report this; push show ID --space demo tells what the service saw"))
    }
}

/// `a JSON notification                  laptop  201 acknowledged  ttl 60  "Goal!"                 7F3K`
fn line(title: &str, message: &Value) -> String {
    let gap = 34_usize.saturating_sub(title.chars().count());
    format!("{}{:gap$}  {}", styled(BOLD, title), "", message::demo_line(message))
}
