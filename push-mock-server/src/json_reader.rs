//! Reads members of a JSON object strictly and says where something is wrong; what the members mean is left to
//! the caller.

use core::{fmt, str::FromStr, time::Duration};

use serde_json::{Map, Value};

use crate::duration_text;

/// A member that cannot be used: where it is and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    pointer: String,
    problem: String,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), problem: problem.into() }
    }

    /// Where, as a JSON pointer, e.g. `/match/ttl/gte`; empty for the whole document.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What was seen, what is allowed, and what to do.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        write!(f, "{place}: {}", self.problem)
    }
}

impl core::error::Error for FieldError {}

/// The members of one object, all of them known by name.
pub(crate) struct Members<'a> {
    pointer: String,
    map: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// Takes an object whose members are all among `known`.
    pub(crate) fn of(value: &'a Value, pointer: &str, known: &[&str]) -> Result<Self, FieldError> {
        let Value::Object(map) = value else {
            return Err(FieldError::new(pointer, format!("expected an object, was {}", seen(value))));
        };
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            let hint = match closest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}? "),
                None => String::new(),
            };
            let problem = format!("unknown member; {hint}known are {}", known.join(", "));
            return Err(FieldError::new(join(pointer, name), problem));
        }
        Ok(Self { pointer: pointer.to_owned(), map })
    }

    /// The pointer of a member.
    pub(crate) fn at(&self, name: &str) -> String {
        join(&self.pointer, name)
    }

    /// The member, also when it is null.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    /// The member through `read`, which is given its pointer.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Value, &str) -> Result<T, FieldError>,
    ) -> Result<Option<T>, FieldError> {
        self.get(name).map(|value| read(value, &self.at(name))).transpose()
    }

    /// The names of the members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.keys().map(String::as_str)
    }
}

/// A text.
pub(crate) fn text(value: &Value, pointer: &str) -> Result<String, FieldError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(FieldError::new(pointer, format!("expected a text, was {}", seen(other)))),
    }
}

/// A whole number of 0 or more.
pub(crate) fn number(value: &Value, pointer: &str) -> Result<u64, FieldError> {
    value.as_u64().ok_or_else(|| {
        FieldError::new(pointer, format!("expected a whole number of 0 or more, was {}", seen(value)))
    })
}

/// True or false.
pub(crate) fn truth(value: &Value, pointer: &str) -> Result<bool, FieldError> {
    value
        .as_bool()
        .ok_or_else(|| FieldError::new(pointer, format!("expected true or false, was {}", seen(value))))
}

/// A duration such as `"5s"`, up to `longest`.
pub(crate) fn duration(value: &Value, pointer: &str, longest: Duration) -> Result<Duration, FieldError> {
    let Value::String(text) = value else {
        let problem = format!("expected a duration such as \"5s\", was {}", seen(value));
        return Err(FieldError::new(pointer, problem));
    };
    let duration = duration_text::parse(text).map_err(|error| FieldError::new(pointer, error.to_string()))?;
    if duration > longest {
        let problem = format!(
            "{} is longer than the {} allowed; use a shorter one",
            duration_text::Shown(duration),
            duration_text::Shown(longest)
        );
        return Err(FieldError::new(pointer, problem));
    }
    Ok(duration)
}

/// One of the given names, through the parser of its type.
pub(crate) fn name<T: Copy>(
    value: &Value,
    pointer: &str,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<T, FieldError> {
    let text = text(value, pointer)?;
    all.iter().copied().find(|one| as_str(*one) == text).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| as_str(*one)).collect();
        let hint = match closest(&text, names.iter().copied()) {
            Some(near) => format!("did you mean {near:?}? "),
            None => String::new(),
        };
        let text = Value::String(text);
        FieldError::new(
            pointer,
            format!("{} is not known; {hint}allowed are {}", seen(&text), names.join(", ")),
        )
    })
}

/// A text that its type accepts.
pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(value: &Value, pointer: &str) -> Result<T, FieldError> {
    text(value, pointer)?.parse().map_err(|error: T::Err| FieldError::new(pointer, error.to_string()))
}

/// One value, or a list with at least one.
pub(crate) fn one_or_list<'a, T>(
    value: &'a Value,
    pointer: &str,
    read: impl Fn(&'a Value, &str) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let Value::Array(values) = value else { return Ok(vec![read(value, pointer)?]) };
    if values.is_empty() {
        let problem = "the list is empty and would match nothing; leave the member out, or name values";
        return Err(FieldError::new(pointer, problem));
    }
    values.iter().enumerate().map(|(at, value)| read(value, &join(pointer, &at.to_string()))).collect()
}

/// A list with at least one item.
pub(crate) fn list<'a, T>(
    value: &'a Value,
    pointer: &str,
    read: impl Fn(&'a Value, &str) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    match value {
        Value::Array(_) => one_or_list(value, pointer, read),
        other => Err(FieldError::new(pointer, format!("expected a list, was {}", seen(other)))),
    }
}

/// `pointer` with one more token, escaped as RFC 6901 says.
pub(crate) fn join(pointer: &str, token: &str) -> String {
    format!("{pointer}/{}", token.replace('~', "~0").replace('/', "~1"))
}

/// The value as it is shown in an error, cut.
fn seen(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        other => {
            let text = other.to_string();
            if text.chars().count() > 40 { text.chars().take(40).chain(['…']).collect() } else { text }
        }
    }
}

/// The known name that `seen` was probably meant to be: at most two edits away, and less than half of it.
pub(crate) fn closest<'a>(seen: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = seen.chars().take(64).collect();
    known
        .into_iter()
        .map(|name| (distance(&letters, name), name))
        .filter(|(distance, name)| *distance <= 2 && distance * 2 < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance, letters compared without case.
fn distance(seen: &[char], name: &str) -> usize {
    let mut row: Vec<usize> = (0..=seen.len()).collect();
    for (line, expected) in name.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (letter, cell) in seen.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(!letter.eq_ignore_ascii_case(&expected));
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_member_names_the_known_one_it_resembles() {
        let error = Members::of(&json!({"topc": 1}), "/match", &["to", "topic"]).err().unwrap();

        assert_eq!(error.pointer(), "/match/topc");
        assert_eq!(error.problem(), "unknown member; did you mean \"topic\"? known are to, topic");
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(join("/a", "b/c~d"), "/a/b~1c~0d");
    }

    #[test]
    fn distance_counts_edits() {
        let check = |seen: &str, name, expected| {
            assert_eq!(distance(&seen.chars().collect::<Vec<_>>(), name), expected, "{seen} {name}");
        };

        check("topic", "topic", 0);
        check("TOPIC", "topic", 0);
        check("topc", "topic", 1);
        check("", "to", 2);
        check("to", "", 2);
        check("kitten", "sitting", 3);
        assert_eq!(closest("x", ["to", "topic"]), None);
        assert_eq!(closest("stat", ["to", "status", "state"]), Some("state"));
    }

    #[test]
    fn a_duration_has_a_unit_and_a_limit() {
        let longest = Duration::from_secs(600);
        let check = |value: Value, expected: &str| {
            assert_eq!(duration(&value, "/timeout", longest).unwrap_err().problem(), expected);
        };

        assert_eq!(duration(&json!("600s"), "", longest), Ok(longest));
        check(json!(5), "expected a duration such as \"5s\", was 5");
        check(json!("601s"), "10 m 1 s is longer than the 10 m allowed; use a shorter one");
    }
}
