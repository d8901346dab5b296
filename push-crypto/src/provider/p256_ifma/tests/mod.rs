//! What the lanes must hold: bounds, edges, refusals, and the same results in every form.

use std::vec::Vec;

use super::{P256Lanes, lanes::Lanes};

mod agreement;
mod big;
mod bounds;
mod edges;
mod field;
mod refusals;
mod wycheproof;

/// What [`Lanes::field`] computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Digits,
    Invert,
    Leave,
    Mul,
    MulAddMul,
    MulAddSquare,
    MulPlus7,
    MulSubSquare,
    PlusMinus4,
    Square,
    SquareMinus4,
    Sub,
    Thrice,
    Twice,
    Weak,
}

/// Both forms of the lanes, if this processor has them, and always both twins, each with a name.
///
/// So everything below is also tested with the detection forced off.
fn forms() -> Vec<(&'static str, P256Lanes)> {
    let found = Lanes::every_form();
    if found.is_none() {
        std::eprintln!("this processor has no AVX-512 IFMA: only the safe twins of the lanes are tested");
    }
    let lanes = found.into_iter().flatten().zip(["multiplying", "shifting"]);
    let twins = Lanes::TWINS.into_iter().zip(["twin, multiplying", "twin, shifting"]);
    lanes.chain(twins).map(|(lanes, name)| (name, P256Lanes { lanes })).collect()
}

/// Both forms of the lanes, or one twin where there are none: for tests with many cases.
fn fast_forms() -> Vec<(&'static str, P256Lanes)> {
    forms().into_iter().take(if Lanes::detect().is_some() { 2 } else { 1 }).collect()
}

/// The lanes, or one twin where there are none: for tests with so many cases that two forms take too long.
fn fastest_form() -> P256Lanes {
    P256Lanes { lanes: Lanes::detect().unwrap_or(Lanes::TWINS[0]) }
}

/// A generator of test numbers, from a seed that failures print (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
