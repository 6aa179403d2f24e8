//! Rectified Adam (Liu et al. 2019, arXiv 1908.03265) as fastai does it: ε is added after the bias correction, decay is
//! decoupled. Not torch.optim's, which differs in both.

use std::collections::HashMap;

use tch::Tensor;

use super::flat::Flat;
use super::masked::{Count, Factor};
use super::moments::Moments;
use super::{Expected, Optimizer, Rates, decay_apart};
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
    flat: Flat,
    moments: Moments,
}

impl RAdam {
    /// An optimiser for the parameters of `state`, before its first step.
    pub fn new(state: &StateDict, options: RAdamOptions) -> Self {
        Self { options, flat: Flat::new(state, 1, |_| 0), moments: Moments::new(0, state.kind()) }
    }
}

/// Effective samples in the end.
fn samples_at_infinity(beta2: f64) -> f64 {
    2.0 / (1.0 - beta2) - 1.0
}

/// The factor of an adapted step, or `None` while steps are not adapted (with fastai's β₂ = 0.99: the first five).
fn rectification(beta2: f64, step: i64) -> Option<f64> {
    let (t, power) = (step as f64, beta2.powf(step as f64));
    let at_infinity = samples_at_infinity(beta2);
    let samples = at_infinity - 2.0 * t * power / (1.0 - power);
    (samples > TRUSTED_SAMPLES).then(|| {
        let of = |samples: f64| (samples - 4.0) * (samples - 2.0) / samples;
        (of(samples) / of(at_infinity)).sqrt()
    })
}

/// The same for a counter on the device: the factor (1 where steps are not adapted), and whether they are not.
fn rectification_on_device(beta2: f64, step: &Tensor) -> (Tensor, Tensor) {
    let step = step.clamp_min(1.0);
    let power = Tensor::pow_scalar(beta2, &step);
    let at_infinity = samples_at_infinity(beta2);
    let samples: Tensor = at_infinity - 2.0 * step * &power / (1.0 - power);
    let is_plain = samples.le(TRUSTED_SAMPLES);
    let of_infinity = (at_infinity - 4.0) * (at_infinity - 2.0) / at_infinity;
    let squared = (&samples - 4.0) * (&samples - 2.0) / samples / of_infinity;
    (squared.sqrt().masked_fill(&is_plain, 1.0), is_plain)
}

impl Optimizer for RAdam {
    fn flat(&self) -> &Flat {
        &self.flat
    }

    fn flat_mut(&mut self) -> &mut Flat {
        &mut self.flat
    }

    fn step_flat(&mut self, mut gradient: Tensor, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let layout = self.flat.layout();
        let RAdamOptions { betas: (beta1, beta2), eps, weight_decay } = self.options;
        let betas = (rates.momentum.unwrap_or(beta1), beta2);
        decay_apart(&layout.parts[0], rates.lr, weight_decay, applied);
        let corrections = self.moments.count(betas, applied);
        self.moments.update(layout, &mut gradient, betas, applied);
        let length = Factor::applied(-rates.lr, 0.0, applied).over(&corrections.mean);
        let correction = (&corrections.mean_square, eps);
        match self.moments.step() {
            Count::Known(step) => match rectification(beta2, *step) {
                Some(factor) => self.moments.walk(layout, &mut gradient, correction, &length.times(factor), None),
                None => self.moments.walk_plainly(layout, &length),
            },
            Count::OnDevice(step) => {
                let (factor, is_plain) = rectification_on_device(beta2, step);
                let length = length.over(&Factor::OnDevice(factor.reciprocal()));
                self.moments.walk(layout, &mut gradient, correction, &length, Some(&is_plain));
            }
        }
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        self.moments.save(&self.flat)
    }

    fn expected(&self) -> Vec<Expected> {
        self.moments.expected(&self.flat)
    }

    fn restore(&mut self, saved: &HashMap<String, Tensor>) {
        self.moments.restore(&self.flat, saved);
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
