//! fastai's `aug_transforms` on the device: geometry as one grid sample, then brightness and contrast.
//! Not here: what is drawn (the data crate's `distortion` and `jitter`, which the CPU's way shares).

use fastgarden_data::distortion::Distortion;
use fastgarden_data::jitter::Jitter;
use tch::Tensor;

use super::{laid_out_like, upload};

/// `grid_sample`'s numbers for its modes.
const BILINEAR: i64 = 0;
/// See [`BILINEAR`].
const REFLECTION: i64 = 2;
/// Black and white are taken this far inside (0, 1), where the logit is finite.
const EDGE: f64 = 1e-7;

/// Resamples `images` `[N, C, H, W]` as `drawn` says, a distortion a row: bilinear, mirrored beyond the edges, with the
/// centres of the outermost pixels at ±1 (fastai's `AffineCoordTfm` with a warp, align_corners).
///
/// The matrices are made in float64 on the CPU; the grid has the images' precision. It's built by broadcasting sums, not by
/// a matrix product, which a GPU may round to ten bits.
pub fn distort(images: &Tensor, drawn: &[Distortion]) -> Tensor {
    let size = images.size();
    let (height, width) = (size[2], size[3]);
    let matrices: Vec<f32> = drawn
        .iter()
        .flat_map(|distortion| distortion.homography(width as f64 / height as f64))
        .flatten()
        .map(|number| number as f32)
        .collect();
    let options = (images.kind(), images.device());
    let matrices = upload(&matrices, images.device()).to_kind(images.kind()).view([-1, 1, 1, 3, 3]);
    // The columns of the matrices are what x, y and 1 contribute to (x·w, y·w, w).
    let contribution = |column: i64| matrices.select(4, column);
    let axis = |length: i64| match length {
        1 => Tensor::zeros([1], options),
        _ => Tensor::linspace(-1.0, 1.0, length, options),
    };
    let across = axis(width).view([1, 1, width, 1]) * contribution(0);
    let down = axis(height).view([1, height, 1, 1]) * contribution(1) + contribution(2);
    let homogeneous = down + across;
    let grid = homogeneous.narrow(3, 0, 2) / homogeneous.narrow(3, 2, 1);
    laid_out_like(images.grid_sampler(&grid, BILINEAR, REFLECTION, true), images)
}

/// Changes brightness and contrast of `images` `[N, C, H, W]` in 0–1, a jitter a row: each value x becomes
/// sigmoid((logit(x) + logit(brightness)) · contrast).
pub fn light(mut images: Tensor, jitters: &[Jitter]) -> Tensor {
    let factors: Vec<f32> = jitters
        .iter()
        .flat_map(|jitter| {
            let brightness = f64::from(jitter.brightness);
            [(brightness / (1.0 - brightness)).ln() as f32, jitter.contrast]
        })
        .collect();
    let factors = upload(&factors, images.device()).to_kind(images.kind()).view([-1, 2, 1, 1, 1]);
    let _logits = images.logit_(EDGE);
    images += factors.select(1, 0);
    images *= factors.select(1, 1);
    images.sigmoid_()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn nothing_drawn_changes_nothing_but_rounding_and_keeps_the_layout() {
        let images = Tensor::rand([2, 3, 5, 8], (Kind::Float, Device::Cpu));
        let same = distort(&images, &[Distortion::NONE; 2]);
        assert!(f64::try_from((&same - &images).abs().max()).expect("a number") < 1e-5);
        let lit = light(same, &[Jitter::NONE; 2]);
        assert!(f64::try_from((lit - &images).abs().max()).expect("a number") < 1e-5);
        let channels_last = images.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        assert_eq!(distort(&channels_last, &[Distortion::NONE; 2]).stride(), channels_last.stride());
    }

    #[test]
    fn a_mirrored_picture_is_mirrored() {
        let images = Tensor::rand([1, 3, 6, 6], (Kind::Float, Device::Cpu));
        let mirrored = distort(&images, &[Distortion { flip: true, ..Distortion::NONE }]);
        assert!(f64::try_from((mirrored - images.flip([3])).abs().max()).expect("a number") < 1e-5);
    }
}
