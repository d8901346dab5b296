//! When a message is tried again, and what later messages learn from it; over a scripted transport and virtual time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use push_client::{
    Outcome, PushClient, PushMessage, RepeatUnanswered, StubTimer, StubTransport, Timer, Timestamp,
    Transport, TransportError, Ttl,
    outcome::UnsentReason,
    transport::{Phase, Problem},
};
use push_crypto::{
    provider::aws_lc_rs::PROVIDER,
    vapid::{Expiry, UnverifiedToken, VapidKey},
};

use crate::support::without_keys;

const NOW: Timestamp = Timestamp::from_unix_seconds(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
const LOST: TransportError = TransportError::Unanswered { phase: Phase::Headers, problem: Problem::Closed };
const DOWN: TransportError =
    TransportError::Unreachable { phase: Phase::Connect, problem: Problem::ConnectionRefused };

fn client(stub: &StubTransport, timer: &StubTimer) -> PushClient {
    PushClient::builder()
        .vapid_without_subject(VapidKey::generate(&PROVIDER).unwrap())
        .transport(stub.clone())
        .timer(timer.clone())
        .build()
        .unwrap()
}

fn answer(status: u16, fields: &[(&str, &str)], body: &'static str) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn ttls(stub: &StubTransport) -> Vec<String> {
    stub.requests().iter().map(|request| request.headers()["ttl"].to_str().unwrap().to_owned()).collect()
}

async fn send(client: &PushClient, path: &str, message: &PushMessage) -> Outcome {
    client.send(&without_keys(&format!("https://push.example/p/{path}")), message).await
}

fn tickle(ttl: u64) -> PushMessage {
    PushMessage::tickle(Ttl::seconds(ttl))
}

/// AS-016: not before `Retry-After`, in either form, and with the TTL that is left.
#[tokio::test]
async fn a_busy_service_is_asked_again_when_it_said() {
    for value in ["5", "Sun, 06 Nov 1994 08:49:42 GMT"] {
        let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
        stub.then(Ok(answer(429, &[("retry-after", value)], "")));

        let outcome = send(&client(&stub, &timer), "1", &tickle(60)).await;

        assert_eq!((outcome.as_str(), outcome.attempts()), ("accepted", 2));
        assert_eq!(timer.waited_for(), [NOW.after(Duration::from_secs(5))]);
        assert_eq!(ttls(&stub), ["60", "55"]);
    }
}

#[tokio::test]
async fn a_wait_past_the_ttl_is_not_waited() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    stub.then(Ok(answer(503, &[("retry-after", "3600")], "")));

    let Outcome::Deferred(deferred) = send(&client(&stub, &timer), "1", &tickle(60)).await else { panic!() };

    assert_eq!((deferred.status, deferred.attempts), (503, 1));
    assert_eq!(deferred.not_before, Some(NOW.after(Duration::from_secs(3600))));
    assert!(timer.waited_for().is_empty());
}

#[tokio::test]
async fn after_three_repeats_it_is_deferred() {
    let (stub, timer) = (StubTransport::answering([500, 502, 503, 504]), StubTimer::jumping(NOW));

    let outcome = send(&client(&stub, &timer), "1", &tickle(3600)).await;

    assert_eq!((outcome.as_str(), outcome.status(), outcome.attempts()), ("deferred", Some(504), 4));
    assert_eq!(timer.waited_for().len(), 3);
    assert!(timer.now() <= NOW.after(Duration::from_secs(7)));
}

/// The same octets and token are sent again, only the TTL changes.
#[tokio::test]
async fn a_repeat_has_the_same_body() {
    let (stub, timer) = (StubTransport::answering([503]), StubTimer::jumping(NOW));
    let (_, subscription) = crate::support::subscribe("https://push.example/p/1");

    client(&stub, &timer).send(&subscription, &PushMessage::text(Ttl::seconds(60), "Hello")).await;

    let [first, second] = stub.requests().try_into().unwrap();
    assert_eq!(first.body(), second.body());
    assert_eq!(first.headers()["authorization"], second.headers()["authorization"]);
}

/// AS-004: 404 and 410 are final, and later sends to the same endpoint are not made.
#[tokio::test]
async fn a_subscription_that_has_ended_is_not_asked_again() {
    for status in [404, 410] {
        let (stub, timer) = (StubTransport::answering([status]), StubTimer::jumping(NOW));
        let client = client(&stub, &timer);

        let first = send(&client, "1", &tickle(60)).await;
        let second = send(&client, "1", &tickle(60)).await;
        let other = send(&client, "2", &tickle(60)).await;

        assert_eq!((first.as_str(), first.status(), first.attempts()), ("gone", Some(status), 1));
        assert_eq!((second.as_str(), second.status(), second.attempts()), ("gone", Some(status), 0));
        assert_eq!(other.as_str(), "accepted");
        assert_eq!(stub.requests().len(), 2);
        client.forget_ended();
        assert_eq!(send(&client, "1", &tickle(60)).await.as_str(), "accepted");
    }
}

#[tokio::test]
async fn a_permanently_removed_host_is_gone_without_asking() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    let subscription = without_keys("https://permanently-removed.invalid/fcm/send/x");

    let outcome = client(&stub, &timer).send(&subscription, &tickle(60)).await;

    assert_eq!((outcome.as_str(), outcome.status(), outcome.attempts()), ("gone", None, 0));
    assert!(stub.requests().is_empty());
}

/// AS-028
#[tokio::test]
async fn a_key_mismatch_is_refused_and_not_repeated() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    stub.then(Ok(answer(400, &[], r#"{"reason":"VapidPkHashMismatch"}"#)));
    let client = client(&stub, &timer);

    let Outcome::Refused(refused) = send(&client, "1", &tickle(60)).await else { panic!() };

    assert_eq!(refused.reason.as_str(), "key-mismatch");
    assert_eq!(refused.text.as_deref(), Some(r#"{"reason":"VapidPkHashMismatch"}"#));
    assert_eq!(stub.requests().len(), 1);
    assert_eq!(send(&client, "1", &tickle(60)).await.as_str(), "accepted", "it is not gone");
}

/// T10, AS-021: one new token for the time of the push service; further messages use that time at once.
#[tokio::test]
async fn a_refusal_that_names_the_clock_is_answered_with_a_new_token() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    stub.then(Ok(answer(
        401,
        &[("date", "Mon, 07 Nov 1994 08:49:37 GMT")],
        "Invalid VAPID token: ExpiredSignature",
    )));
    let client = client(&stub, &timer);

    let outcome = send(&client, "1", &tickle(60)).await;
    send(&client, "2", &tickle(60)).await;

    assert_eq!((outcome.as_str(), outcome.attempts()), ("accepted", 2));
    let expiries: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| {
            let field = request.headers()["authorization"].to_str().unwrap();
            let token = field.strip_prefix("vapid t=").unwrap().split(',').next().unwrap();
            match UnverifiedToken::parse(token).unwrap().exp() {
                Expiry::Seconds(seconds) => seconds - NOW.as_unix_seconds(),
                other => panic!("{other}"),
            }
        })
        .collect();
    assert_eq!(expiries, [12 * 3600, 36 * 3600, 36 * 3600]);
    assert!(timer.waited_for().is_empty());
}

#[tokio::test]
async fn the_clock_is_followed_only_once() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    for _ in 0..2 {
        stub.then(Ok(answer(403, &[("date", "Mon, 07 Nov 1994 08:49:37 GMT")], "no")));
    }

    let Outcome::Refused(refused) = send(&client(&stub, &timer), "1", &tickle(60)).await else { panic!() };

    assert_eq!((refused.attempts, refused.clock_skew), (2, Some(86_400)));
    assert_eq!(stub.requests().len(), 2);
}

#[tokio::test]
async fn an_unanswered_message_is_repeated_only_with_a_topic_or_on_request() {
    let check = async |message: PushMessage, wish: RepeatUnanswered, expected: &str| {
        let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
        stub.then(Err(LOST));
        let client = PushClient::builder()
            .transport(stub.clone())
            .timer(timer)
            .repeat_unanswered(wish)
            .build()
            .unwrap();
        assert_eq!(send(&client, "1", &message).await.as_str(), expected);
    };

    check(tickle(60), RepeatUnanswered::WithTopic, "unanswered").await;
    check(tickle(60).topic("t".parse().unwrap()), RepeatUnanswered::WithTopic, "accepted").await;
    check(tickle(60), RepeatUnanswered::Always, "accepted").await;
    check(tickle(60).topic("t".parse().unwrap()), RepeatUnanswered::Never, "unanswered").await;
}

#[tokio::test]
async fn an_unreachable_service_is_tried_again_and_then_reported() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    for _ in 0..4 {
        stub.then(Err(DOWN));
    }

    let Outcome::Unsent(unsent) = send(&client(&stub, &timer), "1", &tickle(60)).await else { panic!() };

    let problem = Problem::ConnectionRefused;
    assert_eq!(unsent.reason, UnsentReason::Unreachable { phase: Phase::Connect, problem });
    assert_eq!(unsent.attempts, 4);
}

/// AS-010, AS-005: what counts is in the answer; the receipt subscription is named in the next request.
#[tokio::test]
async fn receipts_are_joined_per_origin() {
    let (stub, timer) = (StubTransport::accepting(), StubTimer::jumping(NOW));
    let link = "</r/1>; rel=\"urn:ietf:params:push:receipt\"";
    stub.then(Ok(answer(202, &[("link", link), ("ttl", "10"), ("location", "/m/1")], "")));
    let client = client(&stub, &timer);

    let Outcome::Accepted(accepted) = send(&client, "1", &tickle(3600).receipt()).await else { panic!() };
    send(&client, "2", &tickle(3600).receipt()).await;
    send(&client, "3", &tickle(3600)).await;
    client.send(&without_keys("https://other.example/p"), &tickle(3600).receipt()).await;

    assert_eq!(accepted.ttl, Some(Ttl::seconds(10)));
    assert_eq!(accepted.message_resource.unwrap().expose(), "https://push.example/m/1");
    let links: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| request.headers().get("link").map(|link| link.to_str().unwrap().to_owned()))
        .collect();
    let named = "<https://push.example/r/1>; rel=\"urn:ietf:params:push:receipt\"".to_owned();
    assert_eq!(links, [None, Some(named), None, None]);
}

/// Answers 503 at one origin until an instant, and accepts everything else.
#[derive(Clone)]
struct FailsUntil {
    timer: StubTimer,
    until: Timestamp,
    requests: Arc<AtomicUsize>,
}

impl Transport for FailsUntil {
    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let fails = request.uri().host() == Some("push.example") && self.timer.now() < self.until;
        if fails {
            self.requests.fetch_add(1, Ordering::SeqCst);
        }
        Ok(answer(if fails { 503 } else { 201 }, &[], ""))
    }
}

/// T11: an origin that answers 503 for a minute gets at most a tenth more requests than there are messages, and is
/// used at full rate ten seconds after it recovered. Another origin is not slowed meanwhile (AS-016).
#[tokio::test]
async fn a_minute_of_503_causes_no_storm_and_is_over_after_ten_seconds() {
    let timer = StubTimer::frozen(NOW);
    let minute = NOW.after(Duration::from_secs(60));
    let transport =
        FailsUntil { timer: timer.clone(), until: minute, requests: Arc::new(AtomicUsize::new(0)) };
    let client = PushClient::builder().transport(transport.clone()).timer(timer.clone()).build().unwrap();
    let (mut messages, mut running) = (0, tokio::task::JoinSet::new());
    for tick in 0..600 {
        for number in 0..5 {
            messages += 1;
            let client = client.clone();
            running.spawn(async move { send(&client, &format!("{tick}-{number}"), &tickle(30)).await });
        }
        settle().await;
        let other = client.send(&without_keys("https://other.example/p"), &tickle(0)).await;
        assert_eq!((other.as_str(), other.attempts()), ("accepted", 1));
        timer.advance(Duration::from_millis(100));
    }
    let requests = transport.requests.load(Ordering::SeqCst);
    assert!(requests * 10 <= messages * 11 + 80, "{requests} requests for {messages} messages");

    for _ in 0..100 {
        // What is sent in these ten seconds finds the origin out.
        let client = client.clone();
        running.spawn(async move { send(&client, "x", &tickle(30)).await });
        settle().await;
        timer.advance(Duration::from_millis(100));
    }
    for number in 0..100 {
        let outcome = send(&client, &format!("late-{number}"), &tickle(0)).await;
        assert_eq!((outcome.as_str(), outcome.attempts()), ("accepted", 1));
    }
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
