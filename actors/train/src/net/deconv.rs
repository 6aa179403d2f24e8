//! Network deconvolution (Ye et al., ICLR 2020): a convolution that whitens its own input, so that it needs no norm.
//!
//! The patches of the input are decorrelated with D ≈ Cov^(−1/2), which five Newton–Schulz iterations approximate. They
//! are part of the method: an exact root whitens far harder and trains differently. D is folded into the weight, and the
//! mean into the bias, so that one convolution does it all.

use tch::{Device, Kind, Tensor};

use super::Layer;
use super::activation::Activation;
use super::conv_layer::{default_uniform, zeros};
use super::precision::{in_full_precision, of_kind_of, widened};
use crate::state::StateBuilder;

/// Added to the covariance's diagonal.
const EPSILON: f64 = 1e-5;
/// Share of a batch's statistics in the running ones.
const MOMENTUM: f64 = 0.1;
/// Statistics are taken at every so many-th position of the convolution, along each axis.
const SAMPLING_STRIDE: i64 = 3;
/// Most channels that are decorrelated together.
const BLOCK_MAX: i64 = 64;
/// Newton–Schulz iterations of the paper's networks.
pub const ITERATIONS: i64 = 5;
/// A frozen layer measures again after so many times its freezing period.
const FREEZE_CYCLE: i64 = 10;

/// What a [`FastDeconv`] is made from.
#[derive(Debug, Clone, Copy)]
pub struct DeconvSpec {
    /// Channels that come in.
    pub channels_in: i64,
    /// Channels that go out.
    pub channels_out: i64,
    /// Side of the square kernel, odd; padding keeps the size at stride 1.
    pub kernel: i64,
    /// 1 or 2.
    pub stride: i64,
    /// Groups that don't see each other's channels; each has its own statistics.
    pub groups: i64,
    /// Newton–Schulz iterations, 1 or more; [`ITERATIONS`] in the systems that are matched.
    pub iterations: i64,
    /// 0 = measure at every training step. n = after n + 1 of them use the running statistics instead, until 10·n steps
    /// are over and it begins again.
    pub freeze_after: i64,
    /// Keep the weight as direction and length (Salimans & Kingma 2016), both trained.
    pub weight_norm: bool,
}

impl DeconvSpec {
    /// 1 group, 5 iterations, never frozen, no weight norm.
    pub fn new(channels_in: i64, channels_out: i64, kernel: i64, stride: i64) -> Self {
        let (groups, iterations) = (1, ITERATIONS);
        Self { channels_in, channels_out, kernel, stride, groups, iterations, freeze_after: 0, weight_norm: false }
    }

    /// Channels that are decorrelated together: all of a group; ungrouped, all below 64, and from there on the largest
    /// power of two up to 64 that divides them.
    pub fn block(&self) -> i64 {
        match (self.groups, self.channels_in) {
            (1, channels) if channels < BLOCK_MAX => channels,
            // Of 64, a power of two, and any number the greatest common divisor is that number's lowest bit, at most 64.
            (1, channels) => (channels & -channels).min(BLOCK_MAX),
            (groups, channels) => channels / groups,
        }
    }
}

/// Convolution with bias of the whitened input.
pub struct FastDeconv {
    spec: DeconvSpec,
    weight: Weight,
    bias: Tensor,
    /// `[groups · features]`
    running_mean: Tensor,
    /// `[features, features]`, with a leading `groups` where there are several. The average of D, not of the covariance.
    running_deconv: Tensor,
    /// Training steps, where the layer can freeze.
    counter: Option<Tensor>,
    /// `[1, features, features]`
    identity: Tensor,
    /// Values that are decorrelated together: kernel² · block.
    features: i64,
    /// Blocks that share one set of statistics.
    blocks: i64,
}

enum Weight {
    Plain(Tensor),
    /// Length `[out, 1, 1, 1]` and direction.
    Normed {
        length: Tensor,
        direction: Tensor,
    },
}

impl FastDeconv {
    /// Registers `weight` and `bias` (with weight norm `bias`, `weight_g`, `weight_v`), `running_mean` and
    /// `running_deconv`; `counter` where the layer can freeze.
    ///
    /// The weight starts as PyTorch leaves it, uniform within ±1/√fan-in: the initialisation of the other convolutions
    /// passes this one by in every published system.
    pub fn new(state: &mut StateBuilder, spec: &DeconvSpec) -> Self {
        let block = spec.block();
        let features = spec.kernel * spec.kernel * block;
        let blocks = if spec.groups == 1 { spec.channels_in / block } else { 1 };
        let shape = [spec.channels_out, spec.channels_in / spec.groups, spec.kernel, spec.kernel];
        let (initial, no_bias) = (default_uniform(&shape), zeros(spec.channels_out));
        let (weight, bias) = if spec.weight_norm {
            let bias = state.parameter("bias", &no_bias, false);
            let length = initial.norm_scalaropt_dim(2, [1, 2, 3], true);
            let length = state.parameter("weight_g", &length, true);
            (Weight::Normed { length, direction: state.filters("weight_v", &initial, spec.groups) }, bias)
        } else {
            let weight = Weight::Plain(state.filters("weight", &initial, spec.groups));
            (weight, state.parameter("bias", &no_bias, false))
        };
        let identity = Tensor::eye(features, (Kind::Float, Device::Cpu));
        let running = if spec.groups == 1 { identity.shallow_clone() } else { identity.repeat([spec.groups, 1, 1]) };
        Self {
            spec: *spec,
            weight,
            bias,
            running_mean: state.buffer("running_mean", &zeros(features * spec.groups)),
            running_deconv: state.buffer("running_deconv", &running),
            counter: (spec.freeze_after > 0).then(|| state.counter("counter")),
            identity: state.constant(&identity.unsqueeze(0)),
            features,
            blocks,
        }
    }

    /// Counts a training step and says whether it is one that uses the running statistics.
    fn is_frozen(&self) -> bool {
        let Some(counter) = &self.counter else { return false };
        let steps = counter.int64_value(&[0]);
        let _ = counter.shallow_clone().fill_((steps + 1) % (self.spec.freeze_after * FREEZE_CYCLE));
        steps > self.spec.freeze_after
    }

    /// Mean `[groups, features, 1]` and D `[groups, features, features]` of a batch, with their gradients.
    fn measure(&self, x: &Tensor) -> (Tensor, Tensor) {
        let samples = self.samples(x);
        let mean = samples.mean_dim([2_i64].as_slice(), true, None);
        let centred = samples - &mean;
        let share = 1.0 / centred.size()[2] as f64;
        let covariance = self.identity.baddbmm(&centred, &centred.transpose(1, 2), EPSILON, share);
        (mean, self.inverse_root(&covariance))
    }

    /// The sampled patches of `x` as columns, `[groups, features, samples]`. Zero padding is part of them.
    fn samples(&self, x: &Tensor) -> Tensor {
        let DeconvSpec { kernel, groups, .. } = self.spec;
        let stride = SAMPLING_STRIDE * self.spec.stride;
        if kernel == 1 {
            // As published: every stride²-th row of all pixels of all images in a line.
            let rows =
                x.permute([0, 2, 3, 1]).reshape([-1, self.spec.channels_in]).slice(0, None, None, stride * stride);
            let rows = rows.reshape([-1, groups, self.features, self.blocks]);
            return rows.permute([1, 2, 3, 0]).reshape([groups, self.features, -1]);
        }
        let padding = (kernel - 1) / 2;
        let patches = x.im2col([kernel; 2], [1, 1], [padding; 2], [stride; 2]);
        // The block is the fastest index of a patch's (channel, y, x), as published.
        let (batch, positions) = (patches.size()[0], patches.size()[2]);
        let patches = patches.view([batch, groups, self.features, self.blocks, positions]);
        patches.permute([1, 2, 3, 0, 4]).reshape([groups, self.features, -1])
    }

    /// Coupled Newton–Schulz iteration towards the inverse square root of each matrix.
    fn inverse_root(&self, matrices: &Tensor) -> Tensor {
        let norm = matrices.norm_scalaropt_dim(2, [1, 2], true);
        let mut y = matrices / &norm;
        // The first step from Z = I, without its products by I.
        let mut step = &self.identity * 1.5 - &y * 0.5;
        let mut z = step.shallow_clone();
        for _ in 1..self.spec.iterations {
            y = y.bmm(&step);
            step = self.identity.baddbmm(&z, &y, 1.5, -0.5);
            z = step.bmm(&z);
        }
        z / norm.sqrt()
    }

    fn track(&self, mean: &Tensor, deconv: &Tensor) {
        let _guard = tch::no_grad_guard();
        for (running, new) in [(&self.running_mean, mean), (&self.running_deconv, deconv)] {
            let _ = running.shallow_clone().lerp_(&new.detach().view_as(running), MOMENTUM);
        }
    }

    /// The weight and bias that whiten and convolve at once: W D and b − W D mean.
    fn fold(&self, mean: &Tensor, deconv: &Tensor) -> (Tensor, Tensor) {
        let DeconvSpec { channels_out, groups, .. } = self.spec;
        let weight = match &self.weight {
            Weight::Plain(weight) => weight.shallow_clone(),
            Weight::Normed { length, direction } => Tensor::internal_weight_norm(direction, length, 0),
        };
        // A row for each block of each output.
        let split = [channels_out, self.features, self.blocks];
        let rows = weight.reshape(split).transpose(1, 2).reshape([groups, -1, self.features]).bmm(deconv);
        let shift =
            rows.bmm(mean).reshape([channels_out, self.blocks]).sum_dim_intlist([1_i64].as_slice(), false, None);
        let folded = rows.reshape([channels_out, self.blocks, self.features]).transpose(1, 2).reshape(weight.size());
        (folded, &self.bias - shift)
    }
}

impl Layer for FastDeconv {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let (groups, features) = (self.spec.groups, self.features);
        let (weight, bias) = in_full_precision(|| {
            let (mean, deconv) = if train && !self.is_frozen() {
                let (mean, deconv) = self.measure(&widened(x));
                self.track(&mean, &deconv);
                (mean, deconv)
            } else {
                let mean = self.running_mean.view([groups, features, 1]);
                (mean, self.running_deconv.view([groups, features, features]))
            };
            self.fold(&mean, &deconv)
        });
        let (stride, padding) = ([self.spec.stride; 2], [(self.spec.kernel - 1) / 2; 2]);
        x.conv2d(&of_kind_of(&weight, x), Some(of_kind_of(&bias, x)), stride, padding, [1, 1], groups)
    }
}

/// FastDeconv → activation.
pub(crate) struct DeconvLayer {
    deconv: FastDeconv,
    activation: Activation,
}

impl DeconvLayer {
    /// Registers `0.*`.
    pub(crate) fn new(state: &mut StateBuilder, spec: &DeconvSpec, activation: Activation) -> Self {
        Self { deconv: state.within(0, |state| FastDeconv::new(state, spec)), activation }
    }
}

impl Layer for DeconvLayer {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        self.activation.apply(self.deconv.forward(x, train))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateDict;
    use crate::testing::generator;

    fn build(spec: &DeconvSpec) -> (FastDeconv, StateDict) {
        let _guard = generator();
        let mut state = StateBuilder::new(Device::Cpu, Kind::Double);
        let layer = FastDeconv::new(&mut state, spec);
        (layer, state.finish())
    }

    fn images(channels: i64) -> Tensor {
        let _guard = generator();
        Tensor::rand([3, channels, 11, 14], (Kind::Double, Device::Cpu))
    }

    fn tensor(state: &StateDict, key: &str) -> Tensor {
        state.get(key).expect(key).tensor.detach()
    }

    #[test]
    fn blocks_are_the_greatest_common_divisor_with_64() {
        let block = |channels, groups| DeconvSpec { groups, ..DeconvSpec::new(channels, 4, 3, 1) }.block();
        assert_eq!([3, 63, 64, 96, 128, 144, 65].map(|channels| block(channels, 1)), [3, 63, 64, 32, 64, 16, 1]);
        assert_eq!((block(64, 4), block(512, 2)), (16, 256));
    }

    #[test]
    fn groups_are_deconvolutions_side_by_side() {
        for (kernel, stride) in [(3, 1), (3, 2), (1, 1), (5, 2)] {
            let grouped_spec = DeconvSpec { groups: 2, ..DeconvSpec::new(6, 4, kernel, stride) };
            let (grouped, grouped_state) = build(&grouped_spec);
            let x = images(6);
            let out = grouped.forward(&x, true);
            let evaluated = grouped.forward(&x, false);
            let mean = tensor(&grouped_state, "running_mean").view([2, -1]);
            let deconv = tensor(&grouped_state, "running_deconv");
            for group in 0..2 {
                let (single, state) = build(&DeconvSpec::new(3, 2, kernel, stride));
                {
                    let _guard = tch::no_grad_guard();
                    let weight = tensor(&grouped_state, "weight").narrow(0, 2 * group, 2);
                    state.get("weight").expect("weight").tensor.shallow_clone().copy_(&weight);
                }
                let x = x.narrow(1, 3 * group, 3);
                let same = |a: &Tensor, b: &Tensor| a.allclose(b, 1e-10, 1e-12, false);
                let what = format!("group {group}, kernel {kernel}, stride {stride}");
                assert!(same(&single.forward(&x, true), &out.narrow(1, 2 * group, 2)), "{what}");
                assert!(same(&tensor(&state, "running_mean"), &mean.get(group)), "{what}");
                assert!(same(&tensor(&state, "running_deconv"), &deconv.get(group)), "{what}");
                assert!(same(&single.forward(&x, false), &evaluated.narrow(1, 2 * group, 2)), "{what}");
            }
        }
    }

    #[test]
    fn many_iterations_whiten_fully_and_five_do_not() {
        let left_over = |iterations| {
            let (layer, _) = build(&DeconvSpec { iterations, ..DeconvSpec::new(3, 4, 3, 1) });
            // Neighbours alike, as in a picture: small eigenvalues, which take iterations.
            let x = images(3).avg_pool2d([3, 3], [1, 1], [1, 1], false, true, None);
            let (_, deconv) = layer.measure(&x);
            let samples = layer.samples(&x);
            let centred = &samples - samples.mean_dim([2_i64].as_slice(), true, None);
            let covariance =
                centred.bmm(&centred.transpose(1, 2)) / centred.size()[2] as f64 + &layer.identity * EPSILON;
            (deconv.bmm(&covariance).bmm(&deconv) - &layer.identity).norm().double_value(&[])
        };
        assert!(left_over(40) < 1e-6, "{}", left_over(40));
        assert!(left_over(ITERATIONS) > 0.1, "{}", left_over(ITERATIONS));
    }
}
