//! Each stage by itself on one thread: framing and CRC, parsing, JPEG decoding, crop-resize-flip, hashing, collating.
//! Not here: what they do together (`saturation`), instruction counts (`instructions`).

mod common;

use std::hint::black_box;
use std::sync::Arc;

use common::{BATCH_ROWS, SIDE_PX};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastgarden_data::distortion::Distortion;
use fastgarden_data::example::{FeatureNames, parse_example};
use fastgarden_data::framing::check_frame;
use fastgarden_data::geometry::{CropBox, Size};
use fastgarden_data::limits::CHUNK_ROWS_MAX;
use fastgarden_data::picture::{DecodeMode, ImageDecoder};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::simd::Simd;
use fastgarden_data::slab::{Heap, Layout, Slab};
use fastgarden_data::ticket::{Placement, ViewKey};
use fastgarden_data::view::ViewMaker;
use twox_hash::XxHash3_64;

/// Records that are gone through in turn, so that no stage learns one by heart.
const SAMPLE: u32 = 64;
const PATHS: [ResamplePath; 2] = [ResamplePath::Pil, ResamplePath::Planar];

/// With what this processor has, and without.
fn simds() -> impl Iterator<Item = (&'static str, Simd)> {
    let best = Simd::detect();
    let vectors = (best != Simd::Portable).then_some(("SIMD", best));
    vectors.into_iter().chain([("portable", Simd::Portable)])
}

/// Some records as they are stored.
fn frames() -> Vec<Vec<u8>> {
    let index = common::data();
    let read = |record| {
        let mut frame = Vec::new();
        index.read_frames(record, 1, &mut frame).expect("the shard can be read");
        frame
    };
    (0..SAMPLE.min(index.len())).map(read).collect()
}

fn image(frame: &[u8]) -> Vec<u8> {
    let payload = check_frame(frame).expect("a sound record");
    let example = parse_example(payload, &FeatureNames::default()).expect("a sound example");
    example.image.expect("it has an image").to_vec()
}

/// Calls `work` with one item after the other, round and round.
fn in_turn<'a, T>(items: &'a [T], mut work: impl FnMut(&'a T)) -> impl FnMut() {
    let mut round = items.iter().cycle();
    move || round.next().into_iter().for_each(&mut work)
}

fn reading(criterion: &mut Criterion) {
    let frames = frames();
    let names = FeatureNames::default();
    let mean_bytes = frames.iter().map(|frame| frame.len() as u64).sum::<u64>() / frames.len() as u64;
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(mean_bytes));
    let check = |frame: &Vec<u8>| assert!(check_frame(black_box(frame)).is_ok());
    group.bench_function("frame and both CRCs", |bencher| bencher.iter(in_turn(&frames, check)));
    let payloads: Vec<_> = frames.iter().map(|frame| check_frame(frame).expect("a sound record")).collect();
    let parse = |payload: &&[u8]| assert!(parse_example(black_box(payload), &names).is_ok());
    group.bench_function("example", |bencher| bencher.iter(in_turn(&payloads, parse)));
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let images: Vec<_> = frames().iter().map(|frame| image(frame)).collect();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for path in PATHS {
        for (name, simd) in simds() {
            for (part, share) in [("whole", 1.0), ("half", 0.5)] {
                // To pixels they are decoded by a library that chooses its instructions itself, and always whole.
                if path == ResamplePath::Pil && (simd == Simd::Portable || share < 1.0) {
                    continue;
                }
                let id = BenchmarkId::new(format!("{}, {name}", path.name()), format!("{part} of the area"));
                group.bench_function(id, |bencher| {
                    let mut decoder = ImageDecoder::with_simd(DecodeMode::Strict, simd);
                    bencher.iter(in_turn(&images, |image| {
                        let decoded = decoder.decode_for(path, black_box(image), |size| centre(size, share));
                        assert!(decoded.is_ok());
                    }));
                });
            }
        }
    }
    group.finish();
}

/// A box of that share of the area in the middle.
fn centre(size: Size, share: f64) -> CropBox {
    let side = |whole: u32| ((f64::from(whole) * share.sqrt()) as u32).max(1);
    let (width, height) = (side(size.width), side(size.height));
    CropBox { x: (size.width - width) / 2, y: (size.height - height) / 2, width, height }
}

fn resizing(criterion: &mut Criterion) {
    let image = image(&frames()[0]);
    let mut group = criterion.benchmark_group("crop-resize-flip");
    group.throughput(Throughput::Elements(1));
    for path in PATHS {
        for (name, simd) in simds() {
            let mut decoder = ImageDecoder::with_simd(DecodeMode::Strict, simd);
            let picture = decoder.decode_for(path, &image, Size::whole).expect("a sound picture");
            let mut views = ViewMaker::new(simd);
            for side in [128, SIDE_PX] {
                for share in [0.35, 0.7, 1.0] {
                    let full = Size { width: side, height: side };
                    let source = centre(picture.size(), share);
                    let place = Placement { source, full, window: full.whole(), flip: true, distortion: None };
                    let mut row = vec![0; full.px() as usize * 3];
                    let id = BenchmarkId::new(format!("{}, {name}", path.name()), format!("{share} to {side} px"));
                    group.bench_function(id, |bencher| {
                        bencher.iter(|| views.make(black_box(&picture), &place, &mut row));
                    });
                }
            }
        }
    }
    group.finish();
}

/// The same as a cut, with a distortion in the same resampling.
fn distorting(criterion: &mut Criterion) {
    let image = image(&frames()[0]);
    let mut group = criterion.benchmark_group("crop-resize-distort");
    group.throughput(Throughput::Elements(1));
    for (name, simd) in simds() {
        let mut decoder = ImageDecoder::with_simd(DecodeMode::Strict, simd);
        let picture = decoder.decode_for(ResamplePath::Pil, &image, Size::whole).expect("a sound picture");
        let mut views = ViewMaker::new(simd);
        let distortion = Some(Distortion::draw(ViewKey { seed: 1, epoch: 1, seq: 1, view: 0 }));
        for (side, share) in [(64, 1.0), (SIDE_PX, 0.7), (SIDE_PX, 1.0)] {
            let full = Size { width: side, height: side };
            let source = centre(picture.size(), share);
            let place = Placement { source, full, window: full.whole(), flip: false, distortion };
            let mut row = vec![0; full.px() as usize * 3];
            group.bench_function(BenchmarkId::new(name, format!("{share} to {side} px")), |bencher| {
                bencher.iter(|| views.make(black_box(&picture), &place, &mut row));
            });
        }
    }
    group.finish();
}

fn finishing(criterion: &mut Criterion) {
    let side = Size { width: SIDE_PX, height: SIDE_PX };
    let layout = Arc::new(Layout::new(BATCH_ROWS, vec![side]));
    let row = vec![7u8; layout.row_bytes(0)];
    let mut group = criterion.benchmark_group("finish");
    group.throughput(Throughput::Bytes(row.len() as u64));
    group.bench_function("row hash", |bencher| bencher.iter(|| XxHash3_64::oneshot(black_box(&row))));
    group.throughput(Throughput::Elements(BATCH_ROWS as u64));
    // Collating copies nothing: rows are lent where they will lie. What it costs among the actors, `actors` shows.
    group.bench_function("collate: lend a slab by chunks and close it", |bencher| {
        let mut slab = Some(Slab::allocate(&Heap, layout.bytes()).expect("there is memory"));
        bencher.iter(|| {
            let mut open = slab.take().expect("it was closed").open(Arc::clone(&layout));
            let lent = (0..BATCH_ROWS / CHUNK_ROWS_MAX).map(|_| open.lend(CHUNK_ROWS_MAX)).collect();
            drop(open);
            slab = Some(Slab::close(black_box(lent)));
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = common::criterion(); targets = reading, decoding, resizing, distorting, finishing }
criterion_main!(benches);
