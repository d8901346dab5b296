//! The pure judgement: are the messages at hand what was waited for, and if not, why.

use core::time::Duration;
use std::sync::Arc;

use super::{Count, Met, NotMet, VerifyRequest, WaitRequest};
use crate::{
    duration_text::Shown,
    matcher::Matcher,
    near_miss::{Report, counted},
    service::exchange::Exchange,
    view::short_id,
};

/// How things stand with the messages at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// As many as wanted; more may still come.
    Enough,
    /// Too few so far.
    Short,
    /// More than allowed; nothing that comes can mend it.
    Surplus,
}

/// Judges the messages of a space, in any order, for `POST /wait`.
#[must_use]
pub fn judge(exchanges: &[Arc<Exchange>], request: &WaitRequest) -> Judgement {
    let expected = Expected { matcher: &request.matcher, count: request.count, since: request.since };
    judge_expected(exchanges, &expected)
}

/// A matcher of any kind with its count.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) matcher: &'a dyn Matcher,
    pub(crate) count: Count,
    pub(crate) since: u64,
}

impl Expected<'_> {
    /// The messages that count, oldest first.
    fn considered(&self, exchanges: &[Arc<Exchange>]) -> Vec<Arc<Exchange>> {
        let mut considered: Vec<_> =
            exchanges.iter().filter(|exchange| exchange.seq > self.since).cloned().collect();
        considered.sort_by_key(|exchange| exchange.seq);
        considered
    }

    fn matched(&self, considered: &[Arc<Exchange>]) -> Vec<Arc<Exchange>> {
        considered.iter().filter(|exchange| self.matcher.matches(exchange)).cloned().collect()
    }

    fn judgement(&self, matched: usize) -> Judgement {
        let matched = matched as u64;
        if self.count.max.is_some_and(|max| matched > max) {
            Judgement::Surplus
        } else if matched < self.count.min {
            Judgement::Short
        } else {
            Judgement::Enough
        }
    }

    fn description(&self) -> String {
        let conditions = self.matcher.description();
        if conditions.is_empty() { "any message".to_owned() } else { conditions }
    }
}

pub(crate) fn judge_expected(exchanges: &[Arc<Exchange>], expected: &Expected<'_>) -> Judgement {
    let newer = exchanges.iter().filter(|exchange| exchange.seq > expected.since);
    expected.judgement(newer.filter(|exchange| expected.matcher.matches(exchange)).count())
}

/// The result once the wait is over.
pub(crate) fn conclude(
    exchanges: &[Arc<Exchange>],
    expected: &Expected<'_>,
    waited: Duration,
) -> Result<Met, Box<NotMet>> {
    let considered = expected.considered(exchanges);
    let matched = expected.matched(&considered);
    let cursor = cursor(exchanges).max(expected.since);
    match shortfall(expected, &considered, &matched, waited) {
        None => Ok(Met { messages: matched, cursor }),
        Some(report) => Err(Box::new(NotMet { report, cursor })),
    }
}

fn cursor(exchanges: &[Arc<Exchange>]) -> u64 {
    exchanges.iter().map(|exchange| exchange.seq).max().unwrap_or(0)
}

/// Why the count is not met; none when it is.
fn shortfall(
    expected: &Expected<'_>,
    considered: &[Arc<Exchange>],
    matched: &[Arc<Exchange>],
    waited: Duration,
) -> Option<Report> {
    let description = expected.description();
    let Count { min, max } = expected.count;
    match expected.judgement(matched.len()) {
        Judgement::Enough => None,
        Judgement::Short => {
            let within = if waited.is_zero() { String::new() } else { format!(" within {}", Shown(waited)) };
            let headline = match matched.len() {
                0 => format!("nothing matched{within}: {description}"),
                number => format!("{number} of {min} matched{within}: {description}"),
            };
            Some(Report::too_few(headline, expected.matcher, considered, matched))
        }
        Judgement::Surplus => {
            let allowed = match max.unwrap_or(0) {
                0 => "none was expected".to_owned(),
                max => format!("at most {max} {} expected", if max == 1 { "was" } else { "were" }),
            };
            let headline = format!("{} matched, {allowed}: {description}", counted(matched.len()));
            Some(Report::too_many(headline, matched))
        }
    }
}

/// Several expectations, with what must hold between them.
pub(crate) struct ExpectedAll<'a> {
    pub(crate) all: Vec<Expected<'a>>,
    pub(crate) ordered: bool,
    pub(crate) no_others: bool,
}

impl<'a> ExpectedAll<'a> {
    pub(crate) fn of(request: &'a VerifyRequest) -> Self {
        let expected =
            |item: &'a super::VerifyItem| Expected { matcher: &item.matcher, count: item.count, since: 0 };
        Self {
            all: request.expect.iter().map(expected).collect(),
            ordered: request.ordered,
            no_others: request.no_others,
        }
    }

    /// Surplus as soon as one expectation has it; enough when all hold, in order and without others.
    pub(crate) fn judgement(&self, exchanges: &[Arc<Exchange>]) -> Judgement {
        let judgements: Vec<_> =
            self.all.iter().map(|expected| judge_expected(exchanges, expected)).collect();
        if judgements.contains(&Judgement::Surplus) {
            return Judgement::Surplus;
        }
        let held = judgements.iter().all(|judgement| *judgement == Judgement::Enough);
        if held && self.disorder(exchanges).is_none() && self.others(exchanges).is_empty() {
            Judgement::Enough
        } else {
            Judgement::Short
        }
    }

    pub(crate) fn conclude(&self, exchanges: &[Arc<Exchange>], waited: Duration) -> Result<Met, Box<NotMet>> {
        let mut messages: Vec<Arc<Exchange>> = Vec::new();
        let mut reports = Vec::new();
        for expected in &self.all {
            let considered = expected.considered(exchanges);
            let matched = expected.matched(&considered);
            reports.extend(shortfall(expected, &considered, &matched, waited));
            messages.extend(matched);
        }
        reports.extend(self.disorder(exchanges));
        let others = self.others(exchanges);
        if !others.is_empty() {
            let was = if others.len() == 1 { "was" } else { "were" };
            let headline = format!("{} {was} matched by no expectation", counted(others.len()));
            reports.push(Report::listing(headline, &others));
        }
        messages.sort_by_key(|exchange| exchange.seq);
        messages.dedup_by_key(|exchange| exchange.seq);
        let cursor = cursor(exchanges);
        match Report::joined(reports) {
            None => Ok(Met { messages, cursor }),
            Some(report) => Err(Box::new(NotMet { report, cursor })),
        }
    }

    /// The first pair of neighbours whose first matches came in the wrong order.
    fn disorder(&self, exchanges: &[Arc<Exchange>]) -> Option<Report> {
        if !self.ordered {
            return None;
        }
        let firsts: Vec<(usize, Arc<Exchange>)> = self
            .all
            .iter()
            .enumerate()
            .filter_map(|(at, expected)| {
                Some((at, expected.matched(&expected.considered(exchanges)).first()?.clone()))
            })
            .collect();
        let ((early, earlier), (late, later)) =
            firsts.iter().zip(firsts.iter().skip(1)).find(|((_, first), (_, next))| first.seq >= next.seq)?;
        let words = |at: usize| self.all.get(at).map(Expected::description).unwrap_or_default();
        let headline = format!(
            "out of order: expectation {} ({}) first matched {}, which is not after {}, the first match of \
             expectation {} ({})",
            late + 1,
            words(*late),
            short_id(&later.id),
            short_id(&earlier.id),
            early + 1,
            words(*early),
        );
        Some(Report::listing(headline, &[earlier.clone(), later.clone()]))
    }

    /// The messages that no expectation matches, oldest first.
    fn others(&self, exchanges: &[Arc<Exchange>]) -> Vec<Arc<Exchange>> {
        if !self.no_others {
            return Vec::new();
        }
        let known = |exchange: &Exchange| self.all.iter().any(|expected| expected.matcher.matches(exchange));
        let mut others: Vec<_> = exchanges.iter().filter(|exchange| !known(exchange)).cloned().collect();
        others.sort_by_key(|exchange| exchange.seq);
        others
    }
}
