//! Stochastic gradient descent with momentum, as `torch.optim.SGD` does it (no dampening, coupled decay).

use tch::Tensor;

use super::{Due, Groups, Held, Optimizer, Rates, Slots, scalar_like};
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
    groups: Groups,
    velocity: Slots,
}

impl Sgd {
    /// An optimiser for the parameters of `state`, at rest.
    pub fn new(state: &StateDict, options: SgdOptions) -> Self {
        Self { options, groups: Groups::of(state), velocity: Slots::zeros("velocity", state) }
    }
}

impl Optimizer for Sgd {
    fn step_if(&mut self, state: &StateDict, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let held = Held::new(applied, state, self.velocity.handles());
        let SgdOptions { momentum, weight_decay, nesterov } = self.options;
        let momentum = rates.momentum.unwrap_or(momentum);
        for Due { index, mut parameter, mut gradient, group } in self.groups.due(state) {
            if group.decay && weight_decay != 0.0 {
                gradient = gradient.addcmul(&parameter, &scalar_like(weight_decay, &parameter));
            }
            let velocity = &self.velocity.slots[index].1;
            let momentum = scalar_like(momentum, &parameter);
            let _ = gradient.addcmul_out(velocity, velocity, &momentum);
            let minus_lr = scalar_like(-rates.lr * group.lr_factor, &parameter);
            let _ = match nesterov {
                true => parameter.addcmul_(&gradient.addcmul(velocity, &momentum), &minus_lr),
                false => parameter.addcmul_(velocity, &minus_lr),
            };
        }
        held.decide();
    }

    fn set_groups(&mut self, groups: Groups) {
        self.groups = groups;
    }

    fn handles(&self) -> Vec<(String, Tensor)> {
        self.velocity.handles().collect()
    }
}
