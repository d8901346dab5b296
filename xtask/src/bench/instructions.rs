//! Instructions of the crypto paths: unlike time they do not depend on what else the machine does.
//!
//! Counted by callgrind, which knows no AVX-512: there the lanes are not in use, so theirs are counted by the
//! processor itself (`perf stat`) where that is allowed, and left out where not. What a program does besides the
//! operation cancels out, because each is run twice, more often the second time.

use std::{hint::black_box, process::Command};

use push_crypto::{
    DecryptJob, EncryptJob, EncryptOptions, UserAgentKeys,
    provider::{self, CryptoProvider, aws_lc_rs, rust_crypto},
};

use super::{
    Part,
    crypto::{BATCH, OCTETS},
    figures::{Figure, Scale},
    machine,
};
use crate::{
    failure::{Context, Failure},
    install,
};

/// The argument that makes this program repeat an operation and nothing else.
pub(super) const NAME: &str = "--repeat";

/// What is counted; each is one message, one token or one batch.
const OPERATIONS: [&str; 6] = ["encrypt", "decrypt", "sign", "verify", "encrypt_batch", "decrypt_batch"];

/// Who counts.
#[derive(Clone, Copy)]
enum Counter {
    Callgrind,
    Processor,
}

/// Counts.
pub(super) fn run(scale: Scale) -> Result<Part, Failure> {
    let (mut figures, mut notes) = (Vec::new(), Vec::new());
    match install::valgrind() {
        Ok(()) => {
            for provider in ["aws_lc_rs", "rust_crypto"] {
                for operation in scale.or(&OPERATIONS[..], &OPERATIONS[2..3]) {
                    figures.push(count(Counter::Callgrind, provider, operation)?);
                }
            }
            notes.push("Counted by valgrind's callgrind, whose processor has AVX2 and no AVX-512; 1 KiB, aes128gcm. Per message, also in batches of 64.".to_owned());
        }
        Err(failure) => notes.push(format!("Not counted by callgrind: {failure}.")),
    }
    lanes(scale, &mut figures, &mut notes);
    for note in &notes {
        println!("  {note}");
    }
    Ok(Part { name: "instructions", title: "Instructions", figures, claims: Vec::new(), notes })
}

fn lanes(scale: Scale, figures: &mut Vec<Figure>, notes: &mut Vec<String>) {
    if !machine::has_lanes() {
        return notes.push(format!("The lanes are not counted: {}.", machine::NO_LANES));
    }
    for operation in scale.or(&OPERATIONS[4..], &OPERATIONS[4..5]) {
        match count(Counter::Processor, "p256_ifma", operation) {
            Ok(figure) => figures.push(figure),
            Err(_) => {
                let why = "callgrind knows no AVX-512, and the processor's own counters cannot be read here";
                return notes.push(format!("The lanes (p256_ifma) are not counted: {why}."));
            }
        }
    }
    notes.push("Those of p256_ifma were counted by the processor (`perf stat`).".to_owned());
}

/// Instructions of one operation: of eight more runs of it, by eight, so that the start of the program cancels out.
fn count(counter: Counter, provider: &str, operation: &str) -> Result<Figure, Failure> {
    const FEW: u32 = 2;
    const MORE: u32 = 8;
    let few = total(counter, provider, operation, FEW)?;
    let many = total(counter, provider, operation, FEW + MORE)?;
    let each =
        if operation.ends_with("_batch") { MORE * u32::try_from(BATCH).context("batch")? } else { MORE };
    #[expect(clippy::cast_precision_loss, reason = "thousands of millions, far from 2^53")]
    let instructions = many.saturating_sub(few) as f64 / f64::from(each);
    if instructions < 1.0 {
        return Err(Failure::new(format!("{operation}, {provider}: {few} and {many} instructions")));
    }
    let name =
        if operation.ends_with("_batch") { format!("{operation} of {BATCH}") } else { operation.to_owned() };
    Ok(Figure::once(format!("{name}, {provider}"), "thousand", instructions / 1000.0))
}

fn total(counter: Counter, provider: &str, operation: &str, count: u32) -> Result<u64, Failure> {
    let program = std::env::current_exe().context("this program")?;
    let mut command = match counter {
        Counter::Callgrind => {
            let mut command = Command::new("valgrind");
            command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
            command
        }
        Counter::Processor => {
            let mut command = Command::new("perf");
            command.args(["stat", "-x,", "-e", "instructions:u", "--"]);
            command
        }
    };
    command.arg(program).args(["bench", NAME, operation, provider, &count.to_string()]);
    let output = command.output().context("counting")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(Failure::new(format!("{operation}, {provider}: {}", said.trim())));
    }
    let found = said.lines().find_map(|line| match counter {
        Counter::Callgrind => line.split_once("Collected :").map(|(_, rest)| rest.trim()),
        Counter::Processor => {
            line.contains("instructions").then(|| line.split(',').next().unwrap_or_default())
        }
    });
    let number = found.and_then(|text| text.parse().ok());
    number.ok_or_else(|| Failure::new(format!("no count of instructions in: {}", said.trim())))
}

/// What is counted: one operation, so many times, after what has to be there before.
pub(super) fn repeat(arguments: &[String]) -> Result<(), Failure> {
    let [operation, provider, count] = arguments else {
        return Err(Failure::new(format!("{NAME} OPERATION PROVIDER COUNT")));
    };
    let provider = match provider.as_str() {
        "aws_lc_rs" => aws_lc_rs::PROVIDER,
        "rust_crypto" => rust_crypto::PROVIDER,
        _ => provider::best(),
    };
    let count: u32 = count.parse().context("count")?;
    let work = Work::prepare(&provider)?;
    for _ in 0..count {
        work.once(operation, &provider)?;
    }
    Ok(())
}

struct Work {
    keys: UserAgentKeys,
    text: Vec<u8>,
    sealed: push_crypto::Encrypted,
    signature: push_crypto::provider::Signature,
}

impl Work {
    fn prepare(provider: &CryptoProvider) -> Result<Self, Failure> {
        let keys = UserAgentKeys::generate(provider).context("keys")?;
        let text = vec![b'x'; OCTETS];
        let job = EncryptJob { keys: &keys.subscription_keys(), plaintext: &text };
        let sealed = push_crypto::encrypt(provider, &EncryptOptions::default(), job).context("encrypt")?;
        let signature = provider.signature.sign(keys.private(), &text).context("sign")?;
        Ok(Self { keys, text, sealed, signature })
    }

    fn once(&self, operation: &str, provider: &CryptoProvider) -> Result<(), Failure> {
        let Self { keys, text, sealed, signature } = self;
        let options = EncryptOptions::default();
        let receiver = keys.subscription_keys();
        let job = EncryptJob { keys: &receiver, plaintext: text };
        match operation {
            "encrypt" => drop(black_box(push_crypto::encrypt(provider, &options, job).context("encrypt")?)),
            "decrypt" => drop(black_box(push_crypto::decrypt(provider, keys, sealed).context("decrypt")?)),
            "sign" => drop(black_box(provider.signature.sign(keys.private(), text).context("sign")?)),
            "verify" => provider.signature.verify(keys.public(), text, signature).context("verify")?,
            "encrypt_batch" => {
                let mut out = Vec::with_capacity(BATCH);
                push_crypto::encrypt_batch(provider, &options, &[job; BATCH], &mut out).context("encrypt")?;
                black_box(&out);
            }
            "decrypt_batch" => {
                let job = DecryptJob { keys, message: sealed };
                let mut out = Vec::with_capacity(BATCH);
                push_crypto::decrypt_batch(provider, &[job; BATCH], &mut out).context("decrypt")?;
                black_box(&out);
            }
            other => return Err(Failure::new(format!("there is no operation {other:?}"))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_can_be_repeated() {
        let provider = provider::best();
        let work = Work::prepare(&provider).unwrap();

        for operation in OPERATIONS {
            work.once(operation, &provider).unwrap();
        }

        assert!(work.once("other", &provider).is_err());
    }
}
