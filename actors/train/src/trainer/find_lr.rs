//! The learning-rate range test on a run's data: the steps of its first stage at rates that grow from step to step.
//! Not here: what the curve suggests (see `lr_range`). Writes nothing: net and optimiser end with the test.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use fastgarden_data::batch::Batch;
use fastgarden_data::outcome::Use;
use fastgarden_data::pipeline::{Batches, Pipeline, Taken};
use fastgarden_data::plan::Occasion;

use super::progress::{Command, TrainError};
use super::spec::{StageSpec, TrainSpec};
use super::state::build;
use super::step::{self, How, ROWS_MIN};
use crate::batch_augment::{BatchTransforms, keys_of};
use crate::lr_range::{Curve, RangeSpec, Tried};
use crate::net::xresnet::XResNet;
use crate::optimizer::{Optimizer, Rates};
use crate::precision::Scaler;

struct Finder<'a> {
    spec: &'a TrainSpec,
    stage: &'a StageSpec,
    range: RangeSpec,
    net: XResNet,
    optimizer: Box<dyn Optimizer>,
    scaler: Option<Scaler>,
    curve: Curve,
}

/// Why an epoch came to its end.
enum End {
    Command,
    Test,
    Batches,
}

/// Trains a fresh net of `spec` on its first stage's batches, in their order, until the test is over. `None` when a
/// command to stop came first. `told` hears of each step.
pub fn find_lr(
    spec: &TrainSpec,
    pipeline: &Pipeline,
    range: RangeSpec,
    commands: &Receiver<Command>,
    mut told: impl FnMut(&Tried),
) -> Result<Option<Curve>, TrainError> {
    tch::set_num_threads(spec.cpu_threads);
    let (net, optimizer, scaler) = build(spec, None)?;
    let mut finder = Finder { spec, stage: &spec.stages[0], range, net, optimizer, scaler, curve: Curve::default() };
    for epoch in 1.. {
        let steps_left = range.steps - finder.steps();
        let plan = Arc::new(finder.stage.plan(&Occasion { seed: spec.seed, epoch, cap: spec.cap, losses: &[] }));
        let before = finder.steps();
        let mut batches = pipeline.open(finder.stage.phase(plan, 0, Some(steps_left)))?;
        match finder.epoch(&mut batches, commands, &mut told)? {
            End::Command => return Ok(None),
            End::Test => break,
            // Batches of unreadable pictures alone make no steps, and would make none the next time.
            End::Batches if finder.steps() == before => break,
            End::Batches => {}
        }
        batches.finish()?;
    }
    Ok(Some(finder.curve))
}

impl Finder<'_> {
    fn steps(&self) -> u64 {
        self.curve.points().len() as u64
    }

    fn epoch(
        &mut self,
        batches: &mut Batches<'_>,
        commands: &Receiver<Command>,
        told: &mut impl FnMut(&Tried),
    ) -> Result<End, TrainError> {
        let transforms = self.stage.transforms(self.spec.device);
        while self.steps() < self.range.steps {
            let mut batch = match batches.next_unless(commands) {
                Taken::Command(Command::Stop) => return Ok(End::Command),
                Taken::End => return Ok(End::Batches),
                Taken::Batch(batch) => batch?,
            };
            let goes_on = batch.len() < ROWS_MIN || self.step(&transforms, &mut batch, told);
            batch.release_pixels();
            batch.settle(Use::Trained);
            if !goes_on {
                break;
            }
        }
        Ok(End::Test)
    }

    /// One step at the next rate; whether the test goes on after it.
    fn step(&mut self, transforms: &BatchTransforms, batch: &mut Batch, told: &mut impl FnMut(&Tried)) -> bool {
        let number = self.steps();
        let (views, labels) = step::to_device(batch, self.spec.device, self.spec.channels_last);
        batch.release_pixels();
        let (views, targets) = transforms.apply(views, labels, &keys_of(batch));
        let lr = self.range.lr(number);
        let how = How {
            rates: Rates::from(lr),
            seed: step::seed_of_step(self.spec.seed, number + 1),
            precision: self.stage.precision,
            clip_norm: self.spec.clip_norm,
            keeps_losses: false,
        };
        let (objective, scaler) = (&*self.spec.objective, self.scaler.as_mut());
        let launched = step::train(&self.net, objective, &mut *self.optimizer, scaler, (views, &targets), how);
        let loss = launched.loss.double_value(&[]);
        let goes_on = self.curve.push(lr, loss);
        if let Some(tried) = self.curve.points().last().filter(|_| loss.is_finite()) {
            told(tried);
        }
        goes_on
    }
}
