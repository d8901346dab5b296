//! `/user-agents`: the simulated receivers, listed, switched on and off.

use axum::extract::{Path, State};
use push_crypto::Urgency;
use serde_json::{Value, json};

use super::{
    Answer, Context, Json,
    reading::{Input, Params, paged, space_of},
    subscriptions::ack,
};
use crate::{json_reader as read, service::subscription::UserAgentChange, view::user_agent_json};

pub(super) async fn list(State(context): State<Context>, params: Params) -> Answer {
    let params = params.known(&["limit", "cursor"])?;
    let user_agents = context.service.user_agents(&params.space()).await?;
    paged(user_agents.iter().map(|one| (one.id.to_string(), user_agent_json(one))).collect(), &params)
}

pub(super) async fn show(State(context): State<Context>, Path(id): Path<String>, params: Params) -> Answer {
    let params = params.known(&[])?;
    Json::ok(user_agent_json(&context.service.user_agent(&params.space(), &id).await?))
}

pub(super) async fn change(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    let params = params.known(&[])?;
    let members = input.members(&["online", "hard", "label", "minUrgency", "ack"])?;
    let change = UserAgentChange {
        online: members.read("online", read::truth)?,
        hard: members.read("hard", read::truth)?.unwrap_or_default(),
        label: members.read("label", read::text)?,
        min_urgency: members.read("minUrgency", read::parsed::<Urgency>)?,
        ack: members.read("ack", ack)?,
    };
    let space = space_of(&params, &members)?;
    let came_online = change.online == Some(true);
    let changed = context.service.change_user_agent(&space, &id, change).await?;
    let mut object = user_agent_json(&changed.now);
    if came_online && let Value::Object(members) = &mut object {
        members.insert("delivered".to_owned(), json!(changed.delivered));
    }
    Json::ok(object)
}
