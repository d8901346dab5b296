//! The field of P-256 in eight lanes: five limbs of radix 2^52, Montgomery's factor R = 2^260, about 16 p.
//!
//! | type | holds | may be |
//! |---|---|---|
//! | [`Loose`] | signed limbs below 2^60 in size, of any value | summand |
//! | [`Operand`] | a value in [0, 16 p); limbs 0 to 3 carry garbage above their 52 bits, which the multiplier ignores | factor |
//! | [`Digits`] | the same without garbage | factor, summand, table entry, output |
//!
//! An operand as a summand would count its garbage, so no function takes it as one. Nothing is ever reduced
//! completely before a number leaves the lanes: sums stay in bounds that a test computes from these very formulas.

use zeroize::Zeroize;

use super::{
    reduction::reduce,
    vector::{self, V},
};
use crate::provider::p256_ifma::numbers::{Digits52, LOW, P1_FIFTH, P1_FOURTH, P1_SECOND};

/// Signed limbs of a sum or difference.
#[derive(Clone, Copy, Debug, Zeroize)]
pub(super) struct Loose(pub(super) [V; 5]);

/// A factor.
#[derive(Clone, Copy, Debug, Zeroize)]
pub(super) struct Operand([V; 5]);

/// A factor that may also be added and stored.
#[derive(Clone, Copy, Debug, Zeroize)]
pub(super) struct Digits(pub(super) [V; 5]);

impl Digits {
    pub(super) const fn factor(self) -> Operand {
        Operand(self.0)
    }

    pub(super) const fn summand(self) -> Loose {
        Loose(self.0)
    }
}

/// The columns of a product.
pub(super) type Columns = [V; 10];

/// What the lowest column has above its 52 bits.
#[derive(Clone, Copy)]
pub(super) enum FirstCarry {
    Any,
    /// It is one lower half of a product.
    Zero,
}

lanes! {

/// The same number in every lane.
#[inline]
pub(super) fn splat(digits: &Digits52) -> Digits {
    let mut limbs = [vector::zero(); 5];
    for i in 0..5 {
        limbs[i] = vector::splat(digits[i].cast_signed());
    }
    Digits(limbs)
}

#[inline]
pub(super) fn add(a: &Loose, b: &Loose) -> Loose {
    let mut sum = *a;
    for i in 0..5 {
        sum.0[i] = vector::plus(a.0[i], b.0[i]);
    }
    sum
}

#[inline]
pub(super) fn sub(a: &Loose, b: &Loose) -> Loose {
    let mut difference = *a;
    for i in 0..5 {
        difference.0[i] = vector::minus(a.0[i], b.0[i]);
    }
    difference
}

#[inline]
pub(super) fn twice(a: &Loose) -> Loose {
    add(a, a)
}

#[inline]
pub(super) fn thrice(a: &Loose) -> Loose {
    add(&twice(a), a)
}

/// `a + K p`.
#[inline]
pub(super) fn plus_p<const K: i64>(a: &Loose) -> Loose {
    let mut sum = *a;
    sum.0[0] = vector::minus(a.0[0], vector::splat(K));
    sum.0[1] = vector::plus(a.0[1], vector::splat(K * P1_SECOND));
    sum.0[3] = vector::plus(a.0[3], vector::splat(K * P1_FOURTH));
    sum.0[4] = vector::plus(a.0[4], vector::splat(K * P1_FIFTH));
    sum
}

/// Carries upwards, and leaves behind what the multiplier ignores. The value must be in [0, 16 p).
#[inline]
pub(super) fn carry(a: &Loose) -> Operand {
    let mut limbs = a.0;
    for i in 0..4 {
        limbs[i + 1] = vector::plus(limbs[i + 1], vector::shift_down_signed::<52>(limbs[i]));
    }
    Operand(limbs)
}

/// Carries upwards and masks. The top limb keeps the sign of a negative value.
#[inline]
pub(super) fn digits(a: &Loose) -> Digits {
    let Operand(mut limbs) = carry(a);
    for limb in &mut limbs[..4] {
        *limb = vector::and(*limb, vector::splat(LOW.cast_signed()));
    }
    Digits(limbs)
}

/// Brings a value of (-13 p, 3 p) into [2 p - 2^228, 3 p + 2^228) by the number of p's that its top limb tells: that
/// is off by what the limbs below would carry, and by 2^224 for each p.
#[inline]
pub(super) fn weak(a: &Loose) -> Loose {
    let mut sum = *a;
    let count = vector::minus(vector::splat(2), vector::shift_down_signed::<48>(a.0[4]));
    sum.0[0] = vector::minus(a.0[0], count);
    sum.0[1] = vector::add_low(a.0[1], count, vector::splat(P1_SECOND));
    sum.0[3] = vector::add_low(a.0[3], count, vector::splat(P1_FOURTH));
    sum.0[4] = vector::add_low(a.0[4], count, vector::splat(P1_FIFTH));
    sum
}

/// `a b / R + K p`, and the quotient is at most one p too large.
#[inline]
pub(super) fn mul<const K: i64>(a: &Operand, b: &Operand) -> Loose {
    reduce(add_product(columns::<K>(), a, b), FirstCarry::Zero)
}

/// `a^2 / R + K p`; K is even, because half of it is doubled with the columns.
#[inline]
pub(super) fn square<const K: i64>(a: &Operand) -> Loose {
    const { assert!(K % 2 == 0, "half of K is doubled with the columns") };
    reduce(square_columns::<K>(a), FirstCarry::Zero)
}

/// `(a b + c d) / R`.
#[inline]
pub(super) fn mul_add_mul(a: &Operand, b: &Operand, c: &Operand, d: &Operand) -> Loose {
    reduce(add_product(add_product(columns::<0>(), c, d), a, b), FirstCarry::Any)
}

/// `(a b + c^2) / R`.
#[inline]
pub(super) fn mul_add_square(a: &Operand, b: &Operand, c: &Operand) -> Loose {
    reduce(add_product(square_columns::<0>(c), a, b), FirstCarry::Any)
}

/// `(a b - c^2) / R + K p`.
#[inline]
pub(super) fn mul_sub_square<const K: i64>(a: &Operand, b: &Operand, c: &Operand) -> Loose {
    let (mut t, square) = (columns::<K>(), square_columns::<0>(c));
    for i in 0..10 {
        t[i] = vector::minus(t[i], square[i]);
    }
    reduce(add_product(t, a, b), FirstCarry::Any)
}

/// A product that is a factor again.
#[inline]
pub(super) fn product(a: &Operand, b: &Operand) -> Operand {
    carry(&mul::<0>(a, b))
}

/// A square that is a factor again.
#[inline]
pub(super) fn squared(a: &Operand) -> Operand {
    carry(&square::<0>(a))
}

/// Columns that reduce to K p: it stands in the upper half, where the result will be.
#[inline]
fn columns<const K: i64>() -> Columns {
    let mut t = [vector::zero(); 10];
    if K != 0 {
        t[5] = vector::splat(-K);
        t[6] = vector::splat(K * P1_SECOND);
        t[8] = vector::splat(K * P1_FOURTH);
        t[9] = vector::splat(K * P1_FIFTH);
    }
    t
}

/// Adds the 25 products, five lower halves before five upper ones, so that a column waits for no other.
#[inline]
fn add_product(mut t: Columns, Operand(a): &Operand, b: &Operand) -> Columns {
    for (i, limb) in a.iter().enumerate() {
        t = add_row(t, i, *limb, b);
    }
    t
}

/// One limb's products.
#[inline]
fn add_row(mut t: Columns, i: usize, a: V, Operand(b): &Operand) -> Columns {
    for j in 0..5 {
        t[i + j] = vector::add_low(t[i + j], a, b[j]);
    }
    for j in 0..5 {
        t[i + j + 1] = vector::add_high(t[i + j + 1], a, b[j]);
    }
    t
}

/// Ten products across, doubled as columns (a doubled limb would have 53 bits), and five squares.
#[inline]
fn square_columns<const K: i64>(Operand(a): &Operand) -> Columns {
    let mut t = [vector::zero(); 10];
    if K != 0 {
        // Columns 1 to 8 are doubled below, the last is not.
        t[5] = vector::splat(-(K / 2));
        t[6] = vector::splat(K / 2 * P1_SECOND);
        t[8] = vector::splat(K / 2 * P1_FOURTH);
        t[9] = vector::splat(K * P1_FIFTH);
    }
    for i in 0..4 {
        for j in i + 1..5 {
            t[i + j] = vector::add_low(t[i + j], a[i], a[j]);
        }
        for j in i + 1..5 {
            t[i + j + 1] = vector::add_high(t[i + j + 1], a[i], a[j]);
        }
    }
    for column in &mut t[1..9] {
        *column = vector::plus(*column, *column);
    }
    for i in 0..5 {
        t[2 * i] = vector::add_low(t[2 * i], a[i], a[i]);
        t[2 * i + 1] = vector::add_high(t[2 * i + 1], a[i], a[i]);
    }
    t
}

}
