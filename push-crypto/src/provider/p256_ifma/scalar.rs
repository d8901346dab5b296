//! Scalars in eight lanes, as odd digits that are never zero.
//!
//! k' is k if that is odd, else n - k, which gives the negated point. With window w, bits w i + 1 to w i + w of k'
//! are u, and digit i is 2 u - (2^w - 1): odd, and below 2^w in size. There is no carry from digit to digit. The top
//! digit is positive: the register starts with it.
//!
//! Why the incomplete addition of `point` is enough: the register holds m P with an odd m of at least 1, doubled w
//! times, and a digit d with |d| < 2^w <= 2^w m is added. As integers 2^w m is not ±d. Modulo n it can be only
//! where 2^w m + |d| >= n, and that leaves digit 0, where 2^w m + d = k'. The sum is not 0, since 0 < k' < n. Both are
//! equal where k' = 2 d mod n; as k' is odd that is k' = n + 2 d with d < 0. But d = (k' mod 2^(w+1)) - 2^w, so that
//! d = 2^w - n modulo 2^(w+1): a constant of the window. [`is_complete`] asks whether it is positive.
//! It is for w = 5 and w = 7; with w = 4, 6 and 8 the scalars n - 2, n - 34 and n - 162 would fail.
//!
//! Nothing here is computed with secrets outside the lanes: compilers make branches of scalar masks.

use zeroize::Zeroize;

use super::{
    field::{Digits, Loose, Operand, carry, digits, plus_p, splat, sub},
    vector::{self, Mask, V},
};
use crate::provider::p256_ifma::numbers::{DIGIT, N, N52};

/// The odd one of k and n - k.
#[derive(Clone, Copy, Debug, Zeroize)]
pub(super) struct Scalar {
    odd: Digits,
    /// Lanes where that is n - k.
    pub(super) negated: Mask,
}

/// A digit of each lane.
pub(super) struct Digit {
    /// j of the entry (2 j + 1) P.
    pub(super) index: V,
    /// Lanes where the entry is subtracted.
    pub(super) negative: Mask,
}

/// Whether a register holds Q or -Q: public, since it depends on the number of operations only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Minus,
    Plus,
}

impl Sign {
    /// After so many operations that negate.
    pub(super) const fn after(self, operations: u32) -> Self {
        match (self, operations % 2) {
            (Self::Minus, 1) | (Self::Plus, 0) => Self::Plus,
            _ => Self::Minus,
        }
    }
}

/// Whether a window never meets an exceptional case; see above.
pub(super) const fn is_complete(window: u32) -> bool {
    let modulus = 1_i64 << (window + 1);
    let order = (N[0] % (1 << (window + 1))).cast_signed();
    let digit = ((1 << window) - order).rem_euclid(modulus);
    // Of the two values of d in (-2^w, 2^w) that differ by the modulus, this is the one of size below 2^w.
    digit < 1 << window
}

lanes! {

/// The odd representative; k is in 1 to n - 1.
#[inline]
pub(super) fn odd(k: &Digits) -> Scalar {
    let negated = vector::all_clear(k.0[0], vector::splat(1));
    let complement = digits(&sub(&splat(&N52).summand(), &k.summand()));
    Scalar { odd: choose(negated, &complement, k), negated }
}

/// Lanes whose scalar is in 1 to n - 1.
#[inline]
pub(super) fn in_range(k: &Digits) -> Mask {
    let below = digits(&sub(&k.summand(), &splat(&N52).summand()));
    let mut all = k.0[0];
    for limb in &k.0[1..] {
        all = vector::or(all, *limb);
    }
    // The top limb is replaced by 0, which is not negative, where no bit is set.
    let top = vector::choose(vector::any_set(all, all), below.0[4], vector::zero());
    vector::negative(top)
}

/// Bits from a public position on.
#[inline]
pub(super) fn bits<const WIDTH: u32>(k: &Scalar, from: u32) -> V {
    let (limb, offset) = ((from / DIGIT) as usize, (from % DIGIT).cast_signed());
    let mut v = vector::shift_down_by(k.odd.0[limb], offset);
    if offset + WIDTH.cast_signed() > DIGIT.cast_signed() && limb < 4 {
        v = vector::or(v, vector::shift_up_by(k.odd.0[limb + 1], DIGIT.cast_signed() - offset));
    }
    vector::and(v, vector::splat((1 << WIDTH) - 1))
}

/// Digit `number`, for a register that holds the point with this sign.
#[inline]
pub(super) fn digit<const WINDOW: u32>(k: &Scalar, number: u32, sign: Sign) -> Digit {
    let u = bits::<WINDOW>(k, WINDOW * number + 1);
    let top = vector::splat(1 << (WINDOW - 1));
    let below_zero = vector::all_clear(u, top);
    let size = vector::xor_where(below_zero, u, vector::splat((1 << WINDOW) - 1));
    let negative = match sign {
        Sign::Plus => below_zero,
        Sign::Minus => vector::any_set(u, top),
    };
    Digit { index: vector::and(size, vector::splat((1 << (WINDOW - 1)) - 1)), negative }
}

/// `a` in the lanes of the mask, `b` in the others.
#[inline]
pub(super) fn choose(mask: Mask, a: &Digits, b: &Digits) -> Digits {
    let mut chosen = *b;
    for i in 0..5 {
        chosen.0[i] = vector::choose(mask, a.0[i], b.0[i]);
    }
    chosen
}

/// `2 p - y` in the lanes of the mask, for y below 2 p.
#[inline]
pub(super) fn negate_where(mask: Mask, y: &Digits) -> Operand {
    let twice_p = plus_p::<2>(&Loose([vector::zero(); 5]));
    let mut limbs = y.summand();
    for i in 0..5 {
        limbs.0[i] = vector::subtract_from_where(mask, y.0[i], twice_p.0[i]);
    }
    carry(&limbs)
}

}
