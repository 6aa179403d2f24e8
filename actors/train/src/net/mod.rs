//! The nets: what every net offers to the trainer, and the layers that they are built from.
//!
//! Not tch's `nn` or vision modules: their BatchNorm starts from random weights, their variables carry other names, and
//! neither matches the reference nets.

mod block;
mod conv_layer;
mod pool;
mod stem;
pub mod xresnet;

use tch::Tensor;

use crate::state::StateDict;

/// A net as the trainer sees it.
pub trait Net: Send {
    /// Logits `[N, outputs]` of `images` `[N, 3, H, W]`, float values 0–1 on the net's device and of its kind.
    ///
    /// With `train`, BatchNorm uses the batch's statistics and updates its running ones; otherwise it uses those.
    fn forward(&self, images: &Tensor, train: bool) -> Tensor;

    /// Every parameter and buffer.
    fn state(&self) -> &StateDict;
}
