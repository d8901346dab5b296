//! `agreements`: P-256 by the fastest provider, in batches, against AWS-LC and the crate p256 on the same keys.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use aws_lc_rs::agreement::{self, ECDH_P256};
use push_crypto::{
    PrivateKey, PublicKey,
    provider::{self, CryptoProvider, ProviderError, rust_crypto},
};

use super::random::Random;
use crate::{
    failure::{Context, Failure},
    workspace,
};

/// The word of the command line.
pub(crate) const NAME: &str = "agreements";

/// Points that each private key meets in one round; the last of them through fresh keys.
const PEERS: usize = 4;
/// One of so many points is a strange one.
const STRANGE: usize = 8;
/// In one of so many rounds the crate p256 is asked, too; it takes ten times longer than AWS-LC.
const BY_P256: u64 = 100;

/// What a person asked for.
pub(crate) struct Wish {
    /// At least so many agreements.
    pub(crate) count: u64,
    /// By default a new one, which is printed.
    pub(crate) seed: Option<u64>,
}

impl Wish {
    /// `--count N --seed S`
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut wish = Self { count: super::SMOKE, seed: None };
        let mut rest = arguments.iter();
        while let Some(option) = rest.next() {
            let mut number = || -> Result<u64, Failure> {
                let text = rest.next().ok_or_else(|| Failure::new(format!("{option} needs a number")))?;
                text.parse().context(format_args!("{option} {text}"))
            };
            match option.as_str() {
                "--count" => wish.count = number()?,
                "--seed" => wish.seed = Some(number()?),
                _ => {
                    return Err(Failure::new(format!(
                        "there is no option {option:?}; usage: cargo xtask fuzz {NAME} [--count N] [--seed S]"
                    )));
                }
            }
        }
        Ok(wish)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![NAME.to_owned(), "--count".to_owned(), self.count.to_string()];
        if let Some(seed) = self.seed {
            arguments.extend(["--seed".to_owned(), seed.to_string()]);
        }
        arguments
    }
}

/// What was compared.
#[derive(Default)]
struct Counts {
    rounds: AtomicU64,
    agreements: AtomicU64,
    fresh: AtomicU64,
    public_keys: AtomicU64,
    by_p256: AtomicU64,
}

/// Compares on all cores until enough was compared; the first difference ends it.
pub(crate) fn run(wish: &Wish) -> Result<(), Failure> {
    // The curve is optimised in every build, so that the short form needs no other one.
    if cfg!(debug_assertions) && wish.count > super::SMOKE {
        return crate::optimised("fuzz", &wish.arguments());
    }
    let provider = provider::best();
    let seed = wish.seed.unwrap_or_else(|| workspace::now().as_unix_millis());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    println!("    {} against aws_lc_rs and rust_crypto, seed {seed}, {threads} threads", provider.name);
    if provider.name != "p256_ifma" {
        println!("    this processor has no AVX-512 IFMA, so the lanes themselves are not part of it");
    }
    let (counts, start) = (Counts::default(), Instant::now());
    let strange = strange_points()?;
    thread::scope(|scope| {
        let work = || work(&provider, &strange, (seed, wish.count), &counts);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(Failure::new("a panic"))))
    })?;
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "    {} agreements, {} of them with fresh keys, and {} public keys: no difference to aws_lc_rs; none to \
         rust_crypto in {} agreements; seed {seed}; {:.0} s",
        of(&counts.agreements),
        of(&counts.fresh),
        of(&counts.public_keys),
        of(&counts.by_p256),
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Points that chance does not give and an attacker may: a form of the arithmetic was once wrong for one of them.
fn strange_points() -> Result<Vec<PublicKey>, Failure> {
    include_str!("strange_points.txt").lines().filter(|line| !line.starts_with('#')).map(point).collect()
}

fn point(line: &str) -> Result<PublicKey, Failure> {
    let octets: Vec<u8> = line
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(&String::from_utf8_lossy(digits), 16))
        .collect::<Result<_, _>>()
        .context(line)?;
    PublicKey::from_octets(&octets).context(line)
}

fn work(
    provider: &CryptoProvider,
    strange: &[PublicKey],
    (seed, count): (u64, u64),
    counts: &Counts,
) -> Result<(), Failure> {
    while counts.agreements.load(Ordering::Relaxed) < count {
        let number = counts.rounds.fetch_add(1, Ordering::Relaxed);
        let mut round = Round::new(provider, seed, number)?;
        round.compare(strange, counts).context(format_args!("seed {seed}, round {number}"))?;
    }
    Ok(())
}

/// A batch of keys, by this provider and by AWS-LC.
struct Round<'a> {
    provider: &'a CryptoProvider,
    random: Random,
    number: u64,
    private: Vec<PrivateKey>,
    public: Vec<PublicKey>,
    theirs: Vec<agreement::PrivateKey>,
}

impl<'a> Round<'a> {
    fn new(provider: &'a CryptoProvider, seed: u64, number: u64) -> Result<Self, Failure> {
        let mut random = Random::new(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        // Mostly full batches; every eighth has an odd size.
        let size = if number % 8 == 7 { 2 + random.below(130) } else { 64 };
        let private: Vec<_> = (0..size).map(|_| random.private_key()).collect();
        let mut public = Vec::with_capacity(size);
        provider.key_agreement.public_keys(&private, &mut public).context(provider.name)?;
        let theirs = private
            .iter()
            .map(|key| agreement::PrivateKey::from_private_key(&ECDH_P256, key.expose()).context("aws_lc_rs"))
            .collect::<Result<_, _>>()?;
        Ok(Self { provider, random, number, private, public, theirs })
    }

    fn compare(&mut self, strange: &[PublicKey], counts: &Counts) -> Result<(), Failure> {
        let size = self.private.len();
        for ((private, ours), theirs) in self.private.iter().zip(&self.public).zip(&self.theirs) {
            let theirs = theirs.compute_public_key().context("aws_lc_rs")?;
            if theirs.as_ref() != ours.as_octets() {
                return Err(different("public key", private, None, ours.as_octets(), theirs.as_ref()));
            }
        }
        for peer in 1..PEERS {
            let peers = self.peers(strange);
            self.agree(&peers, peer == 1 && self.number.is_multiple_of(BY_P256), counts)?;
        }
        self.agree_fresh()?;
        let size = u64::try_from(size).unwrap_or(0);
        counts.public_keys.fetch_add(size, Ordering::Relaxed);
        counts.fresh.fetch_add(size, Ordering::Relaxed);
        counts.agreements.fetch_add(size * PEERS as u64, Ordering::Relaxed);
        Ok(())
    }

    /// A point for each private key: the public key of another, or a strange one.
    fn peers(&mut self, strange: &[PublicKey]) -> Vec<PublicKey> {
        let turn = self.random.below(self.public.len());
        let ordinary = self.public.iter().cycle().skip(turn).take(self.public.len());
        let random = &mut self.random;
        let mut pick = |ordinary: &PublicKey| match random.below(STRANGE) {
            0 => strange.get(random.below(strange.len())).unwrap_or(ordinary).to_owned(),
            _ => ordinary.to_owned(),
        };
        ordinary.map(&mut pick).collect()
    }

    fn agree(&self, peers: &[PublicKey], by_p256: bool, counts: &Counts) -> Result<(), Failure> {
        let pairs: Vec<_> = self.private.iter().zip(peers).collect();
        let mut ours = Vec::with_capacity(pairs.len());
        self.provider.key_agreement.agree(&pairs, &mut ours).context(self.provider.name)?;
        complete(ours.len(), pairs.len())?;
        for (((private, peer), ours), theirs) in pairs.iter().zip(&ours).zip(&self.theirs) {
            let theirs = agreed(theirs, peer)?;
            if ours.expose() != &theirs {
                return Err(different("shared secret", private, Some(peer), ours.expose(), &theirs));
            }
        }
        if by_p256 {
            let mut theirs = Vec::with_capacity(pairs.len());
            rust_crypto::PROVIDER.key_agreement.agree(&pairs, &mut theirs).context("rust_crypto")?;
            complete(theirs.len(), pairs.len())?;
            for (((private, peer), ours), theirs) in pairs.iter().zip(&ours).zip(&theirs) {
                if ours.expose() != theirs.expose() {
                    return Err(different(
                        "shared secret",
                        private,
                        Some(peer),
                        ours.expose(),
                        theirs.expose(),
                    ));
                }
            }
            counts.by_p256.fetch_add(u64::try_from(pairs.len()).unwrap_or(0), Ordering::Relaxed);
        }
        Ok(())
    }

    /// What an encryption does; the other side computes the same secret from the fresh public key.
    fn agree_fresh(&self) -> Result<(), Failure> {
        let mut ours = Vec::with_capacity(self.public.len());
        let fresh = self.provider.key_agreement.agree_fresh(self.provider.random, &self.public, &mut ours);
        fresh.context(self.provider.name)?;
        complete(ours.len(), self.public.len())?;
        for ((private, ours), theirs) in self.private.iter().zip(&ours).zip(&self.theirs) {
            let theirs = agreed(theirs, &ours.sender_key)?;
            if ours.shared.expose() != &theirs {
                let (peer, ours) = (&ours.sender_key, ours.shared.expose());
                return Err(different("secret of a fresh key", private, Some(peer), ours, &theirs));
            }
        }
        Ok(())
    }
}

fn agreed(private: &agreement::PrivateKey, peer: &PublicKey) -> Result<[u8; 32], Failure> {
    let peer = agreement::UnparsedPublicKey::new(&ECDH_P256, peer.as_octets());
    agreement::agree(private, peer, ProviderError::Internal, |secret| {
        secret.try_into().map_err(|_| ProviderError::Internal)
    })
    .context("aws_lc_rs")
}

fn complete(got: usize, wanted: usize) -> Result<(), Failure> {
    if got == wanted { Ok(()) } else { Err(Failure::new(format!("{got} results for {wanted} keys"))) }
}

/// These keys were made for this comparison and protect nothing, so they are shown.
fn different(
    what: &str,
    private: &PrivateKey,
    peer: Option<&PublicKey>,
    ours: &[u8],
    theirs: &[u8],
) -> Failure {
    let peer = peer.map_or_else(String::new, |peer| format!(" with {}", hex(peer.as_octets())));
    Failure::new(format!(
        "the {what} of private key {}{peer} is {} here and {} there",
        hex(private.expose()),
        hex(ours),
        hex(theirs)
    ))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_points_are_points() {
        assert!(strange_points().unwrap().len() > 300);
    }
}
