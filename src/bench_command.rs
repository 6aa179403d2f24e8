//! `bench`: how fast batches come, which stage limits, and how near that is to the stage functions in a bare loop.
//! Not here: training; the consumer only takes batches (and may pretend to be busy).

mod measure;
mod report;

use std::time::{Duration, Instant};

use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::cache::CacheMode;
use fastgarden_data::failure::PipelineError;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};

use crate::cli::{BenchArgs, CacheChoice, Format};
use crate::exit::{Complaint, Failure};
use crate::source::{self, Source, of_pipeline};
use measure::{Amount, MeasureError, Work, measure};

/// Seed of order and crops.
const SEED: u64 = 1;
/// Seconds measured when neither `--seconds` nor `--images` is given.
const SECONDS: u64 = 5;
/// Batches whose chain is reported.
const HASHED_BATCHES: u64 = 32;

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let recipe = source::recipe(&args.recipe)?;
    let mut source = Source::open(recipe.as_ref(), recipe.is_some(), &args.data, SEED, 1)?;
    // Otherwise a set smaller than a batch would never deliver one.
    source.phase.drop_last = false;
    source.phase.batch_rows = args.batch_size.unwrap_or(source.phase.batch_rows);
    source.choose_resample(args.resample);
    match args.cache {
        Some(CacheChoice::None) => source.execution.cache = None,
        Some(CacheChoice::Encoded) => source.execution.cache = Some(CacheMode::Encoded),
        Some(CacheChoice::Decoded) => source.execution.cache = Some(CacheMode::Decoded),
        None => {}
    }
    source.execution.cache_bytes = args.cache_bytes.unwrap_or(source.execution.cache_bytes);
    let cache = source.execution.new_cache();
    let options = || PipelineOptions { cache: cache.clone(), ..source.pipeline_options(&args.pools) };
    let milliseconds = |stand_in: Option<u32>| Duration::from_millis(stand_in.map_or(0, u64::from));
    let measured_options = PipelineOptions { stand_in_read: milliseconds(args.stand_in_read_ms), ..options() };
    let work = Work {
        phase: PhaseSpec { hash_rows: !args.no_hash, ..source.phase.clone() },
        step: milliseconds(args.stand_in_step_ms),
        amount: match args.images {
            Some(images) => Amount::Images(images),
            None => Amount::Time(Duration::from_secs(args.seconds.map_or(SECONDS, u64::from))),
        },
        // A bare loop knows no budget, and pretends nothing: it would not do the same work.
        with_ceiling: !args.no_ceiling
            && measured_options.cpu_share.is_none()
            && args.stand_in_step_ms.is_none()
            && args.stand_in_read_ms.is_none(),
        begun,
    };
    let pools = report::Pools::of(&measured_options);
    let measured = measure(&work, cache.as_deref(), measured_options).map_err(of_measure)?;
    let batch_hash = batch_hash(&source.phase, options()).map_err(of_pipeline)?;
    let has_trainer = !work.step.is_zero();
    let report = report::Report { phase: &work.phase, measured: &measured, pools, batch_hash, has_trainer };
    let text = match args.format {
        Format::Json => report.as_json(),
        Format::Text => report.as_text(),
    };
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()).map_err(Failure::from)
}

fn of_measure(error: MeasureError) -> Failure {
    match error {
        MeasureError::Pipeline(error) => of_pipeline(error),
        error => Failure::BadData(Complaint::new(error)),
    }
}

/// The chain over the first batches of the epoch, outside the timed part.
fn batch_hash(phase: &PhaseSpec, options: PipelineOptions) -> Result<String, PipelineError> {
    let pipeline = Pipeline::start(options)?;
    let most = HASHED_BATCHES * phase.batch_rows as u64;
    let mut batches = pipeline.open(PhaseSpec { tickets_max: Some(most), ..phase.clone() })?;
    let mut chain = BatchHash::default();
    for batch in batches.by_ref() {
        let mut batch = batch?;
        chain.update(batch.digests(), 1);
        batch.settle(Use::Trained);
    }
    batches.finish()?;
    Ok(chain.hex())
}
