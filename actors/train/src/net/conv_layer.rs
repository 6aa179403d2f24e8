//! Convolution, batch normalisation, activation: fastai's ConvLayer, and the initial weights of convolutions.
//!
//! Not for convolutions that need no norm because they whiten their input themselves: those are in `deconv`.

use tch::{Device, Kind, Tensor};

use super::Layer;
use super::activation::Activation;
use super::mixed_conv::MixedConv;
use super::precision::of_kind_of;
use crate::state::StateBuilder;

/// Share of the batch's statistics in the running ones (PyTorch's convention).
const NORM_MOMENTUM: f64 = 0.1;
/// Added to the variance.
const NORM_EPSILON: f64 = 1e-5;

/// Kaiming-normal values for `shape` (He et al. 2015): fan-in, ReLU gain. fan-in = values per output.
pub(crate) fn kaiming_normal(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu)) * (2.0 / fan_in(shape)).sqrt()
}

/// What PyTorch gives a convolution that nobody initialises: uniform within ±1/√fan-in.
pub(crate) fn default_uniform(shape: &[i64]) -> Tensor {
    let bound = 1.0 / fan_in(shape).sqrt();
    Tensor::empty(shape, (Kind::Float, Device::Cpu)).uniform_(-bound, bound)
}

fn fan_in(shape: &[i64]) -> f64 {
    shape[1..].iter().product::<i64>() as f64
}

/// What a convolution is made from. Padding keeps the size at stride 1.
#[derive(Debug, Clone, Copy)]
pub struct ConvSpec<'a> {
    /// Channels that come in.
    pub channels_in: i64,
    /// Channels that go out.
    pub channels_out: i64,
    /// Sides of the square kernels, odd. Several make a [mixed convolution](super::mixed_conv).
    pub kernels: &'a [i64],
    /// 1 or 2.
    pub stride: i64,
    /// Groups that don't see each other's channels (of each part of a mixed convolution).
    pub groups: i64,
}

/// Conv2d: one kernel, with or without bias.
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
    groups: i64,
}

impl Conv2d {
    /// Registers `weight` `[out, in/groups, k, k]` (Kaiming-normal) and, where wanted, `bias` `[out]` (0). Of several
    /// kernels only the first counts.
    pub fn new(state: &mut StateBuilder, spec: &ConvSpec<'_>, bias: bool) -> Self {
        let kernel = spec.kernels[0];
        let shape = [spec.channels_out, spec.channels_in / spec.groups, kernel, kernel];
        Self {
            weight: state.filters("weight", &kaiming_normal(&shape), spec.groups),
            bias: bias.then(|| state.parameter("bias", &zeros(spec.channels_out), false)),
            stride: spec.stride,
            padding: (kernel - 1) / 2,
            groups: spec.groups,
        }
    }
}

impl Layer for Conv2d {
    fn forward(&self, x: &Tensor, _train: bool) -> Tensor {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let bias = self.bias.as_ref().map(|bias| of_kind_of(bias, x));
        x.conv2d(&of_kind_of(&self.weight, x), bias, stride, padding, [1, 1], self.groups)
    }
}

/// What stands behind the convolution of a [`ConvLayer`].
#[derive(Debug, Clone, Copy)]
pub(crate) enum After {
    /// Norm and activation.
    Activation(Activation),
    /// A norm alone, with weight 1.
    Norm,
    /// A norm alone, with weight 0, so that a residual branch that ends in it starts as nothing.
    ZeroNorm,
}

/// Convolution without bias → BatchNorm2d → activation (where asked for).
pub(crate) struct ConvLayer {
    convolution: Box<dyn Layer>,
    norm: BatchNorm,
    activation: Option<Activation>,
}

impl ConvLayer {
    /// Registers `0.*`, the convolution, and `1.*`, the norm.
    pub(crate) fn new(state: &mut StateBuilder, spec: &ConvSpec<'_>, after: After) -> Self {
        let convolution: Box<dyn Layer> = state.within(0, |state| match spec.kernels {
            [_] => Box::new(Conv2d::new(state, spec, false)) as Box<dyn Layer>,
            _ => Box::new(MixedConv::new(state, spec)),
        });
        let zero = matches!(after, After::ZeroNorm);
        let norm = state.within(1, |state| BatchNorm::new(state, spec.channels_out, zero));
        let activation = match after {
            After::Activation(activation) => Some(activation),
            After::Norm | After::ZeroNorm => None,
        };
        Self { convolution, norm, activation }
    }
}

impl Layer for ConvLayer {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let x = self.norm.forward(&self.convolution.forward(x, train), train);
        // The norm's backward pass needs its input, not its output, so that an activation may overwrite it.
        match self.activation {
            Some(activation) => activation.apply(x),
            None => x,
        }
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
    fn new(state: &mut StateBuilder, channels: i64, zero: bool) -> Self {
        let (zeros, ones) = (zeros(channels), Tensor::ones([channels], (Kind::Float, Device::Cpu)));
        Self {
            weight: state.parameter("weight", if zero { &zeros } else { &ones }, false),
            bias: state.parameter("bias", &zeros, false),
            running_mean: state.buffer("running_mean", &zeros),
            running_var: state.buffer("running_var", &ones),
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

/// Initial biases.
pub(crate) fn zeros(count: i64) -> Tensor {
    Tensor::zeros([count], (Kind::Float, Device::Cpu))
}
