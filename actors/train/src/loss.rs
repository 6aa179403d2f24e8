//! Losses. Not for metrics, which need no gradient.

use tch::{Reduction, Tensor};

/// PyTorch's marker for a label to skip; no label of ours has it.
const IGNORE_INDEX: i64 = -100;

/// Mean cross-entropy over the batch, a 0-dimensional tensor.
///
/// `logits` `[N, C]`, `labels` `[N]` int64 in 0..C on the same device. With smoothing e the target of each example is
/// (1 − e) of its class plus e/C of every class (Szegedy et al. 2015; PyTorch's `cross_entropy`).
pub fn cross_entropy(logits: &Tensor, labels: &Tensor, label_smoothing: f64) -> Tensor {
    logits.cross_entropy_loss(labels, None::<&Tensor>, Reduction::Mean, IGNORE_INDEX, label_smoothing)
}
