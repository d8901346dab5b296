//! Durations as people write them, `90s` or `2h30m`, in both directions; calendar arithmetic is left out.

use core::{fmt, time::Duration};

/// Longest text that is looked at; a duration never needs more.
const LONGEST: usize = 64;

/// Units in the order of their size, with their length in nanoseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
];

/// Reads `90s`, `2h30m`, `1d`, `300ms` or `59.999s`: numbers with a unit each, largest unit first.
///
/// ```
/// use std::time::Duration;
/// use push_mock_server::duration_text::parse;
///
/// assert_eq!(parse("2h30m"), Ok(Duration::from_secs(9000)));
/// assert_eq!(parse("59.999s"), Ok(Duration::from_millis(59_999)));
/// assert!(parse("5").is_err());
/// ```
///
/// # Errors
///
/// [`DurationError`] says what is wrong with the text.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let bad = |problem| DurationError { seen: text.chars().take(LONGEST).collect(), problem };
    if text.is_empty() {
        return Err(bad(Problem::Empty));
    }
    if text.len() > LONGEST {
        return Err(bad(Problem::TooLong));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    let mut smaller_than = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(bad(Problem::NoUnit))?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (name, tail) = tail.split_at(letters);
        let unit = UNITS.iter().find(|(unit, _)| *unit == name).ok_or(bad(Problem::UnknownUnit))?.1;
        if unit >= smaller_than {
            return Err(bad(Problem::Order));
        }
        smaller_than = unit;
        let part = amount(number, unit).ok_or(bad(Problem::Number))?;
        total = total.checked_add(part).ok_or(bad(Problem::Number))?;
        rest = tail;
    }
    Ok(total)
}

/// `number` times `unit` nanoseconds; none when it is not a decimal number or too large.
fn amount(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?).checked_mul(u128::from(unit))?;
    let mut place = u128::from(unit);
    let mut part = 0_u128;
    for digit in fraction.bytes() {
        place /= 10;
        part = part.checked_add(place.checked_mul(u128::from(digit.checked_sub(b'0')?))?)?;
    }
    let nanos = whole.checked_add(part)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).ok()?))
}

/// A duration for reading, in its two largest units: `5 s`, `300 ms`, `2 h 30 m`.
#[derive(Clone, Copy, Debug)]
pub struct Shown(pub Duration);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0 s");
        }
        let mut shown = 0;
        for (name, nanos) in UNITS {
            let unit = u128::from(nanos / 1_000_000);
            let count = rest / unit;
            rest %= unit;
            if count > 0 && shown < 2 {
                write!(f, "{}{count} {name}", if shown == 0 { "" } else { " " })?;
                shown += 1;
            }
        }
        Ok(())
    }
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    seen: String,
    problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Empty,
    NoUnit,
    Number,
    Order,
    TooLong,
    UnknownUnit,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self.problem {
            Problem::Empty => "is empty",
            Problem::NoUnit => "ends in a number without a unit",
            Problem::Number => "holds no usable number before a unit",
            Problem::Order => "names its units out of order",
            Problem::TooLong => "is longer than 64 characters",
            Problem::UnknownUnit => "has another unit than d, h, m, s or ms",
        };
        write!(f, "duration {:?} {problem}; write it like 90s, 2h30m or 300ms", self.seen)
    }
}

impl core::error::Error for DurationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let check = |text, expected| assert_eq!(parse(text), Ok(Duration::from_millis(expected)), "{text}");

        check("0s", 0);
        check("300ms", 300);
        check("5s", 5000);
        check("59.999s", 59_999);
        check("1.5h", 5_400_000);
        check("2h30m", 9_000_000);
        check("1d", 86_400_000);
        check("1m1ms", 60_001);
    }

    #[test]
    fn anything_else_says_what_is_wrong() {
        let check = |text: &str, expected| assert_eq!(parse(text).unwrap_err().problem, expected, "{text}");

        check("", Problem::Empty);
        check("5", Problem::NoUnit);
        check("s", Problem::Number);
        check(".s", Problem::Number);
        check("1.s", Problem::Number);
        check("1.2.3s", Problem::Number);
        check("5 s", Problem::UnknownUnit);
        check("-5s", Problem::UnknownUnit);
        check("5x", Problem::UnknownUnit);
        check("99999999999999999999s", Problem::Number);
        check("5s2h", Problem::Order);
        check("5s5s", Problem::Order);
        check(&"1".repeat(65), Problem::TooLong);
    }

    #[test]
    fn shown_durations_have_two_units_at_most() {
        let check = |millis, expected| assert_eq!(Shown(Duration::from_millis(millis)).to_string(), expected);

        check(0, "0 s");
        check(300, "300 ms");
        check(5000, "5 s");
        check(5250, "5 s 250 ms");
        check(9_000_001, "2 h 30 m");
    }
}
