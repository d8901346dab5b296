//! How do I run the service inside of a program of my own, on its runtime?
#![expect(clippy::print_stdout, reason = "an example shows the straight path")]

use std::time::Duration;

use push_mock_server::{Config, Server, service::subscription::NewSubscription};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = vec!["127.0.0.1:0".parse()?];
    let server = Server::bind(Config { listen, ..Config::default() })?;
    let service = server.service().clone();
    println!("push resources are below {}", server.url());

    // A real program waits for Ctrl-C or a signal here.
    let stop = tokio::time::sleep_until(tokio::time::Instant::now() + Duration::from_millis(100));
    let running = tokio::spawn(server.run(stop));

    let alice = NewSubscription { label: Some("alice".into()), ..NewSubscription::default() };
    let alice = service.subscribe(&"default".parse()?, alice).await?;
    println!("{} may be sent to", alice.label);

    running.await?;
    Ok(())
}
