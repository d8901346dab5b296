//! What one message costs the service, without a connection: reading and judging it, and the whole way from the request
//! to the answer, for a user agent that is there.
//!
//! `cargo bench -p push-mock-server`; with connections, and beside other services: `cargo xtask bench service`.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where something is wrong")]

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use push_crypto::{
    ContentCoding, EncryptJob, EncryptOptions, Subscription, Timestamp, UserAgentKeys,
    provider::aws_lc_rs::PROVIDER,
    vapid::{AuthorizationScheme, Claims, Token, VapidKey},
};
use push_mock_server::{
    Config, Level, PushService, PushTokenText, SpaceName,
    service::{
        inspect::{NoRecall, Settings, Subject, Target, inspect},
        request::{DeliveryRequest, RequestBody, Via},
        spaces::Urls,
        subscription::{KeyChoice, NewSubscription, SubscriptionView},
    },
};

/// Octets of plaintext.
const OCTETS: usize = 1024;
/// Requests that wait together.
const TOGETHER: usize = 64;

#[expect(clippy::disallowed_methods, reason = "tokens are judged by the wall clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(since.as_millis().try_into().unwrap())
}

fn service() -> PushService {
    let origin = || "http://localhost:8030".parse().unwrap();
    PushService::new(Config::default(), Urls { http: Some(origin()), https: None, public: origin() }).unwrap()
}

/// A message to this subscription as its application server would send it.
fn request(subscription: &Subscription, key: &VapidKey, body: RequestBody) -> DeliveryRequest {
    let endpoint = &subscription.endpoint;
    let life = Duration::from_secs(3600);
    let claims = Claims::new(endpoint.origin().clone(), now(), life, None).unwrap();
    let token = Token::sign(&PROVIDER, key, &claims).unwrap();
    let fields = token.authorization(AuthorizationScheme::Vapid, key.public());
    let mut headers = vec![
        ("host".to_owned(), endpoint.origin().authority()),
        ("ttl".to_owned(), "60".to_owned()),
        ("authorization".to_owned(), fields.authorization),
    ];
    if !body.is_empty() {
        headers.push(("content-encoding".to_owned(), "aes128gcm".to_owned()));
    }
    DeliveryRequest {
        method: "POST".to_owned(),
        via: Via::Http,
        http_version: "1.1",
        url: endpoint.expose().to_owned(),
        origin: Some(endpoint.origin().clone()),
        headers,
        streamed: false,
        body,
        at: now(),
    }
}

fn sealed(subscription: &Subscription) -> RequestBody {
    let keys = subscription.keys.as_ref().unwrap();
    let job = EncryptJob { keys, plaintext: &[b'x'; OCTETS] };
    let message = push_crypto::encrypt(&PROVIDER, &EncryptOptions::default(), job).unwrap();
    RequestBody::Whole(message.into_body().into())
}

async fn subscribe(service: &PushService, key: &VapidKey) -> SubscriptionView {
    let new = NewSubscription {
        application_server_key: KeyChoice::Key(*key.public().point()),
        ..NewSubscription::default()
    };
    service.subscribe(&SpaceName::default(), new).await.unwrap()
}

/// Sends it; anything but 201 is a fault of the benchmark.
async fn deliver(service: &PushService, request: DeliveryRequest) {
    let url = request.url.clone();
    let token = url.rsplit('/').next().unwrap();
    let reply = service.deliver(Some(PushTokenText(token)), request).await;
    assert_eq!(reply.status, 201);
}

fn acceptance(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = service();
    let key = VapidKey::generate(&PROVIDER).unwrap();
    let view = runtime.block_on(subscribe(&service, &key));
    let subscription = Subscription::from_json(&view.subscription_json()).unwrap();
    let message = request(&subscription, &key, sealed(&subscription));
    let tickle = request(&subscription, &key, RequestBody::Whole(Bytes::new()));
    let mut group = criterion.benchmark_group("accept");
    group.bench_function("tickle", |bencher| {
        bencher.iter(|| runtime.block_on(deliver(&service, black_box(tickle.clone()))));
    });
    group.bench_function("1 KiB", |bencher| {
        bencher.iter(|| runtime.block_on(deliver(&service, black_box(message.clone()))));
    });
    group.throughput(Throughput::Elements(TOGETHER as u64));
    group.bench_function("1 KiB, 64 at once", |bencher| {
        bencher.iter(|| {
            let all = (0..TOGETHER).map(|_| deliver(&service, message.clone()));
            runtime.block_on(futures_util::future::join_all(all))
        });
    });
    group.finish();
}

/// Without a memory, so that the signature is checked each time and the message opened for this request alone.
fn inspection(criterion: &mut Criterion) {
    let key = VapidKey::generate(&PROVIDER).unwrap();
    let receiver = UserAgentKeys::generate(&PROVIDER).unwrap();
    let subscription = Subscription {
        endpoint: "http://localhost:8030/p/token".parse().unwrap(),
        expiration_time: None,
        keys: Some(receiver.subscription_keys()),
    };
    let origins = [subscription.endpoint.origin().clone()];
    let target = Target::Known(Subject {
        label: "ua",
        keys: Some(&receiver),
        stale_keys: &[],
        application_server_key: Some(*key.public().point()),
        codings: &ContentCoding::ALL,
        origins: &origins,
        gone: None,
        online: true,
    });
    let settings = Settings::default();
    let mut group = criterion.benchmark_group("inspect");
    for (name, body) in [("tickle", RequestBody::Whole(Bytes::new())), ("1 KiB", sealed(&subscription))] {
        let request = request(&subscription, &key, body);
        let judged = inspect(&settings, &request, &target, now(), now(), &NoRecall);
        assert!(judged.findings.iter().all(|finding| finding.level != Level::Error), "{judged:?}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| inspect(&settings, black_box(&request), &target, now(), now(), &NoRecall));
        });
    }
    group.finish();
}

criterion_group!(benches, inspection, acceptance);
criterion_main!(benches);
