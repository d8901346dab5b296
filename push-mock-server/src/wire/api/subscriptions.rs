//! `/subscriptions`: made, listed, changed, expired, rotated and removed.

use axum::extract::{Path, State};
use http::StatusCode;
use push_crypto::{ContentCoding, PublicKey, Timestamp, Urgency, base64url};
use serde_json::{Value, json};

use super::{
    Answer, Context, Json,
    reading::{Input, Params, paged, space_of},
};
use crate::{
    config::Style,
    json_reader::{self as read, FieldError},
    profile::Profile,
    service::subscription::{AckMode, KeyChoice, NewSubscription, SubscriptionChange, SubscriptionView},
    view::subscription_json,
    wire::problem::Problem,
};

const ACKS: [AckMode; 3] = [AckMode::Auto, AckMode::Manual, AckMode::Never];
const STYLES: [(&str, Style); 3] = [("local", Style::Local), ("tls", Style::Tls), ("vendor", Style::Vendor)];

pub(super) async fn list(State(context): State<Context>, params: Params) -> Answer {
    let params = params.known(&["secrets", "limit", "cursor"])?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let subscriptions = context.service.subscriptions(&params.space()).await?;
    // In order of creation: ids begin with its time, but for those of browsers' subscriptions.
    let key = |one: &SubscriptionView| format!("{:015}{}", one.created_at.as_unix_millis(), one.id);
    let items = subscriptions.iter().map(|one| (key(one), subscription_json(one, &view)));
    paged(items.collect(), &params)
}

pub(super) async fn create(State(context): State<Context>, params: Params, input: Input) -> Answer {
    let params = params.known(&["secrets"])?;
    let members = input.members(&[
        "label",
        "profile",
        "online",
        "applicationServerKey",
        "style",
        "userAgent",
        "codings",
        "expirationTime",
        "minUrgency",
        "ack",
    ])?;
    let new = NewSubscription {
        label: members.read("label", read::text)?,
        profile: members.read("profile", read::parsed::<Profile>)?,
        online: members.read("online", read::truth)?,
        application_server_key: members.read("applicationServerKey", key)?.unwrap_or_default(),
        style: members.read("style", style)?,
        user_agent: members.read("userAgent", read::text)?,
        codings: members.read("codings", |value, at| read::list(value, at, read::parsed::<ContentCoding>))?,
        expiration_time: members.read("expirationTime", time_or_null)?.flatten(),
        min_urgency: members.read("minUrgency", read::parsed::<Urgency>)?,
        ack: members.read("ack", ack)?.unwrap_or_default(),
    };
    let space = space_of(&params, &members)?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let subscription = context.service.subscribe(&space, new).await?;
    Json::created(subscription_json(&subscription, &view))
}

pub(super) async fn show(State(context): State<Context>, Path(id): Path<String>, params: Params) -> Answer {
    let params = params.known(&["secrets"])?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let subscription = context.service.subscription(&params.space(), &id).await?;
    Json::ok(subscription_json(&subscription, &view))
}

pub(super) async fn change(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    let params = params.known(&["secrets"])?;
    let members = input.members(&["online", "hard", "profile", "label", "minUrgency", "ack"])?;
    let change = SubscriptionChange {
        online: members.read("online", read::truth)?,
        hard: members.read("hard", read::truth)?.unwrap_or_default(),
        label: members.read("label", read::text)?,
        profile: members.read("profile", read::parsed::<Profile>)?,
        min_urgency: members.read("minUrgency", read::parsed::<Urgency>)?,
        ack: members.read("ack", ack)?,
    };
    let space = space_of(&params, &members)?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let came_online = change.online == Some(true);
    let changed = context.service.change_subscription(&space, &id, change).await?;
    let mut object = subscription_json(&changed.now, &view);
    if came_online && let Value::Object(members) = &mut object {
        members.insert("delivered".to_owned(), json!(changed.delivered));
    }
    Json::ok(object)
}

pub(super) async fn expire(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    let params = params.known(&[])?;
    let members = input.members(&["status"])?;
    // 404 is the answer of RFC 8030 §7.3 (choice P-04).
    let status = members.read("status", read::number)?.unwrap_or(404);
    let status = u16::try_from(status).unwrap_or(u16::MAX);
    let space = space_of(&params, &members)?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let subscription = context.service.expire(&space, &id, status).await?;
    Json::ok(subscription_json(&subscription, &view))
}

pub(super) async fn rotate(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    let params = params.known(&["secrets"])?;
    let space = space_of(&params, &input.members(&[])?)?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let rotated = context.service.rotate(&space, &id).await?;
    let new = rotated.new.as_ref().map(|new| subscription_json(new, &view));
    Json::ok(json!({"old": subscription_json(&rotated.old, &view), "new": new}))
}

pub(super) async fn remove(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
) -> Result<StatusCode, Problem> {
    let params = params.known(&[])?;
    context.service.unsubscribe(&params.space(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `null`, `"auto"`, or a key.
fn key(value: &Value, pointer: &str) -> Result<KeyChoice, FieldError> {
    if value.is_null() {
        return Ok(KeyChoice::Unrestricted);
    }
    let text = read::text(value, pointer)?;
    if text == "auto" {
        return Ok(KeyChoice::Auto);
    }
    let unusable =
        |why: String| FieldError::new(pointer, format!("{why}; give \"auto\", null or the key as base64url"));
    let octets = base64url::decode(&text).map_err(|error| unusable(error.to_string()))?;
    PublicKey::from_octets(&octets).map(KeyChoice::Key).map_err(|error| unusable(error.to_string()))
}

fn style(value: &Value, pointer: &str) -> Result<Style, FieldError> {
    let text = read::text(value, pointer)?;
    STYLES
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, style)| *style)
        .ok_or_else(|| FieldError::new(pointer, "is no style; allowed are local, tls, vendor"))
}

pub(super) fn ack(value: &Value, pointer: &str) -> Result<AckMode, FieldError> {
    read::name(value, pointer, &ACKS, AckMode::as_str)
}

fn time_or_null(value: &Value, pointer: &str) -> Result<Option<Timestamp>, FieldError> {
    if value.is_null() { Ok(None) } else { time(value, pointer).map(Some) }
}

/// A time as RFC 3339, or as milliseconds since 1970 like `expirationTime` in a browser.
pub(super) fn time(value: &Value, pointer: &str) -> Result<Timestamp, FieldError> {
    if let Some(millis) = value.as_u64() {
        return Ok(Timestamp::from_unix_millis(millis));
    }
    let unusable =
        || FieldError::new(pointer, "is no time; write it as 2026-11-23T08:00:00Z, not before 1970");
    let text = value.as_str().ok_or_else(unusable)?;
    let at: jiff::Timestamp = text.parse().map_err(|_| unusable())?;
    u64::try_from(at.as_millisecond()).map(Timestamp::from_unix_millis).map_err(|_| unusable())
}
