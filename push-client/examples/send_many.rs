//! Sends one text to everybody in a registry: `cargo run -p push-client --example send_many -- recipients.jsonl vapid.pem "Hello"`
//!
//! Whoever has unsubscribed is marked by the outcome and pruned at the end.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::{collections::BTreeMap, env, error::Error, fs};

use futures_util::{StreamExt, stream};
use push_client::{
    PushClient, PushMessage, Recipient, Registry, SystemTimer, Timer, Ttl, provider::aws_lc_rs,
    vapid::VapidKey,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [registry, key, text] = arguments.as_slice() else {
        return Err("usage: send_many RECIPIENTS.jsonl VAPID.pem TEXT".into());
    };
    let mut registry = Registry::open(registry)?;
    let (key, _) = VapidKey::import(&aws_lc_rs::PROVIDER, &fs::read(key)?)?;
    let client =
        PushClient::builder().vapid(key, "mailto:you@example.com".parse()?).allow_loopback().build()?;

    // The text is shared, not copied; each recipient gets it encrypted with keys of its own.
    let message = PushMessage::text(Ttl::seconds(3600), text.as_str());
    let recipients: Vec<Recipient> = registry.iter().cloned().collect();
    let items = stream::iter(recipients.into_iter().map(|recipient| {
        let endpoint = recipient.subscription.endpoint.clone();
        (endpoint, recipient.subscription, message.clone())
    }));

    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    let mut outcomes = client.send_all(items);
    while let Some((endpoint, outcome)) = outcomes.next().await {
        *totals.entry(outcome.as_str()).or_default() += 1;
        registry.record(&endpoint, &outcome, SystemTimer.now())?;
    }
    let pruned = registry.prune()?;

    for (outcome, count) in totals {
        println!("{count:>6} {outcome}");
    }
    println!("{:>6} removed from the registry", pruned.len());
    Ok(())
}
