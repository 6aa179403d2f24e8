//! Muon (Jordan et al. 2024) for convolution filters, with AdamW for everything else. Each group of a grouped convolution
//! is orthogonalised by itself. As torch.optim's, but the iteration runs in the parameters' own precision.

use std::collections::HashMap;

use tch::Tensor;

use super::{
    Adam, AdamOptions, Due, Groups, Optimizer, OptimizerStateError, Rates, Slots, check_handles, copy_handles,
    save_handles,
};
use crate::state::{Entry, StateDict};

/// Settings of [`Muon`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MuonOptions {
    /// Share of the running mean of gradients that is kept, 0 ≤ momentum < 1; steps look ahead along it (Nesterov).
    pub momentum: f64,
    /// Each step shrinks a filter bank by `lr * weight_decay` of itself.
    pub weight_decay: f64,
    /// Settings of AdamW for the other parameters.
    pub aux: AdamOptions,
    /// Their learning rate, as a multiple of Muon's.
    pub aux_lr_factor: f64,
}

impl Default for MuonOptions {
    fn default() -> Self {
        Self { momentum: 0.95, weight_decay: 0.01, aux: AdamOptions::default(), aux_lr_factor: 0.15 }
    }
}

/// Factors of X, A X and A² X in a round of the iteration, A being X Xᵀ.
const COEFFICIENTS: (f64, f64, f64) = (3.4445, -4.7750, 2.0315);
/// Rounds of the iteration.
const ROUNDS: usize = 5;
/// A smaller norm counts as this.
const NORM_MIN: f64 = 1e-7;
/// What saved names of the filters' momentum begin with, unlike any of AdamW's.
const MOMENTUM: &str = "muon_momentum";

/// m ← g by 1 − μ; u = g by μ towards m; p = p·(1 − lr·wd) − lr·√max(1, rows/columns)·orthogonal(u).
pub struct Muon {
    options: MuonOptions,
    /// Handles to the filter banks, and how many groups each has.
    banks: StateDict,
    bank_groups: Vec<i64>,
    groups: Groups,
    momentum: Slots,
    /// Handles to the other parameters, and their optimiser.
    rest: StateDict,
    aux: Adam,
}

impl Muon {
    /// Muon for every filter bank but the first, which sees pixels.
    pub fn new(state: &StateDict, options: MuonOptions) -> Self {
        let first = state.parameters().find(|entry| entry.filter_groups.is_some()).map(|entry| entry.key.clone());
        Self::over(state, options, |entry| entry.filter_groups.filter(|_| first.as_ref() != Some(&entry.key)))
    }

    /// Muon for the parameters that have a number of groups (a divisor of their first dimension), AdamW for the others.
    pub fn over(state: &StateDict, options: MuonOptions, groups_of: impl Fn(&Entry) -> Option<i64>) -> Self {
        let banks = state.select(|entry| groups_of(entry).is_some());
        let rest = state.select(|entry| groups_of(entry).is_none());
        Self {
            options,
            bank_groups: banks.parameters().filter_map(&groups_of).collect(),
            groups: Groups::of(&banks),
            momentum: Slots::zeros(MOMENTUM, &banks),
            aux: Adam::new(&rest, options.aux),
            banks,
            rest,
        }
    }
}

/// The nearest orthogonal matrix, roughly, of each matrix of `[n, rows, columns]`.
fn orthogonal(matrices: &Tensor) -> Tensor {
    let is_tall = matrices.size()[1] > matrices.size()[2];
    let x = if is_tall { matrices.transpose(1, 2) } else { matrices.shallow_clone() };
    let mut x = &x / x.norm_scalaropt_dim(2, [1, 2], true).clamp_min(NORM_MIN);
    let (of_x, of_ax, of_aax) = COEFFICIENTS;
    for _ in 0..ROUNDS {
        let a = x.bmm(&x.transpose(1, 2));
        let polynomial = &a * of_ax + a.bmm(&a) * of_aax;
        x = &x * of_x + polynomial.bmm(&x);
    }
    if is_tall { x.transpose(1, 2) } else { x }
}

impl Optimizer for Muon {
    fn step(&mut self, state: &StateDict, rates: Rates) {
        let _guard = tch::no_grad_guard();
        let made_for = self.banks.entries().len() + self.rest.entries().len();
        assert_eq!(state.parameters().count(), made_for, "an optimiser steps the net that it was made for");
        let momentum = rates.momentum.unwrap_or(self.options.momentum);
        for Due { index, mut parameter, gradient, group } in self.groups.due(&self.banks) {
            let lr = rates.lr * group.lr_factor;
            let mean = &mut self.momentum.slots[index].1;
            let _ = mean.lerp_(&gradient, 1.0 - momentum);
            let shape = parameter.size();
            let matrices =
                gradient.lerp(mean, momentum).reshape([self.bank_groups[index], -1, shape[1..].iter().product()]);
            let (rows, columns) = (matrices.size()[1] as f64, matrices.size()[2] as f64);
            let update = orthogonal(&matrices).reshape(&shape) * (-lr * (rows / columns).max(1.0).sqrt());
            if group.decay && self.options.weight_decay != 0.0 {
                let _ = parameter.g_mul_scalar_(1.0 - lr * self.options.weight_decay);
            }
            let _ = parameter.g_add_(&update);
        }
        // The schedule's momentum is meant for the filters.
        self.aux.step(&self.rest, Rates::from(rates.lr * self.options.aux_lr_factor));
    }

    fn set_groups(&mut self, groups: Groups) {
        let (banks, rest) = groups.split(|key| self.banks.get(key).is_some());
        self.groups = banks;
        self.aux.set_groups(rest);
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        let mut saved = save_handles(self.momentum.handles());
        saved.extend(self.aux.save());
        saved
    }

    fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        let handles = || tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let (own, aux): (HashMap<_, _>, HashMap<_, _>) = handles().partition(|(name, _)| name.starts_with(MOMENTUM));
        let own_handles: Vec<_> = self.momentum.handles().collect();
        check_handles(&own_handles, &own)?;
        self.aux.load(&aux)?;
        copy_handles(own_handles, &own);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn each_group_is_made_orthogonal_by_itself() {
        let values: Vec<f64> = (0..48).map(|i| (1.7 * f64::from(i) * f64::from(i)).sin()).collect();
        let initial = Tensor::from_slice(&values).view([4, 3, 2, 2]);
        let run = |parts: &[Tensor], groups: i64| {
            let named = parts.iter().enumerate().map(|(index, part)| (index.to_string(), part.shallow_clone(), true));
            let state = StateDict::of_parameters(named, Device::Cpu, Kind::Double);
            let mut muon = Muon::over(&state, MuonOptions::default(), |_| Some(groups));
            for entry in state.entries() {
                (entry.tensor.pow_tensor_scalar(2).sum(Kind::Double)).backward();
            }
            muon.step(&state, 0.1.into());
            Tensor::cat(&state.entries().iter().map(|entry| entry.tensor.detach()).collect::<Vec<_>>(), 0)
        };
        let whole = run(&[initial.shallow_clone()], 2);
        assert!(whole.allclose(&run(&initial.chunk(2, 0), 1), 1e-12, 1e-12, false));
        assert!(!whole.allclose(&run(&[initial], 1), 1e-3, 1e-3, false));
    }
}
