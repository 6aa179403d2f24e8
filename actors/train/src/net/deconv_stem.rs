//! The stem of network deconvolutions: FastDeconv and activation, three times, no norm.

use super::deconv::{DeconvLayer, DeconvSpec};
use super::part::Part;
use super::stem::StemMaker;

/// `stem.kind = "deconv"`
pub static DECONV: Part<StemMaker> = Part {
    name: "deconv",
    settings: &["weight_norm", "iterations", "freeze_after"],
    make: |state, layer| {
        let (stem, index) = (layer.stem, layer.index);
        let spec = DeconvSpec {
            iterations: stem.iterations[index],
            freeze_after: stem.freeze_after[index],
            weight_norm: stem.weight_norm,
            ..DeconvSpec::new(layer.channels_in, stem.widths[index], 3, layer.stride)
        };
        Box::new(DeconvLayer::new(state, &spec, layer.activation))
    },
};
