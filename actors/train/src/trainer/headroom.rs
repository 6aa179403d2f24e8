//! How much faster a perfect loader would be: steps on batches as they come, then as many on batches that are in memory.
//! Not here: what limits the pipeline (the data crate's verdict). Writes nothing: the net ends with the measurement.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastgarden_data::batch::Batch;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::Pipeline;
use fastgarden_data::plan::Occasion;
use tch::Tensor;

use super::progress::TrainError;
use super::scratch::{Scratch, Sent};
use super::spec::TrainSpec;
use crate::optimizer::Rates;

/// Steps that are not measured, besides those whose batches were made ahead: libraries allocate in them.
const WARM_UP_STEPS: u64 = 3;
/// How long each of both is measured, about, and the longest that is warmed up.
const TIME: Duration = Duration::from_secs(5);
/// Steps that are measured of each. With the first and one of the warm-up it takes six at least.
const STEPS: RangeInclusive<u64> = 2..=200;
/// Batches that are replayed in turn: every pipeline has slabs for so many.
const REPLAYED: u64 = 2;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headroom {
    /// Images a second on batches as the pipeline makes them.
    pub images_per_s: f64,
    /// Share of that time that the trainer waited for a batch, 0 to 1.
    pub input_wait_share: f64,
    /// Images a second on batches in memory, while the pipeline rests.
    pub replayed_images_per_s: f64,
}

impl Headroom {
    /// How many times as fast training with a perfect loader would be.
    pub fn factor(&self) -> f64 {
        self.replayed_images_per_s / self.images_per_s
    }
}

/// Measures the first stage of `spec` on a net that is thrown away; `batches_ahead` is how many batches the pipeline
/// makes before they are wanted. `None` when no batch could be used.
pub fn headroom(spec: &TrainSpec, pipeline: &Pipeline, batches_ahead: usize) -> Result<Option<Headroom>, TrainError> {
    let mut probe = Probe { spec, pipeline, scratch: Scratch::new(spec)?, steps: 0, epoch: 0, unfetched: None };
    let Some(first) = probe.fed(1)? else { return Ok(None) };
    // Where a step takes seconds, batches made ahead mean nothing: the next ones are ready in time as well.
    let steps = first.steps_in(TIME).clamp(1, WARM_UP_STEPS + batches_ahead as u64);
    let Some(warm_up) = probe.fed(steps)? else { return Ok(None) };
    let steps = warm_up.steps_in(TIME).clamp(*STEPS.start(), *STEPS.end());
    let wait_before_s = pipeline.observe()?.consumer_wait_s;
    let Some(fed) = probe.fed(steps)? else { return Ok(None) };
    let wait_s = pipeline.observe()?.consumer_wait_s - wait_before_s;
    let Some(replayed) = probe.replayed(steps)? else { return Ok(None) };
    Ok(Some(Headroom {
        images_per_s: fed.images_per_s(),
        input_wait_share: (wait_s / fed.seconds).clamp(0.0, 1.0),
        replayed_images_per_s: replayed.images_per_s(),
    }))
}

struct Probe<'a> {
    spec: &'a TrainSpec,
    pipeline: &'a Pipeline,
    scratch: Scratch<'a>,
    /// Made so far.
    steps: u64,
    epoch: u32,
    /// The loss of the last step, while a device may still work for it.
    unfetched: Option<Tensor>,
}

/// What some steps came to.
#[derive(Default)]
struct Stretch {
    steps: u64,
    images: u64,
    seconds: f64,
}

impl Stretch {
    /// How many such steps would take so long.
    fn steps_in(&self, time: Duration) -> u64 {
        (self.steps as f64 * time.as_secs_f64() / self.seconds) as u64
    }

    fn images_per_s(&self) -> f64 {
        self.images as f64 / self.seconds
    }
}

impl Probe<'_> {
    /// So many steps on batches as they come, from as many epochs as that takes.
    fn fed(&mut self, steps: u64) -> Result<Option<Stretch>, TrainError> {
        let (mut stretch, begun) = (Stretch::default(), Instant::now());
        while stretch.steps < steps {
            let mut batches = self.pipeline.open(self.next_epoch(steps - stretch.steps))?;
            let steps_before = stretch.steps;
            for batch in batches.by_ref() {
                let mut batch = batch?;
                // For the arrows of a trace: chunks go into steps here too.
                let (phase, number) = (batch.phase_number(), batch.number());
                let step = self.steps + 1;
                let _span =
                    tracing::trace_span!(target: "fastgarden::batch", "step", phase, batch = number, step).entered();
                let (rows, sent) = (batch.len(), self.scratch.send(&batch));
                batch.release_pixels();
                self.step(sent, rows, &mut stretch);
                batch.settle(Use::Trained);
            }
            batches.finish()?;
            // An epoch of unreadable pictures alone would be no better the next time.
            if stretch.steps == steps_before {
                return Ok(None);
            }
        }
        self.fetch();
        stretch.seconds = begun.elapsed().as_secs_f64();
        Ok(Some(stretch))
    }

    /// So many steps on the same few batches, which hold their slabs meanwhile.
    fn replayed(&mut self, steps: u64) -> Result<Option<Stretch>, TrainError> {
        let mut batches = self.pipeline.open(self.next_epoch(REPLAYED))?;
        let mut kept = batches.by_ref().collect::<Result<Vec<Batch>, _>>()?;
        let (mut stretch, begun) = (Stretch::default(), Instant::now());
        for batch in kept.iter().cycle().take(steps as usize) {
            self.step(self.scratch.send(batch), batch.len(), &mut stretch);
        }
        self.fetch();
        stretch.seconds = begun.elapsed().as_secs_f64();
        for batch in &mut kept {
            batch.settle(Use::Trained);
        }
        drop(kept);
        batches.finish()?;
        Ok((stretch.steps > 0).then_some(stretch))
    }

    fn next_epoch(&mut self, steps_max: u64) -> PhaseSpec {
        self.epoch += 1;
        let (spec, stage) = (self.spec, self.scratch.stage);
        let occasion = Occasion { seed: spec.seed, epoch: self.epoch, cap: spec.cap, losses: &[] };
        stage.phase(Arc::new(stage.plan(&occasion)), 0, Some(steps_max))
    }

    /// At a rate of nothing the weights stay as they are, and a step takes as long as any.
    fn step(&mut self, sent: Option<Sent>, rows: usize, stretch: &mut Stretch) {
        let Some(sent) = sent else { return };
        self.steps += 1;
        let launched = self.scratch.step(sent, self.steps, Rates::from(0.0));
        stretch.steps += 1;
        stretch.images += rows as u64;
        self.unfetched = Some(launched.loss);
        if self.steps.is_multiple_of(self.spec.fetch_every as u64) {
            self.fetch();
        }
    }

    /// Whoever reads a loss waits for every step before it.
    fn fetch(&mut self) {
        if let Some(loss) = self.unfetched.take() {
            let _loss = loss.double_value(&[]);
        }
    }
}
