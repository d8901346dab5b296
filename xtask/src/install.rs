//! What a machine may lack: found first, installed into the target directory where that is possible,
//! by the system's package manager where it is not, and always said aloud.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Context, Failure},
    process,
    workspace::{self, cargo, tools},
};

/// Pinned, so that a new release of the tool cannot turn a green tree red.
const CARGO_DENY: &str = "0.20.2";
const CARGO_FUZZ: &str = "0.13.2";

/// A target of the compiler.
pub(crate) fn target(name: &str) -> Result<(), Failure> {
    let installed =
        process::output(Command::new("rustc").args(["--print", "target-libdir", "--target", name]))?;
    if Path::new(installed.trim()).is_dir() {
        return Ok(());
    }
    println!("    installing the compiler's target {name}");
    process::run(Command::new("rustup").args(["target", "add", name]))
}

/// The program that checks dependencies. Compiling it takes three minutes on two cores, once.
pub(crate) fn cargo_deny() -> Result<PathBuf, Failure> {
    let ours = tools().join("bin/cargo-deny");
    for candidate in [ours.clone(), PathBuf::from("cargo-deny")] {
        if process::works(&candidate, &["--version"]) {
            return Ok(candidate);
        }
    }
    println!("    compiling cargo-deny {CARGO_DENY} into {}, once; about three minutes", tools().display());
    let mut command = cargo();
    command.args([
        "install",
        "--quiet",
        "--locked",
        "--no-default-features",
        "--version",
        CARGO_DENY,
        "cargo-deny",
    ]);
    command.arg("--root").arg(tools()).arg("--target-dir").arg(tools().join("build"));
    process::run(&mut command)?;
    // The finished program is all that is needed; its intermediate files are half a gigabyte.
    fs::remove_dir_all(tools().join("build")).context("remove the build directory of cargo-deny")?;
    Ok(ours)
}

/// The program that fuzzes, and the compiler that it needs.
pub(crate) fn cargo_fuzz() -> Result<PathBuf, Failure> {
    nightly(&["rust-src"])?;
    let ours = tools().join("bin/cargo-fuzz");
    for candidate in [ours.clone(), PathBuf::from("cargo-fuzz")] {
        if process::works(&candidate, &["--version"]) {
            return Ok(candidate);
        }
    }
    println!("    compiling cargo-fuzz {CARGO_FUZZ} into {}, once", tools().display());
    let mut command = cargo();
    command.args(["install", "--quiet", "--locked", "--version", CARGO_FUZZ, "cargo-fuzz", "--root"]);
    command.arg(tools()).arg("--target-dir").arg(tools().join("build"));
    process::run(&mut command)?;
    fs::remove_dir_all(tools().join("build")).context("remove the build directory of cargo-fuzz")?;
    Ok(ours)
}

/// Parts of a nightly compiler.
pub(crate) fn nightly(parts: &[&str]) -> Result<(), Failure> {
    if !process::works("rustc", &["+nightly", "--version"]) {
        println!("    installing a nightly compiler");
        process::run(Command::new("rustup").args([
            "toolchain",
            "install",
            "nightly",
            "--profile",
            "minimal",
        ]))?;
    }
    let installed =
        process::output(Command::new("rustup").args(["+nightly", "component", "list", "--installed"]))?;
    for part in parts {
        if !installed.lines().any(|line| line.starts_with(part)) {
            println!("    installing {part} of the nightly compiler");
            process::run(Command::new("rustup").args(["component", "add", "--toolchain", "nightly", part]))?;
        }
    }
    Ok(())
}

/// The packages of a folder's `package-lock.json`; returns the folder that holds `node_modules`.
pub(crate) fn node_packages(source: &str, name: &str) -> Result<PathBuf, Failure> {
    if !process::works("node", &["--version"]) || !process::works("npm", &["--version"]) {
        system_packages(&["nodejs", "npm"])?;
    }
    let folder = tools().join(name);
    let lock = format!("{source}/package-lock.json");
    let source = workspace::root().join(source);
    let wanted = fs::read_to_string(source.join("package-lock.json")).context(&lock)?;
    if stamp_matches(&folder, &wanted) {
        return Ok(folder);
    }
    println!("    installing the Node.js packages of {lock} into {}", folder.display());
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source.join(name), folder.join(name)).context(name)?;
    }
    let mut command = Command::new("npm");
    command.current_dir(&folder).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    process::run(&mut command)?;
    write_stamp(&folder, &wanted)?;
    Ok(folder)
}

/// The browsers as Debian ships them, the program that writes into their certificate stores, and a display.
pub(crate) fn browsers() -> Result<(), Failure> {
    let programs: [(&str, &[&str]); 4] = [
        ("firefox-esr", &["firefox-esr", "firefox"]),
        ("chromium", &["chromium", "chromium-browser", "google-chrome"]),
        ("libnss3-tools", &["certutil"]),
        ("xvfb", &["Xvfb"]),
    ];
    let missing: Vec<_> = programs
        .iter()
        .filter(|(_, names)| !names.iter().any(|name| found(name)))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() { Ok(()) } else { system_packages(&missing) }
}

/// Whether a program is where the shell would look.
fn found(name: &str) -> bool {
    let folders = workspace::variable("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

/// The packages of `xtask/interop/requirements.txt`; returns the interpreter that sees them.
pub(crate) fn python_packages() -> Result<PathBuf, Failure> {
    let folder = tools().join("python");
    let interpreter = folder.join("bin/python3");
    let list = workspace::root().join("xtask/interop/requirements.txt");
    let wanted = fs::read_to_string(&list).context("xtask/interop/requirements.txt")?;
    if stamp_matches(&folder, &wanted) && process::works(&interpreter, &["--version"]) {
        return Ok(interpreter);
    }
    if !process::works("python3", &["-c", "import venv, ensurepip"]) {
        system_packages(&["python3", "python3-venv"])?;
    }
    println!(
        "    installing the Python packages of xtask/interop/requirements.txt into {}",
        folder.display()
    );
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut command = Command::new(&interpreter);
    command
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(&list);
    process::run(&mut command)?;
    write_stamp(&folder, &wanted)?;
    Ok(interpreter)
}

/// The program of `xtask/peers`, built with optimisation; it is timed.
pub(crate) fn rust_peers() -> Result<PathBuf, Failure> {
    if !process::works("pkg-config", &["--exists", "openssl"]) {
        system_packages(&["libssl-dev", "pkg-config"])?;
    }
    let folder = workspace::target().join("peers");
    let mut command = cargo();
    command.args(["build", "--quiet", "--release", "--locked", "--manifest-path", "xtask/peers/Cargo.toml"]);
    command.arg("--target-dir").arg(&folder);
    process::run(&mut command)?;
    Ok(folder.join("release/peers"))
}

/// The program that counts instructions.
#[cfg(feature = "bench")]
pub(crate) fn valgrind() -> Result<(), Failure> {
    if process::works("valgrind", &["--version"]) { Ok(()) } else { system_packages(&["valgrind"]) }
}

/// Asks the system's package manager; only where this process may.
fn system_packages(names: &[&str]) -> Result<(), Failure> {
    let wish = format!("apt-get install {}", names.join(" "));
    let prefix: &[&str] = if process::output(Command::new("id").arg("-u"))?.trim() == "0" {
        &[]
    } else if process::works("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Err(Failure::new(format!(
            "missing: {}; install them, for example with: {wish}",
            names.join(", ")
        )));
    };
    if !process::works("apt-get", &["--version"]) {
        return Err(Failure::new(format!(
            "missing: {}; there is no apt-get here, install them",
            names.join(", ")
        )));
    }
    println!("    installing {} with apt-get", names.join(", "));
    let start = |arguments: &[&str]| {
        let mut words = prefix.iter().chain(&["apt-get"]).copied();
        let mut command = Command::new(words.next().unwrap_or("apt-get"));
        command.args(words).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut command)
    };
    let install = [&["install", "--yes", "--no-install-recommends"], names].concat();
    if start(&install).is_err() {
        start(&["update"])?;
        start(&install)?;
    }
    Ok(())
}

fn stamp_matches(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join("installed")).is_ok_and(|text| text == wanted)
}

fn write_stamp(folder: &Path, wanted: &str) -> Result<(), Failure> {
    fs::write(folder.join("installed"), wanted).context("note what is installed")
}
