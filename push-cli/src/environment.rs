//! What the process finds around it: the environment, the wall clock, the user's directories.
//!
//! The only place of the command line that reads them; the libraries never do.

use std::{env, path::PathBuf, time::SystemTime};

use push_crypto::Timestamp;

/// A variable of the environment; empty counts as absent, as does text that is not UTF-8.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    let value = env::var(name);
    value.ok().filter(|value| !value.is_empty())
}

/// True when the variable is set to nothing, as scripts do that leave a value out.
pub(crate) fn is_empty(name: &std::ffi::OsStr) -> bool {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    let value = env::var_os(name);
    value.is_some_and(|value| value.is_empty())
}

/// Wall time.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the command line's one reader of the clock")]
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::default().after(since)
}

/// The user's directories of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directory {
    /// `push.toml`.
    Config,
    /// The address book.
    Data,
    /// The local CA.
    State,
}

impl Directory {
    /// Where it is: XDG variables, else the system's habit; none without a home.
    pub(crate) fn path(self) -> Option<PathBuf> {
        let (xdg, unix) = match self {
            Self::Config => ("XDG_CONFIG_HOME", ".config"),
            Self::Data => ("XDG_DATA_HOME", ".local/share"),
            Self::State => ("XDG_STATE_HOME", ".local/state"),
        };
        let base = variable(xdg).map(PathBuf::from).filter(|path| path.is_absolute());
        base.or_else(|| system_base(unix)).map(|base| base.join("push"))
    }
}

fn system_base(unix: &str) -> Option<PathBuf> {
    if cfg!(windows) {
        return variable("APPDATA").map(PathBuf::from);
    }
    let home = PathBuf::from(variable("HOME")?);
    if cfg!(target_os = "macos") {
        return Some(home.join("Library/Application Support"));
    }
    Some(home.join(unix))
}
