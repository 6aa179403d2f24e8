//! `bench`: how fast batches come, which stage limits, and how near that is to the stage functions in a bare loop.
//! Not here: training; the consumer only takes batches (and may pretend to be busy).

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::catalog::Split;
use fastgarden_data::ceiling;
use fastgarden_data::failure::PipelineError;
use fastgarden_data::index::Index;
use fastgarden_data::observe::Window;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::Plan;
use fastgarden_data::sampler::Sampler;
use fastgarden_data::ticket::Transform;
use fastgarden_proto::observe::Snapshot;
use serde_json::json;

use crate::cli::{BenchArgs, Format};
use crate::data_set;
use crate::exit::{Failure, OrFail as _};
use crate::recipe::Recipe;
use crate::run_spec::{DataSource, PoolSizes};
use crate::train_command::{of_train, peak_memory_bytes};
use crate::transforms;

/// Seconds measured when neither `--seconds` nor `--images` is given.
const SECONDS: u64 = 5;
/// Batches whose chain is reported.
const HASHED_BATCHES: u64 = 32;

/// The work that is measured.
struct Work {
    index: Arc<Index>,
    recipe: Option<Recipe>,
    view: Transform,
    sampler: Sampler,
    batch_rows: usize,
    pools: PoolSizes,
}

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
    let work = Work::new(args)?;
    let measured = work.measure(args, begun).map_err(|error| of_train(error.into()))?;
    let batch_hash = work.batch_hash().map_err(|error| of_train(error.into()))?;
    let decoders = work.options().decoders;
    let time = Duration::from_secs_f64(measured.seconds.clamp(0.5, SECONDS as f64));
    let ceiling = (!args.no_ceiling)
        .then(|| ceiling::images_per_s(&work.phase(1), decoders, time))
        .transpose()
        .map_err(|error| of_train(error.into()))?;
    let text = match args.format {
        Format::Json => as_json(&measured, ceiling, &batch_hash),
        Format::Text => as_text(&work, &measured, ceiling, &batch_hash),
    };
    std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes()).map_err(Failure::from)
}

impl Work {
    fn new(args: &BenchArgs) -> Result<Self, Failure> {
        let recipe =
            args.recipe.recipe.as_deref().map(|name| Recipe::load(name, &args.recipe.set)).transpose().or_usage()?;
        if recipe.is_none() && !args.recipe.set.is_empty() {
            return Err(Failure::usage("--set changes a recipe, and none is named", "add --recipe seedling"));
        }
        let stage = recipe.as_ref().map(|recipe| recipe.stages[0]);
        let source_px = stage.map_or(transforms::BENCH_INPUT_PX, |stage| stage.source_px);
        let source = DataSource::from_patterns(&args.data.data)?;
        let patterns = data_set::patterns(&source, &[source_px])?;
        let found = data_set::find(&patterns, Some(source_px), args.data.class_names.as_deref())?;
        let index = data_set::open(&found, Split::Train)?;
        let view = stage.map_or_else(transforms::bench_view, |stage| transforms::stage_view(&stage));
        let sampler = stage.map_or(Sampler::Shuffled, |stage| transforms::sampler(stage.sampler));
        let batch_rows =
            args.batch_size.or(stage.map(|stage| stage.batch_size)).unwrap_or(transforms::BENCH_BATCH_ROWS);
        Ok(Self { index, recipe, view, sampler, batch_rows, pools: PoolSizes::from(&args.pools) })
    }

    fn options(&self) -> PipelineOptions {
        let slab_bytes = fastgarden_data::slab::Layout::new(self.batch_rows, vec![self.view.size]).bytes();
        let execution = self.recipe.as_ref().map(|recipe| recipe.execution).unwrap_or_default();
        transforms::pipeline_options(&self.pools, &execution, slab_bytes, self.batch_rows)
    }

    fn phase(&self, epoch: u32) -> PhaseSpec {
        PhaseSpec {
            kind: PhaseKind::Train,
            index: Arc::clone(&self.index),
            features: self.recipe.as_ref().map(|recipe| data_set::features(&recipe.data)).unwrap_or_default(),
            plan: Arc::new(Plan::new(self.sampler, self.index.len(), 1, epoch, None)),
            batch_rows: self.batch_rows,
            drop_last: false,
            first_seq: 0,
            tickets_max: None,
            views: vec![self.view],
            classes: self.recipe.as_ref().map(|recipe| i64::from(recipe.data.classes)),
            decode: self
                .recipe
                .as_ref()
                .map_or(DecodeMode::Strict, |recipe| transforms::decode_mode(recipe.data.decode)),
            hash_rows: true,
        }
    }

    /// Takes batches, epoch after epoch, until the time or the images are up. The rate counts from the first batch on.
    fn measure(&self, args: &BenchArgs, begun: Instant) -> Result<Measured, PipelineError> {
        let pipeline = Pipeline::start(self.options())?;
        let time = Duration::from_secs(args.seconds.map_or(SECONDS, u64::from));
        let step = Duration::from_millis(args.stand_in_step_ms.map_or(0, u64::from));
        let mut first: Option<(Instant, Snapshot)> = None;
        let (mut images, mut first_batch_ms) = (0, 0.0);
        'epochs: for epoch in 1.. {
            let mut batches = pipeline.open(self.phase(epoch))?;
            for batch in batches.by_ref() {
                let mut batch = batch?;
                batch.release_pixels();
                let rows = batch.len() as u64;
                batch.settle(Use::Trained);
                let Some((since, _)) = &first else {
                    first_batch_ms = begun.elapsed().as_secs_f64() * 1e3;
                    first = Some((Instant::now(), pipeline.observe()?));
                    continue;
                };
                images += rows;
                if !step.is_zero() {
                    std::thread::sleep(step);
                }
                let is_over = args.images.map_or(since.elapsed() >= time, |most| images >= most);
                if is_over {
                    break 'epochs;
                }
            }
            batches.finish()?;
            if args.images.is_none() && first.is_none() {
                return Err(PipelineError::Bug("an epoch without a batch".to_owned()));
            }
        }
        let (since, from) = first.ok_or(PipelineError::Stopped)?;
        let seconds = since.elapsed().as_secs_f64();
        Ok(Measured { images, seconds, first_batch_ms, from, to: pipeline.observe()? })
    }

    /// The chain over the first batches of epoch 1, outside the timed part.
    fn batch_hash(&self) -> Result<String, PipelineError> {
        let pipeline = Pipeline::start(self.options())?;
        let most = HASHED_BATCHES * self.batch_rows as u64;
        let mut batches = pipeline.open(PhaseSpec { tickets_max: Some(most), ..self.phase(1) })?;
        let mut chain = BatchHash::default();
        for batch in batches.by_ref() {
            let mut batch = batch?;
            chain.update(batch.digests(), 1);
            batch.settle(Use::Trained);
        }
        batches.finish()?;
        Ok(chain.hex())
    }
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

fn as_text(work: &Work, measured: &Measured, ceiling: Option<f64>, batch_hash: &str) -> String {
    let window = Window { from: &measured.from, to: &measured.to };
    let rate = measured.images as f64 / measured.seconds;
    let size = work.view.size;
    let mut text = format!(
        "{:.0} images/s   {} images of {}×{} in batches of {}, {:.1} s\n",
        rate, measured.images, size.width, size.height, work.batch_rows, measured.seconds
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
