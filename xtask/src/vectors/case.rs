//! One case of a file: its members, read by name and form.

use push_crypto::base64url;
use serde_json::Value;

/// Why a case did not end in a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// It was refused, as a receiver refuses it.
    Refused(String),
    /// The file does not say enough, or nothing that is known here.
    Unclear(String),
}

impl Stop {
    #[expect(clippy::needless_pass_by_value, reason = "so that it can be given to map_err")]
    pub(super) fn refused(why: impl ToString) -> Self {
        Self::Refused(why.to_string())
    }

    pub(super) fn unclear(why: impl Into<String>) -> Self {
        Self::Unclear(why.into())
    }
}

/// What the file says about the outcome of a case, against what came.
pub(super) fn judge<T>(
    expected_error: Option<&str>,
    outcome: Result<T, Stop>,
    accepted: impl FnOnce(T) -> Result<(), String>,
) -> Result<(), String> {
    match (outcome, expected_error) {
        (Ok(value), None) => accepted(value),
        (Ok(_), Some(error)) => Err(format!("expected a refusal ({error}), came an acceptance")),
        (Err(Stop::Refused(_)), Some(_)) => Ok(()),
        (Err(Stop::Refused(why)), None) => Err(format!("expected an acceptance, came a refusal: {why}")),
        (Err(Stop::Unclear(why)), _) => Err(format!("cannot be judged: {why}")),
    }
}

/// Members of one object; a missing one reads as none.
#[derive(Clone, Copy)]
pub(super) struct Case<'a>(&'a Value);

impl<'a> Case<'a> {
    pub(super) const fn new(value: &'a Value) -> Self {
        Self(value)
    }

    /// The member itself; `null` is as good as none.
    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// An object inside.
    pub(super) fn object(self, name: &str) -> Option<Case<'a>> {
        self.value(name).map(Case)
    }

    /// A text that may be missing, but nothing else.
    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, Stop> {
        self.value(name)
            .map(|value| value.as_str().ok_or_else(|| Stop::unclear(format!("\"{name}\" is no text"))))
            .transpose()
    }

    /// A text that must be there.
    pub(super) fn needed_text(self, name: &str) -> Result<&'a str, Stop> {
        self.text(name)?.ok_or_else(|| missing(name))
    }

    /// Base64url that may be missing. A value that cannot be decoded is a refusal, as it is on the wire.
    pub(super) fn octets(self, name: &str) -> Result<Option<Vec<u8>>, Stop> {
        self.text(name)?
            .map(|text| {
                let read = base64url::decode_tolerant(text);
                let read = read.map_err(|error| Stop::refused(format!("\"{name}\": {error}")))?;
                match read.form.standard_alphabet {
                    false => Ok(read.octets),
                    true => Err(Stop::refused(format!("\"{name}\" is base64, not base64url"))),
                }
            })
            .transpose()
    }

    /// Base64url that must be there.
    pub(super) fn needed_octets(self, name: &str) -> Result<Vec<u8>, Stop> {
        self.octets(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number that may be missing.
    pub(super) fn number(self, name: &str) -> Result<Option<u64>, Stop> {
        self.value(name)
            .map(|value| {
                value.as_u64().ok_or_else(|| Stop::unclear(format!("\"{name}\" is no whole number")))
            })
            .transpose()
    }

    /// The member `error`, which says that the case must be refused.
    pub(super) fn error(self) -> Option<&'a str> {
        self.value("error").map(|error| error.as_str().unwrap_or("error"))
    }

    /// All lines of one header field, its name compared without regard to case.
    pub(super) fn lines(self, field: &str) -> Result<Vec<&'a str>, Stop> {
        let Some(headers) = self.value("headers") else { return Ok(Vec::new()) };
        let headers = headers.as_object().ok_or_else(|| Stop::unclear("\"headers\" is no object"))?;
        let mut lines = Vec::new();
        for (_, value) in headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(field)) {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values {
                lines
                    .push(value.as_str().ok_or_else(|| Stop::unclear(format!("header {field} is no text")))?);
            }
        }
        Ok(lines)
    }

    /// The members of the object, in the file's order or sorted.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}

fn missing(name: &str) -> Stop {
    Stop::unclear(format!("\"{name}\" is missing"))
}
