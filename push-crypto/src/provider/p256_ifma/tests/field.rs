//! Field operations in every lane of every form against plain big numbers, and lanes against twins, limb by limb.

use std::{vec, vec::Vec};

use super::{Numbers, Operation, big, forms};
use crate::provider::p256_ifma::numbers::{GENERATOR, P52, Words};

type Limbs = [i64; 5];

/// The limbs of k p, signed and not carried.
fn multiple_of_p(k: i64) -> Limbs {
    P52.map(|digit| digit.cast_signed() * k)
}

/// 0, 1, p ± 1, the multiples of p up to the limit of a factor, and the largest digits: all of them factors.
fn factors(numbers: &mut Numbers) -> Vec<Limbs> {
    let mut factors = vec![[0; 5], [1, 0, 0, 0, 0]];
    for k in 1..=15 {
        let [low, rest @ ..] = multiple_of_p(k);
        for near in [-1, 0, 1] {
            let [b, c, d, e] = rest;
            factors.push([low + near, b, c, d, e]);
        }
    }
    let low = (1 << 52) - 1;
    factors.push([low, low, low, low, (1 << 52) - (1 << 44)]);
    factors.push([low, 0, low, 0, low >> 4]);
    for _ in 0..16 {
        factors.push(core::array::from_fn(|_| (numbers.next() >> 13).cast_signed()));
    }
    factors
}

/// A value in [0, 15 p) whose limbs are of either sign.
fn loosen(limbs: &Limbs, numbers: &mut Numbers) -> Limbs {
    let mut loose = *limbs;
    for at in 0..4 {
        // Carries the wrong way, as differences of products do.
        let carry = (numbers.next() >> 60).cast_signed() - 8;
        loose[at] += carry << 52;
        loose[at + 1] -= carry;
    }
    loose
}

/// Runs the operation with other operands in each lane and compares the values modulo p, and the twins' limbs.
fn check(operation: Operation, cases: &[[Limbs; 4]], expected: impl Fn(&[Words; 4]) -> Words) {
    for eight in cases.chunks(8) {
        let lane = |lane: usize| eight[lane % eight.len()];
        let operands: [[[u64; 8]; 5]; 4] = core::array::from_fn(|operand| {
            core::array::from_fn(|limb| core::array::from_fn(|at| lane(at)[operand][limb].cast_unsigned()))
        });
        let mut before = None;
        for (form, lanes) in forms() {
            let result = lanes.lanes.field(operation, &operands);
            for at in 0..8 {
                let limbs = result.map(|limb| limb[at].cast_signed());
                let values = lane(at).map(|limbs| big::value(&limbs));
                assert_eq!(big::value(&limbs), expected(&values), "{form}: {operation:?} of {:?}", lane(at));
            }
            assert_eq!(*before.get_or_insert(result), result, "{form}: {operation:?}: other limbs");
        }
    }
}

/// R^-1.
fn shrink(a: &Words) -> Words {
    big::multiply(a, &big::invert(&big::power_of_two(260)))
}

fn cases() -> Vec<[Limbs; 4]> {
    let mut numbers = Numbers(0x5EED);
    let factors = factors(&mut numbers);
    let any = |numbers: &mut Numbers| factors[numbers.next() as usize % factors.len()];
    factors
        .iter()
        .map(|first| {
            let (b, c, d) = (any(&mut numbers), any(&mut numbers), any(&mut numbers));
            [loosen(first, &mut numbers), loosen(&b, &mut numbers), c, d]
        })
        .collect()
}

#[test]
fn sums_and_differences_are_right() {
    let cases = cases();
    check(Operation::Add, &cases, |[a, b, ..]| big::add(a, b));
    check(Operation::Sub, &cases, |[a, b, ..]| big::add(a, &big::negate(b)));
    check(Operation::Twice, &cases, |[a, ..]| big::add(a, a));
    check(Operation::Thrice, &cases, |[a, ..]| big::add(&big::add(a, a), a));
    check(Operation::PlusMinus4, &cases, |[a, ..]| *a);
    check(Operation::Digits, &cases, |[a, ..]| *a);
}

#[test]
fn products_and_squares_are_right() {
    let cases = cases();
    let shrink_by = big::invert(&big::power_of_two(260));
    let product = |a: &Words, b: &Words| big::multiply(&big::multiply(a, b), &shrink_by);
    check(Operation::Mul, &cases, |[a, b, ..]| product(a, b));
    check(Operation::MulPlus7, &cases, |[a, b, ..]| product(a, b));
    check(Operation::Square, &cases, |[a, ..]| product(a, a));
    check(Operation::SquareMinus4, &cases, |[a, ..]| product(a, a));
    check(Operation::MulAddMul, &cases, |[a, b, c, d]| big::add(&product(a, b), &product(c, d)));
    check(Operation::MulAddSquare, &cases, |[a, b, c, _]| big::add(&product(a, b), &product(c, c)));
    let difference = |[a, b, c, _]: &[Words; 4]| big::add(&product(a, b), &big::negate(&product(c, c)));
    check(Operation::MulSubSquare, &cases, difference);
}

#[test]
fn inverses_are_right() {
    let zero = [0; 4];
    let cases: Vec<_> = cases()
        .into_iter()
        .filter(|case| case[..2].iter().all(|limbs| big::value(limbs) != zero))
        .take(16)
        .collect();
    // (a R)^-1 in Montgomery's form is R^2 / a; the product that brings it out divides by R and multiplies by R.
    check(Operation::Invert, &cases, |[a, ..]| big::multiply(&big::invert(a), &big::power_of_two(520)));
}

/// Numbers that leave the lanes are below p, also where the value before was p or a multiple.
#[test]
fn what_leaves_the_lanes_is_reduced() {
    let cases = cases();
    check(Operation::Leave, &cases, |[a, ..]| shrink(a));
    for (form, lanes) in forms() {
        for case in &cases {
            let operands = case.map(|limbs| limbs.map(|limb| [limb.cast_unsigned(); 8]));
            for limbs in lanes.lanes.field(Operation::Leave, &operands).map(|limb| limb[0]).chunks(5) {
                let below = limbs.iter().rev().lt(P52.iter().rev());
                assert!(below, "{form}: {limbs:?} is not below p");
            }
        }
    }
}

/// The weak reduction gives 2 p to 3 p for everything from -13 p to 3 p.
#[test]
fn weak_reduction_ends_between_two_and_three_p() {
    let mut numbers = Numbers(0x5EED);
    let mut cases = vec![];
    for k in -12..3 {
        let base = multiple_of_p(k);
        for near in [-1, 0, 1, (numbers.next() >> 14).cast_signed()] {
            let mut limbs = base;
            limbs[0] += near;
            cases.push([limbs, [0; 5], [0; 5], [0; 5]]);
        }
    }
    check(Operation::Weak, &cases, |[a, ..]| *a);
    for (form, lanes) in forms() {
        for case in &cases {
            let operands = case.map(|limbs| limbs.map(|limb| [limb.cast_unsigned(); 8]));
            let weak = lanes.lanes.field(Operation::Weak, &operands);
            let digits = lanes.lanes.field(Operation::Digits, &[weak; 4]).map(|limb| limb[0]);
            let (least, most) = (carried(&multiple_of_p(2)), carried(&multiple_of_p(3)));
            // The estimate looks at the top limb only, to which the others may still carry a few units of 2^208.
            assert!(digits[4] + 16 >= least[4], "{form}: {case:?} gives less than 2 p");
            assert!(digits[4] <= most[4] + 16, "{form}: {case:?} gives more than 3 p");
        }
    }
}

fn carried(limbs: &Limbs) -> [u64; 5] {
    let mut digits = *limbs;
    for at in 0..4 {
        digits[at + 1] += digits[at] >> 52;
        digits[at] &= (1 << 52) - 1;
    }
    digits.map(i64::cast_unsigned)
}

/// Lanes and twins hold equal limbs after every doubling and addition of a long row.
#[test]
fn lanes_and_twins_agree_step_by_step() {
    let mut numbers = Numbers(0x5EED);
    let choices: Vec<u8> = (0..400).map(|_| numbers.next() as u8).collect();
    let mut before: Option<Vec<_>> = None;
    for (form, lanes) in forms() {
        let steps = lanes.lanes.steps(&[&GENERATOR; 8], &choices);
        let before = before.get_or_insert_with(|| steps.clone());
        let differs = before.iter().zip(&steps).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{form}: first step that differs");
    }
    assert_eq!(before.map(|steps| steps.len()), Some(400));
}

#[test]
fn the_plain_numbers_are_right_themselves() {
    let one = [1, 0, 0, 0];
    let a = [7, 8, 9, 10];
    assert_eq!(big::multiply(&a, &big::invert(&a)), one);
    assert_eq!(big::add(&big::negate(&a), &a), [0; 4]);
    assert_eq!(big::value(&multiple_of_p(3)), [0; 4]);
    // 2^256 - p.
    let rest = [1, 0xffff_ffff_0000_0000, 0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_fffe];
    assert_eq!(big::power_of_two(256), rest);
}
