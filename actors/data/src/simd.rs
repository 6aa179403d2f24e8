//! Which vector instructions this processor has, found out once at run time.
//! Not here: kernels (each stands beside the portable code that it must equal to the bit).
//!
//! Only x86-64 needs this: its baseline is SSE2 and the kernels want AVX2. On AArch64 the baseline has NEON, and the
//! compiler vectorises the portable code with it.

/// The instructions to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Simd {
    /// What every processor of the target has.
    #[default]
    Portable,
    /// AVX2 with BMI1, BMI2 and LZCNT (x86-64-v3, as far as integers go).
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

/// Proof that the processor has what [`Simd::Avx2`] stands for: it can't be made without asking.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Simd {
    /// The best this processor has. Results never depend on it, only their speed does.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("lzcnt")
        {
            return Self::Avx2(Avx2(()));
        }
        Self::Portable
    }
}
