//! Words and columns: escaping what comes from outside, durations, times of day, wrapping and quoting.

use std::time::Duration;

use push_crypto::Timestamp;

/// Makes control characters visible, so that no text from outside can steer a terminal; line ends stay in `\n` form.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Like [`escape`], but keeps line ends and tabs, for texts that are shown as a block.
pub(crate) fn escape_block(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !matches!(c, '\n' | '\t') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, and the marks that turn the direction of a line (Unicode Bidi_Control).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escaped, in quotation marks, cut after so many characters.
pub(crate) fn quote(text: &str, most: usize) -> String {
    format!("\"{}\"", cut(&escape(text), most))
}

/// At most so many characters, the last one an ellipsis where something was cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// The first and last characters of a long key or id, as `BFW3KCgw…OJw`.
pub(crate) fn middle_cut(text: &str, head: usize, tail: usize) -> String {
    let count = text.chars().count();
    if count <= head + tail + 1 {
        return text.to_owned();
    }
    let start: String = text.chars().take(head).collect();
    let end: String = text.chars().skip(count - tail).collect();
    format!("{start}…{end}")
}

/// The last four characters of an id, which the API takes in its place.
pub(crate) fn short_id(id: &str) -> &str {
    let start = id.len().saturating_sub(4);
    id.get(start..).unwrap_or(id)
}

/// An id with its middle cut, as `msg_01M8…7F3K`.
pub(crate) fn cut_id(id: &str) -> String {
    middle_cut(id, 8, 4)
}

/// Breaks at blanks so that lines have at most `width` characters; longer words stay whole. Line ends are kept.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line: Option<String> = None;
        for word in paragraph.split(' ') {
            line = Some(match line {
                None => word.to_owned(),
                Some(line) if line.chars().count() + 1 + word.chars().count() > width => {
                    lines.push(line.trim_end().to_owned());
                    word.to_owned()
                }
                Some(line) => format!("{line} {word}"),
            });
        }
        lines.push(line.unwrap_or_default());
    }
    lines
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `what is wrong; what to do` in its two parts; a second part that only says more stays with the first.
pub(crate) fn split_advice(text: &str) -> (&str, Option<&str>) {
    const REMARKS: [&str; 5] = ["only ", "allowed ", "known ", "this ", "it "];
    match text.split_once("; ") {
        Some((what, advice)) if !REMARKS.iter().any(|word| advice.starts_with(word)) => (what, Some(advice)),
        _ => (text, None),
    }
}

/// A text with the operating system's words in it, without their numbers: ` (os error 2)`.
pub(crate) fn without_number(text: &str) -> String {
    match text.split_once(" (os error ") {
        Some((before, after)) => {
            let after = after.split_once(')').map_or("", |(_, after)| after);
            format!("{before}{}", without_number(after))
        }
        None => text.to_owned(),
    }
}

/// An origin that a person wrote, and what is wrong with it in words that fit any URL.
///
/// # Errors
/// `what is wrong; what to do`.
pub(crate) fn parse_origin(text: &str) -> Result<push_crypto::Origin, String> {
    text.trim_end_matches('/').parse().map_err(|error: push_crypto::PushResourceError| {
        let said = error.to_string();
        let what = said.split_once("; ").map_or(said.as_str(), |(what, _)| what);
        let what = what.replace("the endpoint's", "its").replace("the endpoint", "it");
        format!("{what}; write scheme, host and port only, like http://localhost:8030")
    })
}

/// The operating system's words for an error, without its number.
pub(crate) fn io_error(error: &std::io::Error) -> String {
    let text = without_number(&error.to_string());
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Reads `90s`, `2h30m`, `1d`, `59.999s`, `0s`: numbers with the units d, h, m, s and ms, largest first.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let wrong = || format!("{} is no duration; write 90s, 2h30m, 1d or 250ms", quote(text, 40));
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let (mut total, mut last) = (0_u64, u64::MAX);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(|| {
            format!("{} has no unit; write {}s for seconds", quote(text, 40), escape(text.trim()))
        })?;
        let (number, tail) = rest.split_at(digits);
        let (unit, millis) = UNITS.into_iter().find(|(unit, _)| tail.starts_with(unit)).ok_or_else(wrong)?;
        if millis >= last {
            return Err(wrong());
        }
        let part = scaled(number, millis).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        last = millis;
        rest = tail.get(unit.len()..).unwrap_or_default();
    }
    Ok(Duration::from_millis(total))
}

/// A decimal number times a whole one; digits below a millisecond are refused.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > 9 || number.ends_with('.') {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let base = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = fraction.checked_mul(unit)?;
    if part % base != 0 {
        return None;
    }
    whole.checked_mul(unit)?.checked_add(part / base)
}

/// A duration for the API: `5s`, `250ms`.
pub(crate) fn api_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// A duration for people: `12 h`, `11 h 59 m`, `5 s`, `250 ms`.
pub(crate) fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |a: u64, a_unit: &str, b: u64, b_unit: &str| {
        if b == 0 { format!("{a} {a_unit}") } else { format!("{a} {a_unit} {b} {b_unit}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) if seconds == 0 => format!("{} ms", duration.as_millis()),
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => two(minutes, "m", seconds % 60, "s"),
        (0, hours, minutes) => two(hours, "h", minutes, "m"),
        (days, hours, _) => two(days, "d", hours, "h"),
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    i64::try_from(at.as_unix_millis())
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map_or_else(|| "after the year 9999".to_owned(), |at| format!("{at:.3}"))
}

/// Reads an RFC 3339 time.
///
/// # Errors
/// A sentence for the user.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{} is no time; write it like 2026-11-23T08:00:00Z", quote(text, 40));
    let at: jiff::Timestamp = text.trim().parse().map_err(|_| wrong())?;
    u64::try_from(at.as_millisecond()).map(Timestamp::from_unix_millis).map_err(|_| wrong())
}

/// `08:01:00` of an RFC 3339 time in UTC; with milliseconds where there are some and they are asked for.
pub(crate) fn time_of_day(rfc3339: &str, millis: bool) -> &str {
    let end = if millis { 23 } else { 19 };
    rfc3339.get(11..end.min(rfc3339.trim_end_matches('Z').len())).unwrap_or(rfc3339)
}

/// Checks an RFC 3339 time and keeps its text in the API's form. For clap.
pub(crate) fn time_argument(text: &str) -> Result<String, String> {
    parse_time(text).map(rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_told_from_remarks() {
        assert_eq!(split_advice("it is cut; send it whole"), ("it is cut", Some("send it whole")));
        assert_eq!(split_advice("' ' is wrong; only a-z are allowed").1, None);
        assert_eq!(split_advice("it is cut"), ("it is cut", None));
    }

    #[test]
    fn the_numbers_of_the_system_are_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(without_number(text), expected);

        check("not there (os error 2)", "not there");
        check("not there (os error 2); make it (os error 13)", "not there; make it");
        check("(os errors)", "(os errors)");
    }

    #[test]
    fn an_origin_is_spoken_of_as_what_it_is() {
        let wrong = |text: &str| parse_origin(text).unwrap_err();

        assert!(parse_origin("http://localhost:8030/").is_ok());
        for text in ["x", "ftp://localhost", "http://a:b@localhost", "http://localhost/x"] {
            assert!(!wrong(text).contains("endpoint"), "{}", wrong(text));
            assert!(wrong(text).contains("; write scheme, host and port only"), "{}", wrong(text));
        }
    }

    #[test]
    fn durations_are_read_with_their_units() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };

        check("0s", 0);
        check("90s", 90_000);
        check("2h30m", 9_000_000);
        check("1d", 86_400_000);
        check("59.999s", 59_999);
        check("250ms", 250);
        check("1m1s1ms", 61_001);
        check("1.5h", 5_400_000);
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "5", "s", "1x", "1s1s", "1s2m", "-1s", "1.s", ".5s", "1.0005s", "99999999999999999999d"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("5").is_err_and(|text| text.contains("write 5s")));
    }

    #[test]
    fn durations_for_people_name_two_units() {
        let check = |seconds, text| assert_eq!(human_duration(Duration::from_secs(seconds)), text);

        check(0, "0 ms");
        check(5, "5 s");
        check(65, "1 m 5 s");
        check(43_200, "12 h");
        check(43_140, "11 h 59 m");
        check(90_000, "1 d 1 h");
    }

    #[test]
    fn times_are_shown_in_utc() {
        let at = Timestamp::from_unix_millis(1_795_420_859_999);

        assert_eq!(rfc3339(at), "2026-11-23T08:00:59.999Z");
        assert_eq!(time_of_day("2026-11-23T08:00:59.999Z", false), "08:00:59");
        assert_eq!(time_of_day("2026-11-23T08:00:59.999Z", true), "08:00:59.999");
        assert_eq!(time_of_day("2026-11-23T08:00:59Z", true), "08:00:59");
        assert_eq!(parse_time("2026-11-23T09:00:59.999+01:00"), Ok(at));
        assert!(parse_time("yesterday").is_err());
    }

    #[test]
    fn nothing_escaped_steers_a_terminal() {
        let escaped = escape("a\u{1b}[2Jb\u{9b}c\r\nd\u{202e}e");

        assert_eq!(escaped, "a\\u{1b}[2Jb\\u{9b}c\\r\\nd\\u{202e}e");
        assert!(escape_block("a\n\tb\u{1b}").ends_with("\n\tb\\u{1b}"));
    }

    #[test]
    fn wrapping_keeps_words_and_inner_blanks() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("push send    x", 80), ["push send    x"]);
        assert_eq!(wrap("a\nb", 80), ["a", "b"]);
    }

    #[test]
    fn ids_are_cut_to_their_end() {
        assert_eq!(short_id("msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K"), "7F3K");
        assert_eq!(cut_id("msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K"), "msg_01M8…7F3K");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
