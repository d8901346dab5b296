//! Whole sends into a sink over TLS and HTTP/2, beside their two parts: encryption alone, and hyper's bare client.
//!
//! The sink has a thread of its own, whose processor time is left out of the account; all other threads' counts.
//! The last lines are the ratios that matter: time of the parts by time of the whole.
//! `cargo bench -p push-client --bench send -- ratio` prints them alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops where something is wrong"
)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    hint::black_box,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group};
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use push_client::{
    PushClient, PushMessage, Subscription, Ttl, provider, transport::HttpVersion, vapid::VapidKey,
};
use push_crypto::{EncryptJob, EncryptOptions, SubscriptionKeys, UserAgentKeys};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls};

/// Messages in one round.
const MESSAGES: usize = 4096;
/// Rounds of which the median counts.
const ROUNDS: usize = 11;
/// Octets of plaintext.
const OCTETS: usize = 1024;
/// Requests under way at once where the benchmark decides it, below the 100 streams that every server admits.
const AT_ONCE: usize = 64;

struct Sink {
    address: SocketAddr,
    thread: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
    pem: String,
}

/// Accepts everything with 201, on a thread of its own.
fn sink() -> Sink {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut configuration = rustls::ServerConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(configuration));
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            // `PID/task/TID` of this thread
            let this = fs::read_link("/proc/thread-self").unwrap();
            let thread = this.file_name().unwrap().to_string_lossy().into_owned();
            tell.send((listener.local_addr().unwrap(), thread)).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move { serve(acceptor.accept(stream).await.unwrap()).await });
            }
        });
    });
    let (address, thread) = told.recv().unwrap();
    Sink { address, thread, certificate, pem: made.cert.pem() }
}

async fn serve(stream: tokio_rustls::server::TlsStream<tokio::net::TcpStream>) {
    let service = service_fn(|request: Request<Incoming>| async {
        let _ = request.into_body().collect().await;
        let answer = Response::builder()
            .status(201)
            .header("ttl", "60")
            .header("location", "/m/0123456789012345678901");
        Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).unwrap())
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn crypto() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Sink {
    /// Microseconds of processor time of all threads but the sink's.
    fn spent(&self) -> BTreeMap<String, f64> {
        thread::yield_now();
        let mut spent = BTreeMap::new();
        for entry in fs::read_dir("/proc/self/task").unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let account = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
            let nanos: f64 = account.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or_default();
            if name != self.thread {
                spent.insert(name, nanos / 1000.0);
            }
        }
        spent
    }

    /// Microseconds per message.
    fn beside(&self, work: impl FnOnce()) -> f64 {
        let before = self.spent();
        work();
        let after = self.spent();
        let spent: f64 =
            after.iter().map(|(name, now)| now - before.get(name).copied().unwrap_or_default()).sum();
        spent / MESSAGES as f64
    }
}

fn recipients(address: SocketAddr) -> Vec<Subscription> {
    let provider = provider::best();
    (0..MESSAGES)
        .map(|number| Subscription {
            endpoint: format!("https://{address}/p/{number:0>64}").parse().unwrap(),
            expiration_time: None,
            keys: Some(UserAgentKeys::generate(&provider).unwrap().subscription_keys()),
        })
        .collect()
}

fn encrypt(keys: &[SubscriptionKeys], plaintext: &[u8]) {
    let provider = provider::best();
    for batch in keys.chunks(64) {
        let jobs: Vec<_> = batch.iter().map(|keys| EncryptJob { keys, plaintext }).collect();
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::encrypt_batch(&provider, &EncryptOptions::default(), &jobs, &mut out).unwrap();
        black_box(&out);
    }
}

fn encrypt_single(keys: &[SubscriptionKeys], plaintext: &[u8]) {
    let provider = provider::best();
    for keys in keys {
        let job = EncryptJob { keys, plaintext };
        black_box(push_crypto::encrypt(&provider, &EncryptOptions::default(), job).unwrap());
    }
}

type Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

async fn bare(sink: &Sink) -> Sender {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(sink.certificate.clone()).unwrap();
    let mut configuration = rustls::ClientConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"h2".to_vec()];
    let stream = tokio::net::TcpStream::connect(sink.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(configuration)).connect(name, stream).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The same requests as the client's, with a body of the same size that is not encrypted.
async fn send_bare(sender: &Sender, address: SocketAddr, body: &Bytes) {
    let token = format!("vapid t={}, k={}", "t".repeat(210), "k".repeat(87));
    let requests = (0..MESSAGES).map(|number| {
        let mut sender = sender.clone();
        let request = Request::post(format!("https://{address}/p/{number:0>64}"))
            .header("ttl", "60")
            .header("content-encoding", "aes128gcm")
            .header("content-type", "application/octet-stream")
            .header("authorization", &token)
            .body(Full::new(body.clone()))
            .unwrap();
        async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 201);
        }
    });
    stream::iter(requests).buffer_unordered(AT_ONCE).for_each(|()| async {}).await;
}

async fn send_each(client: &PushClient, recipients: &[Subscription], message: &PushMessage) {
    let outcomes = stream::iter(recipients)
        .map(|subscription| client.send(subscription, message))
        .buffer_unordered(AT_ONCE);
    let accepted = outcomes.filter(|outcome| std::future::ready(outcome.status() == Some(201)));
    assert_eq!(accepted.count().await, MESSAGES);
}

async fn send_all(client: &PushClient, recipients: &[Subscription], message: &PushMessage) {
    let items = recipients.iter().map(|subscription| ((), subscription.clone(), message.clone()));
    let outcomes = client.send_all(stream::iter(items));
    let accepted = outcomes.filter(|((), outcome)| std::future::ready(outcome.status() == Some(201)));
    assert_eq!(accepted.count().await, MESSAGES);
}

struct Setting {
    runtime: Runtime,
    sink: Sink,
    sender: Sender,
    client: PushClient,
    recipients: Vec<Subscription>,
    keys: Vec<SubscriptionKeys>,
    message: PushMessage,
    body: Bytes,
}

fn setting() -> Setting {
    let sink = sink();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let sender = runtime.block_on(bare(&sink));
    let client = PushClient::builder()
        .vapid_without_subject(VapidKey::generate(&provider::best()).unwrap())
        .allow_loopback()
        .add_root_pem(sink.pem.as_bytes())
        .http_version(HttpVersion::Http2)
        .build()
        .unwrap();
    let recipients = recipients(sink.address);
    let keys = recipients.iter().filter_map(|recipient| recipient.keys.clone()).collect();
    let message = PushMessage::bytes(Ttl::seconds(60), vec![b'x'; OCTETS]);
    Setting { runtime, sink, sender, client, recipients, keys, message, body: vec![0; OCTETS + 103].into() }
}

fn benches(criterion: &mut Criterion) {
    let Setting { runtime, sink, sender, client, recipients, keys, message, body } = setting();
    let plaintext = vec![b'x'; OCTETS];
    let mut group = criterion.benchmark_group("send");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(10);
    group.bench_function("encryption", |bencher| bencher.iter(|| encrypt(&keys, &plaintext)));
    group.bench_function("bare", |bencher| {
        bencher.iter(|| runtime.block_on(send_bare(&sender, sink.address, &body)));
    });
    group.bench_function("send", |bencher| {
        bencher.iter(|| runtime.block_on(send_each(&client, &recipients, &message)));
    });
    group.bench_function("send_all", |bencher| {
        bencher.iter(|| runtime.block_on(send_all(&client, &recipients, &message)));
    });
    group.finish();
}

/// The medians of rounds taken in turn, so that what else the machine does touches all alike.
fn ratios() {
    let Setting { runtime, sink, sender, client, recipients, keys, message, body } = &setting();
    let plaintext = vec![b'x'; OCTETS];
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(sink.beside(|| encrypt(keys, &plaintext)));
        times[1].push(sink.beside(|| encrypt_single(keys, &plaintext)));
        times[2].push(sink.beside(|| runtime.block_on(send_bare(sender, sink.address, body))));
        times[3].push(sink.beside(|| runtime.block_on(send_each(client, recipients, message))));
        times[4].push(sink.beside(|| runtime.block_on(send_all(client, recipients, message))));
    }
    let [batch, single, bare, each, all] = times.map(|mut rounds| {
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    });
    println!(
        "provider {}, µs of processor time per message, medians of {ROUNDS} rounds",
        provider::best().name
    );
    println!("encryption in batches {batch:.1}, one at a time {single:.1}, bare hyper client {bare:.1}");
    println!("send     {each:.1}: (encryption one at a time + bare) / send = {:.2}", (single + bare) / each);
    println!("send_all {all:.1}: (encryption in batches + bare) / send_all = {:.2}", (batch + bare) / all);
}

criterion_group!(send, benches);

fn main() {
    if std::env::args().any(|argument| argument == "ratio") {
        return ratios();
    }
    send();
    Criterion::default().configure_from_args().final_summary();
}
