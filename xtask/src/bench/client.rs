//! What sending costs beyond encryption and HTTP: our client over TLS and HTTP/2 into a server that does next to
//! nothing, beside hyper alone with requests made beforehand, and beside other senders.
//! The server is a process of its own; what is counted is the processor time of the whole sending process.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use push_client::{
    Outcome, PushClient, PushMessage, Subscription, Ttl,
    transport::HttpVersion,
    vapid::{Subject, VapidKey},
};
use push_crypto::{
    SubscriptionKeys, UserAgentKeys,
    provider::{self, aws_lc_rs::PROVIDER},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, runtime};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore},
};

use super::{
    Part,
    crypto::{self, BATCH, OCTETS},
    figures::{Claim, Figure, Rounds, Scale, median},
    floor::{Floor, Role},
    machine,
};
use crate::{
    failure::{Context, Failure},
    interop::{self, Peer},
};

const ROUNDS: usize = 9;
const COUNT: u32 = 8192;
/// The others are slower: a round of theirs takes about as long.
const COUNT_OF_OTHERS: u32 = 1024;
/// Different receivers, so that nothing is remembered of one that a list of receivers would not allow.
const RECEIVERS: usize = 1024;
/// Requests under way at once, below the 100 streams that every server of HTTP/2 admits.
const AT_ONCE: usize = 64;

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let sink = Floor::start(Role::Http)?;
    let receivers = receivers(sink.tls_port, scale.or(RECEIVERS, 64))?;
    let keys: Vec<_> = receivers.iter().filter_map(|receiver| receiver.keys.clone()).collect();
    let text = vec![b'x'; OCTETS];
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let client = client(&sink)?;
    let certificate = sink.certificate_file()?;
    let mut hyper = interop::rust_trusting(&certificate)?;
    let mut node = interop::node(Some(&certificate))?;
    let best = provider::best();
    let secured = secured(&sink)?;

    let mut rounds = Rounds::new(scale);
    rounds.add("push-client, send_all", COUNT, |count| {
        machine::process_time(|| runtime.block_on(send_all(&client, &receivers, count)))
    });
    rounds.add("push-client, send", COUNT / 2, |count| {
        machine::process_time(|| runtime.block_on(send_each(&client, &receivers, count)))
    });
    rounds.add("hyper alone, with requests made beforehand", COUNT, |count| {
        machine::process_time(|| runtime.block_on(bare(sink.tls_port, &secured, count)))
    });
    rounds.add(format!("encryption alone, encrypt_batch of 64, {}", best.name), COUNT, |count| {
        crypto::encrypt_batches(&best, &keys, &text, (count, BATCH))
    });
    let question = question(&sink, keys.first().ok_or_else(|| Failure::new("no keys"))?, &text);
    for (name, peer, what) in [
        ("crate web-push 0.11.0 on hyper 0.14, one token", &mut hyper, "send-web-push"),
        ("npm web-push 3.6.7", &mut node, "time-sending"),
    ] {
        let mut question = question.clone();
        question["op"] = json!(what);
        rounds.add(name, COUNT_OF_OTHERS, move |count| ask(peer, &mut question, count));
    }
    let figures = rounds.run(ROUNDS)?;
    let claims = claims(&figures);
    let notes = vec![
        "Processor time of the sending process, its kernel's share included; TLS 1.3 on loopback. The other senders speak HTTP/1.1, because that is all they can, over 64 kept connections.".to_owned(),
    ];
    Ok(Part { name: "client", title: "Sending 1 KiB over TLS and HTTP/2", figures, claims, notes })
}

fn claims(figures: &[Figure]) -> Vec<Claim> {
    let of = |name: &str| median(figures, name);
    let least = of("encryption alone") + of("hyper alone");
    let ours = of("push-client, send_all");
    let note = "with the lanes";
    let compared = |bound, value, text: &str| {
        let claim = Claim::at_least(bound, value, text).only_if(machine::has_lanes(), machine::NO_LANES);
        claim.note(note)
    };
    vec![
        Claim::at_least(0.85, least / ours, "send_all: (encryption + hyper alone) ÷ ours"),
        compared(9.0, of("crate web-push") / ours, "send_all: crate web-push on hyper, one token ÷ ours"),
        compared(50.0, of("npm web-push") / ours, "send_all: npm web-push ÷ ours"),
        Claim::told(1e6 / ours, "send_all: messages per second and core"),
    ]
}

fn ask(peer: &mut Peer, question: &mut Value, count: u32) -> Result<u64, Failure> {
    question["count"] = json!(count);
    crypto::nanoseconds(&peer.ask(question)?)
}

fn question(sink: &Floor, keys: &SubscriptionKeys, text: &[u8]) -> Value {
    let mut question = crypto::question(keys, text);
    question["endpoint"] = json!(format!("https://127.0.0.1:{}/p/0123456789012345678901", sink.tls_port));
    question["at_once"] = json!(AT_ONCE);
    question
}

fn client(sink: &Floor) -> Result<PushClient, Failure> {
    let key = VapidKey::generate(&PROVIDER).context("key")?;
    let subject: Subject = "mailto:bench@example.com".parse().context("subject")?;
    PushClient::builder()
        .provider(provider::best())
        .vapid(key, subject)
        .allow_loopback()
        .allow_any_port()
        .http_version(HttpVersion::Http2)
        .add_root_pem(sink.certificate.as_bytes())
        .build()
        .context("client")
}

fn receivers(port: u16, count: usize) -> Result<Vec<Subscription>, Failure> {
    (0..count)
        .map(|number| {
            let keys = UserAgentKeys::generate(&PROVIDER).context("keys")?;
            let text = json!({
                "endpoint": format!("https://127.0.0.1:{port}/p/{number:022}x"),
                "keys": {
                    "p256dh": keys.public().to_base64url(),
                    "auth": keys.auth().map(|auth| push_crypto::base64url::encode(auth.expose())),
                },
            });
            Subscription::from_json(&text.to_string()).context("subscription")
        })
        .collect()
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

async fn send_each(client: &PushClient, receivers: &[Subscription], count: u32) -> Result<(), Failure> {
    let message = message();
    let mut outcomes = stream::iter((0..count).zip(receivers.iter().cycle()))
        .map(|(_, receiver)| client.send(receiver, &message))
        .buffer_unordered(AT_ONCE);
    while let Some(outcome) = outcomes.next().await {
        accepted(&outcome)?;
    }
    Ok(())
}

async fn send_all(client: &PushClient, receivers: &[Subscription], count: u32) -> Result<(), Failure> {
    let message = message();
    let items = (0..count)
        .zip(receivers.iter().cycle())
        .map(|(id, receiver)| (id, receiver.clone(), message.clone()));
    let mut outcomes = client.send_all(stream::iter(items));
    let mut done = 0;
    while let Some((_, outcome)) = outcomes.next().await {
        accepted(&outcome)?;
        done += 1;
    }
    if done == count { Ok(()) } else { Err(Failure::new(format!("{done} outcomes of {count}"))) }
}

/// TLS as a client needs it for the sink.
fn secured(sink: &Floor) -> Result<TlsConnector, Failure> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(sink.certificate.as_bytes()).context("certificate")?;
    roots.add(certificate).context("certificate")?;
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The same requests as far as HTTP is concerned: method, fields of the same lengths, a body of the same length.
async fn bare(port: u16, secured: &TlsConnector, count: u32) -> Result<(), Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("127.0.0.1").context("name")?;
    let stream = secured.connect(name, stream).await?;
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.context("connection")?;
    let connection = tokio::spawn(connection);
    let body = Bytes::from(vec![0; OCTETS + 103]);
    let authorization = format!("vapid t={}, k={}", "t".repeat(210), "k".repeat(87));
    let mut answers = stream::iter(0..count)
        .map(|number| {
            let request = Request::post(format!("https://127.0.0.1:{port}/p/{number:022}x"))
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
