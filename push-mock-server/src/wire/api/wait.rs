//! `/wait` and `/verify`: 200 with the messages as soon as they match, 409 with near misses when they did not come.
//!
//! A client that hangs up drops the future, and with it the wait.

use axum::extract::State;
use http::StatusCode;
use serde_json::Value;

use super::{
    Answer, Context, Json,
    reading::{Input, Params},
};
use crate::{
    view::View,
    wait::{self as waiting, Met, NotMet, VerifyRequest, WaitError, WaitRequest},
    wire::problem::{Problem, from_service_error},
};

pub(super) async fn wait(State(context): State<Context>, params: Params, input: Input) -> Answer {
    let params = params.known(&["view", "secrets"])?;
    let request = WaitRequest::within(&context.service.config().limits, &input.0)?;
    let space = params.space_or(request.space.as_deref())?;
    let base = context.base_url();
    answer(waiting::wait(&context.service, &space, &request).await, &params.view(&base)?)
}

pub(super) async fn verify(State(context): State<Context>, params: Params, input: Input) -> Answer {
    let params = params.known(&["view", "secrets"])?;
    let request = VerifyRequest::within(&context.service.config().limits, &input.0)?;
    let space = params.space_or(request.space.as_deref())?;
    let base = context.base_url();
    answer(waiting::verify(&context.service, &space, &request).await, &params.view(&base)?)
}

fn answer(result: Result<Met, WaitError>, view: &View<'_>) -> Answer {
    match result {
        Ok(met) => Json::ok(met.to_json(view)),
        Err(WaitError::NotMet(not_met)) => Err(problem(&not_met)),
        Err(WaitError::Service(error)) => Err(from_service_error(&error)),
    }
}

/// 409, because HTTP clients repeat a 408 by themselves.
fn problem(not_met: &NotMet) -> Problem {
    let mut problem = Problem::new(StatusCode::CONFLICT, "api/not-met", "Not met")
        .detail(not_met.report.headline())
        .fix("compare with nearMisses; GET /api/v1/messages shows everything that came")
        .with("cursor", not_met.cursor);
    if let Value::Object(members) = not_met.report.to_json() {
        problem.more.extend(members);
    }
    problem
}
