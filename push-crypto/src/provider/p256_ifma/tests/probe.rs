//! Single steps of the arithmetic, for tests: each in every form, with limbs as they are.

use std::vec::Vec;

use super::{
    batch::{accept, generator},
    borders::{from_octets, leave, to_octets},
    field::{
        Digits, Loose, Operand, add, carry, digits, mul, mul_add_mul, mul_add_square, mul_sub_square, plus_p,
        product, splat, square, squared, sub, thrice, twice, weak,
    },
    fixed::{build, multiply},
    inverse::invert_all,
    point::{Addend, Entry, Register, add_affine, double_times, normalise, odd_multiples, register},
    scalar::odd,
    variable::ladder,
    vector,
};
use crate::provider::p256_ifma::{
    numbers::{ONE_R, ONE52},
    tests::Operation,
};

lanes! {

fn load(limbs: &[[u64; 8]; 5]) -> Loose {
    let [a, b, c, d, e] = limbs;
    Loose([vector::load(a), vector::load(b), vector::load(c), vector::load(d), vector::load(e)])
}

fn store(a: &Loose) -> [[u64; 8]; 5] {
    let [a, b, c, d, e] = a.0;
    [vector::store(a), vector::store(b), vector::store(c), vector::store(d), vector::store(e)]
}

/// One operation; factors are carried first, as everywhere.
pub(in crate::provider::p256_ifma) fn field(
    operation: Operation,
    operands: &[[[u64; 8]; 5]; 4],
) -> [[u64; 8]; 5] {
    let [a, b, c, d] = [load(&operands[0]), load(&operands[1]), load(&operands[2]), load(&operands[3])];
    let factors: [Operand; 4] = [carry(&a), carry(&b), carry(&c), carry(&d)];
    store(&match operation {
        Operation::Add => add(&a, &b),
        Operation::Digits => digits(&a).summand(),
        Operation::Invert => {
            let mut numbers = [factors[0], factors[1]];
            invert_all(&mut numbers);
            // Back through a product with R: inverses come as operands.
            mul::<0>(&numbers[0], &splat(&ONE_R).factor())
        }
        Operation::Leave => leave(&factors[0], &ONE52, 0).summand(),
        Operation::Mul => mul::<0>(&factors[0], &factors[1]),
        Operation::MulAddMul => mul_add_mul(&factors[0], &factors[1], &factors[2], &factors[3]),
        Operation::MulAddSquare => mul_add_square(&factors[0], &factors[1], &factors[2]),
        Operation::MulPlus7 => mul::<7>(&factors[0], &factors[1]),
        Operation::MulSubSquare => mul_sub_square::<-4>(&factors[0], &factors[1], &factors[2]),
        Operation::PlusMinus4 => plus_p::<-4>(&a),
        Operation::Square => square::<0>(&factors[0]),
        Operation::SquareMinus4 => square::<-4>(&factors[0]),
        Operation::Sub => sub(&a, &b),
        Operation::Thrice => thrice(&a),
        Operation::Twice => twice(&a),
        Operation::Weak => weak(&a),
    })
}

fn words(q: &Register) -> [[u64; 8]; 15] {
    let [x, y2, z] = [store(&q.x), store(&q.y2), store(&q.z)];
    core::array::from_fn(|at| match at {
        0..5 => x[at],
        5..10 => y2[at - 5],
        _ => z[at - 10],
    })
}

/// The register after each of a row of operations: an even choice doubles, an odd one adds an entry of the table.
pub(in crate::provider::p256_ifma) fn steps(points: &[&[u8; 65]; 8], choices: &[u8]) -> Vec<[[u64; 8]; 15]> {
    let one = splat(&ONE_R);
    let (entries, _) = table::<16>(points, &one);
    let mut q = register(&entries[0], &one);
    // Not the point itself, or the first addition would be exceptional.
    double_times(&mut q, 9);
    let mut steps = Vec::new();
    for choice in choices {
        if choice % 2 == 0 {
            double_times(&mut q, 1);
        } else {
            let Entry { x, y2 } = entries[usize::from(choice / 2 % 16)];
            add_affine(&mut q, &Addend { x: x.factor(), y2: y2.factor() });
        }
        steps.push(words(&q));
    }
    steps
}

fn table<const ENTRIES: usize>(points: &[&[u8; 65]; 8], one: &Digits) -> ([Entry; ENTRIES], [Operand; ENTRIES]) {
    let (mut entries, mut ratios) = ([generator(); ENTRIES], [one.factor(); ENTRIES]);
    let mut z = [odd_multiples(&accept(points).0, one, &mut entries, &mut ratios)];
    invert_all(&mut z);
    normalise(&mut entries, &ratios, &z[0]);
    (entries, ratios)
}

fn x_of(q: &Register) -> [[u8; 32]; 8] {
    let mut z = [carry(&q.z)];
    invert_all(&mut z);
    let x = product(&carry(&q.x), &squared(&z[0]));
    let mut octets = [[0; 32]; 8];
    to_octets(&leave(&x, &ONE52, 0), octets.iter_mut());
    octets
}

/// X of k P by a ladder of another width, which is wrong for one scalar where the width is even.
pub(in crate::provider::p256_ifma) fn ladder_of(
    window: u32,
    points: &[&[u8; 65]; 8],
    scalars: &[&[u8; 32]; 8],
) -> [[u8; 32]; 8] {
    let (one, k) = (splat(&ONE_R), odd(&from_octets(scalars)));
    x_of(&match window {
        4 => ladder::<4>(&table::<8>(points, &one).0, &k, &one),
        5 => ladder::<5>(&table::<16>(points, &one).0, &k, &one),
        _ => ladder::<6>(&table::<32>(points, &one).0, &k, &one),
    })
}

/// X of k G by a comb of another width.
pub(in crate::provider::p256_ifma) fn comb_of(window: u32, scalars: &[&[u8; 32]; 8]) -> [[u8; 32]; 8] {
    let (one, k) = (splat(&ONE_R), odd(&from_octets(scalars)));
    x_of(&match window {
        5 => multiply::<5>(&build::<5>(), &k, &one),
        6 => multiply::<6>(&build::<6>(), &k, &one),
        7 => multiply::<7>(&build::<7>(), &k, &one),
        _ => multiply::<8>(&build::<8>(), &k, &one),
    })
}

}
