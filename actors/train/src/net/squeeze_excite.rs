//! Squeeze-and-excite (Hu et al. 2017): each channel scaled by what the means of all channels say of it.

use tch::Tensor;

use super::Layer;
use super::activation::Activation;
use super::conv_layer::{Conv2d, ConvSpec};
use crate::state::StateBuilder;

/// The hidden width is rounded up to a multiple of this.
const HIDDEN_MULTIPLE: i64 = 8;

/// Width between the two layers: channels / reduction, rounded down, then up to a multiple of 8. 0 where the reduction
/// is larger than the number of channels.
pub fn hidden_width(channels: i64, reduction: i64) -> i64 {
    (channels / reduction + HIDDEN_MULTIPLE - 1) / HIDDEN_MULTIPLE * HIDDEN_MULTIPLE
}

/// Mean over positions → 1×1 to the hidden width → activation → 1×1 back → sigmoid → times the input.
pub struct SqueezeExcite {
    squeeze: Conv2d,
    activation: Activation,
    excite: Conv2d,
}

impl SqueezeExcite {
    /// Registers `layers.1.0.*` and `layers.2.0.*`, 1×1 convolutions with bias.
    pub fn new(state: &mut StateBuilder, channels: i64, reduction: i64, activation: Activation) -> Self {
        let hidden = hidden_width(channels, reduction);
        let mut layer = |key, channels_in, channels_out| {
            let spec = ConvSpec { channels_in, channels_out, kernels: &[1], stride: 1, groups: 1 };
            state.within(key, |state| Conv2d::new(state, &spec, true))
        };
        Self {
            squeeze: layer("layers.1.0", channels, hidden),
            activation,
            excite: layer("layers.2.0", hidden, channels),
        }
    }
}

impl Layer for SqueezeExcite {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let squeezed = self.squeeze.forward(&x.adaptive_avg_pool2d([1, 1]), train);
        let excited = self.excite.forward(&self.activation.apply(squeezed), train);
        x * excited.sigmoid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hidden_width_is_a_multiple_of_eight() {
        let widths = |reduction| [64, 128, 256, 512, 1024, 2048].map(|channels| hidden_width(channels, reduction));
        assert_eq!(widths(16), [8, 8, 16, 32, 64, 128]);
        assert_eq!(widths(8), [8, 16, 32, 64, 128, 256]);
        assert_eq!(hidden_width(64, 65), 0);
    }
}
