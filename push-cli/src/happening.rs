//! How an event is told in one line, from its JSON form: what user agents and subscriptions do, and what a worker saw.

use serde_json::Value;

use crate::{
    message::{member, pointer},
    output::{BOLD, DIM, styled},
    text,
};

/// One line about a user agent, a subscription, or what the worker of a page told; none for other events.
pub(crate) fn line(event: &Value) -> Option<String> {
    let time = text::time_of_day(member(event, "clock"), false);
    let kind = member(event, "type");
    if kind == "message.noted" {
        return Some(noted(time, event.get("message")?));
    }
    let (_, what) = kind.split_once('.')?;
    let about = event.get("userAgent").or_else(|| event.get("subscription"))?;
    let facts = match kind {
        "subscription.created" => subscribed(about),
        "subscription.gone" => text::escape(member(about, "goneReason")),
        "userAgent.connected" => connected(about),
        _ => String::new(),
    };
    let what = if kind == "subscription.created" { "subscribed" } else { what };
    let label = text::escape(member(about, "label"));
    Some(format!("{time}  {label:<6}  {}   {facts}", styled(BOLD, what)).trim_end().to_owned())
}

/// True for the event of a stock browser.
pub(crate) fn is_of_browser(event: &Value) -> bool {
    let kind = match (event.get("userAgent"), event.get("subscription")) {
        (Some(agent), _) => member(agent, "kind"),
        (None, Some(subscription)) => pointer(subscription, "/userAgent/kind"),
        (None, None) => return false,
    };
    !matches!(kind, "" | "simulated")
}

/// `07:40:15  firefox-1  shown  "Hello"   7F3K`
fn noted(time: &str, message: &Value) -> String {
    let label = text::escape(member(message, "to"));
    let title = pointer(message, "/notification/title");
    let id = styled(DIM, text::short_id(member(message, "id")));
    if title.is_empty() {
        return format!("{time}  {label:<6}  {}   the worker showed nothing   {id}", styled(BOLD, "seen"));
    }
    format!("{time}  {label:<6}  {}   {}   {id}", styled(BOLD, "shown"), text::quote(title, 48))
}

fn connected(agent: &Value) -> String {
    let kind = match member(agent, "kind") {
        "firefox" => "Firefox",
        "chromium" => "Chromium",
        other => other,
    };
    let version = member(agent, "version");
    let version = version.split_once('/').map_or(version, |(_, number)| number);
    text::escape(format!("{kind} {version}").trim_end())
}

fn subscribed(subscription: &Value) -> String {
    let id = text::cut_id(member(subscription, "id"));
    match member(subscription, "applicationServerKey") {
        "" => format!("{id}   no key"),
        key => format!("{id}   key {}", text::middle_cut(&text::escape(key), 4, 3)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLOCK: &str = "2026-11-23T07:40:02.000Z";

    fn plain(event: &Value) -> String {
        anstream::adapter::strip_str(&line(event).unwrap()).to_string()
    }

    #[test]
    fn each_event_is_told_in_a_line() {
        let connected = json!({"type": "userAgent.connected", "clock": CLOCK,
            "userAgent": {"label": "firefox-1", "kind": "firefox", "version": "Firefox/153.0"}});
        assert_eq!(plain(&connected), "07:40:02  firefox-1  connected   Firefox 153.0");

        let subscribed = json!({"type": "subscription.created", "clock": CLOCK,
            "subscription": {"id": "sub_01M8Z3KQ4VM2V7N6T0XW9BA9QX", "label": "firefox-1",
                "applicationServerKey": "BFW3KCgwsmDOJw"}});
        assert_eq!(plain(&subscribed), "07:40:02  firefox-1  subscribed   sub_01M8…A9QX   key BFW3…OJw");
    }

    #[test]
    fn what_a_worker_showed_is_told_with_the_message() {
        let mut noted = json!({"type": "message.noted", "clock": CLOCK, "message":
            {"id": "msg_01M8Z3KQ4VM2V7N6T0XW9B7F3K", "to": "firefox-1", "notification": {"title": "He\u{1b}llo"}}});
        assert_eq!(plain(&noted), "07:40:02  firefox-1  shown   \"He\\u{1b}llo\"   7F3K");

        noted["message"]["notification"] = json!(null);
        assert_eq!(plain(&noted), "07:40:02  firefox-1  seen   the worker showed nothing   7F3K");
    }

    #[test]
    fn simulated_user_agents_are_no_browsers() {
        let of = |kind: &str| is_of_browser(&json!({"userAgent": {"kind": kind}}));

        assert!(of("firefox") && of("chromium") && !of("simulated"));
        assert!(is_of_browser(&json!({"subscription": {"userAgent": {"kind": "firefox"}}})));
        assert!(!is_of_browser(&json!({"type": "clock.changed"})));
    }
}
