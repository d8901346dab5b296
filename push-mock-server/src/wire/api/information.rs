//! `/info` and `/keys`: version, URLs and limits in force; the key pair behind `applicationServerKey: "auto"`.

use axum::{Extension, extract::State};
use base64ct::{Base64, Encoding as _};
use http::StatusCode;
use push_crypto::base64url;
use serde_json::{Map, Value, json};

use super::{Answer, Context, Json, reading::Params};
use crate::{
    limits::LimitValue,
    view::time,
    wire::{listener::Peer, problem::Problem},
};

pub(super) async fn info(State(context): State<Context>, params: Params) -> Answer {
    params.known(&[])?;
    let info = context.service.info();
    let mut limits = Map::new();
    for row in &info.limits {
        limits.insert(row.name.to_owned(), limit_json(row.value));
    }
    #[cfg(feature = "browsers")]
    let intercept = context.service.config().intercept.as_str();
    #[cfg(not(feature = "browsers"))]
    let intercept = "off";
    let local = info.urls.http.as_ref().or(info.urls.https.as_ref()).unwrap_or(&info.urls.public);
    Json::ok(json!({
        "version": info.version,
        "url": local.to_string(),
        "publicUrl": info.urls.public.to_string(),
        "startedAt": time(info.started_at),
        "vapidPublicKey": info.vapid_public_key.to_base64url(),
        "profile": info.profile.as_str(),
        "strict": info.strict,
        "store": info.store,
        "intercept": intercept,
        "limits": limits,
        "caPem": context.ca_pem.as_deref(),
        "spki": context.spki.map(|digest| Base64::encode_string(&digest)),
    }))
}

/// What a sink has counted.
pub(super) async fn sink(State(context): State<Context>, params: Params) -> Answer {
    params.known(&[])?;
    let Some(counts) = context.service.sink_counts() else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "api/not-found", "No sink")
            .detail("this service records messages instead of counting them")
            .fix("see GET /api/v1/messages, or start a service with push serve --sink"));
    };
    let statuses: Map<_, _> =
        counts.statuses.iter().map(|(status, count)| (status.to_string(), Value::from(*count))).collect();
    Json::ok(json!({"accepted": counts.accepted(), "octets": counts.octets, "statuses": statuses}))
}

/// Numbers as numbers, times in the form that requests take them, no bound as null.
fn limit_json(value: LimitValue) -> Value {
    match value {
        LimitValue::Off => Value::Null,
        LimitValue::Number(number) => number.into(),
        LimitValue::Time(time) if time.subsec_millis() > 0 => format!("{}ms", time.as_millis()).into(),
        LimitValue::Time(time) => format!("{}s", time.as_secs()).into(),
        LimitValue::Rate(rate) => rate.to_string().into(),
    }
}

/// The private key is given only to this machine, or to whoever has shown the token.
pub(super) async fn keys(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    params: Params,
) -> Answer {
    let params = params.known(&["secrets"])?;
    let (public, private) = context.service.vapid_keys();
    if !params.flag("secrets")? {
        return Json::ok(json!({"publicKey": public.to_base64url()}));
    }
    if !peer.address.ip().is_loopback() && !context.guard.has_token() {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "api/unauthorized", "A token is needed")
            .detail("private keys leave this machine only for whoever shows the token")
            .fix("start the service with --token"));
    }
    Json::ok(json!({"publicKey": public.to_base64url(), "privateKey": base64url::encode(private.expose())}))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_written_as_requests_take_them() {
        assert_eq!(limit_json(LimitValue::Off), Value::Null);
        assert_eq!(limit_json(LimitValue::Number(64)), json!(64));
        assert_eq!(limit_json(LimitValue::Time(Duration::from_secs(60))), json!("60s"));
        assert_eq!(limit_json(LimitValue::Time(Duration::from_millis(1500))), json!("1500ms"));
    }
}
