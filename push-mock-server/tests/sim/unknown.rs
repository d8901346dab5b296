//! Requests that lead nowhere: unknown and altered tokens.

use push_mock_server::{
    PushTokenText, SpaceName,
    service::{exchange::State, reply::Outcome},
};

use crate::world::*;

/// P-09: an unknown capability is 404 whatever the method, recorded in the space `default`.
#[tokio::test]
async fn an_unknown_resource_is_recorded_in_the_default_space() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let foreign = World::new().await.offline("phone").await;
    for (token, method) in
        [(Some(token_of(&foreign)), "POST"), (Some(PushTokenText("x")), "GET"), (None, "DELETE")]
    {
        let mut request = request(&phone, &message("x", 60));
        request.method = method.into();
        let reply = air.service.deliver(token, request).await;

        assert_eq!(refusal(&reply), (404, "subscription/unknown"), "{method}");
        let recorded = air.service.exchange(&SpaceName::default(), &reply.exchange).await.unwrap();
        assert_eq!((recorded.state, recorded.reason), (State::Refused, Some("subscription/unknown")));
        assert_eq!((recorded.to.as_ref(), recorded.response.status), (None, Some(404)));
    }
    assert!(air.service.exchanges(&air.space).await.unwrap().is_empty());
}

/// A token that was changed on its way through a database is told from a made-up one.
#[tokio::test]
async fn an_altered_token_is_named() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let token = token_of(&phone).0;
    for altered in [&token[..60], &token.to_lowercase(), &format!("\\{token}"), &format!("{token}%22")] {
        let request = request(&phone, &message("x", 60));
        let reply = air.service.deliver(Some(PushTokenText(altered)), request).await;

        assert_eq!(refusal(&reply), (404, "subscription/endpoint-altered"));
    }
}

/// A sender that does not stop after a 404 is told at the third request after it.
#[tokio::test]
async fn sending_on_after_gone_is_noticed() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    air.service.expire(&air.space, "phone", 410).await.unwrap();
    let mut noticed = Vec::new();
    for _ in 0..4 {
        let reply = air.send(&phone, &message("x", 60)).await;
        let exchange = air.exchange(&reply.exchange).await;
        noticed.push(exchange.findings.iter().any(|finding| finding.code == "request/sent-after-gone"));
    }

    assert_eq!(noticed, [false, false, false, true]);
}

/// The answer names the method that works, and what is recorded is what is answered.
#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let air = World::new().await;
    let phone = air.offline("phone").await;
    let mut request = request(&phone, &message("x", 60));
    request.method = "PATCH".into();

    let reply = air.service.deliver(Some(token_of(&phone)), request).await;

    assert_eq!(refusal(&reply), (405, "request/method"));
    assert_eq!(reply.headers, [("allow", "POST, PUT, OPTIONS".to_owned())]);
    assert_eq!(air.exchange(&reply.exchange).await.response.headers, reply.headers);
    assert!(matches!(reply.outcome, Outcome::Refused(_)));
}
