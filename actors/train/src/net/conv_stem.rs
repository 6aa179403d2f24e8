//! The stem of ConvLayers: convolution, norm, activation, three times.

use super::conv_layer::{After, ConvLayer, ConvSpec};
use super::part::Part;
use super::stem::StemMaker;

/// `stem.kind = "conv"`
pub static CONV: Part<StemMaker> = Part {
    name: "conv",
    settings: &[],
    make: |state, layer| {
        let spec = ConvSpec {
            channels_in: layer.channels_in,
            channels_out: layer.stem.widths[layer.index],
            kernels: &[3],
            stride: layer.stride,
            groups: 1,
        };
        Box::new(ConvLayer::new(state, &spec, After::Activation(layer.activation)))
    },
};
