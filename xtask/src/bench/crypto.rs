//! Encryption and decryption of 1 KiB: ours, the same work with bare library calls, and other libraries.

mod bare;

use std::{cell::RefCell, hint::black_box, sync::Barrier, thread};

use push_crypto::{
    DecryptJob, EncryptJob, EncryptOptions, Encrypted, Schedule, SubscriptionKeys, UserAgentKeys, base64url,
    provider::{self, CryptoProvider, aws_lc_rs as aws, rust_crypto},
};
use serde_json::{Value, json};

use super::{
    Part,
    figures::{Claim, Figure, Rounds, Scale, median},
    machine::{self, NO_LANES},
};
use crate::{
    failure::{Context, Failure},
    interop::{self, Peer},
};

const ROUNDS: usize = 11;
/// What a push message typically is: 1 KiB of JSON.
pub(super) const OCTETS: usize = 1024;
/// Messages that the pipeline encrypts together.
pub(super) const BATCH: usize = 64;
/// Above this share of one core, taken by other programs, wall time of two cores says nothing (our choice).
const IDLE: f64 = 0.05;

/// The programs on the other side, asked in turns.
struct Peers {
    rust: RefCell<Peer>,
    node: RefCell<Peer>,
    python: RefCell<Peer>,
}

/// Measures and compares.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let receivers = receivers()?;
    let keys: Vec<_> = receivers.iter().map(UserAgentKeys::subscription_keys).collect();
    let text = vec![b'x'; OCTETS];
    let best = provider::best();
    let sealed = sealed(&keys, &text)?;
    let peers = Peers {
        rust: interop::rust()?.into(),
        node: interop::node(None)?.into(),
        python: interop::python(&[])?.into(),
    };

    let mut rounds = Rounds::new(scale);
    ours(&mut rounds, &best, &keys, &text);
    rounds.add("decrypt, aws_lc_rs, one at a time", 448, |count| open_each(&receivers, &sealed, count));
    rounds.add(format!("decrypt_batch of 64, {}", best.name), 1920, |count| {
        open_batches(&best, &receivers, &sealed, count)
    });
    floors(&mut rounds, &keys, &text)?;
    others(&mut rounds, &peers, keys.first().ok_or_else(|| Failure::new("no keys"))?, &text);
    let mut figures = rounds.run(ROUNDS)?;
    let (two, note) = two_cores(scale, &best, &keys, &text)?;
    let mut claims = claims(&figures);
    claims.push(two_claim(&two, note));
    figures.extend(two);
    Ok(Part { name: "crypto", title: "Encrypting 1 KiB, aes128gcm", figures, claims, notes: notes(&best) })
}

fn notes(best: &CryptoProvider) -> Vec<String> {
    let lanes = if machine::has_lanes() { "with AVX-512 IFMA" } else { "without AVX-512 IFMA" };
    vec![format!(
        "Processor time of the thread; for Node.js, of the process. The provider for batches on this processor, {lanes}, is {}.",
        best.name
    )]
}

/// As many as a batch, so that nothing is done twice for the same key.
fn receivers() -> Result<Vec<UserAgentKeys>, Failure> {
    (0..BATCH).map(|_| UserAgentKeys::generate(&aws::PROVIDER).context("keys")).collect()
}

fn sealed(keys: &[SubscriptionKeys], text: &[u8]) -> Result<Vec<Encrypted>, Failure> {
    let options = EncryptOptions::new(Schedule::Aes128gcm);
    keys.iter()
        .map(|keys| {
            push_crypto::encrypt(&aws::PROVIDER, &options, EncryptJob { keys, plaintext: text })
                .context("encrypt")
        })
        .collect()
}

fn ours<'a>(rounds: &mut Rounds<'a>, best: &'a CryptoProvider, keys: &'a [SubscriptionKeys], text: &'a [u8]) {
    rounds.add("encrypt, aws_lc_rs", 448, |count| encrypt_each(&aws::PROVIDER, keys, text, count));
    rounds.add(format!("encrypt_batch of 64, {}", best.name), 1920, |count| {
        encrypt_batches(best, keys, text, (count, 64))
    });
    rounds.add(format!("encrypt_batch of 8, {}", best.name), 1920, |count| {
        encrypt_batches(best, keys, text, (count, 8))
    });
    rounds.add("encrypt_batch of 64, aws_lc_rs", 448, |count| {
        encrypt_batches(&aws::PROVIDER, keys, text, (count, 64))
    });
    rounds.add("encrypt, rust_crypto", 128, |count| encrypt_each(&rust_crypto::PROVIDER, keys, text, count));
}

fn floors<'a>(rounds: &mut Rounds<'a>, keys: &'a [SubscriptionKeys], text: &'a [u8]) -> Result<(), Failure> {
    let first = keys.first().ok_or_else(|| Failure::new("no keys"))?;
    let (pair, _) = bare::p256_key_pair()?;
    rounds.add("floor: the same steps with bare aws-lc-rs", 448, move |count| {
        each(keys, count, |keys| bare::floor(keys, text).map(|body| body.len()))
    });
    rounds.add("part: key pair by p256", 128, |count| {
        repeat(count, || bare::p256_key_pair().map(|(_, key)| key.len()))
    });
    rounds.add("part: reading the point and agreement by p256", 128, move |count| {
        repeat(count, || bare::p256_agreement(&pair, first).map(|secret| secret.len()))
    });
    rounds.add("part: key schedule by hkdf and sha2", 448, move |count| {
        repeat(count, || bare::key_schedule(first, &[7; 32]).map(|(key, _)| key.len()))
    });
    rounds.add("part: sealing by aes-gcm", 448, move |count| {
        repeat(count, || bare::seal(&[1; 16], &[2; 12], text).map(|body| body.len()))
    });
    Ok(())
}

fn others<'a>(rounds: &mut Rounds<'a>, peers: &'a Peers, keys: &SubscriptionKeys, text: &[u8]) {
    let rows: [(&str, u32, &'a RefCell<Peer>, Value); 8] = [
        ("crate ece 2.4.2 (OpenSSL)", 192, &peers.rust, json!({ "op": "time-ece" })),
        (
            "crate web-push 0.11.0, a token each",
            64,
            &peers.rust,
            json!({ "op": "time-web-push", "token_per_message": true }),
        ),
        (
            "crate web-push 0.11.0, one token",
            128,
            &peers.rust,
            json!({ "op": "time-web-push", "token_per_message": false }),
        ),
        (
            "crate web-push-native 0.5.0, a token each",
            64,
            &peers.rust,
            json!({ "op": "time-web-push-native" }),
        ),
        ("npm web-push 3.6.7, a token each", 128, &peers.node, json!({ "op": "time-web-push" })),
        ("npm http_ece 1.2.1", 128, &peers.node, json!({ "op": "time-http-ece" })),
        ("PyPI pywebpush 2.5.0, a token each", 128, &peers.python, json!({ "op": "time-pywebpush" })),
        ("PyPI http_ece 1.2.1", 128, &peers.python, json!({ "op": "time-http-ece" })),
    ];
    let common = question(keys, text);
    for (name, count, peer, what) in rows {
        let mut question = common.clone();
        for (member, value) in what.as_object().into_iter().flatten() {
            question[member] = value.clone();
        }
        rounds.add(name, count, move |count| {
            question["count"] = json!(count);
            nanoseconds(&peer.borrow_mut().ask(&question)?)
        });
    }
}

/// What the peers are given: the same receiver and text for all.
pub(super) fn question(keys: &SubscriptionKeys, text: &[u8]) -> Value {
    // any number below the order of the curve is a private key
    const VAPID: [u8; 32] = [0x2a; 32];
    let public = push_crypto::PrivateKey::from_octets(&VAPID)
        .ok()
        .and_then(|private| aws::PROVIDER.public_key(&private).ok())
        .map(|public| public.to_base64url());
    json!({
        "public": keys.p256dh.to_base64url(),
        "auth": keys.auth.as_ref().map(|auth| base64url::encode(auth.expose())),
        "text": base64url::encode(text),
        "endpoint": "https://push.example.net/p/0123456789",
        "coding": "aes128gcm",
        "ttl": 60,
        "vapid": base64url::encode(&VAPID),
        "vapid_public": public,
        "subject": "mailto:bench@example.com",
    })
}

/// What a peer says it has spent.
pub(super) fn nanoseconds(answer: &Value) -> Result<u64, Failure> {
    answer["nanoseconds"].as_u64().ok_or_else(|| Failure::new(format!("no time in {answer}")))
}

fn claims(figures: &[Figure]) -> Vec<Claim> {
    let of = |name: &str| median(figures, name);
    let floor = of("floor");
    let one = of("encrypt, aws_lc_rs");
    let (sixty_four, eight) = (of("encrypt_batch of 64, "), of("encrypt_batch of 8, "));
    let lanes = machine::has_lanes();
    let with_lanes = |bound, value, text: &str| Claim::at_least(bound, value, text).only_if(lanes, NO_LANES);
    let parts = figures.iter().filter(|figure| figure.name.starts_with("part: ")).map(Figure::median);
    vec![
        Claim::at_least(0.95, floor / one, "encrypt, aws_lc_rs: floor ÷ ours"),
        with_lanes(5.5, floor / sixty_four, "encrypt_batch of 64: floor ÷ ours"),
        with_lanes(17.0, of("crate ece") / sixty_four, "encrypt_batch of 64: crate ece ÷ ours"),
        with_lanes(
            40.0,
            of("crate web-push 0.11.0, a token each") / sixty_four,
            "encrypt_batch of 64: crate web-push, a token each ÷ ours",
        ),
        with_lanes(85.0, of("npm web-push") / sixty_four, "encrypt_batch of 64: npm web-push ÷ ours"),
        with_lanes(100_000.0, 1e6 / sixty_four, "encrypt_batch of 64: messages per second and core"),
        with_lanes(4.5, floor / eight, "encrypt_batch of 8: floor ÷ ours"),
        with_lanes(
            5.0,
            of("decrypt, aws_lc_rs") / of("decrypt_batch of 64"),
            "decrypt_batch of 64: aws_lc_rs one at a time ÷ ours",
        ),
        Claim::at_least(
            0.95,
            parts.sum::<f64>() / of("encrypt, rust_crypto"),
            "encrypt, rust_crypto: sum of the parts ÷ ours",
        ),
        Claim::told(
            of("crate web-push-native") / sixty_four,
            "encrypt_batch of 64: crate web-push-native ÷ ours",
        ),
        Claim::told(of("PyPI pywebpush") / sixty_four, "encrypt_batch of 64: PyPI pywebpush ÷ ours"),
    ]
}

/// Messages that two threads make in the time of one: wall time of both, and processor time per message alone and
/// beside each other. Wall time says nothing while other programs run, and then that is told.
fn two_cores(
    scale: Scale,
    best: &CryptoProvider,
    keys: &[SubscriptionKeys],
    text: &[u8],
) -> Result<(Vec<Figure>, String), Failure> {
    let others = machine::Others::watch();
    let count = scale.or(9600, 64);
    let mut rounds = Rounds::new(scale);
    for (name, threads) in [("one thread", 1_u32), ("two threads", 2)] {
        rounds.add(format!("{name}, wall time"), count, move |count| {
            machine::wall_time(|| in_threads(threads, best, keys, text, count).map(drop))
        });
        rounds.add(format!("{name}, processor time of a thread"), count, move |count| {
            Ok(in_threads(threads, best, keys, text, count)? / u64::from(threads))
        });
    }
    let figures = rounds.run(7)?;
    let share = others.share();
    let note = if share > IDLE {
        format!("by processor time: other programs took {:.0} % of a core meanwhile", share * 100.0)
    } else {
        "by wall time, on an idle machine".to_owned()
    };
    Ok((figures, note))
}

fn two_claim(figures: &[Figure], note: String) -> Claim {
    let kind = if note.starts_with("by wall") { "wall time" } else { "processor time" };
    let of = |threads: &str| {
        median(figures, &format!("{threads} thread{}, {kind}", if threads == "one" { "" } else { "s" }))
    };
    Claim::at_least(1.85, 2.0 * of("one") / of("two"), "encrypt_batch of 64: two cores ÷ one").note(note)
}

/// The sum of what so many threads spend, each of them encrypting `count` messages.
fn in_threads(
    threads: u32,
    best: &CryptoProvider,
    keys: &[SubscriptionKeys],
    text: &[u8],
    count: u32,
) -> Result<u64, Failure> {
    let start = Barrier::new(usize::try_from(threads).context("threads")?);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    encrypt_batches(best, keys, text, (count, BATCH))
                })
            })
            .collect();
        let mut total = 0;
        for thread in running {
            total += thread.join().map_err(|_| Failure::new("a thread of the measurement panicked"))??;
        }
        Ok(total)
    })
}

fn repeat(count: u32, mut work: impl FnMut() -> Result<usize, Failure>) -> Result<u64, Failure> {
    machine::time(|| {
        let mut octets = 0;
        for _ in 0..count {
            octets += work()?;
        }
        black_box(octets);
        Ok(())
    })
}

/// `work` for one receiver after the other, from the front again when all had their turn.
fn each<T>(
    receivers: &[T],
    count: u32,
    mut work: impl FnMut(&T) -> Result<usize, Failure>,
) -> Result<u64, Failure> {
    let mut next = receivers.iter().cycle();
    repeat(count, || work(next.next().ok_or_else(|| Failure::new("no receivers"))?))
}

fn encrypt_each(
    provider: &CryptoProvider,
    keys: &[SubscriptionKeys],
    text: &[u8],
    count: u32,
) -> Result<u64, Failure> {
    let options = EncryptOptions::new(Schedule::Aes128gcm);
    each(keys, count, |keys| {
        let message =
            push_crypto::encrypt(provider, &options, EncryptJob { keys, plaintext: black_box(text) });
        message.map(|message| message.body().len()).context("encrypt")
    })
}

/// `(count, size)`: so many messages in batches of so many.
pub(super) fn encrypt_batches(
    provider: &CryptoProvider,
    keys: &[SubscriptionKeys],
    text: &[u8],
    (count, size): (u32, usize),
) -> Result<u64, Failure> {
    let options = EncryptOptions::new(Schedule::Aes128gcm);
    let jobs: Vec<_> = keys.iter().take(size).map(|keys| EncryptJob { keys, plaintext: text }).collect();
    let batches = count / u32::try_from(jobs.len().max(1)).context("batch")?;
    repeat(batches, || {
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::encrypt_batch(provider, &options, black_box(&jobs), &mut out).context("encrypt")?;
        match out.iter().find_map(|result| result.as_ref().err()) {
            Some(error) => Err(Failure::new(format!("encrypt: {error}"))),
            None => Ok(out.len()),
        }
    })
}

fn open_each(receivers: &[UserAgentKeys], sealed: &[Encrypted], count: u32) -> Result<u64, Failure> {
    let pairs: Vec<_> = receivers.iter().zip(sealed).collect();
    each(&pairs, count, |(keys, message)| {
        let opened = push_crypto::decrypt(&aws::PROVIDER, keys, black_box(message)).context("decrypt")?;
        Ok(opened.plaintext.len())
    })
}

fn open_batches(
    provider: &CryptoProvider,
    receivers: &[UserAgentKeys],
    sealed: &[Encrypted],
    count: u32,
) -> Result<u64, Failure> {
    let jobs: Vec<_> =
        receivers.iter().zip(sealed).map(|(keys, message)| DecryptJob { keys, message }).collect();
    let batches = count / u32::try_from(jobs.len().max(1)).context("batch")?;
    repeat(batches, || {
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::decrypt_batch(provider, black_box(&jobs), &mut out).context("decrypt")?;
        match out.iter().find_map(|result| result.as_ref().err()) {
            Some(error) => Err(Failure::new(format!("decrypt: {error}"))),
            None => Ok(out.len()),
        }
    })
}
