//! The arithmetic in the instructions of AVX-512 IFMA.
//!
//! Its text is shared with the safe twin: `lanes!` turns the instructions on for each function.

#![expect(
    clippy::indexing_slicing,
    reason = "limbs, columns and lanes are counted by loops with constant ends below the constant lengths of arrays"
)]

macro_rules! lanes {
    ($($function:item)*) => {
        $(
            #[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vl")]
            $function
        )*
    };
}

pub(super) mod multiplying;
pub(super) mod shifting;
mod vector;
