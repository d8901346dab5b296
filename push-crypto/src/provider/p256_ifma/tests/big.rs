//! Numbers modulo p, slowly and plainly: bit by bit, without anything of the lanes.

use crate::provider::p256_ifma::numbers::{P, Words, subtract};

pub(super) fn add(a: &Words, b: &Words) -> Words {
    let (mut sum, mut carry) = ([0; 4], 0_u128);
    for (sum, (a, b)) in sum.iter_mut().zip(a.iter().zip(b)) {
        carry += u128::from(*a) + u128::from(*b);
        *sum = carry as u64;
        carry >>= 64;
    }
    let (reduced, below) = subtract(&sum, &P);
    if below && carry == 0 { sum } else { reduced }
}

pub(super) fn negate(a: &Words) -> Words {
    if *a == [0; 4] { *a } else { subtract(&P, a).0 }
}

pub(super) fn multiply(a: &Words, b: &Words) -> Words {
    let mut product = [0; 4];
    for bit in (0..256).rev() {
        product = add(&product, &product);
        if b[bit / 64] >> (bit % 64) & 1 == 1 {
            product = add(&product, a);
        }
    }
    product
}

/// 2^exponent.
pub(super) fn power_of_two(exponent: u32) -> Words {
    (0..exponent).fold([1, 0, 0, 0], |power, _| add(&power, &power))
}

/// The value of signed limbs of radix 2^52.
pub(super) fn value(limbs: &[i64; 5]) -> Words {
    limbs.iter().rev().fold([0; 4], |value, limb| {
        let size = [limb.unsigned_abs(), 0, 0, 0];
        let shifted = (0..52).fold(value, |value, _| add(&value, &value));
        add(&shifted, &if *limb < 0 { negate(&size) } else { size })
    })
}

/// a^(p - 2).
pub(super) fn invert(a: &Words) -> Words {
    let exponent = subtract(&P, &[2, 0, 0, 0]).0;
    let mut power = [1, 0, 0, 0];
    for bit in (0..256).rev() {
        power = multiply(&power, &power);
        if exponent[bit / 64] >> (bit % 64) & 1 == 1 {
            power = multiply(&power, a);
        }
    }
    power
}
