//! The embedding head: a place on the unit sphere for each picture, near those of pictures like it.
//! Not here: what draws places together or apart (see `loss::metric`).

use tch::Tensor;

use super::Layer;
use super::head::LinearHead;
use super::precision::widened;
use crate::state::StateBuilder;

/// Most numbers of an embedding.
pub const EMBEDDING_MAX: i64 = 8_192;

/// Shortest vector that is taken to the sphere; PyTorch's `normalize` has the same.
const LENGTH_MIN: f64 = 1e-12;

/// `[N, C, H, W]` → `[N, size]`, float32, each of length 1 (Schroff et al. 2015, FaceNet).
pub(crate) struct EmbeddingHead(LinearHead);

impl EmbeddingHead {
    /// Registers `weight` `[size, C]` (Kaiming-normal) and `bias` (0).
    pub(crate) fn new(state: &mut StateBuilder, channels: i64, size: i64) -> Self {
        Self(LinearHead::new(state, channels, size))
    }
}

impl Layer for EmbeddingHead {
    fn forward(&self, x: &Tensor, train: bool) -> Tensor {
        let vectors = widened(&self.0.forward(x, train));
        let lengths = vectors.norm_scalaropt_dim(2.0, [1], true).clamp_min(LENGTH_MIN);
        vectors / lengths
    }
}
