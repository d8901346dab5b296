//! Declarative push messages: a payload that a user agent shows by itself, without waking a worker
//! (Push API, *declarative*; AS-042 to AS-050). Showing it, and what a URL leads to, are the user agent's.

use alloc::{
    borrow::ToOwned,
    boxed::Box,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde_json::{Map, Value};

use super::{Timestamp, url_check};

/// A declarative message, as it would be shown. `Debug` shows no content, because it is plaintext.
#[derive(Clone, PartialEq, Eq)]
pub struct Declarative {
    /// What is shown.
    pub notification: DeclarativeNotification,
    /// A worker may change the notification before it is shown (AS-048).
    pub mutable: bool,
    /// The badge on the application's icon, an extension that WebKit ships (AS-049).
    pub app_badge: Option<AppBadge>,
    /// Members that are skipped or stand in the wrong place.
    pub problems: Vec<DeclarativeProblem>,
}

/// The notification of a declarative message; absent members are those that are absent or skipped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeclarativeNotification {
    /// `title`.
    pub title: String,
    /// `navigate`, perhaps relative to the scope of the registration.
    pub navigate: String,
    /// `dir`.
    pub dir: Option<TextDirection>,
    /// `lang`.
    pub lang: Option<String>,
    /// `body`.
    pub body: Option<String>,
    /// `tag`.
    pub tag: Option<String>,
    /// `image`.
    pub image: Option<String>,
    /// `icon`.
    pub icon: Option<String>,
    /// `badge`.
    pub badge: Option<String>,
    /// `vibrate`, in milliseconds, vibration and pause in turn.
    pub vibrate: Option<Vec<u32>>,
    /// `timestamp`.
    pub timestamp: Option<Timestamp>,
    /// `renotify`.
    pub renotify: bool,
    /// `silent`; none leaves it to the user agent.
    pub silent: Option<bool>,
    /// `requireInteraction`.
    pub require_interaction: bool,
    /// `data` as JSON.
    pub data: Option<String>,
    /// `actions`.
    pub actions: Vec<DeclarativeAction>,
}

/// A button of a notification.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeclarativeAction {
    /// Its name.
    pub action: String,
    /// Its text.
    pub title: String,
    /// Where it leads.
    pub navigate: String,
    /// Its icon.
    pub icon: Option<String>,
}

/// `dir` of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextDirection {
    /// As the text has it.
    Auto,
    /// Left to right.
    Ltr,
    /// Right to left.
    Rtl,
}

/// `app_badge`: a mark, no mark, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppBadge {
    /// A mark without a number, or none.
    Flag(bool),
    /// A number; zero removes the badge.
    Number(u64),
}

macro_rules! silent_debug {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}
silent_debug!(Declarative, DeclarativeNotification, DeclarativeAction);

/// What a payload is to a user agent that knows declarative messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclarativeReading {
    /// It is shown without a worker.
    Declarative(Box<Declarative>),
    /// An ordinary payload for the worker; the problems say why, and are empty where nothing looked declarative.
    NotDeclarative(Vec<DeclarativeProblem>),
}

impl DeclarativeReading {
    /// All problems of either case.
    #[must_use]
    pub fn problems(&self) -> &[DeclarativeProblem] {
        match self {
            Self::Declarative(message) => &message.problems,
            Self::NotDeclarative(problems) => problems,
        }
    }
}

/// One thing that keeps a payload from being declarative, or a member that is skipped.
///
/// It holds no text of the payload, which is a secret of its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarativeProblem {
    code: &'static str,
    pointer: String,
    message: String,
    fatal: bool,
}

impl DeclarativeProblem {
    /// The code of the finding which explains this, `declarative/…`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Where it is, as a JSON pointer (RFC 6901).
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// True when the message is not declarative because of it.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        self.fatal
    }
}

impl fmt::Display for DeclarativeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The number that makes a payload declarative (Push API, *declarative*).
const VERSION: f64 = 8030.0;

impl Declarative {
    /// Reads a decrypted payload and lists everything that is wrong, never only the first.
    ///
    /// Relative URLs are taken as resolvable, since the scope of the registration is known to the user agent only.
    ///
    /// ```
    /// use push_crypto::{Declarative, DeclarativeReading};
    /// let payload = br#"{"web_push": 8030, "notification": {"title": "1:0", "navigate": "/match/7", "dir": 7}}"#;
    /// let DeclarativeReading::Declarative(message) = Declarative::read(payload) else { panic!() };
    /// assert_eq!(message.notification.title, "1:0");
    /// assert_eq!(message.problems[0].code(), "declarative/member-type");
    /// assert_eq!(message.problems[0].pointer(), "/notification/dir");
    /// ```
    #[must_use]
    pub fn read(payload: &[u8]) -> DeclarativeReading {
        let text = String::from_utf8_lossy(payload);
        let parsed = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(&text));
        let Ok(Value::Object(members)) = parsed else {
            return DeclarativeReading::NotDeclarative(Vec::new());
        };
        let mut problems = Problems(Vec::new());
        // `8030.0` is the same JSON number as `8030` (AS-042).
        match members.get("web_push") {
            Some(version) if version.as_f64() == Some(VERSION) => {}
            None if !members.contains_key("notification") => {
                return DeclarativeReading::NotDeclarative(Vec::new());
            }
            version => {
                problems.version(version);
                return DeclarativeReading::NotDeclarative(problems.0);
            }
        }
        let notification = match members.get("notification") {
            Some(Value::Object(notification)) => read_notification(notification, &mut problems),
            other => {
                problems.needed(
                    "declarative/title",
                    "/notification",
                    other,
                    "an object with title and navigate",
                );
                DeclarativeNotification::default()
            }
        };
        let (mutable, app_badge) = read_top_level(&members, &mut problems);
        if problems.0.iter().any(DeclarativeProblem::is_fatal) {
            return DeclarativeReading::NotDeclarative(problems.0);
        }
        let message = Self { notification, mutable, app_badge, problems: problems.0 };
        DeclarativeReading::Declarative(Box::new(message))
    }
}

/// AS-048, AS-049
fn read_top_level(members: &Map<String, Value>, problems: &mut Problems) -> (bool, Option<AppBadge>) {
    let mutable = match members.get("mutable") {
        None => false,
        Some(Value::Bool(mutable)) => *mutable,
        Some(other) => {
            problems.skipped("/mutable", other, "true or false");
            false
        }
    };
    let app_badge = match members.get("app_badge") {
        None => None,
        Some(Value::Bool(flag)) => Some(AppBadge::Flag(*flag)),
        Some(Value::Number(number)) if number.is_u64() => number.as_u64().map(AppBadge::Number),
        Some(other) => {
            problems.skipped("/app_badge", other, "true, false or a whole number");
            None
        }
    };
    for (name, pointer) in [("mutable", "/notification/mutable"), ("app_badge", "/notification/app_badge")] {
        let inside = members.get("notification").and_then(|notification| notification.get(name));
        if inside.is_some() {
            problems.0.push(DeclarativeProblem {
                code: "declarative/misplaced",
                pointer: pointer.to_owned(),
                message: format!(
                    "{pointer} stands inside notification, where only old WebKit reads it; move it to the top level"
                ),
                fatal: false,
            });
        }
    }
    (mutable, app_badge)
}

fn read_notification(members: &Map<String, Value>, problems: &mut Problems) -> DeclarativeNotification {
    let title = required_text(members, "title", "declarative/title", "/notification", problems);
    let navigate = required_url(members, "declarative/navigate", "/notification", problems);
    let mut skip = Optional { members, at: "/notification", problems };
    let dir = match skip.text("dir") {
        None => None,
        Some("auto") => Some(TextDirection::Auto),
        Some("ltr") => Some(TextDirection::Ltr),
        Some("rtl") => Some(TextDirection::Rtl),
        Some(_) => skip.is_wrong("dir", "auto, ltr or rtl"),
    };
    let notification = DeclarativeNotification {
        title,
        navigate,
        dir,
        lang: skip.text("lang").map(ToOwned::to_owned),
        body: skip.text("body").map(ToOwned::to_owned),
        tag: skip.text("tag").map(ToOwned::to_owned),
        image: skip.url("image"),
        icon: skip.url("icon"),
        badge: skip.url("badge"),
        vibrate: skip.vibrate(),
        timestamp: skip.timestamp(),
        renotify: skip.flag("renotify") == Some(true),
        silent: skip.flag("silent"),
        require_interaction: skip.flag("requireInteraction") == Some(true),
        data: members.get("data").map(ToString::to_string),
        actions: skip.actions(),
    };
    // AS-047: what the constructor of a notification refuses.
    if notification.silent == Some(true) && notification.vibrate.is_some() {
        problems
            .combination("/notification/vibrate", "silent is true, but there is vibrate; drop one of them");
    }
    if notification.renotify && notification.tag.as_deref().unwrap_or_default().is_empty() {
        problems.combination(
            "/notification/renotify",
            "renotify is true, but there is no tag; add one or drop it",
        );
    }
    notification
}

fn required_text(
    members: &Map<String, Value>,
    name: &str,
    code: &'static str,
    at: &str,
    problems: &mut Problems,
) -> String {
    match members.get(name) {
        Some(Value::String(text)) => text.clone(),
        other => {
            problems.needed(code, &format!("{at}/{name}"), other, "a string");
            String::new()
        }
    }
}

/// AS-044: a URL that does not resolve fails the message.
fn required_url(
    members: &Map<String, Value>,
    code: &'static str,
    at: &str,
    problems: &mut Problems,
) -> String {
    let navigate = required_text(members, "navigate", code, at, problems);
    if !url_check::resolves(&navigate) {
        problems.0.push(DeclarativeProblem {
            code,
            pointer: format!("{at}/navigate"),
            message: format!("{at}/navigate is not a URL; write an absolute URL, or a path within the scope"),
            fatal: true,
        });
    }
    navigate
}

/// Reads members that are skipped when they have the wrong type (AS-045).
struct Optional<'a, 'b> {
    members: &'a Map<String, Value>,
    at: &'a str,
    problems: &'b mut Problems,
}

impl<'a> Optional<'a, '_> {
    fn is_wrong<T>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.members.get(name)?;
        self.problems.skipped(&format!("{}/{name}", self.at), value, expected);
        None
    }

    fn text(&mut self, name: &str) -> Option<&'a str> {
        match self.members.get(name)? {
            Value::String(text) => Some(text),
            _ => self.is_wrong(name, "a string"),
        }
    }

    fn url(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        if url_check::resolves(text) { Some(text.to_owned()) } else { self.is_wrong(name, "a URL") }
    }

    /// `null` is what leaving it out is.
    fn flag(&mut self, name: &str) -> Option<bool> {
        match self.members.get(name)? {
            Value::Bool(flag) => Some(*flag),
            Value::Null if name == "silent" => None,
            _ => self.is_wrong(name, "true or false"),
        }
    }

    fn vibrate(&mut self) -> Option<Vec<u32>> {
        let whole = |value: &Value| value.as_u64().and_then(|millis| u32::try_from(millis).ok());
        let pattern = match self.members.get("vibrate")? {
            Value::Array(pattern) => pattern.iter().map(whole).collect(),
            one => whole(one).map(|millis| Vec::from([millis])),
        };
        pattern.or_else(|| self.is_wrong("vibrate", "milliseconds, one number or a list"))
    }

    fn timestamp(&mut self) -> Option<Timestamp> {
        match self.members.get("timestamp")?.as_u64() {
            Some(millis) => Some(Timestamp::from_unix_millis(millis)),
            None => self.is_wrong("timestamp", "milliseconds since 1970"),
        }
    }

    /// AS-046: an incomplete action, or one whose URL does not resolve, fails the whole message.
    fn actions(&mut self) -> Vec<DeclarativeAction> {
        let list = match self.members.get("actions") {
            None => return Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => return self.is_wrong("actions", "a list").unwrap_or_default(),
        };
        let mut actions = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let at = format!("{}/actions/{index}", self.at);
            let Value::Object(members) = value else {
                let expected = "an object with action, title and navigate";
                self.problems.needed("declarative/action", &at, Some(value), expected);
                continue;
            };
            let code = "declarative/action";
            let action = required_text(members, "action", code, &at, self.problems);
            let title = required_text(members, "title", code, &at, self.problems);
            let navigate = required_url(members, code, &at, self.problems);
            let icon = Optional { members, at: &at, problems: self.problems }.url("icon");
            actions.push(DeclarativeAction { action, title, navigate, icon });
        }
        actions
    }
}

struct Problems(Vec<DeclarativeProblem>);

impl Problems {
    fn version(&mut self, seen: Option<&Value>) {
        let seen = match seen {
            None => "missing".to_owned(),
            Some(Value::Number(_)) => "another number".to_owned(),
            Some(other) => kind(other).to_owned(),
        };
        self.0.push(DeclarativeProblem {
            code: "declarative/version",
            pointer: "/web_push".to_owned(),
            message: format!("/web_push is {seen}, so the worker gets the message; write the number 8030"),
            fatal: true,
        });
    }

    fn needed(&mut self, code: &'static str, pointer: &str, seen: Option<&Value>, expected: &str) {
        let seen = seen.map_or("missing", kind);
        self.0.push(DeclarativeProblem {
            code,
            pointer: pointer.to_owned(),
            message: format!("{pointer} is {seen}, {expected} is needed; add it"),
            fatal: true,
        });
    }

    fn skipped(&mut self, pointer: &str, seen: &Value, expected: &str) {
        let seen = kind(seen);
        self.0.push(DeclarativeProblem {
            code: "declarative/member-type",
            pointer: pointer.to_owned(),
            message: format!("{pointer} is {seen} and is skipped; write {expected}"),
            fatal: false,
        });
    }

    fn combination(&mut self, pointer: &str, message: &str) {
        self.0.push(DeclarativeProblem {
            code: "declarative/combination",
            pointer: pointer.to_owned(),
            message: message.to_owned(),
            fatal: true,
        });
    }
}

/// The kind of a JSON value; never the value, which is plaintext.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "an unfit number",
        Value::String(_) => "an unfit string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
