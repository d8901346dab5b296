//! `OsRandom`: the operating system's generator.

use super::{RandomUnavailable, SecureRandom};

/// The operating system's generator, through `getrandom`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl SecureRandom for OsRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomUnavailable> {
        getrandom::fill(out).map_err(|_| RandomUnavailable)
    }
}
