//! How do I encrypt a message for a subscription, and what do I send?
//!
//! `cargo run -p push-crypto --example encrypt -- subscription.json "Hello"`; without arguments a fresh subscription.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, error::Error, fs};

use push_crypto::{
    ContentCoding, EncryptJob, EncryptOptions, Schedule, Subscription, SubscriptionKeys, UserAgentKeys,
    base64url, provider::rust_crypto::PROVIDER,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let keys = match arguments.next() {
        Some(file) => stored_keys(&fs::read_to_string(file)?)?,
        None => UserAgentKeys::generate(&PROVIDER)?.subscription_keys(),
    };
    let text = arguments.next().unwrap_or_else(|| "Hello".to_owned());

    let schedule = Schedule::for_keys(ContentCoding::Aes128gcm, &keys)?;
    let job = EncryptJob { keys: &keys, plaintext: text.as_bytes() };
    let message = push_crypto::encrypt(&PROVIDER, &EncryptOptions::new(schedule), job)?;

    // POST the body to the push resource, with these fields, TTL and Authorization (see the example vapid).
    for (name, value) in message.headers() {
        println!("{name}: {value}");
    }
    println!("content-length: {}", message.body().len());
    println!("\n{}", base64url::encode(message.body()));
    Ok(())
}

fn stored_keys(json: &str) -> Result<SubscriptionKeys, Box<dyn Error>> {
    let subscription = Subscription::from_json(json)?;
    Ok(subscription
        .keys
        .ok_or("the subscription has no keys, so only a message without payload can be sent")?)
}
