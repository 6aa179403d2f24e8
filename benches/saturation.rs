//! The headline: how fast batches come out of the saturated pipeline, by decoders, prefetch, batch size, cache and resample
//! path, with how busy each stage was, and against the same stage functions in a bare loop.
//! Not here: comparisons with other systems (`benches/peers`). `fastgarden-actors bench` measures one setting with more care.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::Stretch;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fastgarden_data::cache::{Cache, CacheMode};
use fastgarden_data::ceiling;
use fastgarden_data::index::Index;
use fastgarden_data::machine;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::resample::ResamplePath;

/// How long the bare loop runs after each epoch of the pipeline.
const LOOP_TIME: Duration = Duration::from_millis(100);
/// More than the garden needs in either cache.
const CACHE_BYTES: u64 = 2 << 30;

/// One setting; the others are those of [`Point::usual`].
#[derive(Clone, Copy)]
struct Point {
    path: ResamplePath,
    cache: Option<CacheMode>,
    decoders: usize,
    prefetch_batches: usize,
    batch_rows: usize,
}

impl Point {
    fn usual(path: ResamplePath) -> Self {
        Self { path, cache: None, decoders: machine::cores(), prefetch_batches: 2, batch_rows: common::BATCH_ROWS }
    }

    fn name(&self) -> String {
        let Self { path, cache, decoders, prefetch_batches, batch_rows } = self;
        let cache = cache.map_or("none", CacheMode::name);
        format!("{}, cache {cache}/{decoders} decoders, prefetch {prefetch_batches}, batch {batch_rows}", path.name())
    }

    /// Those of the usual path that differ from the usual in one thing, and every cache on every path.
    fn all() -> Vec<Self> {
        let cores = machine::cores();
        let mut points = Vec::new();
        for path in [ResamplePath::Pil, ResamplePath::Planar] {
            let caches = [None, Some(CacheMode::Encoded), Some(CacheMode::Decoded)];
            points.extend(caches.map(|cache| Self { cache, ..Self::usual(path) }));
        }
        let usual = Self::usual(ResamplePath::Planar);
        let decoders = [1, 2 * cores].into_iter().filter(|&decoders| decoders != cores);
        points.extend(decoders.map(|decoders| Self { decoders, ..usual }));
        points.extend([1, 4].map(|prefetch_batches| Self { prefetch_batches, ..usual }));
        points.extend([16, 128].map(|batch_rows| Self { batch_rows, ..usual }));
        points
    }
}

fn saturation(criterion: &mut Criterion) {
    let index = common::data();
    let mut group = criterion.benchmark_group("saturation");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(u64::from(index.len())));
    for point in Point::all() {
        measure(&mut group, &index, point);
    }
    group.finish();
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, index: &Arc<Index>, point: Point) {
    let Point { decoders, prefetch_batches, batch_rows, .. } = point;
    let spec = PhaseSpec { batch_rows, ..common::phase(index, point.path) };
    let cache = point.cache.map(|mode| Arc::new(Cache::new(mode, CACHE_BYTES)));
    let walk = |pipeline: &Pipeline| common::epoch(pipeline, &spec, prefetch_batches, |_| {});
    let mut pipeline: Option<Pipeline> = None;
    let (mut stretches, mut loops): (Vec<Stretch>, Vec<f64>) = (Vec::new(), Vec::new());
    group.bench_function(point.name(), |bencher| {
        let pipeline = pipeline.get_or_insert_with(|| {
            let options = common::options(&spec);
            let options = PipelineOptions { decoders, prefetch_batches, cache: cache.clone(), ..options };
            let pipeline = Pipeline::start(options).expect("there is memory");
            // Fills the cache.
            walk(&pipeline);
            pipeline
        });
        bencher.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                let stretch = walk(pipeline);
                time += stretch.time_of(u64::from(index.len()));
                stretches.push(stretch);
                // In turn with the pipeline, so that whatever else the machine does meets both alike.
                let looped = ceiling::run(&spec, cache.as_deref(), decoders, LOOP_TIME).expect("the records are sound");
                loops.push(looped.images as f64 / looped.seconds);
            }
            time
        });
    });
    let Some(last) = stretches.last() else { return };
    let rate = common::median(&stretches.iter().map(Stretch::rate).collect::<Vec<_>>());
    let ceiling = common::median(&loops);
    eprintln!(
        "{rate:.0} images/s, {:.1} % of the bare loop's {ceiling:.0}; busy: {}\n",
        100.0 * rate / ceiling,
        last.utilisation()
    );
}

criterion_group! { name = benches; config = common::criterion(); targets = saturation }
criterion_main!(benches);
