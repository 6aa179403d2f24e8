//! The stage functions by themselves, chunk after chunk on one thread.

use std::hint::black_box;
use std::sync::Arc;

use fastgarden_data::augmenter::Augmenter;
use fastgarden_data::batch::RowDigest;
use fastgarden_data::batch_hash::BatchHash;
use fastgarden_data::chunk::{Chunk, ChunkRow, RowState};
use fastgarden_data::decoder::Decoder;
use fastgarden_data::limits::{CHUNK_ROWS_MAX, VIEWS_MAX};
use fastgarden_data::phase::{Phase, PhaseSpec};
use fastgarden_data::reader::Reader;
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::shared::lock;
use fastgarden_data::simd::Simd;
use fastgarden_data::slab::{Heap, Layout, Rows, Slab};
use fastgarden_data::worker::StageWork;

use crate::counting::of_this_thread;
use crate::{RECORDS, SIDE_PX, TURN, index, of_the_jpeg_decoder, phase};

/// Allocations of each stage (read, decode, augment) over one epoch, after another one that grew the buffers.
fn counts(spec: PhaseSpec, simd: Simd) -> [u64; 3] {
    let layout = Arc::new(Layout::new(CHUNK_ROWS_MAX, spec.views.iter().map(|view| view.size).collect()));
    let phase = Arc::new(Phase { spec, number: 0, layout: Arc::clone(&layout), cache: None });
    let (mut reader, mut decoder, mut augmenter) = (Reader::default(), Decoder::new(simd), Augmenter);
    let mut stages: [&mut dyn StageWork; 3] = [&mut reader, &mut decoder, &mut augmenter];
    let mut slab = Slab::allocate(&Heap, layout.bytes()).expect("there is memory");
    let (mut encoded, mut counts) = (Vec::new(), [0; 3]);
    for epoch in 0..2 {
        for number in 0..u64::from(RECORDS) / CHUNK_ROWS_MAX as u64 {
            let mut open = slab.open(Arc::clone(&layout));
            let rows = open.lend(CHUNK_ROWS_MAX);
            drop(open);
            let mut chunk = chunk(&phase, number, rows, encoded);
            for (stage, counted) in stages.iter_mut().zip(&mut counts) {
                let (taken, worked) = of_this_thread(|| stage.run(&mut chunk));
                worked.expect("the shard can be read");
                *counted += if epoch == 1 { taken } else { 0 };
            }
            assert!(chunk.rows.iter().all(|row| row.state == RowState::Ready), "all records are sound");
            encoded = chunk.encoded;
            slab = Slab::close(vec![chunk.slab_rows]);
        }
    }
    counts
}

/// Whether brightness and contrast vary, and whether views are distorted.
const WAYS: [(bool, bool); 3] = [(false, false), (true, false), (true, true)];

fn distorted(mut spec: PhaseSpec, distort: bool) -> PhaseSpec {
    spec.views[0].distort = distort;
    spec
}

fn chunk(phase: &Arc<Phase>, number: u64, slab_rows: Rows, mut encoded: Vec<u8>) -> Chunk {
    encoded.clear();
    let rows = (0..CHUNK_ROWS_MAX as u64)
        .map(|row| ChunkRow::new(phase.spec.plan.ticket(number * CHUNK_ROWS_MAX as u64 + row)))
        .collect();
    let phase = Arc::clone(phase);
    Chunk { phase, batch: number, slab_rows, rows, encoded, encoded_bytes: 0, at: 0, at_record: 0, picture_ns: 0 }
}

#[test]
fn stages_on_the_planar_path_allocate_nothing() {
    let _turn = lock(&TURN);
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    for simd in [Simd::Portable, Simd::detect()] {
        for (jitter, distort) in WAYS {
            let [read, decode, augment] = counts(distorted(phase(&index, ResamplePath::Planar, jitter), distort), simd);
            assert_eq!(
                [read, decode, augment],
                [0, 0, 0],
                "read, decode, augment; {simd:?}, jitter {jitter}, distort {distort}"
            );
        }
    }
}

#[test]
fn stages_on_the_exact_path_allocate_what_the_jpeg_decoder_does() {
    let _turn = lock(&TURN);
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let decoders_own = of_the_jpeg_decoder();
    println!("zune-jpeg: {decoders_own} allocations a picture of {SIDE_PX} x {SIDE_PX} px");
    for simd in [Simd::Portable, Simd::detect()] {
        for (jitter, distort) in WAYS {
            let [read, decode, augment] = counts(distorted(phase(&index, ResamplePath::Pil, jitter), distort), simd);
            let ours = decode.checked_sub(decoders_own * u64::from(RECORDS));
            assert_eq!(
                (read, ours, augment),
                (0, Some(0), 0),
                "read, decode, augment; {simd:?}, jitter {jitter}, distort {distort}"
            );
        }
    }
}

#[test]
fn tickets_and_hashes_allocate_nothing() {
    let _turn = lock(&TURN);
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let spec = phase(&index, ResamplePath::Pil, false);
    let rows: Vec<_> = (0..64).map(|seq| RowDigest { seq, label: 1, hashes: [seq; VIEWS_MAX] }).collect();
    let mut chain = BatchHash::default();
    let (taken, ()) = of_this_thread(|| {
        for seq in 0..spec.plan.tickets() {
            black_box(spec.plan.ticket(seq));
        }
        chain.update(&rows, 1);
    });
    assert_eq!(taken, 0);
    assert_ne!(chain, BatchHash::default());
}
