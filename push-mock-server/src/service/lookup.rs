//! Finding things by what people call them: whole ids, the last four characters of an id, and labels.

use std::sync::Arc;

use push_crypto::UserAgentKeys;

use super::{
    PushService,
    exchange::Exchange,
    state::{Agent, Space, lock},
};
use crate::{
    error::ServiceError,
    ids::{MessageId, SubscriptionId, UserAgentId},
    store::{Address, Store, SubscriptionRecord},
};

/// Characters of an id that name a thing where they are unique.
const SHORT: usize = 4;
/// Other subscriptions whose keys are tried on a message that does not open, newest first; each costs 50 µs
/// (our choice).
const OTHERS: usize = 64;

/// A recorded request.
pub(super) struct Found {
    pub(super) id: MessageId,
    pub(super) exchange: Arc<Exchange>,
}

/// What was asked for, in one space.
struct Asked<'a> {
    what: &'static str,
    named: &'a str,
    space: &'a Space,
}

impl Asked<'_> {
    /// The one thing that fits, among things in order of creation.
    fn one<T>(
        &self,
        fits: Vec<(String, T)>,
        labels: impl FnOnce() -> Vec<String>,
    ) -> Result<T, ServiceError> {
        if fits.len() > 1 {
            let fits = fits.into_iter().map(|(id, _)| id).collect();
            return Err(ServiceError::AmbiguousId { what: self.what, named: self.shown(), fits });
        }
        fits.into_iter().next().map(|(_, thing)| thing).ok_or_else(|| ServiceError::NotFound {
            what: self.what,
            named: self.shown(),
            space: self.space.name.to_string(),
            alike: alike(self.named, labels()),
        })
    }

    /// What was asked for comes from outside, so it is cut.
    fn shown(&self) -> String {
        self.named.chars().take(64).collect()
    }
}

fn is_short_of(id: &str, text: &str) -> bool {
    let at = id.len().saturating_sub(SHORT);
    text.len() == SHORT && id.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(text))
}

/// Labels that differ by few edits, closest first.
fn alike(named: &str, labels: Vec<String>) -> Vec<String> {
    let mut near: Vec<_> = labels
        .into_iter()
        .map(|label| (distance(named, &label), label))
        .filter(|(distance, label)| *distance <= label.chars().count().max(2) / 2)
        .collect();
    near.sort();
    near.into_iter().map(|(_, label)| label).take(3).collect()
}

/// Edits between two texts, a swap of neighbours counting as one, since that is how names are mistyped.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) =
        (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let changed = cell(&row, j) + usize::from(a != b);
            let mut least = changed.min(cell(&row, j + 1) + 1).min(cell(&next, j) + 1);
            let swapped = i > 0 && j > 0 && one.get(i - 1) == Some(b) && other.get(j - 1) == Some(a);
            if swapped {
                least = least.min(cell(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    cell(&row, other.len())
}

impl PushService {
    pub(super) fn find_exchange(&self, space: &Space, named: &str) -> Result<Found, ServiceError> {
        let history = lock(&space.history);
        let id = named.parse::<MessageId>().ok();
        let fits = history
            .shown()
            .filter(|(other, exchange)| id == Some(*other) || is_short_of(&exchange.id, named))
            .map(|(id, exchange)| (exchange.id.clone(), Found { id, exchange: Arc::clone(exchange) }))
            .collect();
        Asked { what: "message", named, space }.one(fits, Vec::new)
    }

    pub(super) fn find_address(&self, space: &Space, named: &str) -> Result<Address, ServiceError> {
        let directory = lock(&space.directory);
        if let Some(listed) = directory.labels.get(named).and_then(|id| directory.subscriptions.get(id)) {
            return Ok(listed.at);
        }
        let id = named.parse::<SubscriptionId>().ok();
        let fits = directory
            .subscriptions
            .iter()
            .map(|(other, listed)| (*other, other.to_string(), listed))
            .filter(|(other, text, _)| id == Some(*other) || is_short_of(text, named))
            .map(|(_, text, listed)| (text, listed.at))
            .collect();
        let labels = || directory.labels.keys().cloned().collect();
        Asked { what: "subscription", named, space }.one(fits, labels)
    }

    pub(super) async fn find_record(
        &self,
        space: &Space,
        named: &str,
    ) -> Result<Arc<SubscriptionRecord>, ServiceError> {
        let at = self.find_address(space, named)?;
        let record = self.0.store.find(space.now(), &at).await?;
        let asked = Asked { what: "subscription", named, space };
        record.map_or_else(|| asked.one(Vec::new(), Vec::new), Ok)
    }

    pub(super) fn find_agent(&self, space: &Space, named: &str) -> Result<Arc<Agent>, ServiceError> {
        let directory = lock(&space.directory);
        let id = named.parse::<UserAgentId>().ok();
        let label_of = |agent: &Agent| lock(&agent.state).label.clone();
        // A browser that took another name leaves its label to its successor.
        let called = directory.agents.values().filter(|agent| label_of(agent) == named);
        if let Some(agent) = called.max_by_key(|agent| (agent.is_linked(), agent.key)) {
            return Ok(Arc::clone(agent));
        }
        let fits = directory
            .agents
            .values()
            .map(|agent| (agent.key.agent.to_string(), agent))
            .filter(|(text, agent)| id == Some(agent.key.agent) || is_short_of(text, named))
            .map(|(text, agent)| (text, Arc::clone(agent)))
            .collect();
        let labels = || directory.agents.values().map(|agent| label_of(agent)).collect();
        Asked { what: "user agent", named, space }.one(fits, labels)
    }

    pub(super) fn find_simulated(&self, space: &Space, named: &str) -> Result<Arc<Agent>, ServiceError> {
        let agent = self.find_agent(space, named)?;
        if agent.kind.is_browser() {
            return Err(ServiceError::BadField {
                pointer: "/userAgent",
                detail: format!(
                    "{} is a real browser, which makes its subscriptions itself",
                    lock(&agent.state).label
                ),
                fix: "name a simulated user agent, or let a page of the browser subscribe".into(),
            });
        }
        Ok(agent)
    }

    /// Labels and keys of the newest other subscriptions.
    pub(super) fn keys_of_others(&self, space: &Space, at: Option<Address>) -> Vec<(String, UserAgentKeys)> {
        let directory = lock(&space.directory);
        let others = directory.subscriptions.values().rev().filter(|listed| Some(listed.at) != at);
        let held = others.filter_map(|listed| Some((listed.label.clone(), listed.keys.clone()?)));
        held.take(OTHERS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_right_are_told() {
        let there = || vec!["alice".to_owned(), "bob".to_owned(), "alina".to_owned()];
        let check = |named, expected: &[&str]| assert_eq!(alike(named, there()), expected, "{named}");

        check("alcie", &["alice"]);
        check("alic", &["alice", "alina"]);
        check("bab", &["bob"]);
        check("zzzzz", &[]);
        check("", &[]);
    }

    #[test]
    fn distances_count_edits() {
        let check = |one, other, expected| assert_eq!(distance(one, other), expected, "{one} {other}");

        check("", "", 0);
        check("a", "", 1);
        check("", "abc", 3);
        check("alice", "alcie", 1);
        check("alice", "malice", 1);
        check("kitten", "sitting", 3);
    }

    #[test]
    fn four_characters_name_the_end_of_an_id() {
        assert!(is_short_of("msg_01J000000000000000000ABCD", "abcd"));
        assert!(!is_short_of("msg_01J000000000000000000ABCD", "bcd"));
        assert!(!is_short_of("msg_01J000000000000000000ABCD", "0ABCD"));
        assert!(!is_short_of("", "abcd"));
    }
}
