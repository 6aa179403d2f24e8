//! The ordered registry of everything a net holds: parameters and buffers under PyTorch's state-dict keys.
//!
//! The layers keep handles to the same tensors, so a change made through the registry (an optimiser step, a loaded
//! checkpoint) is what the next forward pass sees. Not for optimiser state: each optimiser keeps its own.

use std::collections::HashMap;
use std::fmt::Display;

use tch::{Device, Kind, Tensor};

/// What a tensor of a net is to training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained: has a gradient, and an optimiser moves it.
    Parameter,
    /// Kept up to date by the forward pass (running statistics, counters); saved and restored, never touched by an
    /// optimiser.
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
    /// Of a convolution's filters, `[out, in/groups, k, k]`: how many groups they fall into. `None` of everything else.
    pub filter_groups: Option<i64>,
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
            let _ = builder.parameter(&key, &initial, decay);
        }
        builder.finish()
    }

    fn of_entries(entries: Vec<Entry>) -> Self {
        let position = entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
        Self { entries, position }
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

    /// Kind of the parameters.
    pub fn kind(&self) -> Kind {
        self.parameters().next().map_or(Kind::Float, |entry| entry.tensor.kind())
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

/// Collects the tensors of a net while its layers are built. A layer names only its own tensors; the part of the key
/// before them is where [`within`](Self::within) the net it is built.
///
/// Initial values are drawn on the CPU in float32 whatever the net's device and kind, so that a seed gives the same
/// net everywhere.
pub struct StateBuilder {
    entries: Vec<Entry>,
    device: Device,
    kind: Kind,
    /// Empty, or ends in a dot.
    prefix: String,
}

impl StateBuilder {
    /// An empty state whose tensors will be of this device and kind.
    pub fn new(device: Device, kind: Kind) -> Self {
        Self { entries: Vec::new(), device, kind, prefix: String::new() }
    }

    /// Runs `build` with `name` and a dot put before every key.
    pub fn within<T>(&mut self, name: impl Display, build: impl FnOnce(&mut Self) -> T) -> T {
        let outside = self.prefix.len();
        self.prefix.push_str(&format!("{name}."));
        let built = build(self);
        self.prefix.truncate(outside);
        built
    }

    /// Registers a trained tensor and returns the layer's handle to it.
    pub fn parameter(&mut self, name: &str, initial: &Tensor, decay: bool) -> Tensor {
        let tensor = self.constant(initial).set_requires_grad(true);
        self.register(name, tensor, Role::Parameter, decay)
    }

    /// Registers the filters of a convolution, which decay.
    pub fn filters(&mut self, name: &str, initial: &Tensor, groups: i64) -> Tensor {
        let tensor = self.parameter(name, initial, true);
        self.entries.last_mut().expect("registered just now").filter_groups = Some(groups);
        tensor
    }

    /// Registers a tensor that the forward pass updates and returns the layer's handle to it.
    pub fn buffer(&mut self, name: &str, initial: &Tensor) -> Tensor {
        let tensor = self.constant(initial);
        self.register(name, tensor, Role::Buffer, false)
    }

    /// Registers a buffer of one whole number, 0 at first. It is int64 and stays on the CPU whatever the net's device,
    /// so that a layer may decide by it without waiting for a GPU.
    pub fn counter(&mut self, name: &str) -> Tensor {
        let tensor = Tensor::zeros([1], (Kind::Int64, Device::Cpu));
        self.register(name, tensor, Role::Buffer, false)
    }

    /// A copy of `value` of the net's device and kind that is no part of the state: what a layer can compute anew.
    pub fn constant(&self, value: &Tensor) -> Tensor {
        // A copy even where nothing changes: one initial tensor may start several entries.
        value.detach().to_device(self.device).to_kind(self.kind).copy()
    }

    /// The finished registry.
    pub fn finish(self) -> StateDict {
        StateDict::of_entries(self.entries)
    }

    fn register(&mut self, name: &str, tensor: Tensor, role: Role, decay: bool) -> Tensor {
        let key = format!("{}{name}", self.prefix);
        debug_assert!(self.entries.iter().all(|entry| entry.key != key), "state key {key} registered twice");
        self.entries.push(Entry { key, tensor: tensor.shallow_clone(), role, decay, filter_groups: None });
        tensor
    }
}
