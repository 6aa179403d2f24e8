//! Efficient channel attention (ECA-Net, Wang et al. 2020): each channel scaled by what the means of its neighbours say
//! of it. Neighbours are channels of nearby index; there are only a few weights, and no hidden width.

use tch::Tensor;

use super::Layer;
use super::attention::AttentionMaker;
use super::conv_layer::default_uniform;
use super::part::Part;
use super::precision::of_kind_of;
use crate::state::StateBuilder;

/// `attention = "eca"`
pub static ECA: Part<AttentionMaker> =
    Part { name: "eca", settings: &[], make: |state, channels| Box::new(Eca::new(state, channels)) };

/// Neighbours that a channel looks at, itself among them: (log₂ channels + 1) / 2 rounded down, and up to an odd number.
fn kernel(channels: i64) -> i64 {
    (((channels as f64).log2() + 1.0) / 2.0) as i64 | 1
}

/// Mean over positions → 1-D convolution over the channels → sigmoid → times the input.
pub struct Eca {
    weight: Tensor,
}

impl Eca {
    /// Registers `conv.weight` `[1, 1, k]`, uniform within ±1/√k.
    pub fn new(state: &mut StateBuilder, channels: i64) -> Self {
        let initial = default_uniform(&[1, 1, kernel(channels)]);
        Self { weight: state.parameter("conv.weight", &initial, true) }
    }
}

impl Layer for Eca {
    fn forward(&self, x: &Tensor, _train: bool) -> Tensor {
        let means = x.adaptive_avg_pool2d([1, 1]).flatten(2, -1).transpose(1, 2);
        let padding = [(self.weight.size()[2] - 1) / 2];
        let scales = means.conv1d(&of_kind_of(&self.weight, x), None::<&Tensor>, [1], padding, [1], 1).sigmoid();
        x * scales.transpose(1, 2).unsqueeze(-1)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_number_of_neighbours_grows_with_the_logarithm_of_the_channels() {
        assert_eq!([16, 64, 128, 256, 512, 2048].map(kernel), [3, 3, 5, 5, 5, 7]);
    }

    #[test]
    fn each_channel_is_scaled_by_its_neighbours_means() {
        let _generator = crate::testing::generator();
        let mut state = StateBuilder::new(Device::Cpu, Kind::Double);
        let eca = Eca::new(&mut state, 16);
        let state = state.finish();
        assert_eq!(state.entries()[0].key, "conv.weight");
        let taps = [0.5, -1.0, 2.0];
        let _guard = tch::no_grad_guard();
        state.entries()[0].tensor.shallow_clone().copy_(&Tensor::from_slice(&taps).view([1, 1, 3]));
        // Channel c is c everywhere, so that its mean is c.
        let x = Tensor::arange(16, (Kind::Double, Device::Cpu)).view([1, 16, 1, 1]).repeat([1, 1, 2, 3]);
        let out = eca.forward(&x, true);
        assert_eq!(out.size(), x.size());
        for channel in 0..16 {
            let mean = |channel: i64| if (0..16).contains(&channel) { channel as f64 } else { 0.0 };
            let sum: f64 = (0..3).map(|tap| taps[tap as usize] * mean(channel + tap - 1)).sum();
            let expected = channel as f64 / (1.0 + (-sum).exp());
            assert!((out.double_value(&[0, channel, 1, 2]) - expected).abs() < 1e-12, "channel {channel}");
        }
    }
}
