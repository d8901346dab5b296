//! `browsers`: the tests of `xtask/browsers`, in which stock browsers subscribe to the built `push serve`.
//!
//! They are written in JavaScript, because pages, workers and browser drivers are; this installs what they need,
//! says where it is, and repeats them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    failure::{Context, Failure},
    install, process,
    service::{self, Build},
    workspace,
};

const FOLDER: &str = "xtask/browsers";

/// Runs the files whose name contains PATTERN, or the tests whose name does, so many times; a round that fails does
/// not keep the others from showing how often it does.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let wish = Wish::parse(arguments)?;
    let tests = wish.tests()?;
    let suite = Suite::install(service::binary(Build::Debug)?)?;
    if wish.rounds == 1 {
        return suite.run(&tests);
    }
    let mut failed = Vec::new();
    for round in 1..=wish.rounds {
        println!("    round {round} of {}", wish.rounds);
        if let Err(failure) = suite.run(&tests) {
            println!("    round {round} of {} failed: {failure}", wish.rounds);
            failed.push(round.to_string());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("rounds {} of {}", failed.join(", "), wish.rounds)))
}

/// A script of the same folder, ready to be run with this program.
#[cfg_attr(not(feature = "bench"), expect(dead_code, reason = "only figures have one"))]
pub(crate) fn script(name: &str, binary: PathBuf) -> Result<Command, Failure> {
    let mut command = Command::new("node");
    Suite::install(binary)?.tell(&mut command);
    command.arg(workspace::root().join(FOLDER).join(name));
    Ok(command)
}

/// What a person asked for.
struct Wish {
    rounds: u32,
    pattern: Option<String>,
}

impl Wish {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut wish = Self { rounds: 1, pattern: None };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--rounds" => {
                    let number = rest.next().ok_or_else(|| Failure::new("--rounds needs a number"))?;
                    wish.rounds = number.parse().context(format_args!("--rounds {number}"))?;
                }
                option if option.starts_with('-') => {
                    return Err(Failure::new(format!(
                        "there is no option {option:?}; usage: cargo xtask browsers [--rounds N] [PATTERN]"
                    )));
                }
                pattern => wish.pattern = Some(pattern.to_owned()),
            }
        }
        Ok(wish)
    }

    /// A pattern that is part of a file's name chooses files; every other one chooses tests.
    fn tests(&self) -> Result<Tests, Failure> {
        let mut files = Vec::new();
        for entry in fs::read_dir(workspace::root().join(FOLDER).join("tests")).context(FOLDER)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(".test.mjs") {
                files.push(path);
            }
        }
        files.sort();
        let Some(pattern) = &self.pattern else { return Ok(Tests { files, name: None }) };
        let named =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(pattern));
        if files.iter().any(named) {
            files.retain(named);
            return Ok(Tests { files, name: None });
        }
        Ok(Tests { files, name: Some(pattern.clone()) })
    }
}

/// What is run in each round.
struct Tests {
    files: Vec<PathBuf>,
    name: Option<String>,
}

/// What the tests need to know.
struct Suite {
    binary: PathBuf,
    packages: PathBuf,
    python: PathBuf,
}

impl Suite {
    /// Installs what is missing.
    fn install(binary: PathBuf) -> Result<Self, Failure> {
        install::browsers()?;
        Ok(Self {
            binary,
            packages: install::node_packages(FOLDER, "browsers")?,
            python: install::python_packages()?,
        })
    }

    fn run(&self, tests: &Tests) -> Result<(), Failure> {
        let leftovers = workspace::target().join("browsers");
        let mut command = Command::new("node");
        command.current_dir(workspace::root().join(FOLDER)).arg("--test").arg("--test-reporter=spec");
        if let Some(name) = &tests.name {
            command.arg(format!("--test-name-pattern={name}"));
        }
        command.args(&tests.files);
        self.tell(&mut command);
        command.env("PUSH_LEFTOVERS", &leftovers);
        process::run(&mut command).map_err(|failure| {
            Failure::new(format!("{failure}; what the failed tests left is in {}", leftovers.display()))
        })
    }

    /// The environment that `xtask/browsers/harness/settings.mjs` reads.
    fn tell(&self, command: &mut Command) {
        let hook = workspace::root().join(FOLDER).join("packages.mjs");
        command
            .env("PUSH_BINARY", &self.binary)
            .env("PUSH_PACKAGES", &self.packages)
            .env("PUSH_PYTHON", &self.python)
            .env("NODE_OPTIONS", format!("--no-warnings --import=file://{}", percent(&hook)));
    }
}

/// A path as part of a URL and of NODE_OPTIONS, where blanks separate.
fn percent(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace(' ', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_and_a_pattern_in_any_order() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();

        let wish = Wish::parse(&words("burst --rounds 20")).expect("a wish");

        assert_eq!((wish.rounds, wish.pattern.as_deref()), (20, Some("burst")));
        assert!(Wish::parse(&words("--rounds many")).is_err());
        assert!(Wish::parse(&words("--round 3")).is_err());
    }

    #[test]
    fn a_pattern_chooses_files_before_tests() {
        let chosen = |pattern: &str| {
            Wish { rounds: 1, pattern: Some(pattern.to_owned()) }.tests().expect("the folder of the tests")
        };

        assert!(matches!(chosen("burst"), Tests { files, name: None } if files.len() == 1));
        assert!(matches!(chosen("AP-054"), Tests { files, name: Some(_) } if files.len() > 1));
    }
}
