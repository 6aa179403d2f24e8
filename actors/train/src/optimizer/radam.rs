//! Rectified Adam (Liu et al. 2019, arXiv 1908.03265) as fastai does it: ε is added after the bias correction, decay is
//! decoupled. Not torch.optim's, which differs in both.

use std::collections::HashMap;

use tch::Tensor;

use super::{Due, Groups, Moments, Optimizer, OptimizerStateError, Rates};
use crate::state::StateDict;

/// Settings of [`RAdam`]. The defaults are those of fastai's `ranger`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RAdamOptions {
    /// Decay rates of the running means of the gradient and of its square, each 0 ≤ β < 1.
    pub betas: (f64, f64),
    /// Added to the root of the bias-corrected second moment.
    pub eps: f64,
    /// Each step shrinks a parameter by `lr * weight_decay` of itself, where decay applies.
    pub weight_decay: f64,
}

impl Default for RAdamOptions {
    fn default() -> Self {
        Self { betas: (0.95, 0.99), eps: 1e-6, weight_decay: 0.01 }
    }
}

/// The variance of the step size is trusted from this many effective samples on.
const TRUSTED_SAMPLES: f64 = 5.0;

/// AdamW, of which the first steps are plain momentum and the next are shortened by how little the second moment can be
/// trusted yet.
pub struct RAdam {
    options: RAdamOptions,
    groups: Groups,
    moments: Moments,
}

impl RAdam {
    /// An optimiser for the parameters of `state`, before its first step.
    pub fn new(state: &StateDict, options: RAdamOptions) -> Self {
        Self { options, groups: Groups::of(state), moments: Moments::zeros(state) }
    }
}

/// The factor of an adapted step, or `None` while steps are not adapted (with fastai's β₂ = 0.99: the first five).
fn rectification(beta2: f64, step: i64) -> Option<f64> {
    let (t, power) = (step as f64, beta2.powf(step as f64));
    let at_infinity = 2.0 / (1.0 - beta2) - 1.0;
    let samples = at_infinity - 2.0 * t * power / (1.0 - power);
    (samples > TRUSTED_SAMPLES).then(|| {
        let of = |samples: f64| (samples - 4.0) * (samples - 2.0) / samples;
        (of(samples) / of(at_infinity)).sqrt()
    })
}

impl Optimizer for RAdam {
    fn step(&mut self, state: &StateDict, rates: Rates) {
        let _guard = tch::no_grad_guard();
        let RAdamOptions { betas: (beta1, beta2), eps, weight_decay } = self.options;
        let betas = (rates.momentum.unwrap_or(beta1), beta2);
        let (correction1, correction2) = self.moments.count(betas);
        let rectification = rectification(beta2, self.moments.step());
        for Due { index, mut parameter, gradient, group } in self.groups.due(state) {
            let lr = rates.lr * group.lr_factor;
            if group.decay && weight_decay != 0.0 {
                let _ = parameter.g_mul_scalar_(1.0 - lr * weight_decay);
            }
            let (mean, mean_square) = self.moments.update(index, &gradient, betas);
            let move_by = mean * (-lr * rectification.unwrap_or(1.0) / correction1);
            let _ = match rectification {
                Some(_) => {
                    let mut denominator = mean_square.sqrt();
                    let _ = denominator.g_div_scalar_(correction2.sqrt()).g_add_scalar_(eps);
                    parameter.addcdiv_(&move_by, &denominator)
                }
                None => parameter.g_add_(&move_by),
            };
        }
    }

    fn set_groups(&mut self, groups: Groups) {
        self.groups = groups;
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        self.moments.save()
    }

    fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        self.moments.load(tensors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_steps_are_plain_and_trust_grows_to_one() {
        assert!((1..=5).all(|step| rectification(0.99, step).is_none()));
        let known = [(6, 0.082), (10, 0.155), (50, 0.455), (100, 0.634), (199, 0.823), (398, 0.961)];
        for (step, expected) in known {
            let factor = rectification(0.99, step).expect("adapted");
            assert!((factor - expected).abs() < 5e-4, "{step}: {factor}");
        }
    }
}
