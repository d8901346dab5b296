//! Why nothing matched: the messages that came closest, condition by condition, as text and as JSON.

use core::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    matcher::{Condition, Difference, Matcher},
    service::exchange::Exchange,
    view::{cut, one_line, printable, short_id},
};

/// Near misses that are shown; our choice, the fourth helps nobody.
const SHOWN: usize = 3;

/// Differences that are shown of one condition; our choice.
const DIFFERENCES_SHOWN: usize = 5;

/// Characters of a value that are shown when it is compared; our choice, two fit a wide line.
const VALUE_SHOWN: usize = 60;

/// Matched messages that are listed when there were too many; our choice.
const SURPLUS_SHOWN: usize = 5;

/// A message that did not match, with each condition's result.
#[derive(Clone, Debug)]
pub struct NearMiss {
    /// Id of the message.
    pub message: String,
    /// Every condition, met or not.
    pub conditions: Vec<Condition>,
}

impl NearMiss {
    /// Number of conditions that are met.
    #[must_use]
    pub fn met(&self) -> usize {
        self.conditions.iter().filter(|condition| condition.is_met()).count()
    }

    /// Every difference, in the order of the conditions.
    pub fn differences(&self) -> impl Iterator<Item = &Difference> {
        self.conditions.iter().flat_map(|condition| &condition.differences)
    }

    /// `{"message":"msg_…","met":1,"of":2,"differences":[…]}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "message": self.message,
            "met": self.met(),
            "of": self.conditions.len(),
            "differences": self.differences().map(Difference::to_json).collect::<Vec<_>>(),
        })
    }
}

/// The messages that came closest, at most three, closest first.
///
/// Fewest unmet conditions first; then those to the right subscription, those with fewer and with smaller
/// differences, newer ones.
#[must_use]
pub fn near_misses(matcher: &dyn Matcher, considered: &[Arc<Exchange>]) -> Vec<NearMiss> {
    let mut ranked: Vec<_> = considered
        .iter()
        .map(|exchange| {
            let near = NearMiss { message: exchange.id.clone(), conditions: matcher.conditions(exchange) };
            let unmet = near.conditions.len() - near.met();
            let elsewhere = near.differences().any(|difference| difference.member == "to");
            let (count, apart) = (near.differences().count(), near.differences().map(apart).sum::<usize>());
            ((unmet, elsewhere, count, apart, core::cmp::Reverse(exchange.seq)), near)
        })
        .filter(|((unmet, ..), _)| *unmet > 0)
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(SHOWN).map(|(_, near)| near).collect()
}

/// How much of two texts is different, from their first difference on; a lot when they are no texts.
fn apart(difference: &Difference) -> usize {
    const MOST: usize = 1000;
    let texts = &difference.texts;
    if !texts.comparable {
        return MOST;
    }
    let longest = texts.expected.chars().count().max(texts.actual.chars().count());
    (longest - common(&texts.expected, &texts.actual)).min(MOST - 1)
}

/// Number of characters at the start that are equal.
fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// Why an expectation was not met: a text for people, and its parts for programs.
///
/// The text is the one of [`fmt::Display`], several lines without a final line break.
#[derive(Clone, Debug)]
pub struct Report {
    headline: String,
    body: Vec<String>,
    advice: Option<String>,
    matched: Vec<String>,
    near: Vec<NearMiss>,
}

impl Report {
    /// Too few messages matched.
    pub(crate) fn too_few(
        headline: String,
        matcher: &dyn Matcher,
        considered: &[Arc<Exchange>],
        matched: &[Arc<Exchange>],
    ) -> Self {
        let near = near_misses(matcher, considered);
        let mut body = Vec::new();
        let mut first = arrivals(matcher, considered);
        for (at, near) in near.iter().enumerate() {
            let place = if at == 0 { "Closest" } else { "Next" };
            let count = near.conditions.len();
            let of = if count == 1 { "1 condition".to_owned() } else { format!("{count} conditions") };
            let title = format!("{place}: {}, {} of {of}", short_id(&near.message), near.met());
            body.push(format!("  {first}{title}"));
            first.clear();
            body.extend(condition_lines(&near.conditions));
        }
        if near.is_empty() {
            body.push(format!("  {}", first.trim_end()));
        }
        let matched: Vec<String> = matched.iter().map(|exchange| exchange.id.clone()).collect();
        Self { headline, body, advice: None, matched, near }
    }

    /// More messages matched than allowed.
    pub(crate) fn too_many(headline: String, matched: &[Arc<Exchange>]) -> Self {
        let mut report = Self::listing(headline, matched);
        report.matched = matched.iter().map(|exchange| exchange.id.clone()).collect();
        report
    }

    /// A headline and the messages it is about.
    pub(crate) fn listing(headline: String, messages: &[Arc<Exchange>]) -> Self {
        let mut body: Vec<String> = messages
            .iter()
            .take(SURPLUS_SHOWN)
            .map(|exchange| format!("    {}", one_line(exchange)))
            .collect();
        if messages.len() > SURPLUS_SHOWN {
            body.push(format!("    … and {} more", messages.len() - SURPLUS_SHOWN));
        }
        Self { headline, body, advice: None, matched: Vec::new(), near: Vec::new() }
    }

    /// A headline alone.
    pub(crate) fn remark(headline: impl Into<String>) -> Self {
        Self::listing(headline.into(), &[])
    }

    /// Several reports as one; none when there is nothing to report.
    pub(crate) fn joined(reports: Vec<Self>) -> Option<Self> {
        reports.into_iter().reduce(|mut all, next| {
            all.body.push(next.headline);
            all.body.extend(next.body);
            all.matched.extend(next.matched);
            all.near.extend(next.near);
            all
        })
    }

    /// Adds what to do next on the command line.
    pub(crate) fn advised(mut self, addressee: Option<&str>, space: &str) -> Self {
        let space = if space == "default" { String::new() } else { format!(" --space {}", printable(space)) };
        let message = self.near.first().map(|near| &near.message).or(self.matched.first());
        self.advice = Some(match (message, addressee) {
            (Some(message), Some(to)) => format!(
                "push show {}{space}      or  push wait --to {}{space} --explain",
                short_id(message),
                printable(to)
            ),
            (Some(message), None) => {
                format!("push show {}{space}      or  push msg ls{space}", short_id(message))
            }
            (None, _) => {
                format!("push sub ls{space}      and check that the sender uses one of these endpoints")
            }
        });
        self
    }

    /// The first line: what was expected and did not happen.
    #[must_use]
    pub fn headline(&self) -> &str {
        &self.headline
    }

    /// Ids of the messages that matched; too few, or too many.
    #[must_use]
    pub fn matched(&self) -> &[String] {
        &self.matched
    }

    /// The messages that came closest, closest first.
    #[must_use]
    pub fn near_misses(&self) -> &[NearMiss] {
        &self.near
    }

    /// `{"matched":["msg_…"],"nearMisses":[…],"report":"…"}`, the members of problem `api/not-met`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "matched": self.matched,
            "nearMisses": self.near.iter().map(NearMiss::to_json).collect::<Vec<_>>(),
            "report": self.to_string(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)?;
        for line in &self.body {
            write!(f, "\n{line}")?;
        }
        match &self.advice {
            Some(advice) => write!(f, "\n  do    {advice}"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Report {}

/// `3 messages went to alice. `, with a final blank.
fn arrivals(matcher: &dyn Matcher, considered: &[Arc<Exchange>]) -> String {
    let Some(to) = matcher.addressee() else {
        let counted = counted(considered.len());
        return if considered.is_empty() {
            "No message arrived. ".to_owned()
        } else {
            format!("{counted} arrived. ")
        };
    };
    let here = |exchange: &&Arc<Exchange>| {
        exchange.to.as_deref() == Some(to) || exchange.subscription.as_deref() == Some(to)
    };
    let to = printable(to);
    let number = considered.iter().filter(here).count();
    if number > 0 {
        return format!("{} went to {to}. ", counted(number));
    }
    let mut others: Vec<(&str, usize)> = Vec::new();
    for exchange in considered {
        let label = exchange.to.as_deref().unwrap_or("an unknown subscription");
        match others.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += 1,
            None => others.push((label, 1)),
        }
    }
    if others.is_empty() {
        return format!("No message arrived, neither for {to} nor for another subscription. ");
    }
    others.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    let shown: Vec<String> =
        others.iter().take(SHOWN).map(|(label, count)| format!("{count} to {}", printable(label))).collect();
    let more = if others.len() > SHOWN { ", …" } else { "" };
    format!("No message went to {to}, but {}{more}. ", shown.join(", "))
}

/// `1 message`, `3 messages`.
pub(crate) fn counted(number: usize) -> String {
    if number == 1 { "1 message".to_owned() } else { format!("{number} messages") }
}

fn condition_lines(conditions: &[Condition]) -> Vec<String> {
    let width = conditions.iter().map(|condition| condition.member.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for condition in conditions {
        let member = condition.member;
        if condition.is_met() {
            lines.push(format!("    ✓ {member:width$}  {}", cut(&condition.wanted, VALUE_SHOWN)));
        }
        for difference in condition.differences.iter().take(DIFFERENCES_SHOWN) {
            lines.extend(difference_lines(&format!("    ✗ {member:width$}  "), difference));
        }
        if condition.differences.len() > DIFFERENCES_SHOWN {
            let more = condition.differences.len() - DIFFERENCES_SHOWN;
            lines.push(format!("    ✗ {member:width$}  … and {more} more differences"));
        }
    }
    lines
}

/// The line, and below it a caret under the first character that differs.
fn difference_lines(start: &str, difference: &Difference) -> Vec<String> {
    let texts = &difference.texts;
    let (expected, actual, caret) = if texts.comparable {
        excerpts(&texts.expected, &texts.actual)
    } else {
        (cut(&texts.expected, VALUE_SHOWN), cut(&texts.actual, VALUE_SHOWN), None)
    };
    let pointer = if difference.pointer.is_empty() {
        String::new()
    } else {
        format!("{}   ", printable(&difference.pointer))
    };
    let until_actual = format!("{start}{pointer}expected {expected}   was ");
    let mut lines = vec![format!("{until_actual}{actual}")];
    if let Some(caret) = caret {
        lines.push(format!("{}^", " ".repeat(until_actual.chars().count() + caret)));
    }
    lines
}

/// Both texts around their first difference, and where in the second that is; none at the very start.
fn excerpts(expected: &str, actual: &str) -> (String, String, Option<usize>) {
    let first = common(expected, actual);
    let starts = usize::from(expected.starts_with('"'));
    let longest = expected.chars().count().max(actual.chars().count());
    let start = if longest <= VALUE_SHOWN { 0 } else { first.saturating_sub(VALUE_SHOWN / 2) };
    let excerpt = |text: &str| {
        let mark = if start > 0 { "…" } else { "" };
        let rest: String = text.chars().skip(start).collect();
        format!("{mark}{}", cut(&rest, VALUE_SHOWN))
    };
    let caret = first - start + usize::from(start > 0);
    (excerpt(expected), excerpt(actual), (first > starts).then_some(caret))
}

#[cfg(test)]
mod tests;
