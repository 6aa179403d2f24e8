//! What the benches share: the data, the work of the comparison with others, and a consumer that does nothing else.
//! Not here: what any of them measures.
#![allow(dead_code, reason = "every bench is a program of its own and uses a part of this")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use fastgarden_data::catalog;
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::garden::{self, GardenSpec};
use fastgarden_data::index::Index;
use fastgarden_data::loader::LoaderOptions;
use fastgarden_data::observe::Window;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::Plan;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::BoundSampler;
use fastgarden_data::shared::StageName;
use fastgarden_proto::observe::Snapshot;

/// Side of pictures and views, pixels.
pub const SIDE_PX: u32 = 224;
/// Rows of a batch.
pub const BATCH_ROWS: usize = 64;

/// Names a folder of shards to use instead of the garden.
const DATA: &str = "FASTGARDEN_BENCH_DATA";
/// Training pictures of the garden that benches use.
const GARDEN_RECORDS: u32 = 2_048;

/// Short: all benches together shall take minutes.
pub fn criterion() -> Criterion {
    let short = Duration::from_millis(100);
    Criterion::default().sample_size(10).warm_up_time(short).measurement_time(5 * short)
}

/// Where the shards are: what the variable says, or a garden of 224 px that is drawn once and kept in `target/tmp`.
pub fn folder() -> PathBuf {
    if let Some(folder) = std::env::var_os(DATA) {
        return PathBuf::from(folder);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-garden");
    let spec = GardenSpec { train_records: GARDEN_RECORDS, validation_records: 1, ..GardenSpec::default() };
    garden::write(&spec, &folder, &|_, _| {}).expect("target/tmp is ours to write");
    folder
}

/// The training split of a folder.
pub fn index(folder: &Path) -> Arc<Index> {
    let found = catalog::find(&[folder.to_string_lossy().into_owned()], Some(SIDE_PX)).expect("there are shards");
    let files = found.train.expect("some of them are for training");
    Arc::new(Index::open(&files, &InflateBudget::default()).expect("they are sound"))
}

/// The split that benches use, said with what its records weigh.
pub fn data() -> Arc<Index> {
    let index = index(&folder());
    let mean = index.total_bytes() / u64::from(index.len());
    eprintln!("data: {} records of {mean} bytes on average", index.len());
    index
}

/// The work of the comparison with others, which is what the loader does unless told otherwise: shuffled, RandomResizedCrop
/// 224 of 0.35–1 of the area, flipped half the time.
pub fn phase(index: &Arc<Index>, resample: ResamplePath) -> PhaseSpec {
    PhaseSpec {
        kind: PhaseKind::Train,
        index: Arc::clone(index),
        features: FeatureNames::default(),
        plan: Arc::new(Plan::new(&BoundSampler::shuffled(index.len()), 1, 1, None)),
        batch_rows: BATCH_ROWS,
        drop_last: false,
        first_seq: 0,
        tickets_max: None,
        views: vec![LoaderOptions::default().transform],
        classes: None,
        decode: DecodeMode::Strict,
        resample,
        hash_rows: true,
    }
}

/// What suits this machine, for a phase.
pub fn options(spec: &PhaseSpec) -> PipelineOptions {
    PipelineOptions::new(spec.layout().bytes(), spec.batch_rows)
}

/// A stretch of one epoch, amid batches that are not measured.
pub struct Stretch {
    /// Its images.
    pub images: u64,
    /// How long it took.
    pub time: Duration,
    /// The pipeline before and after.
    pub seen: (Snapshot, Snapshot),
}

impl Stretch {
    /// Images a second.
    pub fn rate(&self) -> f64 {
        self.images as f64 / self.time.as_secs_f64()
    }

    /// What `images` images would have taken.
    pub fn time_of(&self, images: u64) -> Duration {
        self.time.mul_f64(images as f64 / self.images as f64)
    }

    /// The pipeline's meters over it.
    pub fn window(&self) -> Window<'_> {
        Window { from: &self.seen.0, to: &self.seen.1 }
    }

    /// How busy each stage was, in words.
    pub fn utilisation(&self) -> String {
        let window = self.window();
        let stages = StageName::ALL.iter().enumerate().map(|(number, name)| {
            let (busy, ..) = window.shares(number);
            format!("{} {:.0} %", name.name(), 100.0 * busy)
        });
        stages.collect::<Vec<_>>().join(", ")
    }
}

/// Batches that the pipeline works on at a time.
pub fn margin_batches(prefetch_batches: usize) -> u64 {
    prefetch_batches as u64 + 2
}

/// Walks one epoch with a consumer that makes a `step`, of so many images, with each batch. As many batches as the pipeline
/// works on at a time pass before the stretch and after it, so that it neither begins with full slabs nor ends in an
/// emptying pipeline.
pub fn epoch(pipeline: &Pipeline, spec: &PhaseSpec, prefetch_batches: usize, mut step: impl FnMut(u64)) -> Stretch {
    let margin = margin_batches(prefetch_batches);
    let batches_in_all = spec.batches();
    assert!(batches_in_all > 2 * margin, "{batches_in_all} batches are too few to measure amid; take more records");
    let mark = || (Instant::now(), pipeline.observe().expect("the pipeline runs"));
    let (mut from, mut to, mut images) = (None, None, 0);
    let mut batches = pipeline.open(spec.clone()).expect("no other phase is open");
    for (number, batch) in batches.by_ref().enumerate() {
        let mut batch = batch.expect("the records are sound");
        let (rows, phase, of_phase) = (batch.len() as u64, batch.phase_number(), batch.number());
        // What a trace shows of a trainer.
        let _step = tracing::trace_span!(target: "fastgarden::batch", "step", phase, batch = of_phase).entered();
        batch.release_pixels();
        batch.settle(Use::Trained);
        let number = number as u64 + 1;
        images += if number > margin && number <= batches_in_all - margin { rows } else { 0 };
        if number == margin {
            from = Some(mark());
        } else if number == batches_in_all - margin {
            to = Some(mark());
        }
        step(rows);
    }
    batches.finish().expect("every batch was settled");
    let ((begun, before), (ended, after)) = from.zip(to).expect("the margins lie within the epoch");
    Stretch { images, time: ended - begun, seen: (before, after) }
}

/// The middle one of an odd number of rates, or the upper of the two.
pub fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
