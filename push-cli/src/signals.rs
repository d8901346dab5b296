//! What ends a command that runs until it is told to: Ctrl-C; where there are signals SIGTERM, SIGQUIT and SIGHUP too,
//! so that a closed terminal leaves nothing behind.

use crate::{
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
};

/// Installed before a command says that it is ready, so that whoever reads that can end it properly.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    quit: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    /// Takes the signals; `what` is what they end.
    pub(crate) fn install(what: &str) -> Result<Self> {
        let installed = || -> std::io::Result<Self> {
            #[cfg(unix)]
            {
                use tokio::signal::unix::{SignalKind, signal};
                Ok(Self {
                    interrupt: signal(SignalKind::interrupt())?,
                    terminate: signal(SignalKind::terminate())?,
                    quit: signal(SignalKind::quit())?,
                    // Under nohup the end of the terminal is no reason to end.
                    hangup: if is_hangup_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
                })
            }
            #[cfg(windows)]
            {
                Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
            }
        };
        installed().map_err(|error| {
            Diagnostic::new(
                ExitCode::UNEXPECTED,
                "signals",
                format!("{what} cannot be told to stop by signals"),
            )
            .why(crate::text::io_error(&error))
        })
    }

    /// Until one comes.
    pub(crate) async fn wait(mut self) {
        self.next().await;
    }

    /// Until the next one comes; what a command ends with that could not finish because of it. Cancel-safe.
    pub(crate) async fn next(&mut self) -> ExitCode {
        #[cfg(unix)]
        {
            let hangup = async {
                match &mut self.hangup {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.interrupt.recv() => ExitCode::INTERRUPTED,
                _ = self.terminate.recv() => ExitCode::TERMINATED,
                _ = self.quit.recv() => ExitCode::INTERRUPTED,
                _ = hangup => ExitCode::INTERRUPTED,
            }
        }
        #[cfg(windows)]
        {
            self.interrupt.recv().await;
            ExitCode::INTERRUPTED
        }
    }
}

/// True when whoever started this process has it ignore SIGHUP; known on Linux only.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
