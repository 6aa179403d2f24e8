//! Which parameters decay and which learn faster or slower than the rest.
//! Not here: which parameters a layer declares as not decaying (the net's own registry says so).

use tch::Tensor;

use crate::state::{Entry, Role, StateDict};

/// How the parameters of one group are stepped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Group {
    /// Their learning rate, as a multiple of the schedule's.
    pub lr_factor: f64,
    /// Whether weight decay applies.
    pub decay: bool,
}

/// The group of each parameter by its key, in the order of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups(Vec<(String, Group)>);

/// A parameter with a gradient.
pub(super) struct Due {
    /// Position among the parameters.
    pub index: usize,
    /// A handle to it.
    pub parameter: Tensor,
    /// Its gradient.
    pub gradient: Tensor,
    /// How it is stepped.
    pub group: Group,
}

impl Groups {
    /// The usual ones: one rate for all, no decay of norms and biases.
    pub fn of(state: &StateDict) -> Self {
        Self::by(state, |entry| Group { lr_factor: 1.0, decay: entry.decay })
    }

    /// Groups as `group` says for each parameter.
    pub fn by(state: &StateDict, group: impl Fn(&Entry) -> Group) -> Self {
        Self(state.parameters().map(|entry| (entry.key.clone(), group(entry))).collect())
    }

    /// Those whose keys `is_first` picks, and the others.
    pub(super) fn split(self, is_first: impl Fn(&str) -> bool) -> (Self, Self) {
        let (first, others) = self.0.into_iter().partition(|(key, _)| is_first(key));
        (Self(first), Self(others))
    }

    /// Parameters of `state` with a gradient.
    pub(super) fn due<'a>(&'a self, state: &'a StateDict) -> impl Iterator<Item = Due> + 'a {
        let parameters = state.entries().iter().filter(|entry| entry.role == Role::Parameter);
        assert_eq!(parameters.clone().count(), self.0.len(), "an optimiser steps the net that it was made for");
        parameters.zip(&self.0).enumerate().filter_map(|(index, (entry, (_, group)))| {
            let gradient = entry.tensor.grad();
            gradient.defined().then(|| Due { index, parameter: entry.tensor.shallow_clone(), gradient, group: *group })
        })
    }
}
