//! `WaitRequest` and `VerifyRequest` from JSON; every error names its place.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use super::{Count, VerifyItem, VerifyRequest, WaitRequest};
use crate::{
    json_reader::{FieldError, Members, duration, list, number, text, truth},
    limits::Limits,
    matcher::Match,
};

impl WaitRequest {
    /// Reads the body of `POST /wait`, with the times of the default [`Limits`].
    ///
    /// # Errors
    ///
    /// [`FieldError`] for an unknown member or an unusable value, with its JSON pointer.
    pub fn from_value(value: &Value) -> Result<Self, FieldError> {
        Self::within(&Limits::default(), value)
    }

    /// Reads the body of `POST /wait`: `wait_default` is waited when no time is given, `wait_longest` at most.
    ///
    /// # Errors
    ///
    /// As [`from_value`](Self::from_value).
    pub fn within(limits: &Limits, value: &Value) -> Result<Self, FieldError> {
        let longest = limits.wait_longest;
        let time = |value: &Value, pointer: &str| duration(value, pointer, longest);
        let known = ["match", "count", "timeout", "since", "settle", "space"];
        let members = Members::of(value, "", &known)?;
        Ok(Self {
            space: members.read("space", text)?,
            matcher: members.read("match", Match::read)?.unwrap_or_default(),
            count: members.read("count", count)?.unwrap_or_default(),
            timeout: members.read("timeout", time)?.unwrap_or(limits.wait_default.min(longest)),
            since: members.read("since", number)?.unwrap_or_default(),
            settle: members.read("settle", time)?.unwrap_or_default(),
        })
    }
}

/// Through [`WaitRequest::from_value`], so that a place is named in the error.
impl<'de> Deserialize<'de> for WaitRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl VerifyRequest {
    /// Reads the body of `POST /verify`, with the times of the default [`Limits`].
    ///
    /// # Errors
    ///
    /// [`FieldError`] for an unknown member or an unusable value, with its JSON pointer.
    pub fn from_value(value: &Value) -> Result<Self, FieldError> {
        Self::within(&Limits::default(), value)
    }

    /// Reads the body of `POST /verify`; `wait_longest` is waited at most.
    ///
    /// # Errors
    ///
    /// As [`from_value`](Self::from_value).
    pub fn within(limits: &Limits, value: &Value) -> Result<Self, FieldError> {
        let time = |value: &Value, pointer: &str| duration(value, pointer, limits.wait_longest);
        let known = ["expect", "ordered", "noOthers", "timeout", "space"];
        let members = Members::of(value, "", &known)?;
        let expect = members.read("expect", |value, at| list(value, at, item))?;
        Ok(Self {
            space: members.read("space", text)?,
            expect: expect
                .ok_or_else(|| FieldError::new("/expect", "is missing; give a list of expectations"))?,
            ordered: members.read("ordered", truth)?.unwrap_or_default(),
            no_others: members.read("noOthers", truth)?.unwrap_or_default(),
            timeout: members.read("timeout", time)?.unwrap_or_default(),
        })
    }
}

/// Through [`VerifyRequest::from_value`], so that a place is named in the error.
impl<'de> Deserialize<'de> for VerifyRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn item(value: &Value, pointer: &str) -> Result<VerifyItem, FieldError> {
    let members = Members::of(value, pointer, &["match", "count"])?;
    Ok(VerifyItem {
        matcher: members.read("match", Match::read)?.unwrap_or_default(),
        count: members.read("count", count)?.unwrap_or_default(),
    })
}

/// A number for exactly so many, or `min`, `max`, `exact`; with `max` alone no message at all would do.
fn count(value: &Value, pointer: &str) -> Result<Count, FieldError> {
    if value.is_number() {
        return number(value, pointer).map(Count::exactly);
    }
    let members = Members::of(value, pointer, &["min", "max", "exact"])?;
    let (min, max) = (members.read("min", number)?, members.read("max", number)?);
    match (min, max, members.read("exact", number)?) {
        (None, None, Some(exact)) => Ok(Count::exactly(exact)),
        (_, _, Some(_)) => {
            Err(FieldError::new(members.at("exact"), "goes with neither min nor max; leave them out"))
        }
        (None, None, None) => Err(FieldError::new(pointer, "no limit is given; name min, max or exact")),
        (Some(min), None, None) => Ok(Count::at_least(min)),
        (min, Some(max), None) => Count::between(min.unwrap_or(0), max).ok_or_else(|| {
            let problem = format!("min {} is greater than max {max}; exchange the two", min.unwrap_or(0));
            FieldError::new(pointer, problem)
        }),
    }
}
