//! Lookahead (Zhang et al. 2019, arXiv 1907.08610) around any optimiser, and Ranger, which is Lookahead around RAdam; both
//! as fastai does them. Evaluation uses the fast weights, which are the net's own.

use tch::Tensor;

use super::applied::{Count, Gate};
use super::{Groups, Optimizer, RAdam, RAdamOptions, Rates, Slots};
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
    count: Count,
}

/// fastai's `ranger`.
pub type Ranger = Lookahead<RAdam>;

impl Ranger {
    /// Lookahead around RAdam.
    pub fn ranger(state: &StateDict, options: RAdamOptions, lookahead: LookaheadOptions) -> Self {
        Self::new(state, RAdam::new(state, options), lookahead)
    }
}

/// Name of the slow weights in saved state.
const SLOW: &str = "lookahead_slow";
/// Name of the counter in saved state.
const COUNT: &str = "lookahead_step";

impl<O: Optimizer> Lookahead<O> {
    /// Lookahead around `inner`, which was made for the same state.
    pub fn new(state: &StateDict, inner: O, options: LookaheadOptions) -> Self {
        // Zeros until the first step, so that weights loaded after this are what it starts from.
        Self { options, inner, slow: Slots::zeros(SLOW, state), count: Count::zero() }
    }
}

impl<O: Optimizer> Optimizer for Lookahead<O> {
    fn step_if(&mut self, state: &StateDict, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let count = self.count.advance(applied);
        let is_first = Gate::new(&count.eq(1.0), applied);
        for (entry, (_, slow)) in state.parameters().zip(&mut self.slow.slots) {
            is_first.set(slow, |_| entry.tensor.shallow_clone());
        }
        self.inner.step_if(state, rates, applied);
        let is_due = Gate::new(&count.remainder(self.options.steps).eq(0.0), applied);
        for (entry, (_, slow)) in state.parameters().zip(&mut self.slow.slots) {
            is_due.set(slow, |slow| slow.lerp(&entry.tensor, self.options.alpha));
            is_due.set(&mut entry.tensor.shallow_clone(), |_| slow.shallow_clone());
        }
    }

    fn set_groups(&mut self, groups: Groups) {
        self.inner.set_groups(groups);
    }

    fn handles(&self) -> Vec<(String, Tensor)> {
        let own = self.slow.handles().chain([(COUNT.to_owned(), self.count.handle())]);
        self.inner.handles().into_iter().chain(own).collect()
    }
}
