//! The two passes with AVX2, to the bit what the portable ones make.
//! Not here: deciding whether the processor has it (see `simd`).
//!
//! A weight of 22 bits does not fit the 16-bit multiplications that are fast, so it is taken apart: 11 upper and 11
//! lower bits, each multiplied and added over two neighbouring taps by one `madd`; the sums are put together after.

use std::arch::x86_64::{
    __m256i, _mm_set_epi64x, _mm_set1_epi16, _mm_set1_epi32, _mm256_add_epi8, _mm256_add_epi32,
    _mm256_broadcastsi128_si256, _mm256_extract_epi64, _mm256_madd_epi16, _mm256_packus_epi16, _mm256_packus_epi32,
    _mm256_set_epi8, _mm256_set_epi64x, _mm256_set_m128i, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_slli_epi32, _mm256_srli_epi32,
};

use super::axis::{Axis, WEIGHT_BITS};
use super::passes::{self, ROUNDING, row_resizer};
use super::{CHANNELS, Plane};

/// Bits of the lower part of a weight.
const LOWER_BITS: u32 = 11;
/// Pixels made at a time.
const GROUP: usize = 4;
/// Bytes read for two neighbouring pixels: two more than they have.
const PAIR_BYTES: usize = 8;
/// Bytes read for a whole group where that suffices.
const NEAR_BYTES: usize = 16;

/// The parts of two taps' weights for four pixels, as `madd` wants them: two 16-bit numbers an element, the same in all
/// elements of a half.
#[derive(Clone, Copy)]
struct PairWeights {
    /// Upper bits, pixels 0 and 2.
    even_upper: __m256i,
    /// Lower bits, pixels 0 and 2.
    even_lower: __m256i,
    /// Upper bits, pixels 1 and 3.
    odd_upper: __m256i,
    /// Lower bits, pixels 1 and 3.
    odd_lower: __m256i,
}

/// Where the inputs of a group lie in one read of [`NEAR_BYTES`].
#[derive(Clone, Copy)]
struct Near {
    /// First pixel read.
    start: usize,
    /// Picks `r0 r1 g0 g1 b0 b1 0 0` of pixels 0 and 2.
    even: __m256i,
    /// The same of pixels 1 and 3.
    odd: __m256i,
}

/// An axis's weights by groups of four pixels and pairs of taps.
#[derive(Default)]
pub struct PackedWeights {
    weights: Vec<PairWeights>,
    /// For an axis that grows (two taps): its groups' inputs lie so near that one read gets them all.
    near: Vec<Near>,
}

impl PackedWeights {
    /// Prepares for an axis.
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    pub fn set(&mut self, axis: &Axis) {
        self.set_weights(axis);
        self.near.clear();
        if axis.taps != 2 {
            return;
        }
        for &starts in axis.starts.as_chunks::<GROUP>().0 {
            let start = starts.into_iter().fold(u32::MAX, u32::min);
            let [first, second, third, fourth] = starts.map(|other| ((other - start) as usize * CHANNELS) as i8);
            if [first, second, third, fourth].iter().any(|&at| at as usize + 2 * CHANNELS > NEAR_BYTES) {
                self.near.clear();
                return;
            }
            let (even, odd) = (picked(first, third), picked(second, fourth));
            self.near.push(Near { start: start as usize * CHANNELS, even, odd });
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn set_weights(&mut self, axis: &Axis) {
        let lower_mask = (1 << LOWER_BITS) - 1;
        self.weights.clear();
        for weights in axis.weights.chunks_exact(axis.taps * GROUP) {
            for tap in (0..axis.taps).step_by(2) {
                let pair = |pixel: usize| {
                    let first = weights[pixel * axis.taps + tap];
                    let second = if tap + 1 < axis.taps { weights[pixel * axis.taps + tap + 1] } else { 0 };
                    [
                        (first >> LOWER_BITS) | (second >> LOWER_BITS) << 16,
                        (first & lower_mask) | (second & lower_mask) << 16,
                    ]
                };
                let [[upper0, lower0], [upper1, lower1], [upper2, lower2], [upper3, lower3]] =
                    [pair(0), pair(1), pair(2), pair(3)];
                self.weights.push(PairWeights {
                    even_upper: halves(upper0, upper2),
                    even_lower: halves(lower0, lower2),
                    odd_upper: halves(upper1, upper3),
                    odd_lower: halves(lower1, lower3),
                });
            }
        }
    }
}

/// One number in all elements of the lower half, another in those of the upper half.
#[target_feature(enable = "avx2")]
#[inline]
fn halves(lower: u32, upper: u32) -> __m256i {
    _mm256_set_m128i(_mm_set1_epi32(upper as i32), _mm_set1_epi32(lower as i32))
}

/// A shuffle that spreads two neighbouring pixels, given by their first byte's place: `r0 r1 g0 g1 b0 b1 0 0`, 16 bits
/// each; the first place for the lower half, the second for the upper.
#[target_feature(enable = "avx2")]
#[inline]
fn picked(lower: i8, upper: i8) -> __m256i {
    let spread = _mm256_set_epi8(
        -1, -1, -1, -1, -1, 5, -1, 2, -1, 4, -1, 1, -1, 3, -1, 0, //
        -1, -1, -1, -1, -1, 5, -1, 2, -1, 4, -1, 1, -1, 3, -1, 0,
    );
    // In 16 bits, so that only lower bytes move and the upper ones go on picking nothing.
    let from = _mm256_set_m128i(_mm_set1_epi16(i16::from(upper)), _mm_set1_epi16(i16::from(lower)));
    _mm256_add_epi8(spread, from)
}

/// [`passes::horizontal`] for an axis that resizes.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub fn horizontal(source: Plane<'_>, axis: &Axis, packed: &PackedWeights, out: &mut [u8], out_width: usize) {
    let pairs = axis.taps.div_ceil(2);
    let near = !packed.near.is_empty();
    let last_start = axis.end - axis.taps;
    let read_bytes = match near {
        true => last_start * CHANNELS + NEAR_BYTES,
        false => (last_start + 2 * (pairs - 1)) * CHANNELS + PAIR_BYTES,
    };
    let portable = row_resizer(axis);
    let grouped = axis.starts.len() / GROUP * GROUP;
    for (y, out_row) in out.chunks_exact_mut(out_width).enumerate() {
        let row = source.row_and_beyond(y);
        // The last row of a picture has nothing behind it to read too far into.
        let from = if row.len() >= read_bytes { grouped } else { 0 };
        let (fast, rest) = out_row.split_at_mut(from * CHANNELS);
        let fast = fast.as_chunks_mut().0;
        match near {
            true => grow_row(row, packed, fast),
            false => resize_row(row, axis, pairs, packed, fast),
        }
        portable(source.row(y, axis.end * CHANNELS), axis, from, rest.as_chunks_mut::<CHANNELS>().0);
    }
}

/// One row of an axis that grows.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
fn grow_row(row: &[u8], packed: &PackedWeights, out: &mut [[u8; GROUP * CHANNELS]]) {
    for ((out, near), weights) in out.iter_mut().zip(&packed.near).zip(&packed.weights) {
        let bytes: [u8; NEAR_BYTES] =
            row[near.start..near.start + NEAR_BYTES].try_into().expect("as long as the range");
        let bytes = i128::from_le_bytes(bytes);
        let bytes = _mm256_broadcastsi128_si256(_mm_set_epi64x((bytes >> 64) as i64, bytes as i64));
        let (even, odd) = (_mm256_shuffle_epi8(bytes, near.even), _mm256_shuffle_epi8(bytes, near.odd));
        let even = whole(_mm256_madd_epi16(even, weights.even_upper), _mm256_madd_epi16(even, weights.even_lower));
        let odd = whole(_mm256_madd_epi16(odd, weights.odd_upper), _mm256_madd_epi16(odd, weights.odd_lower));
        *out = four_pixels(even, odd);
    }
}

/// One row of any axis.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline]
fn resize_row(row: &[u8], axis: &Axis, pairs: usize, packed: &PackedWeights, out: &mut [[u8; GROUP * CHANNELS]]) {
    let groups = axis.starts.as_chunks::<GROUP>().0.iter();
    for ((out, starts), weights) in out.iter_mut().zip(groups).zip(packed.weights.chunks_exact(pairs)) {
        let at = starts.map(|start| start as usize * CHANNELS);
        let mut sums = [_mm256_setzero_si256(); 4];
        for (pair, weights) in weights.iter().enumerate() {
            let beyond = pair * 2 * CHANNELS;
            let even = two_pixels(row, at[0] + beyond, at[2] + beyond);
            let odd = two_pixels(row, at[1] + beyond, at[3] + beyond);
            sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(even, weights.even_upper));
            sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(even, weights.even_lower));
            sums[2] = _mm256_add_epi32(sums[2], _mm256_madd_epi16(odd, weights.odd_upper));
            sums[3] = _mm256_add_epi32(sums[3], _mm256_madd_epi16(odd, weights.odd_lower));
        }
        *out = four_pixels(whole(sums[0], sums[1]), whole(sums[2], sums[3]));
    }
}

/// Two neighbouring pixels from each of two places, one place a half: `r0 r1 g0 g1 b0 b1 0 0`, 16 bits each.
#[target_feature(enable = "avx2")]
#[inline]
fn two_pixels(row: &[u8], first: usize, second: usize) -> __m256i {
    let read = |at: usize| {
        let bytes: [u8; PAIR_BYTES] = row[at..at + PAIR_BYTES].try_into().expect("the length of the range");
        i64::from_le_bytes(bytes)
    };
    _mm256_shuffle_epi8(_mm256_set_epi64x(0, read(second), 0, read(first)), picked(0, 0))
}

/// Puts upper and lower sums together and drops the fractional bits.
#[target_feature(enable = "avx2")]
#[inline]
fn whole(upper: __m256i, lower: __m256i) -> __m256i {
    let sum = _mm256_add_epi32(_mm256_slli_epi32::<{ LOWER_BITS as i32 }>(upper), lower);
    let rounding = _mm256_set1_epi32(ROUNDING as i32);
    _mm256_srli_epi32::<{ WEIGHT_BITS as i32 }>(_mm256_add_epi32(sum, rounding))
}

/// The bytes of pixels 0 and 2, and 1 and 3, each `r g b _` of 32 bits a half.
#[target_feature(enable = "avx2")]
#[inline]
fn four_pixels(even: __m256i, odd: __m256i) -> [u8; GROUP * CHANNELS] {
    let pixels = _mm256_packus_epi32(even, odd);
    let pixels = _mm256_packus_epi16(pixels, pixels);
    let close = _mm256_set_epi8(
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 6, 5, 4, 2, 1, 0, //
        -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 6, 5, 4, 2, 1, 0,
    );
    let pixels = _mm256_shuffle_epi8(pixels, close);
    let (first, second) = (_mm256_extract_epi64::<0>(pixels) as u64, _mm256_extract_epi64::<2>(pixels) as u64);
    let mut out = [0; GROUP * CHANNELS];
    out[..8].copy_from_slice(&(first | second << 48).to_le_bytes());
    out[8..].copy_from_slice(&((second >> 16) as u32).to_le_bytes());
    out
}

/// [`passes::vertical`], compiled with more instructions.
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
pub fn vertical(source: Plane<'_>, axis: &Axis, first: usize, out: &mut [u8], width: usize, sums: &mut Vec<u32>) {
    passes::vertical(source, axis, first, out, width, sums);
}
