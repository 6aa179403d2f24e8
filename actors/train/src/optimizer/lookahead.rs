//! Lookahead (Zhang et al. 2019, arXiv 1907.08610) around any optimiser, and Ranger, which is Lookahead around RAdam; both
//! as fastai does them. Evaluation uses the fast weights, which are the net's own.

use std::collections::HashMap;

use tch::Tensor;

use super::flat::Flat;
use super::masked::{Count, Factor};
use super::slots::{Fresh, Slots};
use super::{Expected, Optimizer, RAdam, RAdamOptions, Rates};
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
        Self { options, inner, slow: Slots::new(SLOW, None, Fresh::Parameters, state.kind()), count: Count::Known(0) }
    }
}

impl<O: Optimizer> Optimizer for Lookahead<O> {
    fn flat(&self) -> &Flat {
        self.inner.flat()
    }

    fn flat_mut(&mut self) -> &mut Flat {
        self.inner.flat_mut()
    }

    fn step_flat(&mut self, gradient: Tensor, rates: Rates, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let layout = self.inner.flat().layout();
        // Laid out before the step: the first time they are the weights before it.
        let mut slow = self.slow.values(layout);
        let mut fast = layout.values.shallow_clone();
        self.inner.step_flat(gradient, rates, applied);
        self.count.up(applied);
        match (&self.count, applied) {
            (Count::Known(count), _) => {
                if count % self.options.steps == 0 {
                    let _ = slow.lerp_(&fast, self.options.alpha);
                    fast.copy_(&slow);
                }
            }
            (Count::OnDevice(count), applied) => {
                let mut is_due = count.remainder(self.options.steps as f64).eq(0.0);
                if let Some(applied) = applied {
                    is_due = is_due.logical_and(applied);
                }
                Factor::applied(self.options.alpha, 0.0, Some(&is_due)).lerp(&mut slow, &fast);
                let _ = slow.where_self_out(&fast, &is_due, &fast);
            }
        }
    }

    fn save(&self) -> Vec<(String, Tensor)> {
        let mut saved = self.inner.save();
        saved.extend(self.slow.save(self.flat()));
        saved.push((COUNT.to_owned(), self.count.save()));
        saved
    }

    fn expected(&self) -> Vec<Expected> {
        let mut expected = self.inner.expected();
        expected.extend(self.slow.expected(self.flat()));
        expected.push(Expected::count(COUNT));
        expected
    }

    fn restore(&mut self, saved: &HashMap<String, Tensor>) {
        self.inner.restore(saved);
        self.count = Count::load(&saved[COUNT]);
        self.slow.reset();
        // Before the first step there were none yet.
        if self.count.read() > 0 {
            self.slow.restore(self.inner.flat(), saved);
        }
    }
}
