//! `Match` from JSON; every error names its place.

use push_crypto::{ContentCoding, Urgency, base64url};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{Bounds, CodePattern, FaultMatch, FieldError, FindingsMatch, Match, PayloadMatch, VapidMatch};
use crate::{
    json_reader::{Members, name, number, one_or_list, parsed, text, truth},
    matcher::{level_name, via_name},
    service::{exchange::State, finding::Level, request::Via},
};

const LEVELS: [Level; 3] = [Level::Error, Level::Warning, Level::Info];
const VIAS: [Via; 5] = [Via::Http, Via::Https, Via::Intercept, Via::Alias, Via::Api];
const MEMBERS: [&str; 13] = [
    "to",
    "state",
    "topic",
    "urgency",
    "coding",
    "status",
    "via",
    "ttl",
    "bodyBytes",
    "payload",
    "findings",
    "vapid",
    "fault",
];

/// Longest pattern of a regular expression; our choice, so that compiling one stays cheap.
const LONGEST_PATTERN: usize = 4096;

impl Match {
    /// Reads the value of `match`.
    ///
    /// # Errors
    ///
    /// [`FieldError`] for an unknown member or an unusable value, with its JSON pointer.
    pub fn from_value(value: &Value) -> Result<Self, FieldError> {
        Self::read(value, "")
    }

    pub(crate) fn read(value: &Value, pointer: &str) -> Result<Self, FieldError> {
        let members = Members::of(value, pointer, &MEMBERS)?;
        Ok(Self {
            to: members.read("to", |v, at| one_or_list(v, at, text))?,
            state: members.read("state", |v, at| one_or_list(v, at, state))?,
            topic: members.read("topic", |v, at| one_or_list(v, at, |v, at| nullable(v, at, parsed)))?,
            urgency: members.read("urgency", |v, at| one_or_list(v, at, urgency))?,
            coding: members.read("coding", |v, at| one_or_list(v, at, |v, at| nullable(v, at, coding)))?,
            status: members.read("status", |v, at| one_or_list(v, at, status))?,
            via: members.read("via", |v, at| one_or_list(v, at, |v, at| name(v, at, &VIAS, via_name)))?,
            ttl: members.read("ttl", bounds)?,
            body_bytes: members.read("bodyBytes", bounds)?,
            payload: members.read("payload", payload)?,
            findings: members.read("findings", findings)?.unwrap_or_default(),
            vapid: members.read("vapid", vapid)?.unwrap_or_default(),
            fault: members.read("fault", fault)?,
        })
    }
}

/// Through [`Match::from_value`], so that a place is named in the error.
impl<'de> Deserialize<'de> for Match {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn nullable<T>(
    value: &Value,
    pointer: &str,
    read: impl Fn(&Value, &str) -> Result<T, FieldError>,
) -> Result<Option<T>, FieldError> {
    if value.is_null() { Ok(None) } else { read(value, pointer).map(Some) }
}

fn state(value: &Value, pointer: &str) -> Result<State, FieldError> {
    name(value, pointer, &State::ALL, State::as_str)
}

fn urgency(value: &Value, pointer: &str) -> Result<Urgency, FieldError> {
    name(value, pointer, &Urgency::ALL, Urgency::as_str)
}

fn coding(value: &Value, pointer: &str) -> Result<ContentCoding, FieldError> {
    name(value, pointer, &ContentCoding::ALL, ContentCoding::as_str)
}

fn status(value: &Value, pointer: &str) -> Result<u16, FieldError> {
    let number = number(value, pointer)?;
    u16::try_from(number)
        .ok()
        .filter(|status| (100..=599).contains(status))
        .ok_or_else(|| FieldError::new(pointer, format!("{number} is not a status; use one from 100 to 599")))
}

fn bounds(value: &Value, pointer: &str) -> Result<Bounds, FieldError> {
    if value.is_number() {
        let exact = number(value, pointer)?;
        return Ok(Bounds { gte: Some(exact), lte: Some(exact) });
    }
    let members = Members::of(value, pointer, &["gte", "lte"])?;
    let bounds = Bounds { gte: members.read("gte", number)?, lte: members.read("lte", number)? };
    match (bounds.gte, bounds.lte) {
        (None, None) => Err(FieldError::new(pointer, "no limit is given; name gte, lte or both")),
        (Some(least), Some(most)) if least > most => {
            Err(FieldError::new(pointer, format!("nothing is ≥ {least} and ≤ {most}; exchange the two")))
        }
        _ => Ok(bounds),
    }
}

fn payload(value: &Value, pointer: &str) -> Result<PayloadMatch, FieldError> {
    const FORMS: [&str; 4] = ["text", "json", "base64", "empty"];
    let members = Members::of(value, pointer, &["text", "json", "base64", "empty", "mode"])?;
    let forms: Vec<&str> = members.names().filter(|name| FORMS.contains(name)).collect();
    let &[form] = forms.as_slice() else {
        let problem =
            format!("{} of text, json, base64, empty are given; exactly one is needed", forms.len());
        return Err(FieldError::new(pointer, problem));
    };
    let mode = members.read("mode", text)?;
    let content = members.get(form).unwrap_or(&Value::Null);
    let at = members.at(form);
    match (form, mode.as_deref()) {
        ("json", None | Some("includes")) => Ok(PayloadMatch::JsonIncludes(content.clone())),
        ("json", Some("equals")) => Ok(PayloadMatch::JsonEquals(content.clone())),
        ("text", None | Some("equals")) => Ok(PayloadMatch::TextEquals(text(content, &at)?)),
        ("text", Some("includes")) => Ok(PayloadMatch::TextIncludes(text(content, &at)?)),
        ("text", Some("regex")) => pattern(&text(content, &at)?, &at).map(PayloadMatch::TextMatches),
        ("base64", None | Some("equals")) => octets(content, &at).map(PayloadMatch::Octets),
        ("empty", None) => truth(content, &at).map(PayloadMatch::Empty),
        (_, mode) => Err(FieldError::new(members.at("mode"), unknown_mode(form, mode.unwrap_or_default()))),
    }
}

fn unknown_mode(form: &str, mode: &str) -> String {
    let allowed = match form {
        "json" => "equals and includes (default)",
        "text" => "equals (default), includes and regex",
        "base64" => "equals only",
        _ => "none",
    };
    format!("mode {} does not go with {form}; allowed: {allowed}", Value::from(crate::view::cut(mode, 40)))
}

pub(crate) fn pattern(text: &str, pointer: &str) -> Result<regex_lite::Regex, FieldError> {
    if text.len() > LONGEST_PATTERN {
        let problem = format!("the pattern has {} octets, at most {LONGEST_PATTERN} are allowed", text.len());
        return Err(FieldError::new(pointer, problem));
    }
    regex_lite::Regex::new(text)
        .map_err(|error| FieldError::new(pointer, format!("not a regular expression: {error}")))
}

fn octets(value: &Value, pointer: &str) -> Result<Vec<u8>, FieldError> {
    let text = text(value, pointer)?;
    base64url::decode_tolerant(&text)
        .map(|read| read.octets)
        .map_err(|error| FieldError::new(pointer, format!("not base64: {error}")))
}

fn findings(value: &Value, pointer: &str) -> Result<FindingsMatch, FieldError> {
    let members = Members::of(value, pointer, &["none", "any", "all"])?;
    if members.names().next().is_none() {
        return Err(FieldError::new(pointer, "no condition is given; name none, any or all"));
    }
    Ok(FindingsMatch {
        none: members.read("none", |v, at| name(v, at, &LEVELS, level_name))?,
        any: members.read("any", |v, at| one_or_list(v, at, code))?.unwrap_or_default(),
        all: members.read("all", |v, at| one_or_list(v, at, code))?.unwrap_or_default(),
    })
}

fn code(value: &Value, pointer: &str) -> Result<CodePattern, FieldError> {
    let text = text(value, pointer)?;
    let start = text.strip_suffix('*').unwrap_or(&text);
    if text.is_empty() || start.contains('*') {
        let problem =
            "expected a finding's code such as \"vapid/aud-mismatch\", or the start of one and a final *";
        return Err(FieldError::new(pointer, problem));
    }
    Ok(CodePattern(text))
}

fn vapid(value: &Value, pointer: &str) -> Result<VapidMatch, FieldError> {
    const SIGNATURES: [&str; 3] = ["valid", "invalid", "unchecked"];
    let members = Members::of(value, pointer, &["sub", "key", "signature"])?;
    if members.names().next().is_none() {
        return Err(FieldError::new(pointer, "no condition is given; name sub, key or signature"));
    }
    Ok(VapidMatch {
        sub: members.read("sub", text)?,
        key: members.read("key", text)?,
        signature: members
            .read("signature", |v, at| name(v, at, &SIGNATURES, |signature| signature))?
            .map(str::to_owned),
    })
}

fn fault(value: &Value, pointer: &str) -> Result<FaultMatch, FieldError> {
    match value {
        Value::Bool(any) => Ok(FaultMatch::Any(*any)),
        Value::String(id) => Ok(FaultMatch::Id(id.clone())),
        _ => Err(FieldError::new(pointer, "expected true, false or the id of a fault")),
    }
}
