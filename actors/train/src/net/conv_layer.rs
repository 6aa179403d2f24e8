//! Convolution, batch normalisation, activation: fastai's ConvLayer, and the initial weights of convolutions.
//!
//! Not for convolutions without a norm or with a bias: no net of this crate has one yet.

use tch::{Kind, Tensor};

use crate::state::StateBuilder;

/// Share of the batch's statistics in the running ones (PyTorch's convention).
const NORM_MOMENTUM: f64 = 0.1;
/// Added to the variance.
const NORM_EPSILON: f64 = 1e-5;

/// Kaiming-normal values for `shape` (He et al. 2015): fan-in, ReLU gain. fan-in = values per output.
pub(crate) fn kaiming_normal(shape: &[i64]) -> Tensor {
    let fan_in: i64 = shape[1..].iter().product();
    Tensor::randn(shape, (Kind::Float, tch::Device::Cpu)) * (2.0 / fan_in as f64).sqrt()
}

/// What a [`ConvLayer`] is made from.
pub(crate) struct ConvSpec {
    pub(crate) channels_in: i64,
    pub(crate) channels_out: i64,
    /// Side of the square kernel, odd; padding keeps the size at stride 1.
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    /// ReLU after the norm.
    pub(crate) activation: bool,
    /// Start the norm's weight at zero instead of one, so that a residual branch starts as nothing.
    pub(crate) zero_norm: bool,
}

/// Conv2d without bias → BatchNorm2d → ReLU (where asked for).
pub(crate) struct ConvLayer {
    weight: Tensor,
    norm: BatchNorm,
    stride: i64,
    padding: i64,
    activation: bool,
}

impl ConvLayer {
    /// Registers `<prefix>.0.weight` and `<prefix>.1.*`.
    pub(crate) fn new(state: &mut StateBuilder, prefix: &str, spec: &ConvSpec) -> Self {
        let shape = [spec.channels_out, spec.channels_in, spec.kernel, spec.kernel];
        Self {
            weight: state.parameter(format!("{prefix}.0.weight"), &kaiming_normal(&shape), true),
            norm: BatchNorm::new(state, &format!("{prefix}.1"), spec.channels_out, spec.zero_norm),
            stride: spec.stride,
            padding: (spec.kernel - 1) / 2,
            activation: spec.activation,
        }
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let x = x.conv2d(&self.weight, None::<&Tensor>, stride, padding, [1, 1], 1);
        let mut x = self.norm.forward(&x, train);
        // In place: the norm's backward pass needs its input, not its output.
        if self.activation { x.relu_() } else { x }
    }
}

/// Batch normalisation over N, H, W with running statistics (the running variance takes the unbiased one).
struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

impl BatchNorm {
    fn new(state: &mut StateBuilder, prefix: &str, channels: i64, zero: bool) -> Self {
        let (zeros, ones) = {
            let options = (Kind::Float, tch::Device::Cpu);
            (Tensor::zeros([channels], options), Tensor::ones([channels], options))
        };
        Self {
            weight: state.parameter(format!("{prefix}.weight"), if zero { &zeros } else { &ones }, false),
            bias: state.parameter(format!("{prefix}.bias"), &zeros, false),
            running_mean: state.buffer(format!("{prefix}.running_mean"), &zeros),
            running_var: state.buffer(format!("{prefix}.running_var"), &ones),
        }
    }

    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            NORM_MOMENTUM,
            NORM_EPSILON,
            true,
        )
    }
}
