//! `Sink`: a push service for measuring senders. It admits by form, counts, and keeps nothing.
//!
//! No message is opened, verified, recorded or handed over, and no finding is made but the one that refuses. Any
//! well-formed token is taken, so that a million made-up subscriptions can be sent to.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use push_crypto::Ttl;

use super::{
    PushService,
    finding::Finding,
    inspect::{self, Strictness},
};

/// Most characters of a token that is taken (our choice: the longest of any vendor has about 190).
const LONGEST_TOKEN: usize = 512;
/// What is counted: every status that a sink answers with.
const STATUSES: [u16; 5] = [201, 400, 404, 405, 413];

/// What a request to a push resource is judged by before its body has come.
#[derive(Debug)]
pub(crate) struct Head {
    /// Its resource or its method is wrong.
    wrong: Option<Box<Refused>>,
    ttl: Result<Ttl, Box<Refused>>,
    is_encoded: bool,
}

/// A message that was taken, and is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// It was the so-many-th, from 1.
    pub(crate) number: u64,
    /// TTL granted.
    pub(crate) ttl: Ttl,
}

/// How many requests a sink has answered, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkCounts {
    /// Status and number of answers, 201 first.
    pub statuses: Vec<(u16, u64)>,
    /// Octets of the bodies that were taken.
    pub octets: u64,
}

impl SinkCounts {
    /// Answers with 201.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.statuses.iter().find(|(status, _)| *status == 201).map_or(0, |(_, count)| *count)
    }
}

/// The counters of a sink, and the limits that it admits by.
#[derive(Debug)]
pub(crate) struct Sink {
    answers: [AtomicU64; STATUSES.len()],
    octets: AtomicU64,
    body_octets: usize,
    ttl_longest: Ttl,
}

impl Sink {
    pub(super) fn new(body_octets: usize, ttl_longest: Ttl) -> Self {
        Self { answers: Default::default(), octets: AtomicU64::new(0), body_octets, ttl_longest }
    }

    /// Judges a request by its method, the token in its path, the only value of `TTL` (none when it is missing, or
    /// stands there several times), and whether it has `Content-Encoding`.
    pub(crate) fn judge(&self, method: &str, token: &str, ttl: Option<&str>, is_encoded: bool) -> Head {
        Head {
            wrong: wrong_target(token).or_else(|| wrong_method(method)),
            ttl: read_ttl(ttl).map(|ttl| ttl.min(self.ttl_longest)),
            is_encoded,
        }
    }

    /// Takes a message with a body of so many octets (none: more than the limit), or says with which status and why
    /// not; in the order of a whole inspection.
    pub(crate) fn take(
        &self,
        head: Head,
        octets: Option<usize>,
    ) -> Result<Taken, (u16, Option<Box<Finding>>)> {
        match self.admit(head, octets) {
            Ok((ttl, octets)) => {
                self.octets.fetch_add(octets as u64, Relaxed);
                Ok(Taken { number: self.count(201) + 1, ttl })
            }
            Err(refused) => {
                self.count(refused.status);
                Err((refused.status, refused.finding()))
            }
        }
    }

    fn admit(&self, head: Head, octets: Option<usize>) -> Result<(Ttl, usize), Box<Refused>> {
        let Head { wrong, ttl, is_encoded } = head;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        let Some(octets) = octets.filter(|octets| *octets <= self.body_octets) else {
            let (seen, most) = (format!("more than {}", self.body_octets), self.body_octets);
            return Err(Refused::new(413, "body/too-large", "body", seen, format!("at most {most} octets")));
        };
        let ttl = ttl?;
        if octets > 0 && !is_encoded {
            let place = "header:content-encoding";
            let seen = "a body without Content-Encoding";
            return Err(Refused::new(400, "coding/missing", place, seen, "aes128gcm"));
        }
        Ok((ttl, octets))
    }

    /// Adds one; the number before.
    fn count(&self, status: u16) -> u64 {
        let counters = STATUSES.iter().zip(&self.answers);
        let mut counters = counters.filter(|(of, _)| **of == status);
        counters.next().map_or(0, |(_, counter)| counter.fetch_add(1, Relaxed))
    }

    fn counts(&self) -> SinkCounts {
        let answers = self.answers.iter().map(|counter| counter.load(Relaxed));
        SinkCounts {
            statuses: STATUSES.into_iter().zip(answers).collect(),
            octets: self.octets.load(Relaxed),
        }
    }
}

/// Every push token is base64url.
fn wrong_target(token: &str) -> Option<Box<Refused>> {
    let is_legal = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    if (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(is_legal) {
        return None;
    }
    let expected = format!("1 to {LONGEST_TOKEN} characters of A-Z a-z 0-9 - _");
    Some(Refused::new(404, "subscription/unknown", "path", "no token of that form", expected))
}

fn wrong_method(method: &str) -> Option<Box<Refused>> {
    let is_right = matches!(method, "POST" | "PUT");
    (!is_right).then(|| Refused::new(405, "request/method", "method", shown(method), "POST"))
}

fn read_ttl(value: Option<&str>) -> Result<Ttl, Box<Refused>> {
    let Some(value) = value else {
        let seen = "no TTL, or several";
        return Err(Refused::new(400, "ttl/missing", "header:ttl", seen, "seconds, for example 60"));
    };
    Ttl::parse(value).map(|(ttl, _)| ttl).map_err(|error| {
        Refused::new(400, error.code(), "header:ttl", shown(value), "whole seconds, digits only")
    })
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// Why a message was not taken.
#[derive(Debug)]
struct Refused {
    status: u16,
    code: &'static str,
    place: &'static str,
    seen: String,
    expected: String,
}

impl Refused {
    fn new(
        status: u16,
        code: &'static str,
        place: &'static str,
        seen: impl Into<String>,
        expected: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self { status, code, place, seen: seen.into(), expected: expected.into() })
    }

    /// In the words of its rule.
    fn finding(&self) -> Option<Box<Finding>> {
        let rule = inspect::rule(self.code)?;
        let finding =
            rule.finding(Strictness::Strict, self.place, self.seen.as_str(), self.expected.as_str());
        Some(Box::new(finding))
    }
}

impl PushService {
    /// What was counted, when the service was started as a sink.
    #[must_use]
    pub fn sink_counts(&self) -> Option<SinkCounts> {
        self.0.sink.as_ref().map(Sink::counts)
    }

    pub(crate) fn sink(&self) -> Option<&Sink> {
        self.0.sink.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    struct Arrived<'a> {
        method: &'a str,
        token: &'a str,
        ttl: Option<&'a str>,
        is_encoded: bool,
        octets: Option<usize>,
    }

    const GOOD: Arrived<'_> =
        Arrived { method: "POST", token: "T0k-en_", ttl: Some("60"), is_encoded: true, octets: Some(100) };

    fn take(sink: &Sink, arrived: Arrived<'_>) -> Result<Taken, (u16, Option<Box<Finding>>)> {
        let Arrived { method, token, ttl, is_encoded, octets } = arrived;
        sink.take(sink.judge(method, token, ttl, is_encoded), octets)
    }

    fn refused(arrived: Arrived<'_>) -> Option<(u16, &'static str)> {
        let sink = Sink::new(4096, Ttl::seconds(1000));
        let taken = take(&sink, arrived);
        assert_eq!(sink.counts().accepted(), u64::from(taken.is_ok()));
        taken.err().map(|(status, finding)| (status, finding.unwrap().code))
    }

    #[test]
    fn what_has_the_form_of_a_push_message_is_taken() {
        for good in [
            GOOD,
            Arrived { method: "PUT", ..GOOD },
            Arrived { octets: Some(0), is_encoded: false, ..GOOD },
            Arrived { octets: Some(4096), ..GOOD },
            Arrived { token: &"x".repeat(LONGEST_TOKEN), ..GOOD },
        ] {
            assert_eq!(refused(good), None, "{good:?}");
        }
    }

    /// Each limit at its edge, and the order in which the parts decide.
    #[test]
    fn the_first_fault_decides() {
        for (bad, expected) in [
            (Arrived { token: "", ..GOOD }, (404, "subscription/unknown")),
            (Arrived { token: "a.b", method: "GET", ..GOOD }, (404, "subscription/unknown")),
            (Arrived { token: &"x".repeat(LONGEST_TOKEN + 1), ..GOOD }, (404, "subscription/unknown")),
            (Arrived { method: "GET", ttl: None, ..GOOD }, (405, "request/method")),
            (Arrived { octets: Some(4097), ttl: None, ..GOOD }, (413, "body/too-large")),
            (Arrived { octets: None, ..GOOD }, (413, "body/too-large")),
            (Arrived { ttl: None, ..GOOD }, (400, "ttl/missing")),
            (Arrived { ttl: Some("1h"), is_encoded: false, ..GOOD }, (400, "ttl/not-a-number")),
            (Arrived { is_encoded: false, ..GOOD }, (400, "coding/missing")),
        ] {
            assert_eq!(refused(bad), Some(expected), "{bad:?}");
        }
    }

    #[test]
    fn answers_and_octets_are_counted_and_the_ttl_is_capped() {
        let sink = Sink::new(4096, Ttl::seconds(1000));

        let first = take(&sink, GOOD).unwrap();
        let second = take(&sink, Arrived { ttl: Some("1001"), ..GOOD }).unwrap();
        let _ = take(&sink, Arrived { ttl: None, ..GOOD });

        assert_eq!((first.number, first.ttl), (1, Ttl::seconds(60)));
        assert_eq!((second.number, second.ttl), (2, Ttl::seconds(1000)));
        let counts = sink.counts();
        assert_eq!(counts.statuses, [(201, 2), (400, 1), (404, 0), (405, 0), (413, 0)]);
        assert_eq!(counts.octets, 200);
    }
}
