//! Resizing the rows of one plane: bytes in, bytes out, 14 fractional bits between.
//! Not here: columns and colours (see `columns`).

use super::columns::Columns;
use crate::geometry::CropBox;
use crate::jpeg::planes::Plane;
use crate::resample::axis::{Axis, Span, Wanted};
use crate::simd::Simd;

/// Fractional bits of a weight across.
const BITS: u32 = 14;
/// Half of the last bit that is kept.
const ROUNDING: i32 = 1 << (BITS - 1);

/// Which samples a row's positions are made of.
#[derive(Default)]
pub struct Rows {
    taps: usize,
    end: usize,
    starts: Vec<u32>,
    /// `taps` weights for each position, at most one each.
    weights: Vec<i16>,
    #[cfg(target_arch = "x86_64")]
    packed: avx2::Packed,
}

impl Rows {
    /// Prepares for the resize of a span; what it needs of the axis is kept, which may be set anew then.
    pub fn set_span(&mut self, span: Span, wanted: Wanted, axis: &mut Axis) {
        axis.set(span, wanted);
        self.taps = axis.taps;
        self.end = axis.end;
        self.starts.clear();
        self.starts.extend_from_slice(&axis.starts);
        self.weights.clear();
        if !axis.resizes {
            return self.weights.resize(axis.starts.len(), 1 << BITS);
        }
        for weights in axis.weights.chunks_exact(axis.taps) {
            self.weights.extend(super::narrowed::<BITS>(weights).map(|weight| weight as i16));
        }
    }

    /// Resizes those rows of a plane's part that its columns need.
    pub fn resize_plane(&mut self, simd: Simd, plane: &Plane<'_>, part: CropBox, columns: &mut Columns) {
        let top = part.y as usize + columns.first();
        let samples = &plane.samples[top * plane.stride + part.x as usize..];
        let (count, out) = columns.room(self.starts.len());
        self.resize(simd, samples, plane.stride, count, out);
    }

    /// Resizes `count` rows that lie `stride` bytes apart into rows that lie side by side.
    fn resize(&mut self, simd: Simd, samples: &[u8], stride: usize, count: usize, out: &mut [u8]) {
        match simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
            Simd::Avx2(_) => unsafe { self.resize_avx2(samples, stride, count, out) },
            Simd::Portable => self.resize_from(0, samples, stride, count, out),
        }
    }

    /// Makes the positions from the given one on.
    fn resize_from(&self, from: usize, samples: &[u8], stride: usize, count: usize, out: &mut [u8]) {
        let width = self.starts.len();
        for (y, out) in out.chunks_exact_mut(width).take(count).enumerate() {
            let row = &samples[y * stride..][..self.end];
            let positions = self.starts.iter().zip(self.weights.chunks_exact(self.taps));
            for (byte, (&start, weights)) in out.iter_mut().zip(positions).skip(from) {
                let taps = row[start as usize..].iter().zip(weights);
                let sum: i32 = taps.map(|(&sample, &weight)| i32::from(sample) * i32::from(weight)).sum();
                *byte = ((sum + ROUNDING) >> BITS) as u8;
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn resize_avx2(&mut self, samples: &[u8], stride: usize, count: usize, out: &mut [u8]) {
        if !self.packed.set(&self.starts, &self.weights, self.taps) {
            return self.resize_from(0, samples, stride, count, out);
        }
        let width = self.starts.len();
        let grouped = width / avx2::GROUP * avx2::GROUP;
        // The last rows of a plane have too little behind them to read too far into.
        let readable =
            samples.len().checked_sub(self.packed.read_bytes()).map_or(0, |room| room / stride + 1).min(count);
        let readable = if readable == 1 { 0 } else { readable };
        let (fast, rest) = out.split_at_mut(readable * width);
        for first in (0..readable).step_by(2) {
            // Of an odd number of rows the last but one is made twice.
            let first = first.min(readable - 2);
            let (out, next_out) = fast[first * width..][..2 * width].split_at_mut(width);
            let samples = &samples[first * stride..];
            self.packed.resize_two_rows(samples, &samples[stride..], out, next_out);
        }
        if grouped < width {
            self.resize_from(grouped, samples, stride, readable, fast);
        }
        if readable < count {
            self.resize_from(0, &samples[readable * stride..], stride, count - readable, rest);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BITS, ROUNDING};
    use std::arch::x86_64::*;

    /// Positions made at a time, half of them from one read each.
    pub const GROUP: usize = 8;
    /// Bytes of a read.
    const READ_BYTES: usize = 16;

    /// Where the samples of a group lie.
    #[derive(Clone, Copy)]
    struct Reads {
        /// Start of each half's read.
        starts: [usize; 2],
        /// Picks two neighbouring samples for each position, 16 bits each.
        pick: __m256i,
    }

    impl Reads {
        /// Two neighbouring samples of each position, `beyond` its first.
        #[target_feature(enable = "avx2")]
        #[inline]
        fn samples(&self, row: &[u8], beyond: usize) -> __m256i {
            let (left, right) = (sixteen(row, self.starts[0] + beyond), sixteen(row, self.starts[1] + beyond));
            _mm256_shuffle_epi8(_mm256_set_m128i(right, left), self.pick)
        }
    }

    /// Positions by groups of eight, weights by pairs of taps.
    #[derive(Default)]
    pub struct Packed {
        pairs: usize,
        reads: Vec<Reads>,
        /// `pairs` for each group.
        weights: Vec<__m256i>,
        read_bytes: usize,
    }

    impl Packed {
        /// How far from a row's start a row is read.
        pub fn read_bytes(&self) -> usize {
            self.read_bytes
        }

        /// Prepares for positions; false when four of them lie too far apart for one read.
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        pub fn set(&mut self, starts: &[u32], weights: &[i16], taps: usize) -> bool {
            self.pairs = taps.div_ceil(2);
            self.reads.clear();
            self.weights.clear();
            self.read_bytes = 0;
            for (starts, weights) in starts.as_chunks::<GROUP>().0.iter().zip(weights.chunks_exact(taps * GROUP)) {
                let (left, right) = (half(&starts[..GROUP / 2]), half(&starts[GROUP / 2..]));
                let (Some((left, left_pick)), Some((right, right_pick))) = (left, right) else { return false };
                self.reads.push(Reads { starts: [left, right], pick: _mm256_set_m128i(right_pick, left_pick) });
                self.read_bytes = self.read_bytes.max(left.max(right) + 2 * (self.pairs - 1) + READ_BYTES);
                for tap in (0..taps).step_by(2) {
                    let pair = |position: usize| {
                        let second = if tap + 1 < taps { weights[position * taps + tap + 1] } else { 0 };
                        i32::from(weights[position * taps + tap]) | i32::from(second) << 16
                    };
                    let [a, b, c, d, e, f, g, h] = std::array::from_fn(pair);
                    self.weights.push(_mm256_set_epi32(h, g, f, e, d, c, b, a));
                }
            }
            true
        }

        /// Makes the whole groups of two rows, which share everything but their samples.
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        #[inline]
        pub fn resize_two_rows(&self, row: &[u8], next_row: &[u8], out: &mut [u8], next_out: &mut [u8]) {
            // With one pair of taps, as when an axis grows, the compiler needs no inner loop.
            match self.pairs {
                1 => self.resize_with_pairs(1, row, next_row, out, next_out),
                pairs => self.resize_with_pairs(pairs, row, next_row, out, next_out),
            }
        }

        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
        #[inline]
        fn resize_with_pairs(&self, pairs: usize, row: &[u8], next_row: &[u8], out: &mut [u8], next_out: &mut [u8]) {
            let outs = out.as_chunks_mut::<GROUP>().0.iter_mut().zip(next_out.as_chunks_mut::<GROUP>().0);
            for (((out, next_out), reads), weights) in outs.zip(&self.reads).zip(self.weights.chunks_exact(pairs)) {
                let (mut sum, mut next_sum) = (_mm256_set1_epi32(ROUNDING), _mm256_set1_epi32(ROUNDING));
                for (pair, &weights) in weights.iter().enumerate() {
                    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(reads.samples(row, 2 * pair), weights));
                    next_sum =
                        _mm256_add_epi32(next_sum, _mm256_madd_epi16(reads.samples(next_row, 2 * pair), weights));
                }
                let values = _mm256_srai_epi32::<{ BITS as i32 }>(sum);
                let next_values = _mm256_srai_epi32::<{ BITS as i32 }>(next_sum);
                let values = _mm256_packs_epi32(values, next_values);
                let values = _mm256_packus_epi16(values, values);
                // Each half: four positions of the one row, four of the other.
                let (left, right) = (_mm256_castsi256_si128(values), _mm256_extracti128_si256::<1>(values));
                let rows = _mm_unpacklo_epi32(left, right);
                *out = _mm_extract_epi64::<0>(rows).to_le_bytes();
                *next_out = _mm_extract_epi64::<1>(rows).to_le_bytes();
            }
        }
    }

    /// Where four positions' read starts and the shuffle that picks their samples.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(starts: &[u32]) -> Option<(usize, __m128i)> {
        let start = starts.iter().fold(u32::MAX, |least, &other| least.min(other));
        let mut picks = [0; 4];
        for (pick, &other) in picks.iter_mut().zip(starts) {
            let at = i32::try_from(other - start).ok().filter(|&at| at as usize + 2 <= READ_BYTES)?;
            // Bytes of an element, lowest first: sample, nothing, next sample, nothing.
            *pick = at | 0x80 << 8 | (at + 1) << 16 | 0x80 << 24;
        }
        let [a, b, c, d] = picks;
        Some((start as usize, _mm_set_epi32(d, c, b, a)))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn sixteen(row: &[u8], at: usize) -> __m128i {
        let bytes: [u8; READ_BYTES] = row[at..at + READ_BYTES].try_into().expect("as long as the range");
        let bytes = i128::from_le_bytes(bytes);
        _mm_set_epi64x((bytes >> 64) as i64, bytes as i64)
    }
}
