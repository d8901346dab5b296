//! Between octets and lanes: coordinates and scalars in, coordinates out.
//!
//! Outside the lanes, secret octets are only moved in whole words.

use zeroize::Zeroizing;

use super::{
    field::{Digits, Operand, add, carry, digits, mul, plus_p, splat, square, sub},
    scalar::choose,
    vector::{self, Mask, V},
};
use crate::provider::p256_ifma::numbers::{B_R, Digits52, LOW, ONE52, P52, R2, THREE_R};

lanes! {

/// Eight numbers of 32 octets, big-endian, as digits.
#[inline]
pub(super) fn from_octets(numbers: &[&[u8; 32]; 8]) -> Digits {
    let mut words = Zeroizing::new([[0_u64; 8]; 4]);
    for (lane, number) in numbers.iter().enumerate() {
        for (words, octets) in words.iter_mut().rev().zip(number.as_chunks::<8>().0) {
            words[lane] = u64::from_be_bytes(*octets);
        }
    }
    let [a, b, c, d] = [
        vector::load(&words[0]),
        vector::load(&words[1]),
        vector::load(&words[2]),
        vector::load(&words[3]),
    ];
    let low = vector::splat(LOW.cast_signed());
    Digits([
        vector::and(a, low),
        vector::and(vector::or(vector::shift_down::<52>(a), vector::shift_up::<12>(b)), low),
        vector::and(vector::or(vector::shift_down::<40>(b), vector::shift_up::<24>(c)), low),
        vector::and(vector::or(vector::shift_down::<28>(c), vector::shift_up::<36>(d)), low),
        vector::shift_down::<16>(d),
    ])
}

/// Eight numbers below 2^256 as octets, big-endian, into so many places as there are.
#[inline]
pub(super) fn to_octets<'a>(Digits([a, b, c, d, e]): &Digits, out: impl Iterator<Item = &'a mut [u8; 32]>) {
    let words = Zeroizing::new([
        vector::store(vector::or(*a, vector::shift_up::<52>(*b))),
        vector::store(vector::or(vector::shift_down::<12>(*b), vector::shift_up::<40>(*c))),
        vector::store(vector::or(vector::shift_down::<24>(*c), vector::shift_up::<28>(*d))),
        vector::store(vector::or(vector::shift_down::<36>(*d), vector::shift_up::<16>(*e))),
    ]);
    for (lane, number) in (0..8).zip(out) {
        for (words, octets) in words.iter().rev().zip(number.as_chunks_mut::<8>().0) {
            *octets = words[lane].to_be_bytes();
        }
    }
}

/// Lanes whose number is below p.
#[inline]
pub(super) fn below_p(a: &Digits) -> Mask {
    vector::negative(digits(&sub(&a.summand(), &splat(&P52).summand())).0[4])
}

/// Into Montgomery's form.
#[inline]
pub(super) fn enter(a: &Digits) -> Digits {
    digits(&mul::<0>(&a.factor(), &splat(&R2).factor()))
}

/// Out of Montgomery's form and below p: times 1, or times 1/2 for a coordinate that is stored doubled; p minus that
/// in the lanes of the mask.
#[inline]
pub(super) fn leave(a: &Operand, factor: &Digits52, negate: Mask) -> Digits {
    let p = splat(&P52);
    // Below 2 p, so that one subtraction is enough. It is no multiple of p where it is negated: no point of P-256
    // has y = 0.
    let value = digits(&mul::<0>(a, &splat(factor).factor()));
    let reduced = digits(&sub(&value.summand(), &p.summand()));
    let value = choose(vector::negative(reduced.0[4]), &value, &reduced);
    choose(negate, &digits(&sub(&p.summand(), &value.summand())), &value)
}

/// Lanes whose point is on the curve: y^2 = (x^2 - 3) x + b.
#[inline]
pub(super) fn on_curve(x: &Digits, y: &Digits) -> Mask {
    let (x, three, b) = (x.factor(), splat(&THREE_R).summand(), splat(&B_R).summand());
    let left = plus_p::<4>(&square::<0>(&y.factor()));
    let slope = carry(&plus_p::<2>(&sub(&square::<0>(&x), &three)));
    let difference = sub(&left, &add(&mul::<0>(&slope, &x), &b));
    is_zero(&carry(&difference))
}

/// Lanes whose number is 0 modulo p.
#[inline]
fn is_zero(a: &Operand) -> Mask {
    let value = leave(a, &ONE52, 0);
    let mut all: V = value.0[0];
    for limb in &value.0[1..] {
        all = vector::or(all, *limb);
    }
    vector::all_clear(all, all)
}

}
