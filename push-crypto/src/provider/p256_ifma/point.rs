//! Points of P-256 in eight lanes: doubling, addition, odd multiples.
//!
//! A register is (X, 2Y, Z) of Jacobian coordinates: with 2Y stored, no formula halves. Doubling and addition give
//! the *negated* point, which turns the subtraction inside their fused product into an addition; the sign depends
//! on the number of operations only and is put into the next digit.
//!
//! Both formulas are incomplete: the addition fails when both points are equal, opposite, or one is the identity.
//! The schedules of `variable` and `fixed` never get there; `scalar` says why.

use super::field::{
    Digits, Loose, Operand, add, carry, digits, mul, mul_add_mul, mul_add_square, mul_sub_square, plus_p,
    product, square, squared, sub, thrice, twice, weak,
};

/// A point that is computed with: (X, 2Y, Z).
#[derive(Clone, Copy, Debug)]
pub(super) struct Register {
    pub(super) x: Loose,
    pub(super) y2: Loose,
    pub(super) z: Loose,
}

/// An affine point (x, 2y) as tables hold it; while a table is built, X and 2Y of a Z that is kept elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) x: Digits,
    pub(super) y2: Digits,
}

/// An affine point (x, 2y) that is added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addend {
    pub(super) x: Operand,
    pub(super) y2: Operand,
}

lanes! {

/// Starts from an affine point; `one` is 1 in Montgomery's form.
#[inline]
pub(super) fn register(point: &Entry, one: &Digits) -> Register {
    // 2 p more, because the differences with X count on 2 p, less a little, in every register.
    Register { x: plus_p::<2>(&point.x.summand()), y2: point.y2.summand(), z: one.summand() }
}

/// -2 Q. Never fails: P-256 has no point of order 2.
#[inline]
fn double(q: &Register) -> Register {
    let (y2, z) = (carry(&q.y2), carry(&q.z));
    let delta = square::<0>(&z);
    let gamma = squared(&y2);
    let product = mul::<0>(&carry(&sub(&q.x, &delta)), &carry(&add(&q.x, &delta)));
    let s = mul::<0>(&carry(&q.x), &gamma);
    let alpha = carry(&thrice(&product));
    let next_z = mul::<0>(&y2, &z);
    let x = weak(&sub(&sub(&square::<0>(&alpha), &s), &s));
    let e = carry(&twice(&sub(&x, &s)));
    Register { x, y2: mul_add_square(&e, &alpha, &gamma), z: next_z }
}

/// Doubles so many times; each time the sign changes.
#[inline(never)]
pub(super) fn double_times(q: &mut Register, times: u32) {
    for _ in 0..times {
        *q = double(q);
    }
}

/// -(Q + T), for Q that is neither T nor -T nor the identity.
#[inline(never)]
pub(super) fn add_affine(q: &mut Register, t: &Addend) {
    let z = carry(&q.z);
    let zz = squared(&z);
    let zzz = product(&z, &zz);
    let h = sub(&mul::<4>(&t.x, &zz), &q.x);
    let r = carry(&sub(&mul::<7>(&t.y2, &zzz), &q.y2));
    let h2 = carry(&twice(&h));
    let i = squared(&h2);
    let r_square = square::<-4>(&r);
    let j = mul::<0>(&carry(&h), &i);
    let v = mul::<0>(&carry(&q.x), &i);
    let next_z = mul::<0>(&z, &h2);
    let x = weak(&sub(&sub(&sub(&r_square, &j), &v), &v));
    let y = mul_add_mul(&r, &carry(&sub(&x, &v)), &carry(&q.y2), &carry(&j));
    *q = Register { x, y2: twice(&y), z: next_z };
}

/// The odd multiples P, 3 P, 5 P … of an affine point, by additions of 2 P with equal Z (co-Z).
///
/// Afterwards each entry is X and 2Y with a Z of its own, `ratios[j]` is Z of entry j through Z of entry j - 1,
/// and the result is the Z of the last. Sums and differences there are 2 P ± (2j + 1) P, never the identity.
#[inline(never)]
pub(super) fn odd_multiples(p: &Entry, one: &Digits, entries: &mut [Entry], ratios: &mut [Operand]) -> Operand {
    let y2 = p.y2.factor();
    let gamma = squared(&y2);
    // P with Z = 2y.
    let (mut x, mut y) = (weak(&mul::<0>(&p.x.factor(), &gamma)), square::<0>(&gamma));
    // 2 P with the same Z.
    let alpha = carry(&thrice(&plus_p::<2>(&sub(&square::<0>(&p.x.factor()), &one.summand()))));
    let mut twice_x = weak(&sub(&sub(&square::<0>(&alpha), &x), &x));
    let e = carry(&twice(&plus_p::<2>(&sub(&x, &twice_x))));
    let mut twice_y = weak(&mul_sub_square::<-4>(&e, &alpha, &gamma));
    let mut z = y2;
    for (at, (entry, ratio)) in entries.iter_mut().zip(ratios).enumerate() {
        if at == 0 {
            (*entry, *ratio) = (*p, one.factor());
            continue;
        }
        let difference = plus_p::<2>(&sub(&twice_x, &x));
        *ratio = carry(&twice(&difference));
        let c = squared(ratio);
        let w1 = weak(&mul::<0>(&carry(&twice_x), &c));
        let w2 = mul::<0>(&carry(&x), &c);
        let dy = carry(&plus_p::<4>(&sub(&twice_y, &y)));
        let a1 = mul::<0>(&carry(&twice_y), &carry(&sub(&w1, &w2)));
        let next_x = weak(&sub(&sub(&square::<-2>(&dy), &plus_p::<-2>(&w1)), &w2));
        let next_y = sub(&mul::<-3>(&dy, &carry(&plus_p::<2>(&sub(&w1, &next_x)))), &a1);
        z = product(&z, ratio);
        (x, y) = (next_x, weak(&twice(&next_y)));
        (twice_x, twice_y) = (w1, twice(&a1));
        *entry = Entry { x: digits(&x), y2: digits(&y) };
    }
    z
}

/// Makes the entries affine, given the inverse of the last Z.
#[inline(never)]
pub(super) fn normalise(entries: &mut [Entry], ratios: &[Operand], inverse: &Operand) {
    let mut inverse = *inverse;
    for (entry, ratio) in entries.iter_mut().zip(ratios).skip(1).rev() {
        *entry = affine(&entry.x.factor(), &entry.y2.factor(), &inverse);
        inverse = product(&inverse, ratio);
    }
}

/// (X / Z^2, 2Y / Z^3).
#[inline]
pub(super) fn affine(x: &Operand, y2: &Operand, inverse: &Operand) -> Entry {
    let square = squared(inverse);
    let cube = product(inverse, &square);
    Entry { x: digits(&mul::<0>(x, &square)), y2: digits(&mul::<0>(y2, &cube)) }
}

}
