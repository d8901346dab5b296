//! Montgomery's reduction with shifts for two of the three digits of p + 1: a third fewer products, for processors
//! whose multiplier is the narrow place while other vector instructions have ports of their own (AMD's Zen 4).
//!
//! Its columns are equal, bit by bit, to those of the reduction with the multiplier.

use super::{
    field::{Columns, FirstCarry, Loose},
    vector::{self, V},
};
use crate::provider::p256_ifma::numbers::{LOW, P1_FIFTH};

lanes! {

/// Divides by R modulo p. Since p = -1 mod 2^52, the lowest column is the quotient's digit m itself, and adding m p is
/// dropping it and adding m (p + 1). Two digits of p + 1 are single bits: what they give to a column, the lower part
/// of this digit and the upper part of the digit before, stands side by side and is one shift of both.
#[inline]
pub(super) fn reduce(mut t: Columns, first: FirstCarry) -> Loose {
    let (low, fifth) = (vector::splat(LOW.cast_signed()), vector::splat(P1_FIFTH));
    let mut before = vector::zero();
    for i in 0..5 {
        let m = t[i];
        if i > 0 || matches!(first, FirstCarry::Any) {
            t[i + 1] = vector::plus(t[i + 1], vector::shift_down_signed::<52>(m));
        }
        // m 2^44 and (before >> 8); m 2^36 and (before >> 16).
        t[i + 1] = vector::plus(t[i + 1], side_by_side::<44, 8>(m, before, low));
        t[i + 3] = vector::plus(t[i + 3], side_by_side::<36, 16>(m, before, low));
        t[i + 4] = vector::add_low(t[i + 4], m, fifth);
        t[i + 5] = vector::add_high(t[i + 5], m, fifth);
        before = vector::and(m, low);
    }
    t[6] = vector::plus(t[6], vector::shift_down::<8>(before));
    t[8] = vector::plus(t[8], vector::shift_down::<16>(before));
    let [_, _, _, _, _, limbs @ ..] = t;
    Loose(limbs)
}

/// The lower part of this digit above the upper part of the digit before.
#[inline]
fn side_by_side<const UP: u32, const DOWN: u32>(digit: V, before: V, low: V) -> V {
    vector::and(vector::or(vector::shift_up::<UP>(digit), vector::shift_down::<DOWN>(before)), low)
}

}
