//! A guess of the device memory that a recipe takes, from its steps on the CPU with a few rows.
//! Not here: what is said of it. Not for: runs, which are measured (see `device_memory`).
//!
//! Tensors have the same shapes and kinds on a CPU as on a GPU, so a GPU needs for them what the process grows by here. Two
//! batch sizes give a line: what doesn't depend on the batch, and what each row adds. A large batch needs most when the backward
//! pass begins and every saved tensor is there; so that few rows show the same moment, this measures a backward pass down to the
//! pictures alone, which makes no gradients of weights, and adds their memory as a number.
//!
//! The process must give freed memory back at once, or what it grows by means nothing: see [`ENVIRONMENT`].

use std::fs;

use fastgarden_data::geometry::Size;
use fastgarden_data::machine;
use fastgarden_data::ticket::ViewKey;
use tch::{Device, Kind, Tensor};

use crate::batch_augment::{BatchSpec, BatchTransforms};
use crate::loss::Objective;
use crate::net::Net;
use crate::net::xresnet::{XResNet, XResNetSpec};
use crate::optimizer::{Ema, Optimizer};
use crate::precision::Precision;
use crate::trainer::{OptimizerSpec, images};

/// What a process that rehearses must be started with: blocks above 64 KiB are the system's own, and go back when freed.
pub const ENVIRONMENT: [(&str, &str); 3] =
    [("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "65536"), ("MALLOC_ARENA_MAX", "1")];

/// The rows of the two steps that are measured.
pub const ROWS: [usize; 2] = [2, 4];

/// What CUDA itself takes of a device in a process that uses cuDNN, and what libtorch's blocks leave unused: an allowance,
/// not measured.
pub const CONTEXT_BYTES: u64 = 512 << 20;

/// A stage, as far as memory goes.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSpec {
    /// Size of each view.
    pub views: Vec<Size>,
    /// Records of a ticket: each has a class of its own.
    pub records_per_ticket: usize,
    /// What is done to batches on the device.
    pub batch: BatchSpec,
    /// What the net computes in. Where that is float16, bfloat16 stands in: it is as large, and a CPU has it.
    pub precision: Precision,
}

/// What is rehearsed.
pub struct RehearsalSpec<'a> {
    /// The net.
    pub net: &'a XResNetSpec,
    /// Its optimiser.
    pub optimizer: OptimizerSpec,
    /// Whether a mean of the weights is kept.
    pub has_mean: bool,
    /// The loss.
    pub objective: &'a dyn Objective,
    /// The stage.
    pub stage: StageSpec,
}

/// What a stage needs, bytes.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Needs {
    /// Whatever the batch: weights, optimiser state, gradients, what layers keep of them.
    pub fixed_bytes: u64,
    /// For each row.
    pub row_bytes: u64,
}

impl Needs {
    /// Device memory for a batch of so many rows, CUDA's own share included.
    pub fn device_bytes(&self, rows: usize) -> u64 {
        self.row_bytes.saturating_mul(rows as u64).saturating_add(self.fixed_bytes).saturating_add(CONTEXT_BYTES)
    }

    /// The most rows that fit.
    pub fn rows_within(&self, device_bytes: u64) -> u64 {
        device_bytes.saturating_sub(self.device_bytes(0)) / self.row_bytes.max(1)
    }
}

/// Why memory can't be measured.
#[derive(Debug, thiserror::Error)]
#[error("this system doesn't tell how much memory a process took: {0}")]
pub struct Unmeasurable(String);

/// A net with all that a run keeps besides, in a process of its own.
pub struct Rehearsal<'a> {
    spec: RehearsalSpec<'a>,
    net: XResNet,
    optimizer: Box<dyn Optimizer>,
    transforms: BatchTransforms,
    _mean: Option<Ema>,
    /// Of the process before the net was made.
    before_bytes: u64,
}

impl<'a> Rehearsal<'a> {
    /// Builds everything and makes one step, after which the optimiser has its state.
    pub fn new(mut spec: RehearsalSpec<'a>) -> Result<Self, Unmeasurable> {
        // Whatever the library makes once for all, before anything is measured.
        let _one =
            Tensor::ones([1, 1], (Kind::Float, Device::Cpu)).matmul(&Tensor::ones([1, 1], (Kind::Float, Device::Cpu)));
        forget_peak()?;
        let before_bytes = peak_bytes()?;
        if spec.stage.precision.is_scaled {
            spec.stage.precision = Precision::BFLOAT16;
        }
        tch::manual_seed(1);
        let net = XResNet::new(spec.net, Device::Cpu, Kind::Float);
        let mut optimizer = spec.optimizer.build(net.state());
        optimizer.flat_mut().lay_out(net.state());
        let pixels_max = spec.stage.views.iter().map(|view| view.px()).max().unwrap_or(0);
        let transforms = BatchTransforms::new(&spec.stage.batch, pixels_max, Device::Cpu);
        let mean = spec.has_mean.then(|| Ema::new(net.state(), 0.9));
        let mut rehearsal = Self { spec, net, optimizer, transforms, _mean: mean, before_bytes };
        rehearsal.step(ROWS[0]);
        Ok(rehearsal)
    }

    /// From two batch sizes to a line.
    pub fn needs(&mut self) -> Result<Needs, Unmeasurable> {
        let mut peaks = [0; 2];
        for (peak, rows) in peaks.iter_mut().zip(ROWS) {
            forget_peak()?;
            self.backward_to_pictures(rows);
            *peak = peak_bytes()?.saturating_sub(self.before_bytes);
        }
        let row_bytes = peaks[1].saturating_sub(peaks[0]) / (ROWS[1] - ROWS[0]) as u64;
        let fixed_bytes = peaks[0].saturating_sub(row_bytes * ROWS[0] as u64);
        let gradient_bytes = self.net.state().parameter_count() * size_of::<f32>() as u64;
        Ok(Needs { fixed_bytes: fixed_bytes + gradient_bytes, row_bytes })
    }

    /// Peak of a whole step with so many rows: what [`Self::needs`] guesses, without CUDA's share.
    pub fn step_bytes(&mut self, rows: usize) -> Result<u64, Unmeasurable> {
        self.step(rows);
        forget_peak()?;
        self.step(rows);
        Ok(peak_bytes()?.saturating_sub(self.before_bytes))
    }

    /// The loss of random pixels, through all that a training step does before its backward pass. Second: the pictures that
    /// the net saw.
    fn loss(&self, rows: usize, pictures_have_gradients: bool) -> (Tensor, Vec<Tensor>) {
        let stage = &self.spec.stage;
        let view = |size: &Size| {
            let shape = [rows as i64, i64::from(size.height), i64::from(size.width), 3];
            images(Tensor::randint(256, shape, (Kind::Uint8, Device::Cpu)), false)
        };
        let labels = |_| Tensor::zeros([rows as i64], (Kind::Int64, Device::Cpu));
        let key =
            |view: usize| (0..rows as u64).map(|seq| ViewKey { seed: 1, epoch: 1, seq, view: view as u8 }).collect();
        let keys: Vec<Vec<ViewKey>> = (0..stage.views.len()).map(key).collect();
        let labels = (0..stage.records_per_ticket).map(labels).collect();
        let (views, targets) = self.transforms.apply(stage.views.iter().map(view).collect(), labels, &keys);
        let views: Vec<_> = views
            .into_iter()
            .map(|view| stage.precision.of_view(view).set_requires_grad(pictures_have_gradients))
            .collect();
        (self.spec.objective.loss(&self.net.forward(&views, true), &targets), views)
    }

    fn backward_to_pictures(&self, rows: usize) {
        let (loss, views) = self.loss(rows, true);
        let _gradients = Tensor::run_backward(&[loss], &views, false, false);
    }

    fn step(&mut self, rows: usize) {
        let (loss, views) = self.loss(rows, false);
        drop(views);
        let gradient = self.optimizer.flat_mut().backward(&loss, self.net.state());
        drop(loss);
        self.optimizer.step_with(gradient, 1e-9.into(), None);
    }
}

/// Forgets the largest size that the process had up to now.
fn forget_peak() -> Result<(), Unmeasurable> {
    fs::write("/proc/self/clear_refs", "5").map_err(|error| Unmeasurable(error.to_string()))
}

/// The largest size that the process had since, less what it has of files.
fn peak_bytes() -> Result<u64, Unmeasurable> {
    let bytes = |name| machine::own_bytes(name).ok_or_else(|| Unmeasurable(format!("the system tells no {name}")));
    Ok(bytes("VmHWM")?.saturating_sub(bytes("RssFile")? + bytes("RssShmem")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_fit_are_what_is_left_by_what_each_takes() {
        let needs = Needs { fixed_bytes: 300 << 20, row_bytes: 100 << 20 };
        assert_eq!(needs.device_bytes(64), (300 + 6400 + 512) << 20);
        assert_eq!(needs.rows_within(needs.device_bytes(64)), 64);
        assert_eq!(needs.rows_within(needs.device_bytes(64) - 1), 63);
        assert_eq!(needs.rows_within(100), 0);
    }
}
