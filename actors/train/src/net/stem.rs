//! The stem: three 3×3 convolutions in place of ResNet's one 7×7 (the "C" tweak of He et al. 2018, bag of tricks).

use tch::Tensor;

use super::conv_layer::{ConvLayer, ConvSpec};
use crate::state::StateBuilder;

/// Three ConvLayers, the first with stride 2: `[N, 3, H, W]` → `[N, widths[2], ⌈H/2⌉, ⌈W/2⌉]`.
pub(crate) struct ConvStem {
    layers: [ConvLayer; 3],
}

impl ConvStem {
    /// Registers `0.*`, `1.*`, `2.*`.
    pub(crate) fn new(state: &mut StateBuilder, widths: [i64; 3]) -> Self {
        let mut channels_in = 3;
        let layers = std::array::from_fn(|index| {
            let spec = ConvSpec {
                channels_in,
                channels_out: widths[index],
                kernel: 3,
                stride: if index == 0 { 2 } else { 1 },
                activation: true,
                zero_norm: false,
            };
            channels_in = widths[index];
            ConvLayer::new(state, &index.to_string(), &spec)
        });
        Self { layers }
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let [first, second, third] = &self.layers;
        third.forward(&second.forward(&first.forward(x, train), train), train)
    }
}
