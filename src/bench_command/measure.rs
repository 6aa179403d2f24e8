//! Slices of the pipeline and of the bare loop in turn, so that whatever else the machine does meets both alike.
//! Not here: what the numbers mean.

use std::time::{Duration, Instant};

use fastgarden_data::batch::Batch;
use fastgarden_data::cache::Cache;
use fastgarden_data::ceiling::{self, Looped};
use fastgarden_data::failure::PipelineError;
use fastgarden_data::machine;
use fastgarden_data::observe::{Window, nothing};
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_proto::observe::Snapshot;

/// Slices of the pipeline; with the ceiling, as many of the bare loop between them.
const SLICES: u64 = 5;
/// How long the pipeline runs before anything is measured, at least.
const WARM_UP: Duration = Duration::from_millis(500);

/// How much is measured. Batches count whole: the last one of a stretch took the time of all its images.
#[derive(Clone, Copy)]
pub enum Amount {
    /// So many images at least.
    Images(u64),
    /// About this long.
    Time(Duration),
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The pipeline ended.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A whole epoch without an image.
    #[error("none of the {tickets} records can be used; run `data verify` to see what is wrong with each")]
    NothingUsable {
        /// Tickets of the epoch.
        tickets: u64,
    },
}

/// What is measured.
pub struct Work {
    /// The epoch, used over and over.
    pub phase: PhaseSpec,
    /// How long the consumer pretends to be busy with each batch.
    pub step: Duration,
    /// How much.
    pub amount: Amount,
    /// Whether the bare loop is measured as well.
    pub with_ceiling: bool,
    /// When the program began.
    pub begun: Instant,
}

/// What was measured.
pub struct Measured {
    /// Images and seconds of all slices of the pipeline.
    pub images: u64,
    /// See `images`.
    pub seconds: f64,
    /// Images a second of each slice.
    pub rates: Vec<f64>,
    /// The bare loop after each slice.
    pub ceilings: Vec<Looped>,
    /// CPU seconds of this process during the slices of the pipeline.
    pub cpu_s: f64,
    /// From the program's begin to the first batch.
    pub first_batch: Duration,
    /// Images that filled the cache before anything was measured.
    pub images_before: u64,
    /// The pipeline's meters, over the slices alone.
    pub seen: Snapshot,
}

impl Measured {
    /// The median slice, images a second.
    pub fn rate(&self) -> f64 {
        median(&self.rates).unwrap_or(0.0)
    }

    /// The median slice of the bare loop, images a second.
    pub fn ceiling(&self) -> Option<f64> {
        median(&self.ceiling_rates())
    }

    /// Images a second of each slice of the bare loop.
    pub fn ceiling_rates(&self) -> Vec<f64> {
        self.ceilings.iter().map(|looped| looped.images as f64 / looped.seconds).collect()
    }

    /// CPU seconds per thousand images: of the pipeline, and of the bare loop. On a machine that does other things
    /// as well this says more than times do.
    pub fn cpu_s_per_1000_images(&self) -> (f64, Option<f64>) {
        let per_1000 = |seconds: f64, images: u64| 1e3 * seconds / images.max(1) as f64;
        let (images, cpu_s) =
            self.ceilings.iter().fold((0, 0.0), |sum, each| (sum.0 + each.images, sum.1 + each.cpu_s));
        (per_1000(self.cpu_s, self.images), (images > 0).then(|| per_1000(cpu_s, images)))
    }
}

/// Measures the pipeline, and the bare loop with as many threads as it has decoders.
pub fn measure(work: &Work, cache: Option<&Cache>, options: PipelineOptions) -> Result<Measured, MeasureError> {
    let decoders = options.decoders;
    let margin = ((options.prefetch_batches + 2) * work.phase.batch_rows) as u64;
    let pipeline = Pipeline::start(options)?;
    let mut feed = Feed { pipeline: &pipeline, work, margin, next_seq: 0, barren: 0, first_batch: None };
    let images_before = if cache.is_some() { feed.epoch()? } else { 0 };
    let rate = feed.warm_up()?;
    let mut measured = Measured {
        images: 0,
        seconds: 0.0,
        rates: Vec::new(),
        ceilings: Vec::new(),
        cpu_s: 0.0,
        first_batch: Duration::ZERO,
        images_before,
        seen: nothing(),
    };
    let mut left = Left::new(work.amount, rate, margin);
    while let Some(images) = left.next_slice() {
        let slice = feed.slice(images)?;
        left.took(&slice);
        measured.images += slice.images;
        measured.seconds += slice.seconds;
        measured.rates.push(slice.images as f64 / slice.seconds);
        measured.cpu_s += slice.cpu.as_secs_f64();
        Window { from: &slice.from, to: &slice.to }.add_to(&mut measured.seen);
        if work.with_ceiling {
            let time = Duration::from_secs_f64(slice.seconds.clamp(0.1, 10.0));
            measured.ceilings.push(ceiling::run(&work.phase, cache, decoders, time)?);
        }
    }
    measured.first_batch = feed.first_batch.unwrap_or_default();
    Ok(measured)
}

/// What is still to be measured.
struct Left {
    amount: Amount,
    slices: u64,
    rate: f64,
}

impl Left {
    /// `rate` is a first guess. Few slices where there is little to measure: each costs two margins beside it.
    fn new(amount: Amount, rate: f64, margin: u64) -> Self {
        let images = match amount {
            Amount::Images(images) => images,
            Amount::Time(time) => (rate * time.as_secs_f64()) as u64,
        };
        Self { amount, slices: (images / (2 * margin)).clamp(1, SLICES), rate }
    }

    /// Images of the next slice.
    fn next_slice(&self) -> Option<u64> {
        let slices = (self.slices > 0 && !matches!(self.amount, Amount::Images(0))).then_some(self.slices)?;
        Some(match self.amount {
            Amount::Images(images) => images.div_ceil(slices),
            Amount::Time(time) => ((self.rate * time.as_secs_f64()) as u64 / slices).max(1),
        })
    }

    /// What a slice has shown makes the next one fit the time.
    fn took(&mut self, slice: &Slice) {
        self.slices -= 1;
        self.rate = slice.images as f64 / slice.seconds;
        match &mut self.amount {
            Amount::Images(images) => *images = images.saturating_sub(slice.images),
            Amount::Time(time) => *time = time.saturating_sub(Duration::from_secs_f64(slice.seconds)),
        }
    }
}

/// A stretch of batches amid others.
struct Slice {
    images: u64,
    seconds: f64,
    cpu: Duration,
    from: Snapshot,
    to: Snapshot,
}

/// A moment, to measure from.
struct Mark {
    at: Instant,
    cpu: Duration,
    seen: Snapshot,
}

/// Walks the epoch over and over. Between slices the pipeline is empty and at rest.
struct Feed<'a> {
    pipeline: &'a Pipeline,
    work: &'a Work,
    /// Images that the pipeline works on at a time: so many pass before and after what is measured, so that it neither
    /// begins with full slabs nor ends in an emptying pipeline.
    margin: u64,
    next_seq: u64,
    /// Tickets since the last usable one.
    barren: u64,
    first_batch: Option<Duration>,
}

impl Feed<'_> {
    /// At least `images` (at least 1) images, in whole batches, between two margins.
    fn slice(&mut self, images: u64) -> Result<Slice, MeasureError> {
        let (mut before, mut counted) = (0, 0);
        let (mut from, mut to): (Option<Mark>, Option<Mark>) = (None, None);
        loop {
            // Quarantined rows, and the end of the epoch, leave images to be taken from the next one.
            let wanted = self.margin.saturating_sub(before) + images.saturating_sub(counted) + self.margin;
            let mut batches = self.pipeline.open(self.next(wanted))?;
            for batch in batches.by_ref() {
                let batch = batch?;
                let _step = step_span(&batch);
                let rows = self.consume(batch);
                if from.is_none() {
                    before += rows;
                    if before >= self.margin {
                        from = Some(self.mark()?);
                    }
                } else if to.is_none() {
                    counted += rows;
                    if counted >= images {
                        to = Some(self.mark()?);
                    }
                }
                if to.is_none() && !self.work.step.is_zero() {
                    std::thread::sleep(self.work.step);
                }
            }
            batches.finish()?;
            if let (Some(from), Some(to)) = (&mut from, &mut to) {
                let seconds = (to.at - from.at).as_secs_f64().max(1e-9);
                let (cpu, from, to) = (to.cpu - from.cpu, std::mem::take(&mut from.seen), std::mem::take(&mut to.seen));
                return Ok(Slice { images: counted, seconds, cpu, from, to });
            }
            let tickets = self.work.phase.plan.tickets();
            if self.barren >= tickets {
                return Err(MeasureError::NothingUsable { tickets });
            }
        }
    }

    /// As a trainer does: the pixels leave at once. Returns the usable rows.
    fn consume(&mut self, mut batch: Batch) -> u64 {
        self.first_batch.get_or_insert_with(|| self.work.begun.elapsed());
        batch.release_pixels();
        let rows = batch.len() as u64;
        self.barren = if rows > 0 { 0 } else { self.barren + batch.digests().len() as u64 };
        batch.settle(Use::Trained);
        rows
    }

    fn mark(&self) -> Result<Mark, PipelineError> {
        Ok(Mark { at: Instant::now(), cpu: machine::process_cpu(), seen: self.pipeline.observe()? })
    }

    /// The next tickets of the walk, at most `most` and at most to the epoch's end.
    fn next(&mut self, most: u64) -> PhaseSpec {
        let rows = self.work.phase.batch_rows as u64;
        let tickets = self.work.phase.plan.tickets();
        if self.next_seq >= tickets {
            self.next_seq = 0;
        }
        let first_seq = self.next_seq;
        self.next_seq = (first_seq + most.min(tickets - first_seq)).next_multiple_of(rows);
        PhaseSpec { first_seq, tickets_max: Some(most), ..self.work.phase.clone() }
    }

    /// A whole epoch, unmeasured.
    fn epoch(&mut self) -> Result<u64, PipelineError> {
        self.walk(self.work.phase.clone())
    }

    /// Ever longer stretches until the pipeline has run for a while; images a second, counted from the start.
    fn warm_up(&mut self) -> Result<f64, PipelineError> {
        let (begun, mut images, mut stretch) = (Instant::now(), 0, self.work.phase.batch_rows as u64);
        while begun.elapsed() < WARM_UP {
            let spec = self.next(stretch);
            images += self.walk(spec)?;
            stretch = (stretch * 2).min(self.work.phase.plan.tickets());
        }
        Ok(images as f64 / begun.elapsed().as_secs_f64())
    }

    fn walk(&mut self, spec: PhaseSpec) -> Result<u64, PipelineError> {
        let mut images = 0;
        let mut batches = self.pipeline.open(spec)?;
        for batch in batches.by_ref() {
            let batch = batch?;
            let _step = step_span(&batch);
            images += self.consume(batch);
            std::thread::sleep(self.work.step);
        }
        batches.finish()?;
        Ok(images)
    }
}

/// What a trace shows where a trainer makes a step.
fn step_span(batch: &Batch) -> tracing::span::EnteredSpan {
    let (phase, number) = (batch.phase_number(), batch.number());
    tracing::trace_span!(target: "fastgarden::batch", "step", phase, batch = number).entered()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn took(left: &mut Left, images: u64, seconds: f64) {
        left.took(&Slice { images, seconds, cpu: Duration::ZERO, from: nothing(), to: nothing() });
    }

    #[test]
    fn slices_hold_together_what_was_asked_for() {
        for (images, slices) in [(1, 1), (150, 1), (1_023, 1), (1_024, 2), (12_753, 5)] {
            let mut left = Left::new(Amount::Images(images), 0.0, 256);
            let mut sum = (0, 0);
            while let Some(next) = left.next_slice() {
                sum = (sum.0 + next, sum.1 + 1);
                took(&mut left, next, 1.0);
            }
            assert_eq!(sum, (images, slices));
        }
        let mut left = Left::new(Amount::Images(1_024), 0.0, 256);
        took(&mut left, 1_088, 1.0);
        assert_eq!(left.next_slice(), None, "whole batches may be more than was asked for");
    }

    #[test]
    fn a_wrong_first_guess_is_mended_by_the_first_slice() {
        let mut left = Left::new(Amount::Time(Duration::from_secs(10)), 400.0, 256);
        assert_eq!((left.slices, left.next_slice()), (5, Some(800)));
        took(&mut left, 800, 1.0);
        assert_eq!(left.next_slice(), Some(1_800), "nine seconds are left for four slices of 800 images a second");
    }

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
