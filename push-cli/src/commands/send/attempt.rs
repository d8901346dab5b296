//! One message to one receiver, through push-client.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use http::{Request, Response};
use push_client::{
    ClientLimits, Outcome, PushClient, PushMessage,
    transport::{HttpVersion, HyperTransport, StubTransport, Transport, TransportError, TransportOptions},
};
use push_crypto::{PushResource, Subscription, vapid::Subject};
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
    commands::{ca, demo},
    diagnostic::{Diagnostic, Result},
    environment,
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
    let subscription = addressed(args, receiver)?;
    if receiver.is_browser && subscription.keys.is_none() && message.payload_octets().is_some() {
        return Err(keys_of_page(receiver));
    }
    let signer = identity.of(receiver).await?;
    if args.dry_run || args.curl {
        dry_run(args, &subscription, message, signer, out).await?;
        return Ok(None);
    }
    let seen = Seen::default();
    let transport = Observed { inner: HyperTransport::new(options(args, receiver)?), seen: seen.clone() };
    let client = client(args, signer.as_ref(), transport)?;
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

/// The subscription, on the path of 2016 when that was asked for.
fn addressed(args: &SendArgs, receiver: &Receiver) -> Result<Subscription> {
    let mut subscription = receiver.subscription.clone();
    if !args.options.path_2016 {
        return Ok(subscription);
    }
    let path = subscription.endpoint.expose_path();
    let older = demo::path_2016(path);
    if older == path {
        return Err(Diagnostic::usage("--path-2016 needs a local endpoint (…/p/…) of push serve"));
    }
    let url = format!("{}{older}", subscription.endpoint.origin());
    subscription.endpoint = url.parse::<PushResource>().map_err(|error| {
        Diagnostic::input(error.code(), "the endpoint has no form of 2016").why(error.to_string())
    })?;
    Ok(subscription)
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
    let outcome = client(args, signer.as_ref(), transport)?.send(subscription, message).await;
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

fn client(args: &SendArgs, signer: Option<&Signer>, transport: impl Transport) -> Result<PushClient> {
    let mut builder = PushClient::builder().limits(limits(args)).retries(args.way.retry).transport(transport);
    builder = match signer {
        None => builder,
        Some(Signer { key, subject: Some(subject) }) => builder.vapid(key.clone(), subject.clone()),
        Some(Signer { key, subject: None }) => builder.vapid_without_subject(key.clone()),
    };
    builder
        .build()
        .map_err(|error| Diagnostic::usage("these options do not fit together").why(error.to_string()))
}

fn limits(args: &SendArgs) -> ClientLimits {
    let defaults = ClientLimits::default();
    let timeout = args.way.timeout;
    ClientLimits {
        connect: defaults.connect.min(timeout),
        tls: defaults.tls.min(timeout),
        headers_within: timeout,
        total: timeout,
        // aesgcm and aesgcm128 add less than aes128gcm, so more text fits into 4 096 octets; the body is what counts.
        ..defaults
    }
}

fn options(args: &SendArgs, receiver: &Receiver) -> Result<TransportOptions> {
    let way = &args.way;
    let unusable = |error: push_client::BuildError| {
        Diagnostic::usage("the connection cannot be made so").why(error.to_string())
    };
    // The user named this endpoint: any port is meant, and loopback is always permitted.
    let mut options = TransportOptions::default().allow_loopback().allow_any_port().limits(limits(args));
    if way.allow_private {
        options = options.allow_private();
    }
    if way.http1 || way.http2 {
        options = options.http_version(if way.http1 { HttpVersion::Http1 } else { HttpVersion::Http2 });
    }
    for (host, address) in way.connections()? {
        options = options.connect_to(&host, address).map_err(unusable)?;
    }
    if let Some(proxy) = way.proxy.clone().or_else(|| environment::variable("HTTPS_PROXY")) {
        options = options.proxy(&proxy).map_err(unusable)?;
        for host in environment::variable("NO_PROXY").unwrap_or_default().split(',') {
            options = options.no_proxy(host.trim());
        }
    }
    if way.insecure {
        options = options.danger_accept_any_certificate();
    }
    if receiver.is_own || !way.connect_to.is_empty() || way.proxy.is_some() {
        for pem in ca::local_pems() {
            options = options.add_root_pem(pem.as_bytes()).map_err(unusable)?;
        }
    }
    Ok(options)
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
