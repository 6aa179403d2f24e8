//! The ordered registry of everything a net holds: parameters and buffers under PyTorch's state-dict keys.
//!
//! The layers keep handles to the same tensors, so a change made through the registry (an optimiser step, a loaded
//! checkpoint) is what the next forward pass sees. Not for optimiser state: each optimiser keeps its own.

use std::collections::HashMap;

use tch::{Device, Kind, Tensor};

/// What a tensor of a net is to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained: has a gradient, and an optimiser moves it.
    Parameter,
    /// Kept up to date by the forward pass (running statistics); saved and restored, never touched by an optimiser.
    Buffer,
}

/// One named tensor of a net.
#[derive(Debug)]
pub struct Entry {
    /// PyTorch's state-dict key, such as `4.0.convpath.0.0.weight`.
    pub key: String,
    /// A handle to the tensor that the layer uses (shared, not a copy).
    pub tensor: Tensor,
    /// Parameter or buffer.
    pub role: Role,
    /// Whether weight decay applies: false for the parameters of normalisation layers, for biases and for buffers.
    pub decay: bool,
}

impl Entry {
    /// Number of values in the tensor.
    pub fn numel(&self) -> u64 {
        self.tensor.numel() as u64
    }
}

/// All tensors of a net in the order of PyTorch's `state_dict` (without BatchNorm's `num_batches_tracked`, which
/// nothing here reads).
#[derive(Debug)]
pub struct StateDict {
    entries: Vec<Entry>,
    position: HashMap<String, usize>,
}

impl StateDict {
    /// A state of parameters only, (key, initial value, decay) each: for a single tensor to be optimised, and tests.
    pub fn of_parameters(
        parameters: impl IntoIterator<Item = (String, Tensor, bool)>,
        device: Device,
        kind: Kind,
    ) -> Self {
        let mut builder = StateBuilder::new(device, kind);
        for (key, initial, decay) in parameters {
            let _ = builder.parameter(key, &initial, decay);
        }
        builder.finish()
    }

    /// Every parameter and buffer, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.role == Role::Parameter)
    }

    /// The entry of this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.position.get(key).map(|&index| &self.entries[index])
    }

    /// Number of trained values.
    pub fn parameter_count(&self) -> u64 {
        self.parameters().map(Entry::numel).sum()
    }

    /// Number of trained values that weight decay leaves alone.
    pub fn parameter_count_without_decay(&self) -> u64 {
        self.parameters().filter(|entry| !entry.decay).map(Entry::numel).sum()
    }

    /// Number of values in buffers.
    pub fn buffer_count(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.role == Role::Buffer).map(Entry::numel).sum()
    }

    /// Copies of all tensors as they are now, on the CPU, with their strides: what a checkpoint stores.
    pub fn snapshot(&self) -> Vec<(String, Tensor)> {
        self.entries.iter().map(|entry| (entry.key.clone(), cpu_copy(&entry.tensor))).collect()
    }

    /// Lays all convolution weights out as channels-last (NHWC strides, same shapes and values). Call it before an
    /// optimiser is made, so that optimiser state takes the same layout; inputs must then be channels-last as well.
    pub fn to_channels_last(&self) {
        let _guard = tch::no_grad_guard();
        for entry in self.entries.iter().filter(|entry| entry.tensor.dim() == 4) {
            let nhwc = entry.tensor.detach().permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
            entry.tensor.shallow_clone().set_data(&nhwc);
        }
    }
}

/// A detached copy on the CPU that shares no memory with `tensor` and keeps its strides.
pub(crate) fn cpu_copy(tensor: &Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    let detached = tensor.detach();
    match detached.device() {
        Device::Cpu => detached.copy(),
        _ => detached.to_device(Device::Cpu),
    }
}

/// Collects the tensors of a net while its layers are built.
///
/// Initial values are drawn on the CPU in float32 whatever the net's device and kind, so that a seed gives the same
/// net everywhere.
pub(crate) struct StateBuilder {
    entries: Vec<Entry>,
    device: Device,
    kind: Kind,
}

impl StateBuilder {
    pub(crate) fn new(device: Device, kind: Kind) -> Self {
        Self { entries: Vec::new(), device, kind }
    }

    /// Registers a trained tensor and returns the layer's handle to it.
    pub(crate) fn parameter(&mut self, key: String, initial: &Tensor, decay: bool) -> Tensor {
        let tensor = self.place(initial).set_requires_grad(true);
        self.register(key, tensor, Role::Parameter, decay)
    }

    /// Registers a tensor that the forward pass updates and returns the layer's handle to it.
    pub(crate) fn buffer(&mut self, key: String, initial: &Tensor) -> Tensor {
        let tensor = self.place(initial);
        self.register(key, tensor, Role::Buffer, false)
    }

    pub(crate) fn finish(self) -> StateDict {
        let position = self.entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        StateDict { entries: self.entries, position }
    }

    fn place(&self, initial: &Tensor) -> Tensor {
        // A copy even where nothing changes: one initial tensor may start several entries.
        initial.detach().to_device(self.device).to_kind(self.kind).copy()
    }

    fn register(&mut self, key: String, tensor: Tensor, role: Role, decay: bool) -> Tensor {
        debug_assert!(self.entries.iter().all(|entry| entry.key != key), "state key {key} registered twice");
        self.entries.push(Entry { key, tensor: tensor.shallow_clone(), role, decay });
        tensor
    }
}
