//! `Retry-After`: seconds or an HTTP date (RFC 9110 §10.2.3), as a time to wait.

use std::time::{Duration, UNIX_EPOCH};

use push_crypto::Timestamp;

/// Reads a field value; `None` for anything that is neither digits nor a date.
///
/// A date is compared with the answer's own `Date` when there is one, so that a wrong clock here does no harm.
/// Numbers saturate; a date in the past is no wait at all. The caller clamps.
///
/// ```
/// use push_client::proto::retry_after::{read, read_date};
/// use std::time::Duration;
/// let now = read_date("Tue, 24 Nov 2026 12:00:00 GMT").unwrap();
/// assert_eq!(read("120", now), Some(Duration::from_secs(120)));
/// assert_eq!(read("Tue, 24 Nov 2026 12:00:05 GMT", now), Some(Duration::from_secs(5)));
/// assert_eq!(read("soon", now), None);
/// ```
#[must_use]
pub fn read(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        let seconds = value
            .bytes()
            .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        return Some(Duration::from_secs(seconds));
    }
    read_date(value).map(|at| at.since(now))
}

/// Reads an HTTP date in any of its three forms (RFC 9110 §5.6.7); `None` before 1970 and for anything else.
#[must_use]
pub fn read_date(value: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(value.trim_matches([' ', '\t'])).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_unix_seconds(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// AS-016
    #[test]
    fn seconds_and_the_three_forms_of_a_date_are_read() {
        let now = Timestamp::from_unix_seconds(784_111_770);
        let check = |value: &str, seconds: Option<u64>| {
            assert_eq!(read(value, now), seconds.map(Duration::from_secs), "{value:?}");
        };

        check("0", Some(0));
        check("5", Some(5));
        check(" 5\t", Some(5));
        check("1000000000", Some(1_000_000_000));
        check("99999999999999999999999", Some(u64::MAX));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(7));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(7));
        check("Sun Nov  6 08:49:37 1994", Some(7));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        for value in ["", "-1", "+5", "1.5", "5s", "5, 6", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "\u{663}"]
        {
            check(value, None);
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in ".{0,40}", now: u64) {
            let _ = read(&value, Timestamp::from_unix_millis(now));
        }
    }
}
