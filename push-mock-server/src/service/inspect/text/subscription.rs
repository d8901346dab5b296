//! The JSON of a subscription: all faults, also those behind the first one.

use push_crypto::{
    AuthSecret, PublicKey, SubscriptionError,
    base64url::{self, Base64Error},
};
use serde_json::{Map, Value};

use super::{Explained, Kind, Mark, endpoint, lines::Lines};
use crate::service::inspect::{
    Settings,
    report::{Report, cut, octets},
};

const P256DH: &str = "subscription.keys.p256dh";
const AUTH: &str = "subscription.keys.auth";
const KEYS: &str = "subscription.keys";
const WHOLE: &str = "subscription";

pub(super) fn explain(text: &str) -> Explained {
    let mut report = Report::new(&Settings::default());
    let members = read(&mut report, text);
    let endpoint_text = members.as_ref().and_then(|members| members.get("endpoint")).and_then(Value::as_str);
    let resource = match (&members, endpoint_text) {
        (None, _) => None,
        (Some(_), Some(text)) => endpoint::check(&mut report, text),
        (Some(members), None) => {
            let error = if members.contains_key("endpoint") {
                SubscriptionError::EndpointNotText
            } else {
                SubscriptionError::EndpointMissing
            };
            add(&mut report, error, "subscription.endpoint");
            None
        }
    };
    let keys = members.as_ref().map(|members| Keys::of(&mut report, members)).unwrap_or_default();
    let findings = report.finish();
    let mut lines = Lines::new(&findings);
    let form = if findings.iter().any(|finding| finding.place == WHOLE) { "" } else { "JSON" };
    lines.part("form", form, "", &[WHOLE]);
    if let Some(text) = endpoint_text {
        if is_cut(text) {
            let note = "cut for print, so it leads nowhere".to_owned();
            lines.marked("endpoint", cut(text, 48), Mark::Unknown, note, &["subscription.endpoint"]);
        } else {
            endpoint::add_part(&mut lines, text, resource.as_ref());
        }
    }
    keys.add_parts(&mut lines);
    let title = "Subscription (Push API, PushSubscriptionJSON)".to_owned();
    Explained { kind: Kind::Subscription, title, parts: lines.finish(), findings }
}

/// The members, after what keeps the text from being JSON was named and, where possible, repaired.
fn read(report: &mut Report, text: &str) -> Option<Map<String, Value>> {
    let text = text.trim_start_matches('\u{feff}');
    let parsed = serde_json::from_str::<Value>(text).or_else(|error| {
        if text.contains("\\_") {
            add(report, SubscriptionError::Backslash, WHOLE);
            return serde_json::from_str::<Value>(&text.replace("\\_", "_"));
        }
        Err(error)
    });
    match parsed {
        Ok(Value::Object(members)) => Some(members),
        Ok(Value::String(inner)) if inner.trim_start().starts_with('{') => {
            add(report, SubscriptionError::StringifiedTwice, WHOLE);
            serde_json::from_str(&inner).ok()
        }
        Ok(_) => {
            add(report, SubscriptionError::NotObject, WHOLE);
            None
        }
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            add(report, SubscriptionError::NotJson { line, column }, WHOLE);
            None
        }
    }
}

/// The finding which explains an error; its text shows nothing of the keys.
fn add(report: &mut Report, error: SubscriptionError, place: &str) {
    let expected = match error.code() {
        "subscription/p256dh-length" | "subscription/p256dh-der" | "subscription/p256dh-off-curve" => {
            "65 octets (04 …) as base64url"
        }
        "subscription/auth-length" => "16 octets as base64url",
        _ => "the browser's JSON.stringify(subscription)",
    };
    report.add(error.code(), place, error.to_string(), expected);
}

fn is_cut(text: &str) -> bool {
    text.ends_with("...") || text.ends_with('…')
}

/// The members of `keys`, as far as they are there.
#[derive(Debug, Default)]
struct Keys {
    p256dh: Option<Member>,
    auth: Option<Member>,
    missing: bool,
}

#[derive(Debug)]
struct Member {
    text: String,
    octets: Option<Vec<u8>>,
}

impl Keys {
    fn of(report: &mut Report, members: &Map<String, Value>) -> Self {
        let keys = match members.get("keys") {
            None | Some(Value::Null) => {
                report.add(
                    "subscription/keys-missing",
                    KEYS,
                    "no keys",
                    "keys with p256dh and auth, for a payload",
                );
                return Self { missing: true, ..Self::default() };
            }
            Some(Value::Object(keys)) => keys,
            Some(_) => {
                add(report, SubscriptionError::KeysNotObject, KEYS);
                return Self { missing: true, ..Self::default() };
            }
        };
        if let Some(time) = members.get("expirationTime")
            && !(time.is_null() || time.as_f64().is_some_and(|millis| millis >= 0.0))
        {
            add(report, SubscriptionError::ExpirationTime, "subscription.expirationTime");
        }
        let p256dh = member(report, keys, "p256dh", P256DH);
        let auth = member(report, keys, "auth", AUTH);
        let read = Self { p256dh, auth, missing: false };
        read.judge(report);
        read
    }

    fn judge(&self, report: &mut Report) {
        let octets_of = |member: &Option<Member>| member.as_ref().and_then(|member| member.octets.clone());
        let (point, secret) = (octets_of(&self.p256dh), octets_of(&self.auth));
        if let (Some(16), Some(65)) = (point.as_ref().map(Vec::len), secret.as_ref().map(Vec::len)) {
            add(report, SubscriptionError::KeysSwapped, KEYS);
            return;
        }
        if self.p256dh.is_none() {
            add(report, SubscriptionError::KeyMissing { member: "p256dh" }, P256DH);
        }
        if let Some(Err(error)) = point.map(|point| PublicKey::from_octets(&point)) {
            add(report, SubscriptionError::P256dh(error), P256DH);
        }
        match secret.map(|secret| (secret.len(), AuthSecret::from_octets(&secret))) {
            Some((_, Ok(auth))) if auth.is_pre_release() => {
                let seen = "12 octets, as pre-release Firefox 46 to 48 had";
                report.add("subscription/auth-length", AUTH, seen, "16 octets as base64url");
            }
            Some((length, Err(_))) => add(report, SubscriptionError::AuthLength { octets: length }, AUTH),
            _ => {}
        }
    }

    fn add_parts(&self, lines: &mut Lines) {
        if self.missing {
            lines.part("keys", "none", "", &[KEYS]);
            return;
        }
        let shown =
            |member: &Option<Member>| member.as_ref().map_or_else(|| "none".to_owned(), Member::shown);
        if self.p256dh.is_some() || self.auth.is_some() {
            let note = "P-256 point, 65 octets: the user agent's public key";
            lines.part("p256dh", shown(&self.p256dh), note, &[P256DH, KEYS]);
            // The secret itself is not shown.
            let size = self.auth.as_ref().map_or_else(|| "none".to_owned(), Member::size);
            let (mark, note) = match self.auth {
                Some(_) => (Mark::Ok, "authentication secret"),
                None => (Mark::Info, "as in subscriptions of 2015: only bare aesgcm128 can be sent"),
            };
            lines.marked("auth", size, mark, note.to_owned(), &[AUTH]);
        }
    }
}

impl Member {
    fn shown(&self) -> String {
        cut(&self.text, 12)
    }

    fn size(&self) -> String {
        match &self.octets {
            Some(decoded) => octets(decoded.len()),
            None => format!("{} characters", self.text.chars().count()),
        }
    }
}

/// One member: text, form and octets; whatever is wrong with the text is told here.
fn member(report: &mut Report, keys: &Map<String, Value>, name: &'static str, place: &str) -> Option<Member> {
    let text = match keys.get(name) {
        None | Some(Value::Null) => return None,
        Some(Value::String(text)) => text.clone(),
        Some(_) => {
            add(report, SubscriptionError::KeyNotText { member: name }, place);
            return Some(Member { text: String::new(), octets: None });
        }
    };
    if text.trim_start().starts_with("-----BEGIN") {
        add(report, SubscriptionError::P256dh(push_crypto::PointError::Pem), place);
        return Some(Member { text: "PEM".to_owned(), octets: None });
    }
    if is_cut(&text) {
        add(report, SubscriptionError::KeyCut { member: name }, place);
        return Some(Member { text, octets: None });
    }
    match base64url::decode_tolerant(&text) {
        Ok(read) => {
            if !read.form.is_canonical() {
                let seen = match (read.form.padded, read.form.standard_alphabet) {
                    (true, true) => "padding and the standard alphabet (+ /)",
                    (true, false) => "padding (=)",
                    (false, _) => "the standard alphabet (+ /)",
                };
                report.add("subscription/base64-padded", place, seen, "base64url without padding");
            }
            Some(Member { text, octets: Some(read.octets) })
        }
        Err(error) => {
            add(report, SubscriptionError::Base64 { member: name, error }, place);
            // With the backslashes gone the rest can still be judged.
            let repaired = matches!(error, Base64Error::Backslash { .. }).then(|| text.replace('\\', ""));
            let octets =
                repaired.and_then(|text| base64url::decode_tolerant(&text).ok()).map(|read| read.octets);
            Some(Member { text, octets })
        }
    }
}
