//! The blocks of ResNet and ResNeXt: basic (two 3×3) and bottleneck (1×1, 3×3, 1×1), grouped or not.
//!
//! With groups the inner width is ResNeXt's, and squeeze-and-excite, where the net has it, comes last: fastai's
//! `SEResNeXtBlock`.

use super::block::{BlockMaker, BlockSpec, Branch, Place, resnext_width};
use super::conv_layer::ConvSpec;
use super::part::{Part, SpecError};

/// Share of 64 channels that a group of a ResNeXt has, times 64.
const BASE_WIDTH: i64 = 4;
/// Largest expansion of a bottleneck.
pub const EXPANSION_MAX: i64 = 16;

/// `block.kind = "basic"`
pub static BASIC: Part<BlockMaker> = Part {
    name: "basic",
    settings: &[],
    make: BlockMaker { expansions: 1..=1, expansion: 1, groups: 1, check: check_basic, squeezed, branch: basic },
};

/// `block.kind = "bottleneck"`
pub static BOTTLENECK: Part<BlockMaker> = Part {
    name: "bottleneck",
    settings: &[],
    make: BlockMaker {
        expansions: 2..=EXPANSION_MAX,
        expansion: 4,
        groups: 1,
        check: |_, _| Ok(()),
        squeezed,
        branch: bottleneck,
    },
};

fn inner_width(block: &BlockSpec, place: &Place) -> i64 {
    match block.groups {
        1 => place.width,
        groups => resnext_width(place.width, BASE_WIDTH, groups),
    }
}

fn squeezed(block: &BlockSpec, place: &Place) -> Option<i64> {
    Some(place.width * block.expansion)
}

fn check_basic(block: &BlockSpec, place: &Place) -> Result<(), SpecError> {
    let (groups, channels) = (block.groups, place.channels_in);
    if channels % groups == 0 {
        return Ok(());
    }
    let stage = place.stage;
    let rule = format!("is {groups}: the {channels} channels that come into body stage {stage} don't divide into it");
    Err(SpecError::new("block.groups", rule))
}

fn basic(branch: &mut Branch<'_>, block: &BlockSpec, place: &Place) {
    let (inner, out) = (inner_width(block, place), place.width);
    let first = ConvSpec {
        channels_in: place.channels_in,
        channels_out: inner,
        kernels: &[3],
        stride: place.stride,
        groups: block.groups,
    };
    branch.convolution(&first);
    branch.last_convolution(&ConvSpec { channels_in: inner, channels_out: out, stride: 1, groups: 1, ..first });
    branch.squeeze_excite(out);
}

fn bottleneck(branch: &mut Branch<'_>, block: &BlockSpec, place: &Place) {
    let (inner, out) = (inner_width(block, place), place.width * block.expansion);
    let first = ConvSpec { channels_in: place.channels_in, channels_out: inner, kernels: &[1], stride: 1, groups: 1 };
    branch.convolution(&first);
    let middle = ConvSpec { channels_in: inner, kernels: &[3], stride: place.stride, groups: block.groups, ..first };
    branch.convolution(&middle);
    branch.last_convolution(&ConvSpec { channels_in: inner, channels_out: out, ..first });
    branch.squeeze_excite(out);
}
