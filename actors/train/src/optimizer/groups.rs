//! Which parameters decay and which learn faster or slower than the rest.
//! Not here: which parameters a layer declares as not decaying (the net's own registry says so).

use crate::state::{Entry, StateDict};

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

impl Groups {
    /// The usual ones: one rate for all, no decay of norms and biases.
    pub fn of(state: &StateDict) -> Self {
        Self::by(state, |entry| Group { lr_factor: 1.0, decay: entry.decay })
    }

    /// Groups as `group` says for each parameter.
    pub fn by(state: &StateDict, group: impl Fn(&Entry) -> Group) -> Self {
        Self(state.parameters().map(|entry| (entry.key.clone(), group(entry))).collect())
    }

    /// The group of the parameter at this position.
    pub(super) fn at(&self, index: usize) -> Group {
        self.0[index].1
    }
}
