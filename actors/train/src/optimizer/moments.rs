//! Running means of the gradients and of their squares: the state that all of Adam's kin keep.
//! Not here: what a step makes of them.

use tch::Tensor;

use super::{Count, Slots, scalar_like};
use crate::state::StateDict;

/// Name of the counter in saved state.
const STEP: &str = "step";

/// Both moments of every parameter, and how many steps made them.
pub(super) struct Moments {
    mean: Slots,
    mean_square: Slots,
    /// Steps made, one counter for all parameters.
    steps: Count,
}

impl Moments {
    /// Before the first step.
    pub fn zeros(state: &StateDict) -> Self {
        Self {
            mean: Slots::zeros("mean", state),
            mean_square: Slots::zeros("mean_square", state),
            steps: Count::zero(),
        }
    }

    /// Counts a step that is made if `applied` says so, or in any case. Returns its number, and what both moments are to
    /// be divided by, 1 − βᵗ; each a 0-dimensional float64.
    pub fn count(&mut self, (beta1, beta2): (f64, f64), applied: Option<&Tensor>) -> (Tensor, Tensor, Tensor) {
        let step = self.steps.advance(applied);
        let correction = |beta| 1.0 - Tensor::pow_scalar(beta, &step);
        let corrections = (correction(beta1), correction(beta2));
        (step, corrections.0, corrections.1)
    }

    /// Takes a gradient in; returns both moments of its parameter.
    pub fn update(&mut self, index: usize, gradient: &Tensor, (beta1, beta2): (f64, f64)) -> (&Tensor, &Tensor) {
        let (mean, mean_square) = (&mut self.mean.slots[index].1, &mut self.mean_square.slots[index].1);
        let _ = mean.lerp_(gradient, 1.0 - beta1);
        let square = gradient * gradient;
        let _ = mean_square.g_mul_scalar_(beta2).addcmul_(&square, &scalar_like(1.0 - beta2, gradient));
        (mean, mean_square)
    }

    /// As [`Optimizer::handles`](super::Optimizer::handles).
    pub fn handles(&self) -> Vec<(String, Tensor)> {
        self.moment_handles().chain([(STEP.to_owned(), self.steps.handle())]).collect()
    }

    /// Without the counter.
    pub fn moment_handles(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.mean.handles().chain(self.mean_square.handles())
    }
}
