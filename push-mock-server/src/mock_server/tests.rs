use std::net::TcpStream;

use super::*;
use crate::{blocking, clock::wall};

fn address(url: &str) -> String {
    url.rsplit('/').next().unwrap().replace("localhost", "127.0.0.1")
}

#[tokio::test]
async fn it_listens_when_it_is_started_and_not_when_it_is_stopped() {
    let push = MockServer::start().await;
    let address = address(&push.url());

    assert!(TcpStream::connect(&address).is_ok());
    assert!(push.https_url().is_some_and(|url| url.starts_with("https://localhost:")));
    assert!(push.ca_pem().is_some_and(|pem| pem.starts_with("-----BEGIN CERTIFICATE-----")));
    push.shutdown().await;
    assert!(TcpStream::connect(&address).is_err());
}

#[tokio::test]
async fn two_of_them_do_not_meet() {
    let (one, other) = (MockServer::start().await, MockServer::start().await);
    let alice = one.user_agent("alice").await;

    assert_ne!(one.url(), other.url());
    assert!(alice.endpoint().starts_with(&one.url()));
    assert!(other.handle().subscription(&SpaceName::default(), "alice").await.is_err());
}

#[tokio::test]
async fn the_steps_of_a_user_agent_reach_its_subscription() {
    let push = MockServer::builder().clock(Clock::frozen()).seed(7).start().await;
    let alice = push.user_agent("alice").offline().await;
    let view = async || push.handle().subscription(&SpaceName::default(), "alice").await.unwrap();
    assert!(!view().await.user_agent.online);

    assert!(alice.go_online().await.is_empty());
    assert!(view().await.user_agent.online);
    let (old, old_id) = (alice.endpoint(), alice.id());
    alice.rotate().await;
    assert_ne!((alice.endpoint(), alice.id()), (old, old_id));
    assert_eq!(view().await.endpoint.expose(), alice.endpoint());
    alice.expire(410).await;
    assert_eq!(view().await.gone.map(|gone| gone.status), Some(410));
    alice.unsubscribe().await;
    assert!(push.handle().subscription(&SpaceName::default(), "alice").await.is_err());
}

/// The application under test may live on the clock of the space.
#[tokio::test]
async fn whoever_advances_the_clock_waits_for_sleepers() {
    let push = MockServer::builder().clock(Clock::frozen()).start().await;
    let clock = push.clock();
    let deadline = clock.view().await.now.after(hours(1));
    let sleeping = tokio::spawn({
        let clock = clock.clone();
        async move {
            let due = clock.sleep_until(deadline).await;
            let seen = clock.view().await.now;
            drop(due);
            seen
        }
    });
    tokio::task::yield_now().await;

    clock.advance(hours(2)).await;

    assert_eq!(sleeping.await.unwrap(), deadline);
}

#[tokio::test]
async fn a_step_that_cannot_be_done_names_the_line_of_the_test() {
    let push = MockServer::start().await;
    let _alice = push.user_agent("alice").await;

    let line = line!() + 1;
    let again = push.user_agent("alice");
    let Err(panic) = tokio::spawn(again.into_future()).await else { panic!("the label is taken") };

    let panic = panic.into_panic();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.starts_with("a subscription \"alice\" exists in space default\n  at "), "{text}");
    assert!(text.contains(&format!("tests.rs:{line}:")), "{text}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let push = MockServer::start().await;
    let port = push.url().rsplit(':').next().unwrap().parse().unwrap();

    let error = MockServer::builder().port(port).try_start().await.unwrap_err();

    assert!(error.to_string().contains("is already in use"), "{error}");
}

#[test]
fn it_works_without_a_runtime() {
    use blocking::Wait;

    let push = blocking::MockServer::start();
    let alice = push.user_agent("alice").wait();

    assert!(push.received().wait().is_empty());
    assert_eq!(alice.label(), "alice");
    assert!(push.clock().view().wait().now <= wall());
    push.shutdown();
}

/// Dropping neither panics nor blocks, also in the thread of a runtime and while it panics.
#[test]
fn it_may_be_dropped_anywhere() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { drop(MockServer::start().await) });

    let thread = std::thread::spawn(|| {
        let _push = blocking::MockServer::start();
        std::panic::resume_unwind(Box::new("the test failed"));
    });
    let panic = thread.join().unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"the test failed"));
}

#[cfg(feature = "browsers")]
#[tokio::test]
async fn browsers_are_wired_to_this_server_and_space() {
    let push = MockServer::start().await;

    let firefox = push.space("t1").browser_firefox();
    assert_eq!(firefox.service, format!("{}/ua/firefox/t1", push.url().replace("http:", "ws:")));
    let chromium = push.browser_chromium().unwrap();
    assert!(chromium.args[0].starts_with(&format!("--gcm-checkin-url={}/ua/chromium/default/", push.url())));
    assert!(MockServer::builder().without_tls().start().await.browser_chromium().is_err());
}
