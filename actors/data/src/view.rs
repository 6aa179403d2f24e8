//! A decoded image → one view in a row: whichever resampler fits the form that the image has.
//! Not here: the resamplers (see `resample`, `planar`) or where views are cut (see `ticket`).

use crate::fused::FusedResampler;
use crate::jpeg::rgb::RgbMaker;
use crate::limits;
use crate::picture::{Decoded, Picture};
use crate::pixels::CHANNELS;
use crate::planar::PlanarResampler;
use crate::resample::Resampler;
use crate::simd::Simd;
use crate::ticket::Placement;

/// All resamplers, with their scratch memory.
pub struct ViewMaker {
    exact: Resampler,
    planar: PlanarResampler,
    fused: FusedResampler,
    rgb: RgbMaker,
    /// Pixels made of planes.
    pixels: Vec<u8>,
}

impl ViewMaker {
    /// One without scratch memory yet. Views don't depend on the instructions that it uses.
    pub fn new(simd: Simd) -> Self {
        Self {
            exact: Resampler::new(simd),
            planar: PlanarResampler::new(simd),
            fused: FusedResampler::new(simd),
            rgb: RgbMaker::new(simd),
            pixels: Vec::new(),
        }
    }

    /// Fills `out` (`window.width * window.height * 3` bytes RGB, row by row) as the placement says.
    pub fn make(&mut self, image: &Decoded<'_>, place: &Placement, out: &mut [u8]) {
        let Placement { source, full, window, flip, distortion } = *place;
        if let Some(distortion) = &distortion {
            // One resampling has to see all colours at one resolution: planes become what the exact path would decode.
            let picture = match image {
                Decoded::Rgb(picture) => *picture,
                Decoded::Planar(planes) => {
                    limits::trim_buffer(&mut self.pixels);
                    self.pixels.resize(planes.size.px() as usize * CHANNELS, 0);
                    self.rgb.write(planes, source, &mut self.pixels);
                    Picture { size: planes.size, pixels: &self.pixels }
                }
            };
            return self.fused.resample(&picture, source, full, window, flip, distortion, out);
        }
        match image {
            Decoded::Rgb(picture) => self.exact.resample(picture, source, full, window, flip, out),
            Decoded::Planar(picture) => self.planar.resample(picture, source, full, window, flip, out),
        }
    }
}
