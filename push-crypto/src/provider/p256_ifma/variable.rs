//! k P for a point that is another in each lane: windows of five bits, from the top down.

use super::{
    field::Digits,
    point::{Addend, Entry, Register, add_affine, double_times, register},
    scalar::{Digit, Scalar, Sign, digit, is_complete, negate_where},
    vector,
};

/// Bits of a digit. It cannot be tuned freely: see [`is_complete`].
pub(super) const WINDOW: u32 = 5;
/// The odd multiples below 2^5.
pub(super) const ENTRIES: usize = 1 << (WINDOW - 1);
const _: () = assert!(is_complete(WINDOW), "some scalar would meet an exceptional case of the addition");
const _: () = assert!(matches!(sign(WINDOW), Sign::Plus), "the result would be negated");

/// Digits below the top one, which is 1 at bit 255.
const fn count(window: u32) -> u32 {
    255_u32.div_ceil(window)
}

/// The sign of the result.
const fn sign(window: u32) -> Sign {
    Sign::Plus.after(count(window) * (window + 1))
}

lanes! {

/// k' P, from the odd multiples of P in each lane. The result has the sign of [`sign`].
#[inline(never)]
pub(super) fn ladder<const WINDOW: u32>(entries: &[Entry], k: &Scalar, one: &Digits) -> Register {
    let mut q = register(&entries[0], one);
    let mut sign = Sign::Plus;
    for number in (0..count(WINDOW)).rev() {
        double_times(&mut q, WINDOW);
        sign = sign.after(WINDOW);
        let t = select(entries, &digit::<WINDOW>(k, number, sign));
        add_affine(&mut q, &t);
        sign = sign.after(1);
    }
    q
}

/// The entry of each lane's digit. Every entry of every lane is read.
#[inline(never)]
fn select(entries: &[Entry], digit: &Digit) -> Addend {
    let Entry { mut x, mut y2 } = entries[0];
    let mut number = vector::splat(1);
    for entry in &entries[1..] {
        let mask = vector::equal(digit.index, number);
        number = vector::plus(number, vector::splat(1));
        for i in 0..5 {
            x.0[i] = vector::choose(mask, entry.x.0[i], x.0[i]);
            y2.0[i] = vector::choose(mask, entry.y2.0[i], y2.0[i]);
        }
    }
    Addend { x: x.factor(), y2: negate_where(digit.negative, &y2) }
}

}
