//! What one message costs a push service: accept, check VAPID, decrypt, record. Ours beside npm
//! web-push-testing, given requests made in the same way, over HTTP/1.1 in clear text, the only thing both speak;
//! and accepting alone, of messages that the service cannot open, beside hyper alone.
//! Counted is the processor time of the whole process, kernel included.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use push_crypto::{
    EncryptJob, EncryptOptions, PushResource, Subscription, UserAgentKeys,
    provider::aws_lc_rs::PROVIDER,
    vapid::{AuthorizationScheme, Claims, Subject, Token, VapidKey},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime, task::LocalSet};

use super::{
    Part,
    connections::{self, Target},
    crypto::OCTETS,
    figures::{Claim, Figure, Rounds, Scale, median},
    floor::{Floor, Role},
    machine::Account,
    push_build,
};
use crate::{
    failure::{Context, Failure},
    interop::{self, OtherService},
    service::{self, Service},
    workspace,
};

const ROUNDS: usize = 7;
/// Requests under way at once, each on a connection of its own.
const CONNECTIONS: usize = 64;
/// Subscriptions whose messages wait: a queue holds 100, and all rounds together put half as many into each.
const OPAQUE: usize = 512;

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let program = service::binary(push_build(scale))?;
    let ours = Service::start(&program, "bench")?;
    let hyper = Floor::start(Role::Http)?;
    let mut node = interop::node(None)?;
    let other = OtherService::start(&mut node)?;
    let key = VapidKey::generate(&PROVIDER).context("key")?;
    let to_us = subscribe_to_us(&ours, &key)?;
    let to_other = subscribe_to_other(&other, &mut node, &key)?;
    let opaque = opaque(ours.port()?, scale.or(OPAQUE, 8))?;
    let body = sealed()?;

    let mut rounds = Rounds::new(scale);
    for (name, count, target, process, tokens) in [
        ("push serve, one token", 8000, &to_us, ours.process(), Tokens::One),
        ("push serve, a token each", 4000, &to_us, ours.process(), Tokens::Each),
        ("npm web-push-testing 1.2.2, one token", 1000, &to_other, other.process(), Tokens::One),
        ("npm web-push-testing 1.2.2, a token each", 1000, &to_other, other.process(), Tokens::Each),
    ] {
        let key = &key;
        rounds.add(name, count, move |count| {
            let requests = requests(target, key, tokens, count)?;
            measure(process, target.endpoint.origin().port(), requests)
        });
    }
    for (name, process, port) in [
        ("push serve, accepted and queued, opaque", ours.process(), ours.port()?),
        ("hyper alone, the same requests", hyper.process(), hyper.port),
    ] {
        let (opaque, body) = (&opaque, &body);
        rounds.add(name, 4000, move |count| measure(process, port, plain(opaque, port, body, count)?));
    }
    let figures = rounds.run(ROUNDS)?;
    let claims = claims(&figures);
    let notes = vec![format!(
        "Processor time of the whole process, its kernel's share included, over {CONNECTIONS} connections of HTTP/1.1 in clear text. Opaque: the keys are a browser's, so nothing can be opened."
    )];
    Ok(Part {
        name: "service",
        title: "Receiving 1 KiB: accept, check VAPID, decrypt, record",
        figures,
        claims,
        notes,
    })
}

fn claims(figures: &[Figure]) -> Vec<Claim> {
    let of = |name: &str| median(figures, name);
    vec![
        Claim::at_least(
            25.0,
            of("npm web-push-testing 1.2.2, one token") / of("push serve, one token"),
            "accept + VAPID + decrypt, one token: npm web-push-testing ÷ ours",
        ),
        Claim::told(
            of("npm web-push-testing 1.2.2, a token each") / of("push serve, a token each"),
            "accept + VAPID + decrypt, a token each: npm web-push-testing ÷ ours",
        ),
        Claim::at_least(
            0.6,
            of("hyper alone") / of("push serve, accepted"),
            "accept only, opaque: hyper alone ÷ ours",
        ),
        Claim::told(
            1e6 / of("push serve, one token"),
            "messages accepted, opened and recorded per second and core",
        ),
    ]
}

/// What a process spends on these requests.
fn measure(process: u32, port: u16, requests: VecDeque<Made>) -> Result<u64, Failure> {
    let before = Account::of(process)?;
    drive(port, requests)?;
    before.since()
}

#[derive(Clone, Copy)]
enum Tokens {
    One,
    Each,
}

type Made = Request<Full<Bytes>>;

fn subscribe_to_us(service: &Service, key: &VapidKey) -> Result<Subscription, Failure> {
    let text = service.push(&["sub", "new", "bench", "--key", &key.public().to_base64url()])?;
    Subscription::from_json(text.trim()).context("our subscription")
}

fn subscribe_to_other(
    other: &OtherService,
    node: &mut interop::Peer,
    key: &VapidKey,
) -> Result<Subscription, Failure> {
    let made =
        other.ask(node, "subscribe", &json!({ "applicationServerKey": key.public().to_base64url() }))?;
    let Value::Object(data) = &made["data"] else { return Err(Failure::new(format!("it answered {made}"))) };
    let text = json!({ "endpoint": data.get("endpoint"), "keys": data.get("keys") }).to_string();
    Subscription::from_json(&text).context("its subscription")
}

/// Paths of subscriptions of Firefoxes that were there once.
pub(super) fn opaque(port: u16, count: usize) -> Result<Vec<String>, Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let clients = runtime.block_on(connections::open(&Target::clear(port), count))?;
    Ok(clients.iter().map(|client| client.path().to_owned()).collect())
}

/// A message for nobody: its keys are gone.
pub(super) fn sealed() -> Result<Bytes, Failure> {
    let keys = UserAgentKeys::generate(&PROVIDER).context("keys")?.subscription_keys();
    let job = EncryptJob { keys: &keys, plaintext: &[b'x'; OCTETS] };
    let message = push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).context("encrypt")?;
    Ok(message.into_body().into())
}

/// Messages without VAPID to these push resources in turn.
pub(super) fn plain(
    paths: &[String],
    port: u16,
    body: &Bytes,
    count: u32,
) -> Result<VecDeque<Made>, Failure> {
    let host = format!("localhost:{port}");
    let each = paths.iter().cycle().zip(0..count);
    each.map(|(path, _)| {
        Request::post(path)
            .header(header::HOST, &host)
            .header("ttl", "600")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .body(Full::new(body.clone()))
            .context("request")
    })
    .collect()
}

fn requests(
    target: &Subscription,
    key: &VapidKey,
    tokens: Tokens,
    count: u32,
) -> Result<VecDeque<Made>, Failure> {
    let keys = target.keys.as_ref().ok_or_else(|| Failure::new("a subscription without keys"))?;
    let mut authorization = identification(&target.endpoint, key)?;
    let mut made = VecDeque::new();
    for number in 0..count {
        let mut text = format!("{number:08}").into_bytes();
        text.resize(OCTETS, b'x');
        let job = EncryptJob { keys, plaintext: &text };
        let message = push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).context("encrypt")?;
        if matches!(tokens, Tokens::Each) && number > 0 {
            authorization = identification(&target.endpoint, key)?;
        }
        let request = Request::post(target.endpoint.expose_path())
            .header(header::HOST, target.endpoint.origin().authority())
            .header("ttl", "60")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_ENCODING, message.coding().as_str())
            .header(header::AUTHORIZATION, authorization.clone())
            .body(Full::new(Bytes::from(message.into_body())))
            .context("request")?;
        made.push_back(request);
    }
    Ok(made)
}

/// A new token each time, even for the same second: ECDSA signatures of AWS-LC are never the same twice.
fn identification(endpoint: &PushResource, key: &VapidKey) -> Result<HeaderValue, Failure> {
    let subject: Subject = "mailto:bench@example.com".parse().context("subject")?;
    let life = Duration::from_secs(12 * 3600);
    let claims =
        Claims::new(endpoint.origin().clone(), workspace::now(), life, Some(subject)).context("claims")?;
    let token = Token::sign(&PROVIDER, key, &claims).context("sign")?;
    let fields = token.authorization(AuthorizationScheme::Vapid, key.public());
    HeaderValue::from_str(&fields.authorization).context("authorization")
}

/// Sends them over a few kept connections, one after the other on each; every one must be accepted.
pub(super) fn drive(port: u16, requests: VecDeque<Made>) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let queue = Rc::new(RefCell::new(requests));
    LocalSet::new().block_on(&runtime, async {
        let mut lanes = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => stream,
                Err(_) => TcpStream::connect(("::1", port)).await?,
            };
            stream.set_nodelay(true)?;
            lanes.push(tokio::task::spawn_local(lane(stream, Rc::clone(&queue))));
        }
        for lane in lanes {
            lane.await.context("connection")??;
        }
        Ok(())
    })
}

async fn lane(stream: TcpStream, queue: Rc<RefCell<VecDeque<Made>>>) -> Result<(), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context("connection")?;
    tokio::task::spawn_local(connection);
    loop {
        let Some(request) = queue.borrow_mut().pop_front() else { return Ok(()) };
        let answer = sender.send_request(request).await.context("request")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("answer")?.to_bytes();
        if status != StatusCode::CREATED {
            return Err(Failure::new(format!("answered {status}: {}", String::from_utf8_lossy(&body))));
        }
        sender.ready().await.context("connection")?;
    }
}
