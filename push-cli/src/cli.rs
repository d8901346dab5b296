//! The tree of commands; what each takes is declared beside what it does, in `commands/`.

use clap::{Args, Parser, Subcommand};

use crate::{commands, output::ColorWhen};

/// See, test and break Web Push on your own machine.
///
/// A local push service that decrypts, checks and explains every message, a
/// sender, and tools to look inside messages.
#[derive(Debug, Parser)]
#[command(
    name = "push",
    bin_name = "push",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Start with:
  push serve                     the service, on http://localhost:8030
  push send demo \"Hello\"         in another terminal

push help COMMAND explains a command, push help CODE a finding, and
push help exit-codes what the numbers mean."
)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Everywhere {
    /// Print JSON: one object, or one per line for lists
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: ColorWhen,
    /// Say less
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Say more: causes of errors; with serve, the log
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Which service, and which space in it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServiceArgs {
    /// Where the service is
    #[arg(
        long,
        env = "PUSH_URL",
        value_name = "URL",
        default_value = "http://localhost:8030",
        hide_env_values = true
    )]
    pub(crate) url: String,
    /// The space to work in [default: default]
    #[arg(long, env = "PUSH_SPACE", value_name = "S", hide_env_values = true)]
    pub(crate) space: Option<String>,
    /// Token of the service, or @FILE
    #[arg(long, env = "PUSH_TOKEN", value_name = "T", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: push resources and API on one port
    Serve(Box<commands::serve::ServeArgs>),
    /// Fill a running service with one message of every kind
    Demo(commands::demo::DemoArgs),
    /// A stock browser wired to the service
    Browser(Box<commands::browser::BrowserArgs>),
    /// Send one message to one or several receivers
    Send(Box<commands::send::SendArgs>),
    /// Send one message to each receiver of a list, and go on after a crash
    Bulk(Box<commands::bulk::BulkArgs>),
    /// The sender's address book
    Recipient(commands::recipient::RecipientArgs),
    /// Look at messages
    Msg(commands::msg::MsgArgs),
    /// Show one message (short for push msg show)
    Show(commands::msg::ShowArgs),
    /// Wait until messages match, or explain why not
    Wait(Box<commands::wait::WaitArgs>),
    /// Follow what happens
    Watch(commands::watch::WatchArgs),
    /// Explain a subscription, header, token, request, endpoint, key or payload
    Inspect(commands::inspect::InspectArgs),
    /// Encrypt a payload for a subscription; nothing is sent
    Encrypt(commands::encrypt::EncryptArgs),
    /// Decrypt a captured body
    Decrypt(commands::decrypt::DecryptArgs),
    /// Subscriptions and their user agents
    Sub(commands::sub::SubArgs),
    /// The clock of a space: freeze it, move it, let it run
    Clock(commands::clock::ClockArgs),
    /// Spaces: isolated worlds in one service
    Space(commands::space::SpaceArgs),
    /// Back to a clean space, or a clean service with --all
    Reset(commands::reset::ResetArgs),
    /// VAPID keys: make, show, convert, check
    Keys(commands::keys::KeysArgs),
    /// Make VAPID keys (alias of push keys new)
    #[command(name = "generate-vapid-keys", hide = true)]
    GenerateVapidKeys(commands::keys::NewArgs),
    /// Variables that let other programs find and trust the service
    Env(commands::env::EnvArgs),
    /// The certificate of the local CA
    Ca(commands::ca::CaArgs),
    /// Exit 0 when the service answers
    Ready(commands::ready::ReadyArgs),
    /// Measure this machine
    Bench(commands::bench::BenchArgs),
    /// Explain a command, a finding or the exit codes
    Help(commands::help::HelpArgs),
    /// Completions for a shell
    Completions(commands::completions::CompletionsArgs),
    /// The manual page, in roff
    Man(commands::man::ManArgs),
    /// The version
    Version(commands::version::VersionArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn tree() -> clap::Command {
        let mut tree = Cli::command();
        tree.build();
        tree
    }

    /// Every command with a handler of its own, with its path.
    fn leaves(command: &clap::Command, path: &str, out: &mut Vec<(String, clap::Command)>) {
        for child in command.get_subcommands() {
            let path = format!("{path} {}", child.get_name());
            if child.has_subcommands() {
                leaves(child, &path, out);
            } else {
                out.push((path, child.clone()));
            }
        }
    }

    /// A command line as a shell would split it: blanks, single and double quotes.
    fn split(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted, mut any) = (Vec::new(), String::new(), None, false);
        for c in line.chars() {
            match (quoted, c) {
                (None, ' ') => {
                    if any || !word.is_empty() {
                        words.push(std::mem::take(&mut word));
                    }
                    any = false;
                }
                (None, '"' | '\'') => (quoted, any) = (Some(c), true),
                (Some(q), c) if q == c => quoted = None,
                (_, c) => word.push(c),
            }
        }
        if any || !word.is_empty() {
            words.push(word);
        }
        words
    }

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_fits_eighty_columns() {
        let mut all = Vec::new();
        leaves(&tree(), "push", &mut all);
        all.push(("push".to_owned(), tree()));

        for (path, command) in all {
            for text in [command.clone().render_help(), command.clone().render_long_help()] {
                for line in text.to_string().lines() {
                    assert!(line.chars().count() <= 80, "{path}: {line}");
                }
            }
        }
    }

    #[test]
    fn every_command_ends_with_two_examples_that_parse() {
        let mut all = Vec::new();
        leaves(&tree(), "push", &mut all);

        for (path, command) in all {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let text = text.replace(" \\\n    ", " ");
            let examples: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  push ")).collect();
            assert!(text.starts_with("Examples:\n"), "{path} has no examples");
            assert!(examples.len() >= 2, "{path} has {} examples", examples.len());
            for example in examples {
                let end = example.find([';', '|', '>', '<']).filter(|at| !example[..*at].contains('\''));
                let command = end.map_or(example, |at| example[..at].trim_end_matches([' ', '2']));
                let command = command.split("  #").next().unwrap_or(command);
                let mut words = vec!["push".to_owned()];
                words.extend(split(command));
                let result = Cli::command().try_get_matches_from(&words);
                assert!(result.is_ok(), "{path}: {example}\n{}", result.unwrap_err());
            }
        }
    }
}
