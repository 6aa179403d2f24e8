//! Stochastic gradient descent with momentum, as `torch.optim.SGD` does it (no dampening, coupled decay).

use std::collections::HashMap;

use tch::Tensor;

use super::flat::Flat;
use super::masked::{Constant, Factor};
use super::slots::{Fresh, Slots};
use super::{Expected, Optimizer, Rates, decay_into};
use crate::state::StateDict;

/// Settings of [`Sgd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdOptions {
    /// Share of the last velocity that is kept, 0 ≤ momentum < 1.
    pub momentum: f64,
    /// Added to the gradient as `weight_decay * parameter`, where decay applies.
    pub weight_decay: f64,
    /// Step along gradient + momentum × velocity (Nesterov) instead of the velocity.
    pub nesterov: bool,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self { momentum: 0.9, weight_decay: 0.0, nesterov: false }
    }
}

/// g += wd·p; v = μ·v + g; p −= lr·v (Nesterov: p −= lr·(g + μ·v)).
pub struct Sgd {
    options: SgdOptions,
    flat: Flat,
    velocity: Slots,
    /// What doesn't change from step to step, on the device.
    momentum: Constant,
    weight_decay: Constant,
}

impl Sgd {
    /// An optimiser for the parameters of `state`, at rest.
    pub fn new(state: &StateDict, options: SgdOptions) -> Self {
        let velocity = Slots::new("velocity", None, Fresh::Zeros, state.kind());
        Self {
            options,
            flat: Flat::new(state, 1, |_| 0),
            velocity,
            momentum: Constant::default(),
            weight_decay: Constant::default(),
        }
    }
}

impl Optimizer for Sgd {
    fn flat(&self) -> &Flat {
        &self.flat
    }

    fn flat_mut(&mut self) -> &mut Flat {
        &mut self.flat
    }

    fn step_flat(&mut self, mut gradient: Tensor, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let layout = self.flat.layout();
        let part = &layout.parts[0];
        let SgdOptions { momentum, weight_decay, nesterov } = self.options;
        decay_into(&gradient, part, weight_decay, (applied, &mut self.weight_decay));
        let velocity = self.velocity.values(layout);
        // A step that doesn't apply leaves the velocity: v = 1·v + 0.
        let momentum = Factor::applied(rates.momentum.unwrap_or(momentum), 1.0, applied);
        let momentum = momentum.kept(&mut self.momentum, &gradient);
        let _ = gradient.addcmul_out(&velocity, &velocity, &momentum);
        if nesterov {
            let _ = gradient.addcmul_(&velocity, &momentum);
        }
        let along = if nesterov { &gradient } else { &velocity };
        for run in &part.by_rate {
            let length = Factor::applied(-rates.lr * run.lr_factor, 0.0, applied).like(along);
            let _ = run.values.shallow_clone().addcmul_(&run.of(along), &length);
        }
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        self.velocity.save(&self.flat)
    }

    fn expected(&self) -> Vec<Expected> {
        self.velocity.expected(&self.flat)
    }

    fn restore(&mut self, saved: &HashMap<String, Tensor>) {
        self.velocity.restore(&self.flat, saved);
    }
}
