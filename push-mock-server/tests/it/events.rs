//! `GET /events`: both forms, filters, coming back without loss.

use http::Method;
use push_mock_server::{Config, Limits};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::support::{Running, push, start, within};

/// A reader of events behind the head of its answer.
struct Reader(BufReader<TcpStream>);

impl Reader {
    async fn open(running: &Running, target: &str, fields: &str) -> Self {
        let mut stream = running.connect().await;
        // HTTP/1.0 has no chunks, so the body is read as it is.
        let head = format!("GET /api/v1/events{target} HTTP/1.0\r\nhost: localhost\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut reader = Self(BufReader::new(stream));
        assert!(reader.line().await.starts_with("HTTP/1.0 200"));
        while !reader.line().await.is_empty() {}
        reader
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = within(self.0.read_line(&mut line)).await.unwrap();
        assert!(read > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// The next event of `text/event-stream`: id, type, data.
    async fn event(&mut self) -> (u64, String, Value) {
        let (mut id, mut kind, mut data) = (0, String::new(), Value::Null);
        loop {
            let line = self.line().await;
            match line.split_once(": ") {
                Some(("id", text)) => id = text.parse().unwrap(),
                Some(("event", text)) => text.clone_into(&mut kind),
                Some(("data", text)) => data = serde_json::from_str(text).unwrap(),
                _ if line.is_empty() && !kind.is_empty() => return (id, kind, data),
                _ => {}
            }
        }
    }

    /// The next object of `application/x-ndjson`.
    async fn object(&mut self) -> Value {
        loop {
            let line = self.line().await;
            if !line.is_empty() {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn events_are_told_with_their_objects() {
    let running = start(Config::default());
    let mut reader = Reader::open(&running, "", "").await;

    let (path, _) = running.subscribe(json!({"label": "alice", "online": false})).await;
    running.send(push(&path, "x")).await;

    let mut kinds = Vec::new();
    loop {
        let (id, kind, data) = reader.event().await;
        assert_eq!((&data["cursor"], &data["type"]), (&json!(id), &json!(kind)));
        kinds.push(kind.clone());
        if kind == "message.queued" {
            assert_eq!(data["message"]["to"], "alice");
            break;
        }
        if kind == "subscription.created" {
            assert_eq!(data["subscription"]["label"], "alice");
        }
    }
    assert!(kinds.contains(&"subscription.created".to_owned()), "{kinds:?}");
}

#[tokio::test]
async fn lines_of_json_on_request() {
    let running = start(Config::default());
    let mut reader = Reader::open(&running, "", "accept: application/x-ndjson\r\n").await;

    running.subscribe(json!({"label": "alice"})).await;

    loop {
        let object = reader.object().await;
        if object["type"] == "subscription.created" {
            assert_eq!(object["subscription"]["label"], "alice");
            break;
        }
    }
}

#[tokio::test]
async fn coming_back_loses_nothing() {
    let running = start(Config::default());
    let (path, _) = running.subscribe(json!({"label": "alice"})).await;
    running.send(push(&path, "x")).await;
    let mut whole = Reader::open(&running, "?since=0", "").await;
    let (first, ..) = whole.event().await;
    let (second, kind, _) = whole.event().await;
    assert!(second > first);

    let mut by_query = Reader::open(&running, &format!("?since={first}"), "").await;
    let mut by_field = Reader::open(&running, "?since=0", &format!("last-event-id: {first}\r\n")).await;

    assert_eq!(by_query.event().await.0, second);
    assert_eq!(by_field.event().await, (second, kind, by_field_data(&running, second).await));
}

/// The event with that cursor, read once more.
async fn by_field_data(running: &Running, cursor: u64) -> Value {
    let mut reader = Reader::open(running, &format!("?since={}", cursor - 1), "").await;
    reader.event().await.2
}

#[tokio::test]
async fn only_events_of_the_named_space() {
    let running = start(Config::default());
    let mut reader = Reader::open(&running, "?space=two&since=0", "").await;

    running.subscribe(json!({"label": "alice", "space": "one"})).await;
    running.subscribe(json!({"label": "bob", "space": "two"})).await;

    loop {
        let (_, kind, data) = reader.event().await;
        assert_eq!(data["space"], "two", "{data}");
        if kind == "subscription.created" {
            break;
        }
    }
}

#[tokio::test]
async fn what_was_lost_is_told_first() {
    let limits = Limits { events_buffered: 2, ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });
    for label in ["a", "b", "c"] {
        running.subscribe(json!({"label": label})).await;
    }

    let mut reader = Reader::open(&running, "?since=1", "").await;
    let (lost_to, kind, _) = reader.event().await;
    let (next, ..) = reader.event().await;

    assert_eq!(kind, "gap");
    assert_eq!(next, lost_to + 1);
}

#[tokio::test]
async fn cursor_that_is_no_number_is_refused() {
    let running = start(Config::default());

    let (status, problem) = running.call(Method::GET, "/events?since=x", Value::Null).await;

    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("api/bad-field")));
}

#[tokio::test]
async fn readers_are_let_go_when_the_service_stops() {
    let running = start(Config::default());
    let mut reader = Reader::open(&running, "", "").await;
    reader.line().await;
    let begin = tokio::time::Instant::now();

    running.stop().await;

    assert!(begin.elapsed() < std::time::Duration::from_secs(4), "{:?}", begin.elapsed());
}
