//! Subscriptions, user agents, clocks and events as JSON (the other objects of the API).

use serde_json::{Map, Value, json};

use super::{View, message_json, short_id, time};
use crate::{
    clock::{ClockView, Fired, VapidClock},
    service::{
        events::{About, Event, Notice},
        subscription::{SubscriptionView, UserAgentView},
    },
};

/// A subscription; the private key of its user agent only with secrets.
#[must_use]
pub fn subscription_json(subscription: &SubscriptionView, view: &View<'_>) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    let id = subscription.id.to_string();
    let counts = subscription.counts;
    let endpoints = &subscription.endpoints;
    put("id", json!(id));
    put("label", json!(subscription.label));
    put("space", json!(subscription.space.as_str()));
    put("profile", json!(subscription.profile.as_str()));
    put("status", json!(subscription.status()));
    put("goneReason", json!(subscription.gone.map(|gone| gone.reason)));
    put(
        "userAgent",
        json!({
            "id": subscription.user_agent.id.to_string(),
            "kind": subscription.user_agent.kind.as_str(),
            "online": subscription.user_agent.online,
            "connected": subscription.user_agent.connected,
        }),
    );
    put("applicationServerKey", json!(subscription.application_server_key.map(|key| key.to_base64url())));
    put("codings", subscription.codings.iter().map(|coding| coding.as_str()).collect());
    // The text is the one of a browser, so it is JSON.
    put("subscription", serde_json::from_str(&subscription.subscription_json()).unwrap_or(Value::Null));
    put(
        "endpoints",
        json!({
            "http": endpoints.http.as_ref().map(|url| url.expose()),
            "https": endpoints.https.as_ref().map(|url| url.expose()),
        }),
    );
    put("minUrgency", json!(subscription.min_urgency.as_str()));
    put("ack", json!(subscription.ack.as_str()));
    put(
        "counts",
        json!({
            "queued": counts.queued,
            "delivered": counts.delivered,
            "acknowledged": counts.acknowledged,
            "refused": counts.refused,
        }),
    );
    put("createdAt", json!(time(subscription.created_at)));
    if view.secrets {
        let private =
            subscription.private_key.as_ref().map(|key| push_crypto::base64url::encode(key.expose()));
        put("privateKey", json!(private));
    }
    put("links", json!({"ui": format!("{}/ui/s/{}", view.base_url.trim_end_matches('/'), short_id(&id))}));
    Value::Object(members)
}

/// A user agent.
#[must_use]
pub fn user_agent_json(user_agent: &UserAgentView) -> Value {
    let subscriptions: Vec<Value> = user_agent
        .subscriptions
        .iter()
        .map(|(id, label)| json!({"id": id.to_string(), "label": label}))
        .collect();
    json!({
        "id": user_agent.id.to_string(),
        "kind": user_agent.kind.as_str(),
        "version": user_agent.version,
        "label": user_agent.label,
        "space": user_agent.space.as_str(),
        "online": user_agent.online,
        "connected": user_agent.connected,
        "connection": user_agent.kind.connection().filter(|_| user_agent.connected),
        "subscriptions": subscriptions,
        "acks": user_agent.acks,
    })
}

/// A clock; `fired` is added by the answer to a change.
#[must_use]
pub fn clock_json(clock: &ClockView) -> Value {
    json!({
        "space": clock.space.as_str(),
        "mode": clock.mode.as_str(),
        "now": time(clock.now),
        "wall": time(clock.wall),
        "speed": clock.speed,
        "vapidClock": match clock.vapid_clock {
            VapidClock::Space => "space",
            VapidClock::Wall => "wall",
        },
        "next": clock.next.as_ref().map(|next| json!({
            "at": time(next.at),
            "what": next.what,
            "message": next.message,
        })),
    })
}

/// What happened when a clock was moved.
#[must_use]
pub fn fired_json(fired: &Fired) -> Value {
    json!({"at": time(fired.at), "what": fired.what.as_str(), "message": fired.message, "to": fired.to})
}

/// An event, with the whole object that it is about.
#[must_use]
pub fn event_json(event: &Event, view: &View<'_>) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("cursor", json!(event.cursor));
    put("type", json!(event.kind.as_str()));
    put("space", json!(event.space.as_str()));
    put("at", json!(time(event.at)));
    put("clock", json!(time(event.clock)));
    match &event.about {
        // `clock` is the simulated time of every event already.
        About::Clock(clock) => put("clockState", clock_json(clock)),
        About::Message(exchange) => put("message", message_json(exchange, view)),
        About::Space => {}
        About::Subscription(subscription) => put("subscription", subscription_json(subscription, view)),
        About::UserAgent(user_agent) => put("userAgent", user_agent_json(user_agent)),
    }
    Value::Object(members)
}

/// An event, or the gap in front of the next one: `{"cursor":57,"type":"gap"}`.
#[must_use]
pub fn notice_json(notice: &Notice, view: &View<'_>) -> Value {
    match notice {
        Notice::Event(event) => event_json(event, view),
        Notice::Gap { lost_to } => json!({"cursor": lost_to, "type": "gap"}),
    }
}
