//! What handlers are given: the query, the space, the body as strict JSON.

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::{StatusCode, request::Parts};
use push_crypto::base64url;
use serde_json::Value;

use super::{Answer, Context, Json};
use crate::{
    json_reader::{FieldError, Members},
    space::SpaceName,
    view::View,
    wire::{paths::percent_decoded, problem::Problem},
};

/// The part of a request beside path and body: its query and the space that it names outside of the body.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    space: Option<SpaceName>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let decoded = |text: &str| percent_decoded(&text.replace('+', " ")).into_owned();
        let query = parts.uri.query().unwrap_or_default();
        let pairs: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let by_field = parts.headers.get("push-space").map(|value| value.to_str().unwrap_or("\u{fffd}"));
        let named =
            pairs.iter().find(|(name, _)| name == "space").map(|(_, value)| value.as_str()).or(by_field);
        let space = named.map(|name| parse_space(name, "space")).transpose()?;
        Ok(Self { pairs, space })
    }
}

impl Params {
    /// Refuses members of the query that mean nothing here, so that a typing error never passes.
    pub(super) fn known(self, names: &[&str]) -> Result<Self, Problem> {
        match self.pairs.iter().find(|(name, _)| name != "space" && !names.contains(&name.as_str())) {
            None => Ok(self),
            Some((name, _)) => {
                let known = ["space"].iter().chain(names).copied().collect::<Vec<_>>().join(", ");
                let name: String = name.chars().take(40).collect();
                let detail =
                    format!("the query has an unknown member \"{}\"; known are {known}", name.escape_debug());
                Err(bad_field("", detail))
            }
        }
    }

    /// A member of the query.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The space named by query or field, else `default`.
    pub(super) fn space(&self) -> SpaceName {
        self.space.clone().unwrap_or_default()
    }

    /// The space named by query or field.
    pub(super) fn named_space(&self) -> Option<&SpaceName> {
        self.space.as_ref()
    }

    /// The space named by the body, else the one named by query or field, else `default`.
    pub(super) fn space_or(&self, body: Option<&str>) -> Result<SpaceName, Problem> {
        body.map_or_else(|| Ok(self.space()), |name| parse_space(name, "/space"))
    }

    /// True for `?name=1`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true" | "") => Ok(true),
            Some(_) => Err(bad_field("", format!("{name} in the query is neither 1 nor 0"))),
        }
    }

    /// How much is shown.
    pub(super) fn view<'a>(&self, base_url: &'a str) -> Result<View<'a>, Problem> {
        let summary = match self.get("view") {
            None | Some("full") => false,
            Some("summary") => true,
            Some(_) => return Err(bad_field("", "view in the query is neither full nor summary")),
        };
        Ok(View { summary, secrets: self.flag("secrets")?, ..View::new(base_url) })
    }
}

/// Items of a list when no limit is named, and the most that can be asked for (our choice: a page of a screen, and
/// an answer that stays below a few MiB).
const LIMIT: usize = 100;
const LONGEST_LIMIT: usize = 1000;

impl Params {
    /// How many items are asked for.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else { return Ok(LIMIT) };
        let number = text.parse::<usize>().ok().filter(|number| (1..=LONGEST_LIMIT).contains(number));
        let unusable = || format!("limit in the query must be a number from 1 to {LONGEST_LIMIT}");
        number.ok_or_else(|| bad_field("", unusable()))
    }

    /// The key of the last item of the page before.
    pub(super) fn cursor(&self) -> Result<Option<String>, Problem> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let key = base64url::decode(text).ok().and_then(|octets| String::from_utf8(octets).ok());
        let unusable = "cursor in the query is none that this service gave out; start without one";
        key.filter(|key| !key.is_empty()).map(Some).ok_or_else(|| bad_field("", unusable))
    }
}

/// What a page ends with, so that the next one begins behind it.
pub(super) fn write_cursor(key: &str) -> String {
    base64url::encode(key.as_bytes())
}

/// One page of a list, in the order of its keys; an item that is gone by now is passed over.
pub(super) fn paged(mut items: Vec<(String, Value)>, params: &Params) -> Answer {
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    let limit = params.limit()?;
    let after = params.cursor()?;
    let mut rest =
        items.into_iter().skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after)).peekable();
    let mut page = Vec::new();
    let mut last = String::new();
    while page.len() < limit
        && let Some((key, item)) = rest.next()
    {
        last = key;
        page.push(item);
    }
    let cursor = rest.peek().map(|_| write_cursor(&last));
    Json::page(page, cursor)
}

fn parse_space(name: &str, pointer: &'static str) -> Result<SpaceName, Problem> {
    name.parse().map_err(|error: crate::space::SpaceNameError| bad_field(pointer, error.to_string()))
}

/// A member that cannot be used.
pub(super) fn bad_field(pointer: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "api/bad-field", "A value cannot be used")
        .detail(detail)
        .fix("change the member named by pointer; the reference is GET /api/v1")
        .with("pointer", pointer)
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        bad_field(error.pointer(), error.problem())
    }
}

/// The body as JSON; no body is an empty object.
pub(super) struct Input(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let octets =
            bytes::Bytes::from_request(request, state).await.map_err(|_| crate::wire::push::broken())?;
        if octets.trim_ascii().is_empty() {
            return Ok(Self(Value::Object(serde_json::Map::new())));
        }
        serde_json::from_slice(&octets).map(Self).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "api/bad-json", "The body is no JSON")
                .detail(error.to_string())
                .fix("send one JSON object in UTF-8")
        })
    }
}

impl Input {
    /// The members, all of them known; `space` always is.
    pub(super) fn members(&self, known: &[&str]) -> Result<Members<'_>, Problem> {
        let known: Vec<_> = known.iter().copied().chain(["space"]).collect();
        Ok(Members::of(&self.0, "", &known)?)
    }
}

/// The space named by the body, the query or the field.
pub(super) fn space_of(params: &Params, members: &Members<'_>) -> Result<SpaceName, Problem> {
    let named = members.read("space", crate::json_reader::text)?;
    params.space_or(named.as_deref())
}

impl Context {
    /// Base of the links in answers.
    pub(super) fn base_url(&self) -> String {
        self.service.urls().public.to_string()
    }
}
