//! Each feature alone, no feature, and all together build; the other combinations are not promised.

use serde_json::Value;

use crate::{
    failure::Failure,
    process,
    steps::Ended,
    workspace::{self, cargo},
};

/// Checks every feature of every published crate.
pub(crate) fn run() -> Result<Ended, Failure> {
    for (package, features) in packages(&workspace::metadata()?) {
        check(&package, &["--no-default-features"])?;
        for feature in features.iter().filter(|feature| *feature != "default") {
            check(&package, &["--no-default-features", "--features", feature])?;
        }
        if !features.is_empty() {
            check(&package, &[])?;
            check(&package, &["--all-features"])?;
        }
    }
    Ok(Ended::Passed)
}

fn check(package: &str, arguments: &[&str]) -> Result<(), Failure> {
    process::run(cargo().args(["check", "--quiet", "--locked", "--package", package]).args(arguments))
}

/// Name and features of each member but this one, which has none.
fn packages(metadata: &Value) -> Vec<(String, Vec<String>)> {
    let members = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found = Vec::new();
    for package in members.iter().filter(|package| package["source"].is_null()) {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let features = package["features"].as_object();
        let features = features.map(|map| map.keys().cloned().collect()).unwrap_or_default();
        if name != "xtask" {
            found.push((name, features));
        }
    }
    found
}
