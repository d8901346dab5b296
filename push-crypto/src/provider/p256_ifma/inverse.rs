//! Inverses in the field: one power for as many numbers as there are (Montgomery's trick).

use zeroize::Zeroize as _;

use super::{
    field::{Operand, product, squared},
};
use crate::provider::p256_ifma::{Wiped, wiped};

lanes! {

/// Replaces every number by its inverse, lane by lane.
///
/// A zero would make all inverses of its lane zero: none may come here.
#[inline(never)]
pub(super) fn invert_all(numbers: &mut [Operand]) {
    let Some((first, rest)) = numbers.split_first_mut() else { return };
    let mut before: Wiped<Operand> = wiped(rest.len(), *first);
    let mut all = *first;
    for (before, number) in before.iter_mut().zip(rest.iter()) {
        *before = all;
        all = product(&all, number);
    }
    let mut inverse = power(&all);
    for (before, number) in before.iter().zip(rest).rev() {
        let next = product(&inverse, number);
        *number = product(&inverse, before);
        inverse = next;
    }
    *first = inverse;
    all.zeroize();
    inverse.zeroize();
}

/// `a^(p - 2)`, by 255 squarings and 13 products: p - 2 is, from its top bit, 32 ones, 31 zeros, a one, 96 zeros,
/// 94 ones, a zero and a one. `ones_k` is a to the power of k ones.
#[inline(never)]
fn power(a: &Operand) -> Operand {
    let ones_2 = product(&square_times(a, 1), a);
    let ones_4 = product(&square_times(&ones_2, 2), &ones_2);
    let ones_8 = product(&square_times(&ones_4, 4), &ones_4);
    let ones_16 = product(&square_times(&ones_8, 8), &ones_8);
    let ones_32 = product(&square_times(&ones_16, 16), &ones_16);
    let mut result = product(&square_times(&ones_32, 32), a);
    for (times, ones) in
        [(128, &ones_32), (32, &ones_32), (16, &ones_16), (8, &ones_8), (4, &ones_4), (2, &ones_2), (2, a)]
    {
        result = product(&square_times(&result, times), ones);
    }
    result
}

#[inline(never)]
fn square_times(a: &Operand, times: u32) -> Operand {
    let mut result = *a;
    for _ in 0..times {
        result = squared(&result);
    }
    result
}

}
