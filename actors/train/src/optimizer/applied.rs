//! Steps of which the device alone knows whether they are made: nothing here waits for it to say so.
//! Not here: who decides (see `precision`).

use tch::{Device, Kind, Tensor};

use crate::state::StateDict;

/// What a step may change, and how it was before, where the step may turn out not to be made.
pub(super) struct Held<'a> {
    applied: Option<&'a Tensor>,
    before: Vec<(Tensor, Tensor)>,
}

impl<'a> Held<'a> {
    /// Copies of all parameters and of `state_tensors`, if there is a decision to come; nothing otherwise.
    pub fn new(
        applied: Option<&'a Tensor>,
        state: &StateDict,
        state_tensors: impl IntoIterator<Item = (String, Tensor)>,
    ) -> Self {
        let parameters = state.parameters().map(|entry| entry.tensor.shallow_clone());
        let all = || parameters.chain(state_tensors.into_iter().map(|(_, tensor)| tensor));
        let before = applied.map(|_| all().map(|tensor| (tensor.copy(), tensor)).collect());
        Self { applied, before: before.unwrap_or_default() }
    }

    /// Puts everything back as it was, bit for bit, if the step is not to be made: by choosing, since a product with 0
    /// would keep what is not a number.
    pub fn decide(self) {
        let Some(applied) = self.applied else { return };
        for (before, mut tensor) in self.before {
            let chosen = tensor.where_self(applied, &before);
            tensor.copy_(&chosen);
        }
    }
}

/// How many steps were made. The number is kept on the host, where it costs nothing to know; from the first step that a
/// device decides about it is kept on that device, until one comes that it doesn't.
pub(super) struct Count {
    /// 0-dimensional, int64.
    steps: Tensor,
}

impl Count {
    /// None yet.
    pub fn zero() -> Self {
        Self { steps: Tensor::zeros([0_i64; 0], (Kind::Int64, Device::Cpu)) }
    }

    /// Counts a step that is made if `applied` says so, or in any case. Returns the number, a 0-dimensional float64 for
    /// arithmetic with powers, where it is kept.
    pub fn advance(&mut self, applied: Option<&Tensor>) -> Tensor {
        let device = applied.map_or(Device::Cpu, Tensor::device);
        if self.steps.device() != device {
            self.steps = self.steps.to_device(device);
        }
        let _ = match applied {
            Some(applied) => self.steps.g_add_(&applied.to_kind(Kind::Int64)),
            None => self.steps.g_add_scalar_(1),
        };
        self.steps.to_kind(Kind::Double)
    }

    /// The tensor itself, for saving and loading.
    pub fn handle(&self) -> Tensor {
        self.steps.shallow_clone()
    }
}

/// Whether something is due in this step, known here or on the device alone.
pub(super) enum Gate {
    Known(bool),
    OnDevice(Tensor),
}

impl Gate {
    /// Open in a step that is made and of which `truth`, a 0-dimensional bool made from a [`Count`], holds.
    pub fn new(truth: &Tensor, applied: Option<&Tensor>) -> Self {
        match applied {
            Some(applied) => Self::OnDevice(truth.logical_and(applied)),
            None => Self::Known(truth.int64_value(&[]) == 1),
        }
    }

    /// Sets `tensor` to what `value` gives, if the gate is open.
    pub fn set(&self, tensor: &mut Tensor, value: impl FnOnce(&Tensor) -> Tensor) {
        match self {
            Self::Known(false) => {}
            Self::Known(true) => tensor.copy_(&value(tensor)),
            Self::OnDevice(open) => tensor.copy_(&value(tensor).where_self(open, tensor)),
        }
    }
}
