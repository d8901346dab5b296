//! The push connection of Firefox: handshake, hello, register, unregister.
//!
//! The service runs with its profile `rfc`: where a row names an errno, the status is that of RFC 8030.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use http::{Method, StatusCode};
use push_mock_server::{Config, Limits};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    fox::{Fox, channel, path, poke, tickle},
    support::{Running, json, raw, start, status},
};

/// The public key of the sender in RFC 8291 §5.
pub(crate) const KEY: &str =
    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";

async fn user_agents(running: &Running) -> usize {
    let (status, list) = running.call(Method::GET, "/user-agents", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list["items"].as_array().unwrap_or_else(|| panic!("{list}")).len()
}

/// AP-001
#[tokio::test]
async fn any_path_takes_the_connection_on_the_port_of_http() {
    let running = start(Config::default());

    for path in ["/", "/ws/a/b?c=1", "/ua/firefox/t1", "/ua/firefox/default?label=fox"] {
        let mut fox = Fox::open_at(&running, path, &[]).await;
        fox.hello(None).await;
    }

    assert_eq!(running.get("/livez").await.status(), StatusCode::OK);
}

/// AP-002
#[tokio::test]
async fn subprotocol_is_answered_and_origin_ignored() {
    let running = start(Config::default());
    let protocol = ("sec-websocket-protocol", "push-notification");

    let offered = Fox::open_at(&running, "/", &[protocol]).await;
    let silent = Fox::open_at(&running, "/", &[]).await;
    let foreign = Fox::open_at(&running, "/", &[protocol, ("origin", "https://example.org")]).await;
    let own = Fox::open_at(&running, "/", &[protocol, ("origin", &format!("{}/", running.url))]).await;

    assert_eq!(offered.answer.headers()["sec-websocket-protocol"], "push-notification");
    assert_eq!(silent.answer.headers().get("sec-websocket-protocol"), None);
    assert_eq!(foreign.answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(own.answer.status(), StatusCode::SWITCHING_PROTOCOLS);
}

/// T37, T52, AP-002: a foreign page gets its WebSocket, but makes no space with it.
#[tokio::test]
async fn a_page_makes_no_space() {
    let running = start(Config::default());
    let own = format!("ws://localhost:{}/ua/firefox/mine", running.address.port());
    let handshake = async |path: &str, origin: &str| {
        let request = running
            .request(http::Method::GET, path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("origin", origin);
        running.send(request.body(http_body_util::Full::default()).unwrap()).await
    };

    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        let refused = handshake("/ua/firefox/evil1", origin).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{origin}");
        let problem: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
        assert_eq!(problem["code"], "api/cross-site", "{problem}");
    }
    let mut firefox = Fox::open_at(&running, "/ua/firefox/mine", &[("origin", &own)]).await;
    firefox.hello(None).await;

    for path in ["/", "/ua/firefox/default", "/ua/firefox/mine"] {
        let page = Fox::open_at(&running, path, &[("origin", "https://evil.example")]).await;
        assert_eq!(page.answer.status(), StatusCode::SWITCHING_PROTOCOLS, "{path}");
    }
    let spaces = running.get("/api/v1/spaces").await;
    let spaces = String::from_utf8_lossy(spaces.body());
    assert!(spaces.contains("mine") && !spaces.contains("evil1"), "{spaces}");
}

/// AP-003: it is declined.
#[tokio::test]
async fn compression_is_declined() {
    let running = start(Config::default());
    let offer = ("sec-websocket-extensions", "permessage-deflate");

    let mut fox = Fox::open_at(&running, "/", &[offer]).await;

    assert_eq!(fox.answer.headers().get("sec-websocket-extensions"), None);
    fox.hello(None).await;
}

/// AP-004
#[tokio::test]
async fn both_addresses_of_localhost_take_the_connection() {
    let listen = vec!["127.0.0.1:0".parse().unwrap(), "[::1]:0".parse().unwrap()];
    let config = Config { listen, ..Config::default() };
    let server = push_mock_server::Server::bind(config).unwrap();
    let addresses = server.addresses().to_vec();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));

    for address in &addresses {
        let stream = TcpStream::connect(address).await.unwrap();
        Fox::open_over(stream, "/", &[]).await.hello(None).await;
    }

    // A machine without IPv6 has one.
    assert!(addresses.len() == 2 || std::net::TcpListener::bind("[::1]:0").is_err());
    drop(stop);
    task.await.unwrap();
}

#[tokio::test]
async fn what_is_no_handshake_gets_a_problem() {
    let running = start(Config::default());
    let request = |fields: &str| {
        format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n{fields}connection: close, upgrade\r\n\r\n"
        )
    };

    let version = raw(&running, request("").as_bytes()).await;
    let key = raw(&running, request("sec-websocket-version: 13\r\n").as_bytes()).await;

    assert_eq!(status(&version), "426");
    assert!(version.to_lowercase().contains("sec-websocket-version: 13"), "{version}");
    assert_eq!(status(&key), "400");
    assert!(key.contains("application/problem+json") && key.contains("api/handshake"), "{key}");
}

/// AP-005, AP-006: nothing but the end is sent to who says nothing.
#[tokio::test]
async fn who_says_no_hello_is_closed() {
    let limits = Limits { hello_timeout: std::time::Duration::from_millis(50), ..Limits::default() };
    let running = start(Config { limits, ..Config::default() });

    let mut fox = Fox::open(&running).await;

    assert_eq!(fox.close_code().await, Some(1008));
}

/// AP-007
#[tokio::test]
async fn every_hello_is_answered() {
    let running = start(Config::default());
    let mut foxes = Vec::new();
    for _ in 0..500 {
        foxes.push(Fox::open(&running).await);
    }

    let uaids = futures_util::future::join_all(foxes.iter_mut().map(|fox| fox.hello(None))).await;

    let mut distinct = uaids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 500);
}

/// AP-008
#[tokio::test]
async fn hello_is_answered_with_all_members() {
    let running = start(Config::default());
    let mut fox = Fox::open(&running).await;

    fox.say(json!({"messageType": "hello", "broadcasts": {}, "use_webpush": true})).await;
    let answer = fox.hear().await;

    let uaid = answer["uaid"].as_str().unwrap();
    assert!(uaid.len() == 32 && uaid.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(
        answer,
        json!({"messageType": "hello", "uaid": uaid, "status": 200, "use_webpush": true, "broadcasts": {}})
    );
}

/// AP-009
#[tokio::test]
async fn who_is_not_known_gets_a_new_uaid() {
    let running = start(Config::default());
    let unknown = "2d03b25a83a54213a27bff7af0323c61";

    let mut given = Vec::new();
    for sent in [None, Some(unknown), Some("nonsense")] {
        given.push(Fox::open(&running).await.hello(sent).await);
    }

    assert!(!given.contains(&unknown.to_owned()));
    assert!(given[0] != given[1] && given[1] != given[2] && given[0] != given[2]);
}

/// AP-010
#[tokio::test]
async fn who_has_registered_keeps_its_uaid() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    fox.subscribe(&running, &channel(1)).await;
    drop(fox);

    Fox::back(&running, &uaid).await;
}

/// AP-011
#[tokio::test]
async fn hello_may_be_bare_or_full() {
    let running = start(Config::default());

    for hello in [
        json!({"messageType": "hello"}),
        json!({"messageType": "HELLO", "channelIDs": [], "uaid": "", "use_webpush": true, "broadcasts": {"a": "b"}}),
    ] {
        let mut fox = Fox::open(&running).await;
        fox.say(hello).await;
        assert_eq!(fox.hear().await["messageType"], "hello");
    }
}

/// AP-012
#[tokio::test]
async fn nobody_is_kept_before_the_first_register() {
    let running = start(Config::default());
    let before = user_agents(&running).await;

    for _ in 0..20 {
        let (mut fox, _) = Fox::greeted(&running).await;
        fox.socket.close(None).await.unwrap();
        fox.closed().await;
    }

    // The end of a connection is told before it is forgotten; a later hello waits for its turn.
    let (mut last, _) = Fox::greeted(&running).await;
    last.subscribe(&running, &channel(1)).await;
    let mut after = user_agents(&running).await;
    while after != before + 1 {
        tokio::task::yield_now().await;
        after = user_agents(&running).await;
    }
}

/// AP-013
#[tokio::test]
async fn what_is_not_understood_ends_the_connection_with_1011() {
    let running = start(Config::default());
    let (mut other, _) = Fox::greeted(&running).await;

    for wrong in [
        r#"{"messageType":"hello"}"#,
        "{",
        "null",
        r#"{"messageType":"urgency"}"#,
        r#"{"messageType":"ack","updates":7}"#,
    ] {
        let (mut fox, _) = Fox::greeted(&running).await;
        fox.say_text(wrong).await;
        assert_eq!(fox.close_code().await, Some(1011), "{wrong}");
    }
    for wrong in ["{}", r#"{"messageType":"ping"}"#, r#"{"messageType":"register"}"#] {
        let mut fox = Fox::open(&running).await;
        fox.say_text(wrong).await;
        assert_eq!(fox.close_code().await, Some(1011), "before hello: {wrong}");
    }
    other.hears_nothing().await;
}

/// AP-014
#[tokio::test]
async fn the_newer_connection_of_a_user_agent_wins() {
    let running = start(Config::default());
    let (mut older, uaid) = Fox::greeted(&running).await;
    let path = older.subscribe(&running, &channel(1)).await;

    let mut newer = Fox::back(&running, &uaid).await;

    assert_eq!(older.close_code().await, Some(1000));
    poke(&running, &path, 60).await;
    assert_eq!(newer.notified().await["channelID"], channel(1));
}

/// AP-015
#[tokio::test]
async fn register_gives_a_push_resource() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;

    let answer = fox.register(&channel(1), None).await;

    assert_eq!((&answer["channelID"], &answer["status"]), (&channel(1).into(), &200.into()));
    assert!(path(&running, &answer).starts_with("/wpush/v1/gAAAAA"));
}

/// AP-016
#[tokio::test]
async fn every_register_is_answered() {
    let running = start(Config::default());
    let mut foxes = Vec::new();
    for _ in 0..20 {
        foxes.push(Fox::greeted(&running).await.0);
    }

    let many = foxes.iter_mut().enumerate().map(|(at, fox)| async move {
        let channels: Vec<_> = (0..50).map(|number| channel((at * 50 + number) as u32)).collect();
        for channel in &channels {
            fox.say(json!({"channelID": channel, "messageType": "register"})).await;
        }
        for channel in &channels {
            let answer = fox.hear().await;
            assert_eq!((&answer["channelID"], &answer["status"]), (&channel.as_str().into(), &200.into()));
        }
    });
    futures_util::future::join_all(many).await;
}

/// AP-017
#[tokio::test]
async fn a_key_may_be_padded_or_left_out() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;

    let plain = fox.register(&channel(1), Some(KEY)).await;
    let padded = fox.register(&channel(2), Some(&format!("{KEY}="))).await;
    let without = fox.register(&channel(3), None).await;

    assert!(path(&running, &plain).starts_with("/wpush/v2/gAAAAA"), "{plain}");
    assert!(path(&running, &padded).starts_with("/wpush/v2/gAAAAA"), "{padded}");
    assert!(path(&running, &without).starts_with("/wpush/v1/gAAAAA"), "{without}");
}

/// AP-018
#[tokio::test]
async fn a_key_that_is_none_is_refused_and_the_connection_stays() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let octets = Base64UrlUnpadded::decode_vec(KEY).unwrap();
    let mut off_curve = octets.clone();
    off_curve[64] ^= 1;

    for key in [
        "!!".to_owned(),
        Base64UrlUnpadded::encode_string(&octets[..64]),
        Base64UrlUnpadded::encode_string(&off_curve),
    ] {
        let answer = fox.register(&channel(1), Some(&key)).await;
        assert_eq!(answer["status"], 400, "{key}: {answer}");
        assert_eq!(answer["pushEndpoint"], "Failed to generate endpoint");
    }

    assert_eq!(fox.register(&channel(1), Some(KEY)).await["status"], 200);
}

/// AP-019
#[tokio::test]
async fn register_may_be_repeated() {
    let running = start(Config::default());
    let (mut fox, uaid) = Fox::greeted(&running).await;
    fox.subscribe(&running, &channel(1)).await;
    // The answer is not read any more.
    fox.say(json!({"channelID": channel(2), "messageType": "register"})).await;
    drop(fox);

    let mut fox = Fox::back(&running, &uaid).await;
    let first = fox.subscribe(&running, &channel(2)).await;
    let again = fox.subscribe(&running, &channel(2)).await;

    for path in [first, again] {
        poke(&running, &path, 60).await;
        assert_eq!(fox.notified().await["channelID"], channel(2));
    }
    let (_, list) = running.call(Method::GET, "/subscriptions", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2, "{list}");
}

/// AP-020
#[tokio::test]
async fn a_channel_that_is_no_uuid_ends_the_connection() {
    let running = start(Config::default());

    for wrong in [channel(0xab).to_uppercase(), channel(1).replace('-', ""), String::new()] {
        let (mut fox, _) = Fox::greeted(&running).await;
        fox.say(json!({"channelID": wrong, "messageType": "register"})).await;
        assert_eq!(fox.close_code().await, Some(1011), "{wrong}");
    }
}

/// AP-022
#[tokio::test]
async fn unregister_is_always_answered_with_200() {
    let running = start(Config::default());
    let (mut other, _) = Fox::greeted(&running).await;
    let foreign = other.subscribe(&running, &channel(7)).await;
    let (mut fox, _) = Fox::greeted(&running).await;

    for (number, code) in
        [(1, json!(200)), (2, json!(201)), (3, json!(202)), (4, Value::Null), (5, json!(999))]
    {
        fox.subscribe(&running, &channel(number)).await;
        // Own, and once more.
        for _ in 0..2 {
            let answer = fox.unregister(&channel(number), code.clone()).await;
            let expected = json!({"messageType": "unregister", "channelID": channel(number), "status": 200});
            assert_eq!(answer, expected);
        }
    }
    for unknown in [channel(99), channel(7), "nonsense".to_owned()] {
        let answer = fox.unregister(&unknown, json!(200)).await;
        assert_eq!((&answer["channelID"], &answer["status"]), (&unknown.into(), &200.into()));
    }

    // Of a user agent that is connected nobody else gives anything up.
    poke(&running, &foreign, 60).await;
    other.notified().await;
}

/// AP-023, with the 404 of RFC 8030 §7.3 that the profile `rfc` answers.
#[tokio::test]
async fn the_push_resource_is_gone_after_unregister() {
    let running = start(Config::default());
    let (mut fox, _) = Fox::greeted(&running).await;
    let path = fox.subscribe(&running, &channel(1)).await;

    fox.unregister(&channel(1), json!(200)).await;
    let response = running.send(tickle(&path, 60)).await;

    assert!(matches!(response.status().as_u16(), 404 | 410), "{}", json(&response));
    fox.hears_nothing().await;
}

/// Who takes a label keeps it, and is seen with it.
#[tokio::test]
async fn the_query_names_the_user_agent() {
    let running = start(Config::default());
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
    let mut fox = Fox::open_at(&running, "/ua/firefox/t1?label=my-fox", &[("user-agent", agent)]).await;

    fox.hello(None).await;
    fox.subscribe(&running, &channel(1)).await;

    let (status, list) = running.call(Method::GET, "/user-agents?space=t1", Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    let found = &list["items"][0];
    assert_eq!((&found["label"], &found["version"]), (&"my-fox".into(), &"Firefox/153.0".into()), "{list}");
}
