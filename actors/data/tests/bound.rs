//! I-bound: memory stays at slabs + encoded budget + decode scratch, in bytes, whatever the images.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use fastgarden_data::cache::{Cache, CacheMode};
use fastgarden_data::pipeline::{Pipeline, PipelineOptions};
use fastgarden_data::shared::lock;

use crate::common::{example, index, jpeg, options, phase, shard, walk};

/// Counts what is allocated, and the most there ever was.
struct Counting;

static NOW_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW_BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(now, Relaxed);
        // SAFETY: the caller's promise about `layout` is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise about `pointer` and `layout` is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Only one test at a time has large things in memory; what the others of this binary have is small beside the bounds.
static LARGE: Mutex<()> = Mutex::new(());

/// A flat grey JPEG of 20 megapixels.
fn twenty_megapixels() -> Vec<u8> {
    let (width, height) = (5_472u16, 3_648u16);
    let mut bytes = Vec::new();
    let pixels = vec![120u8; usize::from(width) * usize::from(height) * 3];
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, 50);
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

#[test]
fn memory_is_bounded_with_huge_images_mixed_in() {
    let _alone = lock(&LARGE);
    let folder = tempfile::tempdir().unwrap();
    let huge = twenty_megapixels();
    let small: Vec<_> = (0..8).map(|number| jpeg(number, 40)).collect();
    let payloads: Vec<_> = (0..300usize)
        .map(|number| {
            let image = if number % 100 == 50 { &huge } else { &small[number % 8] };
            example(image, 1, &format!("{number:09}"))
        })
        .collect();
    shard(&folder.path().join("train.tfrec"), &payloads);
    let (huge_pixels, encoded) = (5_472 * 3_648 * 3, huge.len());
    drop((payloads, huge, small));
    let index = index(folder.path());
    let decoders = 2;
    let pipeline = Pipeline::start(options(1, decoders, 1)).unwrap();
    PEAK_BYTES.store(NOW_BYTES.load(Relaxed), Relaxed);
    let before = NOW_BYTES.load(Relaxed);
    walk(&pipeline, phase(&index, 1, None)).unwrap();
    let grown = PEAK_BYTES.load(Relaxed).saturating_sub(before);
    // A decoder holds the whole picture, and the JPEG library at most as much again.
    let bound = decoders * 2 * huge_pixels + 4 * encoded + (32 << 20);
    assert!(grown <= bound, "{grown} bytes are more than {bound}");
    assert!(grown >= huge_pixels, "the huge pictures were decoded: {grown}");
}

#[test]
fn a_cache_stays_within_its_bytes_however_many_fill_it() {
    let _alone = lock(&LARGE);
    let folder = tempfile::tempdir().unwrap();
    // 600 px: a picture of a megabyte, so that what the cache holds stands out from everything else.
    let large: Vec<_> = (0..4).map(|number| example(&jpeg(number, 600), 1, "x")).collect();
    let payloads: Vec<_> = (0..96).map(|number| large[number % 4].clone()).collect();
    shard(&folder.path().join("train.tfrec"), &payloads);
    let encoded: usize = payloads.iter().map(Vec::len).sum();
    drop((payloads, large));
    let index = index(folder.path());
    let (decoders, budget) = (4, 40 << 20);
    let cache = Arc::new(Cache::new(CacheMode::Decoded, budget as u64));
    let pipeline =
        Pipeline::start(PipelineOptions { cache: Some(Arc::clone(&cache)), ..options(1, decoders, 1) }).unwrap();
    PEAK_BYTES.store(NOW_BYTES.load(Relaxed), Relaxed);
    let before = NOW_BYTES.load(Relaxed);
    for seed in 1..4 {
        walk(&pipeline, phase(&index, seed, None)).unwrap();
    }
    let grown = PEAK_BYTES.load(Relaxed).saturating_sub(before);
    let seen = cache.observe();
    assert!(seen.full && seen.bytes <= budget as u64 && seen.records < 96, "{seen:?}");
    assert!(seen.bytes > budget as u64 - (2 << 20), "it was filled: {seen:?}");
    let bound = budget + decoders * 2 * 600 * 600 * 3 + encoded + (32 << 20);
    assert!(grown <= bound, "{grown} bytes are more than {bound}");
    assert!(grown >= seen.bytes as usize, "what it says it holds was allocated: {grown}");
}
