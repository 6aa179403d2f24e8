//! Adam (Kingma & Ba 2014) and AdamW (Loshchilov & Hutter 2017), as torch.optim does them: no amsgrad.

use tch::Tensor;

use super::{Due, Groups, Held, Moments, Optimizer, Rates, scalar_like};
use crate::state::StateDict;

/// Settings of [`Adam`]. The defaults are AdamW's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamOptions {
    /// Decay rates of the running means of the gradient and of its square, each 0 ≤ β < 1.
    pub betas: (f64, f64),
    /// Added to the root of the bias-corrected second moment.
    pub eps: f64,
    /// Strength of the decay, where decay applies.
    pub weight_decay: f64,
    /// Adam's decay, `weight_decay * parameter` added to the gradient, instead of AdamW's, by which each step shrinks a
    /// parameter by `lr * weight_decay` of itself.
    pub coupled_decay: bool,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.01, coupled_decay: false }
    }
}

/// p *= 1 − lr·wd (or g += wd·p); m ← g by 1 − β₁; v ← g² by 1 − β₂; p −= lr·m̂ / (√v̂ + ε), hats being bias-corrected.
pub struct Adam {
    options: AdamOptions,
    groups: Groups,
    moments: Moments,
}

impl Adam {
    /// An optimiser for the parameters of `state`, before its first step.
    pub fn new(state: &StateDict, options: AdamOptions) -> Self {
        Self { options, groups: Groups::of(state), moments: Moments::zeros(state) }
    }
}

impl Optimizer for Adam {
    fn step_if(&mut self, state: &StateDict, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let held = Held::new(applied, state, self.moments.moment_handles());
        let AdamOptions { betas: (beta1, beta2), eps, weight_decay, coupled_decay } = self.options;
        let betas = (rates.momentum.unwrap_or(beta1), beta2);
        let (_, correction1, correction2) = self.moments.count(betas, applied);
        for Due { index, mut parameter, mut gradient, group } in self.groups.due(state) {
            let lr = rates.lr * group.lr_factor;
            if group.decay && weight_decay != 0.0 {
                if coupled_decay {
                    gradient = gradient.addcmul(&parameter, &scalar_like(weight_decay, &parameter));
                } else {
                    let _ = parameter.g_mul_scalar_(1.0 - lr * weight_decay);
                }
            }
            let (mean, mean_square) = self.moments.update(index, &gradient, betas);
            let mut denominator = mean_square.sqrt();
            let _ = denominator.g_div_(&correction2.sqrt()).g_add_scalar_(eps);
            let _ = parameter.addcdiv_(&(mean * (-lr / &correction1)), &denominator);
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
