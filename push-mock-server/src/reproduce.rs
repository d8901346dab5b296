//! A message again: as a shell command, as raw HTTP, and as an assertion in code.
//!
//! Credentials are cut unless they are asked for, and the result says so.

use core::str::FromStr;

use base64ct::{Base64, Encoding as _};
use serde_json::{Map, Value, json};

use crate::{
    service::exchange::{Exchange, ShownRequest},
    view::shown_field,
};

/// Fields that belong to one connection or are made anew by whoever sends the request.
const OF_THE_CONNECTION: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
];

/// The request as a `curl` command for a POSIX shell; the body is base64 in the command.
#[must_use]
pub fn curl(exchange: &Exchange, secrets: bool) -> String {
    let request = &exchange.request;
    let mut lines = remarks(exchange, secrets, "# ");
    let mut command = String::new();
    if !request.body.is_empty() {
        command = format!("printf %s '{}' | base64 -d | ", Base64::encode_string(&request.body));
    }
    command.push_str(&format!("curl -sS -i -X {}", quoted(&request.method)));
    if request.http_version == "2" {
        command.push_str(if request.url.starts_with("http:") {
            " --http2-prior-knowledge"
        } else {
            " --http2"
        });
    }
    let mut parts = vec![command];
    for (name, value) in
        request.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str()))
    {
        let value = shown_field(name, value, secrets);
        let field = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        parts.push(format!("-H {}", quoted(&field)));
    }
    if !request.headers.iter().any(|(name, _)| name == "content-type") {
        // Without this curl would name a form as the type.
        parts.push("-H 'content-type:'".to_owned());
    }
    parts.push(if request.body.is_empty() {
        "--data-binary ''".to_owned()
    } else {
        "--data-binary @-".to_owned()
    });
    parts.push(quoted(&request.url));
    lines.push(parts.join(" \\\n  "));
    lines.join("\n") + "\n"
}

/// What the reader must know before using a reproduction.
fn remarks(exchange: &Exchange, secrets: bool, mark: &str) -> Vec<String> {
    let request = &exchange.request;
    let mut lines = Vec::new();
    if !secrets
        && request.headers.iter().any(|(name, value)| shown_field(name, value, false) != value.as_str())
    {
        lines.push(format!("{mark}the credentials are cut; ask again with ?secrets=1 to have them in full"));
    }
    let kept = request.body.len() as u64;
    if kept < request.body_bytes {
        lines.push(format!(
            "{mark}the body had {} octets, of which the first {kept} were kept",
            request.body_bytes
        ));
    }
    lines
}

/// A word for a POSIX shell, in quotation marks when it needs them.
fn quoted(text: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The request as raw HTTP for reading; a body that is not text is shown as base64 in one line of its own.
#[must_use]
pub fn http(exchange: &Exchange, secrets: bool) -> String {
    let request = &exchange.request;
    let (authority, target) = split_url(&request.url);
    let mut lines = vec![format!("{} {target} HTTP/{}", request.method, request.http_version)];
    if !request.headers.iter().any(|(name, _)| name == "host") {
        lines.push(format!("host: {authority}"));
    }
    let fields =
        request.headers.iter().map(|(name, value)| format!("{name}: {}", shown_field(name, value, secrets)));
    lines.extend(fields);
    lines.push(String::new());
    lines.extend(http_body(request));
    lines.extend(remarks(exchange, secrets, "# "));
    lines.join("\n") + "\n"
}

fn http_body(request: &ShownRequest) -> Option<String> {
    let printable = |text: &&str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if request.body.is_empty() {
        return None;
    }
    Some(match std::str::from_utf8(&request.body).ok().filter(printable) {
        Some(text) => text.to_owned(),
        None => format!("[{} octets, base64] {}", request.body.len(), Base64::encode_string(&request.body)),
    })
}

/// Authority and request target of an absolute URL.
fn split_url(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    }
}

/// Language of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With `fetch`, for Node and browsers.
    JavaScript,
    /// With the standard library.
    Python,
    /// With this crate's harness.
    Rust,
}

impl FromStr for Language {
    type Err = UnknownLanguage;
    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text {
            "js" => Ok(Self::JavaScript),
            "python" => Ok(Self::Python),
            "rust" => Ok(Self::Rust),
            _ => Err(UnknownLanguage),
        }
    }
}

/// A name that is none of `rust`, `js`, `python`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLanguage;

impl core::fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the language is none of rust, js, python; use one of these")
    }
}

impl core::error::Error for UnknownLanguage {}

/// Code that waits for a message like this one; `message` is the message object of the API.
///
/// ```
/// use push_mock_server::reproduce::{Language, as_test};
/// use serde_json::json;
///
/// let message = json!({"to": "alice", "state": "queued", "ttl": 60, "payload": {"state": "empty"}, "findings": []});
/// let code = as_test(&message, Language::Rust);
/// assert!(code.contains(".to(\"alice\")"));
/// ```
#[must_use]
pub fn as_test(message: &Value, language: Language) -> String {
    let wanted = wanted(message);
    match language {
        Language::JavaScript => javascript(&wanted, message),
        Language::Python => python(&wanted, message),
        Language::Rust => rust(&wanted),
    }
}

/// The match that describes the message: the members of the API's `match`.
fn wanted(message: &Value) -> Map<String, Value> {
    let mut wanted = Map::new();
    let mut state = |name: &str, value: Value| wanted.insert(name.to_owned(), value);
    if let Some(to) = message.get("to").filter(|to| to.is_string()) {
        state("to", to.clone());
    }
    let refused = message.get("state").is_some_and(|state| state == "refused");
    if refused {
        state("state", json!("refused"));
        state("status", message.pointer("/response/status").cloned().unwrap_or(Value::Null));
    }
    if let Some(topic) = message.get("topic").filter(|topic| topic.is_string()) {
        state("topic", topic.clone());
    }
    if let Some(ttl) = message.get("ttl").filter(|ttl| ttl.is_number()) {
        state("ttl", json!({"gte": ttl}));
    }
    if let Some(payload) = wanted_payload(message) {
        state("payload", payload);
    }
    let findings = message.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let errors: Vec<&Value> = findings
        .iter()
        .filter(|f| f.get("level").is_some_and(|level| level == "error"))
        .filter_map(|f| f.get("code"))
        .collect();
    match errors.first() {
        Some(code) if refused => state("findings", json!({"any": [code]})),
        Some(_) => None,
        None => state("findings", json!({"none": "error"})),
    };
    wanted.retain(|_, value| !value.is_null());
    wanted
}

fn wanted_payload(message: &Value) -> Option<Value> {
    let payload = message.get("payload")?;
    if payload.get("state")? == "empty" {
        return Some(json!({"empty": true}));
    }
    if payload.get("state")? != "decrypted" {
        return None;
    }
    ["json", "text", "base64"].iter().find_map(|form| {
        let content = payload.get(*form)?;
        let mut wanted = Map::new();
        wanted.insert((*form).to_owned(), content.clone());
        Some(Value::Object(wanted))
    })
}

fn space(message: &Value) -> String {
    let space = message.get("space").and_then(Value::as_str).unwrap_or("default");
    space
        .bytes()
        .map(|octet| {
            if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.') {
                char::from(octet).to_string()
            } else {
                format!("%{octet:02X}")
            }
        })
        .collect()
}

fn javascript(wanted: &Map<String, Value>, message: &Value) -> String {
    let space = space(message);
    let wanted = Value::Object(wanted.clone());
    format!(
        "const response = await fetch(`${{process.env.PUSH_URL}}/api/v1/wait?space={space}`, {{\n  \
           method: \"POST\",\n  \
           headers: {{ \"Content-Type\": \"application/json\" }},\n  \
           body: JSON.stringify({{ match: {wanted}, count: {{ min: 1, max: 1 }}, timeout: \"5s\" }}),\n\
         }});\n\
         const answer = await response.json();\n\
         if (!response.ok) throw new Error(answer.report ?? answer.detail);\n\
         const [got] = answer.messages;\n"
    )
}

fn python(wanted: &Map<String, Value>, message: &Value) -> String {
    let space = space(message);
    let wanted = python_literal(&Value::Object(wanted.clone()));
    format!(
        "import json, os, urllib.error, urllib.request\n\
         \n\
         request = urllib.request.Request(\n    \
             os.environ[\"PUSH_URL\"] + \"/api/v1/wait?space={space}\",\n    \
             data=json.dumps({{\"match\": {wanted}, \"count\": {{\"min\": 1, \"max\": 1}}, \"timeout\": \"5s\"}}).encode(),\n    \
             headers={{\"Content-Type\": \"application/json\"}},\n\
         )\n\
         try:\n    \
             got = json.load(urllib.request.urlopen(request))[\"messages\"][0]\n\
         except urllib.error.HTTPError as error:\n    \
             answer = json.load(error)\n    \
             raise AssertionError(answer.get(\"report\") or answer.get(\"detail\")) from None\n"
    )
}

/// JSON as a Python expression: the same but for three words.
fn python_literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(python_literal).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), python_literal(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn rust(wanted: &Map<String, Value>) -> String {
    let mut calls = Vec::new();
    for (name, value) in wanted {
        calls.push(match (name.as_str(), value) {
            ("to" | "topic", Value::String(text)) => format!(".{name}({text:?})"),
            ("state", _) => ".state(State::Refused)".to_owned(),
            ("status", status) => format!(".status({status})"),
            ("ttl", ttl) => format!(".ttl({}..)", ttl.get("gte").unwrap_or(&Value::Null)),
            ("findings", findings) => match findings.pointer("/any/0").and_then(Value::as_str) {
                Some(code) => format!(".finding({code:?})"),
                None => ".no_finding(Level::Error)".to_owned(),
            },
            (_, payload) => rust_payload(payload),
        });
    }
    let calls: String = calls.iter().map(|call| format!("\n    {call}")).collect();
    format!(
        "let got = push\n    .expect(){calls}\n    .once()\n    .within(Duration::from_secs(5))\n    .await;\n"
    )
}

fn rust_payload(payload: &Value) -> String {
    if let Some(value) = payload.get("json") {
        return format!(".json(json!({}))", rust_literal(value));
    }
    match (payload.get("text"), payload.get("base64")) {
        (Some(Value::String(text)), _) => format!(".text({text:?})"),
        (_, Some(Value::String(base64))) => {
            let octets = Base64::decode_vec(base64).unwrap_or_default();
            format!(".octets(&{octets:?})")
        }
        _ => ".empty()".to_owned(),
    }
}

/// JSON for the macro `json!`: the same but for the escapes in texts.
fn rust_literal(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Array(values) => {
            format!("[{}]", values.iter().map(rust_literal).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name:?}: {}", rust_literal(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
