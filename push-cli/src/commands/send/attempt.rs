//! One message to one receiver, through push-client.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use push_client::{
    Outcome, PushMessage,
    transport::{HyperTransport, StubTransport, Transport, TransportError},
};
use push_crypto::{Subscription, vapid::Subject};
use serde_json::Value;

use super::{
    SendArgs,
    identity::{Identity, Signer},
    receivers::Receiver,
    report::Report,
    request,
};
use crate::{
    api::Api,
    diagnostic::{Diagnostic, Result},
    message::member,
    output::Output,
    text,
};

/// Sends, or shows what would be sent (then there is no report).
pub(super) async fn send(
    args: &SendArgs,
    receiver: &Receiver,
    message: &PushMessage,
    identity: &mut Identity<'_>,
    api: &Api,
    out: Output,
) -> Result<Option<Report>> {
    let subscription = args.options.addressed(&receiver.subscription)?;
    if receiver.is_browser && subscription.keys.is_none() && message.payload_octets().is_some() {
        return Err(keys_of_page(receiver));
    }
    let signer = identity.of(receiver.is_own).await?;
    if args.dry_run || args.curl {
        dry_run(args, &subscription, message, signer, out).await?;
        return Ok(None);
    }
    let seen = Seen::default();
    let transport =
        Observed { inner: HyperTransport::new(args.way.options(receiver.is_own)?), seen: seen.clone() };
    let client = args.way.client(args.way.limits(), signer.as_slice(), transport)?;
    let began = Instant::now();
    let outcome = client.send(&subscription, message).await;
    let ms = began.elapsed().as_millis();
    let last = seen.take();
    if let (true, Some(request)) = (args.show_request, &last) {
        out.note(text::escape_block(&request::as_http(request)));
    }
    let coding = last.as_ref().and_then(|request| request.headers().get("content-encoding")?.to_str().ok());
    let coding = coding.and_then(|name| name.parse::<push_crypto::ContentCoding>().ok());
    let recorded = if receiver.is_own { recorded(&outcome, receiver, api).await } else { None };
    Ok(Some(Report {
        to: receiver.name.clone(),
        outcome,
        ms,
        payload: message.payload_octets(),
        body: last.map_or(0, |request| request.body().len()),
        coding: coding.map_or("", push_crypto::ContentCoding::as_str),
        vapid: signer.map(|signer| signer.subject.as_ref().map(Subject::as_str).map(str::to_owned)),
        recorded,
    }))
}

/// The browser gave its keys to its page alone, and nothing can be encrypted without them.
fn keys_of_page(receiver: &Receiver) -> Diagnostic {
    let name = text::quote(&receiver.name, 60);
    Diagnostic::input("subscription/keys-missing", format!("the keys of {name} are known to its page only"))
        .why("a stock browser tells the push service no keys; its page gets them with the subscription")
        .fix(
            "send from the application that has the subscription, or a message without a payload (--empty); \
             the page /try tells its keys by itself",
        )
        .see("push help subscription/keys-missing")
}

async fn dry_run(
    args: &SendArgs,
    subscription: &Subscription,
    message: &PushMessage,
    signer: Option<Signer>,
    out: Output,
) -> Result<()> {
    let seen = Seen::default();
    let transport = Observed { inner: StubTransport::accepting(), seen: seen.clone() };
    let client = args.way.client(args.way.limits(), signer.as_slice(), transport)?;
    let outcome = client.send(subscription, message).await;
    let Some(request) = seen.take() else {
        return Err(Diagnostic::input(
            outcome.code().unwrap_or("send").to_owned(),
            "this message cannot be sent",
        )
        .why(outcome.to_string()));
    };
    if args.curl {
        return out.line(request::as_curl(&request));
    }
    if out.is_json() {
        let headers: serde_json::Map<String, Value> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        return out.object(serde_json::json!({
            "dryRun": true, "method": request.method().as_str(), "url": request.uri().to_string(),
            "headers": headers, "body": push_crypto::base64url::encode(request.body()),
        }));
    }
    out.line(text::escape_block(request::as_http(&request).trim_end()))?;
    out.note("nothing was sent (--dry-run)");
    Ok(())
}

/// What the service recorded of the message: the one with our resource, or the newest of this status.
async fn recorded(outcome: &Outcome, receiver: &Receiver, api: &Api) -> Option<Value> {
    let messages = api.list("/messages", &[], 20).await.ok()?;
    let status = outcome.status();
    messages.into_iter().find(|message| match outcome {
        Outcome::Accepted(accepted) => {
            let ours = accepted.message_resource.as_ref().map(|resource| resource.expose());
            let fields = message.pointer("/response/headers").and_then(Value::as_array);
            let location = fields
                .into_iter()
                .flatten()
                .find(|field| field.get(0).and_then(Value::as_str) == Some("location"));
            ours.is_some() && location.and_then(|field| field.get(1)?.as_str()) == ours
        }
        _ => {
            member(message, "to") == receiver.name
                && message.pointer("/response/status").and_then(Value::as_u64) == status.map(u64::from)
        }
    })
}

/// The last request that went through a transport.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Option<Request<Bytes>>>>);

impl Seen {
    fn put(&self, request: &Request<Bytes>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
    }

    fn take(&self) -> Option<Request<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A transport that is looked at on the way.
struct Observed<T> {
    inner: T,
    seen: Seen,
}

impl<T: Transport> Transport for Observed<T> {
    fn call(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = std::result::Result<Response<Bytes>, TransportError>> + Send {
        self.seen.put(&request);
        self.inner.call(request)
    }
}
