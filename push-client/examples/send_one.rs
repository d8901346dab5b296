//! Sends one message: `cargo run -p push-client --example send_one -- subscription.json vapid.pem "Hello"`
//!
//! The first file holds what the page's `JSON.stringify(subscription)` gave, the second the VAPID private key.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{env, error::Error, fs};

use push_client::{
    Outcome, PushClient, PushMessage, Subscription, Ttl, provider::aws_lc_rs, vapid::VapidKey,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [subscription, key, text] = arguments.as_slice() else {
        return Err("usage: send_one SUBSCRIPTION.json VAPID.pem TEXT".into());
    };
    let subscription = Subscription::from_json(&fs::read_to_string(subscription)?)?;
    let (key, _) = VapidKey::import(&aws_lc_rs::PROVIDER, &fs::read(key)?)?;

    // Endpoints of a push service on this machine are allowed, because a developer runs this.
    let client =
        PushClient::builder().vapid(key, "mailto:you@example.com".parse()?).allow_loopback().build()?;
    let message = PushMessage::text(Ttl::seconds(60), text.as_str());

    match client.send(&subscription, &message).await {
        Outcome::Accepted(accepted) => match accepted.ttl {
            Some(ttl) => println!("accepted; it waits {ttl} s for the user agent"),
            None => println!("accepted"),
        },
        Outcome::Gone(_) => println!("the subscription has ended; delete it"),
        other => println!("{other}"),
    }
    Ok(())
}
