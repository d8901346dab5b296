//! The numbers of P-256 (SEC 2 §2.4.2) and their forms in the lanes, computed by the compiler.
//!
//! Words are 64 bits wide and digits 52, both with the lowest first. Montgomery's factor is R = 2^260.

#![expect(clippy::indexing_slicing, reason = "the compiler evaluates it, and refuses what is out of bounds")]

/// A number below 2^256.
pub(super) type Words = [u64; 4];

/// The same as digits of radix 2^52; the top one has 48 bits.
pub(super) type Digits52 = [u64; 5];

/// The field: p = 2^256 - 2^224 + 2^192 + 2^96 - 1.
pub(super) const P: Words = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];
/// The order of the group.
pub(super) const N: Words =
    [0xf3b9_cac2_fc63_2551, 0xbce6_faad_a717_9e84, 0xffff_ffff_ffff_ffff, 0xffff_ffff_0000_0000];
/// The equation: y^2 = x^3 - 3x + b.
const B: Words = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];
/// The generator.
pub(super) const G_X: Words =
    [0xf4a1_3945_d898_c296, 0x7703_7d81_2deb_33a0, 0xf8bc_e6e5_63a4_40f2, 0x6b17_d1f2_e12c_4247];
const G_Y: Words =
    [0xcbb6_4068_37bf_51f5, 0x2bce_3357_6b31_5ece, 0x8ee7_eb4a_7c0f_9e16, 0x4fe3_42e2_fe1a_7f9b];

/// p + 1 has digits in three places only: 2^96 is 2^44 in the second, 2^192 is 2^36 in the fourth, and the rest is
/// 2^48 - 2^16 in the fifth.
pub(super) const P1_SECOND: i64 = 1 << 44;
pub(super) const P1_FOURTH: i64 = 1 << 36;
pub(super) const P1_FIFTH: i64 = (1 << 48) - (1 << 16);

/// Bits of a digit.
pub(super) const DIGIT: u32 = 52;
/// The digit's mask.
pub(super) const LOW: u64 = (1 << DIGIT) - 1;

pub(super) const P52: Digits52 = digits(&P);
pub(super) const N52: Digits52 = digits(&N);
pub(super) const ONE52: Digits52 = [1, 0, 0, 0, 0];
/// (p + 1) / 2: a product with it halves, and leaves Montgomery's form.
pub(super) const HALF52: Digits52 = [0, 1 << 43, 0, 1 << 35, (1 << 47) - (1 << 15)];
/// R^2 mod p: a product with it enters Montgomery's form.
pub(super) const R2: Digits52 = digits(&double_often(&[1, 0, 0, 0], 520));
pub(super) const ONE_R: Digits52 = montgomery(&[1, 0, 0, 0]);
pub(super) const THREE_R: Digits52 = montgomery(&[3, 0, 0, 0]);
pub(super) const B_R: Digits52 = montgomery(&B);
pub(super) const G_X_R: Digits52 = montgomery(&G_X);
pub(super) const G_Y_R: Digits52 = montgomery(&G_Y);

/// The generator as a public key: what empty lanes compute with.
pub(super) const GENERATOR: [u8; 65] = uncompressed(&G_X, &G_Y);
/// The scalar of empty lanes.
pub(super) const ONE: [u8; 32] = octets(&[1, 0, 0, 0]);

const fn digits(x: &Words) -> Digits52 {
    [
        x[0] & LOW,
        (x[0] >> 52 | x[1] << 12) & LOW,
        (x[1] >> 40 | x[2] << 24) & LOW,
        (x[2] >> 28 | x[3] << 36) & LOW,
        x[3] >> 16,
    ]
}

/// `x R mod p`.
const fn montgomery(x: &Words) -> Digits52 {
    digits(&double_often(x, 260))
}

/// `2^times x mod p`, for `x` below p.
const fn double_often(x: &Words, times: u32) -> Words {
    let (mut x, mut done) = (*x, 0);
    while done < times {
        x = double(&x);
        done += 1;
    }
    x
}

const fn double(x: &Words) -> Words {
    let twice = [x[0] << 1, x[1] << 1 | x[0] >> 63, x[2] << 1 | x[1] >> 63, x[3] << 1 | x[2] >> 63];
    let (reduced, below) = subtract(&twice, &P);
    if below && x[3] >> 63 == 0 { twice } else { reduced }
}

/// The difference modulo 2^256, and whether it is negative.
pub(super) const fn subtract(a: &Words, b: &Words) -> (Words, bool) {
    let (mut difference, mut borrow, mut at) = ([0; 4], false, 0);
    while at < 4 {
        let (once, first) = a[at].overflowing_sub(b[at]);
        let (twice, second) = once.overflowing_sub(borrow as u64);
        difference[at] = twice;
        borrow = first || second;
        at += 1;
    }
    (difference, borrow)
}

/// Big-endian.
pub(super) const fn octets(x: &Words) -> [u8; 32] {
    let (mut out, mut at) = ([0; 32], 0);
    while at < 32 {
        out[31 - at] = (x[at / 8] >> (at % 8 * 8)) as u8;
        at += 1;
    }
    out
}

const fn uncompressed(x: &Words, y: &Words) -> [u8; 65] {
    let (x, y) = (octets(x), octets(y));
    let (mut out, mut at) = ([4; 65], 0);
    while at < 32 {
        out[1 + at] = x[at];
        out[33 + at] = y[at];
        at += 1;
    }
    out
}
