//! Time to live (RFC 8030 §5.2, §7.2).

use proptest::prelude::*;
use push_crypto::Ttl;
use push_mock_server::{
    Config, Limits,
    service::{exchange::State, reply::Outcome},
};

use crate::world::*;

fn without_ttl(text: &'static str) -> Message {
    Message { text: Some(text), fields: Vec::new() }
}

/// PS-016, PS-017, PS-018: 201, a message resource of its own, accepted and not delivered.
#[tokio::test]
async fn an_accepted_message_has_a_resource_of_its_own() {
    let air = World::new().await;
    let phone = air.offline("phone").await;

    let first = air.send(&phone, &message("one", 60)).await;
    let second = air.send(&phone, &message("two", 60)).await;

    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(message_token(&first), message_token(&second));
    let location = format!("http://localhost:8030/m/{}", message_token(&first));
    assert_eq!(first.headers, [("location", location), ("ttl", "60".to_owned())]);
    let exchange = air.exchange(&first.exchange).await;
    assert_eq!(exchange.state, State::Queued);
    assert_eq!(exchange.response.headers, first.headers, "what is recorded is what is answered");
}

/// PS-019, PS-020: octets are passed on as sent; a message may have no body.
#[tokio::test]
async fn a_message_may_have_no_body() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    let tickle = Message { text: None, fields: vec![("ttl", "60".into())] };

    let tickle = air.accepted(&phone, &tickle).await;

    assert_eq!(tickle.state, State::Acknowledged);
    assert_eq!(tickle.payload, push_mock_server::service::finding::Payload::Empty);
}

/// PS-039, PS-040: missing or malformed, and nothing is stored.
#[tokio::test]
async fn a_ttl_that_is_none_is_refused() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let reply = air.send(&phone, &without_ttl("no TTL")).await;
    assert_eq!(refusal(&reply), (400, "ttl/missing"));

    for wrong in ["-1", "+5", "1.5", "1e3", "0x10", "10s", "", "\u{663}", "5, 6"] {
        let reply = air.send(&phone, &without_ttl("wrong").with("ttl", wrong)).await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    for right in ["0", "00060", " 60\t"] {
        let reply = air.send(&phone, &without_ttl("right").with("ttl", right)).await;
        assert_eq!(reply.status, 201, "{right}");
    }
    assert_eq!(air.go_online("phone").await.len(), 2, "TTL 0 is not kept, and what was refused neither");
}

/// PS-041, PS-042, PS-043, PS-052: large values saturate and are shortened to the maximum.
#[tokio::test]
async fn a_large_ttl_is_shortened() {
    let limits = Limits { ttl_longest: Ttl::MAX, ..Limits::default() };
    let longest = World::with(Config { limits, ..Config::default() }).await;
    let default = World::new().await;
    let nines = "9".repeat(100);
    let cases = [
        ("2591999", 2_591_999, 2_591_999),
        ("2592000", 2_592_000, 2_592_000),
        ("2592001", 2_592_000, 2_592_001),
        ("2147483647", 2_592_000, 2_147_483_647),
        ("2147483648", 2_592_000, 2_147_483_648),
        ("4294967296", 2_592_000, 2_147_483_648),
        ("9223372036854775808", 2_592_000, 2_147_483_648),
        (nines.as_str(), 2_592_000, 2_147_483_648),
    ];
    for (asked, by_default, at_most) in cases {
        for (air, granted) in [(&default, by_default), (&longest, at_most)] {
            let label = format!("{asked:.12}-{granted}");
            let phone = air.offline(&label).await;
            let reply = air.send(&phone, &without_ttl("long").with("ttl", asked)).await;
            assert_eq!(reply.status, 201, "{asked}");
            assert_eq!(reply.headers[1], ("ttl", granted.to_string()), "{asked}");
            let exchange = air.exchange(&reply.exchange).await;
            assert_eq!(exchange.expires_at, Some(EIGHT.after(secs(granted))));
            assert_eq!(exchange.state, State::Queued);
        }
    }
}

/// PS-045, PS-050: exclusive at the very end, and no trace for the reader.
#[tokio::test]
async fn the_end_of_a_message_is_exclusive() {
    for (after, delivered) in [(9_999, 1), (10_000, 0), (10_001, 0)] {
        let air = World::new().await;
        let phone = air.offline("phone").await;
        air.accepted(&phone, &message("ten seconds", 10)).await;

        air.advance(millis(after)).await;

        assert_eq!(air.go_online("phone").await.len(), delivered, "{after} ms");
    }
}

/// A message that was delivered and not acknowledged expires too.
#[tokio::test]
async fn an_unacknowledged_message_expires() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", crate::acknowledge::manual()).await;
    let held = air.accepted(&phone, &message("unseen", 10)).await;
    assert_eq!(held.state, State::Delivered);

    let fired = air.advance(secs(10)).await;

    assert_eq!(fired.len(), 1);
    assert_eq!(air.state(&held.id).await, State::Expired);
    let late = air.service.acknowledge(&air.space, &held.id).await.unwrap_err();
    assert_eq!((late.code(), late.status()), ("api/gone-state", 409));
}

/// PS-047, PS-049: connected, it is delivered, and nothing is stored.
#[tokio::test]
async fn ttl_zero_is_delivered_to_who_is_there() {
    let air = World::new().await;
    let phone = air.online("phone").await;

    let now = air.accepted(&phone, &message("now", 0)).await;

    assert_eq!(now.state, State::Acknowledged);
    assert_eq!(air.service.clock(&air.space).await.unwrap().next, None);
}

/// PS-048, PS-049: delivered in that connection or never.
#[tokio::test]
async fn ttl_zero_ends_with_the_connection() {
    let air = World::new().await;
    let phone = air.online("phone").await;
    air.change("phone", crate::acknowledge::manual()).await;
    let reply = air.send(&phone, &message("now", 0)).await;
    assert_eq!(air.state(&reply.exchange).await, State::Delivered);
    air.advance(secs(3600)).await;
    assert_eq!(air.state(&reply.exchange).await, State::Delivered, "no clock ends it");

    air.go_offline("phone").await;

    let dropped = air.exchange(&reply.exchange).await;
    assert_eq!((dropped.state, dropped.reason), (State::Dropped, Some("ttl-0")));
    assert_eq!(air.go_online("phone").await, [] as [String; 0]);
    assert!(!air.service.withdraw(message_token(&reply)).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// PS-044: the answer never promises more than was asked for, nor more than the maximum.
    #[test]
    fn no_more_is_granted_than_was_asked_for(asked in 0..1_u64 << 40, longest in 0..=1_u64 << 31) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let limits = Limits { ttl_longest: Ttl::seconds(longest), ..Limits::default() };
            let air = World::with(Config { limits, ..Config::default() }).await;
            let phone = air.offline("phone").await;
            let tickle = Message { text: None, fields: vec![("ttl", asked.to_string())] };

            let reply = air.send(&phone, &tickle).await;

            let Outcome::Accepted { ttl, .. } = reply.outcome else { panic!("{reply:?}") };
            assert_eq!(u64::from(ttl.as_seconds()), asked.min(longest));
        });
    }
}
