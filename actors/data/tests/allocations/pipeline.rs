//! The whole pipeline: messages, chunks, batches, with everything that all its threads allocate.

use fastgarden_data::limits::CHUNK_ROWS_MAX;
use fastgarden_data::outcome::Use;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::shared::lock;

use crate::counting::of_all_threads;
use crate::{BATCH_ROWS, RECORDS, SIDE_PX, TURN, index, of_the_jpeg_decoder, phase};

/// Epochs that are counted together.
const EPOCHS: u64 = 4;

/// A buffer of one plane of a picture, bytes: whatever is this large is of image size.
const IMAGE_BYTES: usize = (SIDE_PX * SIDE_PX) as usize;

/// A pipeline and what it runs.
struct Run {
    pipeline: Pipeline,
    spec: PhaseSpec,
    /// Chunks that can be under way at a time, each with a buffer for its encoded records; and decoders with theirs.
    buffers_max: usize,
}

impl Run {
    fn new(spec: PhaseSpec, (readers, decoders, augmenters): (usize, usize, usize)) -> Self {
        let machine = PipelineOptions::new(spec.layout().bytes(), BATCH_ROWS);
        let options = PipelineOptions { readers, decoders, augmenters, ..machine };
        let chunks_max = (options.prefetch_batches + 2) * BATCH_ROWS.div_ceil(CHUNK_ROWS_MAX);
        Self { pipeline: Pipeline::start(options).expect("there is memory"), spec, buffers_max: chunks_max + decoders }
    }

    /// Allocations of some epochs: all, and those of image size.
    fn count(&self) -> (u64, u64) {
        of_all_threads(IMAGE_BYTES, || (0..EPOCHS).for_each(|_| self.epoch()))
    }

    fn epoch(&self) {
        let mut batches = self.pipeline.open(self.spec.clone()).expect("no other phase is open");
        for batch in batches.by_ref() {
            let mut batch = batch.expect("the records are sound");
            batch.release_pixels();
            batch.settle(Use::Trained);
        }
        batches.finish().expect("every batch was settled");
    }
}

/// Fails when `taken` for [`EPOCHS`] epochs is more than one a ticket.
fn at_most_once_a_ticket(name: &str, taken: u64) {
    let tickets = EPOCHS * u64::from(RECORDS);
    let of = |unit: usize| taken as f64 / tickets as f64 * unit as f64;
    println!("{name}: {:.2} allocations a ticket, {:.1} a chunk of {CHUNK_ROWS_MAX}", of(1), of(CHUNK_ROWS_MAX));
    assert!(taken <= tickets, "{name}: {taken} allocations for {tickets} tickets");
}

#[test]
fn the_pipeline_allocates_at_most_once_a_ticket_and_nothing_of_image_size() {
    let _turn = lock(&TURN);
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    for (pools, jitter) in [((1, 2, 1), false), ((1, 2, 1), true), ((0, 2, 0), true)] {
        // The planar path has no decoder but our own.
        let run = Run::new(phase(&index, ResamplePath::Planar, jitter), pools);
        run.epoch();
        // Which chunks are under way together is chance, and the first time that many are, one more buffer is made: of
        // one more stretch than there can be buffers, one makes none, however late the others come.
        let mut stretches = (0..=run.buffers_max).map(|_| run.count());
        let (taken, _) = stretches.find(|(_, large)| *large == 0).expect("no more buffers are made than there can be");
        at_most_once_a_ticket(&format!("planar, pools {pools:?}, jitter {jitter}"), taken);
    }
}

#[test]
fn the_pipeline_adds_at_most_one_allocation_a_ticket_to_those_of_the_jpeg_decoder() {
    let _turn = lock(&TURN);
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let run = Run::new(phase(&index, ResamplePath::Pil, false), (1, 2, 1));
    (0..EPOCHS).for_each(|_| run.epoch());
    let (taken, _) = run.count();
    let decoders_own = of_the_jpeg_decoder() * EPOCHS * u64::from(RECORDS);
    let ours = taken.checked_sub(decoders_own).expect("every picture was decoded");
    at_most_once_a_ticket("pil, less the JPEG decoder's own", ours);
}
