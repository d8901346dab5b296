//! T4: servers that answer with too much, too little, too slowly, or with something else than HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use push_client::{
    ClientLimits, Outcome, PushMessage, Ttl,
    transport::{Phase, Problem},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Raw, local, raw_peer, short, without_keys};

/// Reads the head of a request.
async fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => return,
        }
    }
}

/// Answers with these octets, then stays silent or closes.
async fn answers(octets: impl Into<Vec<u8>>, then_close: bool) -> Raw {
    let octets = Arc::new(octets.into());
    raw_peer(move |mut stream| {
        let octets = Arc::clone(&octets);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&octets).await;
            if !then_close {
                std::future::pending::<()>().await;
            }
        }
    })
    .await
}

async fn send(peer: &Raw, limits: ClientLimits) -> Outcome {
    let client = local().limits(limits).build().unwrap();
    client.send(&without_keys(&peer.endpoint()), &PushMessage::tickle(Ttl::seconds(60))).await
}

fn unanswered(outcome: Outcome) -> (Phase, Problem) {
    match outcome {
        Outcome::Unanswered(unanswered) => (unanswered.phase, unanswered.problem),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn t4_a_huge_length_and_silence_end_after_the_total_time() {
    let peer = answers("HTTP/1.1 201 Created\r\nContent-Length: 4611686018427387904\r\n\r\n", false).await;
    let started = Instant::now();

    let outcome = send(&peer, short()).await;

    assert_eq!(outcome.status(), Some(201), "the status was known");
    assert!(started.elapsed() >= Duration::from_secs(3) && started.elapsed() < Duration::from_secs(31));
}

#[tokio::test]
async fn t4_an_endless_body_is_cut() {
    let written = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(tokio::sync::Notify::new());
    let peer = raw_peer({
        let (written, ended) = (Arc::clone(&written), Arc::clone(&ended));
        move |mut stream| {
            let (written, ended) = (Arc::clone(&written), Arc::clone(&ended));
            async move {
                read_head(&mut stream).await;
                let _ =
                    stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10000000000\r\n\r\n").await;
                while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {
                    written.fetch_add(16 * 1024, Ordering::SeqCst);
                }
                ended.notify_one();
            }
        }
    })
    .await;

    let Outcome::Refused(refused) = send(&peer, ClientLimits::default()).await else { panic!() };

    assert_eq!(refused.text.unwrap().len(), 1024);
    ended.notified().await;
    // What the kernel holds in its buffers comes on top of what was read.
    assert!(written.load(Ordering::SeqCst) < 16 * 1024 * 1024);
}

/// `response_body`: what fits is read whole and the connection used again, one octet more is cut and it is not.
#[tokio::test]
async fn t4_the_limit_of_a_body_is_exact() {
    for (octets, connections) in [(65_535, 1), (65_536, 1), (65_537, 2)] {
        let body = "x".repeat(octets);
        let peer = crate::support::Peer::start(crate::support::Kind::Http1, move |_, _| {
            http::Response::builder().status(201).body(body.clone().into()).unwrap()
        })
        .await;
        let client = local().build().unwrap();

        for number in 0..2 {
            let subscription = without_keys(&peer.endpoint(&format!("/p/{number}")));
            let outcome = client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await;
            assert_eq!(outcome.status(), Some(201), "{octets}");
        }

        assert_eq!(peer.connections(), connections, "{octets}");
    }
}

#[tokio::test]
async fn t4_a_head_that_drips_is_given_up() {
    let peer = raw_peer(|mut stream| async move {
        read_head(&mut stream).await;
        for octet in b"HTTP/1.1 201 Created\r\n".iter().cycle() {
            let tick = tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
            if tick.is_ok() || stream.write_all(&[*octet]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let started = Instant::now();

    let outcome = send(&peer, short()).await;

    assert_eq!(unanswered(outcome), (Phase::Headers, Problem::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(31));
}

#[tokio::test]
async fn t4_a_body_that_drips_costs_the_total_time_at_most() {
    let peer = raw_peer(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 1000000\r\n\r\n").await;
        loop {
            let tick = tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
            if tick.is_ok() || stream.write_all(b"x").await.is_err() {
                return;
            }
        }
    })
    .await;

    let outcome = send(&peer, short()).await;

    assert_eq!((outcome.as_str(), outcome.status()), ("gone", Some(410)));
}

/// `informational`: eight are let pass, nine are not, and 100 000 do not keep anyone busy.
#[tokio::test]
async fn t4_a_flood_of_informational_answers_is_cut() {
    let hints = |count| {
        "HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n".repeat(count)
            + "HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
    };

    for count in [0, 7, 8] {
        let outcome = send(&answers(hints(count), false).await, ClientLimits::default()).await;
        assert_eq!(outcome.status(), Some(201), "{count}: {outcome}");
    }
    for count in [9, 100_000] {
        let outcome = send(&answers(hints(count), false).await, ClientLimits::default()).await;
        assert_eq!(unanswered(outcome), (Phase::Headers, Problem::BadAnswer), "{count}");
    }
}

#[tokio::test]
async fn t4_header_fields_over_the_limit_are_refused() {
    let with = |octets: usize| {
        format!("HTTP/1.1 201 Created\r\nx: {}\r\ncontent-length: 0\r\n\r\n", "y".repeat(octets))
    };

    let fits = send(&answers(with(15_000), false).await, ClientLimits::default()).await;
    assert_eq!(fits.status(), Some(201), "{fits}");
    for octets in [17_000, 1_000_000] {
        let outcome = send(&answers(with(octets), false).await, ClientLimits::default()).await;
        assert_eq!(unanswered(outcome), (Phase::Headers, Problem::BadAnswer), "{octets}");
    }
}

/// Nothing is decompressed: the octets are the reason, made safe to print.
#[tokio::test]
async fn t4_compressed_bodies_stay_compressed() {
    let mut answer =
        b"HTTP/1.1 400 Bad Request\r\ncontent-encoding: gzip\r\ncontent-length: 22\r\n\r\n".to_vec();
    answer.extend_from_slice(&[
        0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0xaf, 0xca, 0x2c, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);

    let Outcome::Refused(refused) = send(&answers(answer, false).await, ClientLimits::default()).await else {
        panic!()
    };

    let text = refused.text.unwrap();
    assert!(text.starts_with("\\u{1f}") && !text.chars().any(char::is_control), "{text}");
}

#[tokio::test]
async fn t4_what_is_not_http_is_unanswered() {
    for (octets, problem) in [
        (&b"SSH-2.0-OpenSSH_9.0\r\n\r\n"[..], Problem::BadAnswer),
        (b"\0\x01\x02\x03\r\n\r\n", Problem::BadAnswer),
        (b"HTTP/1.1 2O1 Created\r\n\r\n", Problem::BadAnswer),
        (b"HTTP/1.1 201", Problem::Closed),
        (b"", Problem::Closed),
    ] {
        let outcome = send(&answers(octets, true).await, ClientLimits::default()).await;

        assert_eq!(unanswered(outcome), (Phase::Headers, problem), "{octets:?}");
    }
}

#[tokio::test]
async fn t4_nonsense_in_the_fields_of_an_acceptance_does_no_harm() {
    let answer = "HTTP/1.1 201 Created\r\nttl: -99999999999999999999\r\nlocation: http://169.254.169.254/\r\n\
                  retry-after: never\r\nlink: <<<>>>;;;rel\r\ndate: \r\ncontent-length: 0\r\n\r\n";

    let Outcome::Accepted(accepted) = send(&answers(answer, false).await, ClientLimits::default()).await
    else {
        panic!()
    };

    assert_eq!((accepted.ttl, accepted.message_resource), (None, None));
}

/// T4: two hundred hostile answers at once, one outcome each, in bounded time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t4_two_hundred_at_once_all_end() {
    let endless = raw_peer(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 10000000000\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let silent = raw_peer(|mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let client = local()
        .limits(ClientLimits {
            headers_within: Duration::from_secs(8),
            total: Duration::from_secs(9),
            ..short()
        })
        .build()
        .unwrap();
    let started = Instant::now();

    let sends = (0..200).map(|number| {
        let (client, peer) = (client.clone(), if number % 2 == 0 { &endless } else { &silent });
        let subscription = without_keys(&format!("{}/{number}", peer.endpoint()));
        async move { client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await }
    });
    let outcomes = futures_util::future::join_all(sends).await;

    let accepted = outcomes.iter().filter(|outcome| outcome.as_str() == "accepted").count();
    assert_eq!(accepted, 100);
    assert!(started.elapsed() < Duration::from_secs(31));
}
