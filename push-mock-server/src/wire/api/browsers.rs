//! `/browsers/{kind}`: what a stock browser is started with, for whoever drives one.

use axum::{
    Extension,
    extract::{Request, State},
};
use http::StatusCode;

use super::{
    Answer, Context, Json,
    reading::{Params, bad_field},
};
use crate::{
    browser::{Browser, BrowserError, BrowserWish, Reach, runs_as_root},
    wire::{listener::Peer, problem::Problem, push::received_origin},
};

/// Most characters of a label, as for subscriptions.
const LABEL: usize = 64;

pub(super) async fn firefox(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    params: Params,
    request: Request,
) -> Answer {
    show(&context, Browser::Firefox, peer, params, request)
}

pub(super) async fn chromium(
    State(context): State<Context>,
    Extension(peer): Extension<Peer>,
    params: Params,
    request: Request,
) -> Answer {
    show(&context, Browser::Chromium, peer, params, request)
}

fn show(context: &Context, browser: Browser, peer: Peer, params: Params, request: Request) -> Answer {
    let params = params.known(&["label", "headless", "root"])?;
    let label = params.get("label").filter(|label| !label.is_empty());
    if label.is_some_and(|label| label.chars().count() > LABEL || label.chars().any(char::is_control)) {
        let detail = format!("label in the query has over {LABEL} characters, or control characters");
        return Err(bad_field("", detail));
    }
    let wish = BrowserWish {
        space: params.space(),
        label: label.map(str::to_owned),
        headless: params.flag("headless")?,
        // A browser that is driven from here belongs to whoever runs the service, unless it is said otherwise.
        as_root: if params.get("root").is_some() { params.flag("root")? } else { runs_as_root() },
    };
    let reach = Reach::of(context.service.urls(), context.spki);
    let asked = received_origin(&request.into_parts().0, peer);
    let reach = match &asked {
        Some(origin) => reach.as_asked(origin, context.service.config().allow_clear_text),
        None => reach,
    };
    Json::ok(browser.setup(&reach, &wish)?.to_json())
}

impl From<BrowserError> for Problem {
    fn from(error: BrowserError) -> Self {
        Self::new(StatusCode::CONFLICT, "api/gone-state", "The browser cannot be wired")
            .detail(error.to_string())
            .fix(error.fix())
    }
}
