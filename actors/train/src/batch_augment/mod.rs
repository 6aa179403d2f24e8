//! Transforms of whole training batches on the device: mirroring, fastai's `aug_transforms`, normalisation, random
//! erasing, mixup and cutmix.
//! Not here: what the pools do on the CPU before a batch is made. Not for validation, which is only normalised.
//!
//! Every random number is drawn on the CPU from the ticket that it is for, so that what a picture becomes doesn't depend
//! on the pictures beside it, on the device, or on a restart. Whatever the batch size, a transform makes the same number
//! of device calls, and none of them waits for the device.

mod erase;
mod mix;
mod normalize;
mod standard;

use fastgarden_data::batch::Batch;
use fastgarden_data::distortion::{Distortion, drawn_flip};
use fastgarden_data::jitter::Jitter;
use fastgarden_data::random::Purpose;
use fastgarden_data::ticket::ViewKey;
use tch::{Device, Tensor};

use crate::device::sent;
use crate::loss::Targets;

pub use erase::{EraseSpec, Eraser, Erasure};
pub use mix::MixSpec;
pub use normalize::{Normalize, Normalizer};
pub use standard::{distort, light};

/// `stage.batch_augment`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchAugment {
    /// Pictures stay as they are.
    #[default]
    None,
    /// Half of them are mirrored left to right.
    Flip,
    /// fastai's `aug_transforms` with its defaults: mirrored, rotated, zoomed and warped in one resampling, then lit.
    Standard,
}

/// What is done to the batches of a stage on the device, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BatchSpec {
    /// Geometry and lighting, on pictures in 0–1.
    pub augment: BatchAugment,
    /// Normalisation.
    pub normalize: Normalize,
    /// Random erasing, if any.
    pub erase: Option<EraseSpec>,
    /// Mixup or cutmix, if any.
    pub mix: Option<MixSpec>,
}

/// The batch transforms of one stage, with what they keep on the device.
pub struct BatchTransforms {
    augment: BatchAugment,
    normalizer: Normalizer,
    eraser: Option<Eraser>,
    mix: Option<MixSpec>,
}

impl BatchAugment {
    /// Augments `images` `[N, C, H, W]` in 0–1, one key a row.
    pub fn apply(self, images: Tensor, keys: &[ViewKey]) -> Tensor {
        match self {
            Self::None => images,
            Self::Flip => {
                let flips: Vec<bool> = keys.iter().map(|&key| drawn_flip(key)).collect();
                let flips = upload(&flips, images.device()).view([-1, 1, 1, 1]);
                images.flip([3]).where_self(&flips, &images)
            }
            Self::Standard => {
                let drawn: Vec<Distortion> = keys.iter().map(|&key| Distortion::draw(key)).collect();
                let jitters: Vec<Jitter> =
                    keys.iter().map(|key| Jitter::draw(&mut key.draws(Purpose::Jitter))).collect();
                light(distort(&images, &drawn), &jitters)
            }
        }
    }
}

impl BatchTransforms {
    /// The transforms of `spec` for views of up to `pixels_max` pixels.
    pub fn new(spec: &BatchSpec, pixels_max: u64, device: Device) -> Self {
        Self {
            augment: spec.augment,
            normalizer: Normalizer::new(spec.normalize, device),
            eraser: spec.erase.map(|spec| Eraser::new(spec, pixels_max, device)),
            mix: spec.mix,
        }
    }

    /// Transforms a training batch: views, float32 `[N, 3, H, W]` in 0–1 each, with the labels `[N]` int64 of each view, or of
    /// all together; `keys` are those of the rows, view by view. Shapes and memory layouts stay.
    ///
    /// # Panics
    /// If views with labels of their own are to be mixed, which no recipe can ask for.
    pub fn apply(&self, views: Vec<Tensor>, mut labels: Vec<Tensor>, keys: &[Vec<ViewKey>]) -> (Vec<Tensor>, Targets) {
        let views = views.into_iter().zip(keys).map(|(view, keys)| self.view(view, keys)).collect();
        match (self.mix, keys) {
            (Some(mix), [keys, ..]) => {
                assert_eq!(labels.len(), 1, "pictures with classes of their own are not mixed");
                mix.apply(views, labels.remove(0), keys)
            }
            _ => (views, Targets::of_views(labels)),
        }
    }

    fn view(&self, images: Tensor, keys: &[ViewKey]) -> Tensor {
        let images = self.normalizer.apply(self.augment.apply(images, keys));
        match &self.eraser {
            Some(eraser) => eraser.apply(images, keys),
            None => images,
        }
    }
}

/// What the draws of a batch's rows are keyed by, view by view.
pub fn keys_of(batch: &Batch) -> Vec<Vec<ViewKey>> {
    (0..batch.views()).map(|view| batch.view_keys(view).collect()).collect()
}

/// A small tensor of drawn numbers on the device, without waiting for it.
fn upload<T: tch::kind::Element>(values: &[T], device: Device) -> Tensor {
    sent(Tensor::from_slice(values), device)
}

/// `tensor` with the memory layout of `model`: rows of pixels or planes.
fn laid_out_like(tensor: Tensor, model: &Tensor) -> Tensor {
    let is_channels_last = |tensor: &Tensor| tensor.size()[1] > 1 && tensor.stride()[1] == 1;
    match (is_channels_last(model), is_channels_last(&tensor)) {
        (true, false) => tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
        (false, true) => tensor.contiguous(),
        _ => tensor,
    }
}

#[cfg(test)]
mod tests;
