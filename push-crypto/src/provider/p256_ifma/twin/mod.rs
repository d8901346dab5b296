//! The safe twin: the same arithmetic over arrays, for processors and tools that do not know the instructions.
//!
//! Not for use: it is many times slower, and arrays are no promise of constant time.

#![expect(
    clippy::indexing_slicing,
    reason = "limbs, columns and lanes are counted by loops with constant ends below the constant lengths of arrays"
)]

macro_rules! lanes {
    ($($function:item)*) => { $($function)* };
}

pub(super) mod multiplying;
pub(super) mod shifting;
mod vector;
