//! Compares JSON values and names every place where they differ.

use serde_json::{Map, Value};

use super::{Difference, Texts};
use crate::json_reader::join;

/// Differences that are kept; our choice, nobody reads more.
const MOST: usize = 20;

/// How much of the actual value has to be named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Members named must be equal, others are ignored, at every depth; arrays in full.
    Includes,
    /// All of it.
    Equals,
}

/// Every place where `actual` differs.
pub(super) fn differences(expected: &Value, actual: &Value, extent: Extent) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(expected, actual, extent, "", &mut found);
    found
}

fn compare(expected: &Value, actual: &Value, extent: Extent, pointer: &str, found: &mut Vec<Difference>) {
    if found.len() >= MOST {
        return;
    }
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => members(expected, actual, extent, pointer, found),
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                compare(expected, actual, Extent::Equals, &join(pointer, &at.to_string()), found);
            }
        }
        _ if same(expected, actual) => {}
        _ => found.push(difference(pointer, Some(expected), Some(actual))),
    }
}

fn members(
    expected: &Map<String, Value>,
    actual: &Map<String, Value>,
    extent: Extent,
    pointer: &str,
    found: &mut Vec<Difference>,
) {
    for (name, value) in expected {
        let pointer = join(pointer, name);
        match actual.get(name) {
            Some(actual) => compare(value, actual, extent, &pointer, found),
            None => found.push(difference(&pointer, Some(value), None)),
        }
    }
    if extent == Extent::Equals {
        for (name, value) in actual.iter().filter(|(name, _)| !expected.contains_key(*name)) {
            found.push(difference(&join(pointer, name), None, Some(value)));
        }
    }
}

/// Equal, numbers by their value: 1 and 1.0 are one number in JSON.
fn same(expected: &Value, actual: &Value) -> bool {
    if expected == actual {
        return true;
    }
    match (expected, actual) {
        (Value::Number(expected), Value::Number(actual)) if expected.is_f64() != actual.is_f64() => {
            expected.as_f64() == actual.as_f64()
        }
        _ => false,
    }
}

fn difference(pointer: &str, expected: Option<&Value>, actual: Option<&Value>) -> Difference {
    let text = |value: Option<&Value>, none: &str| value.map_or_else(|| none.to_owned(), Value::to_string);
    Difference {
        member: "payload",
        pointer: pointer.to_owned(),
        texts: Texts {
            expected: text(expected, "no such member"),
            actual: text(actual, "missing"),
            comparable: matches!((expected, actual), (Some(Value::String(_)), Some(Value::String(_)))),
        },
        expected: expected.cloned(),
        actual: actual.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(expected: &Value, actual: &Value, extent: Extent) -> Vec<String> {
        differences(expected, actual, extent).into_iter().map(|difference| difference.pointer).collect()
    }

    #[test]
    fn includes_ignores_members_that_are_not_named_at_every_depth() {
        let actual = json!({"title": "1:0", "data": {"id": 7, "more": [1, 2]}});
        let check = |expected: Value, places_expected: &[&str]| {
            assert_eq!(places(&expected, &actual, Extent::Includes), places_expected, "{expected}");
        };

        check(json!({}), &[]);
        check(json!({"title": "1:0"}), &[]);
        check(json!({"data": {"id": 7.0}}), &[]);
        check(json!({"data": {"more": [1, 2]}}), &[]);
        check(json!({"data": {"more": [1]}}), &["/data/more"]);
        check(json!({"data": {"more": [1, 3]}}), &["/data/more/1"]);
        check(json!({"data": {"id": "7"}}), &["/data/id"]);
        check(json!({"title": null}), &["/title"]);
        check(json!({"gone": null}), &["/gone"]);
        check(json!([]), &[""]);
    }

    #[test]
    fn includes_compares_objects_in_arrays_in_full() {
        let actual = json!([{"a": 1, "b": 2}]);

        assert_eq!(places(&json!([{"a": 1}]), &actual, Extent::Includes), ["/0/b"]);
        assert_eq!(places(&actual, &actual, Extent::Includes), [""; 0]);
    }

    #[test]
    fn equals_names_surplus_members() {
        assert_eq!(places(&json!({"a": 1}), &json!({"a": 1, "b~": 2}), Extent::Equals), ["/b~0"]);
    }

    #[test]
    fn large_whole_numbers_are_compared_exactly() {
        let (even, odd) = (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_993_u64));

        assert_eq!(places(&even, &odd, Extent::Equals), [""]);
    }

    #[test]
    fn at_most_twenty_differences_are_kept() {
        let expected: Value = (0..100).collect();
        let actual: Value = (1..101).collect();

        assert_eq!(differences(&expected, &actual, Extent::Equals).len(), MOST);
    }
}
