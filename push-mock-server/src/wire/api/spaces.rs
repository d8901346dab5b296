//! `/spaces` and `/reset`: isolated worlds made, listed, emptied and removed.

use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Answer, Context, Json,
    reading::{Input, Params, bad_field, paged},
    subscriptions::time,
};
use crate::{
    config::ClockStart,
    json_reader::{self as read, FieldError, Members},
    profile::Profile,
    service::{
        exchange::State as MessageState,
        spaces::{Browsers, NewSpace, Scope, SpaceView},
    },
    space::SpaceName,
    view::clock_json,
    wire::problem::Problem,
};

pub(super) async fn list(State(context): State<Context>, params: Params) -> Answer {
    let params = params.known(&["limit", "cursor"])?;
    let spaces = context.service.spaces().await;
    paged(spaces.iter().map(|space| (space.name.to_string(), space_json(space))).collect(), &params)
}

pub(super) async fn create(State(context): State<Context>, params: Params, input: Input) -> Answer {
    params.known(&[])?;
    let members = Members::of(&input.0, "", &["name", "clock", "now", "profile"])?;
    let name = members.read("name", read::parsed::<SpaceName>)?;
    let new = NewSpace {
        name: name.ok_or_else(|| bad_field("/name", "is missing; give the space a name"))?,
        clock: clock_start(&members)?,
        profile: members.read("profile", read::parsed::<Profile>)?.unwrap_or_default(),
    };
    let (space, is_new) = context.service.create_space(new).await?;
    if is_new { Json::created(space_json(&space)) } else { Json::ok(space_json(&space)) }
}

/// `now` is the time of a clock that stands; only here it may lie in the past.
fn clock_start(members: &Members<'_>) -> Result<Option<ClockStart>, FieldError> {
    let now = members.read("now", time)?;
    let mode = members.read("clock", read::text)?;
    match (mode.as_deref(), now) {
        (None, None) => Ok(None),
        (Some("real"), None) => Ok(Some(ClockStart::Real)),
        (Some("frozen"), None) => Ok(Some(ClockStart::Frozen)),
        (None | Some("frozen"), Some(now)) => Ok(Some(ClockStart::FrozenAt(now))),
        (Some("real"), Some(_)) => {
            Err(FieldError::new("/now", "is only for a frozen clock; add \"clock\":\"frozen\""))
        }
        (Some(_), _) => Err(FieldError::new("/clock", "is no clock; allowed are real, frozen")),
    }
}

pub(super) async fn remove(
    State(context): State<Context>,
    Path(name): Path<String>,
    params: Params,
) -> Result<StatusCode, Problem> {
    params.known(&[])?;
    let name = name.parse::<SpaceName>().map_err(|error| bad_field("", error.to_string()))?;
    context.service.remove_space(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn reset(State(context): State<Context>, params: Params, input: Input) -> Answer {
    let params = params.known(&[])?;
    let members = input.members(&["all", "browsers"])?;
    let browsers = match members.read("browsers", read::truth)? {
        Some(true) => Browsers::Go,
        Some(false) | None => Browsers::Stay,
    };
    let all = members.read("all", read::truth)?.unwrap_or_default();
    let named = members.read("space", read::parsed::<SpaceName>)?.or_else(|| params.named_space().cloned());
    let (scope, answer) = match (all, named) {
        (true, None) => (Scope::All, json!({"all": true})),
        (false, Some(space)) => {
            let answer = json!({"space": space.as_str()});
            (Scope::Space(space), answer)
        }
        (true, Some(_)) => {
            return Err(bad_field("/all", "all and space exclude each other; give one of them"));
        }
        // Nobody's tests are reset by a forgotten member (T56).
        (false, None) => return Err(bad_field("/space", "is missing; name the space, or give \"all\":true")),
    };
    context.service.reset(&scope, browsers).await?;
    Json::ok(answer)
}

fn space_json(space: &SpaceView) -> Value {
    let mut counts = Map::new();
    counts.insert("accepted".to_owned(), space.counters.accepted().into());
    for state in MessageState::ALL {
        counts.insert(state.as_str().to_owned(), space.counters.in_state(state).into());
    }
    json!({
        "name": space.name.as_str(),
        "clock": clock_json(&space.clock),
        "profile": space.profile.as_str(),
        "subscriptions": space.subscriptions,
        "counts": counts,
    })
}
