//! Optimisers of our own: libtorch's state can't be saved through tch, and a resumed run must go on bit for bit.
//!
//! Each works in place under a no-grad guard (which a panic also undoes). Not for schedules: the rate comes with each
//! step.

mod adam;
mod clip;
mod ema;
mod flat;
mod groups;
mod lookahead;
mod masked;
mod moments;
mod muon;
mod radam;
mod sgd;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use tch::{Kind, Tensor};
use thiserror::Error;

pub use adam::{Adam, AdamOptions};
pub use clip::clip_gradient;
pub use ema::Ema;
pub use flat::Flat;
use flat::Part;
pub use groups::{Group, GroupRule, Groups};
pub use lookahead::{Lookahead, LookaheadOptions, Ranger};
use masked::{Constant, Factor};
pub use muon::{Muon, MuonOptions};
pub use radam::{RAdam, RAdamOptions};
pub use sgd::{Sgd, SgdOptions};

use crate::state::{StateDict, cpu_copy};

/// What a schedule says of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Learning rate.
    pub lr: f64,
    /// In place of the optimiser's own momentum (of the Adams: β₁), where a schedule moves that too.
    pub momentum: Option<f64>,
}

impl From<f64> for Rates {
    fn from(lr: f64) -> Self {
        Self { lr, momentum: None }
    }
}

/// An optimiser made for one net's state.
pub trait Optimizer: Send {
    /// The parameters in one tensor.
    fn flat(&self) -> &Flat;

    /// The same, to gather gradients with: [`Flat::backward`], [`Flat::collect`].
    fn flat_mut(&mut self) -> &mut Flat;

    /// One step at these rates with the gradients that were gathered last, which it uses up. If `applied`, a
    /// 0-dimensional truth value on their device, is false, they may be infinite or not numbers at all.
    fn step_flat(&mut self, gradient: Tensor, rates: Rates, applied: Option<&Tensor>);

    /// One step at these rates with gradients from [`Flat::backward`]. Where `applied` is false, parameters and
    /// optimiser state stay as they are; the host doesn't wait to know.
    fn step_with(&mut self, mut gradient: Tensor, rates: Rates, applied: Option<&Tensor>) {
        if let Some(applied) = applied {
            let _guard = tch::no_grad_guard();
            let _ = gradient.masked_fill_(&applied.logical_not(), 0.0);
        }
        self.step_flat(gradient, rates, applied);
    }

    /// One step at these rates with the gradients that are there; a parameter without a gradient stays as it is.
    ///
    /// # Panics
    /// If `state` is not the one that the optimiser was made for, or if it has no gradients at all.
    fn step(&mut self, state: &StateDict, rates: Rates) {
        self.step_if(state, rates, None);
    }

    /// The same, as [`step_with`](Self::step_with) with `applied`.
    fn step_if(&mut self, state: &StateDict, rates: Rates, applied: Option<&Tensor>) {
        let gradient = self.flat_mut().collect(state);
        self.step_with(gradient, rates, applied);
    }

    /// Steps in other groups than the usual [`Groups::of`]. They are settings, no part of what is saved.
    fn set_groups(&mut self, groups: Groups) {
        self.flat_mut().set_groups(groups);
    }

    /// Sets the gradients to zero, ready for the next backward pass.
    fn zero_grad(&self, state: &StateDict) {
        let _guard = tch::no_grad_guard();
        for entry in state.parameters() {
            entry.tensor.shallow_clone().zero_grad();
        }
    }

    /// Copies of the whole optimiser state on the CPU, in a fixed order under fixed names.
    fn save(&self) -> Vec<(String, Tensor)>;

    /// What [`Optimizer::save`] gives, without the values.
    fn expected(&self) -> Vec<Expected>;

    /// Puts back a state that has all that is expected.
    fn restore(&mut self, saved: &HashMap<String, Tensor>);

    /// Puts back what [`Optimizer::save`] gave. Nothing is changed unless names, shapes and kinds all match.
    fn load(&mut self, saved: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
        check(&self.expected(), saved)?;
        self.restore(saved);
        Ok(())
    }
}

/// A tensor of an optimiser's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Its kind.
    pub kind: Kind,
}

impl Expected {
    /// A counter.
    fn count(name: &str) -> Self {
        Self { name: name.to_owned(), shape: Vec::new(), kind: Kind::Int64 }
    }
}

/// Saved optimiser state that doesn't fit this optimiser.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptimizerStateError {
    /// A tensor that the optimiser needs is not there.
    #[error("the saved optimiser state lacks {0}: it is of another optimiser or net")]
    Missing(String),
    /// A tensor that the optimiser doesn't know.
    #[error("the saved optimiser state has {0}, which this optimiser doesn't use: it is of another optimiser or net")]
    Unexpected(String),
    /// A tensor of another shape or kind.
    #[error("the saved optimiser state has {name} as {found}, but this optimiser needs {expected}")]
    Different {
        /// Which tensor.
        name: String,
        /// Its shape and kind here.
        expected: String,
        /// Its shape and kind as saved.
        found: String,
    },
}

/// Copies on the CPU.
pub(crate) fn save_handles(handles: impl Iterator<Item = (String, Tensor)>) -> Vec<(String, Tensor)> {
    handles.map(|(name, tensor)| (name, cpu_copy(&tensor))).collect()
}

/// Copies `saved` into `handles` after checking that both hold the same names, shapes and kinds.
pub(crate) fn load_handles(
    handles: Vec<(String, Tensor)>,
    saved: &HashMap<String, Tensor>,
) -> Result<(), OptimizerStateError> {
    let of =
        |(name, tensor): &(String, Tensor)| Expected { name: name.clone(), shape: tensor.size(), kind: tensor.kind() };
    check(&handles.iter().map(of).collect::<Vec<_>>(), saved)?;
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in handles {
        tensor.copy_(&saved[&name]);
    }
    Ok(())
}

/// Whether `saved` holds exactly what is expected.
fn check(expected: &[Expected], saved: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
    for Expected { name, shape, kind } in expected {
        let found = saved.get(name).ok_or_else(|| OptimizerStateError::Missing(name.clone()))?;
        if found.size() != *shape || found.kind() != *kind {
            let (expected, found) = (format!("{shape:?} {kind:?}"), format!("{:?} {:?}", found.size(), found.kind()));
            return Err(OptimizerStateError::Different { name: name.clone(), expected, found });
        }
    }
    if saved.len() != expected.len() {
        let extra = saved.keys().filter(|name| expected.iter().all(|known| known.name != **name)).min();
        return Err(OptimizerStateError::Unexpected(extra.cloned().unwrap_or_default()));
    }
    Ok(())
}

/// p *= 1 − lr·wd, where decay applies.
fn decay_apart(part: &Part, lr: f64, weight_decay: f64, applied: Option<&Tensor>) {
    if weight_decay != 0.0 {
        for run in &part.decaying {
            let keep = Factor::applied(1.0 - lr * run.lr_factor * weight_decay, 1.0, applied);
            keep.multiply(&mut run.values.shallow_clone());
        }
    }
}

/// g += wd·p, where decay applies.
fn decay_into(gradient: &Tensor, part: &Part, weight_decay: f64, (applied, kept): (Option<&Tensor>, &mut Constant)) {
    if weight_decay != 0.0 {
        let weight_decay = Factor::applied(weight_decay, 0.0, applied).kept(kept, gradient);
        for run in &part.decaying {
            let _ = run.of(gradient).addcmul_(&run.values, &weight_decay);
        }
    }
}
