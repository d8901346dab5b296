//! Whether the lanes may be used, in which form, and the only calls into them.

#![cfg_attr(
    target_arch = "x86_64",
    expect(
        unsafe_code,
        reason = "a function with target features is called from one without; each call names its proof"
    )
)]

#[cfg(target_arch = "x86_64")]
use super::ifma;
#[cfg(test)]
use super::tests::Operation;
#[cfg(any(test, feature = "__twin"))]
use super::twin;
use super::{Pair, Shared};
#[cfg(test)]
use alloc::vec::Vec;

/// Proof that this processor has the instructions: only [`Lanes::every_form`] makes one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes(Form);

#[derive(Clone, Copy, Debug)]
enum Form {
    #[cfg(target_arch = "x86_64")]
    Multiplying,
    #[cfg(target_arch = "x86_64")]
    Shifting,
    #[cfg(any(test, feature = "__twin"))]
    TwinMultiplying,
    #[cfg(any(test, feature = "__twin"))]
    TwinShifting,
}

/// Calls a function of `batch` or `probe` in the form that the value has.
macro_rules! call {
    ($lanes:expr, $module:ident::$function:ident($($argument:ident),*)) => {
        match $lanes.0 {
            // SAFETY: these two are made by `every_form` only, after it has found every feature that `ifma` enables; the
            // functions are safe but for that.
            #[cfg(target_arch = "x86_64")]
            Form::Multiplying => unsafe { ifma::multiplying::$module::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Form::Shifting => unsafe { ifma::shifting::$module::$function($($argument),*) },
            #[cfg(any(test, feature = "__twin"))]
            Form::TwinMultiplying => twin::multiplying::$module::$function($($argument),*),
            #[cfg(any(test, feature = "__twin"))]
            Form::TwinShifting => twin::shifting::$module::$function($($argument),*),
        }
    };
}

impl Lanes {
    /// The safe twins, which run everywhere.
    #[cfg(any(test, feature = "__twin"))]
    pub(super) const TWINS: [Self; 2] = [Self(Form::TwinMultiplying), Self(Form::TwinShifting)];

    /// The form that is the fastest on this processor; the answer is the same for the life of the process.
    ///
    /// AMD's processors, which alone have SSE4a, have fewer multipliers than other vector units: 2 % faster with shifts
    /// on Zen 4. On Intel's, every instruction counts alike.
    pub(super) fn detect() -> Option<Self> {
        let [multiplying, shifting] = Self::every_form()?;
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("sse4a") {
            return Some(shifting);
        }
        Some(multiplying)
    }

    /// Both forms, when the processor has the instructions.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn every_form() -> Option<[Self; 2]> {
        let found = std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512dq")
            && std::is_x86_feature_detected!("avx512ifma")
            && std::is_x86_feature_detected!("avx512vl");
        found.then_some([Self(Form::Multiplying), Self(Form::Shifting)])
    }

    /// Other architectures do not have the instructions.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) const fn every_form() -> Option<[Self; 2]> {
        None
    }

    /// The key pair's public half for each scalar, and the secret it shares with the point.
    pub(super) fn pair(self, points: &[&[u8; 65]], scalars: &[&[u8; 32]], out: &mut [Pair]) {
        call!(self, batch::pair(points, scalars, out))
    }

    /// The secret that each scalar shares with its point.
    pub(super) fn agree(self, points: &[&[u8; 65]], scalars: &[&[u8; 32]], out: &mut [Shared]) {
        call!(self, batch::agree(points, scalars, out))
    }

    /// The public half for each scalar.
    pub(super) fn public(self, scalars: &[&[u8; 32]], out: &mut [[u8; 65]]) {
        call!(self, batch::public(scalars, out))
    }

    /// Which of at most eight numbers are scalars, 1 to n - 1, as bits.
    pub(super) fn scalars_in_range(self, numbers: &[&[u8; 32]]) -> u8 {
        call!(self, batch::scalars_in_range(numbers))
    }

    #[cfg(test)]
    pub(super) fn field(self, operation: Operation, operands: &[[[u64; 8]; 5]; 4]) -> [[u64; 8]; 5] {
        call!(self, probe::field(operation, operands))
    }

    #[cfg(test)]
    pub(super) fn steps(self, points: &[&[u8; 65]; 8], choices: &[u8]) -> Vec<[[u64; 8]; 15]> {
        call!(self, probe::steps(points, choices))
    }

    #[cfg(test)]
    pub(super) fn ladder(
        self,
        window: u32,
        points: &[&[u8; 65]; 8],
        scalars: &[&[u8; 32]; 8],
    ) -> [[u8; 32]; 8] {
        call!(self, probe::ladder_of(window, points, scalars))
    }

    #[cfg(test)]
    pub(super) fn comb(self, window: u32, scalars: &[&[u8; 32]; 8]) -> [[u8; 32]; 8] {
        call!(self, probe::comb_of(window, scalars))
    }
}
