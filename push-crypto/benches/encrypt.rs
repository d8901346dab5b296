//! What one message costs, part by part: encryption, decryption, and the operations on the curve.
//!
//! `cargo bench -p push-crypto --all-features`; for comparison with other libraries see `cargo xtask bench`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use push_crypto::{
    DecryptJob, EncryptJob, EncryptOptions, Schedule, UserAgentKeys, decrypt, decrypt_batch, encrypt,
    encrypt_batch,
    provider::{CryptoProvider, rust_crypto},
};

/// Every provider of this build.
fn providers() -> Vec<CryptoProvider> {
    vec![
        rust_crypto::PROVIDER,
        #[cfg(feature = "aws_lc_rs")]
        push_crypto::provider::aws_lc_rs::PROVIDER,
        #[cfg(feature = "p256_ifma")]
        push_crypto::provider::p256_ifma::provider(),
    ]
}

/// Octets of text: a word, a typical message, the most one body holds.
const SIZES: [usize; 3] = [16, 1024, 3993];

fn messages(criterion: &mut Criterion) {
    for provider in &providers() {
        let receiver = UserAgentKeys::generate(provider).expect("the system has randomness");
        let keys = receiver.subscription_keys();
        let mut group = criterion.benchmark_group(format!("encrypt/{}", provider.name));
        for octets in SIZES {
            let text = vec![b'x'; octets];
            let options = EncryptOptions::default();
            group.throughput(Throughput::Bytes(octets as u64));
            group.bench_with_input(BenchmarkId::from_parameter(octets), &text, |bencher, text| {
                bencher.iter(|| {
                    encrypt(provider, &options, EncryptJob { keys: &keys, plaintext: black_box(text) })
                });
            });
        }
        group.finish();
    }
}

fn schedules(criterion: &mut Criterion) {
    let text = [b'x'; 1024];
    for provider in &providers() {
        let receiver = UserAgentKeys::generate(provider).expect("the system has randomness");
        let keys = receiver.subscription_keys();
        let mut group = criterion.benchmark_group(format!("schedule/{}", provider.name));
        for schedule in Schedule::ALL {
            let options = EncryptOptions::new(*schedule);
            group.bench_function(schedule.to_string(), |bencher| {
                bencher.iter(|| {
                    encrypt(provider, &options, EncryptJob { keys: &keys, plaintext: black_box(&text) })
                });
            });
        }
        group.finish();
    }
}

fn batches(criterion: &mut Criterion) {
    let text = [b'x'; 1024];
    for provider in &providers() {
        let receiver = UserAgentKeys::generate(provider).expect("the system has randomness");
        let keys = receiver.subscription_keys();
        let mut group = criterion.benchmark_group(format!("batch/{}", provider.name));
        for size in [1_usize, 8, 64] {
            let jobs = vec![EncryptJob { keys: &keys, plaintext: &text }; size];
            group.throughput(Throughput::Elements(size as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), &jobs, |bencher, jobs| {
                bencher.iter(|| {
                    let mut out = Vec::with_capacity(jobs.len());
                    encrypt_batch(provider, &EncryptOptions::default(), black_box(jobs), &mut out)
                        .map(|()| out)
                });
            });
        }
        group.finish();
    }
}

fn opened_batches(criterion: &mut Criterion) {
    let text = [b'x'; 1024];
    for provider in &providers() {
        let receiver = UserAgentKeys::generate(provider).expect("the system has randomness");
        let keys = receiver.subscription_keys();
        let job = EncryptJob { keys: &keys, plaintext: &text };
        let message = encrypt(provider, &EncryptOptions::default(), job).expect("1 KiB fits");
        let mut group = criterion.benchmark_group(format!("decrypt batch/{}", provider.name));
        for size in [1_usize, 8, 64] {
            let jobs = vec![DecryptJob { keys: &receiver, message: &message }; size];
            group.throughput(Throughput::Elements(size as u64));
            group.bench_with_input(BenchmarkId::from_parameter(size), &jobs, |bencher, jobs| {
                bencher.iter(|| {
                    let mut out = Vec::with_capacity(jobs.len());
                    decrypt_batch(provider, black_box(jobs), &mut out).map(|()| out)
                });
            });
        }
        group.finish();
    }
}

fn openings(criterion: &mut Criterion) {
    let text = [b'x'; 1024];
    for provider in &providers() {
        let receiver = UserAgentKeys::generate(provider).expect("the system has randomness");
        let keys = receiver.subscription_keys();
        let mut group = criterion.benchmark_group(format!("decrypt/{}", provider.name));
        for schedule in Schedule::ALL {
            let job = EncryptJob { keys: &keys, plaintext: &text };
            let message =
                encrypt(provider, &EncryptOptions::new(*schedule), job).expect("1 KiB fits every coding");
            group.bench_function(schedule.to_string(), |bencher| {
                bencher.iter(|| decrypt(provider, &receiver, black_box(&message)));
            });
        }
        group.finish();
    }
}

fn curve(criterion: &mut Criterion) {
    for provider in &providers() {
        let receiver = UserAgentKeys::generate(provider).expect("the system has randomness");
        let key = receiver.private();
        let signature = provider.signature.sign(key, b"header.claims").expect("a valid key signs");
        let mut group = criterion.benchmark_group(format!("curve/{}", provider.name));
        group.bench_function("fresh agreement", |bencher| {
            bencher.iter(|| {
                let mut out = Vec::with_capacity(1);
                let recipients = std::slice::from_ref(receiver.public());
                provider
                    .key_agreement
                    .agree_fresh(provider.random, black_box(recipients), &mut out)
                    .map(|()| out)
            });
        });
        group.bench_function("public key", |bencher| bencher.iter(|| provider.public_key(black_box(key))));
        group.bench_function("sign", |bencher| {
            bencher.iter(|| provider.signature.sign(key, black_box(b"header.claims")));
        });
        group.bench_function("verify", |bencher| {
            bencher.iter(|| {
                provider.signature.verify(receiver.public(), black_box(b"header.claims"), &signature)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, messages, schedules, batches, opened_batches, openings, curve);
criterion_main!(benches);
