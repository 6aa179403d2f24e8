//! A net with its optimiser for steps that nobody keeps: what is tried or measured before a run.
//! Not here: what is tried (see `find_lr`, `headroom`), or a run's own state (see `state`).

use fastgarden_data::batch::Batch;
use tch::Tensor;

use super::progress::TrainError;
use super::spec::{StageSpec, TrainSpec};
use super::state::build;
use super::step::{self, How, Launched, ROWS_MIN};
use crate::batch_augment::{BatchTransforms, keys_of};
use crate::loss::Targets;
use crate::net::xresnet::XResNet;
use crate::optimizer::{Optimizer, Rates};
use crate::precision::Scaler;

/// Views and targets on the device, transformed.
pub(super) type Sent = (Vec<Tensor>, Targets);

/// Fresh from the run's seed, for the batches of its first stage.
pub(super) struct Scratch<'a> {
    spec: &'a TrainSpec,
    pub(super) stage: &'a StageSpec,
    transforms: BatchTransforms,
    net: XResNet,
    optimizer: Box<dyn Optimizer>,
    scaler: Option<Scaler>,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(spec: &'a TrainSpec) -> Result<Self, TrainError> {
        tch::set_num_threads(spec.cpu_threads);
        let (net, optimizer, scaler) = build(spec, None)?;
        let stage = &spec.stages[0];
        let transforms = stage.transforms(spec.device);
        Ok(Self { spec, stage, transforms, net, optimizer, scaler })
    }

    /// A batch as the net sees it, after which its pixels can be given back; `None` where a run would make no step of it.
    pub(super) fn send(&self, batch: &Batch) -> Option<Sent> {
        if batch.len() < ROWS_MIN {
            return None;
        }
        let (views, labels) = step::to_device(batch, self.spec.device, self.spec.channels_last);
        Some(self.transforms.apply(views, labels, &keys_of(batch)))
    }

    /// Step `number`, from 1.
    pub(super) fn step(&mut self, (views, targets): Sent, number: u64, rates: Rates) -> Launched {
        let how = How {
            rates,
            seed: step::seed_of_step(self.spec.seed, number),
            precision: self.stage.precision,
            clip_norm: self.spec.clip_norm,
            keeps_losses: false,
        };
        let (objective, scaler) = (&*self.spec.objective, self.scaler.as_mut());
        step::train(&self.net, objective, &mut *self.optimizer, scaler, (views, &targets), how)
    }
}
