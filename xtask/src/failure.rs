//! `Failure`: why a chore could not do its work, as a sentence for the person in front of the terminal.

use std::fmt::{self, Display, Formatter};

/// What was seen and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// From a finished sentence.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("unexpected JSON: {error}"))
    }
}

impl From<std::string::FromUtf8Error> for Failure {
    fn from(error: std::string::FromUtf8Error) -> Self {
        Self(format!("output is not UTF-8: {error}"))
    }
}

/// Adds what was being done to any error.
pub(crate) trait Context<T> {
    /// `what` is put in front of the error's own text.
    fn context(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}
