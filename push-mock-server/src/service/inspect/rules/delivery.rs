//! Rules about the delivery of a message, as user agents tell it.

use super::{Example, Rule, Status, vendors::does};
use crate::service::finding::Level;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "delivery/undecryptable",
        level: Level::Error,
        status: Status::Accepts,
        title: "The browser could not decrypt it",
        when: "Firefox acknowledged the message with code 101.",
        why: "The body does not open with the keys of this subscription: another p256dh or auth was used, or the octets were changed on their way. The service cannot look inside, since the keys never leave the browser.",
        fix: "Compare the stored p256dh and auth with those of the page's subscription. With a simulated user agent the service opens the message itself and says what is wrong.",
        example: Example {
            before: "webpush.sendNotification({endpoint, keys: otherKeys}, payload)",
            after: "webpush.sendNotification(subscription, payload)",
        },
        vendors: &[
            does("firefox", "no push event; acknowledges with 101", "run"),
            does("chromium", "no push event; acknowledges like any other message", "run"),
        ],
        spec: &["RFC 8291 §4"],
        row: Some("UA-038"),
    },
    Rule {
        code: "delivery/not-delivered",
        level: Level::Warning,
        status: Status::Accepts,
        title: "The browser did not hand it to a worker",
        when: "Firefox acknowledged the message with code 102, and it was not one that it had got before.",
        why: "The permission for notifications is gone, the site is no longer in the history, the subscription has used up its quota of silent messages, or Firefox does not know it any more.",
        fix: "Check Notification.permission and getSubscription() in the page; subscribe again when it is gone.",
        example: Example {
            before: "Notification.permission // \"denied\"",
            after: "await Notification.requestPermission() // \"granted\"",
        },
        vendors: &[does("firefox", "no push event; acknowledges with 102", "run")],
        spec: &["Push API, receiving a push message"],
        row: None,
    },
    Rule {
        code: "delivery/handler-failed",
        level: Level::Warning,
        status: Status::Accepts,
        title: "The push handler failed",
        when: "After the message was acknowledged Firefox reported that the handler threw (301), that its promise was rejected (302), or that the worker could not be run (303).",
        why: "The message has arrived and was decrypted, but the page's worker made nothing of it.",
        fix: "Read the error in the worker's console (about:debugging); catch what can fail, and show a notification in any case.",
        example: Example {
            before: "event.waitUntil(show(event.data.json()))  // throws for a tickle",
            after: "event.waitUntil(show(event.data ? event.data.json() : await fresh()))",
        },
        vendors: &[does("firefox", "reports 301, 302 or 303", "run")],
        spec: &["Push API, receiving a push message"],
        row: Some("UA-040"),
    },
    Rule {
        code: "delivery/silent",
        level: Level::Warning,
        status: Status::Accepts,
        title: "No notification was shown",
        when: "The worker of the page told that it showed no notification for the message.",
        why: "Subscriptions are made with userVisibleOnly: each message promises a notification. Browsers end subscriptions that break it.",
        fix: "Call showNotification() inside event.waitUntil() for every push, also when something fails.",
        example: Example {
            before: "self.onpush = (event) => { cache(event.data.json()); }",
            after: "self.onpush = (event) => event.waitUntil(self.registration.showNotification(\"News\"))",
        },
        vendors: &[
            does("apple", "ends the subscription after three", "documented"),
            does("firefox", "ends the subscription when its quota is used up", "run"),
        ],
        spec: &["Push API, userVisibleOnly"],
        row: None,
    },
    Rule {
        code: "delivery/redelivered",
        level: Level::Info,
        status: Status::Accepts,
        title: "Delivered again",
        when: "The connection of the user agent ended before it acknowledged the message, which was then delivered again.",
        why: "A message is delivered at least once: what was not acknowledged comes again.",
        fix: "Make the handler idempotent: give each message an id, and the notification a tag.",
        example: Example {
            before: "registration.showNotification(data.title)",
            after: "registration.showNotification(data.title, {tag: data.id})",
        },
        vendors: &[],
        spec: &["RFC 8030 §6.2"],
        row: None,
    },
];
