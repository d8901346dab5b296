//! How do I test what happens when a message lives longer, or shorter, than the phone is in airplane mode?
#![expect(clippy::expect_used, clippy::print_stdout, reason = "an example shows the straight path")]

use push_mock_server::{
    Clock, MockServer, PushTokenText, SpaceName, State,
    clock::wall,
    millis, secs,
    service::request::{DeliveryRequest, RequestBody, Via},
};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let push = MockServer::builder().clock(Clock::frozen()).start().await;
    let phone = push.user_agent("phone").offline().await;

    let in_time = send(&push, &phone.endpoint(), 60).await;
    push.clock().advance(millis(59_999)).await;
    phone.go_online().await;
    assert_eq!(state(&push, &in_time).await, State::Acknowledged);

    phone.go_offline().await;
    let too_late = send(&push, &phone.endpoint(), 60).await;
    for fired in push.clock().advance(secs(60)).await {
        println!("{} {} {:?}", fired.at, fired.what.as_str(), fired.to);
    }
    assert!(phone.go_online().await.is_empty());
    assert_eq!(state(&push, &too_late).await, State::Expired);
}

/// A message without a body, by a call without a socket; an application would use HTTP.
async fn send(push: &MockServer, endpoint: &str, ttl: u32) -> String {
    let token = endpoint.rsplit('/').next().map(PushTokenText);
    let request = DeliveryRequest {
        method: "POST".into(),
        via: Via::Http,
        http_version: "1.1",
        url: endpoint.into(),
        origin: None,
        headers: vec![("ttl".into(), ttl.to_string())],
        streamed: false,
        body: RequestBody::Whole(bytes::Bytes::new()),
        at: wall(),
    };
    push.handle().deliver(token, request).await.exchange
}

async fn state(push: &MockServer, id: &str) -> State {
    push.handle().exchange(&SpaceName::default(), id).await.expect("it is recorded").state
}
