//! What one run is to do, in the trainer's own terms: everything resolved, nothing left to look up.
//! Not here: recipes and command lines (the application turns those into this).

use std::path::PathBuf;
use std::sync::Arc;

use fastgarden_data::example::FeatureNames;
use fastgarden_data::index::Index;
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::plan::{Occasion, Plan};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::BoundSampler;
use fastgarden_data::ticket::Transform;
use fastgarden_proto::ledger::Opening;
use tch::Device;

use super::state::Cursor;
use crate::batch_augment::{BatchSpec, BatchTransforms, Normalize};
use crate::loss::Objective;
use crate::net::xresnet::XResNetSpec;
use crate::optimizer::{
    Adam, AdamOptions, GroupRule, Groups, LookaheadOptions, Muon, MuonOptions, Optimizer, RAdam, RAdamOptions, Ranger,
    Sgd, SgdOptions,
};
use crate::precision::Precision;
use crate::schedule::Schedule;
use crate::state::StateDict;

/// Which optimiser, with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptimizerSpec {
    /// SGD with momentum.
    Sgd(SgdOptions),
    /// Adam or AdamW.
    Adam(AdamOptions),
    /// RAdam.
    RAdam(RAdamOptions),
    /// Lookahead around RAdam.
    Ranger(RAdamOptions, LookaheadOptions),
    /// Muon for filters, AdamW for the rest.
    Muon(MuonOptions),
}

impl OptimizerSpec {
    /// A fresh optimiser for this net.
    pub fn build(&self, state: &StateDict) -> Box<dyn Optimizer> {
        match self {
            Self::Sgd(options) => Box::new(Sgd::new(state, *options)),
            Self::Adam(options) => Box::new(Adam::new(state, *options)),
            Self::RAdam(options) => Box::new(RAdam::new(state, *options)),
            Self::Ranger(options, lookahead) => Box::new(Ranger::ranger(state, *options, *lookahead)),
            Self::Muon(options) => Box::new(Muon::new(state, *options)),
        }
    }
}

/// A split as phases use it.
#[derive(Clone)]
pub struct SplitSpec {
    /// Its records.
    pub index: Arc<Index>,
    /// Names of the features in its examples.
    pub features: FeatureNames,
    /// How forgiving the JPEG decoder is.
    pub decode: DecodeMode,
    /// How pictures become rows.
    pub resample: ResamplePath,
    /// Labels must be in 0..classes.
    pub classes: i64,
}

/// One stage of the recipe.
#[derive(Clone)]
pub struct StageSpec {
    /// Epochs of this stage.
    pub epochs: u32,
    /// Where its examples come from.
    pub train: SplitSpec,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Whether an incomplete last batch is dropped.
    pub drop_last: bool,
    /// What draws its epochs.
    pub sampler: BoundSampler,
    /// One transform per view.
    pub views: Vec<Transform>,
    /// What is done to its batches on the device.
    pub batch: BatchSpec,
    /// Base learning rate.
    pub lr: f64,
    /// How it goes over the stage.
    pub schedule: Schedule,
    /// What the net computes in.
    pub precision: Precision,
    /// Whether the optimiser starts anew with this stage.
    pub reset_optimizer: bool,
}

/// How accuracy is measured.
#[derive(Clone)]
pub struct EvaluationSpec {
    /// Where its examples come from.
    pub split: SplitSpec,
    /// Which of them are judged, in order.
    pub sampler: BoundSampler,
    /// How they are cut.
    pub view: Transform,
    /// As in training.
    pub normalize: Normalize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Most records to judge; `None` = all.
    pub limit: Option<u64>,
    /// What the loss is: usually the one of training.
    pub objective: Arc<dyn Objective>,
}

/// When checkpoints are written, besides at the end of each epoch.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointSpec {
    /// Every so many steps; 0 = by time alone.
    pub every_steps: u64,
    /// Every so many seconds; 0 = by steps alone.
    pub every_seconds: u64,
    /// How many are kept.
    pub keep: usize,
}

/// How the running mean of the weights is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmaSpec {
    /// Share of the mean that a step leaves, 0 ≤ decay < 1.
    pub decay: f64,
    /// Whether evaluation judges the mean instead of the weights.
    pub evaluate: bool,
}

/// Weights that a run starts from, besides the net's own initialisation.
#[derive(Clone, Debug)]
pub struct StartSpec {
    /// A checkpoint's folder, or a safetensors file.
    pub path: PathBuf,
    /// SHA-256 of what was found there when the run was prepared: of the net's weights, or of the file.
    pub weights_sha256: String,
}

/// One run: a recipe with one seed.
#[derive(Clone)]
pub struct TrainSpec {
    /// The net.
    pub net: XResNetSpec,
    /// Where it trains.
    pub device: Device,
    /// Weight memory order: NHWC instead of NCHW.
    pub channels_last: bool,
    /// Most steps from one look at their losses to the next, at least 1. On a GPU every look waits until all its work is
    /// done; on a CPU, where it is done at once, 1 costs nothing. Changes no result.
    pub fetch_every: usize,
    /// The optimiser.
    pub optimizer: OptimizerSpec,
    /// Parameters that are stepped otherwise than usual; each rule fits some of the net's.
    pub groups: Vec<GroupRule>,
    /// A running mean of the weights, where one is kept.
    pub ema: Option<EmaSpec>,
    /// Gradients whose norm over all parameters is above this are shrunk to it.
    pub clip_norm: Option<f64>,
    /// The loss.
    pub objective: Arc<dyn Objective>,
    /// The recipe's stages.
    pub stages: Vec<StageSpec>,
    /// How accuracy is measured, where there is a validation split.
    pub evaluation: Option<EvaluationSpec>,
    /// Seed of everything random.
    pub seed: u64,
    /// Most tickets a training phase may issue.
    pub cap: Option<u64>,
    /// End after so many steps.
    pub max_steps: Option<u64>,
    /// Most seconds of the run, over all attempts: at the first batch beyond them it is saved and fails.
    pub seconds_max: Option<u64>,
    /// Most bytes that it may take of a GPU, CUDA's own share included: beyond them it is saved and fails.
    pub device_bytes_max: Option<u64>,
    /// libtorch's threads on the CPU.
    pub cpu_threads: i32,
    /// When to write checkpoints.
    pub checkpoint: CheckpointSpec,
    /// Folder of the run.
    pub folder: PathBuf,
    /// Where its first weights come from, if not from initialisation alone.
    pub start: Option<StartSpec>,
    /// First line of the ledger.
    pub opening: Opening,
}

impl TrainSpec {
    /// A fresh optimiser for this net.
    pub fn new_optimizer(&self, state: &StateDict) -> Box<dyn Optimizer> {
        let mut optimizer = self.optimizer.build(state);
        if !self.groups.is_empty() {
            let groups = Groups::by_rules(state, &self.groups);
            optimizer.set_groups(groups.expect("each rule of a checked recipe fits a parameter of its net"));
        }
        optimizer.flat_mut().lay_out(state);
        optimizer
    }
}

impl TrainSpec {
    /// The split that a stage trains on, by the number of the first stage that does.
    pub(super) fn split_of(&self, stage: usize) -> usize {
        let index = &self.stages[stage].train.index;
        let is_same =
            |of: &StageSpec| Arc::ptr_eq(&of.train.index, index) || of.train.index.fingerprint() == index.fingerprint();
        self.stages.iter().position(is_same).unwrap_or(stage)
    }

    /// The split of the epoch that a run stands at, and whether a later plan on it goes by what records' losses are.
    pub(super) fn losses_after(&self, cursor: &Cursor) -> (usize, bool) {
        let (stage, split) = (cursor.stage, self.split_of(cursor.stage));
        let is_last = cursor.epoch_of_stage + 1 >= self.stages[stage].epochs;
        let mut later = stage + usize::from(is_last)..self.stages.len();
        (split, later.any(|later| self.stages[later].sampler.needs_losses() && self.split_of(later) == split))
    }
}

impl StageSpec {
    /// The plan of an epoch.
    pub fn plan(&self, occasion: &Occasion<'_>) -> Plan {
        Plan::of(&self.sampler, occasion)
    }

    /// The transforms of its batches, with what they keep on the device.
    pub fn transforms(&self, device: Device) -> BatchTransforms {
        let pixels_max = self.views.iter().map(|view| view.size.px()).max().unwrap_or(0);
        BatchTransforms::new(&self.batch, pixels_max, device)
    }

    /// Steps of all of its epochs, the first of which is `first_epoch` over the lineage.
    pub fn steps(&self, first_epoch: u32, cap: Option<u64>) -> u64 {
        let rows = self.batch_rows as u64;
        let steps = |epoch| {
            let tickets = self.sampler.tickets(epoch).min(cap.unwrap_or(u64::MAX));
            if self.drop_last { tickets / rows } else { tickets.div_ceil(rows) }
        };
        (first_epoch..first_epoch.saturating_add(self.epochs)).map(steps).sum()
    }

    /// The training phase that walks `plan` from `first_seq` on, for at most `steps_max` steps.
    pub fn phase(&self, plan: Arc<Plan>, first_seq: u64, steps_max: Option<u64>) -> PhaseSpec {
        PhaseSpec {
            kind: PhaseKind::Train,
            index: Arc::clone(&self.train.index),
            features: self.train.features.clone(),
            plan,
            batch_rows: self.batch_rows,
            drop_last: self.drop_last,
            first_seq,
            tickets_max: steps_max.map(|steps| steps.saturating_mul(self.batch_rows as u64)),
            views: self.views.clone(),
            classes: Some(self.train.classes),
            decode: self.train.decode,
            resample: self.train.resample,
            hash_rows: true,
        }
    }
}

impl EvaluationSpec {
    /// The validation phase.
    pub fn phase(&self) -> PhaseSpec {
        let plan = Plan::new(&self.sampler, 0, 0, self.limit);
        PhaseSpec {
            kind: PhaseKind::Validate,
            index: Arc::clone(&self.split.index),
            features: self.split.features.clone(),
            plan: Arc::new(plan),
            batch_rows: self.batch_rows,
            drop_last: false,
            first_seq: 0,
            tickets_max: None,
            views: vec![self.view],
            classes: Some(self.split.classes),
            decode: self.split.decode,
            resample: self.split.resample,
            hash_rows: false,
        }
    }
}
