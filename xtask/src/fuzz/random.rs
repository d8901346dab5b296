//! `Random`: numbers that look random and come again with the same seed; and private keys, ordinary and strange.

use push_crypto::PrivateKey;

/// The order of the curve's group, big-endian (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// SplitMix64: 64 bits of state, every seed is as good as another.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is far below 2^64.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    /// 32 octets.
    pub(crate) fn octets(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        for part in octets.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_be_bytes());
        }
        octets
    }

    /// A private key; one in sixteen is of a kind that chance never gives.
    pub(crate) fn private_key(&mut self) -> PrivateKey {
        loop {
            let octets = if self.below(16) == 0 { self.strange() } else { self.octets() };
            if let Ok(key) = PrivateKey::from_octets(&octets) {
                return key;
            }
        }
    }

    /// A private key as chance gives it.
    pub(crate) fn private_key_of_chance(&mut self) -> PrivateKey {
        loop {
            if let Ok(key) = PrivateKey::from_octets(&self.octets()) {
                return key;
            }
        }
    }

    /// Near 0, near the order, near a power of two, one octet repeated, or few bits.
    fn strange(&mut self) -> [u8; 32] {
        let small = self.next() % 4096;
        match self.below(5) {
            0 => widened(small),
            1 => minus(ORDER, small),
            2 => {
                let mut octets = widened(small % 4);
                let bit = self.below(256);
                octets[31 - bit / 8] ^= 1 << (bit % 8);
                if self.below(2) == 0 { minus(octets, 4) } else { octets }
            }
            3 => [u8::try_from(small % 256).unwrap_or(0); 32],
            _ => {
                let mut octets = [0; 32];
                for _ in 0..=self.below(4) {
                    let bit = self.below(256);
                    octets[31 - bit / 8] |= 1 << (bit % 8);
                }
                octets
            }
        }
    }
}

fn widened(number: u64) -> [u8; 32] {
    let mut octets = [0; 32];
    octets[24..].copy_from_slice(&number.to_be_bytes());
    octets
}

/// The difference of numbers of 32 octets, modulo 2^256.
fn minus(from: [u8; 32], number: u64) -> [u8; 32] {
    let (mut octets, take) = (from, widened(number));
    let mut borrow = false;
    for (octet, take) in octets.iter_mut().zip(take).rev() {
        let (less, first) = octet.overflowing_sub(take);
        let (less, second) = less.overflowing_sub(u8::from(borrow));
        (*octet, borrow) = (less, first || second);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtraction_borrows_over_octets() {
        assert_eq!(minus(widened(0x1_0000), 1), widened(0xffff));
        assert_eq!(minus([0; 32], 1), [0xff; 32]);
    }

    #[test]
    fn the_same_seed_gives_the_same_keys_and_all_of_them_are_keys() {
        let keys = |seed| {
            let mut random = Random::new(seed);
            (0..500).map(|_| *random.private_key().expose()).collect::<Vec<_>>()
        };

        assert_eq!(keys(1), keys(1));
        assert_ne!(keys(1), keys(2));
    }

    #[test]
    fn the_order_less_one_is_the_greatest_key() {
        assert!(PrivateKey::from_octets(&ORDER).is_err());
        assert!(PrivateKey::from_octets(&minus(ORDER, 1)).is_ok());
    }
}
