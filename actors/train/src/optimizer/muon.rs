//! Muon (Jordan et al. 2024) for convolution filters, with AdamW for everything else. Each group of a grouped convolution
//! is orthogonalised by itself. As torch.optim's, but the iteration runs in the parameters' own precision.

use std::collections::HashMap;

use tch::Tensor;

use super::adam::AdamRule;
use super::flat::{Flat, Layout};
use super::masked::Factor;
use super::slots::{Fresh, Slots};
use super::{AdamOptions, Expected, Optimizer, Rates, decay_apart};
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
/// Saved name of the filters' momentum.
const MOMENTUM: &str = "muon_momentum";
/// Parts of the flat tensor.
const BANKS: usize = 0;
const REST: usize = 1;

/// m ← g by 1 − μ; u = g by μ towards m; p = p·(1 − lr·wd) − lr·√max(1, rows/columns)·orthogonal(u).
pub struct Muon {
    options: MuonOptions,
    flat: Flat,
    /// How many groups each filter bank has, by key.
    groups_of: HashMap<String, i64>,
    momentum: Slots,
    aux: AdamRule,
}

impl Muon {
    /// Muon for every filter bank but the first, which sees pixels.
    pub fn new(state: &StateDict, options: MuonOptions) -> Self {
        let first = state.parameters().find(|entry| entry.filter_groups.is_some()).map(|entry| entry.key.clone());
        Self::over(state, options, |entry| entry.filter_groups.filter(|_| first.as_ref() != Some(&entry.key)))
    }

    /// Muon for the parameters that have a number of groups (a divisor of their first dimension), AdamW for the others.
    pub fn over(state: &StateDict, options: MuonOptions, groups_of: impl Fn(&Entry) -> Option<i64>) -> Self {
        let banks = state.parameters().filter_map(|entry| Some((entry.key.clone(), groups_of(entry)?)));
        Self {
            options,
            flat: Flat::new(state, 2, |entry| if groups_of(entry).is_some() { BANKS } else { REST }),
            groups_of: banks.collect(),
            momentum: Slots::new(MOMENTUM, Some(BANKS), Fresh::Zeros, state.kind()),
            aux: AdamRule::new(REST, options.aux, state.kind()),
        }
    }

    /// Replaces each filter bank of `update`, laid out like the part, by what it is moved along.
    fn make_orthogonal(&self, layout: &Layout, update: &Tensor) {
        let start = layout.parts[BANKS].start;
        for place in layout.places.iter().filter(|place| place.part == BANKS) {
            // Filters lie one after the other, whatever the order within them; that order is a permutation of the
            // matrix's columns, which the iteration carries through.
            let bank = update.narrow(0, place.start - start, place.len);
            let mut matrices = bank.view([self.groups_of[&place.key], -1, place.len / place.size[0]]);
            let (rows, columns) = (matrices.size()[1] as f64, matrices.size()[2] as f64);
            matrices.copy_(&(orthogonal(&matrices) * (rows / columns).max(1.0).sqrt()));
        }
    }
}

/// The nearest orthogonal matrix, roughly, of each matrix of `[n, rows, columns]`.
fn orthogonal(matrices: &Tensor) -> Tensor {
    let is_tall = matrices.size()[1] > matrices.size()[2];
    let x = if is_tall { matrices.transpose(1, 2) } else { matrices.shallow_clone() };
    // Contiguous, so that the products take one way through the matrix library, whatever the layout.
    let mut x = (&x / x.norm_scalaropt_dim(2, [1, 2], true).clamp_min(NORM_MIN)).contiguous();
    let (of_x, of_ax, of_aax) = COEFFICIENTS;
    for _ in 0..ROUNDS {
        let a = x.bmm(&x.transpose(1, 2));
        let polynomial = &a * of_ax + a.bmm(&a) * of_aax;
        x = &x * of_x + polynomial.bmm(&x);
    }
    if is_tall { x.transpose(1, 2) } else { x }
}

impl Optimizer for Muon {
    fn flat(&self) -> &Flat {
        &self.flat
    }

    fn flat_mut(&mut self) -> &mut Flat {
        &mut self.flat
    }

    fn step_flat(&mut self, gradient: Tensor, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let layout = self.flat.layout();
        let banks = &layout.parts[BANKS];
        if banks.len > 0 {
            let keep = rates.momentum.unwrap_or(self.options.momentum);
            let mut mean = self.momentum.values(layout);
            let mut update = banks.of(&gradient);
            Factor::applied(1.0 - keep, 0.0, applied).lerp(&mut mean, &update);
            let _ = update.lerp_(&mean, keep);
            self.make_orthogonal(layout, &update);
            decay_apart(banks, rates.lr, self.options.weight_decay, applied);
            for run in &banks.by_rate {
                let length = Factor::applied(-rates.lr * run.lr_factor, 0.0, applied).like(&update);
                let _ = run.values.shallow_clone().addcmul_(&run.of(&update), &length);
            }
        }
        if layout.parts[REST].len > 0 {
            // The schedule's momentum is meant for the filters.
            let rates = Rates::from(rates.lr * self.options.aux_lr_factor);
            self.aux.step(layout, &mut layout.parts[REST].of(&gradient), rates, applied);
        }
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        let mut saved = self.momentum.save(&self.flat);
        saved.extend(self.aux.save(&self.flat));
        saved
    }

    fn expected(&self) -> Vec<Expected> {
        let mut expected = self.momentum.expected(&self.flat);
        expected.extend(self.aux.expected(&self.flat));
        expected
    }

    fn restore(&mut self, saved: &HashMap<String, Tensor>) {
        self.momentum.restore(&self.flat, saved);
        self.aux.restore(&self.flat, saved);
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
