//! How long it takes before the first batch: finding and indexing shards by their number of records, and the whole of a cold
//! start. Pages are warm: storage isn't measured. Not here: throughput afterwards.

mod common;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fastgarden_data::outcome::Use;
use fastgarden_data::pipeline::Pipeline;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::shard_writer::ShardWriter;

/// Payload of the records that are only indexed: a page, so that every record is on one of its own, as images are.
const PAYLOAD_BYTES: usize = 4_096;
/// Shards that they are in.
const SHARDS: u32 = 16;

fn write_shards(folder: &Path, records: u32) {
    for number in 0..SHARDS {
        let mut shard = ShardWriter::create(folder.join(format!("train-{number:02}.tfrec"))).expect("it is empty");
        (0..records / SHARDS).for_each(|_| shard.write(&[7; PAYLOAD_BYTES]).expect("there is room"));
        shard.finish().expect("there is room");
    }
}

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index build");
    for records in [1_024, 4_096, 16_384] {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        write_shards(folder.path(), records);
        group.throughput(Throughput::Elements(u64::from(records)));
        group.bench_function(format!("{records} records"), |bencher| bencher.iter(|| common::index(folder.path())));
    }
    group.finish();
}

/// From a path to the first batch in the consumer's hands.
fn cold_start(criterion: &mut Criterion) {
    let folder = common::folder();
    let records = common::index(&folder).len();
    let mut group = criterion.benchmark_group("cold start");
    group.sampling_mode(SamplingMode::Flat);
    for path in [ResamplePath::Pil, ResamplePath::Planar] {
        group.bench_function(format!("{}, {records} records, first batch", path.name()), |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| first_batch(&folder, path)).sum());
        });
    }
    group.finish();
}

fn first_batch(folder: &Path, path: ResamplePath) -> Duration {
    let begun = Instant::now();
    let index = common::index(folder);
    let spec = common::phase(&index, path);
    let pipeline = Pipeline::start(common::options(&spec)).expect("there is memory");
    let mut batches = pipeline.open(spec).expect("no other phase is open");
    let mut batch = batches.next().expect("there is a batch").expect("the records are sound");
    black_box(batch.view(0));
    let time = begun.elapsed();
    batch.settle(Use::Trained);
    time
}

criterion_group! { name = benches; config = common::criterion(); targets = build, cold_start }
criterion_main!(benches);
