//! Heap allocations in steady state: none in our stage functions, hardly any in the pipeline around them.
//! A binary of its own, since it counts with the global allocator. Not here: the bytes that are held (see `bound`).

mod counting;
#[path = "../common.rs"]
#[allow(dead_code, reason = "shared with the tests of the whole pipeline, which use more of it")]
mod common;
mod pipeline;
mod stages;

use std::path::Path;
use std::sync::{Arc, Mutex};

use fastgarden_data::geometry::Size;
use fastgarden_data::index::Index;
use fastgarden_data::phase::PhaseSpec;
use fastgarden_data::picture::{DecodeMode, ImageDecoder};
use fastgarden_data::resample::ResamplePath;
use fastgarden_data::ticket::{Crop, Transform};

/// Side of the pictures and of the views, pixels.
const SIDE_PX: u32 = 96;
/// Rows of a batch.
const BATCH_ROWS: usize = 64;
/// Different pictures, over and over.
const PICTURES: u32 = 16;
/// Records of the split.
const RECORDS: u32 = 256;

/// Every test takes it: what one counts over all threads must not be another's.
static TURN: Mutex<()> = Mutex::new(());

/// A split of pictures of one size.
fn index(folder: &Path) -> Arc<Index> {
    let payloads: Vec<_> =
        (0..RECORDS).map(|number| common::example(&common::jpeg(number % PICTURES, SIDE_PX), 1, "x")).collect();
    common::shard(&folder.join("train.tfrec"), &payloads);
    common::index(folder)
}

/// Random crops to the pictures' own size, mirrored half the time, with brightness and contrast if `jitter`.
fn phase(index: &Arc<Index>, resample: ResamplePath, jitter: bool) -> PhaseSpec {
    let size = Size { width: SIDE_PX, height: SIDE_PX };
    let view = Transform { size, crop: Crop::RandomResized { min_scale: 0.35 }, flip: true, distort: false, jitter };
    PhaseSpec { batch_rows: BATCH_ROWS, views: vec![view], resample, ..common::phase(index, 1, None) }
}

/// What zune-jpeg allocates to make pixels of one of the pictures, into a buffer that is there.
fn of_the_jpeg_decoder() -> u64 {
    let mut decoder = ImageDecoder::new(DecodeMode::Strict);
    let mut counts = (0..PICTURES).map(|number| {
        let encoded = common::jpeg(number, SIDE_PX);
        decoder.decode(&encoded).expect("a sound picture");
        let (taken, decoded) = counting::of_this_thread(|| decoder.decode(&encoded).is_ok());
        assert!(decoded);
        taken
    });
    let first = counts.next().expect("there are pictures");
    assert!(counts.all(|count| count == first), "pictures of one size take the same");
    first
}
