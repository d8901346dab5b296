//! `timing`: does the time of an operation tell anything about the private keys in it?
//!
//! The method is that of "Dude, is my code constant time?" (Reparaz, Balasch, Verbauwhede, 2017): one class of
//! measurements has the same keys all the time, the other has random ones, both in random order, and Welch's t says
//! whether their means differ. Above 4.5 they do, beyond reasonable doubt; below that nothing is shown, which is
//! all that a statistic can say. A control that does leak proves that the method sees leaks on this machine.

use std::{hint::black_box, time::Instant};

use push_crypto::{
    PrivateKey, PublicKey,
    provider::{self, CryptoProvider, SharedSecret},
};

use crate::{
    failure::{Context, Failure},
    fuzz::Random,
    workspace,
};

/// Measurements per class and operation: enough for t of 4.5 at a difference of a hundredth of the spread.
const MEASUREMENTS: usize = 500_000;
const SMOKE: usize = 2_000;
/// Beyond this the means differ (the paper's bound).
const BOUND: f64 = 4.5;
/// Different batches of random keys, taken in turns.
const BATCHES: usize = 256;
/// Keys of one batch: all lanes once.
const LANES: usize = 8;
/// Shares of the measurements that are kept, the slowest being cut: interrupts make long tails (the paper's idea).
const KEPT: [f64; 5] = [1.0, 0.99, 0.95, 0.75, 0.5];

/// Keys whose bits are all alike, where every shortcut would show: 2, and the largest even one of few ones.
const FIXED: [(&str, [u8; 32]); 2] = [("the key 2", two()), ("the key 2^255 + 2^248", top())];

const fn two() -> [u8; 32] {
    let mut octets = [0; 32];
    octets[31] = 2;
    octets
}

const fn top() -> [u8; 32] {
    let mut octets = [0; 32];
    octets[0] = 0x81;
    octets
}

type Batch = Vec<PrivateKey>;
type Operation<'a> = (&'static str, Box<dyn FnMut(&Batch) -> Result<(), Failure> + 'a>);

/// Measures every operation; an operation whose time differs is a failure, except in the short form.
pub(super) fn run(smoke: bool) -> Result<(), Failure> {
    if cfg!(debug_assertions) && !smoke {
        return crate::optimised("proofs", &["timing".to_owned()]);
    }
    let provider = provider::best();
    let measurements = if smoke { SMOKE } else { MEASUREMENTS };
    println!("    {}, {measurements} measurements in each class, batches of {LANES}", provider.name);
    let mut random = Random::new(workspace::now().as_unix_millis());
    let peers = peers(&provider, &mut random)?;
    let mut suspicious = Vec::new();
    for (class, octets) in FIXED {
        for (name, mut operation) in operations(&provider, &peers) {
            let worst = compare(measurements, octets, &mut random, &mut operation)?;
            println!("    {name:<12} {class} against random keys: |t| at most {worst:.1}");
            let is_control = name == CONTROL;
            if is_control != (worst > BOUND) {
                suspicious.push(format!("{name} with {class}: {worst:.1}"));
            }
        }
    }
    if suspicious.is_empty() || smoke {
        return Ok(());
    }
    Err(Failure::new(format!(
        "|t| should be over {BOUND} for {CONTROL} and below it for the rest, but: {}; measure again on a quiet machine",
        suspicious.join(", ")
    )))
}

const CONTROL: &str = "control";

fn peers(provider: &CryptoProvider, random: &mut Random) -> Result<Vec<PublicKey>, Failure> {
    let private: Vec<_> = (0..LANES).map(|_| random.private_key()).collect();
    let mut public = Vec::with_capacity(LANES);
    provider.key_agreement.public_keys(&private, &mut public).context(provider.name)?;
    Ok(public)
}

fn operations<'a>(provider: &'a CryptoProvider, peers: &'a [PublicKey]) -> Vec<Operation<'a>> {
    let part = provider.key_agreement;
    let (mut secrets, mut keys): (Vec<SharedSecret>, Vec<PublicKey>) = (Vec::new(), Vec::new());
    vec![
        (
            "agree",
            Box::new(move |batch| {
                secrets.clear();
                let pairs: Vec<_> = batch.iter().zip(peers).collect();
                part.agree(black_box(&pairs), &mut secrets).context("agree")
            }),
        ),
        (
            "public_keys",
            Box::new(move |batch| {
                keys.clear();
                part.public_keys(black_box(batch), &mut keys).context("public_keys")
            }),
        ),
        (CONTROL, Box::new(control)),
    ]
}

/// Takes a little longer for every bit that is set, as careless code does.
fn control(batch: &Batch) -> Result<(), Failure> {
    let mut sum = 0_u64;
    for octet in batch.iter().flat_map(|key| key.expose()) {
        for bit in 0..8 {
            if octet >> bit & 1 == 1 {
                sum = black_box(sum.wrapping_mul(3).wrapping_add(1));
            }
        }
    }
    black_box(sum);
    Ok(())
}

/// The greatest |t| over all cuts.
fn compare(
    measurements: usize,
    fixed: [u8; 32],
    random: &mut Random,
    operation: &mut dyn FnMut(&Batch) -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let fixed = PrivateKey::from_octets(&fixed).context("a key of the fixed class")?;
    // Every batch has memory of its own in both classes, so that the caches see no difference.
    let classes: [Vec<Batch>; 2] = [
        (0..BATCHES).map(|_| vec![fixed.clone(); LANES]).collect(),
        (0..BATCHES).map(|_| (0..LANES).map(|_| random.private_key_of_chance()).collect()).collect(),
    ];
    let mut times = [Vec::with_capacity(measurements), Vec::with_capacity(measurements)];
    while times.iter().any(|of_class| of_class.len() < measurements) {
        let class = random.below(2);
        let batch = &classes[class][random.below(BATCHES)];
        let start = Instant::now();
        operation(batch)?;
        let took = start.elapsed();
        times[class].push(took.as_secs_f64() * 1e9);
    }
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let cuts = KEPT.map(|kept| all[(all.len() - 1).min(share(all.len(), kept))]);
    Ok(cuts.iter().map(|cut| welch(&times, *cut).abs()).fold(0.0, f64::max))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts"
)]
fn share(count: usize, kept: f64) -> usize {
    (count as f64 * kept) as usize
}

/// Welch's t of the two classes, of what took no longer than `cut`.
fn welch(times: &[Vec<f64>; 2], cut: f64) -> f64 {
    let [(mean_one, error_one), (mean_two, error_two)] = times.each_ref().map(|of_class| {
        let kept: Vec<f64> = of_class.iter().copied().filter(|time| *time <= cut).collect();
        spread(&kept)
    });
    let error = (error_one + error_two).sqrt();
    if error > 0.0 { (mean_one - mean_two) / error } else { 0.0 }
}

/// Mean, and square of its standard error.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn spread(times: &[f64]) -> (f64, f64) {
    let count = times.len() as f64;
    if count < 2.0 {
        return (0.0, 0.0);
    }
    let mean = times.iter().sum::<f64>() / count;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_classes_give_a_small_t_and_shifted_ones_a_large_t() {
        let noise: Vec<f64> = (0..1000).map(|number| f64::from(number * 7919 % 1000)).collect();
        let shifted: Vec<f64> = noise.iter().map(|time| time + 1000.0).collect();

        assert!(welch(&[noise.clone(), noise.clone()], f64::INFINITY).abs() < 0.001);
        assert!(welch(&[noise.clone(), shifted], f64::INFINITY).abs() > 10.0 * BOUND);
    }
}
