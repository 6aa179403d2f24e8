//! Criterion benches of pipeline saturation: the whole pipeline against its stage functions in a bare loop.
//! Not here: assertions (timings never are), comparisons with other systems.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fastgarden_data::catalog;
use fastgarden_data::ceiling;
use fastgarden_data::compression::InflateBudget;
use fastgarden_data::example::FeatureNames;
use fastgarden_data::garden::{self, GardenSpec};
use fastgarden_data::index::Index;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::{PhaseKind, PhaseSpec};
use fastgarden_data::picture::DecodeMode;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::plan::Plan;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::sampler::Sampler;

use fastgarden_actors::transforms::{BENCH_BATCH_ROWS, bench_view};

const IMAGES: u32 = 512;

fn index(folder: &Path) -> Arc<Index> {
    let spec = GardenSpec { train_records: IMAGES, validation_records: 1, ..GardenSpec::default() };
    garden::write(&spec, folder, &|_, _| {}).expect("the temporary folder is writable");
    let found = catalog::find(&[folder.to_string_lossy().into_owned()], None).expect("the garden is there");
    let files = found.train.expect("it has a training split");
    Arc::new(Index::open(&files, &InflateBudget::default()).expect("it is whole"))
}

fn phase(index: &Arc<Index>) -> PhaseSpec {
    PhaseSpec {
        kind: PhaseKind::Train,
        index: Arc::clone(index),
        features: FeatureNames::default(),
        plan: Arc::new(Plan::new(Sampler::Shuffled, index.len(), 1, 1, None)),
        batch_rows: BENCH_BATCH_ROWS,
        drop_last: false,
        first_seq: 0,
        tickets_max: None,
        views: vec![bench_view()],
        classes: None,
        decode: DecodeMode::Strict,
        resample: ResamplePath::Pil,
        hash_rows: true,
    }
}

fn saturation(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let index = index(folder.path());
    let mut group = criterion.benchmark_group("saturation");
    group.throughput(Throughput::Elements(u64::from(IMAGES))).sample_size(10);
    for (name, readers) in [("pipeline", 1), ("pipeline, reading fused into decoding", 0)] {
        let spec = phase(&index);
        let machine = PipelineOptions::new(spec.layout().bytes(), spec.batch_rows);
        let pipeline = Pipeline::start(PipelineOptions { readers, ..machine }).expect("the pipeline starts");
        group.bench_function(name, |bencher| bencher.iter(|| epoch(&pipeline, phase(&index))));
    }
    group.bench_function("bare loop", |bencher| bencher.iter_custom(|rounds| bare_loop(&phase(&index), rounds)));
    group.finish();
}

/// One epoch through the actors.
fn epoch(pipeline: &Pipeline, spec: PhaseSpec) {
    let mut batches = pipeline.open(spec).expect("no other phase is open");
    for batch in batches.by_ref() {
        let mut batch = batch.expect("the garden is sound");
        black_box(batch.view(0));
        batch.release_pixels();
        batch.settle(Use::Trained);
    }
    batches.finish().expect("every batch was settled");
}

/// What as many images take in a bare loop.
fn bare_loop(spec: &PhaseSpec, rounds: u64) -> Duration {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let time = Duration::from_millis(200 * rounds.max(1));
    let looped = ceiling::run(spec, None, threads, time).expect("the garden is sound");
    Duration::from_secs_f64((rounds * u64::from(IMAGES)) as f64 * looped.seconds / looped.images as f64)
}

criterion_group!(benches, saturation);
criterion_main!(benches);
