//! Looks at one message: every condition of a `Match` with its differences, in the order of the documentation.

use serde_json::{Value, json};

use super::{
    Bounds, CodePattern, Condition, Difference, FaultMatch, FindingsMatch, Match, Matcher, PayloadMatch,
    Texts, VapidMatch,
    json_diff::{Extent, differences},
    level_name, via_name,
};
use crate::{
    service::{
        exchange::{Exchange, State},
        finding::Payload,
    },
    view::{Content, cut, findings_from, payload_state, printable},
};

impl Matcher for Match {
    fn conditions(&self, exchange: &Exchange) -> Vec<Condition> {
        let mut found = vec![self.to(exchange), self.state(exchange)];
        found.push(self.topic.as_ref().map(|wanted| {
            let wanted =
                wanted.iter().map(|topic| json!(topic.as_ref().map(|topic| topic.as_str()))).collect();
            any_of("topic", wanted, json!(exchange.topic.as_ref().map(|topic| topic.as_str())))
        }));
        found.push(self.urgency.as_ref().map(|wanted| {
            let wanted = wanted.iter().map(|urgency| json!(urgency.as_str())).collect();
            any_of("urgency", wanted, json!(exchange.urgency.as_str()))
        }));
        found.push(self.coding.as_ref().map(|wanted| {
            let wanted = wanted.iter().map(|coding| json!(coding.map(|coding| coding.as_str()))).collect();
            any_of("coding", wanted, json!(exchange.coding.map(|coding| coding.as_str())))
        }));
        found.push(self.status.as_ref().map(|wanted| {
            any_of(
                "status",
                wanted.iter().map(|status| json!(status)).collect(),
                json!(exchange.response.status),
            )
        }));
        found.push(self.via.as_ref().map(|wanted| {
            let wanted = wanted.iter().map(|via| json!(via_name(*via))).collect();
            any_of("via", wanted, json!(via_name(exchange.request.via)))
        }));
        let ttl = exchange.ttl.or(exchange.ttl_requested).map(|ttl| u64::from(ttl.as_seconds()));
        found.push(self.ttl.map(|wanted| within("ttl", wanted, ttl)));
        found.push(
            self.body_bytes.map(|wanted| within("bodyBytes", wanted, Some(exchange.request.body_bytes))),
        );
        found.push(self.payload.as_ref().map(|wanted| payload(wanted, exchange)));
        found.extend([findings(&self.findings, exchange), vapid(&self.vapid, exchange)]);
        found.push(self.fault.as_ref().map(fault));
        found.into_iter().flatten().collect()
    }

    /// Without words, and the costly parts last: a wait asks this of every message at every change.
    fn matches(&self, exchange: &Exchange) -> bool {
        let ttl = exchange.ttl.or(exchange.ttl_requested).map(|ttl| u64::from(ttl.as_seconds()));
        let stated = |wanted: Option<Bounds>, number: Option<u64>| {
            wanted.is_none_or(|wanted| number.is_some_and(|number| wanted.hold(number)))
        };
        self.is_to(exchange)
            && among(self.state.as_ref(), &exchange.state)
            && (self.state.is_some() || exchange.state != State::Refused)
            && among(self.topic.as_ref(), &exchange.topic)
            && among(self.urgency.as_ref(), &exchange.urgency)
            && among(self.coding.as_ref(), &exchange.coding)
            && self
                .status
                .as_ref()
                .is_none_or(|all| exchange.response.status.is_some_and(|s| all.contains(&s)))
            && among(self.via.as_ref(), &exchange.request.via)
            && stated(self.ttl, ttl)
            && stated(self.body_bytes, Some(exchange.request.body_bytes))
            && findings(&self.findings, exchange).is_none_or(|condition| condition.is_met())
            && vapid(&self.vapid, exchange).is_none_or(|condition| condition.is_met())
            && self.fault.as_ref().is_none_or(|wanted| *wanted == FaultMatch::Any(false))
            && self.payload.as_ref().is_none_or(|wanted| payload(wanted, exchange).is_met())
    }

    fn description(&self) -> String {
        let mut parts = Vec::new();
        let mut add = |member: &str, wanted: Option<String>| {
            parts.extend(wanted.map(|wanted| format!("{member} {wanted}")));
        };
        add("to", self.to.as_ref().map(|to| or(to.iter().map(|to| printable(to)))));
        add("state", self.state.as_ref().map(|state| or(state.iter().map(|state| state.to_string()))));
        add(
            "topic",
            self.topic.as_ref().map(|topic| or(topic.iter().map(|topic| or_absent(topic.as_ref())))),
        );
        add("urgency", self.urgency.as_ref().map(|urgency| or(urgency.iter().map(|one| one.to_string()))));
        add(
            "coding",
            self.coding.as_ref().map(|coding| or(coding.iter().map(|one| or_absent(one.as_ref())))),
        );
        add("status", self.status.as_ref().map(|status| or(status.iter().map(|one| one.to_string()))));
        add("via", self.via.as_ref().map(|via| or(via.iter().map(|one| via_name(*one).to_owned()))));
        add("ttl", self.ttl.map(|ttl| ttl.to_string()));
        add("bodyBytes", self.body_bytes.map(|bytes| bytes.to_string()));
        add("payload", self.payload.as_ref().map(payload_wanted));
        add("findings", findings_wanted(&self.findings));
        add("vapid", vapid_wanted(&self.vapid));
        add("fault", self.fault.as_ref().map(fault_wanted));
        parts.join(", ")
    }

    fn addressee(&self) -> Option<&str> {
        match self.to.as_deref() {
            Some([to]) => Some(to),
            _ => None,
        }
    }
}

impl Match {
    /// By label or by id.
    fn is_to(&self, exchange: &Exchange) -> bool {
        let named =
            |to: &String| exchange.to.as_ref() == Some(to) || exchange.subscription.as_ref() == Some(to);
        self.to.as_ref().is_none_or(|wanted| wanted.iter().any(named))
    }

    fn to(&self, exchange: &Exchange) -> Option<Condition> {
        let wanted = self.to.as_ref()?;
        let mut condition = any_of("to", wanted.iter().map(|to| json!(to)).collect(), json!(exchange.to));
        if self.is_to(exchange) {
            condition.differences.clear();
        }
        Some(condition)
    }

    /// Without `state`, a refused message does not count; that condition shows only when it is not met.
    fn state(&self, exchange: &Exchange) -> Option<Condition> {
        let actual = json!(exchange.state.as_str());
        let mut condition = match &self.state {
            Some(wanted) => {
                any_of("state", wanted.iter().map(|state| json!(state.as_str())).collect(), actual)
            }
            None if exchange.state == State::Refused => {
                let mut difference =
                    Difference::new("state", String::new(), Some(json!("accepted")), Some(actual));
                difference.texts.comparable = false;
                Condition { member: "state", wanted: "accepted".to_owned(), differences: vec![difference] }
            }
            None => return None,
        };
        for difference in &mut condition.differences {
            difference.texts.actual = state_in_words(exchange);
            difference.texts.comparable = false;
        }
        Some(condition)
    }
}

/// `queued (offline)`, `refused (403 vapid/aud-mismatch)`.
fn state_in_words(exchange: &Exchange) -> String {
    let status = exchange.response.status.filter(|_| exchange.state == State::Refused);
    let facts: Vec<String> = status
        .map(|status| status.to_string())
        .into_iter()
        .chain(exchange.reason.map(str::to_owned))
        .collect();
    if facts.is_empty() {
        exchange.state.to_string()
    } else {
        format!("{} ({})", exchange.state, facts.join(" "))
    }
}

fn among<T: PartialEq>(wanted: Option<&Vec<T>>, actual: &T) -> bool {
    wanted.is_none_or(|wanted| wanted.contains(actual))
}

fn or(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" or ")
}

fn or_absent(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "absent".to_owned(), ToString::to_string)
}

fn word(value: &Value) -> String {
    if value.is_null() { "absent".to_owned() } else { super::plain(value) }
}

/// A condition of a member that has one of several values.
fn any_of(member: &'static str, wanted: Vec<Value>, actual: Value) -> Condition {
    let words = or(wanted.iter().map(word));
    let mut differences = Vec::new();
    if !wanted.contains(&actual) {
        let single = wanted.len() == 1;
        let texts = Texts {
            expected: words.clone(),
            actual: word(&actual),
            comparable: single && actual.is_string() && wanted.iter().all(Value::is_string),
        };
        let expected = if single { wanted.into_iter().next() } else { Some(Value::Array(wanted)) };
        differences.push(Difference {
            member,
            pointer: String::new(),
            expected,
            actual: Some(actual),
            texts,
        });
    }
    Condition { member, wanted: words, differences }
}

fn within(member: &'static str, wanted: Bounds, actual: Option<u64>) -> Condition {
    let mut differences = Vec::new();
    if !actual.is_some_and(|number| wanted.hold(number)) {
        let mut difference =
            Difference::new(member, String::new(), Some(wanted.to_json()), actual.map(Value::from));
        difference.texts.expected = wanted.to_string();
        differences.push(difference);
    }
    Condition { member, wanted: wanted.to_string(), differences }
}

/// Characters of a wanted payload in a description; our choice, the rest is in the test.
const WANTED_SHOWN: usize = 120;

/// The condition as part of a sentence: `includes {"title":"1:0"}`.
fn payload_wanted(wanted: &PayloadMatch) -> String {
    let text = match wanted {
        PayloadMatch::Empty(true) => "empty".to_owned(),
        PayloadMatch::Empty(false) => "not empty".to_owned(),
        PayloadMatch::JsonEquals(value) => format!("equals {value}"),
        PayloadMatch::JsonIncludes(value) => format!("includes {value}"),
        PayloadMatch::Octets(octets) => format!("equals {} octets", octets.len()),
        PayloadMatch::TextEquals(text) => format!("equals {}", Value::from(text.as_str())),
        PayloadMatch::TextIncludes(text) => format!("includes {}", Value::from(text.as_str())),
        PayloadMatch::TextMatches(pattern) => format!("matches /{}/", printable(pattern.as_str())),
    };
    cut(&text, WANTED_SHOWN)
}

/// The same after "expected": `to include {"title":"1:0"}`.
fn payload_expected(wanted: &PayloadMatch) -> String {
    let text = payload_wanted(wanted);
    for (verb, infinitive) in
        [("includes ", "to include "), ("equals ", "to equal "), ("matches ", "to match ")]
    {
        if let Some(rest) = text.strip_prefix(verb) {
            return format!("{infinitive}{rest}");
        }
    }
    text
}

fn payload(wanted: &PayloadMatch, exchange: &Exchange) -> Condition {
    let differences = match (wanted, &exchange.payload) {
        (PayloadMatch::Empty(empty), payload) => {
            let actual = payload_state(payload);
            let met = *empty == (*payload == Payload::Empty);
            if met { Vec::new() } else { vec![unlike(wanted, json!({"empty": empty}), actual)] }
        }
        (_, Payload::Decrypted(opened)) => content(wanted, &opened.plaintext),
        (_, payload) => vec![unlike(wanted, expected(wanted), payload_state(payload))],
    };
    Condition { member: "payload", wanted: payload_wanted(wanted), differences }
}

/// A payload which has no content to compare with.
fn unlike(wanted: &PayloadMatch, expected: Value, state: &str) -> Difference {
    let texts = Texts { expected: payload_expected(wanted), actual: state.to_owned(), comparable: false };
    Difference {
        member: "payload",
        pointer: String::new(),
        expected: Some(expected),
        actual: Some(json!({"state": state})),
        texts,
    }
}

fn expected(wanted: &PayloadMatch) -> Value {
    match wanted {
        PayloadMatch::Empty(empty) => json!({"empty": empty}),
        PayloadMatch::JsonEquals(value) | PayloadMatch::JsonIncludes(value) => value.clone(),
        PayloadMatch::Octets(octets) => json!({"bytes": octets.len()}),
        PayloadMatch::TextEquals(text) | PayloadMatch::TextIncludes(text) => json!(text),
        PayloadMatch::TextMatches(pattern) => json!(pattern.as_str()),
    }
}

fn content(wanted: &PayloadMatch, octets: &[u8]) -> Vec<Difference> {
    let text = std::str::from_utf8(octets).ok();
    let met = match wanted {
        PayloadMatch::JsonEquals(value) => return json_content(wanted, value, octets, Extent::Equals),
        PayloadMatch::JsonIncludes(value) => return json_content(wanted, value, octets, Extent::Includes),
        PayloadMatch::Empty(_) => true,
        PayloadMatch::Octets(expected) => expected == octets,
        PayloadMatch::TextEquals(expected) => text == Some(expected),
        PayloadMatch::TextIncludes(expected) => text.is_some_and(|text| text.contains(expected)),
        PayloadMatch::TextMatches(pattern) => text.is_some_and(|text| pattern.is_match(text)),
    };
    if met {
        return Vec::new();
    }
    let actual = match (wanted, text) {
        (PayloadMatch::Octets(_), _) | (_, None) => return vec![other_octets(wanted, octets)],
        (_, Some(text)) => json!(text),
    };
    let as_text = |value: &Value| value.to_string();
    let comparable = matches!(wanted, PayloadMatch::TextEquals(_));
    let expected = expected(wanted);
    let words = if comparable { as_text(&expected) } else { payload_expected(wanted) };
    let texts = Texts { expected: words, actual: as_text(&actual), comparable };
    vec![Difference {
        member: "payload",
        pointer: String::new(),
        expected: Some(expected),
        actual: Some(actual),
        texts,
    }]
}

/// Octets differ, or are no text: where first, and how many there are.
fn other_octets(wanted: &PayloadMatch, octets: &[u8]) -> Difference {
    let mut actual = format!("{} octets that are not text", octets.len());
    if let PayloadMatch::Octets(expected) = wanted {
        let first = expected.iter().zip(octets).take_while(|(expected, actual)| expected == actual).count();
        actual = format!("{} octets, different from offset {first} on", octets.len());
    }
    Difference {
        member: "payload",
        pointer: String::new(),
        expected: Some(expected(wanted)),
        actual: Some(json!({"bytes": octets.len()})),
        texts: Texts { expected: payload_expected(wanted), actual, comparable: false },
    }
}

fn json_content(wanted: &PayloadMatch, value: &Value, octets: &[u8], extent: Extent) -> Vec<Difference> {
    match Content::of(octets) {
        Content::Json(actual, _) => differences(value, &actual, extent),
        Content::Text(text) => {
            let actual = json!(text);
            let texts = Texts {
                expected: payload_expected(wanted),
                actual: format!("the text {actual}, which is not JSON"),
                comparable: false,
            };
            let expected = Some(value.clone());
            vec![Difference {
                member: "payload",
                pointer: String::new(),
                expected,
                actual: Some(actual),
                texts,
            }]
        }
        Content::Bytes(octets) => vec![other_octets(wanted, octets)],
    }
}

fn codes(patterns: &[CodePattern]) -> Vec<&str> {
    patterns.iter().map(|pattern| pattern.0.as_str()).collect()
}

fn findings_wanted(wanted: &FindingsMatch) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(level) = wanted.none {
        parts.push(format!("none of level {}", level_name(level)));
    }
    if !wanted.any.is_empty() {
        parts.push(format!("any of {}", codes(&wanted.any).join(" ")));
    }
    if !wanted.all.is_empty() {
        parts.push(format!("all of {}", codes(&wanted.all).join(" ")));
    }
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn findings(wanted: &FindingsMatch, exchange: &Exchange) -> Option<Condition> {
    let words = findings_wanted(wanted)?;
    let seen: Vec<&str> = exchange.findings.iter().map(|finding| finding.code).collect();
    let mut differences = Vec::new();
    let mut add = |expected: Value, words: String, actual: Vec<&str>| {
        let actual_words = if actual.is_empty() { "none".to_owned() } else { actual.join(" ") };
        differences.push(Difference {
            member: "findings",
            pointer: String::new(),
            expected: Some(expected),
            actual: Some(json!(actual)),
            texts: Texts { expected: words, actual: actual_words, comparable: false },
        });
    };
    if let Some(level) = wanted.none {
        let surplus: Vec<&str> = findings_from(exchange, level).map(|finding| finding.code).collect();
        if !surplus.is_empty() {
            let name = level_name(level);
            add(json!({"none": name}), format!("none of level {name}"), surplus);
        }
    }
    let has = |pattern: &CodePattern| seen.iter().any(|code| pattern.matches(code));
    if !wanted.any.is_empty() && !wanted.any.iter().any(has) {
        let any = codes(&wanted.any);
        add(json!({"any": any}), format!("any of {}", any.join(" ")), seen.clone());
    }
    let missing: Vec<&str> =
        wanted.all.iter().filter(|pattern| !has(pattern)).map(|pattern| pattern.0.as_str()).collect();
    if !missing.is_empty() {
        add(json!({"all": missing}), format!("all of {}", missing.join(" ")), seen.clone());
    }
    Some(Condition { member: "findings", wanted: words, differences })
}

fn vapid_parts(wanted: &VapidMatch) -> impl Iterator<Item = (&'static str, &String)> {
    [("sub", &wanted.sub), ("key", &wanted.key), ("signature", &wanted.signature)]
        .into_iter()
        .filter_map(|(name, part)| Some((name, part.as_ref()?)))
}

fn vapid_wanted(wanted: &VapidMatch) -> Option<String> {
    let parts: Vec<String> =
        vapid_parts(wanted).map(|(name, part)| format!("{name} {}", printable(part))).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

fn vapid(wanted: &VapidMatch, exchange: &Exchange) -> Option<Condition> {
    let words = vapid_wanted(wanted)?;
    let seen = exchange.vapid.as_ref();
    let differences = vapid_parts(wanted)
        .filter_map(|(name, expected)| {
            let actual = seen.and_then(|vapid| match name {
                "sub" => vapid.sub.as_deref(),
                "key" => vapid.key.as_deref(),
                _ => Some(vapid.signature),
            });
            (actual != Some(expected)).then(|| {
                Difference::new("vapid", format!("/{name}"), Some(json!(expected)), actual.map(Value::from))
            })
        })
        .collect();
    Some(Condition { member: "vapid", wanted: words, differences })
}

fn fault_wanted(wanted: &FaultMatch) -> String {
    match wanted {
        FaultMatch::Any(true) => "any".to_owned(),
        FaultMatch::Any(false) => "none".to_owned(),
        FaultMatch::Id(id) => printable(id),
    }
}

/// No fault rules are offered yet, so no message ever met one.
fn fault(wanted: &FaultMatch) -> Condition {
    let words = fault_wanted(wanted);
    let expected = match wanted {
        FaultMatch::Any(any) => json!(any),
        FaultMatch::Id(id) => json!(id),
    };
    let mut differences = Vec::new();
    if *wanted != FaultMatch::Any(false) {
        let mut difference = Difference::new("fault", String::new(), Some(expected), None);
        difference.texts = Texts { expected: words.clone(), actual: "none".to_owned(), comparable: false };
        differences.push(difference);
    }
    Condition { member: "fault", wanted: words, differences }
}
