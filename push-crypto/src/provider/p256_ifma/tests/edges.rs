//! Scalars and points at the edges, against the next provider; and the widths that must fail.

use std::{vec, vec::Vec};

use super::{P256Lanes, fastest_form, forms};
use crate::{
    PrivateKey, PublicKey, Secret,
    provider::{
        KeyAgreement,
        p256_ifma::{
            numbers::{GENERATOR, N, Words, octets, subtract},
            without_lanes,
        },
    },
};

fn small(number: u64) -> Words {
    [number, 0, 0, 0]
}

fn power_of_two(bit: usize) -> Words {
    let mut words = [0; 4];
    words[bit / 64] = 1 << (bit % 64);
    words
}

fn from_order(number: &Words) -> Words {
    subtract(&N, number).0
}

/// 1 to 200 and their complements, powers of two and their neighbours, patterns, half the order, and all scalars
/// that come near a coincidence of the schedule: n + 2 d, and multiples of 2^253 plus and minus n.
fn scalars() -> Vec<PrivateKey> {
    let mut scalars: Vec<Words> = (1..200).map(small).collect();
    for bit in 0..256 {
        let power = power_of_two(bit);
        let mut next = power;
        next[0] |= 1;
        scalars.extend([power, next, subtract(&power, &small(1)).0]);
    }
    for number in 1..512 {
        let top = [0, 0, 0, (number % 32) << 61];
        scalars.extend([subtract(&top, &N).0, from_order(&top), small(2 * number)]);
    }
    let half = [N[0] >> 1 | N[1] << 63, N[1] >> 1 | N[2] << 63, N[2] >> 1 | N[3] << 63, N[3] >> 1];
    scalars.extend([half, [half[0] + 1, half[1], half[2], half[3]]]);
    for pattern in [0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa, u64::MAX, 1 << 63, (1 << 63) - 1] {
        scalars.extend([[pattern; 4], [pattern, pattern, pattern, pattern >> 1], [pattern, 0, pattern, 0]]);
    }
    let complements: Vec<_> = scalars.iter().map(from_order).collect();
    scalars.extend(complements);
    scalars.sort_unstable();
    scalars.dedup();
    scalars.iter().filter_map(|scalar| PrivateKey::from_octets(&octets(scalar)).ok()).collect()
}

fn publics(keys: &[PrivateKey]) -> Vec<PublicKey> {
    let mut publics = vec![];
    without_lanes().key_agreement.public_keys(keys, &mut publics).unwrap();
    publics
}

fn key(scalar: &Words) -> PrivateKey {
    PrivateKey::from_octets(&octets(scalar)).unwrap()
}

/// ±G, 2 G, and any point.
fn points() -> Vec<PublicKey> {
    publics(&[key(&small(1)), key(&from_order(&small(1))), key(&small(2)), key(&[3, 1, 4, 1])])
}

/// Every scalar in every lane: the list is shifted by one place eight times.
fn check_scalars(lanes: P256Lanes, keys: &[PrivateKey], points: &[PublicKey]) {
    let expected_publics = publics(keys);
    let mut own = vec![];
    let mut secrets = vec![];
    for point in points {
        let pairs: Vec<_> = keys.iter().map(|key| (key, point)).collect();
        let mut expected = vec![];
        without_lanes().key_agreement.agree(&pairs, &mut expected).unwrap();
        for shift in 0..8 {
            secrets.clear();
            let turned: Vec<_> = pairs.iter().cycle().skip(shift).take(pairs.len()).copied().collect();
            lanes.agree(&turned, &mut secrets).unwrap();
            let expected = expected.iter().cycle().skip(shift).take(pairs.len());
            assert!(secrets.iter().eq(expected), "a secret is wrong, shifted by {shift}");
        }
    }
    for shift in 0..8 {
        own.clear();
        let mut turned = keys.to_vec();
        turned.rotate_left(shift);
        lanes.public_keys(&turned, &mut own).unwrap();
        let expected = expected_publics.iter().cycle().skip(shift).take(keys.len());
        assert!(own.iter().eq(expected), "a public key is wrong, shifted by {shift}");
    }
}

/// 2 300 scalars with four points; without the instructions, or unoptimised, every 23rd.
#[test]
fn scalars_at_the_edges_are_right_in_every_lane() {
    let keys = scalars();
    assert!(keys.len() > 2_300, "{} scalars", keys.len());
    let thin = |step| keys.iter().step_by(step).cloned().collect::<Vec<_>>();
    let whole = crate::provider::p256_ifma::lanes::Lanes::detect().is_some();
    check_scalars(fastest_form(), &if whole { keys.clone() } else { thin(23) }, &points());
    for (_, lanes) in forms() {
        check_scalars(lanes, &thin(101), &points()[3..]);
    }
}

/// The points with the least, and with nearly the greatest, X; X = 0; small multiples of G and their opposites.
#[test]
fn points_at_the_edges_are_right() {
    let multiples: Vec<_> = (1..40).flat_map(|k| [key(&small(k)), key(&from_order(&small(k)))]).collect();
    let mut points = publics(&multiples);
    let mut on_curve = 0;
    for (x, sign) in (0..40_u8).flat_map(|x| [(x, 2), (x, 3)]) {
        let mut compressed = [0; 33];
        (compressed[0], compressed[32]) = (sign, x);
        let huge = subtract(&crate::provider::p256_ifma::numbers::P, &small(u64::from(x) + 1)).0;
        let mut near_p = [sign; 33];
        near_p[1..].copy_from_slice(&octets(&huge));
        for octets in [compressed, near_p] {
            use p256::elliptic_curve::sec1::ToSec1Point as _;
            if let Ok(point) = p256::PublicKey::from_sec1_bytes(&octets) {
                on_curve += 1;
                points.push(PublicKey::from_octets(point.to_sec1_point(false).as_bytes()).unwrap());
            }
        }
    }
    assert!(on_curve > 40, "half of all X belong to points");
    let private = key(&[0xfeed, 5, 0xbeef, 77]);
    let pairs: Vec<_> = points.iter().map(|point| (&private, point)).collect();
    let mut expected = vec![];
    without_lanes().key_agreement.agree(&pairs, &mut expected).unwrap();
    for (form, lanes) in forms() {
        let mut secrets = vec![];
        lanes.agree(&pairs, &mut secrets).unwrap();
        assert!(secrets == expected, "{form}");
    }
}

fn expected_x(scalar: &Words, point: &PublicKey) -> Secret<32> {
    without_lanes().shared_secret(&key(scalar), point).unwrap()
}

/// Numbers d below 1 000 for which k = n - d comes out wrong.
fn failures(compute: impl Fn(&[&[u8; 32]; 8]) -> [[u8; 32]; 8], point: &PublicKey) -> Vec<u64> {
    let numbers: Vec<u64> = (1..=1_000).collect();
    let mut wrong = vec![];
    for eight in numbers.chunks(8) {
        let scalars: [Words; 8] = core::array::from_fn(|lane| from_order(&small(eight[lane])));
        let as_octets = scalars.each_ref().map(octets);
        let found = compute(&as_octets.each_ref());
        for ((number, scalar), x) in eight.iter().zip(&scalars).zip(found) {
            if expected_x(scalar, point) != Secret::new(x) {
                wrong.push(*number);
            }
        }
    }
    wrong
}

/// The negative control: with even widths exactly the predicted scalars meet the exceptional case, so the tests
/// above would see one.
#[test]
fn only_the_predicted_scalars_of_even_widths_fail() {
    let point = PublicKey::from_octets(&GENERATOR).unwrap();
    let other = publics(&[key(&small(3))])[0];
    let lanes = fastest_form().lanes;
    for (window, expected) in [(4, &[2][..]), (5, &[]), (6, &[34])] {
        let wrong = failures(|scalars| lanes.ladder(window, &[other.as_octets(); 8], scalars), &other);
        assert_eq!(wrong, expected, "ladder of width {window}");
    }
    for (window, expected) in [(5, &[][..]), (6, &[34]), (7, &[]), (8, &[162])] {
        let wrong = failures(|scalars| lanes.comb(window, scalars), &point);
        assert_eq!(wrong, expected, "comb of width {window}");
    }
}

/// The table of the generator against the other implementation: every entry is the public key of its scalar.
#[test]
fn the_comb_has_every_multiple_of_the_generator() {
    // Scalars with one digit of value 2 j + 1 above the lowest, where the others cancel to ±1: taken together the
    // comb is asked for every index in every window.
    let keys: Vec<_> = (0..37_u32)
        .flat_map(|window| (0..128_u64).map(move |index| (window, index)))
        .filter_map(|(window, index)| {
            let bit = (7 * window + 1) as usize;
            let mut words = [1, 0, 0, 0];
            words[bit / 64] |= index << (bit % 64);
            if bit % 64 > 57 && bit / 64 < 3 {
                words[bit / 64 + 1] |= index >> (64 - bit % 64);
            }
            PrivateKey::from_octets(&octets(&words)).ok()
        })
        .collect();
    assert!(keys.len() > 4_500, "{} keys", keys.len());
    let mut own = vec![];
    fastest_form().public_keys(&keys, &mut own).unwrap();
    assert!(own == publics(&keys));
}

/// Valid points whose coordinates become the largest numbers that enter the lanes: y = R^-1 mod p comes to p + 1.
#[test]
fn points_that_enter_the_lanes_as_the_largest_numbers_are_right() {
    let mut octets = [0; 65];
    let text = b"0471ca15cfb406742960c4fdf175541492610eea6dd25126d9b233f36b27468b53\
                 0fffffffe00000003fffffffd0000000200000001fffffffe000000030000000";
    let digits: Vec<u8> =
        text.iter().filter_map(|digit| char::from(*digit).to_digit(16)).map(|digit| digit as u8).collect();
    for (octet, pair) in octets.iter_mut().zip(digits.chunks(2)) {
        *octet = pair[0] << 4 | pair[1];
    }
    let point = PublicKey::from_octets(&octets).unwrap();
    let keys: Vec<_> = (0..64).map(|_| PrivateKey::generate(&crate::provider::OsRandom).unwrap()).collect();
    let pairs: Vec<_> = keys.iter().map(|key| (key, &point)).collect();
    let mut expected = vec![];
    without_lanes().key_agreement.agree(&pairs, &mut expected).unwrap();
    for (form, lanes) in forms() {
        let mut secrets = vec![];
        lanes.agree(&pairs, &mut secrets).unwrap();
        let wrong = secrets.iter().zip(&expected).filter(|(secret, expected)| secret != expected).count();
        assert_eq!(wrong, 0, "{form}: of 64");
    }
}
