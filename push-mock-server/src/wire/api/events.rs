//! `/events`: server-sent events, or one JSON object per line.

use std::time::Duration;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Context,
    reading::{Params, bad_field},
};
use crate::{
    service::events::{EventStream, Notice},
    view::{View, notice_json},
    wire::{listener::stopped, problem::Problem},
};

/// Comment after so much silence: proxies and clients drop connections on which nothing comes.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How events are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `text/event-stream`
    Events,
    /// `application/x-ndjson`
    Lines,
}

pub(super) async fn events(
    State(context): State<Context>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Problem> {
    let params = params.known(&["since", "secrets", "view"])?;
    let since = since(&headers, &params)?;
    let view = params.view("")?;
    let (secrets, summary) = (view.secrets, view.summary);
    let Ok(place) = std::sync::Arc::clone(&context.readers).try_acquire_owned() else {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "api/limit", "Too many readers")
            .detail("every place for a reader of events is taken (limit event_clients)")
            .fix("close a reader, or raise event_clients");
        problem.retry_after = Some(1);
        return Err(problem);
    };
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = if accept.contains("application/x-ndjson") { Form::Lines } else { Form::Events };
    let reader = Reader {
        stream: context.service.subscribe_events(params.named_space().cloned(), since),
        stop: context.stop.clone(),
        base: context.base_url(),
        secrets,
        summary,
        form,
        greeted: false,
        _place: place,
    };
    let stream = futures_util::stream::unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(chunk), reader))
    });
    let mut response = Body::from_stream(stream).into_response();
    let kind = match form {
        Form::Events => "text/event-stream",
        Form::Lines => "application/x-ndjson",
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

/// `Last-Event-ID` of a browser that connects again wins over the URL it was first given.
fn since(headers: &HeaderMap, params: &Params) -> Result<Option<u64>, Problem> {
    let by_field = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let Some(text) = by_field.filter(|text| !text.is_empty()).or(params.get("since")) else {
        return Ok(None);
    };
    let number = text.parse::<u64>().map(Some);
    number
        .map_err(|_| bad_field("", "the cursor of events is a number; take it from id or cursor of an event"))
}

/// One reader; it costs nothing while it is not read.
struct Reader {
    stream: EventStream,
    stop: tokio::sync::watch::Receiver<bool>,
    base: String,
    secrets: bool,
    summary: bool,
    form: Form,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next octets; none when the service stops.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            // Something at once, so that whoever connects knows that it is connected.
            self.greeted = true;
            return Some(self.comment());
        }
        let notice = tokio::select! {
            notice = tokio::time::timeout(KEEP_ALIVE, self.stream.next()) => notice,
            () = stopped(&mut self.stop) => return None,
        };
        Some(notice.map_or_else(|_| self.comment(), |notice| self.write(&notice)))
    }

    /// An empty line is what lines have for a comment; readers of JSON lines pass over it.
    fn comment(&self) -> Bytes {
        match self.form {
            Form::Events => Bytes::from_static(b": still here\n\n"),
            Form::Lines => Bytes::from_static(b"\n"),
        }
    }

    fn write(&self, notice: &Notice) -> Bytes {
        let view = View { secrets: self.secrets, summary: self.summary, ..View::new(&self.base) };
        let json = notice_json(notice, &view);
        let (cursor, kind) = match notice {
            Notice::Event(event) => (event.cursor, event.kind.as_str()),
            Notice::Gap { lost_to } => (*lost_to, "gap"),
        };
        match self.form {
            Form::Events => format!("id: {cursor}\nevent: {kind}\ndata: {json}\n\n").into(),
            Form::Lines => format!("{json}\n").into(),
        }
    }
}
