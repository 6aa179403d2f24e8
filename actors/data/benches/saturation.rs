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

/// How long the bare loop runs for one sample.
const LOOP_TIME: Duration = Duration::from_millis(200);
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
        let piped = pipeline(&mut group, &index, point);
        // With other buffers or batches the loop would be the same.
        let usual = Point { cache: point.cache, ..Point::usual(point.path) };
        if point.name() == usual.name() {
            let looped = bare_loop(&mut group, &index, point);
            if let (Some(piped), Some(looped)) = (piped, looped) {
                eprintln!("{:.1} % of the bare loop's {looped:.0} images/s\n", 100.0 * piped / looped);
            }
        }
    }
    group.finish();
}

fn spec_of(index: &Arc<Index>, point: Point) -> PhaseSpec {
    PhaseSpec { batch_rows: point.batch_rows, ..common::phase(index, point.path) }
}

/// The median rate, images a second, unless the point was filtered out.
fn pipeline(group: &mut BenchmarkGroup<'_, WallTime>, index: &Arc<Index>, point: Point) -> Option<f64> {
    let spec = spec_of(index, point);
    let Point { decoders, prefetch_batches, .. } = point;
    let images = u64::from(index.len());
    let walk = |pipeline: &Pipeline| common::epoch(pipeline, &spec, prefetch_batches, Duration::ZERO);
    let mut pipeline: Option<Pipeline> = None;
    let mut stretches: Vec<Stretch> = Vec::new();
    group.bench_function(point.name(), |bencher| {
        let pipeline = pipeline.get_or_insert_with(|| {
            let cache = point.cache.map(|mode| Arc::new(Cache::new(mode, CACHE_BYTES)));
            let options = PipelineOptions { decoders, prefetch_batches, cache, ..common::options(&spec) };
            let pipeline = Pipeline::start(options).expect("there is memory");
            // Fills the cache.
            walk(&pipeline);
            pipeline
        });
        bencher.iter_custom(|rounds| {
            let walked = (0..rounds).map(|_| walk(pipeline)).collect::<Vec<_>>();
            let time = walked.iter().map(|stretch| stretch.time_of(images)).sum();
            stretches.extend(walked);
            time
        });
    });
    let last = stretches.last()?;
    let rate = common::median(&stretches.iter().map(Stretch::rate).collect::<Vec<_>>());
    eprintln!("{rate:.0} images/s; busy: {}", last.utilisation());
    Some(rate)
}

/// The same for a bare loop on as many threads as there are decoders.
fn bare_loop(group: &mut BenchmarkGroup<'_, WallTime>, index: &Arc<Index>, point: Point) -> Option<f64> {
    let spec = spec_of(index, point);
    let mut cache = None;
    let mut rates = Vec::new();
    let run =
        |cache: Option<&Cache>, time| ceiling::run(&spec, cache, point.decoders, time).expect("records are sound");
    group.bench_function(format!("{}, bare loop", point.name()), |bencher| {
        if let (Some(mode), None) = (point.cache, &cache) {
            let filled = Cache::new(mode, CACHE_BYTES);
            let mut time = LOOP_TIME;
            // Each run begins at the first ticket again.
            while filled.observe().records < u64::from(index.len()) && !filled.observe().full {
                run(Some(&filled), time);
                time *= 2;
            }
            cache = Some(filled);
        }
        bencher.iter_custom(|rounds| {
            let looped = run(cache.as_ref(), LOOP_TIME.mul_f64(rounds.max(1) as f64));
            rates.push(looped.images as f64 / looped.seconds);
            let images = rounds * u64::from(index.len());
            Duration::from_secs_f64(images as f64 * looped.seconds / looped.images as f64)
        });
    });
    (!rates.is_empty()).then(|| common::median(&rates))
}

criterion_group! { name = benches; config = common::criterion(); targets = saturation }
criterion_main!(benches);
