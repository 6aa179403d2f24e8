//! Adam (Kingma & Ba 2014) and AdamW (Loshchilov & Hutter 2017), as torch.optim does them: no amsgrad.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::flat::{Flat, Layout};
use super::masked::{Constant, Factor};
use super::moments::Moments;
use super::{Expected, Optimizer, Rates, decay_apart, decay_into};
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
    flat: Flat,
    rule: AdamRule,
}

/// The same for one part of a flat tensor.
pub(super) struct AdamRule {
    part: usize,
    options: AdamOptions,
    moments: Moments,
    /// On the device, where decay is coupled.
    weight_decay: Constant,
}

impl Adam {
    /// An optimiser for the parameters of `state`, before its first step.
    pub fn new(state: &StateDict, options: AdamOptions) -> Self {
        Self { flat: Flat::new(state, 1, |_| 0), rule: AdamRule::new(0, options, state.kind()) }
    }
}

impl AdamRule {
    pub fn new(part: usize, options: AdamOptions, kind: Kind) -> Self {
        Self { part, options, moments: Moments::new(part, kind), weight_decay: Constant::default() }
    }

    /// A step of the part with its gradient.
    pub fn step(&mut self, layout: &Layout, gradient: &mut Tensor, rates: Rates, applied: Option<&Tensor>) {
        let AdamOptions { betas: (beta1, beta2), eps, weight_decay, coupled_decay } = self.options;
        let betas = (rates.momentum.unwrap_or(beta1), beta2);
        let part = &layout.parts[self.part];
        if coupled_decay {
            decay_into(gradient, part, weight_decay, (applied, &mut self.weight_decay));
        } else {
            decay_apart(part, rates.lr, weight_decay, applied);
        }
        let corrections = self.moments.count(betas, applied);
        self.moments.update(layout, gradient, betas, applied);
        let length = Factor::applied(-rates.lr, 0.0, applied).over(&corrections.mean);
        self.moments.walk(layout, gradient, (&corrections.mean_square, eps), &length, None);
    }

    pub fn save(&self, flat: &Flat) -> Vec<(String, Tensor)> {
        self.moments.save(flat)
    }

    pub fn expected(&self, flat: &Flat) -> Vec<Expected> {
        self.moments.expected(flat)
    }

    pub fn restore(&mut self, flat: &Flat, saved: &HashMap<String, Tensor>) {
        self.moments.restore(flat, saved);
    }
}

impl Optimizer for Adam {
    fn flat(&self) -> &Flat {
        &self.flat
    }

    fn flat_mut(&mut self) -> &mut Flat {
        &mut self.flat
    }

    fn step_flat(&mut self, mut gradient: Tensor, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        self.rule.step(self.flat.layout(), &mut gradient, rates, applied);
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        self.rule.save(&self.flat)
    }

    fn expected(&self) -> Vec<Expected> {
        self.rule.expected(&self.flat)
    }

    fn restore(&mut self, saved: &HashMap<String, Tensor>) {
        self.rule.restore(&self.flat, saved);
    }
}
