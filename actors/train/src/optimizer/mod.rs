//! Optimisers of our own: libtorch's state can't be saved through tch, and a resumed run must go on bit for bit.
//!
//! Each works in place under a no-grad guard (which a panic also undoes). Not for schedules: the rate comes with each
//! step.

mod adam;
mod clip;
mod groups;
mod lookahead;
mod moments;
mod muon;
mod radam;
mod sgd;

use std::collections::HashMap;

use tch::{Kind, Tensor};
use thiserror::Error;

pub use adam::{Adam, AdamOptions};
pub use clip::clip_gradients;
use groups::Due;
pub use groups::{Group, Groups};
pub use lookahead::{Lookahead, LookaheadOptions, Ranger};
use moments::Moments;
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
    /// One step at these rates with the gradients that are there; a parameter without a gradient stays as it is.
    ///
    /// # Panics
    /// If `state` is not the one that the optimiser was made for.
    fn step(&mut self, state: &StateDict, rates: Rates);

    /// Steps in other groups than the usual [`Groups::of`]. They are settings, no part of what is saved.
    fn set_groups(&mut self, groups: Groups);

    /// Sets the gradients to zero, ready for the next backward pass.
    fn zero_grad(&self, state: &StateDict) {
        let _guard = tch::no_grad_guard();
        for entry in state.parameters() {
            entry.tensor.shallow_clone().zero_grad();
        }
    }

    /// Copies of the whole optimiser state on the CPU, in a fixed order under fixed names.
    fn save(&self) -> Vec<(String, Tensor)>;

    /// Puts back what [`Optimizer::save`] gave. Nothing is changed unless names, shapes and kinds all match.
    fn load(&mut self, tensors: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError>;
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

/// One tensor per parameter, in the order of the state and in its layout.
struct Slots {
    name: &'static str,
    slots: Vec<(String, Tensor)>,
}

impl Slots {
    /// Zeros for every parameter of `state`, saved as `<name>/<key>`.
    fn zeros(name: &'static str, state: &StateDict) -> Self {
        let _guard = tch::no_grad_guard();
        let slots = state.parameters().map(|entry| (entry.key.clone(), entry.tensor.detach().zeros_like()));
        Self { name, slots: slots.collect() }
    }

    fn handles(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.slots.iter().map(|(key, tensor)| (format!("{}/{key}", self.name), tensor.shallow_clone()))
    }
}

/// A 0-dimensional tensor of `like`'s device and kind: lets `addcmul` do multiply-and-add in one pass, where tch gives
/// the scalar forms no factor.
fn scalar_like(value: f64, like: &Tensor) -> Tensor {
    Tensor::from(value).to_kind(like.kind()).to_device(like.device())
}

fn save_handles(handles: impl Iterator<Item = (String, Tensor)>) -> Vec<(String, Tensor)> {
    handles.map(|(name, tensor)| (name, cpu_copy(&tensor))).collect()
}

/// Copies `saved` into `handles` after checking that both hold the same names, shapes and kinds.
fn load_handles(handles: Vec<(String, Tensor)>, saved: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
    check_handles(&handles, saved)?;
    copy_handles(handles, saved);
    Ok(())
}

/// Whether both hold the same names, shapes and kinds.
fn check_handles(handles: &[(String, Tensor)], saved: &HashMap<String, Tensor>) -> Result<(), OptimizerStateError> {
    let describe = |tensor: &Tensor| format!("{:?} {:?}", tensor.size(), tensor.kind());
    for (name, tensor) in handles {
        let found = saved.get(name).ok_or_else(|| OptimizerStateError::Missing(name.clone()))?;
        if found.size() != tensor.size() || found.kind() != tensor.kind() {
            let (expected, found) = (describe(tensor), describe(found));
            return Err(OptimizerStateError::Different { name: name.clone(), expected, found });
        }
    }
    if saved.len() != handles.len() {
        let extra = saved.keys().filter(|name| handles.iter().all(|(known, _)| known != *name)).min();
        return Err(OptimizerStateError::Unexpected(extra.cloned().unwrap_or_default()));
    }
    Ok(())
}

/// Copies `saved` into `handles`, which fit.
fn copy_handles(handles: Vec<(String, Tensor)>, saved: &HashMap<String, Tensor>) {
    let _guard = tch::no_grad_guard();
    for (name, mut tensor) in handles {
        tensor.copy_(&saved[&name]);
    }
}

/// The step counter as a saved tensor.
fn step_tensor(step: i64) -> Tensor {
    Tensor::from(step).to_kind(Kind::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state of two equal parameters, of which only the first decays.
    fn pair() -> StateDict {
        let ones = || Tensor::ones([2], (Kind::Double, tch::Device::Cpu));
        let parameters = [("weight".to_owned(), ones(), true), ("bias".to_owned(), ones(), false)];
        StateDict::of_parameters(parameters, tch::Device::Cpu, Kind::Double)
    }

    fn value(state: &StateDict, index: usize) -> f64 {
        state.entries()[index].tensor.double_value(&[0])
    }

    type Maker = fn(&StateDict) -> Box<dyn Optimizer>;

    #[test]
    fn decay_spares_norms_and_biases() {
        let makers: [Maker; 4] = [
            |state| Box::new(Sgd::new(state, SgdOptions { weight_decay: 0.5, ..SgdOptions::default() })),
            |state| Box::new(Adam::new(state, AdamOptions { weight_decay: 0.5, ..AdamOptions::default() })),
            |state| Box::new(RAdam::new(state, RAdamOptions { weight_decay: 0.5, ..RAdamOptions::default() })),
            |state| {
                let options = RAdamOptions { weight_decay: 0.5, ..RAdamOptions::default() };
                Box::new(Ranger::ranger(state, options, LookaheadOptions::default()))
            },
        ];
        for make in makers {
            let state = pair();
            let mut optimizer = make(&state);
            for entry in state.entries() {
                (entry.tensor.sum(Kind::Double) * 0.0).backward();
            }
            optimizer.step(&state, 0.1.into());
            assert!((value(&state, 0) - 0.95).abs() < 1e-12, "{}", value(&state, 0));
            assert_eq!(value(&state, 1), 1.0);
        }
    }

    #[test]
    fn a_group_has_a_rate_of_its_own() {
        let state = pair();
        let mut optimizer = Sgd::new(&state, SgdOptions { weight_decay: 0.5, ..SgdOptions::default() });
        let of = |key: &str| if key == "bias" { 3.0 } else { 0.5 };
        optimizer.set_groups(Groups::by(&state, |entry| Group { lr_factor: of(&entry.key), decay: false }));
        for entry in state.entries() {
            entry.tensor.sum(Kind::Double).backward();
        }
        optimizer.step(&state, 0.1.into());
        assert!((value(&state, 0) - 0.95).abs() < 1e-12 && (value(&state, 1) - 0.7).abs() < 1e-12);
    }

    #[test]
    fn lookahead_refuses_state_of_another_optimiser_and_changes_nothing() {
        let state = pair();
        let mut ranger = Ranger::ranger(&state, RAdamOptions::default(), LookaheadOptions::default());
        let before = ranger.save();
        let mut saved: HashMap<_, _> = before.iter().map(|(name, tensor)| (name.clone(), tensor + 1)).collect();
        saved.remove("lookahead_step");
        assert_eq!(ranger.load(&saved), Err(OptimizerStateError::Missing("lookahead_step".to_owned())));
        let radam = RAdam::new(&state, RAdamOptions::default());
        assert!(ranger.load(&radam.save().into_iter().collect()).is_err());
        for ((name, now), (_, then)) in ranger.save().iter().zip(&before) {
            assert!(now.equal(then), "{name}");
        }
    }

    #[test]
    fn a_parameter_without_a_gradient_stays_and_a_step_leaves_gradients_on() {
        let state = pair();
        let mut optimizer = Sgd::new(&state, SgdOptions::default());
        state.entries()[0].tensor.sum(Kind::Double).backward();
        optimizer.step(&state, 0.1.into());
        assert_eq!((value(&state, 0), value(&state, 1)), (0.9, 1.0));
        assert!((&state.entries()[0].tensor * 2.0).requires_grad());
        optimizer.zero_grad(&state);
        assert_eq!(state.entries()[0].tensor.grad().double_value(&[0]), 0.0);
    }
}
