//! `/user-agents/{id}/control`: what a test tells the connection of a browser to do.

use std::time::Duration;

use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::Value;

use super::{
    Context,
    reading::{Input, Params, bad_field, space_of},
};
use crate::{
    json_reader::{self as read, FieldError, Members},
    service::controls::{Control, Moment, ReplyControl},
    wire::problem::Problem,
};

/// Members of which exactly one says what to do.
const ACTIONS: [&str; 10] = [
    "close",
    "newUaid",
    "registerStatus",
    "registerError",
    "unregisterStatus",
    "checkinStatus",
    "loginError",
    "delayReply",
    "omitReply",
    "resend",
];
/// Longest delay of a reply; our choice, as that of faults.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

pub(super) async fn control(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Result<StatusCode, Problem> {
    let params = params.known(&[])?;
    let known: Vec<_> = ACTIONS.into_iter().chain(["of", "times"]).collect();
    let members = input.members(&known)?;
    let control = read_control(&members)?;
    let space = space_of(&params, &members)?;
    context.service.control(&space, &id, control).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_control(members: &Members<'_>) -> Result<Control, Problem> {
    let named: Vec<_> = ACTIONS.into_iter().filter(|name| members.get(name).is_some()).collect();
    let [action] = named.as_slice() else {
        let detail = format!("give exactly one of {}", ACTIONS.join(", "));
        return Err(bad_field(&named.get(1).map(|name| members.at(name)).unwrap_or_default(), detail));
    };
    let reply = |of, then| reply(members, of, then);
    let text = |name| members.read(name, read::text).map(Option::unwrap_or_default);
    let status = |name| members.read(name, status).map(Option::unwrap_or_default);
    let unused = |name: &str| match members.get(name) {
        None => Ok(()),
        Some(_) => Err(bad_field(&members.at(name), format!("means nothing beside {action}; leave it out"))),
    };
    if !matches!(*action, "delayReply" | "omitReply") {
        unused("of")?;
    }
    match *action {
        "close" | "newUaid" | "resend" => {
            unused("times")?;
            connection(members, action)
        }
        "registerStatus" => reply(Moment::Register, ReplyControl::Status(status("registerStatus")?)),
        "registerError" => reply(Moment::Register, ReplyControl::Error(text("registerError")?)),
        "unregisterStatus" => reply(Moment::Unregister, ReplyControl::Status(status("unregisterStatus")?)),
        "checkinStatus" => reply(Moment::CheckIn, ReplyControl::Status(status("checkinStatus")?)),
        "loginError" => reply(Moment::Hello, ReplyControl::Error(text("loginError")?)),
        "omitReply" => reply(moment(members.get("omitReply"), &members.at("omitReply"))?, ReplyControl::Omit),
        _ => {
            let of = moment(members.get("of"), &members.at("of"))?;
            let by = members.read("delayReply", |value, at| read::duration(value, at, LONGEST_DELAY))?;
            reply(of, ReplyControl::Delay(by.unwrap_or_default()))
        }
    }
}

fn connection(members: &Members<'_>, action: &str) -> Result<Control, Problem> {
    match action {
        "close" => Ok(members.read("close", closing)?.unwrap_or(Control::Fin)),
        "resend" => Ok(Control::Resend(members.read("resend", read::text)?.unwrap_or_default())),
        _ if members.read("newUaid", read::truth)? == Some(true) => Ok(Control::NewUaid),
        _ => Err(bad_field(&members.at("newUaid"), "can only be true; leave it out otherwise")),
    }
}

fn reply(members: &Members<'_>, of: Moment, then: ReplyControl) -> Result<Control, Problem> {
    let times = members.read("times", read::number)?.unwrap_or(1);
    let too_often = || bad_field(&members.at("times"), "is too large; give a number up to 1000000");
    let times = u32::try_from(times).ok().filter(|times| *times <= 1_000_000).ok_or_else(too_often)?;
    Ok(Control::Reply { of, then, times })
}

fn moment(value: Option<&Value>, pointer: &str) -> Result<Moment, Problem> {
    let missing = || bad_field(pointer, "is missing; name the reply: checkin, hello, register or unregister");
    let moment = read::name(value.ok_or_else(missing)?, pointer, &Moment::ALL, Moment::as_str)?;
    Ok(moment)
}

fn status(value: &Value, pointer: &str) -> Result<u16, FieldError> {
    let number = read::number(value, pointer)?;
    let status = u16::try_from(number).ok().filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| FieldError::new(pointer, format!("{number} is no status; give 200 to 599")))
}

/// A close code of WebSocket (RFC 6455 §7.4) that may be sent, `"reset"` or `"fin"`.
fn closing(value: &Value, pointer: &str) -> Result<Control, FieldError> {
    match value.as_str() {
        Some("reset") => return Ok(Control::Reset),
        Some("fin") => return Ok(Control::Fin),
        _ => {}
    }
    let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
    let may_be_sent = |code: &u16| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    code.filter(may_be_sent).map(Control::Close).ok_or_else(|| {
        FieldError::new(pointer, "is no close code that may be sent; give 1000 to 1003, 1007 to 1014, 3000 to 4999, \"reset\" or \"fin\"")
    })
}
