//! Crop, resize and mirror in one go, to the bit what Pillow 13's `crop` + `resize(BILINEAR)` makes of 8-bit RGB.
//! Not here: which box to take (see `geometry`), or any other filter.
//!
//! The filter is a triangle that widens when the image shrinks. Each axis is a pass of its own, in fixed point with 22
//! fractional bits, and the image between the passes has 8 bits a channel; an axis that keeps its length is skipped.
//! Only the rows and columns that the window needs are computed.

pub(crate) mod axis;
mod passes;
#[cfg(target_arch = "x86_64")]
mod avx2;

use crate::geometry::{CropBox, Size};
use crate::limits;
use crate::picture::Picture;
use crate::simd::Simd;
use axis::{Axis, Span, Wanted};

/// Bytes of a pixel.
const CHANNELS: usize = 3;

/// How pictures become rows (`data.resample` of a recipe).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResamplePath {
    /// Decoded to RGB, then resized: equal to Pillow's bilinear.
    #[default]
    Pil,
    /// Resized plane by plane, then made RGB: faster, and equal to the eye. Images that have no planes take the other way.
    Planar,
}

impl ResamplePath {
    /// Its name in recipes and fingerprints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pil => "pil",
            Self::Planar => "planar",
        }
    }
}

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
    simd: Simd,
    #[cfg(target_arch = "x86_64")]
    packed: avx2::PackedWeights,
    horizontal: Axis,
    vertical: Axis,
    /// The image between the passes.
    between: Vec<u8>,
    /// One row of sums of the vertical pass.
    sums: Vec<u32>,
}

impl Resampler {
    /// A resampler without scratch memory yet. Its results don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self { simd, ..Self::default() }
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
        assert!(source.is_inside(picture.size), "the box {source:?} is outside the picture {:?}", picture.size);
        assert!(window.is_inside(full), "the window {window:?} is outside the resized picture {full:?}");
        assert_eq!(out.len(), window.size().px() as usize * CHANNELS, "the output is not of the window's size");

        let across = Wanted { full: full.width, from: window.x, count: window.width, mirrored: flip };
        let down = Wanted { full: full.height, from: window.y, count: window.height, mirrored: false };
        self.horizontal.set(Span::whole(source.width), across);
        self.vertical.set(Span::whole(source.height), down);
        let pixels = Plane {
            pixels: &picture.pixels[(source.y as usize * picture.size.width as usize + source.x as usize) * CHANNELS..],
            stride: picture.size.width as usize * CHANNELS,
        };
        let out_width = window.width as usize * CHANNELS;
        let (first, end) = (self.vertical.first, self.vertical.end);
        limits::trim_buffer(&mut self.between);
        let mut between = std::mem::take(&mut self.between);
        match (self.horizontal.resizes, self.vertical.resizes, order) {
            (_, false, _) => self.horizontal_pass(pixels.below(first), out, out_width),
            (true, true, PassOrder::HorizontalFirst) | (false, true, _) => {
                let rows = room(&mut between, (end - first) * out_width);
                self.horizontal_pass(pixels.below(first), rows, out_width);
                self.vertical_pass(Plane { pixels: rows, stride: out_width }, first, out, out_width);
            }
            (true, true, PassOrder::VerticalFirst) => {
                let width = (self.horizontal.end - self.horizontal.first) * CHANNELS;
                let rows = room(&mut between, window.height as usize * width);
                self.vertical_pass(pixels.right_of(self.horizontal.first), 0, rows, width);
                self.horizontal.rebase();
                self.horizontal_pass(Plane { pixels: rows, stride: width }, out, out_width);
            }
        }
        self.between = between;
    }

    /// Resizes rows: `out` gets as many rows of `out_width` bytes as it holds.
    fn horizontal_pass(&mut self, source: Plane<'_>, out: &mut [u8], out_width: usize) {
        match self.simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2(_) if self.horizontal.resizes => {
                // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
                unsafe {
                    self.packed.set(&self.horizontal);
                    avx2::horizontal(source, &self.horizontal, &self.packed, out, out_width);
                }
            }
            _ => passes::horizontal(source, &self.horizontal, out, out_width),
        }
    }

    /// Resizes columns: row 0 of `source` is input `first` of the axis, and `out` gets rows of `width` bytes.
    fn vertical_pass(&mut self, source: Plane<'_>, first: usize, out: &mut [u8], width: usize) {
        match self.simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
            Simd::Avx2(_) => unsafe { avx2::vertical(source, &self.vertical, first, out, width, &mut self.sums) },
            Simd::Portable => passes::vertical(source, &self.vertical, first, out, width, &mut self.sums),
        }
    }
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

    /// Row `y` and whatever lies behind it.
    #[cfg(target_arch = "x86_64")]
    fn row_and_beyond(self, y: usize) -> &'a [u8] {
        &self.pixels[y * self.stride..]
    }

    /// `len` bytes from the start of row `y`.
    fn row(self, y: usize, len: usize) -> &'a [u8] {
        &self.pixels[y * self.stride..][..len]
    }
}

#[cfg(test)]
mod tests;
