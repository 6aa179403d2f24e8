//! How long a trainer waits for its input: a stand-in that takes a fixed time for each batch, as multiples of the time in
//! which the pipeline makes one. Not here: training.

mod common;

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use fastgarden_data::pipeline::Pipeline;
use fastgarden_data::resample::ResamplePath;

/// Steps, in batch times of the pipeline.
const STEPS: [f64; 3] = [0.8, 1.2, 1.5];

fn trainer_feed(criterion: &mut Criterion) {
    let index = common::data();
    let mut group = criterion.benchmark_group("trainer feed");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(u64::from(index.len())));
    let spec = common::phase(&index, ResamplePath::Planar);
    let options = common::options(&spec);
    let prefetch_batches = options.prefetch_batches;
    let pipeline = Pipeline::start(options).expect("there is memory");
    let alone: Vec<f64> = (0..3).map(|_| common::epoch(&pipeline, &spec, prefetch_batches, |_| {}).rate()).collect();
    let batch_time = Duration::from_secs_f64(spec.batch_rows as f64 / common::median(&alone));
    for factor in STEPS {
        let step = batch_time.mul_f64(factor);
        let mut waits = Vec::new();
        group.bench_function(format!("step of {factor} batch times"), |bencher| {
            bencher.iter_custom(|rounds| {
                let walk = |_| {
                    let stretch = common::epoch(&pipeline, &spec, prefetch_batches, |_| std::thread::sleep(step));
                    waits.push(stretch.window().consumer_wait_share());
                    stretch.time_of(u64::from(index.len()))
                };
                (0..rounds).map(walk).sum()
            });
        });
        if !waits.is_empty() {
            let (step, wait) = (step.as_secs_f64() * 1e3, 100.0 * common::median(&waits));
            eprintln!("a step of {step:.1} ms waits {wait:.2} % of the time for input\n");
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = common::criterion(); targets = trainer_feed }
criterion_main!(benches);
