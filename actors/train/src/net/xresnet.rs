//! XResNet: ResNet with the tweaks of "Bag of Tricks for Image Classification" (He et al. 2018), as fastai builds it.
//!
//! Structure, keys, initial weights and arithmetic follow fastai's `XResNet`, so that its results can be compared number
//! by number. Not for other block kinds yet: grouped, squeeze-and-excite and mixed-kernel blocks get their own files.

use tch::{Device, Kind, Tensor};
use thiserror::Error;

use super::Net;
use super::block::{BlockSpec, ResidualBlock};
use super::conv_layer::kaiming_normal;
use super::pool::{global_average_pool, max_pool_after_stem};
use super::stem::ConvStem;
use crate::state::{StateBuilder, StateDict};

/// Widths of the four body stages, before expansion.
const STAGE_WIDTHS: [i64; 4] = [64, 128, 256, 512];
/// Index of the first body stage among the net's modules: three stem layers and the pool come before it.
const FIRST_STAGE: usize = 4;
/// Key prefix of the classifier: after the stages, the pool, flatten and dropout.
const HEAD: &str = "11";

/// Most blocks in one body stage.
pub const BLOCKS_MAX: i64 = 256;
/// Most channels in a stem layer.
pub const STEM_WIDTH_MAX: i64 = 4_096;
/// Largest expansion of a block.
pub const EXPANSION_MAX: i64 = 16;
/// Most outputs of a net.
pub const OUTPUTS_MAX: i64 = 1_000_000;

/// What an XResNet is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XResNetSpec {
    /// Channels of the three stem layers.
    pub stem_widths: [i64; 3],
    /// Blocks in each of the four body stages (widths 64, 128, 256, 512).
    pub layers: Vec<i64>,
    /// 1 = plain blocks; 4 = bottlenecks whose output has four times the stage's width.
    pub expansion: i64,
    /// Number of logits.
    pub outputs: i64,
}

/// Why a net can't be built from its description.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpecError {
    /// Not exactly four body stages.
    #[error("an xresnet has 4 body stages, but layers has {0} entries")]
    StageCount(usize),
    /// A number outside its limits.
    #[error("{what} is {value}, but must be from {min} to {max}")]
    OutOfRange {
        /// Which number, in the words of a recipe.
        what: &'static str,
        /// What it was.
        value: i64,
        /// Smallest legal value.
        min: i64,
        /// Largest legal value.
        max: i64,
    },
}

impl XResNetSpec {
    /// Plain blocks, [2, 2, 2, 2].
    pub fn xresnet18(outputs: i64) -> Self {
        Self::with_layers([2, 2, 2, 2], 1, outputs)
    }

    /// Plain blocks, [3, 4, 6, 3].
    pub fn xresnet34(outputs: i64) -> Self {
        Self::with_layers([3, 4, 6, 3], 1, outputs)
    }

    /// Bottlenecks, [3, 4, 6, 3].
    pub fn xresnet50(outputs: i64) -> Self {
        Self::with_layers([3, 4, 6, 3], 4, outputs)
    }

    fn with_layers(layers: [i64; 4], expansion: i64, outputs: i64) -> Self {
        Self { stem_widths: [32, 32, 64], layers: layers.to_vec(), expansion, outputs }
    }

    /// Checks every number against its limits; what passes can be built.
    pub fn check(&self) -> Result<(), SpecError> {
        if self.layers.len() != STAGE_WIDTHS.len() {
            return Err(SpecError::StageCount(self.layers.len()));
        }
        let within = |what, value, max| match (1..=max).contains(&value) {
            true => Ok(()),
            false => Err(SpecError::OutOfRange { what, value, min: 1, max }),
        };
        for &width in &self.stem_widths {
            within("a stem width", width, STEM_WIDTH_MAX)?;
        }
        for &blocks in &self.layers {
            within("a number of blocks in layers", blocks, BLOCKS_MAX)?;
        }
        within("expansion", self.expansion, EXPANSION_MAX)?;
        within("outputs", self.outputs, OUTPUTS_MAX)
    }
}

/// Stem → max pool → four stages of residual blocks → global mean → linear. ReLU throughout.
pub struct XResNet {
    stem: ConvStem,
    blocks: Vec<ResidualBlock>,
    head_weight: Tensor,
    head_bias: Tensor,
    state: StateDict,
}

impl XResNet {
    /// A freshly initialised net: Kaiming-normal convolutions and classifier, biases 0, norm weights 1 except the last
    /// norm of each block, which starts at 0. Call `tch::manual_seed` first; a seed gives the same float32 values on
    /// every device.
    ///
    /// # Panics
    /// If [`XResNetSpec::check`] would refuse the description.
    pub fn new(spec: &XResNetSpec, device: Device, kind: Kind) -> Self {
        spec.check().expect("the caller has checked the description of the net");
        let mut state = StateBuilder::new(device, kind);
        let stem = ConvStem::new(&mut state, spec.stem_widths);
        let mut blocks = Vec::new();
        let mut channels = spec.stem_widths[2];
        for (stage, (&width, &count)) in STAGE_WIDTHS.iter().zip(&spec.layers).enumerate() {
            for index in 0..count {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let block = BlockSpec { channels_in: channels, width, expansion: spec.expansion, stride };
                let prefix = format!("{}.{index}", FIRST_STAGE + stage);
                blocks.push(ResidualBlock::new(&mut state, &prefix, &block));
                channels = width * spec.expansion;
            }
        }
        let weight = kaiming_normal(&[spec.outputs, channels]);
        let bias = Tensor::zeros([spec.outputs], (Kind::Float, Device::Cpu));
        let head_weight = state.parameter(format!("{HEAD}.weight"), &weight, true);
        let head_bias = state.parameter(format!("{HEAD}.bias"), &bias, false);
        Self { stem, blocks, head_weight, head_bias, state: state.finish() }
    }
}

impl Net for XResNet {
    fn forward(&self, images: &Tensor, train: bool) -> Tensor {
        let mut x = max_pool_after_stem(&self.stem.forward(images, train));
        for block in &self.blocks {
            x = block.forward(&x, train);
        }
        global_average_pool(&x).linear(&self.head_weight, Some(&self.head_bias))
    }

    fn state(&self) -> &StateDict {
        &self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Role;

    fn small() -> XResNetSpec {
        XResNetSpec { stem_widths: [4, 4, 8], layers: vec![1; 4], expansion: 4, outputs: 5 }
    }

    #[test]
    fn a_new_net_has_kaiming_weights_zero_biases_and_blocks_that_start_as_nothing() {
        let net = XResNet::new(&small(), Device::Cpu, Kind::Float);
        for entry in net.state().entries() {
            let (mean, std) = (entry.tensor.mean(Kind::Double).double_value(&[]), entry.tensor.std(false));
            let (key, shape) = (entry.key.as_str(), entry.tensor.size());
            if shape.len() > 1 {
                let expected = (2.0 * shape[0] as f64 / entry.tensor.numel() as f64).sqrt();
                let share = std.double_value(&[]) / expected;
                // 5 standard errors of a normal sample's standard deviation.
                let allowed = 5.0 / (2.0 * entry.tensor.numel() as f64).sqrt();
                assert!((share - 1.0).abs() < allowed, "{key}: {share} of the right spread");
            } else {
                assert_eq!(std.double_value(&[]), 0.0, "{key}");
                let last_norm = key.contains("convpath.2.1.weight");
                let one = key.ends_with("running_var") || (key.ends_with(".1.weight") && !last_norm);
                assert_eq!(mean, f64::from(u8::from(one)), "{key}");
            }
            let decays = entry.role == Role::Parameter && shape.len() > 1;
            assert_eq!(entry.decay, decays, "{key}");
        }
    }

    #[test]
    fn any_input_size_goes_through_and_evaluation_changes_no_buffer() {
        let net = XResNet::new(&small(), Device::Cpu, Kind::Float);
        let _guard = tch::no_grad_guard();
        for (height, width) in [(1, 1), (33, 7), (64, 64)] {
            let images = Tensor::ones([2, 3, height, width], (Kind::Float, Device::Cpu));
            assert_eq!(net.forward(&images, false).size(), [2, 5]);
        }
        let mean = || net.state().get("0.1.running_mean").expect("a stem has a norm").tensor.abs().sum(Kind::Double);
        assert_eq!(mean().double_value(&[]), 0.0);
        let _ = net.forward(&Tensor::ones([2, 3, 32, 32], (Kind::Float, Device::Cpu)), true);
        assert!(mean().double_value(&[]) > 0.0);
    }

    #[test]
    fn impossible_descriptions_are_refused_by_name() {
        assert_eq!(small().check(), Ok(()));
        assert_eq!(XResNetSpec { layers: vec![1; 3], ..small() }.check(), Err(SpecError::StageCount(3)));
        for (spec, word) in [
            (XResNetSpec { outputs: 0, ..small() }, "outputs"),
            (XResNetSpec { expansion: -1, ..small() }, "expansion"),
            (XResNetSpec { layers: vec![1, 1, i64::MAX, 1], ..small() }, "layers"),
            (XResNetSpec { stem_widths: [0, 1, 1], ..small() }, "stem width"),
        ] {
            let error = spec.check().expect_err("impossible").to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
