//! Which vector instructions this processor has, found out once at run time.
//! Not here: kernels (each stands beside the portable code that it must equal to the bit), but for what they share.
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

/// Sixteen bytes.
#[cfg(target_arch = "x86_64")]
type Bytes = std::arch::x86_64::__m128i;

/// Sixteen reds, greens and blues as pixels. Of each third of the output, every colour gives what falls into it.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) fn interleaved(red: Bytes, green: Bytes, blue: Bytes) -> [u8; 48] {
    use std::arch::x86_64::*;
    const __: i8 = -1;
    let third = |r, g, b| {
        _mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(red, r), _mm_shuffle_epi8(green, g)), _mm_shuffle_epi8(blue, b))
    };
    let first = third(
        _mm_setr_epi8(0, __, __, 1, __, __, 2, __, __, 3, __, __, 4, __, __, 5),
        _mm_setr_epi8(__, 0, __, __, 1, __, __, 2, __, __, 3, __, __, 4, __, __),
        _mm_setr_epi8(__, __, 0, __, __, 1, __, __, 2, __, __, 3, __, __, 4, __),
    );
    let second = third(
        _mm_setr_epi8(__, __, 6, __, __, 7, __, __, 8, __, __, 9, __, __, 10, __),
        _mm_setr_epi8(5, __, __, 6, __, __, 7, __, __, 8, __, __, 9, __, __, 10),
        _mm_setr_epi8(__, 5, __, __, 6, __, __, 7, __, __, 8, __, __, 9, __, __),
    );
    let last = third(
        _mm_setr_epi8(__, 11, __, __, 12, __, __, 13, __, __, 14, __, __, 15, __, __),
        _mm_setr_epi8(__, __, 11, __, __, 12, __, __, 13, __, __, 14, __, __, 15, __),
        _mm_setr_epi8(10, __, __, 11, __, __, 12, __, __, 13, __, __, 14, __, __, 15),
    );
    let mut out = [0; 48];
    for (out, third) in out.as_chunks_mut::<8>().0.iter_mut().zip([
        _mm_extract_epi64::<0>(first),
        _mm_extract_epi64::<1>(first),
        _mm_extract_epi64::<0>(second),
        _mm_extract_epi64::<1>(second),
        _mm_extract_epi64::<0>(last),
        _mm_extract_epi64::<1>(last),
    ]) {
        *out = third.to_le_bytes();
    }
    out
}
