//! Every ECDH vector of Wycheproof in every lane, among others.

use std::{string::String, vec, vec::Vec};

use serde_json::Value;

use super::{fast_forms, forms};
use crate::provider::{
    KeyAgreement as _,
    p256_ifma::{Shared, numbers::GENERATOR, without_lanes},
};

const FILE: &str = include_str!("../../../../tests/vectors/wycheproof_ecdh_secp256r1_ecpoint_test.json");

fn octets(text: &Value) -> Vec<u8> {
    let digits: Vec<_> =
        text.as_str().unwrap().chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A number of any length as 32 octets.
fn scalar(number: &[u8]) -> [u8; 32] {
    let number: Vec<_> = number.iter().copied().skip_while(|octet| *octet == 0).collect();
    let mut scalar = [0; 32];
    scalar[32 - number.len()..].copy_from_slice(&number);
    scalar
}

struct Vector {
    name: String,
    scalar: [u8; 32],
    point: Vec<u8>,
    /// The secret, or nothing where the point must be refused: Web Push knows no compressed points.
    shared: Option<Vec<u8>>,
}

fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let groups = file["testGroups"].as_array().unwrap().iter();
    let tests = groups.flat_map(|group| group["tests"].as_array().unwrap());
    tests
        .map(|test| {
            let point = octets(&test["public"]);
            let good = test["result"] != "invalid" && point.len() == 65;
            Vector {
                name: std::format!("tcId {}", test["tcId"]),
                scalar: scalar(&octets(&test["private"])),
                shared: good.then(|| octets(&test["shared"])),
                point,
            }
        })
        .collect()
}

/// Each vector once in each lane, its neighbours being other vectors: block after block the list moves by one lane.
#[test]
fn every_vector_is_right_in_every_lane() {
    let vectors = vectors();
    // Other lengths than 65 octets never come to the lanes.
    let (fitting, refused): (Vec<_>, Vec<_>) = vectors.iter().partition(|vector| vector.point.len() == 65);
    assert!(refused.iter().all(|vector| vector.shared.is_none()));
    assert_eq!((vectors.len(), fitting.len()), (355, 346));
    for (form, lanes) in fast_forms() {
        for shift in 0..8 {
            let turned: Vec<_> = fitting.iter().cycle().skip(shift).take(fitting.len()).collect();
            for chunk in turned.chunks(64) {
                let points: Vec<&[u8; 65]> =
                    chunk.iter().map(|vector| vector.point.as_slice().try_into().unwrap()).collect();
                let scalars: Vec<_> = chunk.iter().map(|vector| &vector.scalar).collect();
                let mut out = vec![Shared::EMPTY; chunk.len()];
                lanes.lanes.agree(&points, &scalars, &mut out);
                for (vector, shared) in chunk.iter().zip(&out) {
                    let found = shared.accepted.then(|| shared.octets.to_vec());
                    assert_eq!(found, vector.shared, "{form}: {}, shifted by {shift}", vector.name);
                }
            }
        }
    }
}

/// The private keys of the file through the comb, too.
#[test]
fn the_public_keys_of_the_vectors_are_right() {
    let keys: Vec<_> =
        vectors().iter().filter_map(|vector| crate::PrivateKey::from_octets(&vector.scalar).ok()).collect();
    let mut expected = vec![];
    without_lanes().key_agreement.public_keys(&keys, &mut expected).unwrap();
    for (form, lanes) in forms() {
        let mut own = vec![];
        lanes.public_keys(&keys, &mut own).unwrap();
        assert!(own == expected, "{form}");
    }
    assert_eq!(GENERATOR[0], 4);
}
