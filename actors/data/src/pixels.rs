//! Three rows of samples → one row of RGB pixels, sixteen at a time: what both ways to colour share.
//! Not here: the colours (see `jpeg/rgb` and `planar/columns`).

/// Bytes of a pixel.
pub(crate) const CHANNELS: usize = 3;
/// Pixels made at a time.
pub(crate) const GROUP: usize = 16;

/// Sixteen pixels, side by side.
pub(crate) type Pixels = [u8; GROUP * CHANNELS];

/// Makes a row of pixels: by `group` as far as there are sixteen, the rest one by one.
///
/// Always inlined, so that it is compiled with the instructions of its caller.
#[inline(always)]
pub(crate) fn write_row<T: Copy>(
    [luma, blue, red]: [&[T]; 3],
    out: &mut [u8],
    group: impl Fn(&[T; GROUP], &[T; GROUP], &[T; GROUP]) -> Pixels,
    one: impl Fn(T, T, T) -> [u8; CHANNELS],
) {
    let (lumas, luma_rest) = luma.as_chunks();
    let (blues, blue_rest) = blue.as_chunks();
    let (reds, red_rest) = red.as_chunks();
    let (groups, rest) = out.as_chunks_mut();
    for (((out, luma), blue), red) in groups.iter_mut().zip(lumas).zip(blues).zip(reds) {
        *out = group(luma, blue, red);
    }
    let rest = rest.as_chunks_mut().0.iter_mut();
    for (((pixel, &luma), &blue), &red) in rest.zip(luma_rest).zip(blue_rest).zip(red_rest) {
        *pixel = one(luma, blue, red);
    }
}

/// Sixteen pixels one by one: the portable way.
pub(crate) fn one_by_one<T: Copy>(
    luma: &[T; GROUP],
    blue: &[T; GROUP],
    red: &[T; GROUP],
    one: impl Fn(T, T, T) -> [u8; CHANNELS],
) -> Pixels {
    let mut out = [0; GROUP * CHANNELS];
    for (i, pixel) in out.as_chunks_mut().0.iter_mut().enumerate() {
        *pixel = one(luma[i], blue[i], red[i]);
    }
    out
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2 {
    use super::{CHANNELS, GROUP};
    use std::arch::x86_64::*;

    /// Sixteen reds, greens and blues as pixels. Of each third of the output, every colour gives what falls into it.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(crate) fn interleaved(red: __m128i, green: __m128i, blue: __m128i) -> [u8; GROUP * CHANNELS] {
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
        let mut out = [0; GROUP * CHANNELS];
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
}
