//! Normalisation of pictures to a data set's mean and spread.
//! Not here: normalisation layers.

use tch::{Device, Tensor};

/// `data.normalize`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalize {
    /// The net gets 0–1.
    #[default]
    None,
    /// The net gets (x − mean) / std with the channel means and deviations of ImageNet.
    ImageNet,
}

/// Means of ImageNet's red, green and blue.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Their standard deviations.
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// A normalisation with its numbers on the device.
pub struct Normalizer(Option<(Tensor, Tensor)>);

impl Normalizer {
    /// Made once for a phase.
    pub fn new(normalize: Normalize, device: Device) -> Self {
        let channels = |values: &[f32; 3]| Tensor::from_slice(values).view([1, 3, 1, 1]).to_device(device);
        Self(match normalize {
            Normalize::None => None,
            Normalize::ImageNet => Some((channels(&IMAGENET_MEAN), channels(&IMAGENET_STD))),
        })
    }

    /// Normalises `images` `[N, 3, H, W]` float32 in 0–1.
    pub fn apply(&self, images: Tensor) -> Tensor {
        match &self.0 {
            Some((mean, std)) => (images - mean) / std,
            None => images,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn imagenet_numbers_are_taken_by_channel() {
        let white = Tensor::ones([2, 3, 2, 2], (Kind::Float, Device::Cpu));
        let found = Normalizer::new(Normalize::ImageNet, Device::Cpu).apply(white.copy());
        for (channel, expected) in [2.248_908_3, 2.428_571_5, 2.64].into_iter().enumerate() {
            let value = found.double_value(&[1, channel as i64, 1, 0]);
            assert!((value - expected).abs() < 1e-6, "channel {channel}: {value}");
        }
        assert_eq!(Normalizer::new(Normalize::None, Device::Cpu).apply(white.copy()), white);
    }
}
