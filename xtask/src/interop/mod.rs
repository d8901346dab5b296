//! `interop`: other libraries in both directions. What we write they read, what they write we read.
//!
//! One file per matter: `codings` bodies and their header fields, `vapid` tokens, `service` whole sends into
//! `push serve` and out of `push send`. Versions are pinned in `xtask/interop` and `xtask/peers`.

mod codings;
mod peer;
mod service;
mod vapid;

use std::process::Command;

pub(crate) use peer::Peer;
#[cfg(feature = "bench")]
pub(crate) use service::OtherService;

use crate::{failure::Failure, install, workspace};

/// The programs on the other side.
pub(crate) struct Peers {
    pub(crate) node: Peer,
    pub(crate) python: Peer,
    pub(crate) rust: Peer,
}

impl Peers {
    /// Installs what is missing and starts them.
    fn start() -> Result<Self, Failure> {
        Ok(Self { node: node(None)?, python: python(&[])?, rust: rust()? })
    }

    fn get(&mut self, place: Place) -> &mut Peer {
        match place {
            Place::Node => &mut self.node,
            Place::Python => &mut self.python,
            Place::Rust => &mut self.rust,
        }
    }
}

/// Which program a library lives in.
#[derive(Clone, Copy)]
enum Place {
    Node,
    Python,
    Rust,
}

/// The packages of npm, trusting a certificate authority of ours as well.
pub(crate) fn node(authority: Option<&std::path::Path>) -> Result<Peer, Failure> {
    let folder = install::node_packages("xtask/interop", "node")?;
    let mut command = Command::new("node");
    command.arg("--no-warnings").arg(workspace::root().join("xtask/interop/peer.mjs")).arg(folder);
    if let Some(path) = authority {
        command.env("NODE_EXTRA_CA_CERTS", path);
    }
    Peer::start(command)
}

/// The packages of PyPI, with further variables.
pub(crate) fn python(variables: &[(String, String)]) -> Result<Peer, Failure> {
    let mut command = Command::new(install::python_packages()?);
    command
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .arg(workspace::root().join("xtask/interop/peer.py"));
    Peer::start(command)
}

/// The crates of `xtask/peers`.
pub(crate) fn rust() -> Result<Peer, Failure> {
    Peer::start(Command::new(install::rust_peers()?))
}

/// The same, trusting a certificate of ours; OpenSSL reads this variable.
#[cfg(feature = "bench")]
pub(crate) fn rust_trusting(certificate: &std::path::Path) -> Result<Peer, Failure> {
    let mut command = Command::new(install::rust_peers()?);
    command.env("SSL_CERT_FILE", certificate);
    Peer::start(command)
}

/// Runs the cases whose name contains the word, or all.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let word = arguments.first().cloned().unwrap_or_default();
    let mut peers = Peers::start()?;
    let mut cases = Cases { word, passed: 0, failed: 0 };
    codings::run(&mut peers, &mut cases);
    vapid::run(&mut peers, &mut cases);
    service::run(&mut peers, &mut cases)?;
    cases.finish()
}

/// Named cases, each one line.
pub(crate) struct Cases {
    word: String,
    passed: usize,
    failed: usize,
}

impl Cases {
    /// Runs one; what it returns is said in its line.
    pub(crate) fn case(&mut self, name: &str, work: impl FnOnce() -> Result<String, Failure>) {
        if !name.contains(&self.word) {
            return;
        }
        match work() {
            Ok(note) => {
                self.passed += 1;
                println!("  ok      {name}  ({note})");
            }
            Err(failure) => {
                self.failed += 1;
                println!("  FAILED  {name}: {failure}");
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        let Self { passed, failed, word } = self;
        println!("  {passed} ok, {failed} failed");
        if failed > 0 {
            return Err(Failure::new(format!("{failed} of {} cases with other libraries", passed + failed)));
        }
        if passed == 0 {
            return Err(Failure::new(format!("no case contains {word:?}")));
        }
        Ok(())
    }
}
