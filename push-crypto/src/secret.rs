//! `Secret<N>`: octets that are wiped when dropped and that nothing can print.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// N secret octets: zeroized on drop, compared in constant time, unprintable.
///
/// There is no `Display`, no `Serialize`, and `Debug` shows only the length.
/// The octets leave through [`Secret::expose`], which is easy to search for.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    /// Takes the octets over.
    #[must_use]
    pub fn new(octets: [u8; N]) -> Self {
        Self(octets)
    }

    /// The octets themselves, for computing with them; never for a log or an error.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({N} octets)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_octet() {
        let secret = Secret::new([0xAB; 16]);

        assert_eq!(alloc::format!("{secret:?}"), "Secret(16 octets)");
        assert_eq!(alloc::format!("{secret:#?}"), "Secret(16 octets)");
    }

    #[test]
    fn equality_looks_at_every_octet() {
        let mut other = [7; 16];
        other[15] = 8;

        assert_eq!(Secret::new([7; 16]), Secret::new([7; 16]));
        assert_ne!(Secret::new([7; 16]), Secret::new(other));
    }
}
