//! What the running service tells: one line per message, or one JSON object per event.

use std::{sync::Arc, time::Duration};

use push_mock_server::{
    service::{
        events::{About, Event, EventKind, EventStream, Notice},
        exchange::State,
    },
    view::{self, View, event_json, message_json},
};

use crate::{happening, message, output::Output};

/// How it is told.
#[derive(Debug)]
pub(super) struct Form {
    /// JSON Lines.
    pub(super) json: bool,
    /// Origin of links.
    pub(super) base: String,
}

/// How long a message that was handed over is held for its acknowledgement: browsers take some ten milliseconds.
const HOLD: Duration = Duration::from_millis(250);

/// Tells every event until the task is dropped, or nobody reads.
pub(super) async fn follow(mut events: EventStream, form: Form, out: Output) {
    // A message which is handed over and acknowledged at once is told once, as acknowledged.
    let mut held: Option<Arc<Event>> = None;
    loop {
        let next = match events.try_next() {
            Some(notice) => notice,
            None => {
                let next = match &held {
                    Some(_) => tokio::time::timeout(HOLD, events.next()).await.ok(),
                    None => None,
                };
                match next {
                    Some(notice) => notice,
                    None => {
                        if let Some(event) = held.take()
                            && !tell(&event, &form, out)
                        {
                            return;
                        }
                        events.next().await
                    }
                }
            }
        };
        let Notice::Event(event) = next else { continue };
        if let Some(before) = held.take()
            && !(same_message(&before, &event) && is_answer(&event))
            && !tell(&before, &form, out)
        {
            return;
        }
        if !form.json && event.kind == EventKind::Message(State::Delivered) {
            held = Some(event);
        } else if !tell(&event, &form, out) {
            return;
        }
    }
}

fn same_message(a: &Event, b: &Event) -> bool {
    matches!((&a.about, &b.about), (About::Message(a), About::Message(b)) if a.id == b.id)
}

fn is_answer(event: &Event) -> bool {
    matches!(event.kind, EventKind::Message(State::Acknowledged | State::Discarded))
}

/// False when nobody reads any more.
fn tell(event: &Event, form: &Form, out: Output) -> bool {
    let view = View::new(&form.base);
    if form.json {
        return out.record(&event_json(event, &view)).is_ok();
    }
    // Spaces tell apart what looks alike; the default one goes without saying.
    let space = event.space.as_str();
    let in_space = |line: String| if space == "default" { line } else { format!("{line}   [{space}]") };
    match &event.about {
        About::Message(exchange) if event.kind != EventKind::MessageNoted => {
            let mut message = message_json(exchange, &view);
            // The line tells when this happened, which is later than the arrival for a message that waited.
            if let Some(members) = message.as_object_mut() {
                members.insert("clock".into(), view::time(event.clock).into());
            }
            let line = message::live_line(&message);
            out.line(format!("  {}", in_space(line))).is_ok()
        }
        _ => {
            let event = event_json(event, &view);
            let is_told = happening::is_of_browser(&event) || event.get("message").is_some();
            match happening::line(&event).filter(|_| is_told) {
                Some(line) => out.line(format!("  {}", in_space(line))).is_ok(),
                None => true,
            }
        }
    }
}
