//! `Ttl`: how long a push service keeps a message (RFC 8030 §5.2).

use core::{fmt, str::FromStr};

/// Whole seconds, 0 to 2^31; larger values saturate (RFC 8030 §5.2).
///
/// ```
/// use push_crypto::Ttl;
/// assert_eq!("00060".parse(), Ok(Ttl::seconds(60)));
/// assert_eq!("99999999999999999999".parse(), Ok(Ttl::MAX));
/// assert!("1.5".parse::<Ttl>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u32);

impl Ttl {
    /// Deliver now or never.
    pub const ZERO: Self = Self(0);
    /// 2^31 seconds, what a larger value counts as (RFC 8030 §5.2).
    pub const MAX: Self = Self(1 << 31);

    /// So many seconds, at most [`Ttl::MAX`].
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        if seconds > Self::MAX.0 as u64 { Self::MAX } else { Self(seconds as u32) }
    }

    /// The value in seconds.
    #[must_use]
    pub const fn as_seconds(self) -> u32 {
        self.0
    }

    /// True when only user agents that are connected now can get the message.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads a field value: `1*DIGIT` between optional blanks, and tells whether it was over [`Ttl::MAX`].
    ///
    /// # Errors
    /// [`TtlError`] for anything else.
    pub fn parse(text: &str) -> Result<(Self, bool), TtlError> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(TtlError::Empty);
        }
        if text
            .strip_prefix('-')
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()) && !rest.is_empty())
        {
            return Err(TtlError::Negative);
        }
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TtlError::NotDigits);
        }
        let value = text
            .bytes()
            .fold(0_u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        Ok((Self::seconds(value), value > u64::from(Self::MAX.0)))
    }
}

impl FromStr for Ttl {
    type Err = TtlError;
    fn from_str(text: &str) -> Result<Self, TtlError> {
        Self::parse(text).map(|(ttl, _)| ttl)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not a TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TtlError {
    /// Nothing there.
    Empty,
    /// A minus sign before digits.
    Negative,
    /// Something else than digits.
    NotDigits,
}

impl TtlError {
    /// The code of the finding which explains this.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty | Self::NotDigits => "ttl/not-a-number",
            Self::Negative => "ttl/negative",
        }
    }
}

impl fmt::Display for TtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "TTL is empty; give whole seconds, for example 60",
            Self::Negative => "TTL is negative; give 0 seconds or more",
            Self::NotDigits => "TTL is not a whole number of seconds; use digits only, for example 60",
        })
    }
}

impl core::error::Error for TtlError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// PS-040, PS-041, PS-042
    #[test]
    fn only_digits_are_accepted_and_large_values_saturate() {
        let check = |text: &str, expected| assert_eq!(text.parse::<Ttl>(), expected, "{text:?}");

        check("0", Ok(Ttl::ZERO));
        check("00060", Ok(Ttl::seconds(60)));
        check(" 60\t", Ok(Ttl::seconds(60)));
        check("2147483647", Ok(Ttl::seconds(2_147_483_647)));
        check("2147483648", Ok(Ttl::MAX));
        check("4294967296", Ok(Ttl::MAX));
        check("9223372036854775808", Ok(Ttl::MAX));
        check(&"9".repeat(100), Ok(Ttl::MAX));
        check("-1", Err(TtlError::Negative));
        check("", Err(TtlError::Empty));
        for text in ["+5", "1.5", "1e3", "0x10", "10s", "\u{663}", "5, 6", "NaN", "-", "--1", "-x"] {
            check(text, Err(TtlError::NotDigits));
        }
    }

    #[test]
    fn parse_tells_when_the_value_was_too_large() {
        assert_eq!(Ttl::parse("2147483648"), Ok((Ttl::MAX, false)));
        assert_eq!(Ttl::parse("2147483649"), Ok((Ttl::MAX, true)));
    }
}
