//! `push bench crypto`: what one core encrypts, opens, signs and verifies.

use std::hint::black_box;

use clap::Args;
use push_crypto::{
    ContentCoding, DecryptJob, EncryptJob, EncryptOptions, Encrypted, Schedule, SubscriptionKeys,
    UserAgentKeys,
    provider::{self, CryptoProvider, aws_lc_rs, rust_crypto},
};
use serde_json::json;

use super::{
    BATCH, OCTETS, ROUNDS,
    clock::{self, Whose},
    failed,
    report::{Figure, Report},
};
use crate::{diagnostic::Result, output::Output};

/// Messages in a batch, at most (our choice: more than any batch that gains something).
const LARGEST_BATCH: usize = 1024;

/// Encryptions, decryptions, signatures and verifications per second and core.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  push bench crypto
  push bench crypto --provider aws_lc_rs --coding aesgcm --batch 8 --json")]
pub(super) struct CryptoArgs {
    /// best, p256_ifma, aws_lc_rs or rust_crypto
    #[arg(long, value_name = "P", default_value = "best", value_parser = parse_provider)]
    provider: Named,
    /// aes128gcm, aesgcm or aesgcm128
    #[arg(long, value_name = "C", default_value = "aes128gcm", value_parser = parse_coding)]
    coding: ContentCoding,
    /// Messages that are encrypted together, 1 to 1024
    #[arg(long, value_name = "N", default_value_t = BATCH, value_parser = parse_batch)]
    batch: usize,
    /// Milliseconds of processor time for each figure
    #[arg(long, value_name = "MS", default_value = "400", value_parser = clap::value_parser!(u32).range(5..=60_000))]
    time: u32,
}

/// A provider that can be asked for by name; it names itself.
#[derive(Clone, Copy, Debug)]
struct Named(CryptoProvider);

fn parse_provider(text: &str) -> std::result::Result<Named, String> {
    let found = match text {
        "best" => provider::best(),
        "aws_lc_rs" => aws_lc_rs::PROVIDER,
        "rust_crypto" => rust_crypto::PROVIDER,
        "p256_ifma" => provider::p256_ifma::provider(),
        _ => return Err("known are best, p256_ifma, aws_lc_rs and rust_crypto".to_owned()),
    };
    if text == "p256_ifma" && found.name != text {
        return Err(format!("this processor has no AVX-512 IFMA; its best is {}", found.name));
    }
    Ok(Named(found))
}

fn parse_coding(text: &str) -> std::result::Result<ContentCoding, String> {
    text.parse().map_err(|_| "known are aes128gcm, aesgcm and aesgcm128".to_owned())
}

fn parse_batch(text: &str) -> std::result::Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=LARGEST_BATCH).contains(number));
    number.ok_or_else(|| format!("a batch has 1 to {LARGEST_BATCH} messages"))
}

/// Runs the command.
pub(super) fn run(args: &CryptoArgs, out: Output) -> Result<()> {
    let Named(provider) = args.provider;
    let work = Work::prepare(&provider, args)?;
    let budget = u64::from(args.time) * 1_000_000 / (ROUNDS as u64);
    let mut operations = work.operations();
    // A first sample of a few is thrown away; it tells how many fit the time.
    let mut counts = Vec::with_capacity(operations.len());
    for operation in &mut operations {
        counts.push(calibrate(operation, budget)?);
    }
    for _ in 0..ROUNDS {
        for (operation, count) in operations.iter_mut().zip(&counts) {
            let spent = operation.run(*count)?;
            operation.figure.add(spent, count * operation.size);
        }
    }
    let report = Report {
        bench: "crypto",
        what: format!("{} · {} · {OCTETS} octets · one core", provider.name, args.coding),
        settings: json!({
            "provider": provider.name, "coding": args.coding.as_str(), "batch": args.batch, "octets": OCTETS,
        }),
        figures: operations.into_iter().map(|operation| operation.figure).collect(),
        meaning: vec![
            format!(
                "{} of one thread; per second: what one core does, and two do twice that.",
                capital(clock::name())
            ),
            "A token is signed once for an origin and 12 hours, not for each message.".to_owned(),
        ],
    };
    report.show(out)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// How often an operation fits this many nanoseconds, at least once.
fn calibrate(operation: &mut Operation<'_>, budget: u64) -> Result<usize> {
    operation.run(1)?;
    let each = operation.run(2)? / 2;
    Ok(usize::try_from(budget / each.max(1)).unwrap_or(1).max(1))
}

/// Something that is measured; one run is an operation on `size` messages.
struct Operation<'a> {
    figure: Figure,
    size: usize,
    work: Box<dyn FnMut() -> Result<()> + 'a>,
}

impl<'a> Operation<'a> {
    fn new(name: impl Into<String>, size: usize, work: impl FnMut() -> Result<()> + 'a) -> Self {
        Self { figure: Figure::new(name), size, work: Box::new(work) }
    }

    /// Nanoseconds of so many runs.
    fn run(&mut self, count: usize) -> Result<u64> {
        let (result, spent) = clock::time(Whose::Thread, || (0..count).try_for_each(|_| (self.work)()));
        result.map(|()| spent)
    }
}

/// What the operations need, made beforehand: a receiver for every message of a batch.
struct Work {
    provider: CryptoProvider,
    options: EncryptOptions,
    receivers: Vec<UserAgentKeys>,
    keys: Vec<SubscriptionKeys>,
    sealed: Vec<Encrypted>,
    text: Vec<u8>,
}

impl Work {
    fn prepare(provider: &CryptoProvider, args: &CryptoArgs) -> Result<Self> {
        let receivers: Vec<_> = (0..args.batch)
            .map(|_| UserAgentKeys::generate(provider).map_err(|error| wrong(&error)))
            .collect::<Result<_>>()?;
        let keys: Vec<_> = receivers.iter().map(UserAgentKeys::subscription_keys).collect();
        let first = keys.first().ok_or_else(|| failed("nothing is measured", "an empty batch"))?;
        let schedule = Schedule::for_keys(args.coding, first).map_err(|error| wrong(&error))?;
        let options = EncryptOptions::new(schedule);
        let text = vec![b'x'; OCTETS];
        let sealed = keys
            .iter()
            .map(|keys| {
                let job = EncryptJob { keys, plaintext: &text };
                push_crypto::encrypt(provider, &options, job).map_err(|error| wrong(&error))
            })
            .collect::<Result<_>>()?;
        Ok(Self { provider: *provider, options, receivers, keys, sealed, text })
    }

    fn operations(&self) -> Vec<Operation<'_>> {
        let size = self.keys.len();
        let (mut next, mut opened) = (self.keys.iter().cycle(), self.pairs().cycle());
        let mut operations = vec![
            Operation::new("encrypt, one at a time", 1, move || {
                next.next().map_or(Ok(()), |keys| self.encrypt(keys))
            }),
            Operation::new(format!("encrypt, batches of {size}"), size, || self.encrypt_batch()),
            Operation::new("decrypt, one at a time", 1, move || {
                opened.next().map_or(Ok(()), |(keys, message)| self.decrypt(keys, message))
            }),
            Operation::new(format!("decrypt, batches of {size}"), size, || self.decrypt_batch()),
        ];
        if let Some(keys) = self.receivers.first() {
            operations.extend(self.signing(keys));
        }
        operations
    }

    fn pairs(&self) -> impl Iterator<Item = (&UserAgentKeys, &Encrypted)> + Clone {
        self.receivers.iter().zip(&self.sealed)
    }

    fn encrypt(&self, keys: &SubscriptionKeys) -> Result<()> {
        let job = EncryptJob { keys, plaintext: &self.text };
        let sealed = push_crypto::encrypt(&self.provider, &self.options, black_box(job));
        sealed.map(|sealed| drop(black_box(sealed))).map_err(|error| wrong(&error))
    }

    fn encrypt_batch(&self) -> Result<()> {
        let jobs: Vec<_> = self.keys.iter().map(|keys| EncryptJob { keys, plaintext: &self.text }).collect();
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::encrypt_batch(&self.provider, &self.options, black_box(&jobs), &mut out)
            .map_err(|error| wrong(&error))?;
        out.into_iter().try_for_each(|sealed| sealed.map(drop)).map_err(|error| wrong(&error))
    }

    fn decrypt(&self, keys: &UserAgentKeys, message: &Encrypted) -> Result<()> {
        let opened = push_crypto::decrypt(&self.provider, keys, black_box(message));
        opened.map(|opened| drop(black_box(opened))).map_err(|error| wrong(&error))
    }

    fn decrypt_batch(&self) -> Result<()> {
        let jobs: Vec<_> = self.pairs().map(|(keys, message)| DecryptJob { keys, message }).collect();
        let mut out = Vec::with_capacity(jobs.len());
        push_crypto::decrypt_batch(&self.provider, black_box(&jobs), &mut out)
            .map_err(|error| wrong(&error))?;
        out.into_iter().try_for_each(|opened| opened.map(drop)).map_err(|error| wrong(&error))
    }

    /// A VAPID token's signature, whose text has about as many octets.
    fn signing<'a>(&'a self, keys: &'a UserAgentKeys) -> [Operation<'a>; 2] {
        const TOKEN: &[u8] = &[b'x'; 160];
        let signature = self.provider.signature.sign(keys.private(), TOKEN);
        [
            Operation::new("sign a VAPID token", 1, || {
                let signature = self.provider.signature.sign(keys.private(), black_box(TOKEN));
                signature.map(|signature| _ = black_box(signature)).map_err(|error| wrong(&error))
            }),
            Operation::new("verify a VAPID token", 1, move || {
                let signature = signature.as_ref().map_err(wrong)?;
                self.provider
                    .signature
                    .verify(keys.public(), black_box(TOKEN), signature)
                    .map_err(|error| wrong(&error))
            }),
        ]
    }
}

fn wrong(error: &impl std::fmt::Display) -> crate::diagnostic::Diagnostic {
    failed("an operation that is measured did not work", error.to_string())
}
