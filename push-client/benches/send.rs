//! Whole sends into a sink over HTTP/2, beside their two parts: encryption alone, and hyper's bare client.
//!
//! Client and sink share one core (`taskset -c 0 cargo bench -p push-client --bench send`), so the cost of the sink
//! is in both "bare" and "client". The last line is the ratio that matters: time of the parts by time of the whole.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where something is wrong"
)]

use std::{
    convert::Infallible,
    hint::black_box,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use push_client::{PushClient, PushMessage, Subscription, Ttl, transport::HttpVersion, vapid::VapidKey};
use push_crypto::{
    EncryptJob, EncryptOptions, SubscriptionKeys, UserAgentKeys, provider::aws_lc_rs::PROVIDER,
};
use tokio::runtime::Runtime;

/// Messages in one round.
const MESSAGES: usize = 512;
/// Octets of plaintext.
const OCTETS: usize = 1024;

/// Accepts everything with 201.
async fn sink() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let service = service_fn(|request: Request<Incoming>| async {
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::builder().status(201).body(Full::new(Bytes::new())).unwrap())
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

fn recipients(address: SocketAddr) -> Vec<Subscription> {
    (0..MESSAGES)
        .map(|number| Subscription {
            endpoint: format!("http://{address}/p/{number:0>64}").parse().unwrap(),
            expiration_time: None,
            keys: Some(UserAgentKeys::generate(&PROVIDER).unwrap().subscription_keys()),
        })
        .collect()
}

fn encrypt(keys: &[SubscriptionKeys], plaintext: &[u8]) {
    for batch in keys.chunks(64) {
        let jobs: Vec<_> = batch.iter().map(|keys| EncryptJob { keys, plaintext }).collect();
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::encrypt_batch(&PROVIDER, &EncryptOptions::default(), &jobs, &mut out).unwrap();
        black_box(&out);
    }
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn bare(address: SocketAddr) -> Sender {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The same requests as the client's, with a body of the same size that is not encrypted.
async fn send_bare(sender: &Sender, address: SocketAddr, body: &Bytes) {
    let requests = (0..MESSAGES).map(|number| {
        let mut sender = sender.clone();
        let request = Request::post(format!("http://{address}/p/{number:0>64}"))
            .header("ttl", "60")
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("authorization", "x".repeat(300))
            .body(Full::new(body.clone()))
            .unwrap();
        async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 201);
        }
    });
    stream::iter(requests).buffer_unordered(100).for_each(|()| async {}).await;
}

async fn send_client(client: &PushClient, recipients: &[Subscription], message: &PushMessage) {
    let items = recipients.iter().map(|subscription| ((), subscription.clone(), message.clone()));
    let outcomes = client.send_all(stream::iter(items.collect::<Vec<_>>()));
    let accepted = outcomes.filter(|((), outcome)| {
        let accepted = outcome.status() == Some(201);
        async move { accepted }
    });
    assert_eq!(accepted.count().await, MESSAGES);
}

struct Setting {
    runtime: Runtime,
    address: SocketAddr,
    sender: Sender,
    client: PushClient,
    recipients: Vec<Subscription>,
    keys: Vec<SubscriptionKeys>,
    message: PushMessage,
    body: Bytes,
}

fn setting() -> Setting {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (address, sender) = runtime.block_on(async {
        let address = sink().await;
        (address, bare(address).await)
    });
    let client = PushClient::builder()
        .vapid_without_subject(VapidKey::generate(&PROVIDER).unwrap())
        .allow_loopback()
        .http_version(HttpVersion::Http2)
        .build()
        .unwrap();
    let recipients = recipients(address);
    let keys = recipients.iter().filter_map(|recipient| recipient.keys.clone()).collect();
    let message = PushMessage::bytes(Ttl::seconds(60), vec![b'x'; OCTETS]);
    Setting {
        runtime,
        address,
        sender,
        client,
        recipients,
        keys,
        message,
        body: vec![0; OCTETS + 103].into(),
    }
}

fn benches(criterion: &mut Criterion) {
    let setting = setting();
    let Setting { runtime, address, sender, client, recipients, keys, message, body } = &setting;
    let plaintext = vec![b'x'; OCTETS];
    let mut group = criterion.benchmark_group("send");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(20);
    group.bench_function("encryption", |bencher| bencher.iter(|| encrypt(keys, &plaintext)));
    group.bench_function("bare", |bencher| {
        bencher.iter(|| runtime.block_on(send_bare(sender, *address, body)));
    });
    group.bench_function("client", |bencher| {
        bencher.iter(|| runtime.block_on(send_client(client, recipients, message)));
    });
    group.finish();
    ratio(&setting, &plaintext);
}

/// The medians of rounds taken in turn, so that what else the machine does touches all three alike.
fn ratio(setting: &Setting, plaintext: &[u8]) {
    let Setting { runtime, address, sender, client, recipients, keys, message, body } = setting;
    let mut times: [Vec<Duration>; 3] = Default::default();
    for _ in 0..31 {
        let begun = Instant::now();
        encrypt(keys, plaintext);
        let encrypted = Instant::now();
        runtime.block_on(send_bare(sender, *address, body));
        let bare = Instant::now();
        runtime.block_on(send_client(client, recipients, message));
        times[0].push(encrypted - begun);
        times[1].push(bare - encrypted);
        times[2].push(bare.elapsed());
    }
    let [encryption, bare, whole] = times.map(|mut rounds| {
        rounds.sort();
        rounds[rounds.len() / 2].as_secs_f64() * 1e6 / MESSAGES as f64
    });
    println!(
        "µs per message: encryption {encryption:.1}, bare client and sink {bare:.1}, whole {whole:.1}; \
         ratio {:.2} (goal: 0.80 or more)",
        (encryption + bare) / whole
    );
}

criterion_group!(send, benches);
criterion_main!(send);
