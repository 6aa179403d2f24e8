//! AdamW (Loshchilov & Hutter 2017), as `torch.optim.AdamW` does it: decoupled decay, no amsgrad.

use std::collections::HashMap;

use tch::Tensor;

use super::{
    Optimizer, OptimizerStateError, Slots, load_handles, save_handles, scalar_like, step_tensor, with_gradients,
};
use crate::state::StateDict;

/// Settings of [`AdamW`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWOptions {
    /// Decay rates of the running means of the gradient and of its square, each 0 ≤ β < 1.
    pub betas: (f64, f64),
    /// Added to the root of the bias-corrected second moment.
    pub eps: f64,
    /// Each step shrinks a parameter by `lr * weight_decay` of itself, where decay applies.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01 }
    }
}

/// p *= 1 − lr·wd; m ← g by 1 − β₁; v ← g² by 1 − β₂; p −= lr·m̂ / (√v̂ + ε), hats being bias-corrected.
pub struct AdamW {
    options: AdamWOptions,
    mean: Slots,
    mean_square: Slots,
    /// Steps made, one counter for all parameters.
    step: i64,
}

/// Name of the counter in saved state.
const STEP: &str = "step";

impl AdamW {
    /// An optimiser for the parameters of `state`, before its first step.
    pub fn new(state: &StateDict, options: AdamWOptions) -> Self {
        let (mean, mean_square) = (Slots::zeros("mean", state), Slots::zeros("mean_square", state));
        Self { options, mean, mean_square, step: 0 }
    }

    fn handles(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.mean.handles().chain(self.mean_square.handles())
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, state: &StateDict, lr: f64) {
        let _guard = tch::no_grad_guard();
        let AdamWOptions { betas: (beta1, beta2), eps, weight_decay } = self.options;
        self.step += 1;
        let exponent = self.step as f64;
        let (correction1, correction2) = (1.0 - beta1.powf(exponent), 1.0 - beta2.powf(exponent));
        for (index, mut parameter, gradient, decay) in with_gradients(state, self.mean.slots.len()) {
            if decay && weight_decay != 0.0 {
                let _ = parameter.g_mul_scalar_(1.0 - lr * weight_decay);
            }
            let (mean, mean_square) = (&mut self.mean.slots[index].1, &mut self.mean_square.slots[index].1);
            let _ = mean.lerp_(&gradient, 1.0 - beta1);
            let square = &gradient * &gradient;
            let _ = mean_square.g_mul_scalar_(beta2).addcmul_(&square, &scalar_like(1.0 - beta2, &parameter));
            let mut denominator = mean_square.sqrt();
            let _ = denominator.g_div_scalar_(correction2.sqrt()).g_add_scalar_(eps);
            let _ = parameter.addcdiv_(&(&*mean * (-lr / correction1)), &denominator);
        }
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        let mut saved = save_handles(self.handles());
        saved.push((STEP.to_owned(), step_tensor(self.step)));
        saved
    }

    fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        let step = step_tensor(self.step);
        load_handles(self.handles().chain([(STEP.to_owned(), step.shallow_clone())]).collect(), tensors)?;
        self.step = step.int64_value(&[]);
        Ok(())
    }
}
