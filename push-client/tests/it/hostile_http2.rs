//! T5: HTTP/2 servers that refuse streams, leave, or stop in the middle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, server::SendResponse};
use http::Response;
use push_client::{
    ClientLimits, Outcome, PushMessage, Ttl,
    outcome::UnsentReason,
    transport::{HttpVersion, Phase, Problem},
};

use crate::support::{Raw, local, raw_peer, short, without_keys};

/// A server that does with each stream what the function says, by the stream's number over all connections.
async fn streams(act: impl Fn(usize, SendResponse<Bytes>) + Clone + Send + 'static) -> Raw {
    let count = Arc::new(AtomicUsize::new(0));
    raw_peer(move |stream| {
        let (act, count) = (act.clone(), Arc::clone(&count));
        async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((_, respond))) = connection.accept().await {
                act(count.fetch_add(1, Ordering::SeqCst), respond);
            }
        }
    })
    .await
}

fn accept(mut respond: SendResponse<Bytes>) {
    let _ = respond.send_response(Response::builder().status(201).body(()).unwrap(), true);
}

async fn send(peer: &Raw, retries: u32, limits: ClientLimits) -> Outcome {
    let client = local().http_version(HttpVersion::Http2).limits(limits).retries(retries).build().unwrap();
    client.send(&without_keys(&peer.endpoint()), &PushMessage::tickle(Ttl::seconds(60))).await
}

/// Only what says "not processed" is repeated without a topic.
#[tokio::test]
async fn t5_a_refused_stream_is_sent_again() {
    let peer = streams(|number, mut respond| match number {
        0 => respond.send_reset(Reason::REFUSED_STREAM),
        _ => accept(respond),
    })
    .await;

    let outcome = send(&peer, 1, ClientLimits::default()).await;

    assert_eq!((outcome.status(), outcome.attempts()), (Some(201), 2), "{outcome}");
}

#[tokio::test]
async fn t5_a_stream_that_is_always_refused_was_never_sent() {
    let peer = streams(|_, mut respond| respond.send_reset(Reason::REFUSED_STREAM)).await;

    let Outcome::Unsent(unsent) = send(&peer, 0, ClientLimits::default()).await else { panic!() };

    let problem = Problem::NotProcessed;
    assert_eq!(unsent.reason, UnsentReason::Unreachable { phase: Phase::Send, problem });
}

#[tokio::test]
async fn t5_another_reset_may_have_been_processed() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM] {
        let peer = streams(move |_, mut respond| respond.send_reset(reason)).await;

        let Outcome::Unanswered(unanswered) = send(&peer, 3, ClientLimits::default()).await else { panic!() };

        assert_eq!(unanswered.attempts, 1, "{reason}: not repeated");
    }
}

/// A stalled stream times out, and its connection is not used for the next message.
#[tokio::test]
async fn t5_a_silent_connection_is_replaced() {
    let held = Arc::new(std::sync::Mutex::new(Vec::new()));
    let peer = streams({
        let held = Arc::clone(&held);
        move |number, respond| match number {
            0 => held.lock().unwrap().push(respond),
            _ => accept(respond),
        }
    })
    .await;
    let client = local().http_version(HttpVersion::Http2).limits(short()).build().unwrap();
    let send = async |path: &str| {
        let subscription = without_keys(&format!("{}/{path}", peer.endpoint()));
        client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await
    };

    let first = send("1").await;
    let second = send("2").await;

    let Outcome::Unanswered(unanswered) = first else { panic!("{first}") };
    assert_eq!((unanswered.phase, unanswered.problem), (Phase::Headers, Problem::TimedOut));
    assert_eq!(second.status(), Some(201), "{second}");
    assert_eq!(peer.connections(), 2);
}

/// A server that leaves after each answer costs connections, not messages.
#[tokio::test]
async fn t5_a_server_that_keeps_leaving_loses_nothing() {
    let peer = raw_peer(|stream| async move {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        let mut served = 0;
        while let Some(Ok((_, respond))) = connection.accept().await {
            accept(respond);
            served += 1;
            if served == 3 {
                connection.graceful_shutdown();
            }
        }
    })
    .await;
    let client = local().http_version(HttpVersion::Http2).retries(3).build().unwrap();

    for number in 0..30 {
        let subscription = without_keys(&format!("{}/{number}", peer.endpoint()));
        let outcome = client.send(&subscription, &PushMessage::tickle(Ttl::seconds(60))).await;
        assert_eq!(outcome.status(), Some(201), "{number}: {outcome}");
    }

    assert!(peer.connections() >= 10);
}

/// A server that allows one stream at a time is served one at a time, without a second connection per message.
#[tokio::test]
async fn t5_a_server_with_one_stream_is_served_in_turn() {
    let peer = raw_peer(|stream| async move {
        let mut builder = h2::server::Builder::new();
        let Ok(mut connection) = builder.max_concurrent_streams(1).handshake::<_, Bytes>(stream).await else {
            return;
        };
        while let Some(Ok((_, respond))) = connection.accept().await {
            accept(respond);
        }
    })
    .await;
    let client = local().http_version(HttpVersion::Http2).retries(3).build().unwrap();

    let sends = (0..50).map(|number| {
        let (client, endpoint) = (client.clone(), format!("{}/{number}", peer.endpoint()));
        let message = PushMessage::tickle(Ttl::seconds(60)).topic("t".parse().unwrap());
        async move { client.send(&without_keys(&endpoint), &message).await }
    });
    let outcomes = futures_util::future::join_all(sends).await;

    for outcome in &outcomes {
        assert_eq!(outcome.status(), Some(201), "{outcome}");
    }
    assert!(peer.connections() <= 8);
}

/// `response_headers` over HTTP/2.
#[tokio::test]
async fn t5_header_fields_over_the_limit_are_no_answer() {
    let peer = streams(|number, mut respond| {
        let octets = if number == 0 { 15_000 } else { 17_000 };
        let response = Response::builder().status(201).header("x", "y".repeat(octets)).body(()).unwrap();
        let _ = respond.send_response(response, true);
    })
    .await;

    let fits = send(&peer, 0, ClientLimits::default()).await;
    let over = send(&peer, 0, ClientLimits::default()).await;

    assert_eq!(fits.status(), Some(201), "{fits}");
    assert!(matches!(over, Outcome::Unanswered(_)), "{over}");
}

#[tokio::test]
async fn t5_what_is_not_http_2_is_no_answer() {
    use tokio::io::AsyncWriteExt;
    let peer = raw_peer(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await;
        let _ = tokio::time::timeout(Duration::from_secs(5), std::future::pending::<()>()).await;
    })
    .await;

    let outcome = send(&peer, 0, ClientLimits::default()).await;

    assert!(matches!(outcome, Outcome::Unanswered(_) | Outcome::Unsent(_)), "{outcome}");
}
