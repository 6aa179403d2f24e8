//! What the actors themselves cost: the whole pipeline with stages that do nothing, as images and messages a second.
//! Not here: real work (`saturation`), allocations (a test counts them).

mod common;

use std::sync::Arc;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fastgarden_data::chunk::{Chunk, RowState};
use fastgarden_data::failure::PipelineError;
use fastgarden_data::limits::CHUNK_ROWS_MAX;
use fastgarden_data::machine;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::shard_writer::ShardWriter;
use fastgarden_data::shared::StageName;
use fastgarden_data::worker::StageWork;

/// Records, of no content.
const RECORDS: u64 = 32_768;

/// A stage that only says it was there.
struct Idle(StageName);

impl StageWork for Idle {
    fn name(&self) -> StageName {
        self.0
    }

    fn run(&mut self, chunk: &mut Chunk) -> Result<u64, PipelineError> {
        let done = if self.0 == StageName::Read { RowState::Read } else { RowState::Ready };
        chunk.rows.iter_mut().for_each(|row| row.state = done.clone());
        Ok(0)
    }
}

/// Messages of an epoch: a chunk goes to each pool and to the sequencer, and its buffer back to the conductor; a batch goes
/// to the consumer, and its slab and its outcome to the conductor.
fn messages(pools: u64, batch_rows: u64) -> u64 {
    RECORDS / CHUNK_ROWS_MAX as u64 * (pools + 2) + RECORDS / batch_rows * 3
}

fn actors(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let mut shard = ShardWriter::create(folder.path().join("train.tfrec")).expect("it is empty");
    (0..RECORDS).for_each(|_| shard.write(&[]).expect("there is room"));
    shard.finish().expect("there is room");
    let index = common::index(folder.path());

    let mut group = criterion.benchmark_group("actors");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(RECORDS));
    let spec = common::phase(&index, ResamplePath::Pil);
    let cores = machine::cores();
    for (readers, decoders) in [(1, cores), (0, cores), (0, 1), (4, 8)] {
        let usual = common::options(&spec);
        let prefetch_batches = usual.prefetch_batches;
        let stand_in_work = Some(Arc::new(|stage| Box::new(Idle(stage)) as Box<dyn StageWork>) as _);
        let options = PipelineOptions { readers, decoders, augmenters: 0, stand_in_work, ..usual };
        let pipeline = Pipeline::start(options).expect("there is memory");
        let mut rates = Vec::new();
        group.bench_function(format!("{readers} readers, {decoders} decoders"), |bencher| {
            bencher.iter_custom(|rounds| {
                let walk = |_| {
                    let stretch = common::epoch(&pipeline, &spec, prefetch_batches, |_| {});
                    rates.push(stretch.rate());
                    stretch.time_of(RECORDS)
                };
                (0..rounds).map(walk).sum()
            });
        });
        if !rates.is_empty() {
            let rate = common::median(&rates);
            let per_image = messages(1 + u64::from(readers > 0), spec.batch_rows as u64) as f64 / RECORDS as f64;
            let (nanoseconds, messages) = (1e9 / rate, rate * per_image);
            eprintln!(
                "{nanoseconds:.0} ns an image, {messages:.0} messages/s ({:.2} for a chunk of {CHUNK_ROWS_MAX})\n",
                per_image * CHUNK_ROWS_MAX as f64
            );
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = common::criterion(); targets = actors }
criterion_main!(benches);
