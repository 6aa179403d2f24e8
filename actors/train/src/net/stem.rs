//! The stem: three 3×3 layers in place of ResNet's one 7×7 (the "C" tweak of He et al. 2018, bag of tricks), the first
//! with stride 2: `[N, 3, H, W]` → `[N, widths[2], ⌈H/2⌉, ⌈W/2⌉]`.
//!
//! This file has the table of stems; a new one is a file of its own and a line here.

use super::Layer;
use super::activation::Activation;
use super::deconv::ITERATIONS;
use super::part::{Part, SpecError, checked, find, within};
use super::{conv_stem, deconv_stem};
use crate::state::StateBuilder;

/// Every stem.
pub static STEMS: &[&Part<StemMaker>] = &[
    &conv_stem::CONV,     // convolution, norm, activation
    &deconv_stem::DECONV, // deconvolution, activation
];

/// How one of a stem's three layers is built.
pub type StemMaker = fn(&mut StateBuilder, &StemLayer<'_>) -> Box<dyn Layer>;

/// Most channels in a stem layer.
pub const WIDTH_MAX: i64 = 4_096;
/// Most Newton–Schulz iterations: they have long converged.
pub const ITERATIONS_MAX: i64 = 100;
/// Most steps after which a layer freezes.
pub const FREEZE_AFTER_MAX: i64 = 100_000_000;

/// What a stem is made from. Settings that its kind does not read have no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StemSpec {
    /// A name from [`STEMS`].
    pub kind: &'static str,
    /// Channels of the three layers.
    pub widths: [i64; 3],
    /// Of deconvolutions: keep the weight as direction and length.
    pub weight_norm: bool,
    /// Of deconvolutions: Newton–Schulz iterations of each layer.
    pub iterations: [i64; 3],
    /// Of deconvolutions: training steps after which each layer keeps its statistics; 0 = never.
    pub freeze_after: [i64; 3],
}

/// One of the three layers of a stem to be built.
pub struct StemLayer<'a> {
    /// The whole stem.
    pub stem: &'a StemSpec,
    /// 0 to 2.
    pub index: usize,
    /// What comes in.
    pub channels_in: i64,
    /// 2 for the first layer, else 1.
    pub stride: i64,
    /// The net's.
    pub activation: Activation,
}

impl StemSpec {
    /// A stem of this kind with these widths and the defaults of everything else.
    pub fn new(kind: &'static str, widths: [i64; 3]) -> Self {
        Self { kind, widths, weight_norm: false, iterations: [ITERATIONS; 3], freeze_after: [0; 3] }
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        find(STEMS, "stem.kind", self.kind)?;
        for index in 0..3 {
            within(format!("stem.widths.{index}"), self.widths[index], 1, WIDTH_MAX)?;
            within(format!("stem.iterations.{index}"), self.iterations[index], 1, ITERATIONS_MAX)?;
            within(format!("stem.freeze_after.{index}"), self.freeze_after[index], 0, FREEZE_AFTER_MAX)?;
        }
        Ok(())
    }

    /// Registers `0.*`, `1.*`, `2.*`. The description has been checked.
    pub(crate) fn build(&self, state: &mut StateBuilder, activation: Activation) -> Vec<Box<dyn Layer>> {
        let part = checked(STEMS, self.kind);
        let layers = (0..3).map(|index| {
            let (channels_in, stride) = if index == 0 { (3, 2) } else { (self.widths[index - 1], 1) };
            let layer = StemLayer { stem: self, index, channels_in, stride, activation };
            state.within(index, |state| (part.make)(state, &layer))
        });
        layers.collect()
    }
}
