//! Mixed convolution (MixConv, Tan & Le 2019): channels in parts, each with a kernel of its own size.
//!
//! Not depthwise by itself: `groups` says how many groups each part has.

use tch::Tensor;

use super::Layer;
use super::conv_layer::{Conv2d, ConvSpec};
use crate::state::StateBuilder;

/// Sizes of `parts` contiguous parts of `channels`: equal, what is left over goes to the first.
pub fn split(channels: i64, parts: usize) -> Vec<i64> {
    let count = parts as i64;
    let mut sizes = vec![channels / count; parts];
    sizes[0] += channels % count;
    sizes
}

/// One convolution a kernel, each from its part of the input's channels to its part of the output's.
pub struct MixedConv {
    sizes_in: Vec<i64>,
    convolutions: Vec<Conv2d>,
}

impl MixedConv {
    /// Registers `convs.<part>.weight` for each kernel, without bias.
    pub fn new(state: &mut StateBuilder, spec: &ConvSpec<'_>) -> Self {
        let sizes_in = split(spec.channels_in, spec.kernels.len());
        let sizes_out = split(spec.channels_out, spec.kernels.len());
        let convolutions = spec.kernels.iter().enumerate().map(|(part, kernel)| {
            let (channels_in, channels_out) = (sizes_in[part], sizes_out[part]);
            let part_spec = ConvSpec { channels_in, channels_out, kernels: std::slice::from_ref(kernel), ..*spec };
            state.within(format_args!("convs.{part}"), |state| Conv2d::new(state, &part_spec, false))
        });
        Self { convolutions: convolutions.collect(), sizes_in }
    }
}

impl Layer for MixedConv {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let parts = x.split_with_sizes(&self.sizes_in, 1);
        let out: Vec<Tensor> =
            self.convolutions.iter().zip(&parts).map(|(convolution, part)| convolution.forward(part, train)).collect();
        Tensor::cat(&out, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_over_goes_to_the_first_part() {
        assert_eq!(split(128, 4), [32, 32, 32, 32]);
        assert_eq!(split(11, 2), [6, 5]);
        assert_eq!(split(10, 4), [4, 2, 2, 2]);
    }
}
