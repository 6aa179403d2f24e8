//! Rectified Adam (Liu et al. 2019, arXiv 1908.03265) as fastai does it: ε is added after the bias correction, decay is
//! decoupled. Not torch.optim's, which differs in both.

use tch::Tensor;

use super::{Due, Groups, Held, Moments, Optimizer, Rates};
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

/// Of step t, a 0-dimensional float64: whether its size is adapted (with fastai's β₂ = 0.99 from the sixth on), a bool,
/// and the factor of an adapted step, otherwise 1.
fn rectification(beta2: f64, t: &Tensor) -> (Tensor, Tensor) {
    let power = Tensor::pow_scalar(beta2, t);
    let at_infinity = 2.0 / (1.0 - beta2) - 1.0;
    let samples: Tensor = at_infinity - t * 2.0 * &power / (1.0 - &power);
    let is_adapted = samples.gt(TRUSTED_SAMPLES);
    let of_infinity = (at_infinity - 4.0) * (at_infinity - 2.0) / at_infinity;
    let factor = ((&samples - 4.0) * (&samples - 2.0) / &samples / of_infinity).sqrt();
    (is_adapted.shallow_clone(), factor.where_self(&is_adapted, &factor.ones_like()))
}

impl Optimizer for RAdam {
    fn step_if(&mut self, state: &StateDict, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let held = Held::new(applied, state, self.moments.moment_handles());
        let RAdamOptions { betas: (beta1, beta2), eps, weight_decay } = self.options;
        let betas = (rates.momentum.unwrap_or(beta1), beta2);
        let (step, correction1, correction2) = self.moments.count(betas, applied);
        let (is_adapted, rectification) = rectification(beta2, &step);
        let known_as_adapted = applied.is_none().then(|| is_adapted.int64_value(&[]) == 1);
        let correction2 = correction2.sqrt();
        for Due { index, mut parameter, gradient, group } in self.groups.due(state) {
            let lr = rates.lr * group.lr_factor;
            if group.decay && weight_decay != 0.0 {
                let _ = parameter.g_mul_scalar_(1.0 - lr * weight_decay);
            }
            let (mean, mean_square) = self.moments.update(index, &gradient, betas);
            let move_by = mean * (-lr * &rectification / &correction1);
            if known_as_adapted == Some(false) {
                let _ = parameter.g_add_(&move_by);
                continue;
            }
            let mut denominator = mean_square.sqrt();
            let _ = denominator.g_div_(&correction2).g_add_scalar_(eps);
            if known_as_adapted.is_none() {
                denominator = denominator.where_self(&is_adapted, &denominator.ones_like());
            }
            let _ = parameter.addcdiv_(&move_by, &denominator);
        }
        held.decide();
    }

    fn set_groups(&mut self, groups: Groups) {
        self.groups = groups;
    }

    fn handles(&self) -> Vec<(String, Tensor)> {
        self.moments.handles()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_step(t: f64) -> (bool, f64) {
        let (is_adapted, factor) = rectification(0.99, &Tensor::from(t));
        (is_adapted.int64_value(&[]) == 1, factor.double_value(&[]))
    }

    #[test]
    fn five_steps_are_plain_and_trust_grows_to_one() {
        assert!((1..=5).all(|step| of_step(f64::from(step)) == (false, 1.0)));
        let known = [(6.0, 0.082), (10.0, 0.155), (50.0, 0.455), (100.0, 0.634), (199.0, 0.823), (398.0, 0.961)];
        for (step, expected) in known {
            let (is_adapted, factor) = of_step(step);
            assert!(is_adapted && (factor - expected).abs() < 5e-4, "{step}: {factor}");
        }
    }
}
