//! The form for processors where the multiplier is the narrow place.

use super::vector;

arithmetic!("../reduction_shifting.rs");
