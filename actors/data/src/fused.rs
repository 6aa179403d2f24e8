//! Crop, resize, mirror, rotation, zoom and warp as one resampling of the decoded picture (`cpu_augment = "standard"`).
//! Not here: what is drawn (see `distortion`), brightness and contrast (see `jitter`). Not for: views that are only cut,
//! which `resample` makes as Pillow does.
//!
//! A pixel of the view is led by the distortion's matrix to a place of the undistorted view (mirrored at its edges) and on
//! to the place of the picture that a resize would take it from. There it is interpolated between four pixels, or averaged
//! over several such places where the picture shrinks. Two steps (resize, then distort) interpolate twice and lie close
//! by, not on the bit; places and weights are the same for every machine and all instructions.

use crate::distortion::{Distortion, Homography};
use crate::geometry::{CropBox, Size};
use crate::picture::Picture;
use crate::pixels::CHANNELS;
use crate::simd::Simd;

/// Fractional bits of a place in the picture: as many as let a byte times a weight fit 16 bits.
const PLACE_BITS: u32 = 8;
const PLACE_ONE: u32 = 1 << PLACE_BITS;
/// Fractional bits of an interpolated value: two weights.
const VALUE_BITS: u32 = 2 * PLACE_BITS;
/// Fractional bits of a value that are kept for an average of several.
const KEPT_BITS: u32 = 8;
/// Places that a pixel is averaged over, at most, along an axis: a sum of that many values has to fit 32 bits.
const PLACES_MAX: u32 = 64;
/// Bytes that are read for two neighbouring pixels: six, rounded up to what a processor reads at once.
const PAIR_BYTES: usize = 8;

/// Resamples pictures; keeps its scratch memory between calls.
#[derive(Default)]
pub struct FusedResampler {
    simd: Simd,
    /// Coordinates of the pixels of a row, −1 to 1: one row for each place within a pixel.
    coordinates: Vec<f32>,
    /// For each pixel of a row: where in the crop it lies across, and down.
    places: [Vec<u32>; 2],
    /// Sums over the places of each pixel of a row.
    sums: Vec<[u32; CHANNELS]>,
}

/// Where the places of a view's pixels lie in a crop.
#[derive(Clone, Copy)]
struct Lens {
    /// (x, y, 1) of the view to (x·w, y·w, w) of the undistorted view.
    matrix: Homography,
    across: Axis,
    down: Axis,
}

/// One axis from the undistorted view to the crop.
#[derive(Clone, Copy)]
struct Axis {
    /// Pixels of the crop from the centre of the view's first pixel to that of its last one.
    scale: f32,
    /// Place of the first one's centre, counted from the centre of the crop's first pixel.
    offset: f32,
    /// Place of the crop's last pixel.
    last: f32,
}

impl Axis {
    /// `crop` pixels that are resized to `full`, of which `window` from the one numbered `from` are the view.
    fn new(crop: u32, full: u32, from: u32, window: u32, mirrored: bool) -> Self {
        let per_pixel = f64::from(crop) / f64::from(full);
        let place = |pixel: u32| (f64::from(from + pixel) + 0.5) * per_pixel - 0.5;
        let (first, last) = if mirrored { (place(window - 1), place(0)) } else { (place(0), place(window - 1)) };
        Self { scale: (last - first) as f32, offset: first as f32, last: (crop - 1) as f32 }
    }

    /// The place for a coordinate, with fractional bits.
    #[inline(always)]
    fn place(self, coordinate: f32) -> u32 {
        let place = mirrored(coordinate) * self.scale + self.offset;
        (place.clamp(0.0, self.last) * PLACE_ONE as f32 + 0.5) as i32 as u32
    }
}

/// A coordinate of −1 to 1 as a share of the side; what lies beyond an edge is mirrored at it. That holds up to two sides
/// away, five times as far as any distortion that is drawn; beyond, shares lie outside 0–1 and places are clamped.
#[inline(always)]
fn mirrored(coordinate: f32) -> f32 {
    let share = (coordinate * 0.5 + 0.5).abs();
    (1.0 - (1.0 - share).abs()).abs()
}

/// The coordinate of a place among `length` pixels, 0 to `length` − 1.
fn coordinate(place: f64, length: u32) -> f64 {
    if length == 1 { 0.0 } else { 2.0 * place / f64::from(length - 1) - 1.0 }
}

/// Places a pixel is averaged over along an axis: as many as it stands for, to the nearest.
fn places_of(crop: u32, full: u32) -> u32 {
    ((f64::from(crop) / f64::from(full)).round() as u32).clamp(1, PLACES_MAX)
}

impl FusedResampler {
    /// A resampler without scratch memory yet. Its results don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self { simd, ..Self::default() }
    }

    /// Cuts `source` (pixels of the picture) out, resizes it to `full`, takes the part `window` (pixels of `full`), mirrors
    /// it left to right if `flip`, distorts that, and writes it into `out` (`window.width * window.height * 3` bytes, row by
    /// row): all of it in one go.
    ///
    /// # Panics
    /// When `source` is not inside the picture, `window` not inside `full`, or `out` not of the window's size: boxes are
    /// made by our own geometry, never read from data.
    #[allow(clippy::too_many_arguments, reason = "one call describes one picture; a struct would only rename it")]
    pub fn resample(
        &mut self,
        picture: &Picture<'_>,
        source: CropBox,
        full: Size,
        window: CropBox,
        flip: bool,
        distortion: &Distortion,
        out: &mut [u8],
    ) {
        assert!(source.is_inside(picture.size), "the box {source:?} is outside the picture {:?}", picture.size);
        assert!(window.is_inside(full), "the window {window:?} is outside the resized picture {full:?}");
        assert_eq!(out.len(), window.size().px() as usize * CHANNELS, "the output is not of the window's size");
        let lens = Lens {
            matrix: distortion.homography(f64::from(window.width) / f64::from(window.height)),
            across: Axis::new(source.width, full.width, window.x, window.width, flip),
            down: Axis::new(source.height, full.height, window.y, window.height, false),
        };
        let crop = Crop::new(picture, source);
        let averaged = (places_of(source.width, full.width), places_of(source.height, full.height));
        match self.simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::Avx2` is only made where the processor has these instructions.
            Simd::Avx2(_) => unsafe { avx2::write(self, &lens, &crop, averaged, window.size(), out) },
            Simd::Portable => self.write(&lens, &crop, averaged, window.size(), out),
        }
    }

    /// Always inlined, so that it is compiled with the instructions of its caller.
    #[inline(always)]
    fn write(&mut self, lens: &Lens, crop: &Crop<'_>, averaged: (u32, u32), view: Size, out: &mut [u8]) {
        let Self { coordinates, places, sums, .. } = self;
        let (places_across, places_down) = averaged;
        let width = view.width as usize;
        coordinates.clear();
        for place in 0..places_across {
            let shift = share_of(place, places_across);
            coordinates.extend((0..view.width).map(|x| coordinate(f64::from(x) + shift, view.width) as f32));
        }
        places.iter_mut().for_each(|places| places.resize(width, 0));
        sums.resize(width, [0; CHANNELS]);
        for (y, row) in out.chunks_exact_mut(width * CHANNELS).enumerate() {
            let row = row.as_chunks_mut::<CHANNELS>().0;
            if averaged == (1, 1) {
                lens.find(coordinates, coordinate(y as f64, view.height), places);
                let found = places[0].iter().zip(&places[1]);
                for (pixel, (&across, &down)) in row.iter_mut().zip(found) {
                    let [red, green, blue, _] = crop.value(across, down);
                    *pixel = [red, green, blue].map(|value| ((value + (1 << (VALUE_BITS - 1))) >> VALUE_BITS) as u8);
                }
                continue;
            }
            sums.fill([0; CHANNELS]);
            for down in 0..places_down {
                let y = coordinate(y as f64 + share_of(down, places_down), view.height);
                for coordinates in coordinates.chunks_exact(width) {
                    lens.find(coordinates, y, places);
                    let found = places[0].iter().zip(&places[1]);
                    for (sums, (&across, &down)) in sums.iter_mut().zip(found) {
                        for (sum, value) in sums.iter_mut().zip(crop.value(across, down)) {
                            *sum += value >> (VALUE_BITS - KEPT_BITS);
                        }
                    }
                }
            }
            let whole = (places_across * places_down) << KEPT_BITS;
            for (pixel, sums) in row.iter_mut().zip(sums.iter()) {
                *pixel = sums.map(|sum| ((sum + whole / 2) / whole) as u8);
            }
        }
    }
}

impl Lens {
    /// Finds the places for one row of coordinates at the height `y`.
    #[inline(always)]
    fn find(&self, coordinates: &[f32], y: f64, places: &mut [Vec<u32>; 2]) {
        let slopes = self.matrix.map(|row| row[0] as f32);
        let starts = self.matrix.map(|row| (row[1] * y + row[2]) as f32);
        let [across, down] = places;
        for ((across, down), &x) in across.iter_mut().zip(down.iter_mut()).zip(coordinates) {
            let scale = 1.0 / (slopes[2] * x + starts[2]);
            *across = self.across.place((slopes[0] * x + starts[0]) * scale);
            *down = self.down.place((slopes[1] * x + starts[1]) * scale);
        }
    }
}

/// The part of a pixel, from its centre, that one of several places in it lies at.
fn share_of(place: u32, places: u32) -> f64 {
    (f64::from(place) + 0.5) / f64::from(places) - 0.5
}

/// The pixels of a box.
struct Crop<'a> {
    /// From its first pixel on, to the end of the picture.
    pixels: &'a [u8],
    stride: usize,
    /// The last column and the last row that have a neighbour.
    last: [u32; 2],
}

impl<'a> Crop<'a> {
    fn new(picture: &Picture<'a>, source: CropBox) -> Self {
        let stride = picture.size.width as usize * CHANNELS;
        Self {
            pixels: &picture.pixels[source.y as usize * stride + source.x as usize * CHANNELS..],
            stride,
            last: [source.width, source.height].map(|side| side.saturating_sub(2)),
        }
    }

    /// What lies at a place, with [`VALUE_BITS`] fractional bits: red, green, blue, and a number that means nothing.
    #[inline(always)]
    fn value(&self, across: u32, down: u32) -> [u32; 4] {
        // The last pixel of a line is the whole of its neighbour's neighbour. A line of one pixel has no neighbour, and no
        // place between the two.
        let (x, y) = ((across >> PLACE_BITS).min(self.last[0]), (down >> PLACE_BITS).min(self.last[1]));
        let (right, low) = (across - (x << PLACE_BITS), (down - (y << PLACE_BITS)) as u16);
        let (left, high) = (PLACE_ONE - right, PLACE_ONE as u16 - low);
        let at = y as usize * self.stride + x as usize * CHANNELS;
        let (upper, lower) = (self.pair(at), self.pair(at + self.stride));
        // Weights add up to one, so that nothing here overflows; saying so keeps checks out.
        let between: [u16; PAIR_BYTES] = std::array::from_fn(|i| {
            u16::from(upper[i]).wrapping_mul(high).wrapping_add(u16::from(lower[i]).wrapping_mul(low))
        });
        std::array::from_fn(|c| {
            let (first, second) = (u32::from(between[c]), u32::from(between[c + CHANNELS]));
            first.wrapping_mul(left).wrapping_add(second.wrapping_mul(right))
        })
    }

    /// A pixel and its right neighbour.
    #[inline(always)]
    fn pair(&self, at: usize) -> [u8; PAIR_BYTES] {
        match self.pixels.get(at..).and_then(<[u8]>::first_chunk) {
            Some(pair) => *pair,
            None => self.pair_at_the_end(at),
        }
    }

    /// What is left of the picture, and zeros.
    #[cold]
    fn pair_at_the_end(&self, at: usize) -> [u8; PAIR_BYTES] {
        let rest = self.pixels.get(at..).unwrap_or_default();
        std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0))
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{Crop, FusedResampler, Lens, Size};

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    pub(super) fn write(
        resampler: &mut FusedResampler,
        lens: &Lens,
        crop: &Crop<'_>,
        averaged: (u32, u32),
        view: Size,
        out: &mut [u8],
    ) {
        resampler.write(lens, crop, averaged, view, out);
    }
}

#[cfg(test)]
mod tests;
