//! Lookahead (Zhang et al. 2019, arXiv 1907.08610) around any optimiser, and Ranger, which is Lookahead around RAdam; both
//! as fastai does them. Evaluation uses the fast weights, which are the net's own.

use std::collections::HashMap;

use tch::Tensor;

use super::{
    Groups, Optimizer, OptimizerStateError, RAdam, RAdamOptions, Rates, Slots, check_handles, copy_handles,
    save_handles, step_tensor,
};
use crate::state::StateDict;

/// Settings of [`Lookahead`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LookaheadOptions {
    /// Fast steps from one synchronisation to the next, at least 1.
    pub steps: i64,
    /// How far the slow weights go towards the fast ones, 0 < α ≤ 1.
    pub alpha: f64,
}

impl Default for LookaheadOptions {
    fn default() -> Self {
        Self { steps: 6, alpha: 0.5 }
    }
}

/// Every k-th step: slow += α·(p − slow); p = slow. The slow weights are those before the first step.
pub struct Lookahead<O> {
    options: LookaheadOptions,
    inner: O,
    slow: Slots,
    /// Fast steps made.
    count: i64,
}

/// fastai's `ranger`.
pub type Ranger = Lookahead<RAdam>;

impl Ranger {
    /// Lookahead around RAdam.
    pub fn ranger(state: &StateDict, options: RAdamOptions, lookahead: LookaheadOptions) -> Self {
        Self::new(state, RAdam::new(state, options), lookahead)
    }
}

/// What saved names of the slow weights and of the counter begin with, unlike any of the optimiser inside.
const SECTION: &str = "lookahead_";
/// Name of the slow weights in saved state.
const SLOW: &str = "lookahead_slow";
/// Name of the counter in saved state.
const COUNT: &str = "lookahead_step";

impl<O: Optimizer> Lookahead<O> {
    /// Lookahead around `inner`, which was made for the same state.
    pub fn new(state: &StateDict, inner: O, options: LookaheadOptions) -> Self {
        // Zeros until the first step, so that weights loaded after this are what it starts from.
        Self { options, inner, slow: Slots::zeros(SLOW, state), count: 0 }
    }
}

impl<O: Optimizer> Optimizer for Lookahead<O> {
    fn step(&mut self, state: &StateDict, rates: Rates) {
        let _guard = tch::no_grad_guard();
        if self.count == 0 {
            for (entry, (_, slow)) in state.parameters().zip(&mut self.slow.slots) {
                slow.copy_(&entry.tensor);
            }
        }
        self.inner.step(state, rates);
        self.count += 1;
        if self.count % self.options.steps == 0 {
            for (entry, (_, slow)) in state.parameters().zip(&mut self.slow.slots) {
                let _ = slow.lerp_(&entry.tensor, self.options.alpha);
                entry.tensor.shallow_clone().copy_(slow);
            }
        }
    }

    fn set_groups(&mut self, groups: Groups) {
        self.inner.set_groups(groups);
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        let mut saved = self.inner.save();
        saved.extend(save_handles(self.slow.handles()));
        saved.push((COUNT.to_owned(), step_tensor(self.count)));
        saved
    }

    fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        let handles = || tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let (own, inner): (HashMap<_, _>, HashMap<_, _>) = handles().partition(|(name, _)| name.starts_with(SECTION));
        let count = step_tensor(self.count);
        let own_handles: Vec<_> = self.slow.handles().chain([(COUNT.to_owned(), count.shallow_clone())]).collect();
        check_handles(&own_handles, &own)?;
        self.inner.load(&inner)?;
        copy_handles(own_handles, &own);
        self.count = count.int64_value(&[]);
        Ok(())
    }
}
