//! The residual block: plain (two 3×3) and bottleneck (1×1, 3×3, 1×1), with the average-pooled shortcut of ResNet-D.

use tch::Tensor;

use super::conv_layer::{ConvLayer, ConvSpec};
use super::pool::average_pool_shortcut;
use crate::state::StateBuilder;

/// Where a block stands in its net.
pub(crate) struct BlockSpec {
    /// Channels that come in.
    pub(crate) channels_in: i64,
    /// Width inside the block; the block's output has `width * expansion` channels.
    pub(crate) width: i64,
    /// 1 = plain block, more = bottleneck.
    pub(crate) expansion: i64,
    /// 1 or 2, on the 3×3 convolution (the first one of a plain block).
    pub(crate) stride: i64,
}

/// relu(convolutions(x) + shortcut(x)).
pub(crate) struct ResidualBlock {
    convolutions: Vec<ConvLayer>,
    /// Stride of the average pool in the shortcut; 1 = no pool.
    shortcut_stride: i64,
    /// 1×1 convolution of the shortcut where the channels change.
    shortcut: Option<ConvLayer>,
}

impl ResidualBlock {
    /// Registers `<prefix>.convpath.*`, then `<prefix>.idpath.*`.
    pub(crate) fn new(state: &mut StateBuilder, prefix: &str, block: &BlockSpec) -> Self {
        let channels_out = block.width * block.expansion;
        let layer = |channels_in, channels_out, kernel, stride, last: bool| ConvSpec {
            channels_in,
            channels_out,
            kernel,
            stride,
            activation: !last,
            zero_norm: last,
        };
        let specs = match block.expansion {
            1 => vec![
                layer(block.channels_in, block.width, 3, block.stride, false),
                layer(block.width, channels_out, 3, 1, true),
            ],
            _ => vec![
                layer(block.channels_in, block.width, 1, 1, false),
                layer(block.width, block.width, 3, block.stride, false),
                layer(block.width, channels_out, 1, 1, true),
            ],
        };
        let convolutions = specs
            .iter()
            .enumerate()
            .map(|(index, spec)| ConvLayer::new(state, &format!("{prefix}.convpath.{index}"), spec))
            .collect();
        let shortcut = (block.channels_in != channels_out).then(|| {
            // In the reference's key the pool, where there is one, is module 0 of the shortcut.
            let index = i32::from(block.stride != 1);
            let spec = ConvSpec { zero_norm: false, ..layer(block.channels_in, channels_out, 1, 1, true) };
            ConvLayer::new(state, &format!("{prefix}.idpath.{index}"), &spec)
        });
        Self { convolutions, shortcut_stride: block.stride, shortcut }
    }

    pub(crate) fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let mut branch = x.shallow_clone();
        for layer in &self.convolutions {
            branch = layer.forward(&branch, train);
        }
        let mut direct = x.shallow_clone();
        if self.shortcut_stride != 1 {
            direct = average_pool_shortcut(&direct, self.shortcut_stride);
        }
        if let Some(shortcut) = &self.shortcut {
            direct = shortcut.forward(&direct, train);
        }
        // In place on the last norm's fresh output, which no backward pass reads.
        branch.g_add_(&direct).relu_()
    }
}
