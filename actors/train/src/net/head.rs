//! The head: the mean over all positions, then one linear layer. Not for what is made of several heads (see `xresnet`).

use tch::Tensor;

use super::Layer;
use super::conv_layer::{kaiming_normal, zeros};
use super::pool::global_average_pool;
use super::precision::of_kind_of;
use crate::state::StateBuilder;

/// `[N, C, H, W]` → `[N, outputs]`.
pub(crate) struct LinearHead {
    weight: Tensor,
    bias: Tensor,
}

impl LinearHead {
    /// Registers `weight` `[outputs, C]` (Kaiming-normal) and `bias` (0).
    pub(crate) fn new(state: &mut StateBuilder, channels: i64, outputs: i64) -> Self {
        Self {
            weight: state.parameter("weight", &kaiming_normal(&[outputs, channels]), true),
            bias: state.parameter("bias", &zeros(outputs), false),
        }
    }
}

impl Layer for LinearHead {
    fn forward(&self, x: &Tensor, _train: bool) -> Tensor {
        global_average_pool(x).linear(&of_kind_of(&self.weight, x), Some(&of_kind_of(&self.bias, x)))
    }
}
