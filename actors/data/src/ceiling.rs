//! The most this machine could do: the pipeline's own stage functions in a bare loop, without actors, order or batches.
//! Not for: making batches. `bench` holds the pipeline against this number.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::augmenter::Augmenter;
use crate::cache::Cache;
use crate::chunk::{Chunk, ChunkRow, RowState};
use crate::decoder::Decoder;
use crate::failure::PipelineError;
use crate::limits::CHUNK_ROWS_MAX;
use crate::machine;
use crate::phase::{Phase, PhaseSpec};
use crate::reader::Reader;
use crate::simd::Simd;
use crate::slab::{Heap, Layout, Rows, Slab};
use crate::worker::StageWork;

/// What a bare loop did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looped {
    /// Images.
    pub images: u64,
    /// How long it took, seconds.
    pub seconds: f64,
    /// CPU time of this process meanwhile, seconds.
    pub cpu_s: f64,
}

/// Runs `threads` threads that each read, decode and augment chunks of the plan over and over for `time`, with what the
/// cache holds (and filling it, if it isn't filled yet).
pub fn run(spec: &PhaseSpec, cache: Option<&Cache>, threads: usize, time: Duration) -> Result<Looped, PipelineError> {
    let views = spec.views.iter().map(|view| view.size).collect();
    let layout = Arc::new(Layout::new(CHUNK_ROWS_MAX, views));
    let cache = cache.and_then(|cache| cache.of_phase(spec));
    let phase = Arc::new(Phase { spec: spec.clone(), number: 0, layout, cache });
    let (next_chunk, images) = (AtomicU64::new(0), AtomicU64::new(0));
    let (begun, cpu_before) = (Instant::now(), machine::process_cpu());
    std::thread::scope(|scope| {
        let looper = || work(&phase, &next_chunk, &images, begun + time);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(looper)).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(worked) => worked,
            Err(_) => Err(PipelineError::Bug("a thread of the bare loop panicked".to_owned())),
        })
    })?;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), machine::process_cpu() - cpu_before);
    Ok(Looped { images: images.load(Relaxed), seconds, cpu_s: cpu.as_secs_f64() })
}

fn work(phase: &Arc<Phase>, next: &AtomicU64, images: &AtomicU64, until: Instant) -> Result<(), PipelineError> {
    let no_memory = |error: std::io::Error| PipelineError::NoMemory {
        bytes: phase.layout.bytes() as u64,
        cause: error.to_string(),
    };
    let (mut reader, mut decoder, mut augmenter) = (Reader::default(), Decoder::new(Simd::detect()), Augmenter);
    let mut slab = Slab::allocate(&Heap, phase.layout.bytes()).map_err(no_memory)?;
    let mut encoded = Vec::new();
    while Instant::now() < until {
        let mut open = slab.open(Arc::clone(&phase.layout));
        let rows = open.lend(CHUNK_ROWS_MAX);
        drop(open);
        let mut chunk = chunk(phase, next.fetch_add(1, Relaxed), rows, encoded);
        // What panics on a record is no image here; the pipeline quarantines it.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            reader.run(&mut chunk)?;
            decoder.run(&mut chunk)?;
            augmenter.run(&mut chunk)
        }));
        if let Ok(ran) = ran {
            ran?;
            let usable = chunk.rows.iter().filter(|row| !matches!(row.state, RowState::Bad { .. })).count();
            images.fetch_add(usable as u64, Relaxed);
        }
        encoded = chunk.encoded;
        slab = Slab::close(vec![chunk.slab_rows]);
    }
    Ok(())
}

/// The number-th chunk of an endless walk round the plan.
fn chunk(phase: &Arc<Phase>, number: u64, slab_rows: Rows, mut encoded: Vec<u8>) -> Chunk {
    let plan = &phase.spec.plan;
    encoded.clear();
    let rows = (0..CHUNK_ROWS_MAX as u64)
        .map(|row| ChunkRow::new(plan.ticket((number * CHUNK_ROWS_MAX as u64 + row) % plan.tickets())))
        .collect();
    let phase = Arc::clone(phase);
    Chunk { phase, batch: number, slab_rows, rows, encoded, encoded_bytes: 0, at: 0, at_record: 0, picture_ns: 0 }
}
