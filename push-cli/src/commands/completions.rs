//! `push completions`: completions for a shell, made from the tree of commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::{cli::Cli, diagnostic::Result, output::Output};

/// Completions for a shell, on stdout.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  push completions bash > ~/.local/share/bash-completion/completions/push\n  push completions fish > ~/.config/fish/completions/push.fish"
)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &CompletionsArgs, out: Output) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "push", &mut text);
    if out.is_json() {
        let script = String::from_utf8_lossy(&text);
        return out.object(json!({"shell": args.shell.to_string(), "script": script}));
    }
    out.octets(&text)
}
