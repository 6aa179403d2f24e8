//! A decoded image → one view in a row: whichever resampler fits the form that the image has.
//! Not here: the resamplers (see `resample`, `planar`) or where views are cut (see `ticket`).

use crate::picture::Decoded;
use crate::planar::PlanarResampler;
use crate::resample::Resampler;
use crate::simd::Simd;
use crate::ticket::Placement;

/// Both resamplers, with their scratch memory.
pub struct ViewMaker {
    exact: Resampler,
    planar: PlanarResampler,
}

impl ViewMaker {
    /// One without scratch memory yet. Views don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self { exact: Resampler::new(simd), planar: PlanarResampler::new(simd) }
    }

    /// Fills `out` (`window.width * window.height * 3` bytes RGB, row by row) as the placement says.
    pub fn make(&mut self, image: &Decoded<'_>, place: &Placement, out: &mut [u8]) {
        let Placement { source, full, window, flip } = *place;
        match image {
            Decoded::Rgb(picture) => self.exact.resample(picture, source, full, window, flip, out),
            Decoded::Planar(picture) => self.planar.resample(picture, source, full, window, flip, out),
        }
    }
}
