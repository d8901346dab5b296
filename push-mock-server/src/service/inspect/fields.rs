//! `TTL`, `Topic`, `Urgency`, `Prefer`, `Push-Receipt`, `Content-Type` and `Content-Length`.

use push_crypto::{Topic, Ttl, TtlError, Urgency, UrgencyError};

use super::{
    Case, Target,
    report::{octets, shown},
};

const DAY: u32 = 86_400;
/// 28 days, the longest TTL of any large service but one.
const LONG: u32 = 28 * DAY;
/// TTLs of up to so many whole days are meant as such, even if they are a multiple of 1 000 (30 days are).
const WHOLE_DAYS: u32 = 60;

impl Case<'_> {
    /// `TTL` (RFC 8030 §5.2): what was asked for and what is granted.
    pub(super) fn check_ttl(&mut self) -> (Option<Ttl>, Option<Ttl>) {
        let place = "header:ttl";
        let values: Vec<&str> = self.request.fields("ttl").collect();
        let value = match values.as_slice() {
            [] => {
                self.report.add("ttl/missing", place, "no TTL", "seconds, for example 60");
                return (None, None);
            }
            [one] if is_list(one, |item| Ttl::parse(item).is_ok()) => {
                self.report.add("ttl/duplicate", place, shown(one), "one value");
                return (None, None);
            }
            [one] => *one,
            several => {
                self.report.add("ttl/duplicate", place, shown(&several.join(" and ")), "one value");
                return (None, None);
            }
        };
        match Ttl::parse(value) {
            Ok((ttl, over)) => (Some(ttl), Some(self.judge_ttl(ttl, over, value))),
            Err(error) => {
                let seen = if error == TtlError::Empty { "an empty value".to_owned() } else { shown(value) };
                self.report.add(error.code(), place, seen, "whole seconds, digits only");
                (None, None)
            }
        }
    }

    fn judge_ttl(&mut self, ttl: Ttl, over: bool, value: &str) -> Ttl {
        let place = "header:ttl";
        let (seconds, longest) = (ttl.as_seconds(), self.settings.ttl_longest);
        if over {
            self.report.add("ttl/overflow", place, shown(value), "at most 2147483648");
        }
        if ttl > longest {
            let seen = format!("{ttl} s, granted are {longest} s");
            self.report.add("ttl/capped", place, seen, format!("at most {longest} s"));
        }
        let whole_days = seconds % DAY == 0 && seconds / DAY <= WHOLE_DAYS;
        if !over && seconds > LONG && seconds % 1000 == 0 && !whole_days {
            let seen = format!("{seconds} s, which are {} days", seconds / DAY);
            self.report.add("ttl/milliseconds", place, seen, format!("perhaps {} s", seconds / 1000));
        }
        if ttl.is_zero() {
            self.report.add("ttl/zero", place, "0", "more than 0, unless now or never is meant");
            if let Target::Known(subject) = self.target
                && !subject.online
            {
                let seen = format!("0, and {} is offline", shown(subject.label));
                self.report.add("ttl/zero-dropped", place, seen, "more than 0");
            }
        }
        ttl.min(longest)
    }

    /// `Topic` (RFC 8030 §5.4).
    pub(super) fn check_topic(&mut self) -> Option<Topic> {
        let place = "header:topic";
        let values: Vec<&str> = self.request.fields("topic").collect();
        let value = match values.as_slice() {
            [] => return None,
            [one] => one.trim_matches([' ', '\t']),
            several => {
                self.report.add("topic/duplicate", place, shown(&several.join(" and ")), "one value");
                return None;
            }
        };
        match value.parse::<Topic>() {
            Ok(topic) => {
                if !topic.is_decodable() {
                    let seen = format!("{} characters", topic.as_str().len());
                    self.report.add(
                        "topic/not-decodable",
                        place,
                        seen,
                        "a length that divided by 4 does not leave 1",
                    );
                }
                Some(topic)
            }
            Err(error) => {
                let seen = if value.is_empty() { "an empty value".to_owned() } else { shown(value) };
                self.report.add(error.code(), place, seen, "1 to 32 characters of A-Z a-z 0-9 - _");
                None
            }
        }
    }

    /// `Urgency` (RFC 8030 §5.3).
    pub(super) fn check_urgency(&mut self) -> Urgency {
        let (place, expected) = ("header:urgency", "one of very-low, low, normal, high");
        let values: Vec<&str> = self.request.fields("urgency").collect();
        let value = match values.as_slice() {
            [] => return Urgency::Normal,
            [one] => one.trim_matches([' ', '\t']),
            several => {
                self.report.add("urgency/duplicate", place, shown(&several.join(" and ")), expected);
                return Urgency::Normal;
            }
        };
        match value.parse::<Urgency>() {
            Ok(urgency) => urgency,
            Err(error) => {
                let seen = if value.is_empty() { "an empty value".to_owned() } else { shown(value) };
                let expected = match error {
                    UrgencyError::Case { means } => means.as_str(),
                    _ => expected,
                };
                self.report.add(error.code(), place, seen, expected);
                Urgency::Normal
            }
        }
    }

    /// `Prefer` and `Push-Receipt`; true when a receipt is asked for (RFC 8030 §5.1).
    pub(super) fn check_receipt(&mut self) -> bool {
        let asked = self.request.fields("prefer").flat_map(|value| value.split(',')).any(|preference| {
            let name = preference.split([';', '=']).next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case("respond-async")
        });
        if asked {
            self.report.add("request/receipt-asked", "header:prefer", "respond-async", "no Prefer");
        }
        if self.request.fields("push-receipt").next().is_some() {
            let place = "header:push-receipt";
            self.report.add("request/push-receipt-header", place, "a Push-Receipt field", "Prefer and Link");
        }
        asked
    }

    /// `Content-Type` and `Content-Length` of a body.
    pub(super) fn check_form(&mut self) {
        if self.request.body.is_empty() {
            return;
        }
        if self.request.streamed {
            let size = octets(usize::try_from(self.request.body.len()).unwrap_or(usize::MAX));
            self.report.add(
                "request/no-content-length",
                "header:content-length",
                format!("{size} without it"),
                "Content-Length",
            );
        }
        let encoded = self.request.fields("content-encoding").next().is_some();
        if let Some(kind) = self.request.fields("content-type").next()
            && encoded
            && is_text(kind)
        {
            let place = "header:content-type";
            self.report.add(
                "request/content-type-text",
                place,
                shown(kind),
                "application/octet-stream, or none",
            );
        }
    }
}

/// True for `a, b` whose items all pass.
fn is_list(value: &str, each: impl Fn(&str) -> bool) -> bool {
    value.contains(',') && value.split(',').all(|item| each(item.trim()))
}

/// Text, JSON, and what `curl --data` calls its body: types whose bodies programs treat as characters.
fn is_text(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || essence == "application/json"
        || essence.ends_with("+json")
        || essence == "application/x-www-form-urlencoded"
}
