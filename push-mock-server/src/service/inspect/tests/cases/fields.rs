//! Path, method, sizes, `TTL`, `Topic`, `Urgency` and the rest of the fields.

use bytes::Bytes;
use push_crypto::{Schedule, Ttl};

use super::Row;
use crate::service::{
    inspect::{
        Gone,
        tests::{Known, TEXT, user_agent},
    },
    request::RequestBody,
};

pub(crate) const ROWS: &[Row] = &[
    Row("subscription/unknown", |s| s.known = Known::Unknown, |_| {}),
    Row("subscription/gone", |s| s.gone = Some(Gone { reason: "expired", status: 404 }), |_| {}),
    Row("subscription/endpoint-altered", |s| s.known = Known::Altered, |s| s.known = Known::Unknown),
    Row("request/method", |s| s.request.method = "GET".into(), |s| s.request.method = "OPTIONS".into()),
    Row("request/method", |s| s.request.method = "post".into(), |s| s.request.method = "PUT".into()),
    Row("request/method-put", |s| s.request.method = "PUT".into(), |s| s.request.method = "POST".into()),
    Row(
        "request/headers-too-large",
        |s| (0..62).for_each(|number| s.add(&format!("x-{number}"), "")),
        |s| (0..61).for_each(|number| s.add(&format!("x-{number}"), "")),
    ),
    Row(
        "request/headers-too-large",
        |s| s.add("cookie", &"x".repeat(16 * 1024)),
        |s| s.add("cookie", &"x".repeat(15 * 1024)),
    ),
    Row("body/too-large", |s| s.body(vec![0; 4097]), |s| s.body(vec![0; 4096])),
    Row(
        "body/too-large",
        |s| s.request.body = RequestBody::TooLarge { kept: Bytes::new(), declared: None },
        |s| s.settings.body_octets = 5000,
    ),
    Row(
        "body/over-4096",
        |s| {
            s.settings.body_octets = 5000;
            s.body(vec![0; 4097]);
        },
        |s| {
            s.settings.body_octets = 5000;
            s.body(vec![0; 4096]);
        },
    ),
    Row(
        "request/no-content-length",
        |s| s.request.streamed = true,
        |s| {
            s.request.streamed = true;
            s.tickle();
        },
    ),
    Row(
        "request/content-type-text",
        |s| s.set("content-type", "application/json; charset=utf-8"),
        |s| s.set("content-type", "application/octet-stream"),
    ),
    Row(
        "request/content-type-text",
        |s| s.set("content-type", "Text/Plain"),
        |s| {
            s.set("content-type", "text/plain");
            s.tickle();
        },
    ),
    Row("request/receipt-asked", |s| s.set("prefer", "wait=5, Respond-Async"), |s| s.set("prefer", "wait=5")),
    Row("request/push-receipt-header", |s| s.set("push-receipt", "https://push.example.net/r/1"), |_| {}),
    Row("request/sent-after-gone", |s| s.memory.gone = 3, |s| s.memory.gone = 2),
    Row("request/no-reuse", |s| s.memory.fresh = 19, |s| s.memory.fresh = 18),
    Row(
        "request/possible-duplicate",
        |s| s.memory.plaintext = true,
        |s| {
            s.memory.plaintext = true;
            s.set("topic", "goal");
        },
    ),
    Row("ttl/missing", |s| s.unset("ttl"), |_| {}),
    Row("ttl/not-a-number", |s| s.set("ttl", "NaN"), |s| s.set("ttl", " 00060 ")),
    Row("ttl/not-a-number", |s| s.set("ttl", ""), |s| s.set("ttl", "-1")),
    Row("ttl/not-a-number", |s| s.set("ttl", "5, x"), |s| s.set("ttl", "5, 6")),
    Row("ttl/negative", |s| s.set("ttl", "-1"), |s| s.set("ttl", "0")),
    Row("ttl/duplicate", |s| s.add("ttl", "60"), |_| {}),
    Row("ttl/duplicate", |s| s.set("ttl", "60, 60"), |s| s.set("ttl", "6060")),
    Row("ttl/overflow", |s| s.set("ttl", "2147483649"), |s| s.set("ttl", "2147483648")),
    Row("ttl/capped", |s| s.set("ttl", "2592001"), |s| s.set("ttl", "2592000")),
    Row(
        "ttl/capped",
        |s| s.settings.ttl_longest = Ttl::seconds(59),
        |s| s.settings.ttl_longest = Ttl::seconds(60),
    ),
    Row("ttl/milliseconds", |s| s.set("ttl", "3600000"), |s| s.set("ttl", "2592000")),
    Row("ttl/milliseconds", |s| s.set("ttl", "86400000"), |s| s.set("ttl", "3600001")),
    Row("ttl/zero", |s| s.set("ttl", "0"), |s| s.set("ttl", "1")),
    Row(
        "ttl/zero-dropped",
        |s| {
            s.set("ttl", "0");
            s.online = false;
        },
        |s| s.set("ttl", "0"),
    ),
    Row("topic/empty", |s| s.set("topic", ""), |s| s.set("topic", "a")),
    Row("topic/too-long", |s| s.set("topic", &"x".repeat(33)), |s| s.set("topic", &"x".repeat(32))),
    Row("topic/bad-character", |s| s.set("topic", "a="), |s| s.set("topic", "Az09-_")),
    Row(
        "topic/duplicate",
        |s| {
            s.add("topic", "a");
            s.add("topic", "a");
        },
        |s| s.add("topic", "a"),
    ),
    Row("topic/not-decodable", |s| s.set("topic", "thirteen-char"), |s| s.set("topic", "twelve-chars")),
    Row("urgency/unknown", |s| s.set("urgency", "urgent"), |s| s.set("urgency", "very-low")),
    Row("urgency/unknown", |s| s.set("urgency", ""), |s| s.set("urgency", "normal")),
    Row("urgency/case", |s| s.set("urgency", "High"), |s| s.set("urgency", "high")),
    Row("urgency/duplicate", |s| s.set("urgency", "low, high"), |s| s.set("urgency", "low")),
    Row(
        "urgency/duplicate",
        |s| {
            s.add("urgency", "low");
            s.add("urgency", "low");
        },
        |s| s.add("urgency", "low"),
    ),
    Row("decrypt/salt-reused", |s| s.memory.salt = true, |s| s.memory.sender_key = true),
    Row("decrypt/sender-key-reused", |s| s.memory.sender_key = true, |_| {}),
    Row(
        "decrypt/other-subscription",
        |s| {
            s.seal_for(&user_agent(8), Schedule::Aes128gcm, TEXT, 4096, 0);
            s.memory.others = vec![("bob".into(), user_agent(8))];
        },
        |s| {
            s.seal_for(&user_agent(8), Schedule::Aes128gcm, TEXT, 4096, 0);
            s.memory.others = vec![("carol".into(), user_agent(9))];
        },
    ),
    Row(
        "decrypt/stale-keys",
        |s| {
            s.seal_for(&user_agent(8), Schedule::Aesgcm, TEXT, 4096, 0);
            s.stale = vec![user_agent(8)];
            s.memory.others = vec![("bob".into(), user_agent(8))];
        },
        |s| s.stale = vec![user_agent(8)],
    ),
];
