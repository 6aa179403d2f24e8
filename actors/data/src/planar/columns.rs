//! Resizing the columns of all planes and turning YCbCr into RGB, output row by output row.
//! Not here: rows (see `rows`).
//!
//! Colours are JFIF's: R = Y + 1.402 Cr, G = Y − 0.344136 Cb − 0.714136 Cr, B = Y + 1.772 Cb, in 16 bits with 6 of them
//! fractional, each product rounded as x86's `pmulhrsw` rounds.

use crate::limits;
use crate::pixels::{CHANNELS, GROUP, Pixels, one_by_one, write_row};
use crate::resample::axis::Axis;
use crate::simd::Simd;

/// Fractional bits of a weight down.
const WEIGHT_BITS: u32 = 8;
/// Fractional bits of a sample on its way to a colour.
const SAMPLE_BITS: u32 = 6;
/// Chroma's zero.
const CHROMA_ZERO: i16 = 128 << SAMPLE_BITS;

/// 15 fractional bits of the conversion's constants (less one where they exceed it).
const RED_OF_CR: i16 = 13_173;
const GREEN_OF_CB: i16 = 11_277;
const GREEN_OF_CR: i16 = 23_401;
const BLUE_OF_CB: i16 = 25_297;

/// One plane, resized across, waiting to be resized down.
#[derive(Default)]
pub struct Columns {
    taps: usize,
    /// First row that is needed.
    first: usize,
    /// How many are.
    count: usize,
    /// First row of each output row, counted from the first that is needed.
    starts: Vec<u32>,
    /// `taps` weights for each output row.
    weights: Vec<u16>,
    /// Rows resized across.
    rows: Vec<u8>,
    /// The output row being made, with [`WEIGHT_BITS`] fractional bits.
    sums: Vec<u16>,
}

impl Columns {
    /// Prepares for an axis.
    pub fn set(&mut self, axis: &Axis) {
        self.taps = axis.taps;
        (self.first, self.count) = (axis.first, axis.end - axis.first);
        self.starts.clear();
        self.starts.extend(axis.starts.iter().map(|&start| start - axis.first as u32));
        self.weights.clear();
        if !axis.resizes {
            return self.weights.resize(axis.starts.len(), 1 << WEIGHT_BITS);
        }
        for weights in axis.weights.chunks_exact(axis.taps) {
            self.weights.extend(super::narrowed::<WEIGHT_BITS>(weights));
        }
    }

    /// The first row that is needed.
    pub fn first(&self) -> usize {
        self.first
    }

    /// How many rows are needed, and room for them at `width` samples each; what it holds is old.
    pub fn room(&mut self, width: usize) -> (usize, &mut [u8]) {
        limits::trim_buffer(&mut self.rows);
        if self.rows.len() < self.count * width {
            self.rows.resize(self.count * width, 0);
        }
        self.sums.resize(width, 0);
        (self.count, &mut self.rows[..self.count * width])
    }

    /// Makes one output row. At most 255 × 256: the sums can't overflow, and saying so keeps the loops free of checks.
    #[inline(always)]
    fn make_row(&mut self, y: usize, width: usize) {
        let rows = &self.rows[self.starts[y] as usize * width..];
        let weights = &self.weights[y * self.taps..][..self.taps];
        let sums = &mut self.sums[..width];
        if let &[upper, lower] = weights {
            let (above, below) = (&rows[..width], &rows[width..][..width]);
            for ((sum, &above), &below) in sums.iter_mut().zip(above).zip(below) {
                *sum = u16::from(above).wrapping_mul(upper).wrapping_add(u16::from(below).wrapping_mul(lower));
            }
            return;
        }
        sums.fill(0);
        for (row, &weight) in rows.chunks_exact(width).zip(weights).filter(|&(_, &weight)| weight != 0) {
            for (sum, &sample) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(u16::from(sample).wrapping_mul(weight));
            }
        }
    }
}

/// Writes rows of `width` RGB pixels made of one plane (grey) or three.
pub fn write(simd: Simd, planes: &mut [Columns], width: usize, out: &mut [u8]) {
    match simd {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
        Simd::Avx2(_) => unsafe { avx2::write(planes, width, out) },
        Simd::Portable => write_rows(planes, width, out, |luma, blue, red| one_by_one(luma, blue, red, colour)),
    }
}

/// Sums of sixteen neighbouring samples.
type Group = [u16; GROUP];

/// Always inlined, so that it is compiled with the instructions of its caller.
#[inline(always)]
fn write_rows(planes: &mut [Columns], width: usize, out: &mut [u8], group: impl Fn(&Group, &Group, &Group) -> Pixels) {
    for (y, out) in out.chunks_exact_mut(width * CHANNELS).enumerate() {
        planes.iter_mut().for_each(|plane| plane.make_row(y, width));
        match planes {
            [luma, blue, red] => write_row([&luma.sums[..], &blue.sums, &red.sums], out, &group, colour),
            [luma, ..] => write_grey(&luma.sums, out),
            [] => unreachable!("a picture has at least one plane"),
        }
    }
}

#[inline(always)]
fn write_grey(luma: &[u16], out: &mut [u8]) {
    for (pixel, &sum) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(luma) {
        *pixel = [byte(sample(sum)); CHANNELS];
    }
}

/// One pixel from its sums.
#[inline(always)]
fn colour(luma: u16, blue: u16, red: u16) -> [u8; CHANNELS] {
    let luma = sample(luma);
    let (blue, red) = (sample(blue).wrapping_sub(CHROMA_ZERO), sample(red).wrapping_sub(CHROMA_ZERO));
    [
        byte(luma.wrapping_add(red).wrapping_add(times(red, RED_OF_CR))),
        byte(luma.wrapping_sub(times(blue, GREEN_OF_CB)).wrapping_sub(times(red, GREEN_OF_CR))),
        byte(luma.wrapping_add(blue).wrapping_add(times(blue, BLUE_OF_CB))),
    ]
}

/// A sum as a sample with [`SAMPLE_BITS`] fractional bits: at most 255 × 64, so no colour leaves 16 bits.
#[inline(always)]
fn sample(sum: u16) -> i16 {
    (sum >> (WEIGHT_BITS - SAMPLE_BITS)) as i16
}

/// A product with a constant of 15 fractional bits, rounded.
#[inline(always)]
fn times(value: i16, constant: i16) -> i16 {
    ((i32::from(value).wrapping_mul(i32::from(constant)).wrapping_add(1 << 14)) >> 15) as i16
}

/// Drops the fractional bits.
#[inline(always)]
fn byte(value: i16) -> u8 {
    (value.wrapping_add(1 << (SAMPLE_BITS - 1)) >> SAMPLE_BITS).clamp(0, 255) as u8
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{
        BLUE_OF_CB, CHROMA_ZERO, Columns, GREEN_OF_CB, GREEN_OF_CR, Group, Pixels, RED_OF_CR, SAMPLE_BITS, WEIGHT_BITS,
    };
    use crate::pixels::avx2::interleaved;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    pub fn write(planes: &mut [Columns], width: usize, out: &mut [u8]) {
        super::write_rows(planes, width, out, |luma, blue, red| group(luma, blue, red));
    }

    /// [`super::colour`] of sixteen pixels.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn group(luma: &Group, blue: &Group, red: &Group) -> Pixels {
        let zero = _mm256_set1_epi16(CHROMA_ZERO);
        let luma = samples(luma);
        let (blue, red) = (_mm256_sub_epi16(samples(blue), zero), _mm256_sub_epi16(samples(red), zero));
        let times = |value, constant| _mm256_mulhrs_epi16(value, _mm256_set1_epi16(constant));
        let add = |a, b| _mm256_add_epi16(a, b);
        let green = add(times(blue, GREEN_OF_CB), times(red, GREEN_OF_CR));
        interleaved(
            bytes(add(add(luma, red), times(red, RED_OF_CR))),
            bytes(_mm256_sub_epi16(luma, green)),
            bytes(add(add(luma, blue), times(blue, BLUE_OF_CB))),
        )
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn samples(sums: &Group) -> __m256i {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = sums.map(|sum| sum as i16);
        let sums = _mm256_set_epi16(p, o, n, m, l, k, j, i, h, g, f, e, d, c, b, a);
        _mm256_srli_epi16::<{ (WEIGHT_BITS - SAMPLE_BITS) as i32 }>(sums)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn bytes(values: __m256i) -> __m128i {
        let rounding = _mm256_set1_epi16(1 << (SAMPLE_BITS - 1));
        let values = _mm256_srai_epi16::<{ SAMPLE_BITS as i32 }>(_mm256_add_epi16(values, rounding));
        _mm_packus_epi16(_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values))
    }
}
