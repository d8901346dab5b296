//! `Profile`: which findings refuse a request and with which status; pure.
//!
//! A profile decides the answer, never the diagnosis: findings are the same under every profile.

use core::{fmt, str::FromStr};

use crate::service::finding::Inspected;

/// How the service answers. Only the standard itself is offered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// RFC 8030, RFC 8291 and RFC 8292, and nothing else.
    #[default]
    Rfc,
}

/// What a profile makes of an inspected request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message is taken.
    Accept,
    /// The request is refused.
    Refuse {
        /// Status of the answer.
        status: u16,
        /// The finding that decides it, as an index into [`Inspected::findings`].
        finding: usize,
    },
}

impl Profile {
    /// All profiles that are offered.
    pub const ALL: [Self; 1] = [Self::Rfc];

    /// The name in JSON and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rfc => "rfc",
        }
    }

    /// The verdict: the first finding that refuses decides it.
    #[must_use]
    pub fn verdict(self, inspected: &Inspected) -> Verdict {
        let Self::Rfc = self;
        let refusal = inspected
            .findings
            .iter()
            .enumerate()
            .find_map(|(at, found)| found.refuses.map(|status| (at, status)));
        match refusal {
            None => Verdict::Accept,
            Some((finding, status)) => Verdict::Refuse { status, finding },
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = ProfileError;
    fn from_str(text: &str) -> Result<Self, ProfileError> {
        match text {
            "rfc" => Ok(Self::Rfc),
            "fcm" | "mozilla" | "apple" | "wns" => Err(ProfileError::NotOffered { name: text.to_owned() }),
            _ => Err(ProfileError::Unknown { name: text.chars().take(40).collect() }),
        }
    }
}

/// Why a text is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileError {
    /// A vendor's profile, whose name is reserved.
    NotOffered {
        /// The name.
        name: String,
    },
    /// No profile has this name.
    Unknown {
        /// The name, at most 40 characters of it.
        name: String,
    },
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered { name } => write!(
                f,
                "profile {name} is not offered yet; use rfc, which names in its findings what the vendors would refuse"
            ),
            Self::Unknown { name } => {
                write!(f, "there is no profile {}; the only one offered is rfc", name.escape_default())
            }
        }
    }
}

impl core::error::Error for ProfileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_standard_is_offered() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Profile>().map_err(|error| error.to_string()), Err(expected.to_owned()));
        };

        assert_eq!("rfc".parse(), Ok(Profile::Rfc));
        assert_eq!(Profile::default().to_string(), "rfc");
        for vendor in ["fcm", "mozilla", "apple", "wns"] {
            let expected = format!(
                "profile {vendor} is not offered yet; use rfc, which names in its findings what the vendors would refuse"
            );
            check(vendor, &expected);
        }
        check("Rfc", "there is no profile Rfc; the only one offered is rfc");
        check("x\n", "there is no profile x\\n; the only one offered is rfc");
    }
}
