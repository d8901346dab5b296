//! `/clock`: the time of a space, read, frozen, advanced, set or run; the answer names what fired.

use std::time::Duration;

use axum::extract::State;
use serde_json::{Value, json};

use super::{
    Answer, Context, Json,
    reading::{Input, Params, bad_field, space_of},
    subscriptions::time,
};
use crate::{
    clock::{ClockAction, ClockChange, VapidClock},
    json_reader::{self as read, FieldError, Members},
    view::{clock_json, fired_json},
    wire::problem::Problem,
};

/// Members of which exactly one says what to do.
const ACTIONS: [&str; 5] = ["freeze", "advance", "set", "run", "real"];

pub(super) async fn show(State(context): State<Context>, params: Params) -> Answer {
    let params = params.known(&[])?;
    Json::ok(clock_json(&context.service.clock(&params.space()).await?))
}

pub(super) async fn change(State(context): State<Context>, params: Params, input: Input) -> Answer {
    let params = params.known(&[])?;
    let members = input.members(&["freeze", "advance", "set", "run", "real", "vapidClock"])?;
    let change = ClockChange {
        action: action(&members, context.service.config().limits.clock_advance)?,
        vapid_clock: members.read("vapidClock", vapid_clock)?,
    };
    if change.action.is_none() && change.vapid_clock.is_none() {
        return Err(bad_field(
            "",
            format!("the body says nothing to do; give one of {}", ACTIONS.join(", ")),
        ));
    }
    let space = space_of(&params, &members)?;
    let (clock, fired) = context.service.change_clock(&space, change).await?;
    let mut object = clock_json(&clock);
    if let Value::Object(members) = &mut object {
        members.insert("fired".to_owned(), json!(fired.iter().map(fired_json).collect::<Vec<_>>()));
    }
    Json::ok(object)
}

fn action(members: &Members<'_>, longest: Duration) -> Result<Option<ClockAction>, Problem> {
    let named: Vec<_> = ACTIONS.into_iter().filter(|name| members.get(name).is_some()).collect();
    if let [first, second, ..] = named.as_slice() {
        let detail =
            format!("{first} and {second} exclude each other; give exactly one of {}", ACTIONS.join(", "));
        return Err(bad_field(&members.at(second), detail));
    }
    let freeze = members.read("freeze", only_true)?.map(|()| ClockAction::Freeze);
    let real = members.read("real", only_true)?.map(|()| ClockAction::Real);
    let advance =
        members.read("advance", |value, at| read::duration(value, at, longest))?.map(ClockAction::Advance);
    let set = members.read("set", time)?.map(ClockAction::Set);
    let run = members.read("run", speed)?.map(ClockAction::Run);
    Ok(freeze.or(real).or(advance).or(set).or(run))
}

fn only_true(value: &Value, pointer: &str) -> Result<(), FieldError> {
    match read::truth(value, pointer)? {
        true => Ok(()),
        false => Err(FieldError::new(pointer, "can only be true; leave it out to do something else")),
    }
}

fn speed(value: &Value, pointer: &str) -> Result<f64, FieldError> {
    value
        .as_f64()
        .ok_or_else(|| FieldError::new(pointer, "expected a speed in seconds per second, such as 60"))
}

fn vapid_clock(value: &Value, pointer: &str) -> Result<VapidClock, FieldError> {
    match read::text(value, pointer)?.as_str() {
        "wall" => Ok(VapidClock::Wall),
        "space" => Ok(VapidClock::Space),
        _ => Err(FieldError::new(pointer, "is no clock for VAPID; allowed are wall, space")),
    }
}
