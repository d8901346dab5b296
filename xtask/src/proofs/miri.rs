//! `miri`: the safe twin of the lanes, and what is around them, in an interpreter that sees undefined behaviour.

use std::process::Command;

use crate::{failure::Failure, install, process, workspace};

/// What is worth an interpreter's hours: the field, whole agreements of the twins, refusals, and the codings.
const TESTS: &[&str] = &[
    "provider::p256_ifma::tests::field",
    "provider::p256_ifma::tests::refusals::scalars_are",
    "provider::p256_ifma::tests::agreement::known_answers",
    "coding::",
    "protocol::",
];

pub(super) fn run(_smoke: bool) -> Result<(), Failure> {
    install::nightly(&["miri", "rust-src"])?;
    // Not the cargo that runs this, which has a compiler of its own.
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    command.env("RUSTUP_TOOLCHAIN", "nightly").env("MIRIFLAGS", "-Zmiri-disable-isolation");
    command.args(["miri", "test", "--locked", "--package", "push-crypto", "--lib", "--no-default-features"]);
    command.args(["--features", "legacy,os_random,p256_ifma", "--target-dir"]);
    command.arg(workspace::target().join("miri")).arg("--");
    process::run(command.args(TESTS))
}
