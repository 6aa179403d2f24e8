//! The learning-rate range test on a run's data: the steps of its first stage at rates that grow from step to step.
//! Not here: what the curve suggests (see `lr_range`). Writes nothing: net and optimiser end with the test.

use std::sync::Arc;

use crossbeam_channel::Receiver;
use fastgarden_data::outcome::Use;
use fastgarden_data::pipeline::{Batches, Pipeline, Taken};
use fastgarden_data::plan::Occasion;

use super::progress::{Command, TrainError};
use super::scratch::{Scratch, Sent};
use super::spec::TrainSpec;
use crate::lr_range::{Curve, RangeSpec, Tried};
use crate::optimizer::Rates;

struct Finder<'a> {
    scratch: Scratch<'a>,
    range: RangeSpec,
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
    let mut finder = Finder { scratch: Scratch::new(spec)?, range, curve: Curve::default() };
    for epoch in 1.. {
        let steps_left = range.steps - finder.steps();
        let stage = finder.scratch.stage;
        let plan = Arc::new(stage.plan(&Occasion { seed: spec.seed, epoch, cap: spec.cap, losses: &[] }));
        let before = finder.steps();
        let mut batches = pipeline.open(stage.phase(plan, 0, Some(steps_left)))?;
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
        while self.steps() < self.range.steps {
            let mut batch = match batches.next_unless(commands) {
                Taken::Command(Command::Stop) => return Ok(End::Command),
                Taken::End => return Ok(End::Batches),
                Taken::Batch(batch) => batch?,
            };
            let sent = self.scratch.send(&batch);
            batch.release_pixels();
            let goes_on = sent.is_none_or(|sent| self.step(sent, told));
            batch.settle(Use::Trained);
            if !goes_on {
                break;
            }
        }
        Ok(End::Test)
    }

    /// One step at the next rate; whether the test goes on after it.
    fn step(&mut self, sent: Sent, told: &mut impl FnMut(&Tried)) -> bool {
        let number = self.steps();
        let lr = self.range.lr(number);
        let loss = self.scratch.step(sent, number + 1, Rates::from(lr)).loss.double_value(&[]);
        let goes_on = self.curve.push(lr, loss);
        if let Some(tried) = self.curve.points().last().filter(|_| loss.is_finite()) {
            told(tried);
        }
        goes_on
    }
}
