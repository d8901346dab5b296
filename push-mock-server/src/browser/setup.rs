//! `BrowserSetup`: preferences, switches, files and variables of one browser, as data, JSON and files.

use std::{io, path::Path};

use serde_json::{Map, Value, json};

use super::Browser;

/// The value of a preference of Firefox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preference {
    /// A whole number.
    Number(i32),
    /// Text.
    Text(String),
    /// True or false.
    Truth(bool),
}

impl Preference {
    fn to_json(&self) -> Value {
        match self {
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Truth(truth) => (*truth).into(),
        }
    }

    /// As JavaScript and JSON write it.
    pub(super) fn to_literal(&self) -> String {
        self.to_json().to_string()
    }
}

/// What one browser is started with. A profile of its own is the caller's to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSetup {
    /// Which browser.
    pub browser: Browser,
    /// Where it connects to.
    pub service: String,
    /// Preferences, for drivers that take them; they are in `files` as well.
    pub prefs: Vec<(String, Preference)>,
    /// Arguments of its command line.
    pub args: Vec<String>,
    /// Path below the profile, and content.
    pub files: Vec<(String, String)>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
    /// Origins that endpoints of its subscriptions can have.
    pub endpoint_origins: Vec<String>,
    /// What else has to be so.
    pub notes: Vec<String>,
}

impl BrowserSetup {
    /// The object of `GET /api/v1/browsers/{kind}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let texts = |pairs: &[(String, String)]| -> Map<String, Value> {
            pairs.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect()
        };
        let prefs: Map<_, _> =
            self.prefs.iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
        json!({
            "kind": self.browser.as_str(),
            "service": self.service,
            "prefs": prefs,
            "args": self.args,
            "files": texts(&self.files),
            "env": texts(&self.env),
            "endpointOrigins": self.endpoint_origins,
            "notes": self.notes,
        })
    }

    /// Writes the files into a profile; others in it stay as they are.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write_files(&self, profile: &Path) -> io::Result<()> {
        for (name, content) in &self.files {
            let path = profile.join(name);
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            std::fs::write(path, content)?;
        }
        Ok(())
    }
}
