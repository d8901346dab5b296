//! The operations of the field on intervals: values in units of p, and the limbs that carry them.

use crate::provider::p256_ifma::numbers::{P1_FIFTH, P1_FOURTH, P1_SECOND};

/// R / p is 16 and a little more; so much is added to every upper bound.
const SLACK: f64 = 1e-6;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Interval {
    fn add(self, other: Self) -> Self {
        Self { least: self.least + other.least, most: self.most + other.most }
    }

    fn negate(self) -> Self {
        Self { least: -self.most, most: -self.least }
    }

    fn join(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }
}

/// Most of the absolute value of each limb.
type Limbs = [i128; 5];

/// Signed limbs must stay so far below 2^63 that a column of any product still fits beside them.
const LOOSE: i128 = 1 << 60;

#[derive(Clone, Copy, Debug)]
pub(super) struct Loose {
    pub(super) value: Interval,
    limbs: Limbs,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Operand {
    pub(super) value: Interval,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    pub(super) value: Interval,
}

impl Loose {
    /// Any value between, in limbs as a sum of products has them.
    pub(super) fn of(least: f64, most: f64) -> Self {
        Self::new(Interval { least, most }, [1 << 56; 5])
    }

    fn new(value: Interval, limbs: Limbs) -> Self {
        assert!(limbs.iter().all(|limb| *limb < LOOSE), "a limb of {limbs:?} is too large");
        Self { value, limbs }
    }

    pub(super) fn join(&self, other: &Self) -> Self {
        let mut limbs = self.limbs;
        for (limb, other) in limbs.iter_mut().zip(other.limbs) {
            *limb = (*limb).max(other);
        }
        Self::new(self.value.join(other.value), limbs)
    }
}

impl Digits {
    pub(super) fn of(least: f64, most: f64) -> Self {
        Self { value: Interval { least, most } }
    }

    pub(super) fn join(&self, other: &Self) -> Self {
        Self { value: self.value.join(other.value) }
    }

    pub(super) fn factor(self) -> Operand {
        operand(self.value)
    }

    pub(super) fn summand(self) -> Loose {
        Loose::new(self.value, [1 << 52; 5])
    }
}

/// The multiplier reads 52 bits: five of them hold [0, 16 p).
fn operand(value: Interval) -> Operand {
    assert!(value.least >= -1e-9 && value.most < 16.0, "a factor of {value:?}");
    Operand { value }
}

fn multiple(k: i64) -> Interval {
    Interval { least: k as f64, most: k as f64 }
}

fn sums(a: &Loose, b: &Loose) -> Limbs {
    core::array::from_fn(|at| a.limbs[at] + b.limbs[at])
}

pub(super) fn add(a: &Loose, b: &Loose) -> Loose {
    Loose::new(a.value.add(b.value), sums(a, b))
}

pub(super) fn sub(a: &Loose, b: &Loose) -> Loose {
    Loose::new(a.value.add(b.value.negate()), sums(a, b))
}

pub(super) fn twice(a: &Loose) -> Loose {
    add(a, a)
}

pub(super) fn thrice(a: &Loose) -> Loose {
    add(&twice(a), a)
}

fn p_limbs(k: i64) -> Limbs {
    [1, P1_SECOND, 0, P1_FOURTH, P1_FIFTH].map(|limb| i128::from(limb) * i128::from(k.abs()))
}

pub(super) fn plus_p<const K: i64>(a: &Loose) -> Loose {
    add(a, &Loose::new(multiple(K), p_limbs(K)))
}

pub(super) fn carry(a: &Loose) -> Operand {
    operand(a.value)
}

pub(super) fn digits(a: &Loose) -> Digits {
    operand(a.value);
    Digits { value: a.value }
}

pub(super) fn weak(a: &Loose) -> Loose {
    // A uncarried top limb is off by the limbs below it: at most 2^8 units of 2^208, which is below the slack.
    let (least, most) = ((a.value.least - SLACK).floor(), (a.value.most + SLACK).floor());
    assert!(2.0 - most >= 0.0 && 2.0 - least <= 15.0, "the weak reduction is given {:?}", a.value);
    let limbs = core::array::from_fn(|at| a.limbs[at] + (1 << 52));
    Loose::new(Interval { least: 2.0 - SLACK, most: 3.0 + SLACK }, limbs)
}

/// The quotient of `value` by R, plus at most p; `columns` bounds the columns before the reduction in size.
fn reduced(value: Interval, k: i64, columns: i128) -> Loose {
    // A column takes at most five lower and five upper halves of the reduction, and a carry.
    let most = columns + 11 * (1 << 52) + p_limbs(k).into_iter().fold(0, i128::max);
    assert!(most < 1 << 63, "a column of {most}");
    let value = Interval { least: value.least / 16.0, most: value.most / 16.0 + 1.0 + SLACK };
    Loose::new(value.add(multiple(k)), [most; 5])
}

/// Nine or ten halves of products of 52 bits in one column.
const PRODUCT: i128 = 10 << 52;

fn product_of(a: &Operand, b: &Operand) -> Interval {
    Interval { least: a.value.least * b.value.least, most: a.value.most * b.value.most }
}

pub(super) fn mul<const K: i64>(a: &Operand, b: &Operand) -> Loose {
    reduced(product_of(a, b), K, PRODUCT)
}

pub(super) fn square<const K: i64>(a: &Operand) -> Loose {
    assert_eq!(K % 2, 0, "half of K is doubled");
    mul::<K>(a, a)
}

pub(super) fn mul_add_mul(a: &Operand, b: &Operand, c: &Operand, d: &Operand) -> Loose {
    reduced(product_of(a, b).add(product_of(c, d)), 0, 2 * PRODUCT)
}

pub(super) fn mul_add_square(a: &Operand, b: &Operand, c: &Operand) -> Loose {
    mul_add_mul(a, b, c, c)
}

pub(super) fn mul_sub_square<const K: i64>(a: &Operand, b: &Operand, c: &Operand) -> Loose {
    reduced(product_of(a, b).add(product_of(c, c).negate()), K, 2 * PRODUCT)
}

pub(super) fn product(a: &Operand, b: &Operand) -> Operand {
    carry(&mul::<0>(a, b))
}

pub(super) fn squared(a: &Operand) -> Operand {
    carry(&square::<0>(a))
}
