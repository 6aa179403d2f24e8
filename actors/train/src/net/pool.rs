//! The three poolings of an XResNet. Stateless: not for blurred pooling, which has its own filter.

use tch::Tensor;

/// 3×3 maximum, stride 2, padding 1: after the stem.
pub(crate) fn max_pool_after_stem(x: &Tensor) -> Tensor {
    x.max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)
}

/// Mean of `stride`×`stride` patches, of what there is of them at an odd edge: the shortcut's way to shrink.
pub(crate) fn average_pool_shortcut(x: &Tensor, stride: i64) -> Tensor {
    x.avg_pool2d([stride; 2], [stride; 2], [0, 0], true, true, None)
}

/// `[N, C, H, W]` → `[N, C]`, the mean over all positions.
pub(crate) fn global_average_pool(x: &Tensor) -> Tensor {
    x.adaptive_avg_pool2d([1, 1]).flatten(1, -1)
}
