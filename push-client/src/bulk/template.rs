//! `Template`: a payload with `{{field}}` in it, filled from the fields of a line: parsed once, pure.
//!
//! A payload that is JSON stays JSON whatever a line holds: inside a string a value is escaped, outside of one it is
//! inserted as JSON. In any other text values are inserted as text. `{{{{` stands for `{{` itself.

use std::{borrow::Cow, error::Error, fmt};

use bytes::Bytes;

/// A payload to be filled from the fields of each line.
///
/// ```
/// use push_client::bulk::template::Template;
/// let template = Template::parse(br#"{"title":"Hello {{name}}","unread":{{unread}}}"#)?;
///
/// let filled = template.fill(|field| match field {
///     "name" => Some(r#""Zo\u00eb \"Z\"""#), // values are JSON, as they stand in the line
///     _ => Some("3"),
/// });
///
/// assert_eq!(filled.unwrap(), r#"{"title":"Hello Zo\u00eb \"Z\"","unread":3}"#);
/// # Ok::<(), push_client::bulk::template::TemplateError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
    /// Octets of the fixed parts.
    fixed: usize,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Fixed(Bytes),
    Field { name: String, place: Place },
}

/// Where a value is put.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In JSON, outside of a string.
    Json,
    /// In a string of JSON.
    JsonString,
    /// In a text.
    Text,
}

/// Fields that hold what nobody but the application server and the push service may know.
const SECRET: [&str; 5] = ["auth", "endpoint", "keys", "p256dh", "subscription"];

impl Template {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(payload: &[u8]) -> Result<Self, TemplateError> {
        let Some(mut at) = memchr::memmem::find(payload, b"{{") else {
            return Ok(Self::of_parts(vec![Part::Fixed(Bytes::copy_from_slice(payload))]));
        };
        let text = std::str::from_utf8(payload).map_err(|_| TemplateError::NotUtf8)?;
        let is_json = is_json(text)?;
        let (mut parts, mut fixed, mut rest) = (Vec::new(), String::new(), text);
        let mut in_string = false;
        loop {
            let (before, from) = rest.split_at(at);
            in_string = string_goes_on(in_string, before);
            fixed.push_str(before);
            if let Some(after) = from.strip_prefix("{{{{") {
                fixed.push_str("{{");
                rest = after;
            } else if let Some(after) = from.strip_prefix("{{") {
                let (name, after) = after.split_once("}}").ok_or(TemplateError::Open)?;
                let place = match (is_json, in_string) {
                    (false, _) => Place::Text,
                    (true, false) => Place::Json,
                    (true, true) => Place::JsonString,
                };
                parts.push(Part::Fixed(std::mem::take(&mut fixed).into()));
                parts.push(Part::Field { name: field_name(name)?, place });
                rest = after;
            }
            match rest.find("{{") {
                Some(next) => at = next,
                None => break,
            }
        }
        fixed.push_str(rest);
        parts.push(Part::Fixed(fixed.into()));
        Ok(Self::of_parts(parts))
    }

    fn of_parts(mut parts: Vec<Part>) -> Self {
        parts.retain(|part| !matches!(part, Part::Fixed(octets) if octets.is_empty()));
        let fixed = parts.iter().map(|part| if let Part::Fixed(octets) = part { octets.len() } else { 0 });
        let fixed = fixed.sum();
        Self { parts, fixed }
    }

    /// The payload for all lines, when there is no field in it.
    #[must_use]
    pub fn as_fixed(&self) -> Option<Bytes> {
        match self.parts.as_slice() {
            [] => Some(Bytes::new()),
            [Part::Fixed(octets)] => Some(octets.clone()),
            _ => None,
        }
    }

    /// The payload for one line; `field` gives a value as JSON, or `None` when the line has no such field.
    ///
    /// # Errors
    /// [`FillError`].
    pub fn fill<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> Result<Bytes, FillError> {
        let mut out = Vec::with_capacity(self.fixed + 64);
        for part in &self.parts {
            match part {
                Part::Fixed(octets) => out.extend_from_slice(octets),
                Part::Field { name, place } => {
                    let value = field(name).map(str::trim);
                    let value = value.filter(|value| *value != "null" || *place == Place::Json);
                    let value = value.ok_or_else(|| FillError::Missing { field: name.clone() })?;
                    insert(&mut out, value, *place)
                        .ok_or_else(|| FillError::Value { field: name.clone() })?;
                }
            }
        }
        Ok(out.into())
    }
}

/// Puts a value, which is JSON, where it belongs.
fn insert(out: &mut Vec<u8>, value: &str, place: Place) -> Option<()> {
    let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (place, text) {
        // What stands between quotation marks is escaped already.
        (Place::JsonString, Some(escaped)) => out.extend_from_slice(escaped.as_bytes()),
        (Place::JsonString, None) => {
            let quoted = serde_json::to_string(value).ok()?;
            out.extend_from_slice(quoted.get(1..quoted.len().checked_sub(1)?)?.as_bytes());
        }
        (Place::Text, Some(_)) => {
            let text: String = serde_json::from_str(value).ok()?;
            out.extend_from_slice(text.as_bytes());
        }
        (Place::Json, _) | (Place::Text, None) => out.extend_from_slice(value.as_bytes()),
    }
    Some(())
}

fn field_name(name: &str) -> Result<String, TemplateError> {
    let name = name.trim();
    if name.is_empty() || name.contains(['{', '}', '\n']) {
        return Err(TemplateError::Name { name: Cow::Owned(name.chars().take(60).collect()) });
    }
    if let Some(secret) = SECRET.into_iter().find(|secret| *secret == name) {
        return Err(TemplateError::Secret { name: secret });
    }
    Ok(name.to_owned())
}

/// Whether a string of JSON is open after this text.
fn string_goes_on(mut in_string: bool, text: &str) -> bool {
    let mut escaped = false;
    for octet in text.bytes() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    in_string
}

/// True when the text would be JSON with a value in place of each field; an error when it only looks like it, since
/// values would go in unescaped.
fn is_json(text: &str) -> Result<bool, TemplateError> {
    let text = text.trim_start_matches('\u{feff}');
    let (mut probe, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, from)) = rest.split_once("{{") {
        probe.push_str(before);
        rest = match from.strip_prefix("{{") {
            Some(after) => {
                probe.push_str("{{");
                after
            }
            None => {
                // A digit is a value outside of a string and a character inside of one.
                probe.push('0');
                from.split_once("}}").map_or("", |(_, after)| after)
            }
        };
    }
    probe.push_str(rest);
    let probe = probe.trim_start();
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(probe).is_ok();
    // Two braces that are meant begin no JSON.
    let looks_so = probe.starts_with(['{', '[']) && !probe.starts_with("{{");
    if looks_so && !is_json {
        return Err(TemplateError::NotJson);
    }
    Ok(is_json && probe.starts_with(['{', '[', '"']))
}

impl fmt::Debug for Template {
    /// Sizes only: a payload is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({} octets, {} parts)", self.fixed, self.parts.len())
    }
}

/// Why a payload is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// What stands between `{{` and `}}` is no name.
    Name {
        /// What stands there, at most 60 characters.
        name: Cow<'static, str>,
    },
    /// It begins like JSON and has fields, but is none.
    NotJson,
    /// It has fields, but is not text in UTF-8.
    NotUtf8,
    /// `{{` without `}}`.
    Open,
    /// A field that would put a secret into a payload.
    Secret {
        /// Its name.
        name: &'static str,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "{{{{{}}}}} is not the name of a field; write {{{{name}}}}, or {{{{{{{{ for two braces that are meant",
                name.escape_debug()
            ),
            Self::NotJson => f.write_str(
                "the payload begins like JSON but is none, so values cannot be put in safely; correct its JSON",
            ),
            Self::NotUtf8 => f.write_str(
                "the payload has {{ in it but is not text in UTF-8; remove the fields, or save it as UTF-8",
            ),
            Self::Open => f.write_str(
                "the payload has {{ without }}; close it, or write {{{{ for two braces that are meant",
            ),
            Self::Secret { name } => write!(
                f,
                "{{{{{name}}}}} would put the capability of a subscription into a payload; use a field of your own, such as {{{{id}}}}"
            ),
        }
    }
}

impl Error for TemplateError {}

/// Why a template cannot be filled from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FillError {
    /// The line has no such field, or it is null where a text is needed.
    Missing {
        /// Its name.
        field: String,
    },
    /// The value is a string that JSON allows and UTF-8 does not: half of a surrogate pair.
    Value {
        /// The field's name.
        field: String,
    },
}

impl fmt::Display for FillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { field } => {
                write!(
                    f,
                    "the line has no field \"{}\", which the payload needs; add it",
                    field.escape_debug()
                )
            }
            Self::Value { field } => {
                write!(f, "the field \"{}\" is no text in Unicode; correct it", field.escape_debug())
            }
        }
    }
}

impl Error for FillError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn filled(template: &str, value: &Value) -> String {
        let json = value.to_string();
        let template = Template::parse(template.as_bytes()).unwrap();
        let octets = template.fill(|_| Some(json.as_str())).unwrap();
        String::from_utf8(octets.to_vec()).unwrap()
    }

    #[test]
    fn values_fit_where_they_are_put() {
        let check = |template, value, expected| assert_eq!(filled(template, &value), expected);

        check("Hello {{ name }}!", json!("Zoë \"Z\""), "Hello Zoë \"Z\"!");
        check("{{n}} new", json!(3), "3 new");
        check("{{o}}", json!({"a": [1, null]}), r#"{"a":[1,null]}"#);
        check(r#"{"t":"Hi {{name}}"}"#, json!("\"}\\\n"), r#"{"t":"Hi \"}\\\n"}"#);
        check(r#"{"t":"Hi {{name}}"}"#, json!(1.5), r#"{"t":"Hi 1.5"}"#);
        check(r#"{"t":"{{o}}"}"#, json!({"a": "b"}), r#"{"t":"{\"a\":\"b\"}"}"#);
        check(r#"{"t":{{x}}}"#, json!("a"), r#"{"t":"a"}"#);
        check(r#"{"t":{{x}}}"#, json!(null), r#"{"t":null}"#);
        check(r#"{"a\"{{x}}":{"b":{{x}}}}"#, json!("k"), r#"{"a\"k":{"b":"k"}}"#);
        check("{{{{x}} and {{x}}", json!("y"), "{{x}} and y");
        check(r#"["{{{{x}}",{{x}}]"#, json!("y"), r#"["{{x}}","y"]"#);
        check("\u{feff}{\"a\":\"{{x}}\"}", json!("\""), "\u{feff}{\"a\":\"\\\"\"}");
    }

    #[test]
    fn a_payload_without_fields_is_taken_as_it_is() {
        for payload in [&b"\xff\x00"[..], b"", b"{\"a\":{\"b\":1}}", b"}}"] {
            assert_eq!(Template::parse(payload).unwrap().as_fixed().as_deref(), Some(payload));
        }
        assert_eq!(Template::parse(b"{{{{").unwrap().as_fixed().as_deref(), Some(&b"{{"[..]));
        assert_eq!(Template::parse(b"a {{b}}").unwrap().as_fixed(), None);
    }

    #[test]
    fn what_is_no_template_says_why() {
        let check = |payload: &[u8], expected: &str| {
            let error = Template::parse(payload).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };

        check(b"{{a", "the payload has {{ without }}");
        check(b"{{}}", "{{}} is not the name of a field");
        check(b"{{a{b}}", "{{a{b}} is not the name of a field; write {{name}}, or {{{{ for");
        check(b"{\"a\":\"{{x}}\",}", "the payload begins like JSON but is none");
        check(b"[{{x}}]{{x}}", "the payload begins like JSON but is none");
        check(b"{{p256dh}}", "{{p256dh}} would put the capability");
        check(b"{{ keys }}", "{{keys}} would put the capability");
        check(b"{{a}} \xff", "the payload has {{ in it but is not text");
    }

    #[test]
    fn a_missing_field_is_named() {
        let fill = |template: &str, value: Option<&str>| {
            let template = Template::parse(template.as_bytes()).unwrap();
            template.fill(|_| value).map(|octets| octets.to_vec())
        };

        assert_eq!(fill("a {{b}}", None), Err(FillError::Missing { field: "b".to_owned() }));
        assert_eq!(fill("a {{b}}", Some("null")), Err(FillError::Missing { field: "b".to_owned() }));
        assert_eq!(fill("a {{b}}", Some("\"\\ud800\"")), Err(FillError::Value { field: "b".to_owned() }));
        assert_eq!(fill("a {{b}}", Some("\"\"")), Ok(b"a ".to_vec()));
    }

    proptest! {
        #[test]
        fn json_stays_json_with_the_very_value(text: String, number: i64) {
            let payload = filled(r#"{"a":"{{f}}","b":{{f}}}"#, &json!(text));
            prop_assert_eq!(serde_json::from_str::<Value>(&payload).unwrap(), json!({"a": text, "b": text}));

            let payload = filled(r#"{"a":"{{f}}","b":{{f}}}"#, &json!(number));
            let expected = json!({"a": number.to_string(), "b": number});
            prop_assert_eq!(serde_json::from_str::<Value>(&payload).unwrap(), expected);
        }

        #[test]
        fn any_payload_is_parsed_or_refused(payload: Vec<u8>, template in "[a{} \"\\\\:]{0,40}") {
            let _ = Template::parse(&payload);
            if let Ok(template) = Template::parse(template.as_bytes()) {
                let _ = template.fill(|_| Some("\"x\""));
            }
        }
    }
}
