//! What sending costs beyond encryption and HTTP: our client into a server that does next to nothing, over
//! HTTP/2 in clear text, beside hyper alone with requests made beforehand.
//! Counted is the processor time of every thread but the server's.

use std::{collections::BTreeMap, fs, net::TcpListener, sync::mpsc, thread};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{body::Incoming, client::conn::http2 as client_http2, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use push_client::{
    Outcome, PushClient, PushMessage, Subscription, Ttl,
    transport::HttpVersion,
    vapid::{Subject, VapidKey},
};
use push_crypto::{EncryptJob, EncryptOptions, UserAgentKeys, provider::aws_lc_rs::PROVIDER};
use serde_json::json;
use tokio::{net::TcpStream, runtime};

use super::{
    Part,
    figures::{Claim, Figure, Rounds},
    machine,
};
use crate::failure::{Context, Failure};

const ROUNDS: usize = 11;
const COUNT: u32 = 4000;
const OCTETS: usize = 1024;
/// Requests under way at once, below the 100 streams that every server of HTTP/2 admits.
const AT_ONCE: usize = 64;

/// Measures and compares.
pub(super) fn run() -> Result<Part, Failure> {
    let sink = Sink::start()?;
    let subscription = subscription(sink.port)?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let key = VapidKey::generate(&PROVIDER).context("key")?;
    let subject: Subject = "mailto:bench@example.com".parse().context("subject")?;
    let client = PushClient::builder()
        .vapid(key, subject)
        .allow_loopback()
        .allow_any_port()
        .http_version(HttpVersion::Http2)
        .build()
        .context("client")?;

    let mut rounds = Rounds::default();
    rounds.add("push-client, send", COUNT, |count| {
        sink.beside(|| runtime.block_on(send_each(&client, &subscription, count)))
    });
    rounds.add("push-client, send_all", COUNT, |count| {
        sink.beside(|| runtime.block_on(send_all(&client, &subscription, count)))
    });
    rounds.add("hyper alone, with requests made beforehand", COUNT, |count| {
        sink.beside(|| runtime.block_on(bare(&subscription, count)))
    });
    rounds.add("encryption alone, aws_lc_rs", COUNT, |count| machine::time(|| encrypt(&subscription, count)));
    let figures = rounds.run(ROUNDS)?;
    let median = |at: usize| figures.get(at).map_or(f64::NAN, Figure::median);
    let least = median(2) + median(3);
    let claims = vec![
        Claim::at_least(0.80, least / median(0), "(encryption + hyper alone) ÷ send"),
        Claim::at_least(0.80, least / median(1), "(encryption + hyper alone) ÷ send_all"),
    ];
    Ok(Part { name: "client", figures, claims })
}

fn subscription(port: u16) -> Result<Subscription, Failure> {
    let keys = UserAgentKeys::generate(&PROVIDER).context("keys")?;
    let text = json!({
        "endpoint": format!("http://127.0.0.1:{port}/p/0123456789012345678901"),
        "keys": {
            "p256dh": keys.public().to_base64url(),
            "auth": keys.auth().map(|auth| push_crypto::base64url::encode(auth.expose())),
        },
    });
    Subscription::from_json(&text.to_string()).context("subscription")
}

fn message() -> PushMessage {
    PushMessage::text(Ttl::seconds(60), "x".repeat(OCTETS))
}

fn accepted(outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Accepted(_) => Ok(()),
        other => Err(Failure::new(format!("the sink did not accept: {other}"))),
    }
}

async fn send_each(client: &PushClient, subscription: &Subscription, count: u32) -> Result<(), Failure> {
    let message = message();
    let mut outcomes =
        stream::iter(0..count).map(|_| client.send(subscription, &message)).buffer_unordered(AT_ONCE);
    while let Some(outcome) = outcomes.next().await {
        accepted(&outcome)?;
    }
    Ok(())
}

async fn send_all(client: &PushClient, subscription: &Subscription, count: u32) -> Result<(), Failure> {
    let message = message();
    let items: Vec<_> = (0..count).map(|id| (id, subscription.clone(), message.clone())).collect();
    let mut outcomes = client.send_all(stream::iter(items));
    while let Some((_, outcome)) = outcomes.next().await {
        accepted(&outcome)?;
    }
    Ok(())
}

/// The same requests as far as HTTP is concerned: method, fields of the same lengths, a body of the same length.
async fn bare(subscription: &Subscription, count: u32) -> Result<(), Failure> {
    let endpoint = &subscription.endpoint;
    let stream = TcpStream::connect(("127.0.0.1", endpoint.origin().port())).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) =
        client_http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.context("connection")?;
    let connection = tokio::spawn(connection);
    let body = Bytes::from(vec![0; OCTETS + 103]);
    let authorization = format!("vapid t={}, k={}", "t".repeat(210), "k".repeat(87));
    let mut answers = stream::iter(0..count)
        .map(|_| {
            let request = Request::post(endpoint.expose())
                .header("ttl", "60")
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_ENCODING, "aes128gcm")
                .header(header::AUTHORIZATION, &authorization)
                .header(header::CONTENT_LENGTH, body.len())
                .body(Full::new(body.clone()));
            let mut sender = sender.clone();
            async move {
                let answer = sender.send_request(request.context("request")?).await.context("request")?;
                let status = answer.status();
                answer.into_body().collect().await.context("answer")?;
                if status == StatusCode::CREATED {
                    Ok(())
                } else {
                    Err(Failure::new(format!("answered {status}")))
                }
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(answer) = answers.next().await {
        answer?;
    }
    drop(answers);
    connection.abort();
    Ok(())
}

fn encrypt(subscription: &Subscription, count: u32) -> Result<(), Failure> {
    let keys = subscription.keys.as_ref().ok_or_else(|| Failure::new("no keys"))?;
    let text = "x".repeat(OCTETS);
    for _ in 0..count {
        let job = EncryptJob { keys, plaintext: text.as_bytes() };
        push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).context("encrypt")?;
    }
    Ok(())
}

/// A server on a thread of its own that reads every request and answers 201 with a location.
struct Sink {
    port: u16,
    thread: String,
}

impl Sink {
    fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            // `PID/task/TID` of this thread, to leave it out of the account
            let this = fs::read_link("/proc/thread-self").unwrap_or_default();
            _ = tell.send(this.file_name().unwrap_or_default().to_string_lossy().into_owned());
            if let Ok(runtime) = runtime::Builder::new_current_thread().enable_all().build() {
                _ = runtime.block_on(serve(listener));
            }
        });
        let thread = told.recv().context("sink")?;
        Ok(Self { port, thread })
    }

    /// Nanoseconds that every thread but the sink's spends while `work` runs.
    fn beside(&self, work: impl FnOnce() -> Result<(), Failure>) -> Result<u64, Failure> {
        let before = self.threads()?;
        work()?;
        let mut spent = 0;
        for (thread, now) in self.threads()? {
            spent += now.saturating_sub(before.get(&thread).copied().unwrap_or_default());
        }
        Ok(spent)
    }

    fn threads(&self) -> Result<BTreeMap<String, u64>, Failure> {
        thread::yield_now();
        let mut found = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task").context("/proc/self/task")? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let account = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            if name != self.thread {
                found.insert(
                    name,
                    account.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default(),
                );
            }
        }
        Ok(found)
    }
}

async fn serve(listener: TcpListener) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(|request: Request<Incoming>| async move {
            request.into_body().collect().await?;
            let answer = Response::builder().status(StatusCode::CREATED).header("ttl", "60");
            let answer = answer.header(header::LOCATION, "/m/0123456789012345678901");
            Ok::<_, hyper::Error>(answer.body(Empty::<Bytes>::new()).unwrap_or_default())
        });
        tokio::spawn(
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service),
        );
    }
}
