//! Eight words of 64 bits in one register of AVX-512: the few instructions that the arithmetic is made of.

use core::arch::x86_64::{
    __m512i, __mmask8, _mm_cvtsi32_si128, _mm256_extract_epi64, _mm512_add_epi64, _mm512_and_si512,
    _mm512_cmpeq_epi64_mask, _mm512_extracti64x4_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_mask_mov_epi64, _mm512_mask_sub_epi64, _mm512_mask_xor_epi64, _mm512_movepi64_mask,
    _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_set_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_sll_epi64, _mm512_slli_epi64, _mm512_srai_epi64, _mm512_srl_epi64, _mm512_srli_epi64,
    _mm512_sub_epi64, _mm512_test_epi64_mask, _mm512_testn_epi64_mask,
};

/// One word of each lane.
pub(in crate::provider::p256_ifma) type V = __m512i;

/// One bit of each lane, the lowest for lane 0.
pub(in crate::provider::p256_ifma) type Mask = __mmask8;

lanes! {

#[inline]
pub(in crate::provider::p256_ifma) fn zero() -> V {
    _mm512_setzero_si512()
}

/// The same word in every lane.
#[inline]
pub(in crate::provider::p256_ifma) fn splat(word: i64) -> V {
    _mm512_set1_epi64(word)
}

/// One load: the compiler sees that the words stand side by side.
#[inline]
pub(in crate::provider::p256_ifma) fn load(words: &[u64; 8]) -> V {
    let [a, b, c, d, e, f, g, h] = *words;
    _mm512_set_epi64(h as i64, g as i64, f as i64, e as i64, d as i64, c as i64, b as i64, a as i64)
}

/// By extraction, because a store takes a raw pointer; it is not on the hot path.
#[inline]
pub(in crate::provider::p256_ifma) fn store(v: V) -> [u64; 8] {
    let (low, high) = (_mm512_extracti64x4_epi64::<0>(v), _mm512_extracti64x4_epi64::<1>(v));
    let words = [
        _mm256_extract_epi64::<0>(low),
        _mm256_extract_epi64::<1>(low),
        _mm256_extract_epi64::<2>(low),
        _mm256_extract_epi64::<3>(low),
        _mm256_extract_epi64::<0>(high),
        _mm256_extract_epi64::<1>(high),
        _mm256_extract_epi64::<2>(high),
        _mm256_extract_epi64::<3>(high),
    ];
    words.map(i64::cast_unsigned)
}

#[inline]
pub(in crate::provider::p256_ifma) fn plus(a: V, b: V) -> V {
    _mm512_add_epi64(a, b)
}

#[inline]
pub(in crate::provider::p256_ifma) fn minus(a: V, b: V) -> V {
    _mm512_sub_epi64(a, b)
}

/// `sum` plus the lower 52 bits of the product of the lower 52 bits of both factors.
#[inline]
pub(in crate::provider::p256_ifma) fn add_low(sum: V, a: V, b: V) -> V {
    _mm512_madd52lo_epu64(sum, a, b)
}

/// `sum` plus bits 52 to 103 of the product of the lower 52 bits of both factors.
#[inline]
pub(in crate::provider::p256_ifma) fn add_high(sum: V, a: V, b: V) -> V {
    _mm512_madd52hi_epu64(sum, a, b)
}

#[inline]
pub(in crate::provider::p256_ifma) fn and(a: V, b: V) -> V {
    _mm512_and_si512(a, b)
}

#[inline]
pub(in crate::provider::p256_ifma) fn or(a: V, b: V) -> V {
    _mm512_or_si512(a, b)
}

#[inline]
pub(in crate::provider::p256_ifma) fn shift_up<const BITS: u32>(a: V) -> V {
    _mm512_slli_epi64::<BITS>(a)
}

#[inline]
pub(in crate::provider::p256_ifma) fn shift_down<const BITS: u32>(a: V) -> V {
    _mm512_srli_epi64::<BITS>(a)
}

/// The sign moves in from above.
#[inline]
pub(in crate::provider::p256_ifma) fn shift_down_signed<const BITS: u32>(a: V) -> V {
    _mm512_srai_epi64::<BITS>(a)
}

/// By a public number of bits, the same in all lanes; 64 and more leave nothing.
#[inline]
pub(in crate::provider::p256_ifma) fn shift_up_by(a: V, bits: i32) -> V {
    _mm512_sll_epi64(a, _mm_cvtsi32_si128(bits))
}

/// By a public number of bits, the same in all lanes; 64 and more leave nothing.
#[inline]
pub(in crate::provider::p256_ifma) fn shift_down_by(a: V, bits: i32) -> V {
    _mm512_srl_epi64(a, _mm_cvtsi32_si128(bits))
}

/// Lanes where `a & b` is 0.
#[inline]
pub(in crate::provider::p256_ifma) fn all_clear(a: V, b: V) -> Mask {
    _mm512_testn_epi64_mask(a, b)
}

/// Lanes where `a & b` is not 0.
#[inline]
pub(in crate::provider::p256_ifma) fn any_set(a: V, b: V) -> Mask {
    _mm512_test_epi64_mask(a, b)
}

/// Lanes where both are equal.
#[inline]
pub(in crate::provider::p256_ifma) fn equal(a: V, b: V) -> Mask {
    _mm512_cmpeq_epi64_mask(a, b)
}

/// Lanes whose top bit is set.
#[inline]
pub(in crate::provider::p256_ifma) fn negative(a: V) -> Mask {
    _mm512_movepi64_mask(a)
}

/// `a` in the lanes of the mask, `b` in the others.
#[inline]
pub(in crate::provider::p256_ifma) fn choose(mask: Mask, a: V, b: V) -> V {
    _mm512_mask_mov_epi64(b, mask, a)
}

/// `a ^ b` in the lanes of the mask, `a` in the others.
#[inline]
pub(in crate::provider::p256_ifma) fn xor_where(mask: Mask, a: V, b: V) -> V {
    _mm512_mask_xor_epi64(a, mask, a, b)
}

/// `b - a` in the lanes of the mask, `a` in the others.
#[inline]
pub(in crate::provider::p256_ifma) fn subtract_from_where(mask: Mask, a: V, b: V) -> V {
    _mm512_mask_sub_epi64(a, mask, b, a)
}

/// Entry `index` of the sixteen words `first ‖ second`, in each lane; bits above the lowest four are ignored.
#[inline]
pub(in crate::provider::p256_ifma) fn lookup(first: V, second: V, index: V) -> V {
    _mm512_permutex2var_epi64(first, index, second)
}

}
