//! What one user agent does, told line by line from the events of the service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    api::{Api, encode},
    diagnostic::Result,
    happening,
    message::{self, Columns, member, pointer},
    output::Output,
    text,
};

/// What an event was, for whoever waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A page subscribed.
    Subscribed,
    /// Something else, perhaps of somebody else.
    Other,
}

/// How the user agent of the browser is recognised.
pub(super) struct Sought {
    /// The kind, as the service names it.
    pub(super) kind: &'static str,
    /// The label it asks for; the service numbers it where somebody has it.
    pub(super) label: String,
    /// True for a profile that was used before: its user agent may be known already, under another label.
    pub(super) has_past: bool,
    /// The user agents there were before the browser started, and whether they were connected.
    pub(super) before: BTreeMap<String, bool>,
}

impl Sought {
    /// The user agents of the service as they are now are those before.
    pub(super) async fn new(api: &Api, kind: &'static str, label: String, has_past: bool) -> Result<Self> {
        let items = api.items("/user-agents", &[]).await?;
        let is_connected = |item: &Value| item.get("connected").and_then(Value::as_bool).unwrap_or_default();
        let before = items.iter().map(|item| (member(item, "id").to_owned(), is_connected(item))).collect();
        Ok(Self { kind, label, has_past, before })
    }

    /// Whether `agent` is the browser's, when none was recognised so far or `is_found`.
    fn is_it(&self, agent: &Value, is_found: bool) -> bool {
        if member(agent, "kind") != self.kind {
            return false;
        }
        match self.before.get(member(agent, "id")) {
            Some(was_connected) => self.has_past && !was_connected && !is_found,
            None => {
                member(agent, "label") == self.label || !is_found && self.is_numbered(member(agent, "label"))
            }
        }
    }

    /// `pc-2` where `pc` was asked for.
    fn is_numbered(&self, label: &str) -> bool {
        let number = label.strip_prefix(&self.label).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    }
}

/// Follows one user agent.
pub(super) struct Story<'a> {
    api: &'a Api,
    sought: &'a Sought,
    out: Output,
    agents: BTreeSet<String>,
    strangers: BTreeSet<String>,
    subscriptions: BTreeSet<String>,
    had_subscribed: bool,
}

impl<'a> Story<'a> {
    /// Nothing is known of it yet.
    pub(super) const fn new(api: &'a Api, sought: &'a Sought, out: Output) -> Self {
        Self {
            api,
            sought,
            out,
            agents: BTreeSet::new(),
            strangers: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
            had_subscribed: false,
        }
    }

    /// Tells the event if it is of this user agent.
    pub(super) async fn tell(&mut self, event: &Value) -> Result<Told> {
        if !self.is_ours(event).await? {
            return Ok(Told::Other);
        }
        // A kept profile may have its subscription already.
        let is_new = member(event, "type") == "subscription.created";
        let told = if is_new || self.had_subscribed { Told::Subscribed } else { Told::Other };
        if self.out.is_json() {
            self.out.record(event)?;
        } else if let Some(line) = line(event) {
            self.out.line(format!("  {line}"))?;
        }
        Ok(told)
    }

    async fn is_ours(&mut self, event: &Value) -> Result<bool> {
        if let Some(agent) = event.get("userAgent") {
            let id = member(agent, "id");
            if self.agents.contains(id) {
                return Ok(true);
            }
            let is_ours = member(event, "type") == "userAgent.connected"
                && self.sought.is_it(agent, !self.agents.is_empty());
            if is_ours {
                self.found(agent).await?;
            }
            return Ok(is_ours);
        }
        if let Some(subscription) = event.get("subscription") {
            let is_ours = self.knows(pointer(subscription, "/userAgent/id")).await?;
            if is_ours {
                self.subscriptions.insert(member(subscription, "id").to_owned());
            }
            return Ok(is_ours);
        }
        Ok(event
            .get("message")
            .is_some_and(|message| self.subscriptions.contains(member(message, "subscription"))))
    }

    /// Chromium registers before it connects, so the first that is heard of its user agent may be its id.
    async fn knows(&mut self, id: &str) -> Result<bool> {
        if self.agents.contains(id) {
            return Ok(true);
        }
        if id.is_empty() || self.strangers.contains(id) {
            return Ok(false);
        }
        let Ok(agent) = self.api.get(&format!("/user-agents/{}", encode(id)), &[]).await else {
            return Ok(false);
        };
        let is_ours = self.sought.is_it(&agent, !self.agents.is_empty());
        if is_ours {
            self.found(&agent).await?;
        } else if !self.sought.before.contains_key(id) {
            self.strangers.insert(id.to_owned());
        }
        Ok(is_ours)
    }

    /// Takes the user agent for the browser's, with the subscriptions that it has.
    async fn found(&mut self, agent: &Value) -> Result<()> {
        let (id, label) = (member(agent, "id"), member(agent, "label"));
        self.agents.insert(id.to_owned());
        if label != self.sought.label && !self.out.is_json() {
            let why = if self.sought.before.contains_key(id) {
                "the profile had it before".to_owned()
            } else {
                format!("{} is taken", text::escape(&self.sought.label))
            };
            self.out.line(format!("  the user agent has the label {}: {why}", text::escape(label)))?;
        }
        for subscription in self.api.items("/subscriptions", &[]).await? {
            let is_own = pointer(&subscription, "/userAgent/id") == id;
            if is_own && member(&subscription, "status") == "active" {
                self.had_subscribed = true;
                self.subscriptions.insert(member(&subscription, "id").to_owned());
            }
        }
        Ok(())
    }
}

/// One line of text; none for what only machines care for.
fn line(event: &Value) -> Option<String> {
    let kind = member(event, "type");
    let Some(message) = event.get("message").filter(|_| kind != "message.noted") else {
        return happening::line(event);
    };
    // Handed over and acknowledged follow each other within milliseconds: one line is enough.
    if matches!(kind, "message.accepted" | "message.delivered") {
        return None;
    }
    let mut message = message.clone();
    if let (Some(members), Some(clock)) = (message.as_object_mut(), event.get("clock")) {
        members.insert("clock".into(), clock.clone());
    }
    Some(message::list_line(&message, Columns::STREAM))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(event: &Value) -> Option<String> {
        line(event).map(|line| anstream::adapter::strip_str(&line).to_string())
    }

    #[test]
    fn the_user_agent_is_recognised_whatever_its_label_became() {
        let agent = |id: &str, label: &str| json!({"id": id, "label": label, "kind": "firefox"});
        let sought = |has_past| Sought {
            kind: "firefox",
            label: "pc".into(),
            has_past,
            before: BTreeMap::from([("linked".to_owned(), true), ("idle".to_owned(), false)]),
        };

        for (has_past, agent, is_found, expected) in [
            (false, agent("new", "pc"), false, true),
            (false, agent("new", "pc-2"), false, true),
            (false, agent("new", "pc-x"), false, false),
            (false, agent("new", "firefox-1"), false, false),
            (false, agent("idle", "pc"), false, false),
            (true, agent("idle", "firefox-7"), false, true),
            (true, agent("idle", "firefox-7"), true, false),
            (true, agent("linked", "pc"), false, false),
            // Its identity was taken from it, and it came back under a new one.
            (true, agent("new", "pc"), true, true),
            (true, agent("new", "pc-2"), true, false),
        ] {
            assert_eq!(sought(has_past).is_it(&agent, is_found), expected, "{has_past} {agent} {is_found}");
        }
        assert!(!sought(true).is_it(&json!({"id": "new", "label": "pc", "kind": "chromium"}), false));
    }

    #[test]
    fn a_message_is_told_once_it_has_an_answer() {
        let event = |kind: &str, state: &str| {
            json!({"type": kind, "clock": "2026-11-23T07:40:15.000Z", "message": {"id": "msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K",
                "to": "firefox-1", "state": state, "ttl": 60, "response": {"status": 201},
                "payload": {"state": "opaque"}, "deliveries": [{"ackCode": 100, "ms": 9}]}})
        };

        assert_eq!(plain(&event("message.delivered", "delivered")), None);
        let line = plain(&event("message.acknowledged", "acknowledged")).unwrap();
        assert!(line.contains("201 acknowledged") && line.contains("code 100 after 9 ms"), "{line}");
    }
}
