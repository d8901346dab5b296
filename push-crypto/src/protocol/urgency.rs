//! `Urgency`: how soon a message matters to its recipient (RFC 8030 §5.3).

use core::{fmt, str::FromStr};

/// Four ordered values; absent means [`Urgency::Normal`] (RFC 8030 §5.3, table 1).
///
/// Closed on purpose: the standard defines these four and no registry.
///
/// ```
/// use push_crypto::Urgency;
/// assert!(Urgency::VeryLow < Urgency::High);
/// assert_eq!("very-low".parse(), Ok(Urgency::VeryLow));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either power or Wi-Fi.
    Low,
    /// On neither power nor Wi-Fi.
    #[default]
    Normal,
    /// Low battery.
    High,
}

impl Urgency {
    /// All values, from the least to the most urgent.
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl FromStr for Urgency {
    type Err = UrgencyError;
    fn from_str(text: &str) -> Result<Self, UrgencyError> {
        if let Some(urgency) = Self::ALL.into_iter().find(|urgency| urgency.as_str() == text) {
            return Ok(urgency);
        }
        if let Some(urgency) =
            Self::ALL.into_iter().find(|urgency| urgency.as_str().eq_ignore_ascii_case(text))
        {
            return Err(UrgencyError::Case { means: urgency });
        }
        if text.contains(',') {
            return Err(UrgencyError::Several);
        }
        Err(UrgencyError::Unknown)
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is not an urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrgencyError {
    /// Right but for the case of its letters.
    Case {
        /// The value that is probably meant.
        means: Urgency,
    },
    /// More than one value.
    Several,
    /// None of the four, or empty.
    Unknown,
}

impl UrgencyError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Case { .. } => "urgency/case",
            Self::Several => "urgency/duplicate",
            Self::Unknown => "urgency/unknown",
        }
    }
}

impl fmt::Display for UrgencyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case { means } => write!(f, "urgency is case-sensitive; write {means}"),
            Self::Several => {
                f.write_str("urgency has more than one value; send one of very-low, low, normal, high")
            }
            Self::Unknown => {
                f.write_str("urgency is none of very-low, low, normal, high; use one, or omit it")
            }
        }
    }
}

impl core::error::Error for UrgencyError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// AS-011, PS-053, PS-054
    #[test]
    fn the_four_names_and_nothing_else() {
        for urgency in Urgency::ALL {
            assert_eq!(urgency.as_str().parse(), Ok(urgency));
        }
        let check = |text: &str, expected| assert_eq!(text.parse::<Urgency>(), Err(expected), "{text:?}");

        check("High", UrgencyError::Case { means: Urgency::High });
        check("low, high", UrgencyError::Several);
        check("", UrgencyError::Unknown);
        check("urgent", UrgencyError::Unknown);
        check(" low", UrgencyError::Unknown);
    }
}
