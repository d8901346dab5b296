//! One message over each version of HTTP, and what is written on the wire.

use http::{Method, Version};
use push_client::{
    DeliveryMethod, Outcome, Padding, PushMessage, StubTransport, Ttl, Urgency, outcome::Invalid,
    outcome::UnsentReason, transport::HttpVersion,
};
use push_crypto::{
    provider::aws_lc_rs::PROVIDER,
    vapid::{UnverifiedToken, VapidKey, read_authorization},
};

use crate::support::{Kind, Peer, local, open, subscribe, without_keys};

fn invalid(outcome: Outcome) -> Invalid {
    match outcome {
        Outcome::Unsent(unsent) => match unsent.reason {
            UnsentReason::Invalid(invalid) => invalid,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// AS-008, AS-011, AS-025, AS-039
#[tokio::test]
async fn over_http_1_the_fields_are_exact_and_the_body_opens() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let (keys, subscription) = subscribe(&peer.endpoint("/p/JzLQ3raZ?x=%2B"));
    let message = PushMessage::text(Ttl::seconds(60), "Hello")
        .topic("scores".parse().unwrap())
        .urgency(Urgency::VeryLow);

    let outcome = local().build().unwrap().send(&subscription, &message).await;

    assert_eq!(outcome.as_str(), "accepted", "{outcome}");
    let [seen] = peer.seen().try_into().unwrap();
    assert_eq!((seen.method.clone(), seen.version), (Method::POST, Version::HTTP_11));
    assert_eq!(seen.uri, "/p/JzLQ3raZ?x=%2B");
    assert_eq!(seen.headers["host"], peer.address.to_string());
    assert_eq!(seen.headers["ttl"], "60");
    assert_eq!(seen.headers["topic"], "scores");
    assert_eq!(seen.headers["urgency"], "very-low");
    assert_eq!(seen.headers["content-encoding"], "aes128gcm");
    assert_eq!(seen.headers["content-length"], "108");
    assert_eq!(seen.headers.get_all("content-encoding").iter().count(), 1);
    assert_eq!(open(&keys, &seen), b"Hello");
    let authorization = seen.headers["authorization"].to_str().unwrap();
    let credentials = read_authorization(authorization, &[]).unwrap();
    assert_eq!(credentials.key.len(), 87);
    let token = UnverifiedToken::parse(&credentials.token).unwrap();
    assert_eq!(token.audiences(), [format!("http://{}", peer.address)]);
    assert_eq!(token.sub(), Some("mailto:ops@example.com"));
}

#[tokio::test]
async fn field_names_are_lower_case_on_the_wire() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (send, mut heads) = tokio::sync::mpsc::unbounded_channel();
    let peer = crate::support::raw_peer(move |mut stream| {
        let send = send.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            send.send(String::from_utf8(head).unwrap()).unwrap();
        }
    })
    .await;

    local().build().unwrap().send(&without_keys(&peer.endpoint()), &PushMessage::tickle(Ttl::ZERO)).await;

    let head = heads.recv().await.unwrap();
    let mut names: Vec<_> = head.lines().skip(1).filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "content-length", "host", "ttl"]);
    assert!(head.starts_with("POST /p/1 HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn over_http_2_with_prior_knowledge_one_connection_serves_many() {
    let peer = Peer::with_status(Kind::Http2, 201).await;
    let client = local().http_version(HttpVersion::Http2).build().unwrap();
    let message = PushMessage::text(Ttl::seconds(60), "Hello");

    let sends = (0..50).map(|number| {
        let (client, message) = (client.clone(), message.clone());
        let (_, subscription) = subscribe(&peer.endpoint(&format!("/p/{number}")));
        async move { client.send(&subscription, &message).await }
    });
    let outcomes = futures_util::future::join_all(sends).await;

    assert!(outcomes.iter().all(|outcome| outcome.status() == Some(201)));
    assert_eq!(peer.seen().len(), 50);
    assert!(peer.seen().iter().all(|seen| seen.version == Version::HTTP_2));
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn over_http_1_connections_are_used_again() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let client = local().build().unwrap();

    for number in 0..20 {
        let subscription = without_keys(&peer.endpoint(&format!("/p/{number}")));
        let outcome = client.send(&subscription, &PushMessage::tickle(Ttl::seconds(1))).await;
        assert_eq!(outcome.status(), Some(201));
    }

    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let peer = Peer::start(Kind::Http1, |_, _| {
        http::Response::builder().status(201).header("connection", "close").body(bytes::Bytes::new()).unwrap()
    })
    .await;
    let client = local().build().unwrap();

    for _ in 0..5 {
        let outcome = client.send(&without_keys(&peer.endpoint("/p")), &PushMessage::tickle(Ttl::ZERO)).await;
        assert_eq!(outcome.status(), Some(201), "{outcome}");
    }

    assert_eq!(peer.connections(), 5);
}

/// A tickle wakes the worker; an empty text is a message.
#[tokio::test]
async fn a_tickle_has_no_body_and_an_empty_text_has_one() {
    let peer = Peer::with_status(Kind::Http1, 201).await;
    let (keys, subscription) = subscribe(&peer.endpoint("/p"));
    let client = local().build().unwrap();

    client.send(&subscription, &PushMessage::tickle(Ttl::ZERO).method(DeliveryMethod::Put)).await;
    client.send(&subscription, &PushMessage::text(Ttl::ZERO, "")).await;

    let [tickle, empty] = peer.seen().try_into().unwrap();
    assert_eq!((tickle.method, tickle.body.len()), (Method::PUT, 0));
    assert!(tickle.headers.get("content-encoding").is_none());
    assert_eq!(empty.body.len(), 103);
    assert_eq!(open(&keys, &empty), b"");
}

/// AS-014: 3 993 octets fit, 3 994 do not; the limit can be raised.
#[tokio::test]
async fn a_text_over_the_limit_is_refused_before_it_is_sent() {
    let stub = StubTransport::accepting();
    let client = push_client::PushClient::builder().transport(stub.clone()).build().unwrap();
    let (_, subscription) = subscribe("https://push.example/p/1");
    let text = |octets| PushMessage::bytes(Ttl::ZERO, vec![b'x'; octets]);

    assert_eq!(client.send(&subscription, &text(3992)).await.status(), Some(201));
    assert_eq!(client.send(&subscription, &text(3993)).await.status(), Some(201));
    let refused = client.send(&subscription, &text(3994)).await;
    assert!(refused.to_string().contains("send a tickle"), "{refused}");
    assert_eq!(invalid(refused), Invalid::TooLarge { octets: 3994, limit: 3993 });
    let raised = text(5000).plaintext_limit(5000);
    assert_eq!(client.send(&subscription, &raised).await.status(), Some(201));

    let sizes: Vec<_> = stub.requests().iter().map(|request| request.body().len()).collect();
    assert_eq!(sizes, [4095, 4096, 5103]);
}

/// AS-041
#[tokio::test]
async fn padding_hides_the_length_within_the_limit() {
    let stub = StubTransport::accepting();
    let client = push_client::PushClient::builder().transport(stub.clone()).build().unwrap();
    let (_, subscription) = subscribe("https://push.example/p/1");

    for octets in [0, 1, 500, 3993] {
        let message = PushMessage::bytes(Ttl::ZERO, vec![b'x'; octets]).padding(Padding::Maximum);
        client.send(&subscription, &message).await;
    }

    assert!(stub.requests().iter().all(|request| request.body().len() == 4096));
}

/// AS-015: without keys there is no way to send a payload.
#[tokio::test]
async fn a_payload_without_keys_is_not_sent_in_clear() {
    let stub = StubTransport::accepting();
    let client = push_client::PushClient::builder().transport(stub.clone()).build().unwrap();

    let outcome =
        client.send(&without_keys("https://push.example/p"), &PushMessage::text(Ttl::ZERO, "x")).await;

    assert_eq!(invalid(outcome), Invalid::NoKeys);
    assert!(stub.requests().is_empty());
}

/// AS-027: the key recorded with the subscription signs; a missing one is an error before sending.
#[tokio::test]
async fn a_message_is_signed_with_the_key_it_asks_for() {
    let [first, second, third] = [(); 3].map(|()| VapidKey::generate(&PROVIDER).unwrap());
    let publics = [&first, &second, &third].map(|key| *key.public());
    let stub = StubTransport::accepting();
    let client = push_client::PushClient::builder()
        .vapid(first, "mailto:a@example.com".parse().unwrap())
        .vapid_without_subject(second)
        .transport(stub.clone())
        .build()
        .unwrap();
    let subscription = without_keys("https://push.example/p");
    let with = |at: usize| PushMessage::tickle(Ttl::ZERO).application_server_key(publics[at]);

    client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await;
    client.send(&subscription, &with(1)).await;
    let missing = client.send(&subscription, &with(2)).await;

    assert_eq!(invalid(missing), Invalid::NoVapidKey);
    let keys: Vec<_> = stub
        .requests()
        .iter()
        .map(|request| {
            let field = request.headers()["authorization"].to_str().unwrap();
            field.rsplit_once("k=").unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(keys, [publics[0].to_base64url(), publics[1].to_base64url()]);
}

/// AS-029
#[tokio::test]
async fn ten_thousand_messages_to_one_origin_have_one_token() {
    let stub = StubTransport::accepting();
    let client = push_client::PushClient::builder()
        .vapid_without_subject(VapidKey::generate(&PROVIDER).unwrap())
        .transport(stub.clone())
        .build()
        .unwrap();

    for number in 0..10_000 {
        let subscription = without_keys(&format!("https://push.example/p/{number}"));
        client.send(&subscription, &PushMessage::tickle(Ttl::ZERO)).await;
    }

    let tokens: std::collections::BTreeSet<_> = stub
        .requests()
        .iter()
        .map(|request| request.headers()["authorization"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!((stub.requests().len(), tokens.len()), (10_000, 1));
}

/// AS-026, AS-031, AS-035: no sender key and no salt is used twice.
#[tokio::test]
async fn every_message_has_its_own_sender_key_and_salt() {
    let stub = StubTransport::accepting();
    let client = push_client::PushClient::builder().transport(stub.clone()).build().unwrap();
    let (_, subscription) = subscribe("https://push.example/p/1");

    for _ in 0..200 {
        client.send(&subscription, &PushMessage::text(Ttl::ZERO, "same")).await;
    }

    let distinct = |range: std::ops::Range<usize>| {
        let parts: std::collections::BTreeSet<_> =
            stub.requests().iter().map(|request| request.body()[range.clone()].to_vec()).collect();
        parts.len()
    };
    assert_eq!((distinct(0..16), distinct(21..86)), (200, 200));
}
