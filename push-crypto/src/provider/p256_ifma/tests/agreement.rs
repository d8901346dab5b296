//! Whole operations, through the provider's interface, against the next provider.

use std::{vec, vec::Vec};

use super::{fastest_form, forms};
use crate::{
    PrivateKey, PublicKey,
    provider::{
        KeyAgreement, OsRandom,
        p256_ifma::{self_test, without_lanes},
    },
};

#[test]
fn known_answers_come_from_every_lane() {
    for (form, lanes) in forms() {
        assert!(self_test::passes(lanes.lanes), "{form}");
    }
}

fn fresh(count: usize) -> (Vec<PrivateKey>, Vec<PublicKey>) {
    let keys: Vec<_> = (0..count).map(|_| PrivateKey::generate(&OsRandom).unwrap()).collect();
    let mut publics = vec![];
    without_lanes().key_agreement.public_keys(&keys, &mut publics).unwrap();
    (keys, publics)
}

/// Sizes around the lanes, the chunk, and one beyond it, which leaves a single entry.
#[test]
fn batches_of_every_size_give_what_single_operations_give() {
    let (keys, publics) = fresh(130);
    let next = without_lanes().key_agreement;
    for (form, lanes) in forms() {
        for size in (0..=17).chain([63, 64, 65, 66, 130]) {
            let (keys, publics) = (&keys[..size], &publics[..size]);
            // Another point for each key.
            let pairs: Vec<_> = keys.iter().zip(publics.iter().rev()).collect();
            let (mut expected, mut secrets, mut own, mut agreements) = (vec![], vec![], vec![], vec![]);
            next.agree(&pairs, &mut expected).unwrap();

            lanes.agree(&pairs, &mut secrets).unwrap();
            lanes.public_keys(keys, &mut own).unwrap();
            lanes.agree_fresh(&OsRandom, publics, &mut agreements).unwrap();

            assert!(secrets == expected, "{form}: secrets of {size}");
            assert!(own == publics, "{form}: public keys of {size}");
            // The fresh private halves are gone; the other side must come to the same secret.
            let senders: Vec<_> = agreements.iter().map(|agreement| agreement.sender_key).collect();
            let back: Vec<_> = keys.iter().zip(&senders).collect();
            let mut received = vec![];
            next.agree(&back, &mut received).unwrap();
            assert!(
                received.iter().eq(agreements.iter().map(|agreement| &agreement.shared)),
                "{form}: fresh agreements of {size}"
            );
        }
    }
}

/// One key in all lanes, and the same with one other among them, in each place.
#[test]
fn equal_keys_and_one_other_are_told_apart() {
    let (keys, publics) = fresh(3);
    let next = without_lanes();
    let usual = next.shared_secret(&keys[0], &publics[1]).unwrap();
    let other = next.shared_secret(&keys[2], &publics[1]).unwrap();
    for (form, lanes) in forms() {
        for place in 0..=16 {
            let pairs: Vec<_> =
                (0..16).map(|at| (&keys[if at == place { 2 } else { 0 }], &publics[1])).collect();
            let mut secrets = vec![];
            lanes.agree(&pairs, &mut secrets).unwrap();
            for (at, secret) in secrets.iter().enumerate() {
                assert!(*secret == if at == place { other.clone() } else { usual.clone() }, "{form}: {at}");
            }
        }
    }
}

/// Random keys and points, each point the public key of the key before; fewer without the instructions.
#[test]
fn ten_thousand_random_agreements_and_keys_are_right() {
    let rounds = if crate::provider::p256_ifma::lanes::Lanes::detect().is_some() { 157 } else { 4 };
    let (_, mut publics) = fresh(64);
    let (lanes, next) = (fastest_form(), without_lanes().key_agreement);
    for _ in 0..rounds {
        let keys: Vec<_> = (0..64).map(|_| PrivateKey::generate(&OsRandom).unwrap()).collect();
        let pairs: Vec<_> = keys.iter().zip(&publics).collect();
        let (mut secrets, mut expected, mut own, mut expected_own) = (vec![], vec![], vec![], vec![]);

        lanes.agree(&pairs, &mut secrets).unwrap();
        lanes.public_keys(&keys, &mut own).unwrap();

        next.agree(&pairs, &mut expected).unwrap();
        next.public_keys(&keys, &mut expected_own).unwrap();
        assert!(secrets == expected);
        assert!(own == expected_own);
        publics = own;
        publics.rotate_left(1);
    }
}
