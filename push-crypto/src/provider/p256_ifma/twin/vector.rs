//! Eight words of 64 bits in an array: what each instruction of the lanes does, written down in safe Rust.

use core::array::from_fn;

/// One word of each lane.
pub(in crate::provider::p256_ifma) type V = [u64; 8];

/// One bit of each lane, the lowest for lane 0.
pub(in crate::provider::p256_ifma) type Mask = u8;

/// What the multiplier reads of a factor.
const LOW_52: u64 = (1 << 52) - 1;

fn mask_of(test: impl Fn(usize) -> bool) -> Mask {
    (0..8).fold(0, |mask, lane| mask | (Mask::from(test(lane)) << lane))
}

fn in_mask(mask: Mask, lane: usize) -> bool {
    mask >> lane & 1 == 1
}

fn product(a: u64, b: u64) -> u128 {
    u128::from(a & LOW_52) * u128::from(b & LOW_52)
}

pub(in crate::provider::p256_ifma) fn zero() -> V {
    [0; 8]
}

/// The same word in every lane.
pub(in crate::provider::p256_ifma) fn splat(word: i64) -> V {
    [word.cast_unsigned(); 8]
}

pub(in crate::provider::p256_ifma) fn load(words: &[u64; 8]) -> V {
    *words
}

pub(in crate::provider::p256_ifma) fn store(v: V) -> [u64; 8] {
    v
}

pub(in crate::provider::p256_ifma) fn plus(a: V, b: V) -> V {
    from_fn(|lane| a[lane].wrapping_add(b[lane]))
}

pub(in crate::provider::p256_ifma) fn minus(a: V, b: V) -> V {
    from_fn(|lane| a[lane].wrapping_sub(b[lane]))
}

/// `sum` plus the lower 52 bits of the product of the lower 52 bits of both factors.
pub(in crate::provider::p256_ifma) fn add_low(sum: V, a: V, b: V) -> V {
    from_fn(|lane| sum[lane].wrapping_add(product(a[lane], b[lane]) as u64 & LOW_52))
}

/// `sum` plus bits 52 to 103 of the product of the lower 52 bits of both factors.
pub(in crate::provider::p256_ifma) fn add_high(sum: V, a: V, b: V) -> V {
    from_fn(|lane| sum[lane].wrapping_add((product(a[lane], b[lane]) >> 52) as u64))
}

pub(in crate::provider::p256_ifma) fn and(a: V, b: V) -> V {
    from_fn(|lane| a[lane] & b[lane])
}

pub(in crate::provider::p256_ifma) fn or(a: V, b: V) -> V {
    from_fn(|lane| a[lane] | b[lane])
}

pub(in crate::provider::p256_ifma) fn shift_up<const BITS: u32>(a: V) -> V {
    a.map(|word| word << BITS)
}

pub(in crate::provider::p256_ifma) fn shift_down<const BITS: u32>(a: V) -> V {
    a.map(|word| word >> BITS)
}

/// The sign moves in from above.
pub(in crate::provider::p256_ifma) fn shift_down_signed<const BITS: u32>(a: V) -> V {
    a.map(|word| (word.cast_signed() >> BITS).cast_unsigned())
}

/// By a public number of bits, the same in all lanes; 64 and more leave nothing.
pub(in crate::provider::p256_ifma) fn shift_up_by(a: V, bits: i32) -> V {
    a.map(|word| word.checked_shl(bits.cast_unsigned()).unwrap_or(0))
}

/// By a public number of bits, the same in all lanes; 64 and more leave nothing.
pub(in crate::provider::p256_ifma) fn shift_down_by(a: V, bits: i32) -> V {
    a.map(|word| word.checked_shr(bits.cast_unsigned()).unwrap_or(0))
}

/// Lanes where `a & b` is 0.
pub(in crate::provider::p256_ifma) fn all_clear(a: V, b: V) -> Mask {
    mask_of(|lane| a[lane] & b[lane] == 0)
}

/// Lanes where `a & b` is not 0.
pub(in crate::provider::p256_ifma) fn any_set(a: V, b: V) -> Mask {
    mask_of(|lane| a[lane] & b[lane] != 0)
}

/// Lanes where both are equal.
pub(in crate::provider::p256_ifma) fn equal(a: V, b: V) -> Mask {
    mask_of(|lane| a[lane] == b[lane])
}

/// Lanes whose top bit is set.
pub(in crate::provider::p256_ifma) fn negative(a: V) -> Mask {
    mask_of(|lane| a[lane] >> 63 == 1)
}

/// `a` in the lanes of the mask, `b` in the others.
pub(in crate::provider::p256_ifma) fn choose(mask: Mask, a: V, b: V) -> V {
    from_fn(|lane| if in_mask(mask, lane) { a[lane] } else { b[lane] })
}

/// `a ^ b` in the lanes of the mask, `a` in the others.
pub(in crate::provider::p256_ifma) fn xor_where(mask: Mask, a: V, b: V) -> V {
    from_fn(|lane| if in_mask(mask, lane) { a[lane] ^ b[lane] } else { a[lane] })
}

/// `b - a` in the lanes of the mask, `a` in the others.
pub(in crate::provider::p256_ifma) fn subtract_from_where(mask: Mask, a: V, b: V) -> V {
    from_fn(|lane| if in_mask(mask, lane) { b[lane].wrapping_sub(a[lane]) } else { a[lane] })
}

/// Entry `index` of the sixteen words `first ‖ second`, in each lane; bits above the lowest four are ignored.
pub(in crate::provider::p256_ifma) fn lookup(first: V, second: V, index: V) -> V {
    index.map(|at| {
        let at = (at & 15) as usize;
        if at < 8 { first[at] } else { second[at - 8] }
    })
}
