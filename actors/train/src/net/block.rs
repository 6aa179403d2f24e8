//! The residual block: a branch of layers, attention at its end, and the average-pooled shortcut of ResNet-D.
//!
//! This file has what all blocks share and the table of their kinds; a new one is a file of its own and a line here. A
//! kind only says which layers its branch has.

use std::ops::RangeInclusive;

use tch::Tensor;

use super::Layer;
use super::activation::Activation;
use super::attention::ATTENTIONS;
use super::conv_layer::{After, ConvLayer, ConvSpec};
use super::part::{Part, SpecError, checked, find, within};
use super::pool::average_pool_shortcut;
use super::self_attention::SelfAttention;
use super::squeeze_excite::SqueezeExcite;
use super::xresnet::XResNetSpec;
use super::{mk_block, plain_block};
use crate::state::StateBuilder;

/// Every kind of block.
pub static BLOCKS: &[&Part<BlockMaker>] = &[
    &plain_block::BASIC,      // two 3×3 convolutions
    &plain_block::BOTTLENECK, // 1×1, 3×3, 1×1
    &mk_block::MK,            // bottleneck with several kernels in the middle
];

/// Most groups of a grouped convolution.
pub const GROUPS_MAX: i64 = 256;

/// How a kind of block is checked and built.
pub struct BlockMaker {
    /// Expansions that it can have.
    pub expansions: RangeInclusive<i64>,
    /// The expansion where a recipe says nothing.
    pub expansion: i64,
    /// Groups where a recipe says nothing.
    pub groups: i64,
    /// Whether its parts fit together at a place; ranges have been checked.
    pub check: fn(&BlockSpec, &Place) -> Result<(), SpecError>,
    /// Channels that squeeze-and-excite works on at a place, in a net that has it; `None` = none there.
    pub squeezed: fn(&BlockSpec, &Place) -> Option<i64>,
    /// Puts the layers of its branch into the [`Branch`].
    pub branch: fn(&mut Branch<'_>, &BlockSpec, &Place),
}

/// What blocks are made from. Settings that the kind does not read have no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSpec {
    /// A name from [`BLOCKS`].
    pub kind: &'static str,
    /// Groups of the widest convolution; more than 1 make ResNeXt's widths.
    pub groups: i64,
    /// Channels that go out over the width of the stage.
    pub expansion: i64,
    /// Of multi-kernel blocks: how they are put together.
    pub variant: mk_block::Variant,
    /// Of multi-kernel blocks: the kernels of each of the four body stages.
    pub kernels: Vec<Vec<i64>>,
}

/// Where a block stands in its net.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Body stage, 0 to 3.
    pub stage: usize,
    /// Block within the stage, from 0.
    pub index: i64,
    /// Channels that come in.
    pub channels_in: i64,
    /// Width of the stage: 64, 128, 256, 512. The block's output has `width * expansion` channels.
    pub width: i64,
    /// 1 or 2, on the first convolution that sees more than one pixel.
    pub stride: i64,
}

/// Inner width of a ResNeXt block: each group has width·base/64 channels, rounded down, where base is 4 or more.
pub(crate) fn resnext_width(width: i64, base: i64, groups: i64) -> i64 {
    width * base / 64 * groups
}

impl BlockSpec {
    /// A block of this kind with the defaults of everything else.
    ///
    /// # Errors
    /// If there is no such kind.
    pub fn new(kind: &str) -> Result<Self, SpecError> {
        let part = find(BLOCKS, "block.kind", kind)?;
        let (groups, expansion) = (part.make.groups, part.make.expansion);
        Ok(Self { kind: part.name, groups, expansion, variant: mk_block::Variant::F, kernels: Vec::new() })
    }

    /// Checks what doesn't depend on a place.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let part = find(BLOCKS, "block.kind", self.kind)?;
        within("block.groups", self.groups, 1, GROUPS_MAX)?;
        let expansions = &part.make.expansions;
        if expansions.start() == expansions.end() && self.expansion != *expansions.start() {
            let only = expansions.start();
            let rule = format!("is {}: blocks of kind {:?} have an expansion of {only}", self.expansion, self.kind);
            return Err(SpecError::new("block.expansion", rule));
        }
        within("block.expansion", self.expansion, *expansions.start(), *expansions.end())
    }
}

/// The layers of a block's branch as they are put in, each under its index.
pub struct Branch<'a> {
    state: &'a mut StateBuilder,
    layers: Vec<Box<dyn Layer>>,
    /// The net's activation.
    pub activation: Activation,
    /// The net's reduction; 0 = no squeeze-and-excite.
    squeeze_excite: i64,
}

impl Branch<'_> {
    /// Puts in a layer.
    pub fn push(&mut self, build: impl FnOnce(&mut StateBuilder) -> Box<dyn Layer>) {
        let layer = self.state.within(self.layers.len(), build);
        self.layers.push(layer);
    }

    /// Puts in convolution, norm and activation.
    pub fn convolution(&mut self, spec: &ConvSpec<'_>) {
        let activation = self.activation;
        self.push(|state| Box::new(ConvLayer::new(state, spec, After::Activation(activation))));
    }

    /// Puts in the branch's last convolution, whose norm starts at 0 and has no activation.
    pub fn last_convolution(&mut self, spec: &ConvSpec<'_>) {
        self.push(|state| Box::new(ConvLayer::new(state, spec, After::ZeroNorm)));
    }

    /// Puts in squeeze-and-excite, where the net has it.
    pub fn squeeze_excite(&mut self, channels: i64) {
        let (reduction, activation) = (self.squeeze_excite, self.activation);
        if reduction != 0 {
            self.push(|state| Box::new(SqueezeExcite::new(state, channels, reduction, activation)));
        }
    }
}

/// activation(branch(x) + shortcut(x)).
pub(crate) struct ResidualBlock {
    branch: Vec<Box<dyn Layer>>,
    /// Stride of the average pool in the shortcut; 1 = no pool.
    shortcut_stride: i64,
    /// 1×1 convolution of the shortcut where the channels change.
    shortcut: Option<ConvLayer>,
    activation: Activation,
}

impl ResidualBlock {
    /// Registers `convpath.*`, then `idpath.*`. The description has been checked.
    pub(crate) fn new(state: &mut StateBuilder, net: &XResNetSpec, place: &Place, self_attention: bool) -> Self {
        let channels_out = place.width * net.block.expansion;
        let branch = state.within("convpath", |state| {
            let (activation, squeeze_excite) = (net.activation, net.squeeze_excite);
            let mut branch = Branch { state, layers: Vec::new(), activation, squeeze_excite };
            (checked(BLOCKS, net.block.kind).make.branch)(&mut branch, &net.block, place);
            if let Some(attention) = net.attention {
                branch.push(|state| (checked(ATTENTIONS, attention).make)(state, channels_out));
            }
            if self_attention {
                branch.push(|state| Box::new(SelfAttention::new(state, channels_out)));
            }
            branch.layers
        });
        let shortcut = (place.channels_in != channels_out).then(|| {
            // In the reference's key the pool, where there is one, is module 0 of the shortcut.
            let index = usize::from(place.stride != 1);
            let (channels_in, kernels) = (place.channels_in, [1].as_slice());
            let spec = ConvSpec { channels_in, channels_out, kernels, stride: 1, groups: 1 };
            state.within(format_args!("idpath.{index}"), |state| ConvLayer::new(state, &spec, After::Norm))
        });
        Self { branch, shortcut_stride: place.stride, shortcut, activation: net.activation }
    }
}

impl Layer for ResidualBlock {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let mut branch = x.shallow_clone();
        for layer in &self.branch {
            branch = layer.forward(&branch, train);
        }
        let mut direct = x.shallow_clone();
        if self.shortcut_stride != 1 {
            direct = average_pool_shortcut(&direct, self.shortcut_stride);
        }
        if let Some(shortcut) = &self.shortcut {
            direct = shortcut.forward(&direct, train);
        }
        // In place on the branch's fresh output, which no backward pass reads.
        self.activation.apply(branch.g_add_(&direct))
    }
}
