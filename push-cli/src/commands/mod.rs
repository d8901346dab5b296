//! One file per command: what it takes and what it does.

pub(crate) mod bench;
pub(crate) mod browser;
pub(crate) mod bulk;
pub(crate) mod ca;
pub(crate) mod clock;
pub(crate) mod completions;
pub(crate) mod decrypt;
pub(crate) mod demo;
pub(crate) mod encrypt;
pub(crate) mod env;
pub(crate) mod help;
pub(crate) mod inspect;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod msg;
pub(crate) mod ready;
pub(crate) mod recipient;
pub(crate) mod reset;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod space;
pub(crate) mod sub;
pub(crate) mod version;
pub(crate) mod wait;
pub(crate) mod watch;

use crate::{cli::Command, config::Parsed, diagnostic::Result, exit_code::ExitCode, output::Output};

/// Runs the command; the code is what the process ends with.
pub(crate) async fn run(parsed: Parsed, out: Output) -> Result<ExitCode> {
    let Parsed { cli, settings, limits } = parsed;
    match cli.command {
        Command::Serve(args) => {
            let run = serve::Run { settings, limits, verbose: cli.everywhere.verbose };
            return serve::run(*args, run, out).await;
        }
        Command::Bulk(args) => return bulk::run(*args, out).await,
        Command::Send(args) => return send::run(*args, out).await,
        Command::Browser(args) => return browser::run(*args, out).await,
        Command::Inspect(args) => return inspect::run(&args, out),
        Command::Demo(args) => demo::run(args, out).await?,
        Command::Recipient(args) => recipient::run(args, out)?,
        Command::Msg(args) => msg::run(args, out).await?,
        Command::Show(args) => msg::show(&args, out).await?,
        Command::Wait(args) => wait::run(*args, out).await?,
        Command::Watch(args) => watch::run(args, out).await?,
        Command::Encrypt(args) => encrypt::run(&args, out)?,
        Command::Decrypt(args) => decrypt::run(&args, out)?,
        Command::Sub(args) => sub::run(args, out).await?,
        Command::Clock(args) => clock::run(args, out).await?,
        Command::Space(args) => space::run(args, out).await?,
        Command::Reset(args) => reset::run(&args, out).await?,
        Command::Keys(args) => keys::run(args, out).await?,
        Command::GenerateVapidKeys(args) => keys::new(&args, out)?,
        Command::Bench(args) => bench::run(args, out).await?,
        Command::Env(args) => env::run(&args, out).await?,
        Command::Ca(args) => ca::run(&args, out)?,
        Command::Ready(args) => ready::run(&args, out).await?,
        Command::Help(args) => help::run(&args, out)?,
        Command::Completions(args) => completions::run(&args, out)?,
        Command::Man(args) => man::run(&args, out)?,
        Command::Version(args) => version::run(&args, out)?,
    }
    Ok(ExitCode::SUCCESS)
}
