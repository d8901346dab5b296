//! Montgomery's reduction with the multiplier: the fewest instructions, for processors where every vector instruction
//! goes to one of two ports.

use super::{
    field::{Columns, FirstCarry, Loose},
    vector,
};
use crate::provider::p256_ifma::numbers::{P1_FIFTH, P1_FOURTH, P1_SECOND};

lanes! {

/// Divides by R modulo p. Since p = -1 mod 2^52, the lowest column is the quotient's digit itself, and adding its
/// product with p is dropping it and adding its product with p + 1, which has three digits.
#[inline]
pub(super) fn reduce(mut t: Columns, first: FirstCarry) -> Loose {
    let (second, fourth, fifth) =
        (vector::splat(P1_SECOND), vector::splat(P1_FOURTH), vector::splat(P1_FIFTH));
    for i in 0..5 {
        let m = t[i];
        t[i + 1] = vector::add_low(t[i + 1], m, second);
        if i > 0 || matches!(first, FirstCarry::Any) {
            t[i + 1] = vector::plus(t[i + 1], vector::shift_down_signed::<52>(m));
        }
        t[i + 2] = vector::add_high(t[i + 2], m, second);
        t[i + 3] = vector::add_low(t[i + 3], m, fourth);
        t[i + 4] = vector::add_high(t[i + 4], m, fourth);
        t[i + 4] = vector::add_low(t[i + 4], m, fifth);
        t[i + 5] = vector::add_high(t[i + 5], m, fifth);
    }
    let [_, _, _, _, _, limbs @ ..] = t;
    Loose(limbs)
}

}
