//! Which program is the browser: the one that is named, else the one that is installed.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use super::Kind;
use crate::{
    diagnostic::{Diagnostic, Result},
    environment,
    exit_code::ExitCode,
};

/// A browser on this machine.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The program.
    pub(super) path: PathBuf,
}

/// Names in the search path, the usual ones first.
const FIREFOX: [&str; 4] = ["firefox", "firefox-esr", "firefox-developer-edition", "firefox-nightly"];
const CHROMIUM: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge"];
/// Where installers put them without telling the search path.
const FIREFOX_PLACES: [&str; 5] = [
    "/usr/lib/firefox-esr/firefox-esr",
    "/usr/lib/firefox/firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
    "C:\\Program Files\\Mozilla Firefox\\firefox.exe",
    "C:\\Program Files (x86)\\Mozilla Firefox\\firefox.exe",
];
const CHROMIUM_PLACES: [&str; 5] = [
    "/usr/lib/chromium/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
    "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];
/// How long a browser may take to say its version (our choice; it is only shown).
const PATIENCE: Duration = Duration::from_secs(5);

/// The program, or what to do about there being none.
pub(super) fn find(kind: Kind, told: Option<&Path>) -> Result<Found> {
    let variable = match kind {
        Kind::Firefox => "PUSH_FIREFOX",
        Kind::Chromium => "PUSH_CHROMIUM",
    };
    let by_variable = environment::variable(variable).map(PathBuf::from);
    if let Some(path) = told.map(Path::to_path_buf).or_else(|| by_variable.clone()) {
        let origin = if told.is_some() { "--binary" } else { variable };
        return named(kind, &path, origin);
    }
    let (names, places): (&[&str], &[&str]) = match kind {
        Kind::Firefox => (&FIREFOX, &FIREFOX_PLACES),
        Kind::Chromium => (&CHROMIUM, &CHROMIUM_PLACES),
    };
    let by_name = names.iter().find_map(|name| in_path(name));
    let by_place = || places.iter().map(PathBuf::from).find(|path| path.is_file());
    by_name.or_else(by_place).map(|path| Found { path }).ok_or_else(|| {
        let package = if kind == Kind::Firefox { "firefox-esr" } else { "chromium" };
        Diagnostic::new(
            ExitCode::UNREACHABLE,
            "browser/not-found",
            format!("no {} is installed here", kind.as_str()),
        )
        .why(format!("the search path has none of {}", names.join(", ")))
        .fix(format!("apt-get install {package}, or name it with --binary or {variable}"))
    })
}

fn named(kind: Kind, path: &Path, origin: &str) -> Result<Found> {
    let name = path.file_name().map(|name| name.to_string_lossy().replace('_', "-")).unwrap_or_default();
    if name.contains("headless-shell") {
        return Err(Diagnostic::new(
            ExitCode::UNREACHABLE,
            "browser/headless-shell",
            format!("{} has no push service", path.display()),
        )
        .why("chromium-headless-shell leaves it out: subscribe() says \"push service not available\"")
        .fix("name the full browser, and add --headless"));
    }
    let is_bare = path.components().count() == 1;
    let found = if is_bare { in_path(&path.to_string_lossy()).or_else(|| file(path)) } else { file(path) };
    found.map(|path| Found { path }).ok_or_else(|| {
        Diagnostic::new(
            ExitCode::UNREACHABLE,
            "browser/not-found",
            format!("{origin} names {}, which is no program", path.display()),
        )
        .fix(format!("name the program of {}, with its whole path", kind.as_str()))
    })
}

fn file(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| path.to_path_buf())
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = environment::variable("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|path| path.is_file())
}

/// `Mozilla Firefox 153.7.0esr`; none when it does not say.
pub(super) async fn version(found: &Found) -> Option<String> {
    let asked = tokio::process::Command::new(&found.path)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next()?.trim().trim_start_matches("Mozilla ");
    // Debian's name for its own build.
    let line = line.split(" built on ").next().unwrap_or(line);
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_without_a_push_service_is_refused() {
        for name in ["/usr/bin/chromium-headless-shell", "chrome_headless_shell"] {
            let error = named(Kind::Chromium, Path::new(name), "--binary").unwrap_err();
            assert_eq!(
                (error.code(), error.exit()),
                ("browser/headless-shell", ExitCode::UNREACHABLE),
                "{name}"
            );
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_origin() {
        let error = named(Kind::Firefox, Path::new("/nowhere/firefox"), "PUSH_FIREFOX").unwrap_err();

        assert!(error.message().starts_with("PUSH_FIREFOX names /nowhere/firefox"), "{}", error.message());
    }
}
