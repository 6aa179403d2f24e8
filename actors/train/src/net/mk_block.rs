//! The multi-kernel blocks of MK-ResNeXt: ResNeXt's bottleneck with a grouped mixed convolution in the middle.
//!
//! Source: the public notebooks of the FastGarden leaderboard's first two rows (B. Warner, 2020), re-implemented from
//! their structure. Squeeze-and-excite stands only in stages of at most two kernels.

use super::block::{BlockMaker, BlockSpec, Branch, Place, resnext_width};
use super::conv_layer::ConvSpec;
use super::deconv::{DeconvLayer, DeconvSpec};
use super::mixed_conv::split;
use super::part::{Part, SpecError, within};

/// Least share of 64 channels that a group has, times 64; a stage of more kernels has that many.
const BASE_WIDTH_MIN: i64 = 4;
/// Kernels of the first layer in variants E and F.
const FIRST_KERNELS: &[i64] = &[3, 5];
/// Stages with more kernels than this have no squeeze-and-excite, and in variants E and F a mixed first layer.
const FEW_KERNELS: usize = 2;
/// Most kernels in a stage.
const KERNELS_MAX: usize = 16;
/// Largest kernel.
const KERNEL_MAX: i64 = 31;
/// Body stages, each with its list of kernels.
const STAGES: usize = 4;

/// How a multi-kernel block is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// 1×1 first; squeeze-and-excite before the last convolution.
    D,
    /// As D, but where a stage has more than two kernels the first layer is an ungrouped mixed convolution.
    E,
    /// As E, but squeeze-and-excite after the last convolution.
    F,
    /// As F, but the first layer is a 1×1 FastDeconv without a norm.
    G,
}

impl Variant {
    /// Every variant with its name in recipes.
    pub const ALL: &'static [(&'static str, Self)] = &[("d", Self::D), ("e", Self::E), ("f", Self::F), ("g", Self::G)];

    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::D => "d",
            Self::E => "e",
            Self::F => "f",
            Self::G => "g",
        }
    }
}

/// `block.kind = "mk"`
pub static MK: Part<BlockMaker> = Part {
    name: "mk",
    settings: &["variant", "kernels"],
    make: BlockMaker {
        expansions: 2..=super::plain_block::EXPANSION_MAX,
        expansion: 4,
        groups: 32,
        check,
        squeezed,
        branch,
    },
};

fn inner_width(block: &BlockSpec, place: &Place) -> i64 {
    let base = BASE_WIDTH_MIN.max(block.kernels[place.stage].len() as i64);
    resnext_width(place.width, base, block.groups)
}

fn has_mixed_first_layer(block: &BlockSpec, place: &Place) -> bool {
    matches!(block.variant, Variant::E | Variant::F) && block.kernels[place.stage].len() > FEW_KERNELS
}

/// Squeeze-and-excite stands before the last convolution; in a stage of one kernel it is last in every variant.
fn excites_before_last(block: &BlockSpec, place: &Place) -> bool {
    matches!(block.variant, Variant::D | Variant::E) && block.kernels[place.stage].len() == FEW_KERNELS
}

fn squeezed(block: &BlockSpec, place: &Place) -> Option<i64> {
    let has_few = block.kernels[place.stage].len() <= FEW_KERNELS;
    has_few.then(|| {
        if excites_before_last(block, place) { inner_width(block, place) } else { place.width * block.expansion }
    })
}

fn check(block: &BlockSpec, place: &Place) -> Result<(), SpecError> {
    if block.kernels.len() != STAGES {
        let rule = format!("has {} lists: it must have {STAGES}, one for each body stage", block.kernels.len());
        return Err(SpecError::new("block.kernels", rule));
    }
    let (stage, kernels) = (place.stage, &block.kernels[place.stage]);
    let key = format!("block.kernels.{stage}");
    if kernels.is_empty() || kernels.len() > KERNELS_MAX {
        let rule = format!("has {} kernels: it must have from 1 to {KERNELS_MAX}", kernels.len());
        return Err(SpecError::new(key, rule));
    }
    for (index, &kernel) in kernels.iter().enumerate() {
        within(format!("{key}.{index}"), kernel, 1, KERNEL_MAX)?;
        if kernel % 2 == 0 {
            return Err(SpecError::new(format!("{key}.{index}"), format!("is {kernel}: a kernel's side must be odd")));
        }
    }
    let (inner, groups) = (inner_width(block, place), block.groups);
    let parts = split(inner, kernels.len());
    if let Some(part) = parts.iter().find(|part| *part % groups != 0 || **part == 0) {
        let count = kernels.len();
        let rule = format!(
            "has {count} kernels: {inner} channels in {count} parts make one of {part}, which doesn't divide into \
             `net.block.groups`, {groups}"
        );
        return Err(SpecError::new(key, rule));
    }
    if has_mixed_first_layer(block, place) && place.channels_in < FIRST_KERNELS.len() as i64 {
        let rule = format!("has {} kernels: its mixed first layer needs 2 channels, but 1 comes in", kernels.len());
        return Err(SpecError::new(key, rule));
    }
    Ok(())
}

fn branch(branch: &mut Branch<'_>, block: &BlockSpec, place: &Place) {
    let kernels = block.kernels[place.stage].as_slice();
    let (inner, out) = (inner_width(block, place), place.width * block.expansion);
    let first = ConvSpec { channels_in: place.channels_in, channels_out: inner, kernels: &[1], stride: 1, groups: 1 };
    if block.variant == Variant::G {
        let (spec, activation) = (DeconvSpec::new(place.channels_in, inner, 1, 1), branch.activation);
        branch.push(|state| Box::new(DeconvLayer::new(state, &spec, activation)));
    } else if has_mixed_first_layer(block, place) {
        branch.convolution(&ConvSpec { kernels: FIRST_KERNELS, ..first });
    } else {
        branch.convolution(&first);
    }
    branch.convolution(&ConvSpec { channels_in: inner, kernels, stride: place.stride, groups: block.groups, ..first });
    let squeezed = squeezed(block, place).map(|channels| (channels, excites_before_last(block, place)));
    if let Some((channels, true)) = squeezed {
        branch.squeeze_excite(channels);
    }
    branch.last_convolution(&ConvSpec { channels_in: inner, channels_out: out, ..first });
    if let Some((channels, false)) = squeezed {
        branch.squeeze_excite(channels);
    }
}
