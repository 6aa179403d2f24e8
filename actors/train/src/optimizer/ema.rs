//! A running mean of the weights (Polyak & Juditsky 1992, in its exponential form), for evaluation instead of the weights.
//! Not for training, which never sees it, and not an optimiser: Lookahead changes the weights, this only watches them.
//!
//! Running statistics of norms and deconvolutions are averaged likewise. (Averaged weights have statistics of their own,
//! for which arXiv 2411.18704 measures them anew; that takes a pass through the data.) What else a net keeps, such as the
//! vectors of spectral norm, which must stay of length 1, is as the last step left it.

use std::collections::HashMap;

use tch::Tensor;

use super::flat::Flat;
use super::masked::Factor;
use super::slots::{Fresh, Slots};
use super::{Expected, OptimizerStateError, check};
use crate::state::{Entry, Role, StateDict, cpu_copy};

/// Saved names begin with this, then the key.
const WEIGHTS: &str = "weights";
/// The same of statistics.
const STATISTICS: &str = "statistics";

/// The mean weighs the weights of `t` steps ago by decayᵗ, and the first ones by what is left.
pub struct Ema {
    decay: f64,
    weights: Slots,
    /// All running statistics, one after the other.
    statistics: Option<Tensor>,
}

/// The buffers that are averaged.
fn statistics(state: &StateDict) -> impl Iterator<Item = &Entry> {
    let is_running = |entry: &&Entry| {
        let name = entry.key.rsplit('.').next().unwrap_or_default();
        entry.role == Role::Buffer && name.starts_with("running_")
    };
    state.entries().iter().filter(is_running)
}

/// Them in one new tensor.
fn joined(state: &StateDict) -> Option<Tensor> {
    let mut pieces: Vec<Tensor> = statistics(state).map(|entry| entry.tensor.detach()).collect();
    match pieces.len() {
        0 => None,
        1 => Some(pieces.remove(0).contiguous().view(-1).copy()),
        _ => Some(Tensor::flatten_dense_tensors(&pieces)),
    }
}

/// Each buffer with its stretch of such a tensor, in its shape.
fn pieces<'a>(state: &'a StateDict, joined: Option<&'a Tensor>) -> impl Iterator<Item = (&'a Entry, Tensor)> {
    let mut start = 0;
    statistics(state).zip(joined.into_iter().cycle()).map(move |(entry, joined)| {
        let len = entry.tensor.numel() as i64;
        start += len;
        (entry, joined.narrow(0, start - len, len).view(&entry.tensor.size()[..]))
    })
}

impl Ema {
    /// Begins with what `state` is now. 0 ≤ decay < 1.
    pub fn new(state: &StateDict, decay: f64) -> Self {
        let _guard = tch::no_grad_guard();
        let mut weights = Slots::new(WEIGHTS, None, Fresh::Parameters, state.kind());
        weights.begin_with(state);
        Self { decay, weights, statistics: joined(state) }
    }

    /// Takes in what a step of the optimiser that `flat` is of has made, unless `applied` is false.
    pub fn update(&mut self, flat: &Flat, state: &StateDict, applied: Option<&Tensor>) {
        let _guard = tch::no_grad_guard();
        let layout = flat.layout();
        let share = Factor::applied(1.0 - self.decay, 0.0, applied);
        share.lerp(&mut self.weights.values(layout), &layout.values);
        if let (Some(mean), Some(now)) = (&mut self.statistics, joined(state)) {
            share.lerp(mean, &now);
        }
    }

    /// Makes the net's values the means, and keeps the net's own; once more, and all is as it was.
    pub fn exchange(&mut self, state: &StateDict) {
        let _guard = tch::no_grad_guard();
        self.weights.exchange(state);
        let was = joined(state);
        for (entry, mean) in pieces(state, self.statistics.as_ref()) {
            entry.tensor.shallow_clone().copy_(&mean);
        }
        self.statistics = was;
    }

    /// Copies on the CPU, in a fixed order under fixed names.
    pub fn save(&self, flat: &Flat, state: &StateDict) -> Vec<(String, Tensor)> {
        let mut saved = self.weights.save(flat);
        let of = |(entry, mean): (&Entry, Tensor)| (format!("{STATISTICS}/{}", entry.key), cpu_copy(&mean));
        saved.extend(pieces(state, self.statistics.as_ref()).map(of));
        saved
    }

    /// Puts back what [`Ema::save`] gave. Nothing is changed unless names, shapes and kinds all match.
    pub fn load(
        &mut self,
        flat: &Flat,
        state: &StateDict,
        saved: &HashMap<String, Tensor>,
    ) -> Result<(), OptimizerStateError> {
        check(&expected(state).map(|(_, expected)| expected).collect::<Vec<_>>(), saved)?;
        self.weights.restore(flat, saved);
        let _guard = tch::no_grad_guard();
        for (entry, mut mean) in pieces(state, self.statistics.as_ref()) {
            mean.copy_(&saved[&format!("{STATISTICS}/{}", entry.key)]);
        }
        Ok(())
    }

    /// Makes the net's values the means that [`Ema::save`] gave.
    pub fn show(state: &StateDict, saved: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        check(&expected(state).map(|(_, expected)| expected).collect::<Vec<_>>(), saved)?;
        let _guard = tch::no_grad_guard();
        for (entry, Expected { name, .. }) in expected(state) {
            entry.tensor.shallow_clone().copy_(&saved[&name]);
        }
        Ok(())
    }
}

/// What is saved of a net, by entry.
fn expected(state: &StateDict) -> impl Iterator<Item = (&Entry, Expected)> {
    let weights = state.parameters().map(|entry| (WEIGHTS, entry));
    weights.chain(statistics(state).map(|entry| (STATISTICS, entry))).map(|(of, entry)| {
        let name = format!("{of}/{}", entry.key);
        (entry, Expected { name, shape: entry.tensor.size(), kind: entry.tensor.kind() })
    })
}
