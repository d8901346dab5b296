//! What must not come in: points that are none, scalars out of range; and what a failing self-test leads to.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    vec,
    vec::Vec,
};

use super::{Lanes, P256Lanes, forms};
use crate::{
    PrivateKey,
    provider::{
        KeyAgreement as _, OsRandom, ProviderError, RandomUnavailable, SecureRandom,
        p256_ifma::{
            Choice, Shared, choose,
            numbers::{GENERATOR, N, ONE, P, octets, subtract},
            without_lanes,
        },
    },
};

fn point(x: [u8; 32], y: [u8; 32]) -> [u8; 65] {
    let mut point = [4; 65];
    point[1..33].copy_from_slice(&x);
    point[33..].copy_from_slice(&y);
    point
}

/// Off the curve, the form of another encoding, and coordinates that are a coordinate plus p.
fn bad_points() -> Vec<[u8; 65]> {
    let x: [u8; 32] = GENERATOR[1..33].try_into().unwrap();
    let y: [u8; 32] = GENERATOR[33..].try_into().unwrap();
    let mut other_form = GENERATOR;
    other_form[0] = 6;
    let mut off = GENERATOR;
    off[64] ^= 1;
    // (0, y) with y^2 = b is on the curve; with X = p it is the same point written wrongly.
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    let mut compressed = [0; 33];
    compressed[0] = 2;
    let zero_x = p256::PublicKey::from_sec1_bytes(&compressed).unwrap().to_sec1_point(false);
    let zero_x: [u8; 65] = zero_x.as_bytes().try_into().unwrap();
    let beyond = point(octets(&P), zero_x[33..].try_into().unwrap());
    vec![
        point([0; 32], [0; 32]),
        point([0; 32], ONE),
        point(x, [0; 32]),
        point(x, ONE),
        point([0xff; 32], y),
        point(x, [0xff; 32]),
        beyond,
        off,
        other_form,
    ]
}

/// A refused point leaves its neighbours alone: those of its block, and those of its lane in other blocks.
#[test]
fn refused_points_touch_nobody_else() {
    let bad = bad_points();
    let keys: Vec<_> = (0..64).map(|_| PrivateKey::generate(&OsRandom).unwrap()).collect();
    let mut publics = vec![];
    without_lanes().key_agreement.public_keys(&keys, &mut publics).unwrap();
    let scalars: Vec<_> = keys.iter().map(PrivateKey::expose).collect();
    // Nine bad points, two of them in lane 3.
    let places: [usize; 9] = [3, 11, 17, 24, 32, 40, 45, 60, 63];
    let mut points: Vec<_> = publics.iter().rev().map(|public| public.as_octets()).collect();
    for (place, bad) in places.iter().zip(&bad) {
        points[*place] = bad;
    }
    for (form, lanes) in forms() {
        let mut out = vec![Shared::EMPTY; 64];
        lanes.lanes.agree(&points, &scalars, &mut out);
        for (place, shared) in out.iter().enumerate() {
            assert_eq!(shared.accepted, !places.contains(&place), "{form}: place {place}");
            if shared.accepted {
                let expected = without_lanes().shared_secret(&keys[place], &publics[63 - place]).unwrap();
                assert_eq!(&shared.octets, expected.expose(), "{form}: place {place}");
            } else {
                assert_eq!(shared.secret(), Err(ProviderError::Internal));
            }
        }
    }
}

#[test]
fn scalars_are_one_to_order_minus_one() {
    let near = |number: u64| octets(&subtract(&N, &[number, 0, 0, 0]).0);
    let mut above = N;
    above[0] += 1;
    let numbers = [[0; 32], ONE, near(1), near(0), octets(&above), [0xff; 32], near(2), [0x7f; 32]];
    for (form, lanes) in forms() {
        assert_eq!(lanes.lanes.scalars_in_range(&numbers.each_ref()), 0b1100_0110, "{form}");
        assert_eq!(lanes.lanes.scalars_in_range(&[&[0; 32], &ONE]) & 3, 0b10, "{form}");
    }
}

/// Gives the number 0, then the order, then what the system gives.
#[derive(Debug, Default)]
struct Unlucky(AtomicUsize);

impl SecureRandom for Unlucky {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => out.fill(0),
            1 => out.copy_from_slice(&octets(&N)),
            _ => OsRandom.fill(out)?,
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Broken;

impl SecureRandom for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomUnavailable> {
        Err(RandomUnavailable)
    }
}

#[test]
fn numbers_that_are_no_scalars_are_drawn_again() {
    let key = PrivateKey::generate(&OsRandom).unwrap();
    let public = without_lanes().public_key(&key).unwrap();
    for (form, lanes) in forms() {
        let (random, mut out) = (Unlucky::default(), vec![]);
        lanes.agree_fresh(&random, &[public; 3], &mut out).unwrap();

        // One draw for all, one more that was the order, three that were good.
        assert_eq!(random.0.into_inner(), 5, "{form}");
        for agreement in &out {
            let secret = without_lanes().shared_secret(&key, &agreement.sender_key).unwrap();
            assert!(secret == agreement.shared, "{form}");
        }
        assert_ne!(out[0].sender_key, out[1].sender_key, "{form}");
    }
}

#[test]
fn without_randomness_nothing_is_appended() {
    let key = PrivateKey::generate(&OsRandom).unwrap();
    let public = without_lanes().public_key(&key).unwrap();
    let mut out = vec![];
    for (form, lanes) in forms() {
        let failed = lanes.agree_fresh(&Broken, &[public; 70], &mut out);
        assert_eq!((failed, out.len()), (Err(ProviderError::Random), 0), "{form}");
    }
}

/// Without the instructions, and after a self-test that fails, the next provider serves, and the name says which.
#[test]
fn the_next_provider_serves_where_the_lanes_may_not() {
    static NONE: std::sync::OnceLock<[Choice; 3]> = std::sync::OnceLock::new();
    let [none, failed, good] = NONE.get_or_init(|| {
        let twin = Lanes::TWINS[0];
        [choose(None, |_| true), choose(Some(twin), |_| false), choose(Some(twin), |_| true)]
    });

    assert_eq!(none.provider().name, without_lanes().name);
    assert!(failed.provider().name.ends_with("p256_ifma failed its self-test"), "{}", failed.provider().name);
    assert!(failed.provider().name.starts_with(without_lanes().name), "{}", failed.provider().name);
    assert_eq!(good.provider().name, "p256_ifma");
    assert!(std::format!("{:?}", good.provider().key_agreement).contains("Lanes"));
    assert!(!std::format!("{:?}", failed.provider().key_agreement).contains("Lanes"));
}

#[test]
fn a_wrong_answer_fails_the_self_test() {
    let twin = P256Lanes { lanes: Lanes::TWINS[0] };
    let mut known = crate::provider::p256_ifma::self_test::known();
    assert!(crate::provider::p256_ifma::self_test::gives(twin.lanes, &known));

    known[2].shared[31] ^= 1;
    assert!(!crate::provider::p256_ifma::self_test::gives(twin.lanes, &known));
}
