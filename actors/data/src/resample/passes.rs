//! The two passes over pixels in portable code: what every faster version must equal to the bit.
//! Not here: weights (see `axis`).

use super::axis::{Axis, WEIGHT_BITS, WEIGHT_ONE};
use super::{CHANNELS, Plane};

/// Half of the last bit that is kept.
pub const ROUNDING: u32 = WEIGHT_ONE / 2;

/// A byte times a weight. At most 255 * 2^22: it can't overflow, and saying so keeps the inner loops free of checks.
#[inline(always)]
fn weighted(byte: u8, weight: u32) -> u32 {
    u32::from(byte).wrapping_mul(weight)
}

/// Drops the fractional bits of a sum of weighted bytes. The weights of a position add up to one, give or take half a
/// unit a tap, so the sum stays below 256 for up to 16,384 taps, and the cast loses nothing.
#[inline(always)]
fn rounded(sum: u32) -> u8 {
    (sum >> WEIGHT_BITS) as u8
}

/// Resizes rows: `out` gets as many rows of `out_width` bytes as it holds.
pub fn horizontal(source: Plane<'_>, axis: &Axis, out: &mut [u8], out_width: usize) {
    let resize_row = row_resizer(axis);
    for (y, out_row) in out.chunks_exact_mut(out_width).enumerate() {
        resize_row(source.row(y, axis.end * CHANNELS), axis, 0, out_row.as_chunks_mut::<CHANNELS>().0);
    }
}

/// Makes the positions of one row from the given one on.
pub type RowResizer = fn(row: &[u8], axis: &Axis, from: usize, out: &mut [[u8; CHANNELS]]);

/// The row resizer for an axis. With the number of taps known, the inner loop is unrolled; 8 is a photo of 224 px made
/// 64 px wide.
pub fn row_resizer(axis: &Axis) -> RowResizer {
    match axis.taps {
        _ if !axis.resizes => copy_row,
        2 => resize_row::<2>,
        3 => resize_row::<3>,
        4 => resize_row::<4>,
        5 => resize_row::<5>,
        6 => resize_row::<6>,
        7 => resize_row::<7>,
        8 => resize_row::<8>,
        _ => resize_row_by_any,
    }
}

/// One row of an axis that keeps its length.
fn copy_row(row: &[u8], axis: &Axis, from: usize, out: &mut [[u8; CHANNELS]]) {
    let row = row.as_chunks::<CHANNELS>().0;
    for (pixel, &start) in out.iter_mut().zip(&axis.starts[from..]) {
        *pixel = row[start as usize];
    }
}

/// One row with a known number of taps.
fn resize_row<const TAPS: usize>(row: &[u8], axis: &Axis, from: usize, out: &mut [[u8; CHANNELS]]) {
    let row = row.as_chunks::<CHANNELS>().0;
    let positions = axis.starts.iter().zip(axis.weights.as_chunks::<TAPS>().0).skip(from);
    for (pixel, (&start, weights)) in out.iter_mut().zip(positions) {
        *pixel = weighted_sum(row[start as usize..][..TAPS].iter().zip(weights));
    }
}

/// One row with any number of taps.
fn resize_row_by_any(row: &[u8], axis: &Axis, from: usize, out: &mut [[u8; CHANNELS]]) {
    let row = row.as_chunks::<CHANNELS>().0;
    let positions = axis.starts.iter().zip(axis.weights.chunks_exact(axis.taps)).skip(from);
    for (pixel, (&start, weights)) in out.iter_mut().zip(positions) {
        *pixel = weighted_sum(row[start as usize..].iter().zip(weights));
    }
}

/// One pixel from its taps.
fn weighted_sum<'a>(taps: impl Iterator<Item = (&'a [u8; CHANNELS], &'a u32)>) -> [u8; CHANNELS] {
    let mut sums = [ROUNDING; CHANNELS];
    for (tap, &weight) in taps {
        for c in 0..CHANNELS {
            sums[c] = sums[c].wrapping_add(weighted(tap[c], weight));
        }
    }
    sums.map(rounded)
}

/// Resizes columns: row 0 of `source` is input `first` of the axis, and `out` gets rows of `width` bytes.
///
/// Always inlined, so that a caller that may use more instructions gets it compiled with them.
#[inline(always)]
pub fn vertical(source: Plane<'_>, axis: &Axis, first: usize, out: &mut [u8], width: usize, sums: &mut Vec<u32>) {
    for ((out_row, &start), weights) in
        out.chunks_exact_mut(width).zip(&axis.starts).zip(axis.weights.chunks_exact(axis.taps))
    {
        let start = start as usize - first;
        if let &[upper, lower] = weights {
            let rows = source.row(start, width).iter().zip(source.row(start + 1, width));
            for (byte, (&above, &below)) in out_row.iter_mut().zip(rows) {
                let sum = weighted(above, upper).wrapping_add(weighted(below, lower));
                *byte = rounded(sum.wrapping_add(ROUNDING));
            }
            continue;
        }
        sums.clear();
        sums.resize(width, ROUNDING);
        for (tap, &weight) in weights.iter().enumerate().filter(|&(_, &weight)| weight != 0) {
            for (sum, &byte) in sums.iter_mut().zip(source.row(start + tap, width)) {
                *sum = sum.wrapping_add(weighted(byte, weight));
            }
        }
        for (byte, &sum) in out_row.iter_mut().zip(sums.iter()) {
            *byte = rounded(sum);
        }
    }
}
