//! `bench`: how fast batches come, which stage limits, and how near that is to the stage functions in a bare loop.
//! Not here: training; the consumer only takes batches (and may pretend to be busy).

use std::time::{Duration, Instant};

use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::ceiling;
use fastgarden_data::failure::PipelineError;
use fastgarden_data::observe::Window;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_proto::observe::Snapshot;
use serde_json::json;

use crate::cli::{BenchArgs, Format};
use crate::exit::Failure;
use crate::source::{self, Source};
use crate::train_command::{of_train, peak_memory_bytes};

/// Seed of order and crops.
const SEED: u64 = 1;
/// Seconds measured when neither `--seconds` nor `--images` is given.
const SECONDS: u64 = 5;
/// Batches whose chain is reported.
const HASHED_BATCHES: u64 = 32;

/// What was measured.
struct Measured {
    images: u64,
    seconds: f64,
    first_batch_ms: f64,
    from: Snapshot,
    to: Snapshot,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let recipe = source::recipe(&args.recipe)?;
    let mut source = Source::open(recipe.as_ref(), recipe.is_some(), &args.data, SEED, 1)?;
    // Otherwise a set smaller than a batch would never deliver one.
    source.phase.drop_last = false;
    source.phase.batch_rows = args.batch_size.unwrap_or(source.phase.batch_rows);
    let options = source.pipeline_options(&args.pools);
    let (decoders, failed) = (options.decoders, |error: PipelineError| of_train(error.into()));
    let measured = measure(&source, options, args, begun).map_err(failed)?;
    let batch_hash = batch_hash(&source, source.pipeline_options(&args.pools)).map_err(failed)?;
    let time = Duration::from_secs_f64(measured.seconds.clamp(0.5, SECONDS as f64));
    let ceiling = (!args.no_ceiling).then(|| ceiling::images_per_s(&source.phase, decoders, time));
    let ceiling = ceiling.transpose().map_err(failed)?;
    let text = match args.format {
        Format::Json => as_json(&measured, ceiling, &batch_hash),
        Format::Text => as_text(&source.phase, &measured, ceiling, &batch_hash),
    };
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()).map_err(Failure::from)
}

/// Takes batches of the same epoch over and over, until the time or the images are up. The rate counts from the first
/// batch on.
fn measure(
    source: &Source,
    options: PipelineOptions,
    args: &BenchArgs,
    begun: Instant,
) -> Result<Measured, PipelineError> {
    let pipeline = Pipeline::start(options)?;
    let time = Duration::from_secs(args.seconds.map_or(SECONDS, u64::from));
    let step = Duration::from_millis(args.stand_in_step_ms.map_or(0, u64::from));
    let mut first: Option<(Instant, Snapshot)> = None;
    let (mut images, mut first_batch_ms) = (0, 0.0);
    loop {
        let mut batches = pipeline.open(source.phase.clone())?;
        for batch in batches.by_ref() {
            let mut batch = batch?;
            batch.release_pixels();
            let rows = batch.len() as u64;
            batch.settle(Use::Trained);
            let Some((since, from)) = &first else {
                first_batch_ms = begun.elapsed().as_secs_f64() * 1e3;
                first = Some((Instant::now(), pipeline.observe()?));
                continue;
            };
            images += rows;
            if !step.is_zero() {
                std::thread::sleep(step);
            }
            if args.images.map_or(since.elapsed() >= time, |most| images >= most) {
                let (seconds, from) = (since.elapsed().as_secs_f64(), from.clone());
                return Ok(Measured { images, seconds, first_batch_ms, from, to: pipeline.observe()? });
            }
        }
        batches.finish()?;
    }
}

/// The chain over the first batches, outside the timed part.
fn batch_hash(source: &Source, options: PipelineOptions) -> Result<String, PipelineError> {
    let pipeline = Pipeline::start(options)?;
    let most = HASHED_BATCHES * source.phase.batch_rows as u64;
    let mut batches = pipeline.open(PhaseSpec { tickets_max: Some(most), ..source.phase.clone() })?;
    let mut chain = BatchHash::default();
    for batch in batches.by_ref() {
        let mut batch = batch?;
        chain.update(batch.digests(), 1);
        batch.settle(Use::Trained);
    }
    batches.finish()?;
    Ok(chain.hex())
}

fn as_json(measured: &Measured, ceiling: Option<f64>, batch_hash: &str) -> String {
    let window = Window { from: &measured.from, to: &measured.to };
    let verdict = window.verdict();
    let stages: Vec<_> = (0..measured.to.stages.len())
        .map(|stage| {
            let (busy, input, output) = window.shares(stage);
            let seen = &measured.to.stages[stage];
            json!({
                "name": seen.name, "workers": seen.workers, "busy_share": busy, "wait_input_share": input,
                "wait_output_share": output, "readiness": window.readiness(stage),
            })
        })
        .collect();
    let document = json!({
        "images_per_s": measured.images as f64 / measured.seconds,
        "ceiling_images_per_s": ceiling,
        "first_batch_ms": measured.first_batch_ms,
        "peak_rss_bytes": peak_memory_bytes(),
        "batch_hash": batch_hash,
        "stages": stages,
        "bottleneck": verdict.bottleneck,
        "verdict": verdict.sentence,
    });
    format!("{document:#}\n")
}

fn as_text(phase: &PhaseSpec, measured: &Measured, ceiling: Option<f64>, batch_hash: &str) -> String {
    let window = Window { from: &measured.from, to: &measured.to };
    let rate = measured.images as f64 / measured.seconds;
    let size = phase.views[0].size;
    let mut text = format!(
        "{:.0} images/s   {} images of {}×{} in batches of {}, {:.1} s\n",
        rate, measured.images, size.width, size.height, phase.batch_rows, measured.seconds
    );
    if let Some(ceiling) = ceiling {
        text += &format!(
            "{:.0} images/s   the same work in a bare loop: the pipeline reaches {:.0} %\n",
            ceiling,
            100.0 * rate / ceiling
        );
    }
    text += &format!(
        "\n{:<10}{:>8}{:>8}{:>12}{:>13}{:>11}\n",
        "stage", "workers", "busy", "wait input", "wait output", "readiness"
    );
    for (stage, seen) in measured.to.stages.iter().enumerate() {
        let (busy, input, output) = window.shares(stage);
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        let readiness = percent(window.readiness(stage));
        text += &format!(
            "{:<10}{:>8}{:>8}{:>12}{:>13}{:>11}\n",
            seen.name,
            seen.workers,
            percent(busy),
            percent(input),
            percent(output),
            readiness
        );
    }
    let rss = peak_memory_bytes().map(|bytes| format!(", peak memory {} MiB", bytes >> 20)).unwrap_or_default();
    text += &format!("\n{}\n", window.verdict().sentence);
    text += &format!("first batch after {:.0} ms{rss}\nbatch hash {batch_hash}\n", measured.first_batch_ms);
    text
}
