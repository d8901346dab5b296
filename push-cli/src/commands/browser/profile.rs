//! The profile of a browser: a fresh one that is deleted at the end, or one that is kept.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Map, Value};

use super::Kind;
use crate::{
    commands::ca,
    diagnostic::{Diagnostic, Result},
    exit_code::ExitCode,
    output::Output,
    text,
};

/// Divides what somebody wrote into `user.js` from what this program does.
const MARK: &str = "// push browser writes what follows";

/// How often a fresh profile is tried to be removed, and how many times (our choice: a second together).
const AGAIN: Duration = Duration::from_millis(100);
const TRIES: usize = 11;

/// A directory with the files that wire the browser.
#[derive(Debug)]
pub(super) enum Profile {
    /// Deleted with this value.
    Fresh(tempfile::TempDir),
    /// The user's.
    Kept(PathBuf),
}

impl Profile {
    /// Makes the directory, for this user alone, and writes the files.
    pub(super) fn prepare(kind: Kind, kept: Option<&Path>, setup: &Value) -> Result<Self> {
        let profile = match kept {
            None => Self::Fresh(fresh(kind).map_err(|error| {
                Diagnostic::new(ExitCode::UNEXPECTED, "browser/profile", "no profile can be made")
                    .why(text::io_error(&error))
                    .fix("set TMPDIR to a directory that can be written, or give --profile")
            })?),
            Some(directory) => {
                // For this user alone, should it be new: cookies and passwords come to stand in it.
                ca::make_private(directory)
                    .map_err(|error| Diagnostic::file(ExitCode::INPUT, "create", directory, &error))?;
                // Browsers run in other directories than this program.
                let whole = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
                Self::Kept(whole)
            }
        };
        let files = setup.get("files").and_then(Value::as_object);
        for (name, content) in files.into_iter().flatten() {
            profile.write(name, content.as_str().unwrap_or_default())?;
        }
        Ok(profile)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Fresh(directory) => directory.path(),
            Self::Kept(path) => path,
        }
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path().join(name);
        let failed = |error| Diagnostic::file(ExitCode::INPUT, "write", &path, &error);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let before = match std::fs::read_to_string(&path) {
            Ok(before) => before,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(Diagnostic::file(ExitCode::INPUT, "read", &path, &error)
                    .fix("give another directory with --profile"));
            }
        };
        let content = if name.ends_with(".js") {
            appended(&before, content)
        } else {
            merged(&before, content).ok_or_else(|| {
                Diagnostic::input("browser/profile", format!("{} is no JSON object", path.display()))
                    .why("what the browser has kept in it would be lost")
                    .fix("give another directory with --profile, or remove the file")
            })?
        };
        std::fs::write(&path, content).map_err(failed)
    }

    /// Deletes a fresh one; tries for a second, since helpers of a browser may still write while they end.
    pub(super) async fn remove(self, out: Output) {
        let Self::Fresh(directory) = self else { return };
        // From here on the directory is removed below, or reported.
        let path = directory.keep();
        let mut ticks = tokio::time::interval(AGAIN);
        let mut last = None;
        for _ in 0..TRIES {
            ticks.tick().await;
            match std::fs::remove_dir_all(&path) {
                Ok(()) => return,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !path.exists() => return,
                Err(error) => last = Some(error),
            }
        }
        if let Some(error) = last {
            out.note(format!(
                "the profile {} could not be removed: {}",
                path.display(),
                text::io_error(&error)
            ));
        }
    }
}

fn fresh(kind: Kind) -> std::io::Result<tempfile::TempDir> {
    let prefix = format!("push-{}-", kind.as_str());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Set when it is made: nobody else gets a moment to look inside.
        builder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    builder.tempdir()
}

/// The last line about a preference wins, so ours stand last.
fn appended(before: &str, content: &str) -> String {
    let own = before.split(MARK).next().unwrap_or_default();
    let gap = if own.is_empty() || own.ends_with('\n') { "" } else { "\n" };
    format!("{own}{gap}{MARK}\n{content}")
}

/// What the browser has written itself stays, but for the members that are needed; none when it is no JSON object.
fn merged(before: &str, content: &str) -> Option<String> {
    if before.is_empty() {
        return Some(content.to_owned());
    }
    let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
    let (mut members, needed) = (read(before)?, read(content)?);
    merge(&mut members, needed);
    Some(Value::Object(members).to_string())
}

fn merge(members: &mut Map<String, Value>, needed: Map<String, Value>) {
    for (name, value) in needed {
        match (members.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(needed)) => merge(inner, needed),
            (_, value) => drop(members.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_wrote_into_user_js_stays() {
        let first = appended("user_pref(\"a\", 1);", "ours 1\n");
        let second = appended(&first, "ours 2\n");

        assert_eq!(second, format!("user_pref(\"a\", 1);\n{MARK}\nours 2\n"));
        assert_eq!(appended("", "x"), format!("{MARK}\nx"));
    }

    #[test]
    fn what_chromium_wrote_into_its_preferences_stays() {
        let needed = r#"{"profile":{"default_content_setting_values":{"notifications":1}}}"#;

        assert_eq!(merged("", needed).unwrap(), needed);
        for broken in ["{\"a\":", "[]", " "] {
            assert_eq!(merged(broken, needed), None, "{broken}");
        }
        assert_eq!(
            merged(
                r#"{"a":1,"profile":{"name":"x","default_content_setting_values":{"notifications":2}}}"#,
                needed
            )
            .unwrap(),
            r#"{"a":1,"profile":{"name":"x","default_content_setting_values":{"notifications":1}}}"#
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_fresh_profile_is_for_its_user_alone_and_goes_away() {
        use std::os::unix::fs::PermissionsExt as _;
        let setup =
            serde_json::json!({"files": {"user.js": "user_pref(\"a\", 1);\n", "Default/Preferences": "{}"}});

        let profile = Profile::prepare(Kind::Firefox, None, &setup).unwrap();
        let path = profile.path().to_path_buf();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(path.join("user.js").is_file() && path.join("Default/Preferences").is_file());
        profile.remove(Output::new(false, crate::output::Loudness::default())).await;

        assert!(!path.exists());
    }
}
