//! What one message costs a push service: accept, check VAPID, decrypt, record. Ours beside npm
//! web-push-testing, given requests made in the same way, over HTTP/1.1 in clear text, the only thing both speak.
//! Counted is the processor time of the whole process, kernel included.

use std::{collections::VecDeque, fs, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use push_crypto::{
    EncryptJob, EncryptOptions, PushResource, Subscription,
    provider::aws_lc_rs::PROVIDER,
    vapid::{AuthorizationScheme, Claims, Subject, Token, VapidKey},
};
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime, task::LocalSet};

use super::{
    Part,
    figures::{Claim, Rounds},
};
use crate::{
    failure::{Context, Failure},
    interop::{self, OtherService},
    service::{self, Build, Service},
    workspace,
};

const ROUNDS: usize = 7;
const OCTETS: usize = 1024;
const CONNECTIONS: usize = 8;
/// Ticks of the system's account of a process, per second (`getconf CLK_TCK` on every Linux there is).
const TICKS: u64 = 100;

/// Measures and compares.
pub(super) fn run() -> Result<Part, Failure> {
    let program = service::binary(Build::Optimised)?;
    let ours = Service::start(&program, "bench")?;
    let mut node = interop::node(None)?;
    let other = OtherService::start(&mut node)?;
    let key = VapidKey::generate(&PROVIDER).context("key")?;
    let to_us = subscribe_to_us(&ours, &key)?;
    let to_other = subscribe_to_other(&other, &mut node, &key)?;

    let mut rounds = Rounds::default();
    for (name, count, target, process, tokens) in [
        ("push serve, a token per message", 4000, &to_us, ours.process(), Tokens::PerMessage),
        ("push serve, one token", 4000, &to_us, ours.process(), Tokens::One),
        (
            "npm web-push-testing 1.2.2, a token per message",
            1000,
            &to_other,
            other.process(),
            Tokens::PerMessage,
        ),
        ("npm web-push-testing 1.2.2, one token", 1000, &to_other, other.process(), Tokens::One),
    ] {
        let key = &key;
        rounds.add(name, count, move |count| {
            let requests = requests(target, key, tokens, count)?;
            let before = processor_time(process)?;
            drive(target, requests)?;
            Ok(processor_time(process)? - before)
        });
    }
    let figures = rounds.run(ROUNDS)?;
    let median = |at: usize| figures.get(at).map_or(f64::NAN, super::Figure::median);
    let claims = vec![
        Claim::at_least(
            10.0,
            median(2) / median(0),
            "npm web-push-testing ÷ push serve, a token per message",
        ),
        Claim::at_least(10.0, median(3) / median(1), "npm web-push-testing ÷ push serve, one token"),
    ];
    Ok(Part { name: "service", figures, claims })
}

#[derive(Clone, Copy)]
enum Tokens {
    One,
    PerMessage,
}

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

fn requests(
    target: &Subscription,
    key: &VapidKey,
    tokens: Tokens,
    count: u32,
) -> Result<VecDeque<Request<Full<Bytes>>>, Failure> {
    let keys = target.keys.as_ref().ok_or_else(|| Failure::new("a subscription without keys"))?;
    let mut authorization = identification(&target.endpoint, key)?;
    let mut made = VecDeque::new();
    for number in 0..count {
        let mut text = format!("{number:08}").into_bytes();
        text.resize(OCTETS, b'x');
        let job = EncryptJob { keys, plaintext: &text };
        let message = push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).context("encrypt")?;
        if matches!(tokens, Tokens::PerMessage) && number > 0 {
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
fn drive(target: &Subscription, requests: VecDeque<Request<Full<Bytes>>>) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let port = target.endpoint.origin().port();
    let queue = Rc::new(std::cell::RefCell::new(requests));
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

async fn lane(
    stream: TcpStream,
    queue: Rc<std::cell::RefCell<VecDeque<Request<Full<Bytes>>>>>,
) -> Result<(), Failure> {
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

/// Nanoseconds of processor time a process has used, all its threads, kernel included.
pub(super) fn processor_time(process: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).context(&path)?;
    // The name in brackets may hold blanks; user and system time are fields 14 and 15 of all.
    let after_name = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum::<u64>();
    Ok(ticks * 1_000_000_000 / TICKS)
}
