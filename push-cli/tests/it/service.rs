//! A `push serve` of a test: its own port, its own home directory, ended when dropped.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

/// The binary under test.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_push");

/// A running service.
pub(crate) struct Service {
    child: Child,
    home: tempfile::TempDir,
    /// Its port.
    pub(crate) port: u16,
}

impl Service {
    /// Starts it and waits until its port is open.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = command(home.path())
            .args(["serve", "--port", "0", "--log-format", "json"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(ready["type"], "ready", "{ready}");
        // Somebody has to read on, or the service would block on a full pipe.
        std::thread::spawn(move || for _ in lines {});
        Self { child, home, port: ready["port"].as_u64().unwrap().try_into().unwrap() }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The home directory of it and of the commands.
    pub(crate) fn home(&self) -> std::path::Display<'_> {
        self.home.path().display()
    }

    /// The variables that commands need.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut variables = isolation(self.home.path());
        variables.push(("PUSH_URL".to_owned(), self.url()));
        variables
    }

    /// A command that speaks to it.
    pub(crate) fn push(&self, line: &[&str]) -> std::process::Output {
        command(self.home.path()).args(line).env("PUSH_URL", self.url()).output().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, without the settings of whoever runs the tests.
pub(crate) fn command(home: &std::path::Path) -> Command {
    let mut command = Command::new(BIN);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PUSH_")) {
        command.env_remove(name);
    }
    command.envs(isolation(home)).current_dir(home);
    command
}

fn isolation(home: &std::path::Path) -> Vec<(String, String)> {
    let path = |name: &str| home.join(name).display().to_string();
    vec![
        ("HOME".to_owned(), home.display().to_string()),
        ("XDG_CONFIG_HOME".to_owned(), path("config")),
        ("XDG_DATA_HOME".to_owned(), path("data")),
        ("XDG_STATE_HOME".to_owned(), path("state")),
        ("NO_COLOR".to_owned(), "1".to_owned()),
    ]
}
