//! Simple self-attention with a spectrally normalised weight, as fastai's xresnets have it in one place.
//!
//! No softmax and no division by the number of positions: at gamma 0, where training starts, it does nothing.

use tch::{Device, Kind, Tensor};

use super::Layer;
use super::conv_layer::kaiming_normal;
use super::precision::{in_full_precision, widened};
use crate::state::StateBuilder;

/// Smallest norm that a vector of the power iteration is divided by.
const NORM_MIN: f64 = 1e-12;

/// gamma · (x xᵀ)(W x) + x over the positions of `x` `[N, C, H, W]`, computed in float32 at least.
pub struct SelfAttention {
    gamma: Tensor,
    weight: SpectralNorm,
}

impl SelfAttention {
    /// Registers `gamma` `[1]` (0) and `conv.*`.
    pub fn new(state: &mut StateBuilder, channels: i64) -> Self {
        Self {
            gamma: state.parameter("gamma", &Tensor::zeros([1], (Kind::Float, Device::Cpu)), true),
            weight: state.within("conv", |state| SpectralNorm::new(state, channels)),
        }
    }

    fn attend(&self, x: &Tensor, train: bool) -> Tensor {
        let positions = x.flatten(2, -1);
        let gram = positions.bmm(&positions.transpose(1, 2));
        // (x xᵀ)(W x) = ((x xᵀ) W) x: two products over the positions instead of three.
        let mixing = gram.matmul(&self.weight.normalised(train)) * &self.gamma;
        positions.baddbmm(&mixing, &positions, 1.0, 1.0).view_as(x)
    }
}

impl Layer for SelfAttention {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        in_full_precision(|| self.attend(&widened(x), train)).to_kind(x.kind())
    }
}

/// A square matrix divided by an estimate of its largest singular value (Miyato et al. 2018), one power iteration a
/// training forward pass.
struct SpectralNorm {
    weight: Tensor,
    /// Estimates of the left and right singular vectors.
    left: Tensor,
    right: Tensor,
}

impl SpectralNorm {
    /// Registers `weight_orig` `[n, n, 1]`, the weight of a 1×1 Conv1d, and `weight_u`, `weight_v` `[n]`, random unit
    /// vectors at first.
    fn new(state: &mut StateBuilder, channels: i64) -> Self {
        let unit = || normalised(&Tensor::randn([channels], (Kind::Float, Device::Cpu)));
        Self {
            weight: state.parameter("weight_orig", &kaiming_normal(&[channels, channels, 1]), true),
            left: state.buffer("weight_u", &unit()),
            right: state.buffer("weight_v", &unit()),
        }
    }

    /// The weight `[n, n]` divided by u·(W v). No gradient goes through u and v.
    fn normalised(&self, train: bool) -> Tensor {
        let weight = self.weight.squeeze_dim(2);
        if train {
            let _guard = tch::no_grad_guard();
            let right = normalised(&weight.tr().mv(&self.left));
            self.left.shallow_clone().copy_(&normalised(&weight.mv(&right)));
            self.right.shallow_clone().copy_(&right);
        }
        // Copies, because a second forward pass before the backward pass would overwrite what it needs.
        let (left, right) = (self.left.copy(), self.right.copy());
        let sigma = left.dot(&weight.mv(&right));
        weight / sigma
    }
}

fn normalised(vector: &Tensor) -> Tensor {
    vector / vector.norm().clamp_min(NORM_MIN)
}
