//! Slices of the pipeline and of the bare loop in turn, so that whatever else the machine does meets both alike.
//! Not here: what the numbers mean.

use std::time::{Duration, Instant};

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
/// Batches below which a slice would say little.
const SLICE_BATCHES_MIN: u64 = 4;

/// How much is measured.
#[derive(Clone, Copy)]
pub enum Amount {
    /// So many images, exactly.
    Images(u64),
    /// About this long.
    Time(Duration),
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
pub fn measure(work: &Work, cache: Option<&Cache>, options: PipelineOptions) -> Result<Measured, PipelineError> {
    let decoders = options.decoders;
    let pipeline = Pipeline::start(options)?;
    let mut feed = Feed { pipeline: &pipeline, work, next_seq: 0, first_batch: None };
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
    for images in slices(work.amount, rate, work.phase.batch_rows as u64) {
        let slice = feed.slice(images)?;
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

/// Images of each slice.
fn slices(amount: Amount, rate: f64, batch_rows: u64) -> Vec<u64> {
    let images = match amount {
        Amount::Images(images) => images,
        Amount::Time(time) => (rate * time.as_secs_f64()).ceil() as u64,
    };
    let count = (images / (SLICE_BATCHES_MIN * batch_rows)).clamp(1, SLICES);
    let mut slices = vec![images / count; count as usize];
    slices[0] = (images - images / count * (count - 1)).max(1);
    slices
}

/// A stretch of batches, without the time until the first.
struct Slice {
    images: u64,
    seconds: f64,
    cpu: Duration,
    from: Snapshot,
    to: Snapshot,
}

/// Walks the epoch over and over. Between slices the pipeline is empty and at rest.
struct Feed<'a> {
    pipeline: &'a Pipeline,
    work: &'a Work,
    next_seq: u64,
    first_batch: Option<Duration>,
}

impl Feed<'_> {
    /// One batch that starts the clock, then exactly `images` (at least 1) images.
    fn slice(&mut self, images: u64) -> Result<Slice, PipelineError> {
        let mut start: Option<(Instant, Duration, Snapshot)> = None;
        let mut counted = 0;
        loop {
            let lead = if start.is_none() { self.work.phase.batch_rows as u64 } else { 0 };
            let mut batches = self.pipeline.open(self.next(images - counted + lead))?;
            for batch in batches.by_ref() {
                let mut batch = batch?;
                batch.release_pixels();
                let rows = batch.len() as u64;
                batch.settle(Use::Trained);
                match &start {
                    Some(_) => counted += rows,
                    None => {
                        self.first_batch.get_or_insert_with(|| self.work.begun.elapsed());
                        start = Some((Instant::now(), machine::process_cpu(), self.pipeline.observe()?));
                    }
                }
                if counted < images && !self.work.step.is_zero() {
                    std::thread::sleep(self.work.step);
                }
            }
            // Quarantined rows, and the end of the epoch, leave images to be taken from the next one.
            if let Some((since, cpu_before, from)) = start.take_if(|_| counted >= images) {
                let (seconds, cpu) = (since.elapsed().as_secs_f64(), machine::process_cpu() - cpu_before);
                let to = self.pipeline.observe()?;
                batches.finish()?;
                return Ok(Slice { images: counted, seconds, cpu, from, to });
            }
            batches.finish()?;
        }
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
        let mut images = 0;
        let mut batches = self.pipeline.open(self.work.phase.clone())?;
        for batch in batches.by_ref() {
            let mut batch = batch?;
            self.first_batch.get_or_insert_with(|| self.work.begun.elapsed());
            images += batch.len() as u64;
            batch.settle(Use::Trained);
        }
        batches.finish()?;
        Ok(images)
    }

    /// Ever longer slices until the pipeline has run for a while; images a second of the last.
    fn warm_up(&mut self) -> Result<f64, PipelineError> {
        let begun = Instant::now();
        let mut images = self.work.phase.batch_rows as u64;
        loop {
            let slice = self.slice(images)?;
            if begun.elapsed() >= WARM_UP {
                return Ok(slice.images as f64 / slice.seconds);
            }
            images *= 2;
        }
    }
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

    #[test]
    fn slices_hold_exactly_the_images_asked_for() {
        for images in [1, 5, 64, 65, 256, 1_000, 12_753] {
            let slices = slices(Amount::Images(images), 0.0, 64);
            assert_eq!(slices.iter().sum::<u64>(), images);
            assert!(slices.iter().all(|slice| *slice > 0) && slices.len() <= 5, "{slices:?}");
        }
        assert_eq!(slices(Amount::Time(Duration::from_secs(5)), 1_000.0, 64), [1_000; 5]);
        assert_eq!(slices(Amount::Time(Duration::from_secs(1)), 0.01, 64), [1]);
    }

    #[test]
    fn the_middle_is_the_median() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
