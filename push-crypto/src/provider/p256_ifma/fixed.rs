//! k G for the generator: a comb of 37 windows of seven bits, and its table.
//!
//! The table is equal for all lanes, so an entry's limb is looked up by a permutation of registers, at addresses
//! that depend on nothing. It holds public numbers and is built once, with the lanes themselves.

use alloc::vec::Vec;
use std::sync::OnceLock;

use super::{
    batch::generator,
    borders,
    field::{Digits, Operand, carry, digits, mul, splat},
    inverse::invert_all,
    point::{Addend, Entry, Register, add_affine, affine, normalise, odd_multiples, register},
    scalar::{Scalar, Sign, bits, digit, is_complete, negate_where, odd},
    variable::{self, ladder},
    vector::{self, V},
};
use crate::provider::p256_ifma::numbers::ONE_R;

/// Bits of a digit. 5 and 7 are the widths without exceptional cases; 7 is our choice: 36
/// additions instead of 51, for a table of 189 KB.
pub(super) const WINDOW: u32 = 7;
const _: () = assert!(is_complete(WINDOW), "some scalar would meet an exceptional case of the addition");
const _: () = assert!(matches!(sign(WINDOW), Sign::Plus), "the result would be negated");

/// Windows of a scalar.
const fn windows(window: u32) -> u32 {
    256_u32.div_ceil(window)
}

/// The sign of the result: every window but the top one negates.
const fn sign(window: u32) -> Sign {
    Sign::Plus.after(windows(window) - 1)
}

/// Eight words that one load reads; aligned, or every load would touch two lines of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row([u64; 8]);

/// `[window][limb of x, then of 2y][entry]`: entry j of window i is (2 j + 1) 2^(w i) G.
pub(super) struct Comb(Vec<Row>);

lanes! {

/// The table, which the first caller builds.
pub(super) fn comb() -> &'static Comb {
    static COMB: OnceLock<Comb> = OnceLock::new();
    if let Some(comb) = COMB.get() {
        return comb;
    }
    // Two threads may both build it; one result is kept, and both are equal.
    let built = build::<WINDOW>();
    COMB.get_or_init(|| built)
}

/// k' G, from the top window down. The result has the sign of [`sign`].
#[inline(never)]
pub(super) fn multiply<const WINDOW: u32>(Comb(rows): &Comb, k: &Scalar, one: &Digits) -> Register {
    let mut windows_down = (0..windows(WINDOW)).zip(rows.chunks_exact(10 * rows_per_limb(WINDOW))).rev();
    let Some((top, rows)) = windows_down.next() else { return register(&generator(), one) };
    // The top digit is positive, whatever its first bit says.
    let mut q = register(&select::<WINDOW>(rows, &bits::<WINDOW>(k, WINDOW * top + 1)), one);
    let mut sign = Sign::Plus;
    for (number, rows) in windows_down {
        let digit = digit::<WINDOW>(k, number, sign);
        let Entry { x, y2 } = select::<WINDOW>(rows, &digit.index);
        add_affine(&mut q, &Addend { x: x.factor(), y2: negate_where(digit.negative, &y2) });
        sign = sign.after(1);
    }
    q
}

/// One entry of a window's table for each lane.
#[inline(never)]
fn select<const WINDOW: u32>(rows: &[Row], index: &V) -> Entry {
    let pairs = rows_per_limb(WINDOW) / 2;
    let part = vector::shift_down::<4>(*index);
    let mut limbs = [vector::zero(); 10];
    for (limb, rows) in limbs.iter_mut().zip(rows.chunks_exact(2 * pairs)) {
        for (number, pair) in (0_i64..).zip(rows.as_chunks::<2>().0) {
            let [first, second] = pair;
            let found = vector::lookup(vector::load(&first.0), vector::load(&second.0), *index);
            *limb = vector::choose(vector::equal(part, vector::splat(number)), found, *limb);
        }
    }
    let [x @ .., a, b, c, d, e] = limbs;
    Entry { x: Digits(x), y2: Digits([a, b, c, d, e]) }
}

/// Computes the table: the windows' first points by the ladder, eight windows in the eight lanes, then their odd
/// multiples.
pub(super) fn build<const WINDOW: u32>() -> Comb {
    let one = splat(&ONE_R);
    let per_window = 10 * rows_per_limb(WINDOW);
    let mut rows = alloc::vec![Row([0; 8]); windows(WINDOW) as usize * per_window];
    let mut multiples = alloc::vec![generator(); 1 << (WINDOW - 1)];
    let mut ratios = alloc::vec![one.factor(); multiples.len()];
    for (block, rows) in (0_u32..).zip(rows.chunks_mut(8 * per_window)) {
        let first = first_points::<WINDOW>(8 * block, &one);
        let mut last_z = [odd_multiples(&first, &one, &mut multiples, &mut ratios)];
        invert_all(&mut last_z);
        normalise(&mut multiples, &ratios, &last_z[0]);
        write_windows(&multiples, per_window, rows);
    }
    Comb(rows)
}

/// 2^(w i) G in lane i - `from`, affine; G where there is no such window any more.
fn first_points<const WINDOW: u32>(from: u32, one: &Digits) -> Entry {
    let mut scalars = [[0_u8; 32]; 8];
    for (window, scalar) in (from..).zip(&mut scalars) {
        let bit = if window < windows(WINDOW) { WINDOW * window } else { 0 };
        scalar[31 - (bit / 8) as usize] = 1 << (bit % 8);
    }
    let mut entries = [generator(); variable::ENTRIES];
    let mut ratios = [one.factor(); variable::ENTRIES];
    let mut z = [odd_multiples(&generator(), one, &mut entries, &mut ratios)];
    invert_all(&mut z);
    normalise(&mut entries, &ratios, &z[0]);
    let k = odd(&borders::from_octets(&scalars.each_ref()));
    let q = ladder::<{ variable::WINDOW }>(&entries, &k, one);
    let mut z = [carry(&q.z)];
    invert_all(&mut z);
    let Entry { x, y2 } = affine(&carry(&q.x), &carry(&q.y2), &z[0]);
    Entry { x, y2: digits_of(&negate_where(k.negated, &y2)) }
}

/// Products with 1 in Montgomery's form are the number again, without garbage.
fn digits_of(a: &Operand) -> Digits {
    digits(&mul::<0>(a, &splat(&ONE_R).factor()))
}

/// Turns one entry of eight lanes into entries of eight windows.
fn write_windows(multiples: &[Entry], per_window: usize, rows: &mut [Row]) {
    for (number, Entry { x, y2 }) in multiples.iter().enumerate() {
        for (limb, v) in x.0.iter().chain(&y2.0).enumerate() {
            let words = vector::store(*v);
            for (word, rows) in words.iter().zip(rows.chunks_mut(per_window)) {
                rows[limb * multiples.len() / 8 + number / 8].0[number % 8] = *word;
            }
        }
    }
}

}

/// Rows of eight for the odd multiples below 2^w.
const fn rows_per_limb(window: u32) -> usize {
    1 << (window - 4)
}
