//! The nets: what every net offers to the trainer, and the layers that they are built from.
//!
//! Not tch's `nn` or vision modules: their BatchNorm starts from random weights, their variables carry other names, and
//! neither matches the reference nets.
//!
//! [`xresnet`] puts the others together: [`stem`], [`pool`], [`block`], [`squeeze_excite`], [`attention`], [`activation`],
//! head. The tables of stems, poolings, blocks and attention modules are in the files of those names.

pub mod activation;
pub mod attention;
pub mod block;
pub mod conv_layer;
mod conv_stem;
pub mod deconv;
mod deconv_stem;
pub mod eca;
pub mod embedding;
mod head;
pub mod mixed_conv;
pub mod mk_block;
pub mod part;
pub mod plain_block;
pub mod pool;
pub(crate) mod precision;
pub mod self_attention;
pub mod squeeze_excite;
pub mod stem;
pub mod xresnet;

use tch::Tensor;

use crate::state::StateDict;

/// A net as the trainer sees it.
pub trait Net: Send {
    /// The heads that an [`Objective`](crate::loss::Objective) makes a loss of, from all views of a batch: tensors
    /// `[N, 3, H, W]`, values 0–1, on the net's device and of the kind to compute in. Heads are `[N, …]`; views may
    /// differ in size.
    ///
    /// With `train`, BatchNorm and deconvolutions use the batch's statistics and update their running ones; otherwise
    /// they use those.
    fn forward(&self, views: &[Tensor], train: bool) -> Vec<Tensor>;

    /// Every parameter and buffer.
    fn state(&self) -> &StateDict;
}

/// A part of a net, from one map `[N, C, H, W]` to the next.
pub trait Layer: Send {
    /// The layer's output: a fresh tensor, which shares no memory with `x` and which no backward pass reads, so that
    /// what follows may overwrite it.
    ///
    /// With `train`, a layer that has running statistics uses the batch's and updates them.
    fn forward(&self, x: &Tensor, train: bool) -> Tensor;
}
