//! The fast path from planes to a row: crop, resize and mirror each plane at its own resolution, then turn colours into
//! RGB only for the pixels of the view (`data.resample = "planar"`).
//! Not here: the path that equals Pillow (see `resample`), whose filter and boxes this one shares.
//!
//! The filter is the same triangle. Weights have 14 fractional bits across and 8 down; chroma is resized straight from
//! its own resolution, which takes the place of the decoder's upsampling. Everything is integer arithmetic, so every
//! machine makes the same bits.

mod columns;
mod rows;

use crate::geometry::{CropBox, Size};
use crate::jpeg::planes::PlanarPicture;
use crate::pixels::CHANNELS;
use crate::resample::axis::{Axis, Span, Wanted};
use crate::simd::Simd;
use columns::Columns;
use rows::Rows;

/// Resizes planar pictures; keeps its scratch memory between calls.
#[derive(Default)]
pub struct PlanarResampler {
    simd: Simd,
    axis: Axis,
    rows: Rows,
    /// Luma, blue difference, red difference.
    columns: [Columns; 3],
}

impl PlanarResampler {
    /// A resampler without scratch memory yet. Its results don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self { simd, ..Self::default() }
    }

    /// Cuts `source` (pixels of the picture) out, resizes it to `full`, and writes the part `window` (pixels of `full`),
    /// mirrored left to right if `flip`, into `out` (`window.width * window.height * 3` bytes RGB, row by row).
    ///
    /// # Panics
    /// When `source` is not inside the picture, `window` not inside `full`, or `out` not of the window's size: boxes are
    /// made by our own geometry, never read from data.
    pub fn resample(
        &mut self,
        picture: &PlanarPicture<'_>,
        source: CropBox,
        full: Size,
        window: CropBox,
        flip: bool,
        out: &mut [u8],
    ) {
        assert!(source.is_inside(picture.size), "the box {source:?} is outside the picture {:?}", picture.size);
        assert!(window.is_inside(full), "the window {window:?} is outside the resized picture {full:?}");
        assert_eq!(out.len(), window.size().px() as usize * CHANNELS, "the output is not of the window's size");
        let across = Wanted { full: full.width, from: window.x, count: window.width, mirrored: flip };
        let down = Wanted { full: full.height, from: window.y, count: window.height, mirrored: false };

        let [luma, blue, red] = &mut self.columns;
        self.rows.set_span(span(source.x, source.width, source.x, source.width, 1), across, &mut self.axis);
        self.axis.set(span(source.y, source.height, source.y, source.height, 1), down);
        luma.set(&self.axis);
        self.rows.resize_plane(self.simd, &picture.luma, source, luma);
        let Some(chroma) = &picture.chroma else {
            return columns::write(self.simd, &mut self.columns[..1], window.width as usize, out);
        };
        let part = picture.chroma_box(source);
        let (per_across, per_down) = picture.subsampling;
        self.rows.set_span(span(part.x, part.width, source.x, source.width, per_across), across, &mut self.axis);
        self.axis.set(span(part.y, part.height, source.y, source.height, per_down), down);
        for (plane, columns) in chroma.iter().zip([blue, red]) {
            columns.set(&self.axis);
            self.rows.resize_plane(self.simd, plane, part, columns);
        }
        columns::write(self.simd, &mut self.columns, window.width as usize, out);
    }
}

/// The pixels `source..source + pixels` on the samples `part..part + samples`, each of which stands for `subsampling` pixels:
/// half a sample may stick out at the edges, but no sample beyond `part` is looked at.
fn span(part: u32, samples: u32, source: u32, pixels: u32, subsampling: u32) -> Span {
    let scale = f64::from(subsampling);
    Span { inputs: samples, start: f64::from(source) / scale - f64::from(part), length: f64::from(pixels) / scale }
}

/// Weights of 22 fractional bits made into ones of `BITS` that still add up to one: what is rounded is their running sum.
fn narrowed<const BITS: u32>(weights: &[u32]) -> impl Iterator<Item = u16> {
    const UNIT_BITS: u32 = crate::resample::axis::WEIGHT_BITS;
    let mut sum = 0;
    let mut given = 0;
    weights.iter().map(move |&weight| {
        sum += weight;
        let before = std::mem::replace(&mut given, (sum + (1 << (UNIT_BITS - BITS - 1))) >> (UNIT_BITS - BITS));
        (given - before) as u16
    })
}

#[cfg(test)]
mod tests;
