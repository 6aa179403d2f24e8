//! Crop, resize and mirror in one go, to the bit what Pillow 13's `crop` + `resize(BILINEAR)` makes of 8-bit RGB.
//! Not here: which box to take (see `geometry`), or any other filter.
//!
//! The filter is a triangle that widens when the image shrinks. Each axis is a pass of its own, in fixed point with 22
//! fractional bits, and the image between the passes has 8 bits a channel; an axis that keeps its length is skipped.
//! Only the rows and columns that the window needs are computed.

use crate::geometry::{CropBox, Size};
use crate::picture::Picture;

/// Fractional bits of a weight.
const WEIGHT_BITS: u32 = 22;
/// One, as a weight.
const WEIGHT_ONE: u32 = 1 << WEIGHT_BITS;
/// Half of the last bit that is kept.
const ROUNDING: u32 = WEIGHT_ONE / 2;
/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// Which axis is resized first. The results differ by 1 here and there, since the image between the passes is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassOrder {
    /// Rows first.
    HorizontalFirst,
    /// Columns first.
    VerticalFirst,
}

impl PassOrder {
    /// The order that Pillow 13.0.0 takes: columns first when the height loses pixels, and more than twice as many as
    /// the width does (a width that grows counts as a negative loss).
    pub fn of_pillow(source: Size, full: Size) -> Self {
        let lost_height = i64::from(source.height) - i64::from(full.height);
        let lost_width = i64::from(source.width) - i64::from(full.width);
        if lost_height > 0 && lost_height > 2 * lost_width { Self::VerticalFirst } else { Self::HorizontalFirst }
    }
}

/// Resizes pictures; keeps its scratch memory between calls.
#[derive(Default)]
pub struct Resampler {
    horizontal: Axis,
    vertical: Axis,
    /// The image between the passes.
    between: Vec<u8>,
    /// One row of sums of the vertical pass.
    sums: Vec<u32>,
}

impl Resampler {
    /// A resampler without scratch memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts `source` (pixels of the picture) out, resizes it to `full`, and writes the part `window` (pixels of `full`),
    /// mirrored left to right if `flip`, into `out` (`window.width * window.height * 3` bytes, row by row).
    ///
    /// # Panics
    /// When `source` is not inside the picture, `window` not inside `full`, or `out` not of the window's size: boxes are
    /// made by our own geometry, never read from data.
    pub fn resample(
        &mut self,
        picture: &Picture<'_>,
        source: CropBox,
        full: Size,
        window: CropBox,
        flip: bool,
        out: &mut [u8],
    ) {
        let order = PassOrder::of_pillow(source.size(), full);
        self.resample_in_order(picture, source, full, window, flip, order, out);
    }

    /// [`Resampler::resample`] with the order of the passes given.
    #[allow(clippy::too_many_arguments, reason = "one call describes one picture; a struct would only rename it")]
    fn resample_in_order(
        &mut self,
        picture: &Picture<'_>,
        source: CropBox,
        full: Size,
        window: CropBox,
        flip: bool,
        order: PassOrder,
        out: &mut [u8],
    ) {
        assert!(fits(source, picture.size), "the box {source:?} is outside the picture {:?}", picture.size);
        assert!(fits(window, full), "the window {window:?} is outside the resized picture {full:?}");
        assert_eq!(out.len(), window.size().px() as usize * CHANNELS, "the output is not of the window's size");

        self.horizontal.set(source.width, full.width, window.x, window.width, flip);
        self.vertical.set(source.height, full.height, window.y, window.height, false);
        let source = Plane {
            pixels: &picture.pixels[(source.y as usize * picture.size.width as usize + source.x as usize) * CHANNELS..],
            stride: picture.size.width as usize * CHANNELS,
        };
        let out_width = window.width as usize * CHANNELS;
        let Self { horizontal, vertical, between, sums } = self;
        match (horizontal.resizes, vertical.resizes, order) {
            (_, false, _) => {
                horizontal_pass(source.below(vertical.first), horizontal, out, out_width);
            }
            (true, true, PassOrder::HorizontalFirst) | (false, true, _) => {
                let rows = vertical.end - vertical.first;
                let between = room(between, rows * out_width);
                horizontal_pass(source.below(vertical.first), horizontal, between, out_width);
                let between = Plane { pixels: between, stride: out_width };
                vertical_pass(between, vertical, vertical.first, out, out_width, sums);
            }
            (true, true, PassOrder::VerticalFirst) => {
                let width = (horizontal.end - horizontal.first) * CHANNELS;
                let between = room(between, window.height as usize * width);
                let source = source.right_of(horizontal.first);
                vertical_pass(source, vertical, 0, between, width, sums);
                horizontal.rebase();
                horizontal_pass(Plane { pixels: between, stride: width }, horizontal, out, out_width);
            }
        }
    }
}

/// Whether `part` lies inside an image of the size `whole`, and neither is empty.
fn fits(part: CropBox, whole: Size) -> bool {
    part.width > 0
        && part.height > 0
        && u64::from(part.x) + u64::from(part.width) <= u64::from(whole.width)
        && u64::from(part.y) + u64::from(part.height) <= u64::from(whole.height)
}

/// The first `len` bytes of a buffer that only grows. What they hold is old; the caller overwrites all of it.
fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// Rows of pixels that lie `stride` bytes apart.
#[derive(Clone, Copy)]
struct Plane<'a> {
    pixels: &'a [u8],
    stride: usize,
}

impl<'a> Plane<'a> {
    /// The same without its first `rows` rows.
    fn below(self, rows: usize) -> Self {
        Self { pixels: &self.pixels[rows * self.stride..], ..self }
    }

    /// The same without its first `columns` columns.
    fn right_of(self, columns: usize) -> Self {
        Self { pixels: &self.pixels[columns * CHANNELS..], ..self }
    }

    /// `len` bytes from the start of row `y`.
    fn row(self, y: usize, len: usize) -> &'a [u8] {
        &self.pixels[y * self.stride..][..len]
    }
}

/// What each output position of one axis is made of: the same number of neighbouring inputs (taps) for all positions,
/// those that Pillow's filter does not reach with weight zero.
#[derive(Default)]
struct Axis {
    /// False when the axis keeps its length, so that every position is a copy.
    resizes: bool,
    /// Taps a position.
    taps: usize,
    /// First input of each output position, in output order (back to front when mirrored).
    starts: Vec<u32>,
    /// `taps` weights for each output position.
    weights: Vec<u32>,
    /// First input that any position needs.
    first: usize,
    /// One past the last input that any position needs.
    end: usize,
}

impl Axis {
    /// Describes the output positions `from..from + len` of the resize of `n` inputs to `m` outputs.
    fn set(&mut self, n: u32, m: u32, from: u32, len: u32, mirrored: bool) {
        self.resizes = n != m;
        self.starts.clear();
        self.weights.clear();
        let position = |i: u32| if mirrored { from + len - 1 - i } else { from + i };
        if self.resizes {
            self.set_weights(n, m, len, position);
        } else {
            self.taps = 1;
            self.starts.extend((0..len).map(position));
        }
        self.first = self.starts.iter().min().map_or(0, |&start| start as usize);
        self.end = self.starts.iter().max().map_or(0, |&start| start as usize + self.taps);
    }

    /// Pillow's triangle filter, in its order of floating-point operations.
    fn set_weights(&mut self, n: u32, m: u32, len: u32, position: impl Fn(u32) -> u32) {
        let step = f64::from(n) / f64::from(m);
        let support = step.max(1.0);
        let reciprocal = 1.0 / support;
        let reach = |i: u32| {
            let centre = (f64::from(i) + 0.5) * step;
            // Casts from negative floats saturate at 0.
            let low = (centre - support + 0.5) as u32;
            let high = ((centre + support + 0.5) as u32).min(n);
            (centre, low, high)
        };
        // Inputs within reach of one position; when growing that is 2 whatever the position.
        let widest = if support > 1.0 { (2.0 * support) as u32 + 1 } else { 2 };
        let taps = widest.min(n);
        self.taps = taps as usize;
        self.weights.resize(len as usize * self.taps, 0);
        for (i, weights) in (0..len).zip(self.weights.chunks_exact_mut(self.taps)) {
            let (centre, low, high) = reach(position(i));
            let start = low.min(n - taps);
            let weight = |x: u32| (1.0 - ((f64::from(x) - centre + 0.5) * reciprocal).abs()).max(0.0);
            let total: f64 = (low..high).map(weight).sum();
            // Float rounding may put one more input at the very edge of the reach, where its weight is zero.
            for x in low..high.min(start + taps) {
                weights[(x - start) as usize] = (weight(x) / total * f64::from(WEIGHT_ONE) + 0.5) as u32;
            }
            self.starts.push(start);
        }
    }

    /// Counts the inputs from the first that is needed.
    fn rebase(&mut self) {
        let first = self.first as u32;
        self.starts.iter_mut().for_each(|start| *start -= first);
        self.end -= self.first;
        self.first = 0;
    }
}

/// A byte times a weight. At most 255 * 2^22: it can't overflow, and saying so keeps the inner loops free of checks.
fn weighted(byte: u8, weight: u32) -> u32 {
    u32::from(byte).wrapping_mul(weight)
}

/// Drops the fractional bits of a sum of weighted bytes. The weights of a position add up to one, give or take half a
/// unit a tap, so the sum stays below 256 for up to 16,384 taps, and the cast loses nothing.
fn rounded(sum: u32) -> u8 {
    (sum >> WEIGHT_BITS) as u8
}

/// Resizes rows: `out` gets as many rows of `out_width` bytes as it holds.
fn horizontal_pass(source: Plane<'_>, axis: &Axis, out: &mut [u8], out_width: usize) {
    // With the number of taps known, the inner loop is unrolled; 8 is a photo of 224 px made 64 px wide.
    let resize_row = match axis.taps {
        _ if !axis.resizes => copy_row,
        2 => resize_row::<2>,
        3 => resize_row::<3>,
        4 => resize_row::<4>,
        5 => resize_row::<5>,
        6 => resize_row::<6>,
        7 => resize_row::<7>,
        8 => resize_row::<8>,
        _ => resize_row_by_any,
    };
    for (y, out_row) in out.chunks_exact_mut(out_width).enumerate() {
        resize_row(source.row(y, axis.end * CHANNELS), axis, out_row.as_chunks_mut::<CHANNELS>().0);
    }
}

/// One row of an axis that keeps its length.
fn copy_row(row: &[u8], axis: &Axis, out: &mut [[u8; CHANNELS]]) {
    let row = row.as_chunks::<CHANNELS>().0;
    for (pixel, &start) in out.iter_mut().zip(&axis.starts) {
        *pixel = row[start as usize];
    }
}

/// One row with a known number of taps.
fn resize_row<const TAPS: usize>(row: &[u8], axis: &Axis, out: &mut [[u8; CHANNELS]]) {
    let row = row.as_chunks::<CHANNELS>().0;
    for ((pixel, &start), weights) in out.iter_mut().zip(&axis.starts).zip(axis.weights.as_chunks::<TAPS>().0) {
        *pixel = weighted_sum(row[start as usize..][..TAPS].iter().zip(weights));
    }
}

/// One row with any number of taps.
fn resize_row_by_any(row: &[u8], axis: &Axis, out: &mut [[u8; CHANNELS]]) {
    let row = row.as_chunks::<CHANNELS>().0;
    for ((pixel, &start), weights) in out.iter_mut().zip(&axis.starts).zip(axis.weights.chunks_exact(axis.taps)) {
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
fn vertical_pass(source: Plane<'_>, axis: &Axis, first: usize, out: &mut [u8], width: usize, sums: &mut Vec<u32>) {
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

#[cfg(test)]
mod tests;
