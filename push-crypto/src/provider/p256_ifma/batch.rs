//! Whole operations over batches: fresh keys, shared secrets, or both with shared inversions.
//!
//! Lanes that a batch leaves empty compute 1 G. A point that is not on the curve is replaced by G before anything
//! is computed from it, because the inversion is shared by the same lane of all blocks: one zero would spoil the
//! results of others. Everything secret that is kept between steps is wiped; registers, and what the compiler moves
//! from them to the stack, are out of reach.

use alloc::{vec, vec::Vec};
use core::array::from_fn;

use zeroize::Zeroize;

use super::{
    borders::{below_p, enter, from_octets, leave, on_curve, to_octets},
    field::{Digits, Operand, carry, digits, splat, squared, twice, product},
    fixed::{self, comb, multiply},
    inverse::invert_all,
    point::{Entry, Register, affine, normalise, odd_multiples, register},
    scalar::{Scalar, choose, in_range, odd},
    variable::{self, ENTRIES, ladder},
    vector::Mask,
};
use crate::provider::p256_ifma::{
    Pair, Shared, Wiped,
    numbers::{G_X_R, G_Y_R, GENERATOR, HALF52, ONE, ONE_R, ONE52},
    wiped,
};

/// A point of each lane in each block, and its odd multiples: nothing in it is secret.
struct Tables {
    /// Lanes whose point is one.
    accepted: Vec<Mask>,
    /// 16 of each block.
    entries: Vec<Entry>,
    /// 16 of each block.
    ratios: Vec<Operand>,
}

/// What is computed with a scalar of each lane.
#[derive(Clone, Copy)]
struct Work {
    scalar: Scalar,
    register: Register,
}

impl Zeroize for Work {
    fn zeroize(&mut self) {
        let Self { scalar, register: Register { x, y2, z } } = self;
        scalar.zeroize();
        for part in [x, y2, z] {
            part.zeroize();
        }
    }
}

lanes! {

/// The key pair's public half for each scalar, and the secret it shares with the point.
#[inline(never)]
pub(in crate::provider::p256_ifma) fn pair(points: &[&[u8; 65]], scalars: &[&[u8; 32]], out: &mut [Pair]) {
    let one = splat(&ONE_R);
    let mut work = works(scalars, &one);
    let blocks = work.len();
    // First the tables', then the fresh keys'.
    let mut z: Wiped<Operand> = wiped(2 * blocks, one.factor());
    let mut tables = prepare(points, &one, &mut z);
    for (work, z) in work.iter_mut().zip(&mut z[blocks..]) {
        work.register = multiply::<{ fixed::WINDOW }>(comb(), &work.scalar, &one);
        *z = carry(&work.register.z);
    }
    invert_all(&mut z);
    for ((work, z), out) in work.iter().zip(&z[blocks..]).zip(out.chunks_mut(8)) {
        write_public(work, z, out.iter_mut().map(|pair| &mut pair.public));
    }
    climb(&mut tables, &mut work, &one, &mut z[..blocks]);
    write_shared(&work, &z, &tables, out.iter_mut().map(|pair| &mut pair.shared));
}

/// The secret that each scalar shares with its point.
#[inline(never)]
pub(in crate::provider::p256_ifma) fn agree(points: &[&[u8; 65]], scalars: &[&[u8; 32]], out: &mut [Shared]) {
    let one = splat(&ONE_R);
    let mut work = works(scalars, &one);
    let mut z: Wiped<Operand> = wiped(work.len(), one.factor());
    let mut tables = prepare(points, &one, &mut z);
    invert_all(&mut z);
    climb(&mut tables, &mut work, &one, &mut z);
    write_shared(&work, &z, &tables, out.iter_mut());
}

/// The public half for each scalar.
#[inline(never)]
pub(in crate::provider::p256_ifma) fn public(scalars: &[&[u8; 32]], out: &mut [[u8; 65]]) {
    let one = splat(&ONE_R);
    let mut work = works(scalars, &one);
    let mut z: Wiped<Operand> = wiped(work.len(), one.factor());
    for (work, z) in work.iter_mut().zip(z.iter_mut()) {
        work.register = multiply::<{ fixed::WINDOW }>(comb(), &work.scalar, &one);
        *z = carry(&work.register.z);
    }
    invert_all(&mut z);
    for ((work, z), out) in work.iter().zip(z.iter()).zip(out.chunks_mut(8)) {
        write_public(work, z, out.iter_mut());
    }
}

/// Which of at most eight numbers are scalars, 1 to n - 1, as bits. The numbers may be secret, the answer is not.
#[inline(never)]
pub(in crate::provider::p256_ifma) fn scalars_in_range(numbers: &[&[u8; 32]]) -> u8 {
    in_range(&from_octets(&eight(numbers, &ONE)))
}

/// The scalars as odd representatives.
fn works(scalars: &[&[u8; 32]], one: &Digits) -> Wiped<Work> {
    let scalar = odd(&splat(&ONE52));
    let mut works = wiped(scalars.len().div_ceil(8), Work { scalar, register: register(&generator(), one) });
    for (work, scalars) in works.iter_mut().zip(scalars.chunks(8)) {
        work.scalar = odd(&from_octets(&eight(scalars, &ONE)));
    }
    works
}

/// Tables of the points, not yet affine; the Z of each goes to `z`.
fn prepare(points: &[&[u8; 65]], one: &Digits, z: &mut [Operand]) -> Tables {
    let blocks = points.len().div_ceil(8);
    let accepted = Vec::with_capacity(blocks);
    let (entries, ratios) = (vec![generator(); blocks * ENTRIES], vec![one.factor(); blocks * ENTRIES]);
    let mut tables = Tables { accepted, entries, ratios };
    let places = tables.entries.chunks_exact_mut(ENTRIES).zip(tables.ratios.chunks_exact_mut(ENTRIES));
    for ((points, z), (entries, ratios)) in points.chunks(8).zip(z).zip(places) {
        let (point, accepted) = accept(&eight(points, &GENERATOR));
        tables.accepted.push(accepted);
        *z = odd_multiples(&point, one, entries, ratios);
    }
    tables
}

/// (x, 2y) of eight points, G in the place of what is no point, and the lanes that are points.
pub(super) fn accept(points: &[&[u8; 65]; 8]) -> (Entry, Mask) {
    let [x, y] = [1, 33].map(|at| points.map(|point| coordinate(point, at)));
    let (x, y) = (from_octets(&x), from_octets(&y));
    let form: Mask = (0..).zip(points).fold(0, |mask, (lane, point)| mask | u8::from(point[0] == 4) << lane);
    let below = below_p(&x) & below_p(&y);
    // Doubled before it enters: entering leaves at most 1.2 p, twice an entered number could exceed the 2 p from
    // which the selections subtract.
    let y2 = enter(&digits(&twice(&y.summand())));
    let (x, y) = (enter(&x), enter(&y));
    let accepted = form & below & on_curve(&x, &y);
    let generator = generator();
    (Entry { x: choose(accepted, &x, &generator.x), y2: choose(accepted, &y2, &generator.y2) }, accepted)
}

/// Makes the tables affine with the inverses in `z`, computes the shared points, and puts the inverses of their Z
/// to `z`.
fn climb(tables: &mut Tables, work: &mut [Work], one: &Digits, z: &mut [Operand]) {
    let places = tables.entries.chunks_exact_mut(ENTRIES).zip(tables.ratios.chunks_exact(ENTRIES));
    for (((entries, ratios), work), z) in places.zip(work).zip(z.iter_mut()) {
        normalise(entries, ratios, z);
        work.register = ladder::<{ variable::WINDOW }>(entries, &work.scalar, one);
        *z = carry(&work.register.z);
    }
    invert_all(z);
}

/// The X of the shared points, and whether the point was one.
fn write_shared<'a>(
    work: &[Work],
    z: &[Operand],
    tables: &Tables,
    mut out: impl Iterator<Item = &'a mut Shared>,
) {
    for ((work, z), accepted) in work.iter().zip(z).zip(&tables.accepted) {
        let x = product(&carry(&work.register.x), &squared(z));
        let mut lanes: [Option<&mut Shared>; 8] = from_fn(|_| out.next());
        for (lane, shared) in lanes.iter_mut().flatten().enumerate() {
            shared.accepted = accepted >> lane & 1 == 1;
        }
        to_octets(&leave(&x, &ONE52, 0), lanes.into_iter().flatten().map(|shared| &mut shared.octets));
    }
}

/// The fresh public keys, given the inverses of Z.
fn write_public<'a>(work: &Work, z: &Operand, out: impl Iterator<Item = &'a mut [u8; 65]>) {
    let Entry { x, y2 } = affine(&carry(&work.register.x), &carry(&work.register.y2), z);
    let x = leave(&x.factor(), &ONE52, 0);
    let y = leave(&y2.factor(), &HALF52, work.scalar.negated);
    let (mut xs, mut ys) = ([[0; 32]; 8], [[0; 32]; 8]);
    to_octets(&x, xs.iter_mut());
    to_octets(&y, ys.iter_mut());
    for ((out, x), y) in out.zip(&xs).zip(&ys) {
        out[0] = 4;
        out[1..33].copy_from_slice(x);
        out[33..].copy_from_slice(y);
    }
}

/// (x, 2y) of the generator in all lanes.
pub(super) fn generator() -> Entry {
    Entry { x: splat(&G_X_R), y2: digits(&twice(&splat(&G_Y_R).summand())) }
}

}

/// Eight references, the empty places filled.
fn eight<'a, T>(items: &[&'a T], fill: &'a T) -> [&'a T; 8] {
    from_fn(|lane| items.get(lane).copied().unwrap_or(fill))
}

/// 32 octets of a point from a place on.
fn coordinate(point: &[u8; 65], at: usize) -> &[u8; 32] {
    point.get(at..).and_then(<[u8]>::first_chunk).unwrap_or(&ONE)
}
