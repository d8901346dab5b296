//! What the crates cost: processor time of so many messages, in nanoseconds.

use futures_util::{StreamExt, stream};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use web_push::{
    HyperWebPushClient, SubscriptionInfo, VapidSignatureBuilder, WebPushClient, WebPushMessageBuilder,
    request_builder,
};
use web_push_native::{Auth, WebPushBuilder, jwt_simple::algorithms::ES256KeyPair, p256::PublicKey};

use crate::{Failure, Job, build, coding_of, octets};

pub fn ece(public: &[u8], auth: &[u8], text: &[u8], count: u32) -> Result<Value, Failure> {
    time(count, || Ok(ece::encrypt(public, auth, text)?.len()))
}

pub fn web_push(job: &Job, count: u32, token_per_message: bool) -> Result<Value, Failure> {
    if token_per_message {
        return time(count, || Ok(build(job)?.body.len()));
    }
    let message = with_one_token(job)?;
    time(count, || Ok(request_builder::build_request::<Vec<u8>>(message()?).body().len()))
}

pub fn web_push_native(job: &Job, count: u32) -> Result<Value, Failure> {
    let key = job.vapid.as_deref().ok_or("a token needs a key")?;
    let key = ES256KeyPair::from_bytes(&octets(key)?).map_err(|error| error.to_string())?;
    let public = PublicKey::from_sec1_bytes(&octets(&job.public)?)?;
    let auth = octets(&job.auth)?;
    let subject = job.subject.clone().unwrap_or_default();
    let text = octets(&job.text)?;
    let builder = WebPushBuilder::new(job.endpoint.parse()?, public, Auth::clone_from_slice(&auth))
        .with_vapid(&key, &subject);
    time(count, || Ok(builder.build(text.clone())?.body().len()))
}

/// Counts what the whole process spends: the client's tasks and the kernel's work for its sockets.
pub fn send_web_push(job: &Job, count: u32, at_once: usize) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let message = with_one_token(job)?;
    let before = clock(ClockId::ProcessCPUTime);
    runtime.block_on(async {
        let client = HyperWebPushClient::new();
        let mut sending = stream::iter(0..count)
            .map(|_| async { Ok::<_, Failure>(client.send(message()?).await?) })
            .buffer_unordered(at_once);
        while let Some(outcome) = sending.next().await {
            outcome?;
        }
        Ok::<_, Failure>(())
    })?;
    Ok(json!({ "nanoseconds": clock(ClockId::ProcessCPUTime) - before }))
}

/// Makes one message after the other, all with the same token.
fn with_one_token(job: &Job) -> Result<impl Fn() -> Result<web_push::WebPushMessage, Failure>, Failure> {
    let text = octets(&job.text)?;
    let coding = coding_of(&job.coding)?;
    let subscription = SubscriptionInfo::new(&job.endpoint, &job.public, &job.auth);
    let key = job.vapid.as_deref().ok_or("a cached token needs a key")?;
    let mut signature = VapidSignatureBuilder::from_base64(key, &subscription)?;
    if let Some(subject) = &job.subject {
        signature.add_claim("sub", subject.clone());
    }
    let signature = signature.build()?;
    let ttl = job.ttl;
    Ok(move || {
        let mut builder = WebPushMessageBuilder::new(&subscription);
        builder.set_ttl(ttl);
        builder.set_payload(coding, &text);
        builder.set_vapid_signature(signature.clone());
        Ok(builder.build()?)
    })
}

/// Runs `work`; the sum of lengths keeps it from being optimised away.
fn time(count: u32, mut work: impl FnMut() -> Result<usize, Failure>) -> Result<Value, Failure> {
    let before = clock(ClockId::ThreadCPUTime);
    let mut total = 0_usize;
    for _ in 0..count {
        total += work()?;
    }
    Ok(json!({ "nanoseconds": clock(ClockId::ThreadCPUTime) - before, "octets": total }))
}

/// Nanoseconds of processor time.
fn clock(which: ClockId) -> i64 {
    let time = clock_gettime(which);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
