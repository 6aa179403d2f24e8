//! Running means of the gradients and of their squares: the state that all of Adam's kin keep.
//! Not here: what a step makes of them.

use std::collections::HashMap;

use tch::Tensor;

use super::{OptimizerStateError, Slots, load_handles, save_handles, scalar_like, step_tensor};
use crate::state::StateDict;

/// Name of the counter in saved state.
const STEP: &str = "step";

/// Both moments of every parameter, and how many steps made them.
pub(super) struct Moments {
    mean: Slots,
    mean_square: Slots,
    /// Steps made, one counter for all parameters.
    step: i64,
}

impl Moments {
    /// Before the first step.
    pub fn zeros(state: &StateDict) -> Self {
        Self { mean: Slots::zeros("mean", state), mean_square: Slots::zeros("mean_square", state), step: 0 }
    }

    /// Counts a step; returns what both moments are to be divided by, 1 − βᵗ.
    pub fn count(&mut self, (beta1, beta2): (f64, f64)) -> (f64, f64) {
        self.step += 1;
        let exponent = self.step as f64;
        (1.0 - beta1.powf(exponent), 1.0 - beta2.powf(exponent))
    }

    /// Steps counted.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Takes a gradient in; returns both moments of its parameter.
    pub fn update(&mut self, index: usize, gradient: &Tensor, (beta1, beta2): (f64, f64)) -> (&Tensor, &Tensor) {
        let (mean, mean_square) = (&mut self.mean.slots[index].1, &mut self.mean_square.slots[index].1);
        let _ = mean.lerp_(gradient, 1.0 - beta1);
        let square = gradient * gradient;
        let _ = mean_square.g_mul_scalar_(beta2).addcmul_(&square, &scalar_like(1.0 - beta2, gradient));
        (mean, mean_square)
    }

    /// As [`Optimizer::save`](super::Optimizer::save).
    pub fn save(&self) -> Vec<(String, Tensor)> {
        let mut saved = save_handles(self.handles());
        saved.push((STEP.to_owned(), step_tensor(self.step)));
        saved
    }

    /// As [`Optimizer::load`](super::Optimizer::load).
    pub fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        let step = step_tensor(self.step);
        load_handles(self.handles().chain([(STEP.to_owned(), step.shallow_clone())]).collect(), tensors)?;
        self.step = step.int64_value(&[]);
        Ok(())
    }

    fn handles(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.mean.handles().chain(self.mean_square.handles())
    }
}
