//! `/messages`: the recorded requests, listed, filtered, shown in parts, forgotten, and moved on by hand.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use push_crypto::Origin;
use serde_json::json;

use super::{
    Answer, Context, Json,
    reading::{Input, Params, bad_field, space_of, write_cursor},
};
use crate::{
    clock,
    query::Query,
    reproduce,
    service::{
        exchange::Exchange,
        finding::Payload,
        request::{DeliveryRequest, RequestBody, Via},
    },
    space::SpaceName,
    token::PushTokenText,
    view::message_json,
    wire::{paths::Place, problem::Problem},
};

pub(super) async fn list(State(context): State<Context>, params: Params) -> Answer {
    let params = params.known(&["q", "view", "limit", "cursor", "secrets"])?;
    let limit = params.limit()?;
    let before = params.cursor()?.map(|key| read_cursor(&key)).transpose()?;
    let matching = matching(&context, &params).await?;
    let mut rest =
        matching.iter().filter(|exchange| before.is_none_or(|before| exchange.seq < before)).peekable();
    let base = context.base_url();
    let view = params.view(&base)?;
    let mut items = Vec::new();
    let mut last = 0;
    while items.len() < limit
        && let Some(exchange) = rest.next()
    {
        last = exchange.seq;
        items.push(message_json(exchange, &view));
    }
    let cursor = rest.peek().map(|_| write_cursor(&last.to_string()));
    Json::page(items, cursor)
}

fn read_cursor(key: &str) -> Result<u64, Problem> {
    let foreign = "cursor in the query is none that this list gave out; start without one";
    key.parse().map_err(|_| bad_field("", foreign))
}

/// The messages that `q` asks for, newest first.
async fn matching(context: &Context, params: &Params) -> Result<Vec<Arc<Exchange>>, Problem> {
    let query = Query::parse(params.get("q").unwrap_or_default())
        .map_err(|error| bad_field("", format!("q: {error}")).with("position", error.position()))?;
    let mut exchanges = context.service.exchanges(&params.space()).await?;
    let now = clock::wall();
    exchanges.retain(|exchange| query.matches(exchange, now));
    Ok(exchanges)
}

pub(super) async fn show(State(context): State<Context>, Path(id): Path<String>, params: Params) -> Answer {
    let params = params.known(&["secrets", "view"])?;
    let base = context.base_url();
    let view = params.view(&base)?;
    let exchange = context.service.exchange(&params.space(), &id).await?;
    Json::ok(message_json(&exchange, &view))
}

/// The body as it was sent.
pub(super) async fn raw(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let params = params.known(&[])?;
    let exchange = context.service.exchange(&params.space(), &id).await?;
    Ok(attachment(&exchange.id, "body", exchange.request.body.clone()))
}

/// The plaintext, never as something that a browser would show (T38).
pub(super) async fn payload(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    let params = params.known(&[])?;
    let exchange = context.service.exchange(&params.space(), &id).await?;
    let octets = match &exchange.payload {
        Payload::Decrypted(opened) => opened.plaintext.clone(),
        Payload::Empty => bytes::Bytes::new(),
        Payload::Unencrypted => exchange.request.body.clone(),
        Payload::Undecryptable | Payload::Opaque => {
            return Err(Problem::new(StatusCode::CONFLICT, "api/gone-state", "There is no plaintext")
                .detail("the body of this message could not be decrypted here")
                .fix("GET /raw gives the body; the findings of the message say why it stays closed"));
        }
    };
    Ok(attachment(&exchange.id, "payload", octets))
}

fn attachment(id: &str, what: &str, octets: bytes::Bytes) -> Response {
    let mut response = octets.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{id}.{what}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// The request as a `curl` command.
pub(super) async fn curl(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    reproduced(&context, &id, params, reproduce::curl).await
}

/// The request as raw HTTP.
pub(super) async fn http(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, Problem> {
    reproduced(&context, &id, params, reproduce::http).await
}

async fn reproduced(
    context: &Context,
    id: &str,
    params: Params,
    write: fn(&Exchange, bool) -> String,
) -> Result<Response, Problem> {
    let params = params.known(&["secrets"])?;
    let secrets = params.flag("secrets")?;
    let exchange = context.service.exchange(&params.space(), id).await?;
    let kind: (HeaderName, HeaderValue) =
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(([kind], write(&exchange, secrets)).into_response())
}

pub(super) async fn forget(State(context): State<Context>, Path(id): Path<String>, params: Params) -> Answer {
    let params = params.known(&[])?;
    let space = params.space();
    let exchange = context.service.exchange(&space, &id).await?;
    removed(&context, &space, std::slice::from_ref(&exchange.id)).await
}

pub(super) async fn forget_matching(State(context): State<Context>, params: Params) -> Answer {
    let params = params.known(&["q"])?;
    let ids: Vec<_> = matching(&context, &params).await?.iter().map(|exchange| exchange.id.clone()).collect();
    removed(&context, &params.space(), &ids).await
}

async fn removed(context: &Context, space: &SpaceName, ids: &[String]) -> Answer {
    Json::ok(json!({"removed": context.service.forget(space, ids).await?}))
}

/// A step of a simulated user agent that is done by hand.
#[derive(Clone, Copy)]
enum Manual {
    Acknowledge,
    Deliver,
    Discard,
}

pub(super) async fn deliver(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    step(&context, Manual::Deliver, &id, params, &input).await
}

pub(super) async fn acknowledge(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    step(&context, Manual::Acknowledge, &id, params, &input).await
}

pub(super) async fn discard(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    step(&context, Manual::Discard, &id, params, &input).await
}

async fn step(context: &Context, manual: Manual, id: &str, params: Params, input: &Input) -> Answer {
    let params = params.known(&["secrets"])?;
    let space = space_of(&params, &input.members(&[])?)?;
    let exchange = match manual {
        Manual::Acknowledge => context.service.acknowledge(&space, id).await?,
        Manual::Deliver => context.service.deliver_now(&space, id).await?,
        Manual::Discard => context.service.discard(&space, id).await?,
    };
    let base = context.base_url();
    Json::ok(message_json(&exchange, &params.view(&base)?))
}

/// The same octets and fields once more, as a new request.
pub(super) async fn replay(
    State(context): State<Context>,
    Path(id): Path<String>,
    params: Params,
    input: Input,
) -> Answer {
    let params = params.known(&["secrets"])?;
    let space = space_of(&params, &input.members(&[])?)?;
    let exchange = context.service.exchange(&space, &id).await?;
    let url = exchange.request.url.clone();
    let (origin, path, query) = split(&url);
    let Place::Push(push) = Place::of(path, query) else {
        return Err(not_repeatable("its URL names no push resource"));
    };
    let token = (!push.token.is_empty()).then_some(PushTokenText(&push.token));
    let reply = context.service.deliver(token, again(&exchange, origin)?).await;
    let base = context.base_url();
    let view = params.view(&base)?;
    // A request with an unknown token is recorded in the default space.
    let repeated = match context.service.exchange(&space, &reply.exchange).await {
        Ok(repeated) => repeated,
        Err(_) => context.service.exchange(&SpaceName::default_space(), &reply.exchange).await?,
    };
    Json::created(message_json(&repeated, &view))
}

fn again(exchange: &Exchange, origin: Option<Origin>) -> Result<DeliveryRequest, Problem> {
    let request = &exchange.request;
    if (request.body.len() as u64) < request.body_bytes {
        return Err(not_repeatable("its body was too large to be kept as a whole"));
    }
    Ok(DeliveryRequest {
        method: request.method.clone(),
        via: Via::Api,
        http_version: request.http_version,
        url: request.url.clone(),
        origin,
        headers: request.headers.clone(),
        streamed: !request.headers.iter().any(|(name, _)| name == "content-length")
            && !request.body.is_empty(),
        body: RequestBody::Whole(request.body.clone()),
        at: clock::wall(),
    })
}

/// Origin, path and query of the URL as it was received.
fn split(url: &str) -> (Option<Origin>, &str, Option<&str>) {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let path_at = url.get(authority..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| authority + at);
    let (origin, target) = url.split_at(path_at);
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    (origin.parse().ok(), path, query)
}

fn not_repeatable(why: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "api/gone-state", "The request cannot be repeated")
        .detail(format!("the request cannot be repeated: {why}"))
        .fix("send it again from the application server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_urls_are_taken_apart() {
        let check = |url: &str, expected: (Option<&str>, &str, Option<&str>)| {
            let (origin, path, query) = split(url);
            assert_eq!((origin.map(|origin| origin.to_string()).as_deref(), path, query), expected, "{url}");
        };

        check("http://localhost:8030/p/T", (Some("http://localhost:8030"), "/p/T", None));
        check("https://a.test/w/?token=T", (Some("https://a.test"), "/w/", Some("token=T")));
        check("/p/T", (None, "/p/T", None));
    }
}
