//! Does my application forget subscriptions that are gone, wait when it is told to, and show what it got wrong?
#![expect(clippy::expect_used, clippy::print_stdout, reason = "an example shows the straight path")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    num::NonZeroU32,
};

use push_mock_server::{
    Level, Rate, State,
    blocking::{MockServer, Wait as _},
    secs,
};

fn main() {
    let once_a_second = Rate::per_second(NonZeroU32::MIN);
    let push = MockServer::start_with(MockServer::builder().rate(once_a_second)).expect("it starts");
    let alice = push.user_agent("alice").wait();
    let bob = push.user_agent("bob").wait();

    // Gone: the application must delete the subscription.
    alice.expire(410).wait();
    assert!(send(&alice.endpoint(), "ttl: 60").starts_with("HTTP/1.1 410 "));

    // Too fast: the application must wait as long as it is told.
    assert!(send(&bob.endpoint(), "ttl: 60").starts_with("HTTP/1.1 201 "));
    assert!(send(&bob.endpoint(), "ttl: 60").contains("retry-after: 1\r\n"));

    // Wrong: the answer and the record say why, and what to do.
    assert!(send(&bob.endpoint(), "topic: score").starts_with("HTTP/1.1 400 "));
    let refused = push.refused().wait();
    let finding =
        refused.last().and_then(|message| message.findings().find("ttl/missing")).expect("it is told");
    println!("{}: {} {}", finding.code, finding.why, finding.fix);

    push.expect().to(&bob).state(State::Acknowledged).no_finding(Level::Error).once().within(secs(5)).wait();
    let gone = push.expect().to(&alice).state(State::Refused).status(410).once();
    let others = push.expect().to(&bob).state(State::Refused).times(2);
    push.verify().ordered().expect(gone).expect(others).wait();
}

/// Stands for the application under test: a message without a body, and the answer as text.
fn send(endpoint: &str, field: &str) -> String {
    let (authority, path) = endpoint
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .expect("push resources are in clear text on loopback");
    let mut stream = TcpStream::connect(authority).expect("the service listens");
    let head = format!("POST /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    write!(stream, "{head}content-length: 0\r\n{field}\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}
