//! The form for processors where the multiplier is as wide as everything else.

use super::vector;

arithmetic!("../reduction_multiplying.rs");
